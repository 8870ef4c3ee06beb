//! JPEGs of every kind, with the defects of webcams.

use std::{ffi::c_int, ptr, slice};

use proptest::prelude::*;
use turbojpeg::raw;

use super::*;

/// Every chroma subsampling.
const KINDS: [raw::TJSAMP; 7] = [
    raw::TJSAMP_TJSAMP_444,
    raw::TJSAMP_TJSAMP_422,
    raw::TJSAMP_TJSAMP_420,
    raw::TJSAMP_TJSAMP_GRAY,
    raw::TJSAMP_TJSAMP_440,
    raw::TJSAMP_TJSAMP_411,
    raw::TJSAMP_TJSAMP_441,
];
/// The format of nearly all webcams.
const TYPICAL: Options = Options { kind: raw::TJSAMP_TJSAMP_422, restart: 0, progressive: false };

/// Encoder options of a JPEG.
#[derive(Debug, Clone, Copy)]
struct Options {
    kind: raw::TJSAMP,
    /// MCUs between restart markers; 0 for none.
    restart: c_int,
    progressive: bool,
}

/// An image with an orange left and a blue right half, or a gradient that needs bits in every block.
fn jpeg((width, height): (usize, usize), options: Options, is_flat: bool) -> Vec<u8> {
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        match is_flat {
            true if x < width / 2 => [230, 120, 20],
            true => [30, 60, 200],
            false => [(x * 7 + y * 3) as u8, (x * 5) as u8 ^ (y * 9) as u8, (y * 11) as u8],
        }
    };
    let pixels: Vec<u8> = (0..width * height).flat_map(pixel).collect();
    let (mut bytes, mut len) = (ptr::null_mut(), 0);
    // SAFETY: the pixel buffer has the given size; libjpeg allocates its output, and frees it.
    unsafe {
        let handle = raw::tj3Init(raw::TJINIT_TJINIT_COMPRESS as c_int);
        let set = |parameter: raw::TJPARAM, value| assert_eq!(raw::tj3Set(handle, parameter as c_int, value), 0);
        set(raw::TJPARAM_TJPARAM_QUALITY, 95);
        set(raw::TJPARAM_TJPARAM_SUBSAMP, options.kind);
        set(raw::TJPARAM_TJPARAM_RESTARTBLOCKS, options.restart);
        set(raw::TJPARAM_TJPARAM_PROGRESSIVE, c_int::from(options.progressive));
        let (width, height, format) = (width as c_int, height as c_int, raw::TJPF_TJPF_RGB as c_int);
        let status = raw::tj3Compress8(handle, pixels.as_ptr(), width, 0, height, format, &raw mut bytes, &raw mut len);
        assert_eq!(status, 0);
        let jpeg = slice::from_raw_parts(bytes, len as usize).to_vec();
        raw::tj3Free(bytes.cast());
        raw::tj3Destroy(handle);
        jpeg
    }
}
const ORANGE: [u8; 3] = [141, 59, 191];
const BLUE: [u8; 3] = [67, 203, 102];

fn size(text: &str) -> Size {
    text.parse().unwrap()
}

fn sides(size: Size) -> (usize, usize) {
    (size.width(), size.height())
}

fn decode(size: Size, bytes: &[u8]) -> Result<Frame, CameraError> {
    let mut frame = Frame::new(size);
    Mjpeg::new(size).unwrap().decode(bytes, &mut frame).map(|()| frame)
}

fn is_damaged(size: Size, bytes: &[u8]) -> bool {
    matches!(decode(size, bytes), Err(CameraError::Corrupt(_)))
}

fn close(ours: [u8; 3], wanted: [u8; 3]) -> bool {
    ours.iter().zip(wanted).all(|(ours, wanted)| ours.abs_diff(wanted) <= 3)
}

fn pixel(frame: &Frame, x: usize, row: usize) -> [u8; 3] {
    let (y, u, v) = frame.planes();
    let width = frame.size().width();
    let chroma = row / 2 * width / 2 + x / 2;
    [y[row * width + x], u[chroma], v[chroma]]
}

/// Checks the colour of both halves in every corner.
fn assert_halves(frame: &Frame, is_grey: bool, what: &str) {
    let (width, height) = sides(frame.size());
    let wanted = |colour: [u8; 3]| if is_grey { [colour[0], 128, 128] } else { colour };
    for row in [0, height / 2, height - 1] {
        let (left, right) = (pixel(frame, 2, row), pixel(frame, width - 3, row));
        assert!(close(left, wanted(ORANGE)) && close(right, wanted(BLUE)), "{what}, row {row}: {left:?} {right:?}");
    }
}

#[test]
fn all_kinds_decode_to_the_same_image() {
    for (width, height) in [(64, 48), (66, 50), (65, 49), (63, 47), (1280, 720)] {
        let size = Size::new(width as u32 & !1, height as u32 & !1).unwrap();
        for kind in KINDS {
            for (restart, progressive) in [(0, false), (3, false), (0, true)] {
                let options = Options { kind, restart, progressive };
                let what = format!("{width}x{height} {options:?}");
                let whole = jpeg((width, height), options, true);
                let frame = decode(size, &whole).unwrap_or_else(|error| panic!("{what}: {error}"));
                let endless = decode(size, &whole[..whole.len() - 2]);
                let endless = endless.unwrap_or_else(|error| panic!("{what} without an end: {error}"));
                assert_eq!(endless.data(), frame.data(), "{what}");
                assert_halves(&frame, kind == raw::TJSAMP_TJSAMP_GRAY, &what);
            }
        }
    }
}

/// The same JPEG without the segments with `marker`.
fn without_segments(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let mut kept = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != marker {
            kept.extend(&jpeg[at..end]);
        }
        at = end;
    }
    kept.extend(&jpeg[at..]);
    kept
}

#[test]
fn huffman_tables_may_be_missing_as_uvc_allows() {
    let whole = jpeg((64, 48), TYPICAL, true);
    let bare = without_segments(&whole, 0xc4);
    assert!(bare.len() < whole.len() - 300);
    assert_eq!(decode(size("64x48"), &bare).unwrap().data(), decode(size("64x48"), &whole).unwrap().data());
}

/// Defects that webcams add to a JPEG.
#[derive(Debug, Clone)]
struct Defects {
    before: Vec<u8>,
    /// Inserted before every marker after the first.
    stray: Vec<u8>,
    /// Inserted before each restart marker.
    stray_in_scan: Vec<u8>,
    has_end: bool,
    after: Vec<u8>,
}

impl Defects {
    fn apply(&self, jpeg: &[u8]) -> Vec<u8> {
        let mut bytes = self.before.clone();
        bytes.extend(&jpeg[..2]);
        let mut at = 2;
        // The header's segments, up to the data of the first scan.
        loop {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            bytes.extend(&self.stray);
            bytes.extend(&jpeg[at..end]);
            let is_scan = jpeg[at + 1] == 0xda;
            at = end;
            if is_scan {
                break;
            }
        }
        for pair in jpeg[at..jpeg.len() - 2].windows(2) {
            if pair[0] == 0xff && matches!(pair[1], 0xd0..=0xd7) {
                bytes.extend(&self.stray_in_scan);
            }
            bytes.push(pair[0]);
        }
        bytes.push(jpeg[jpeg.len() - 3]);
        if self.has_end {
            bytes.extend([0xff, 0xd9]);
        }
        bytes.extend(&self.after);
        bytes
    }
}

/// Bytes without a marker.
fn stray() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0..=0xfe_u8, 0..6)
}

fn padding() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..400_usize).prop_map(|count| vec![0; count]),
        (0..400_usize).prop_map(|count| vec![0xff; count]),
        proptest::collection::vec(any::<u8>(), 0..400),
    ]
}

fn defects() -> impl Strategy<Value = Defects> {
    (stray(), stray(), stray(), any::<bool>(), padding()).prop_map(|(before, stray, stray_in_scan, has_end, after)| {
        // Without a marker in between, junk can't be distinguished from data.
        let is_padding = after.iter().all(|byte| *byte == 0) || after.iter().all(|byte| *byte == 0xff);
        Defects { before, stray, stray_in_scan, has_end: has_end || !is_padding, after }
    })
}

fn options() -> impl Strategy<Value = Options> {
    (0..KINDS.len(), prop_oneof![Just(0), 1..9_i32]).prop_map(|(kind, restart)| Options {
        kind: KINDS[kind],
        restart,
        progressive: false,
    })
}

proptest! {
    #[test]
    fn defects_do_not_change_pixels(defects in defects(), options in options(), flat: bool) {
        let whole = jpeg((66, 50), options, flat);
        let found = decode(size("66x50"), &defects.apply(&whole)).unwrap();
        let expected = decode(size("66x50"), &whole).unwrap();
        prop_assert_eq!(found.data(), expected.data());
    }

    /// An image that lacks a third of its data is damaged, regardless of what surrounds it.
    #[test]
    fn missing_rows_are_damage(defects in defects(), options in options(), share in 0.1..0.66_f64) {
        let whole = jpeg((66, 50), options, false);
        let scan = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
        let keep = scan + ((whole.len() - scan) as f64 * share) as usize;
        let mut cut = whole[..keep].to_vec();
        while cut.last() == Some(&0xff) {
            cut.pop();
        }
        cut.extend([0xff, 0xd9]);
        // Noise may decode to rows that look like missing ones.
        let defects = Defects { after: vec![defects.after.first().copied().unwrap_or(0); 40], ..defects };
        let defects = Defects { has_end: defects.has_end || !matches!(defects.after[0], 0 | 0xff), ..defects };
        prop_assert!(is_damaged(size("66x50"), &defects.apply(&cut)));
    }

    #[test]
    fn damage_never_panics(at in 0..2000_usize, byte: u8, cut in 0..2000_usize, options in options(), progressive: bool) {
        let mut bytes = jpeg((66, 50), Options { progressive, ..options }, true);
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.truncate(len - cut % len);
        let mut decoder = Mjpeg::new(size("66x50")).unwrap();
        let mut frame = Frame::new(size("66x50"));
        for _ in 0..=MIN_EQUAL_FRAMES {
            let _ = decoder.decode(&bytes, &mut frame);
        }
    }

    #[test]
    fn any_bytes_are_handled(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(size("66x50"), &bytes);
    }
}

#[test]
fn truncation_is_damage_everywhere() {
    let whole = jpeg((640, 480), TYPICAL, false);
    for keep in [whole.len() - 20, whole.len() / 2, 700, 100, 3, 0] {
        assert!(is_damaged(size("640x480"), &whole[..keep]), "{keep} of {}", whole.len());
    }
}

/// libjpeg would warn only about the stray bytes before the first restart marker.
#[test]
fn restart_intervals_are_counted() {
    let defects =
        Defects { before: vec![], stray: vec![], stray_in_scan: vec![0x55], has_end: true, after: vec![0; 99] };
    let whole = defects.apply(&jpeg((640, 480), Options { restart: 40, ..TYPICAL }, false));
    assert!(!is_damaged(size("640x480"), &whole));
    let markers: Vec<usize> =
        (0..whole.len() - 1).filter(|at| whole[*at] == 0xff && matches!(whole[at + 1], 0xd0..=0xd7)).collect();
    let without = |from: usize, to: usize| [&whole[..markers[from]], &whole[markers[to]..]].concat();
    assert!(is_damaged(size("640x480"), &without(5, 6)), "one in the middle");
    assert!(is_damaged(size("640x480"), &without(5, 21)), "two rounds of eight");
    let cut = [&whole[..markers[30]], &[0xff, 0xd9]].concat();
    assert!(is_damaged(size("640x480"), &cut), "the last ones");
}

#[test]
fn a_progressive_image_needs_all_its_scans() {
    let whole = jpeg((64, 48), Options { progressive: true, ..TYPICAL }, false);
    let without_end = &whole[..whole.len() - 2];
    let expected = decode(size("64x48"), &whole).unwrap();
    assert_eq!(decode(size("64x48"), without_end).unwrap().data(), expected.data());
    let last_scan = (0..whole.len() - 1).rfind(|at| whole[*at..][..2] == [0xff, 0xda]).unwrap();
    assert!(is_damaged(size("64x48"), &whole[..last_scan]));
}

/// An Adobe or JFIF segment unknown to libjpeg, and odd values in the scan header.
#[test]
fn irrelevant_segments_are_harmless() {
    let whole = jpeg((64, 48), TYPICAL, false);
    let expected = decode(size("64x48"), &whole).unwrap();
    let mut adobe = [&[0xff, 0xee, 0, 14][..], b"Adobe", &[0, 100, 0, 0, 0, 0, 9]].concat();
    adobe.extend(&whole[2..]);
    adobe.splice(0..0, [0xff, 0xd8]);
    let jfif = whole.windows(5).position(|text| text == b"JFIF\0").unwrap();
    adobe[jfif + 16 + 5] = 7;
    let scan = adobe.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    adobe[scan + 11..scan + 14].copy_from_slice(&[0, 0, 0]);
    assert_eq!(decode(size("64x48"), &adobe).unwrap().data(), expected.data());
    adobe.truncate(adobe.len() - 60);
    adobe.extend([0xff, 0xd9]);
    assert!(is_damaged(size("64x48"), &adobe), "missing rows are still detected");
}

#[test]
fn a_damaged_header_does_not_affect_the_following_frames() {
    let whole = jpeg((64, 48), TYPICAL, true);
    let (mut decoder, mut frame) = (Mjpeg::new(size("64x48")).unwrap(), Frame::new(size("64x48")));
    let header = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    for at in 0..header {
        let mut bad = whole.clone();
        bad[at] ^= 0x1f;
        let _ = decoder.decode(&bad, &mut frame);
        decoder.decode(&whole, &mut frame).unwrap_or_else(|error| panic!("after damage at {at}: {error}"));
    }
}

#[test]
fn a_persistent_size_is_accepted_and_dropped_immediately() {
    let agreed = size("1280x720");
    let (mut decoder, mut frame) = (Mjpeg::new(agreed).unwrap(), Frame::new(agreed));
    let good = jpeg(sides(agreed), TYPICAL, true);
    for sent in [(1280, 736), (640, 480), (1281, 721), (1920, 1080), (320, 180)] {
        let other = jpeg(sent, TYPICAL, true);
        decoder.decode(&good, &mut frame).unwrap();
        for _ in 1..MIN_EQUAL_FRAMES {
            let refused = decoder.decode(&other, &mut frame);
            let is_odd = (sent.0 & !1, sent.1 & !1) == sides(agreed);
            assert!(is_odd || matches!(refused, Err(CameraError::Corrupt("JPEG of an unexpected size"))), "{sent:?}");
        }
        for _ in 0..2 {
            frame.fill(crate::frame::Yuv::BLACK);
            decoder.decode(&other, &mut frame).unwrap();
            assert_halves(&frame, false, &format!("{sent:?}"));
            decoder.decode(&good, &mut frame).unwrap();
        }
    }
}

/// Padding is cropped, not scaled: every row stays the same.
#[test]
fn padded_rows_are_cropped() {
    for (agreed, sent) in [("1920x1080", (1920, 1088)), ("1280x720", (1280, 736)), ("1366x768", (1376, 768))] {
        let agreed = size(agreed);
        let padded = jpeg(sent, TYPICAL, false);
        let whole = decode(Size::new(sent.0 as u32, sent.1 as u32).unwrap(), &padded).unwrap();
        let (mut decoder, mut frame) = (Mjpeg::new(agreed).unwrap(), Frame::new(agreed));
        let decoded = (0..MIN_EQUAL_FRAMES).map(|_| decoder.decode(&padded, &mut frame).is_ok());
        assert!(decoded.last().unwrap());
        let rows =
            |frame: &Frame| frame.planes().0.chunks(frame.size().width()).map(<[u8]>::to_vec).collect::<Vec<_>>();
        for (ours, theirs) in rows(&frame).iter().zip(rows(&whole)) {
            assert_eq!(ours[..], theirs[..agreed.width()]);
        }
        assert_eq!(pixel(&frame, 100, 200), pixel(&whole, 100, 200));
    }
}

#[test]
fn sizes_that_change_with_every_frame_are_rejected() {
    let (mut decoder, mut frame) = (Mjpeg::new(size("64x48")).unwrap(), Frame::new(size("64x48")));
    let images = [(128, 96), (32, 32)].map(|sides| jpeg(sides, TYPICAL, true));
    for image in images.iter().cycle().take(20) {
        assert!(decoder.decode(image, &mut frame).is_err());
    }
    assert!(decoder.other.is_none());
}

#[test]
fn buffers_do_not_grow() {
    let agreed = size("640x480");
    let (mut decoder, mut frame) = (Mjpeg::new(agreed).unwrap(), Frame::new(agreed));
    let images = [(640, 480), (320, 240)].map(|sides| jpeg(sides, TYPICAL, false));
    let buffers = |decoder: &Mjpeg| {
        (
            decoder.codec.buffers(),
            decoder.other.as_ref().and_then(|other| other.fit.as_ref()).map(|fit| fit.0.data().as_ptr()),
        )
    };
    images.iter().for_each(|image| (0..5).for_each(|_| drop(decoder.decode(image, &mut frame))));
    let before = buffers(&decoder);
    for image in images.iter().cycle().take(20) {
        decoder.decode(image, &mut frame).unwrap();
        assert_eq!(buffers(&decoder), before);
    }
}
