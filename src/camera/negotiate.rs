//! Which of a camera's formats, sizes and rates serves a wish best; pure, so that it can be tested.

use super::format::{Format, Pixel};
use crate::frame::Size;

/// What to ask a driver for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    /// As the driver spells it.
    pub fourcc: String,
    pub size: Size,
    pub fps: f64,
}

/// The format that serves `size` at `fps` best, or `None` when there is none that we can decode.
///
/// Costs are in octaves: half the rate and half the pixels weigh the same, pixels beyond the wish weigh a little (bus and
/// scaling), pixels that a crop to the wished aspect throws away weigh as if they were missing.
pub(super) fn choose(formats: &[Format], size: Size, fps: u32) -> Option<Choice> {
    best(formats, size, fps).map(|(_, choice)| choice)
}

/// How far the best of these formats is from `size` at `fps`, in octaves: 0 is all that is wished for, 1 half the pixels or
/// half the rate. `None` when there is none that we can decode.
pub(super) fn cost(formats: &[Format], size: Size, fps: u32) -> Option<f64> {
    best(formats, size, fps).map(|(cost, _)| cost)
}

fn best(formats: &[Format], size: Size, fps: u32) -> Option<(f64, Choice)> {
    let wish = f64::from(fps.max(1));
    let candidate = |format: &Format| {
        let pixel = Pixel::from_fourcc(&format.fourcc)?;
        let rate = nearest_rate(&format.rates, wish);
        let cost = pixel.cost() + size_cost(format.size, size) + (wish / rate).log2().max(0.0);
        Some((cost, Choice { fourcc: format.fourcc.clone(), size: format.size, fps: rate }))
    };
    formats.iter().filter_map(candidate).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// The slowest rate that is not below the wish, else the fastest; the wish when the driver lists none.
fn nearest_rate(rates: &[f64], wish: f64) -> f64 {
    const NTSC: f64 = 0.99; // 29.97 is 30
    let enough = rates.iter().copied().filter(|rate| *rate >= wish * NTSC).min_by(f64::total_cmp);
    enough.or_else(|| rates.iter().copied().max_by(f64::total_cmp)).filter(|rate| *rate > 0.0).unwrap_or(wish)
}

fn size_cost(native: Size, wish: Size) -> f64 {
    let (nw, nh) = (native.width() as f64, native.height() as f64);
    let (ww, wh) = (wish.width() as f64, wish.height() as f64);
    let zoom = (ww / nw).max(wh / nh); // of a crop that covers the wish
    let missing = (zoom * zoom).log2().max(0.0);
    let beyond = ((nw * nh) / (ww * wh)).log2().max(0.0);
    missing + 0.15 * beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(fourcc: &str, size: &str, rates: &[f64]) -> Format {
        Format { fourcc: fourcc.into(), size: size.parse().unwrap(), rates: rates.to_vec() }
    }

    fn chosen(formats: &[Format], size: &str, fps: u32) -> String {
        let choice = choose(formats, size.parse().unwrap(), fps).unwrap();
        format!("{} {} {}", choice.fourcc, choice.size, choice.fps)
    }

    /// A usual USB 2 webcam.
    fn webcam() -> Vec<Format> {
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
    fn uncompressed_where_it_is_fast_enough_else_jpeg() {
        assert_eq!(chosen(&webcam(), "640x480", 30), "YUYV 640x480 30");
        assert_eq!(chosen(&webcam(), "1280x720", 30), "MJPG 1280x720 30");
        assert_eq!(chosen(&webcam(), "1280x720", 60), "MJPG 1280x720 60");
        assert_eq!(chosen(&webcam(), "1920x1080", 30), "MJPG 1920x1080 30");
        assert_eq!(chosen(&webcam(), "1280x720", 10), "YUYV 1280x720 10");
    }

    #[test]
    fn the_nearest_size_that_covers_comes_before_a_smaller_one() {
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
    fn a_slide_show_is_worse_than_fewer_pixels() {
        let formats = [format("YUYV", "1280x720", &[5.0]), format("YUYV", "848x480", &[30.0])];
        assert_eq!(chosen(&formats, "1280x720", 30), "YUYV 848x480 30");
    }

    #[test]
    fn gray_only_when_there_is_no_colour() {
        let formats = [format("GREY", "1280x720", &[30.0]), format("MJPG", "320x240", &[30.0])];
        assert_eq!(chosen(&formats, "1280x720", 30), "MJPG 320x240 30");
        assert_eq!(chosen(&formats[..1], "1280x720", 30), "GREY 1280x720 30");
    }

    #[test]
    fn ntsc_rates_and_unlisted_rates_are_full_rate() {
        assert_eq!(chosen(&[format("NV12", "1280x720", &[29.97, 60.0])], "1280x720", 30), "NV12 1280x720 29.97");
        assert_eq!(chosen(&[format("NV12", "1280x720", &[])], "1280x720", 30), "NV12 1280x720 30");
    }

    #[test]
    fn nothing_that_we_can_decode() {
        assert_eq!(choose(&[format("H264", "1280x720", &[30.0])], Size::HD, 30), None);
        assert_eq!(choose(&[], Size::HD, 30), None);
    }
}
