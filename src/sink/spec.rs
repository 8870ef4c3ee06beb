//! Output specifications: parsing and formatting `auto`, `v4l2:/dev/video10`, `pipewire`, `y4m:PATH` and others.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An output as configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SinkSpec {
    /// `auto`: v4l2loopback, or PipeWire if there is no such device.
    Auto,
    /// `v4l2...`: a virtual camera.
    Loopback(LoopbackTarget),
    /// `pipewire`, `pipewire:LABEL`: a PipeWire camera, by default named [`super::LABEL`].
    PipeWire(Option<String>),
    /// `y4m:PATH`: uncompressed video.
    Y4m(PathBuf),
    /// `png:PATH`: an image that always shows the newest frame.
    Png(PathBuf),
    /// `jpeg:PATH`: the same as JPEG.
    Jpeg(PathBuf),
    /// `mp4:PATH`: compressed video, recorded with `ffmpeg`.
    Mp4(PathBuf),
    /// `none`: discards frames.
    None,
}

/// Selects a v4l2loopback device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LoopbackTarget {
    /// `v4l2`: the device labelled [`super::LABEL`], else the first one without a writer.
    Auto,
    /// `v4l2:/dev/video10`.
    Path(PathBuf),
    /// `v4l2:LABEL`: the device with this card label.
    Label(String),
}

/// An invalid output specification; the message is shown after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected auto, v4l2, v4l2:/dev/videoN, v4l2:LABEL, pipewire, pipewire:LABEL, y4m:PATH, png:PATH, \
     jpeg:PATH, mp4:PATH or none"
)]
pub struct BadSpec;

impl SinkSpec {
    /// The file that this output writes, if any.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Y4m(path) | Self::Png(path) | Self::Jpeg(path) | Self::Mp4(path) => Some(path),
            Self::Auto | Self::Loopback(_) | Self::PipeWire(_) | Self::None => None,
        }
    }
}

impl FromStr for SinkSpec {
    type Err = BadSpec;

    fn from_str(text: &str) -> Result<Self, BadSpec> {
        let (kind, rest) = match text.trim().split_once(':') {
            Some((kind, rest)) => (kind, Some(rest.trim())),
            None => (text.trim(), None),
        };
        let given = rest.filter(|rest| !rest.is_empty() && !rest.contains('\0'));
        Ok(match (kind, rest, given) {
            ("auto", None, _) => Self::Auto,
            ("none", None, _) => Self::None,
            ("v4l2", None | Some("auto"), _) => Self::Loopback(LoopbackTarget::Auto),
            ("v4l2", _, Some(path)) if path.starts_with('/') => Self::Loopback(LoopbackTarget::Path(path.into())),
            ("v4l2", _, Some(label)) => Self::Loopback(LoopbackTarget::Label(label.to_owned())),
            ("pipewire", None, _) => Self::PipeWire(None),
            ("pipewire", _, Some(label)) => Self::PipeWire(Some(label.to_owned())),
            ("y4m", _, Some(path)) => Self::Y4m(path.into()),
            ("png", _, Some(path)) => Self::Png(path.into()),
            ("jpeg" | "jpg", _, Some(path)) => Self::Jpeg(path.into()),
            ("mp4", _, Some(path)) => Self::Mp4(path.into()),
            _ => return Err(BadSpec),
        })
    }
}

impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(LoopbackTarget::Auto) => f.write_str("v4l2"),
            Self::Loopback(LoopbackTarget::Path(path)) => write!(f, "v4l2:{}", path.display()),
            Self::Loopback(LoopbackTarget::Label(label)) => write!(f, "v4l2:{label}"),
            Self::Auto => f.write_str("auto"),
            Self::PipeWire(None) => f.write_str("pipewire"),
            Self::PipeWire(Some(label)) => write!(f, "pipewire:{label}"),
            Self::Y4m(path) => write!(f, "y4m:{}", path.display()),
            Self::Png(path) => write!(f, "png:{}", path.display()),
            Self::Jpeg(path) => write!(f, "jpeg:{}", path.display()),
            Self::Mp4(path) => write!(f, "mp4:{}", path.display()),
            Self::None => f.write_str("none"),
        }
    }
}

impl TryFrom<String> for SinkSpec {
    type Error = BadSpec;

    fn try_from(text: String) -> Result<Self, BadSpec> {
        text.parse()
    }
}

impl From<SinkSpec> for String {
    fn from(spec: SinkSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spec_round_trips() {
        for text in [
            "v4l2",
            "v4l2:/dev/video10",
            "v4l2:Virtual Background Cam",
            "auto",
            "pipewire",
            "pipewire:Desk: left",
            "y4m:a:b.y4m",
            "png:/x y/z.png",
            "jpeg:q",
            "none",
        ] {
            assert_eq!(text.parse::<SinkSpec>().unwrap().to_string(), text);
        }
        assert_eq!("v4l2:auto".parse(), Ok(SinkSpec::Loopback(LoopbackTarget::Auto)));
        assert_eq!("jpg:x.jpg".parse(), Ok(SinkSpec::Jpeg("x.jpg".into())));
    }

    #[test]
    fn an_invalid_spec_lists_the_valid_ones() {
        for bad in [
            "",
            "auto:1",
            "pipewire:",
            "pipewire:a\0b",
            "/dev/video10",
            "y4m",
            "y4m:",
            "v4l2:",
            "v4l",
            "none:x",
            "gif:x.gif",
            "png:a\0b",
        ] {
            let error = bad.parse::<SinkSpec>().expect_err(bad).to_string();
            assert!(error.contains("v4l2:/dev/videoN"), "{bad}: {error}");
        }
    }
}
