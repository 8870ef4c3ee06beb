//! Stream parameters as PODs ("plain old data"), PipeWire's typed values.
//!
//! Constants and layout: `<spa/pod/pod.h>`, `<spa/param/video/raw.h>`, `<spa/param/buffers.h>`.

use std::ops::Deref;

use super::library;
use crate::frame::Size;

/// A POD in PipeWire's layout: native-endian 32-bit words, 8-byte aligned. Its header has the right size, which the
/// library relies on, because only [`object`] creates it.
#[derive(Debug, Clone)]
pub(crate) struct Pod(Box<[u64]>);

impl Deref for Pod {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0
    }
}

/// `SPA_PARAM_Format`: the negotiated format.
pub(crate) const PARAM_FORMAT: u32 = 4;

/// `SPA_PARAM_EnumFormat`: a supported format.
pub(crate) const PARAM_ENUM_FORMAT: u32 = 3;

/// Keys and values of formats.
pub(crate) mod key {
    pub(crate) const MEDIA_TYPE: u32 = 1;
    pub(crate) const MEDIA_SUBTYPE: u32 = 2;
    pub(crate) const FORMAT: u32 = 0x2_0001;
    pub(crate) const SIZE: u32 = 0x2_0003;
    pub(crate) const FRAMERATE: u32 = 0x2_0004;
    pub(crate) const MAX_FRAMERATE: u32 = 0x2_0005;
    pub(crate) const INTERLACE_MODE: u32 = 0x2_0007;
    pub(crate) const COLOR_RANGE: u32 = 0x2_000c;
    pub(crate) const COLOR_MATRIX: u32 = 0x2_000d;
    pub(crate) const TRANSFER_FUNCTION: u32 = 0x2_000e;
    pub(crate) const COLOR_PRIMARIES: u32 = 0x2_000f;
    pub(crate) const VIDEO: u32 = 2;
    pub(crate) const RAW: u32 = 1;
    pub(crate) const MJPG: u32 = 0x2_0002;
}

/// Type of a format object.
pub(crate) const OBJECT_FORMAT: u32 = 0x4_0003;

/// Maximum number of buffers.
pub(crate) const MAX_BUFFERS: u32 = 16;

/// A property value of an object.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Id(u32),
    /// Alternatives, the best first.
    Ids(Vec<u32>),
    Int(u32),
    Rectangle(u32, u32),
    /// Default, minimum and maximum.
    Rectangles([(u32, u32); 3]),
    Fraction(u32, u32),
    /// Default, minimum and maximum.
    Fractions([(u32, u32); 3]),
    /// Default, minimum and maximum.
    Range(u32, u32, u32),
    /// A set of flags.
    Flags(u32),
}

impl Value {
    /// Type, size in bytes, and words.
    fn words(&self) -> (u32, u32, Vec<u32>) {
        const INT: u32 = 4;
        match *self {
            Self::Id(id) => (3, 4, vec![id]),
            Self::Int(int) => (INT, 4, vec![int]),
            Self::Rectangle(width, height) => (10, 8, vec![width, height]),
            Self::Fraction(numerator, denominator) => (11, 8, vec![numerator, denominator]),
            Self::Ids(ref ids) => {
                let values = ids.first().into_iter().chain(ids).copied().collect::<Vec<_>>();
                (19, 16 + 4 * values.len() as u32, [vec![3, 0, 4, 3], values].concat())
            }
            Self::Rectangles(range) => (19, 40, pairs(10, range)),
            Self::Fractions(range) => (19, 40, pairs(11, range)),
            // A choice: its kind, flags, size and type of each value, and the values.
            Self::Range(default, min, max) => (19, 28, vec![1, 0, 4, INT, default, min, max]),
            Self::Flags(bits) => (19, 20, vec![4, 0, 4, INT, bits]),
        }
    }
}

/// A choice from a range of pairs of this type.
fn pairs(kind: u32, range: [(u32, u32); 3]) -> Vec<u32> {
    [1, 0, 8, kind].into_iter().chain(range.into_iter().flat_map(|(first, second)| [first, second])).collect()
}

/// An object: its type, the parameter it describes, and its properties by key.
pub(crate) fn object(kind: u32, param: u32, properties: &[(u32, Value)]) -> Pod {
    let mut words = vec![0, 15, kind, param];
    for (key, value) in properties {
        let (kind, len, value) = value.words();
        words.extend([*key, 0, len, kind]);
        words.extend(value);
        words.resize(words.len().next_multiple_of(2), 0);
    }
    words[0] = (words.len() as u32 - 2) * 4;
    let pairs = words.chunks_exact(2);
    Pod(pairs.map(|pair| u64::from_ne_bytes(join(pair[0].to_ne_bytes(), pair[1].to_ne_bytes()))).collect())
}

fn join(first: [u8; 4], second: [u8; 4]) -> [u8; 8] {
    let mut both = [0; 8];
    both[..4].copy_from_slice(&first);
    both[4..].copy_from_slice(&second);
    both
}

/// The stream format: I420 with one size and one rate. Browsers do not list cameras with more than one choice.
pub(crate) fn format(size: Size, rate: (u32, u32)) -> Pod {
    let i420 = 2;
    // Without a matrix, GStreamer assumes BT.709 above 576 lines.
    let (limited, bt601, transfer_bt709, smpte170m) = (2, 4, 5, 4);
    object(
        OBJECT_FORMAT,
        PARAM_ENUM_FORMAT,
        &[
            (key::MEDIA_TYPE, Value::Id(key::VIDEO)),
            (key::MEDIA_SUBTYPE, Value::Id(key::RAW)),
            (key::FORMAT, Value::Id(i420)),
            (key::SIZE, Value::Rectangle(size.width() as u32, size.height() as u32)),
            (key::FRAMERATE, Value::Fraction(rate.0, rate.1)),
            (key::COLOR_RANGE, Value::Id(limited)),
            (key::COLOR_MATRIX, Value::Id(bt601)),
            (key::TRANSFER_FUNCTION, Value::Id(transfer_bt709)),
            (key::COLOR_PRIMARIES, Value::Id(smpte170m)),
        ],
    )
}

/// The requested buffers: shared memory blocks with one whole frame each.
pub(crate) fn buffers(size: Size) -> Pod {
    let shared_memory = 1 << 2;
    object(
        0x4_0004,
        5,
        &[
            (1, Value::Range(8, 3, MAX_BUFFERS)),
            (2, Value::Int(1)),
            (3, Value::Int(size.i420_len() as u32)),
            (4, Value::Int(size.width() as u32)),
            (6, Value::Flags(shared_memory)),
        ],
    )
}

/// The buffers that a reader accepts: memory that can be mapped, with all planes in one block or one block for each.
/// `len` is the suggested size of encoded frames.
pub(crate) fn mapped_buffers(len: Option<usize>) -> Pod {
    let kinds = library::MEMORY_KINDS.iter().map(|kind| 1 << kind).sum();
    let mut properties = vec![(1, Value::Range(4, 2, MAX_BUFFERS)), (2, Value::Range(1, 1, 4))];
    properties.extend(len.map(|len| (3, Value::Range(len as u32, 1, i32::MAX as u32))));
    properties.push((6, Value::Flags(kinds)));
    object(0x4_0004, 5, &properties)
}

/// Requests a header with a timestamp in every buffer.
pub(crate) fn header() -> Pod {
    object(0x4_0005, 6, &[(1, Value::Id(library::META_HEADER)), (2, Value::Int(size_of::<library::Header>() as u32))])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected words: produced by `spa_pod_builder_add_object` in a C program with the headers of 0.3.65.
    fn assert_words(pod: &Pod, expected: &[u32]) {
        let words: Vec<u32> = pod
            .iter()
            .flat_map(|pair| {
                let bytes = pair.to_ne_bytes();
                [0, 4].map(|at| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
            })
            .collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn objects_match_those_of_pipewires_own_builder() {
        #[rustfmt::skip]
        assert_words(&format(Size::HD, (30, 1)), &[
            0xe0, 15, 0x40003, 3,
            1, 0, 4, 3, 2, 0,
            2, 0, 4, 3, 1, 0,
            0x20001, 0, 4, 3, 2, 0,
            0x20003, 0, 8, 10, 1280, 720,
            0x20004, 0, 8, 11, 30, 1,
            0x2000c, 0, 4, 3, 2, 0,
            0x2000d, 0, 4, 3, 4, 0,
            0x2000e, 0, 4, 3, 5, 0,
            0x2000f, 0, 4, 3, 4, 0,
        ]);
        #[rustfmt::skip]
        assert_words(&buffers(Size::HD), &[
            0xa8, 15, 0x40004, 5,
            1, 0, 28, 19, 1, 0, 4, 4, 8, 3, 16, 0,
            2, 0, 4, 4, 1, 0,
            3, 0, 4, 4, 1_382_400, 0,
            4, 0, 4, 4, 1280, 0,
            6, 0, 20, 19, 4, 0, 4, 4, 4, 0,
        ]);
        #[rustfmt::skip]
        assert_words(&mapped_buffers(None), &[
            0x90, 15, 0x40004, 5,
            1, 0, 28, 19, 1, 0, 4, 4, 4, 2, 16, 0,
            2, 0, 28, 19, 1, 0, 4, 4, 1, 1, 4, 0,
            6, 0, 20, 19, 4, 0, 4, 4, 6, 0,
        ]);
        assert_words(&header(), &[0x38, 15, 0x40005, 6, 1, 0, 4, 3, 1, 0, 2, 0, 4, 4, 32, 0]);
    }
}
