//! Chooses the format, size and rate of a camera that fit a request best. Pure, without I/O.

use super::format::{CaptureFormat, Pixel};
use crate::frame::Size;

/// The format to request from the driver.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FormatRequest {
    /// In the driver's spelling.
    pub fourcc: String,
    pub size: Size,
    pub fps: f64,
}

/// The format that fits `size` and `fps` best, or `None` if none can be decoded.
///
/// Costs are in octaves: half the rate costs as much as half the pixels, excess pixels cost little (bandwidth and
/// scaling), and pixels lost to cropping count as missing.
pub(super) fn choose(formats: &[CaptureFormat], size: Size, fps: u32) -> Option<FormatRequest> {
    best(formats, size, fps).map(|(_, choice)| choice)
}

/// Cost of the best of these formats for `size` and `fps` in octaves: 0 is a perfect fit, 1 means half the pixels or
/// half the rate. `None` if none can be decoded.
pub(super) fn cost(formats: &[CaptureFormat], size: Size, fps: u32) -> Option<f64> {
    best(formats, size, fps).map(|(cost, _)| cost)
}

fn best(formats: &[CaptureFormat], size: Size, fps: u32) -> Option<(f64, FormatRequest)> {
    let wanted = f64::from(fps.max(1));
    let candidate = |format: &CaptureFormat| {
        let pixel = Pixel::from_fourcc(&format.fourcc)?;
        let rate = nearest_rate(&format.rates, wanted);
        let cost = pixel.cost() + size_cost(format.size, size) + (wanted / rate).log2().max(0.0);
        Some((cost, FormatRequest { fourcc: format.fourcc.clone(), size: format.size, fps: rate }))
    };
    formats.iter().filter_map(candidate).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// The lowest rate that is at least `wanted`, else the highest; `wanted` if the driver lists none.
fn nearest_rate(rates: &[f64], wanted: f64) -> f64 {
    const NTSC: f64 = 0.99; // 29.97 counts as 30
    let enough = rates.iter().copied().filter(|rate| *rate >= wanted * NTSC).min_by(f64::total_cmp);
    enough.or_else(|| rates.iter().copied().max_by(f64::total_cmp)).filter(|rate| *rate > 0.0).unwrap_or(wanted)
}

fn size_cost(native: Size, wanted: Size) -> f64 {
    let (nw, nh) = (native.width() as f64, native.height() as f64);
    let (ww, wh) = (wanted.width() as f64, wanted.height() as f64);
    let zoom = (ww / nw).max(wh / nh); // scale that covers the wanted size
    let missing = (zoom * zoom).log2().max(0.0);
    let beyond = ((nw * nh) / (ww * wh)).log2().max(0.0);
    missing + 0.15 * beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(fourcc: &str, size: &str, rates: &[f64]) -> CaptureFormat {
        CaptureFormat { fourcc: fourcc.into(), size: size.parse().unwrap(), rates: rates.to_vec() }
    }

    fn chosen(formats: &[CaptureFormat], size: &str, fps: u32) -> String {
        let choice = choose(formats, size.parse().unwrap(), fps).unwrap();
        format!("{} {} {}", choice.fourcc, choice.size, choice.fps)
    }

    /// A typical USB 2 webcam.
    fn webcam() -> Vec<CaptureFormat> {
        vec![
            format("YUYV", "640x480", &[30.0, 15.0]),
            format("YUYV", "1280x720", &[10.0, 5.0]),
            format("YUYV", "1920x1080", &[5.0]),
            format("MJPG", "640x480", &[30.0]),
            format("MJPG", "1280x720", &[60.0, 30.0]),
            format("MJPG", "1920x1080", &[30.0]),
        ]
    }

    #[test]
    fn uncompressed_formats_are_preferred_if_fast_enough() {
        assert_eq!(chosen(&webcam(), "640x480", 30), "YUYV 640x480 30");
        assert_eq!(chosen(&webcam(), "1280x720", 30), "MJPG 1280x720 30");
        assert_eq!(chosen(&webcam(), "1280x720", 60), "MJPG 1280x720 60");
        assert_eq!(chosen(&webcam(), "1920x1080", 30), "MJPG 1920x1080 30");
        assert_eq!(chosen(&webcam(), "1280x720", 10), "YUYV 1280x720 10");
    }

    #[test]
    fn the_nearest_covering_size_is_preferred_to_a_smaller_one() {
        let formats = [
            format("YUYV", "640x480", &[30.0]),
            format("YUYV", "1280x960", &[30.0]),
            format("YUYV", "1920x1080", &[30.0]),
        ];
        assert_eq!(chosen(&formats, "1280x720", 30), "YUYV 1280x960 30");
        assert_eq!(chosen(&formats[..1], "1280x720", 30), "YUYV 640x480 30");
        assert_eq!(chosen(&formats[..2], "640x360", 30), "YUYV 640x480 30");
    }

    #[test]
    fn a_very_low_rate_is_worse_than_fewer_pixels() {
        let formats = [format("YUYV", "1280x720", &[5.0]), format("YUYV", "848x480", &[30.0])];
        assert_eq!(chosen(&formats, "1280x720", 30), "YUYV 848x480 30");
    }

    #[test]
    fn grey_is_chosen_only_without_colour() {
        let formats = [format("GREY", "1280x720", &[30.0]), format("MJPG", "320x240", &[30.0])];
        assert_eq!(chosen(&formats, "1280x720", 30), "MJPG 320x240 30");
        assert_eq!(chosen(&formats[..1], "1280x720", 30), "GREY 1280x720 30");
    }

    #[test]
    fn ntsc_and_unlisted_rates_count_as_full_rate() {
        assert_eq!(chosen(&[format("NV12", "1280x720", &[29.97, 60.0])], "1280x720", 30), "NV12 1280x720 29.97");
        assert_eq!(chosen(&[format("NV12", "1280x720", &[])], "1280x720", 30), "NV12 1280x720 30");
    }

    #[test]
    fn no_decodable_format() {
        assert_eq!(choose(&[format("H264", "1280x720", &[30.0])], Size::HD, 30), None);
        assert_eq!(choose(&[], Size::HD, 30), None);
    }
}
