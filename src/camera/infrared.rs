//! Detects infrared cameras, which laptops have for face login and which must not be selected as a webcam.

use super::format::CaptureFormat;

/// Whether the name of a camera or of its USB function indicates infrared.
///
/// "RGB-IR" is a sensor for both, which delivers colour. A function name that indicates colour overrides a device
/// name that indicates infrared.
pub(super) fn is_named(name: &str, function: &str) -> bool {
    let is_colour = |text: &str| words(text).iter().any(|word| is_colour_word(word)) && !contains_infrared(text);
    (contains_infrared(name) && !is_colour(function)) || contains_infrared(function)
}

/// Whether these are the formats of a sensor without colour: grey at any depth, or depth maps.
pub(super) fn is_grey(formats: &[CaptureFormat]) -> bool {
    let grey = |format: &CaptureFormat| match format.fourcc.as_bytes() {
        b"GREY" | b"Z16 " | b"INZI" | b"INVI" => true,
        [b'Y', depth, ..] => depth.is_ascii_digit(),
        _ => false,
    };
    !formats.is_empty() && formats.iter().all(grey)
}

/// Whether `text` contains a word for infrared and no word for colour next to it.
fn contains_infrared(text: &str) -> bool {
    // uvcvideo names have the form "DEVICE: FUNCTION".
    text.split(':').any(|part| {
        let words = words(part);
        let is_colour = |at: usize| words.get(at).is_some_and(|word| is_colour_word(word));
        let is_infrared = |word: &str| matches!(word, "ir" | "infrared" | "ircam" | "ircamera");
        words
            .iter()
            .enumerate()
            .any(|(at, word)| is_infrared(word) && !is_colour(at + 1) && !at.checked_sub(1).is_some_and(is_colour))
    })
}

fn is_colour_word(word: &str) -> bool {
    matches!(word, "rgb" | "color" | "colour")
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    #[test]
    fn infrared_is_a_word_of_the_name() {
        for name in [
            "Integrated IR Camera: Integrate",
            "UVC Webcam: UVC Webcam IR",
            "HP Infrared Camera",
            "ir-camera",
            "Lenovo_IR_0",
            "Face login: IRCamera",
        ] {
            assert!(is_named(name, ""), "{name}");
        }
        for name in [
            "Integrated Camera: Integrated C",
            "FHD RGB-IR Camera",
            "RGB IR Webcam",
            "Colour/IR sensor",
            "IR+RGB",
            "Iris Cam",
            "Firefly",
            "Virtual Camera",
            "RGBIR",
            "",
        ] {
            assert!(!is_named(name, ""), "{name}");
        }
    }

    #[test]
    fn the_function_name_overrides_a_truncated_device_name() {
        assert!(is_named("Integrated Camera: Integrated I", "Integrated IR Camera"));
        assert!(!is_named("Integrated Camera: Integrated C", "Integrated Camera"));
        assert!(!is_named("IR Camera", "RGB Camera"));
        assert!(is_named("IR Camera", "Camera"));
    }

    #[test]
    fn grey_only_is_infrared() {
        let grey = |codes: &[&str]| {
            let format = |code: &&str| CaptureFormat { fourcc: (*code).into(), size: Size::HD, rates: Vec::new() };
            is_grey(&codes.iter().map(format).collect::<Vec<_>>())
        };
        for codes in [&["GREY"][..], &["Y8  "], &["Y16 ", "GREY"], &["Y8I ", "Y12I"], &["Z16 "]] {
            assert!(grey(codes), "{codes:?}");
        }
        for codes in [&["GREY", "YUYV"][..], &["YU12"], &["YVYU"], &["MJPG"], &["H264"], &[]] {
            assert!(!grey(codes), "{codes:?}");
        }
    }
}
