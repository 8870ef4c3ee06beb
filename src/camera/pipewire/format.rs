//! Formats of PipeWire cameras: which ones bgcam offers to read, and which one was negotiated.

use super::super::{Settings, field::Lines, format::Pixel, rgb::RgbOrder};
use crate::{
    frame::{
        Size,
        colour::{Colour, Matrix},
    },
    pipewire::{
        parse::Object,
        pod::{self, Pod, Value, key, object},
    },
};

/// Maximum width and height, and maximum frame rate.
const MAX_SIDE: u32 = 8192;
const MAX_RATE: u32 = 240;

/// Raw formats with their ids in `enum spa_video_format`, the best first: that of bgcam's own frames is only copied.
const RAW: [(u32, &str, Pixel); 16] = [
    (2, "YU12", Pixel::Yu12),
    (23, "NV12", Pixel::Nv12),
    (3, "YV12", Pixel::Yv12),
    (4, "YUYV", Pixel::Yuyv),
    (5, "UYVY", Pixel::Uyvy),
    (7, "RGBx", Pixel::Rgb(RgbOrder::Rgbx)),
    (8, "BGRx", Pixel::Rgb(RgbOrder::Bgrx)),
    (11, "RGBA", Pixel::Rgb(RgbOrder::Rgbx)),
    (12, "BGRA", Pixel::Rgb(RgbOrder::Bgrx)),
    (9, "xRGB", Pixel::Rgb(RgbOrder::Xrgb)),
    (10, "xBGR", Pixel::Rgb(RgbOrder::Xbgr)),
    (13, "ARGB", Pixel::Rgb(RgbOrder::Xrgb)),
    (14, "ABGR", Pixel::Rgb(RgbOrder::Xbgr)),
    (15, "RGB", Pixel::Rgb(RgbOrder::Rgb)),
    (16, "BGR", Pixel::Rgb(RgbOrder::Bgr)),
    (25, "GREY", Pixel::Grey),
];

/// A negotiated format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VideoFormat {
    pub pixel: Pixel,
    /// Name of the pixel format, as for webcams where those have it.
    pub name: &'static str,
    pub size: Size,
    /// Frames per second; `None` if the rate is variable.
    pub fps: Option<f64>,
    pub colour: Colour,
    pub lines: Lines,
}

/// The formats that bgcam reads, the best first, by the same costs as for webcams: half the rate costs as much as half
/// the pixels, and JPEG slightly more than raw formats. Grey is a last resort.
///
/// Of a range, PipeWire takes the first value that the camera lists, which may be the worst: 1 frame per second, or the
/// smallest size. Ranges therefore become wider from offer to offer.
///
/// Without a modifier, so that a camera cannot choose memory of a graphics card.
pub(super) fn offers(settings: &Settings) -> Vec<Pod> {
    let is_accepted = |name: &str| settings.fourcc.as_deref().is_none_or(|only| only == name);
    let raw = |is_grey: bool| {
        let known = RAW.iter().filter(|(_, name, pixel)| (*pixel == Pixel::Grey) == is_grey && is_accepted(name));
        let ids = known.map(|(id, ..)| *id).collect::<Vec<_>>();
        let kind = [(key::MEDIA_SUBTYPE, Value::Id(key::RAW)), (key::FORMAT, Value::Ids(ids.clone()))];
        (!ids.is_empty()).then_some(kind.to_vec())
    };
    let jpeg = (is_accepted("MJPG") || is_accepted("JPEG")).then(|| vec![(key::MEDIA_SUBTYPE, Value::Id(key::MJPG))]);
    let (sizes, rates) = (sizes(settings.size), rates(settings.fps));
    let mut offers = Vec::new();
    for (kind, cost) in [(raw(false), 0.0), (jpeg, Pixel::Mjpg.cost())] {
        for (size, smaller) in kind.is_some().then_some(&sizes).into_iter().flatten() {
            offers.extend(rates.iter().map(|(rate, slower)| (cost + smaller + slower, (kind.clone(), size, rate))));
        }
    }
    offers.sort_by(|a, b| a.0.total_cmp(&b.0));
    let last = (raw(true), &sizes[sizes.len() - 1].0, &rates[rates.len() - 1].0);
    let offers = offers.into_iter().map(|(_, offer)| offer).chain([last]);
    offers.filter_map(|(kind, size, rate)| Some(offer(kind?, size, rate))).collect()
}

/// The sizes to ask for, with their costs in octaves of pixels.
fn sizes(wanted: Size) -> [(Value, f64); 5] {
    let wanted = (wanted.width() as u32, wanted.height() as u32);
    let from = |numerator: u32, denominator: u32| {
        let min = [wanted.0, wanted.1].map(|side| (side * numerator / denominator).max(16));
        Value::Rectangles([wanted, (min[0], min[1]), (MAX_SIDE, MAX_SIDE)])
    };
    [
        (Value::Rectangle(wanted.0, wanted.1), 0.0),
        (from(1, 1), 0.15),
        (from(3, 4), 0.83),
        (from(1, 2), 2.0),
        (from(0, 1), 4.0),
    ]
}

/// The frame rates to ask for, with their costs in octaves: 29.97 counts as 30.
fn rates(wanted: u32) -> [(Value, f64); 4] {
    let from = |min: (u32, u32), max| Value::Fractions([(wanted, 1), min, max]);
    let (ntsc, max) = ((wanted * 99, 100), (MAX_RATE.max(wanted), 1));
    [
        (from(ntsc, (wanted * 11, 10)), 0.0),
        (from(ntsc, max), 0.01),
        (from((wanted, 2), max), 1.0),
        (from((0, 1), max), 3.0),
    ]
}

fn offer(kind: Vec<(u32, Value)>, size: &Value, rate: &Value) -> Pod {
    let mut properties = vec![(key::MEDIA_TYPE, Value::Id(key::VIDEO))];
    properties.extend(kind);
    properties.push((key::SIZE, size.clone()));
    properties.push((key::FRAMERATE, rate.clone()));
    object(pod::OBJECT_FORMAT, pod::PARAM_ENUM_FORMAT, &properties)
}

/// Reads the negotiated format; the error describes it.
pub(super) fn parse(bytes: &[u8]) -> Result<VideoFormat, String> {
    let object = Object::parse(bytes).filter(|object| object.kind == pod::OBJECT_FORMAT);
    let object = object.ok_or("it cannot be read")?;
    if object.id(key::MEDIA_TYPE) != Some(key::VIDEO) {
        return Err("it is not video".to_owned());
    }
    let (name, pixel) = match object.id(key::MEDIA_SUBTYPE) {
        Some(key::MJPG) => ("MJPG", Pixel::Mjpg),
        Some(key::RAW) => {
            let id = object.id(key::FORMAT).unwrap_or_default();
            let raw = RAW.iter().find(|(known, ..)| *known == id);
            raw.map(|(_, name, pixel)| (*name, *pixel)).ok_or_else(|| format!("raw video with the number {id}"))?
        }
        other => return Err(format!("encoded video with the number {}", other.unwrap_or_default())),
    };
    let (width, height) = object.rectangle(key::SIZE).unwrap_or_default();
    let even = |side: u32| if pixel == Pixel::Mjpg { side & !1 } else { side };
    let size = Size::new(even(width), even(height)).map_err(|_| format!("{name} {width}x{height}"))?;
    let rate = |key| object.fraction(key).filter(|(count, seconds)| *count > 0 && *seconds > 0);
    let rate = rate(key::FRAMERATE).or_else(|| rate(key::MAX_FRAMERATE));
    Ok(VideoFormat {
        pixel,
        name,
        size,
        fps: rate.map(|(count, seconds)| f64::from(count) / f64::from(seconds)),
        colour: colour_of(pixel, object.id(key::COLOR_RANGE), object.id(key::COLOR_MATRIX)),
        lines: match object.id(key::INTERLACE_MODE) {
            Some(1 | 2) => Lines::Interlaced,
            Some(3) => Lines::SingleField,
            _ => Lines::Whole,
        },
    })
}

/// Colour encoding by `enum spa_video_color_range` and `enum spa_video_color_matrix`, with the same defaults as for
/// webcams.
fn colour_of(pixel: Pixel, range: Option<u32>, matrix: Option<u32>) -> Colour {
    let full = match range {
        Some(1) => true,
        Some(2) => false,
        _ => matches!(pixel, Pixel::Mjpg | Pixel::Grey),
    };
    let matrix = match (pixel, matrix) {
        (Pixel::Rgb(_), _) => return Colour::NATIVE,
        (Pixel::Mjpg, _) => Matrix::Bt601,
        (_, Some(3)) => Matrix::Bt709,
        (_, Some(5)) => Matrix::Smpte240m,
        (_, Some(6)) => Matrix::Bt2020,
        _ => Matrix::Bt601,
    };
    Colour { matrix, full }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn bytes(pod: &Pod) -> Vec<u8> {
        pod.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn settings(fourcc: Option<&str>) -> Settings {
        let timeout = Duration::from_secs(2);
        Settings { device: "pipewire".into(), size: Size::HD, fps: 30, fourcc: fourcc.map(Into::into), timeout }
    }

    fn format(properties: &[(u32, Value)]) -> Vec<u8> {
        bytes(&object(pod::OBJECT_FORMAT, pod::PARAM_FORMAT, properties))
    }

    fn raw(id: u32, more: Vec<(u32, Value)>) -> Result<VideoFormat, String> {
        let mut properties = vec![
            (key::MEDIA_TYPE, Value::Id(key::VIDEO)),
            (key::MEDIA_SUBTYPE, Value::Id(key::RAW)),
            (key::FORMAT, Value::Id(id)),
            (key::SIZE, Value::Rectangle(640, 480)),
        ];
        properties.extend(more);
        parse(&format(&properties))
    }

    #[test]
    fn every_offer_is_a_format_that_can_be_parsed() {
        for (fourcc, count) in
            [(None, 41), (Some("YUYV"), 20), (Some("MJPG"), 20), (Some("GREY"), 1), (Some("RGB4"), 0)]
        {
            let offers = offers(&settings(fourcc));
            assert_eq!(offers.len(), count, "{fourcc:?}");
            for offer in &offers {
                let format = parse(&bytes(offer)).unwrap();
                assert_eq!((format.size, format.fps), (Size::HD, Some(30.0)));
                assert!(fourcc.is_none_or(|fourcc| fourcc == format.name));
            }
        }
        assert_eq!(parse(&bytes(&offers(&settings(None))[0])).unwrap().name, "YU12");
    }

    #[test]
    fn every_raw_format_is_known() {
        for (id, name, pixel) in RAW {
            let format = raw(id, Vec::new()).unwrap();
            assert_eq!((format.name, format.pixel, format.fps), (name, pixel, None));
        }
        assert!(raw(21, Vec::new()).unwrap_err().contains("21"));
    }

    #[test]
    fn colour_rate_and_fields_are_read() {
        let full709 = raw(23, vec![(key::COLOR_RANGE, Value::Id(1)), (key::COLOR_MATRIX, Value::Id(3))]).unwrap();
        assert_eq!(full709.colour, Colour { matrix: Matrix::Bt709, full: true });
        assert_eq!(raw(23, Vec::new()).unwrap().colour, Colour::NATIVE);
        assert_eq!(raw(25, Vec::new()).unwrap().colour, Colour::JFIF);
        assert_eq!(raw(7, vec![(key::COLOR_RANGE, Value::Id(1))]).unwrap().colour, Colour::NATIVE);
        let variable = [(key::FRAMERATE, Value::Fraction(0, 1)), (key::MAX_FRAMERATE, Value::Fraction(60, 1))];
        assert_eq!(raw(2, variable.into()).unwrap().fps, Some(60.0));
        assert_eq!(raw(2, vec![(key::INTERLACE_MODE, Value::Id(1))]).unwrap().lines, Lines::Interlaced);
    }

    #[test]
    fn unusable_formats_are_described() {
        let with = |size| {
            let video = (key::MEDIA_TYPE, Value::Id(key::VIDEO));
            parse(&format(&[video, (key::MEDIA_SUBTYPE, Value::Id(key::MJPG)), (key::SIZE, size)]))
        };
        assert_eq!(with(Value::Rectangle(641, 480)).unwrap().size.to_string(), "640x480");
        assert_eq!(with(Value::Rectangle(u32::MAX, 480)).unwrap_err(), "MJPG 4294967295x480");
        assert_eq!(with(Value::Int(3)).unwrap_err(), "MJPG 0x0");
        assert_eq!(parse(&[]).unwrap_err(), "it cannot be read");
        assert_eq!(parse(&format(&[(key::MEDIA_TYPE, Value::Id(1))])).unwrap_err(), "it is not video");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_format_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_values_are_a_valid_format_or_an_error(id in 0..40_u32, width: u32, height: u32, n: u32, d: u32) {
            let size = (key::SIZE, Value::Rectangle(width % 9000, height % 9000));
            if let Ok(format) = raw(id, vec![size, (key::FRAMERATE, Value::Fraction(n, d))]) {
                prop_assert!(format.fps.is_none_or(|fps| fps.is_finite() && fps > 0.0));
            }
        }
    }
}
