//! The memory of a frame from another process: checks that all planes are within it.

use super::super::{CameraError, convert, format::Pixel, plane::Plane};
use crate::{frame::Size, pipewire::library::Chunk};

/// Maximum number of blocks of a frame.
pub(super) const MAX_BLOCKS: usize = 4;

/// A block of mapped memory, and which part of it is valid according to the sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub memory: &'a [u8],
    pub chunk: Chunk,
}

impl Default for Block<'_> {
    fn default() -> Self {
        Self { memory: &[], chunk: Chunk { offset: 0, size: 0, stride: 0, flags: 0 } }
    }
}

impl<'a> Block<'a> {
    /// The valid bytes.
    pub(super) fn bytes(&self) -> Result<&'a [u8], CameraError> {
        let (start, len) = (self.chunk.offset as usize, self.chunk.size as usize);
        let end = start.checked_add(len).filter(|_| len > 0);
        end.and_then(|end| self.memory.get(start..end)).ok_or(CameraError::Corrupt("a frame outside of its buffer"))
    }

    /// The stride; `None` if the sender does not specify it.
    fn stride(&self) -> Result<Option<usize>, CameraError> {
        let stride = usize::try_from(self.chunk.stride).map_err(|_| CameraError::Corrupt("a negative stride"))?;
        Ok((stride > 0).then_some(stride))
    }
}

/// The size of a raw frame of the negotiated `size`: narrower if its rows, and thereby the frame, have fewer bytes.
///
/// PipeWire's libcamera plugin (0.3.65) ignores that a camera adjusts the width, for example to a multiple of 6.
pub(super) fn delivered_size(pixel: Pixel, size: Size, blocks: &[Block<'_>]) -> Size {
    let shapes = convert::shapes(pixel, size);
    let [(row, rows), ..] = shapes;
    let Some(Chunk { stride, size: len, .. }) = blocks.first().map(|block| block.chunk) else { return size };
    let (stride, len) = (usize::try_from(stride).unwrap_or(0), len as usize);
    let bytes = |(row, rows): &(usize, usize)| row * rows;
    let whole = if blocks.len() == 1 { shapes.iter().map(bytes).sum() } else { row * rows };
    if stride == 0 || stride >= row || len >= whole || stride.checked_mul(rows).is_none_or(|needed| needed > len) {
        return size;
    }
    let width = (stride * size.width() / row) & !1;
    Size::new(width as u32, size.height() as u32).unwrap_or(size)
}

/// How often frames may change their size without a negotiation. Each change replaces the decoder and its buffers.
const MAX_SIZES: u32 = 8;

/// The size of the frames since the last negotiation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    pub size: Size,
    changes: u32,
}

impl Delivered {
    /// Begins with the negotiated size.
    pub(super) fn new(size: Size) -> Self {
        Self { size, changes: 0 }
    }

    /// Continues with frames of another size.
    ///
    /// # Errors
    /// If the size keeps changing.
    pub(super) fn change(&mut self, size: Size) -> Result<(), String> {
        self.changes += 1;
        if self.changes > MAX_SIZES {
            return Err(format!("its frames keep changing between {} and {size}", self.size));
        }
        self.size = size;
        Ok(())
    }
}

/// The planes of a raw frame, in one block or in one block for each.
pub(super) fn planes<'a>(pixel: Pixel, size: Size, blocks: &[Block<'a>]) -> Result<[Plane<'a>; 3], CameraError> {
    let shapes = convert::shapes(pixel, size);
    let count = shapes.iter().filter(|(_, rows)| *rows > 0).count();
    let first = blocks.first().ok_or(CameraError::Corrupt("a frame without memory"))?;
    if count == 1 || blocks.len() < count {
        let bytes = first.bytes()?;
        return convert::with_strides(shapes, bytes, strides(shapes, bytes.len(), first.stride()?));
    }
    let mut planes = [Plane::default(); 3];
    for ((plane, block), (row, rows)) in planes.iter_mut().zip(blocks).zip(shapes).take(count) {
        let bytes = block.bytes()?;
        let [stride, ..] = strides([(row, rows), (0, 0), (0, 0)], bytes.len(), block.stride()?);
        *plane = Plane { bytes, stride };
    }
    Ok(planes)
}

/// The strides of consecutive planes in `len` bytes. Without a stride from the sender, rows are padded to four bytes,
/// as GStreamer does, or not at all.
fn strides(shapes: [(usize, usize); 3], len: usize, stride: Option<usize>) -> [usize; 3] {
    let padded = shapes.map(|(row, _)| row.next_multiple_of(4));
    let needed = shapes.iter().zip(padded).map(|((_, rows), stride)| rows * stride).sum::<usize>();
    let planar = shapes[2].1 > 0;
    match stride {
        None if len >= needed => padded,
        None => shapes.map(|(row, _)| row),
        Some(stride) if stride == padded[0] && planar && len >= needed => padded,
        Some(stride) if planar => [stride, stride / 2, stride / 2],
        Some(stride) => [stride; 3],
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{camera::rgb::RgbOrder, frame::Frame};

    const PIXELS: [Pixel; 8] = [
        Pixel::Nv12,
        Pixel::Yu12,
        Pixel::Yv12,
        Pixel::Yuyv,
        Pixel::Uyvy,
        Pixel::Grey,
        Pixel::Rgb(RgbOrder::Xbgr),
        Pixel::Rgb(RgbOrder::Bgr),
    ];

    fn block(memory: &[u8], offset: usize, size: usize, stride: usize) -> Block<'_> {
        let chunk = Chunk { offset: offset as u32, size: size as u32, stride: stride as i32, flags: 0 };
        Block { memory, chunk }
    }

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).unwrap()
    }

    proptest! {
        /// Whatever another process writes, no byte outside of the memory is read.
        #[test]
        fn any_chunks_are_read_within_their_bounds(
            which in 0..8_usize,
            half in (8..20_u32, 8..20_u32),
            chunks in vec((any::<u32>(), any::<u32>(), any::<i32>()), 0..5),
            small in any::<bool>(),
            len in 0..6000_usize,
        ) {
            let memory = vec![7; len];
            let limit = |value: u32| if small { value % 6000 } else { value };
            let blocks: Vec<_> = chunks
                .iter()
                .map(|(offset, size, stride)| {
                    let stride = if small { stride % 200 } else { *stride };
                    let chunk = Chunk { offset: limit(*offset), size: limit(*size), stride, flags: 0 };
                    Block { memory: &memory, chunk }
                })
                .collect();
            let size = size(2 * half.0, 2 * half.1);
            let mut frame = Frame::new(size);
            if let Ok(planes) = planes(PIXELS[which], size, &blocks) {
                let _ = convert::unpack(PIXELS[which], planes, &mut frame);
            }
        }

        #[test]
        fn one_block_and_one_for_each_plane_are_equal(
            which in 0..8_usize, half_width in 8..20_u32, offset in 0..50_usize, noise in vec(any::<u8>(), 997),
        ) {
            let (pixel, size) = (PIXELS[which], size(2 * half_width, 16));
            let shapes = convert::shapes(pixel, size);
            let count = shapes.iter().filter(|(_, rows)| *rows > 0).count();
            let len: usize = shapes.iter().map(|(row, rows)| row.next_multiple_of(4) * rows).sum();
            let memory: Vec<u8> = noise.iter().copied().cycle().take(offset + len).collect();
            let mut at = offset;
            let each: Vec<_> = shapes[..count]
                .iter()
                .map(|(row, rows)| {
                    let stride = row.next_multiple_of(4);
                    at += stride * rows;
                    block(&memory, at - stride * rows, stride * rows, stride)
                })
                .collect();
            let frames = [&[block(&memory, offset, len, 0)][..], &each].map(|blocks| {
                let mut frame = Frame::new(size);
                convert::unpack(pixel, planes(pixel, size, blocks).unwrap(), &mut frame).unwrap();
                frame
            });
            prop_assert_eq!(frames[0].data(), frames[1].data());
        }
    }

    #[test]
    fn strides_are_those_of_the_sender_or_of_gstreamer() {
        let planar = convert::shapes(Pixel::Yu12, size(18, 16));
        assert_eq!(strides(planar, 18 * 16 * 3 / 2, None), [18, 9, 9]);
        assert_eq!(strides(planar, 20 * 16 + 12 * 16, None), [20, 12, 12]);
        assert_eq!(strides(planar, 20 * 16 + 12 * 16, Some(20)), [20, 12, 12]);
        assert_eq!(strides(planar, 20 * 16 + 10 * 16, Some(20)), [20, 10, 10]);
        assert_eq!(strides(convert::shapes(Pixel::Nv12, size(18, 16)), 9999, Some(64)), [64; 3]);
    }

    #[test]
    fn frames_may_be_narrower_than_negotiated() {
        let memory = [0; 3 * 38 * 16];
        let bgr = Pixel::Rgb(RgbOrder::Bgr);
        let delivered = |stride, len| delivered_size(bgr, size(40, 16), &[block(&memory, 0, len, stride)]);
        assert_eq!(delivered(3 * 38, 3 * 38 * 16), size(38, 16));
        let whole = 3 * 40 * 16;
        for (stride, len) in
            [(3 * 40, whole), (3 * 38, whole), (0, whole), (3 * 44, 3 * 44 * 16), (3 * 38, 3 * 38 * 15), (1, 16)]
        {
            assert_eq!(delivered(stride, len), size(40, 16), "{stride} {len}");
        }
        let planes = planes(bgr, size(38, 16), &[block(&memory, 0, memory.len(), 3 * 38)]).unwrap();
        assert!(convert::unpack(bgr, planes, &mut Frame::new(size(38, 16))).is_ok());
    }

    #[test]
    fn frames_that_keep_changing_their_size_are_rejected() {
        let mut delivered = Delivered::new(size(40, 16));
        let mut widths = [38, 40].into_iter().cycle();
        let changes = (1..).find_map(|count| Some((count, delivered.change(size(widths.next()?, 16)).err()?)));
        let reason = "its frames keep changing between 40x16 and 38x16".to_owned();
        assert_eq!(changes, Some((MAX_SIZES + 1, reason)));
        assert!(Delivered::new(size(40, 16)).change(size(38, 16)).is_ok());
    }

    #[test]
    fn frames_outside_of_their_buffer_are_corrupt() {
        let memory = [0; 100];
        for (offset, size) in [(0, 101), (101, 1), (100, 1), (0, 0), (u32::MAX, 2), (1, u32::MAX)] {
            let chunk = Chunk { offset, size, stride: 0, flags: 0 };
            assert!(Block { memory: &memory, chunk }.bytes().is_err(), "{offset} {size}");
        }
        assert_eq!(block(&memory, 10, 90, 0).bytes().unwrap().len(), 90);
    }
}
