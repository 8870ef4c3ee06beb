//! Runs `ffprobe` to get the size, colours and pixel format of a video, or the reason why it can't be read.

use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use serde::Deserialize;

use super::{FfmpegError, TIMEOUT, name_input};
use crate::{error::io_text, media::regular, process::child};

/// Maximum length of the `ffprobe` output in bytes; enough for thousands of streams.
const MAX_OUTPUT_LEN: u64 = 1 << 20;

/// Audio-only formats, by ffmpeg's names.
const AUDIO_FORMATS: [&str; 14] =
    ["mp3", "wav", "flac", "aac", "ac3", "eac3", "amr", "aiff", "au", "ape", "wv", "tta", "dts", "caf"];

/// Properties of a video stream. Strings are ffmpeg's names, empty if unspecified.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Traits {
    pub(crate) height: u32,
    /// For example `bt709`.
    #[serde(rename = "color_space")]
    pub(crate) matrix: String,
    /// For example `smpte2084`.
    #[serde(rename = "color_transfer")]
    pub(crate) transfer: String,
    /// For example `bt2020`.
    #[serde(rename = "color_primaries")]
    pub(crate) primaries: String,
    /// For example `yuv420p`.
    #[serde(rename = "pix_fmt")]
    pub(crate) pixels: String,
}

/// Gets the traits of a video with `ffprobe`; default traits if it is not installed.
///
/// # Errors
/// If the file is not a supported container, has no video stream, or `ffprobe` hangs.
pub(crate) fn probe(path: &Path) -> Result<Traits, FfmpegError> {
    let mut command = command(path);
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Traits::default()),
        Err(error) => return Err(FfmpegError::Failed(format!("cannot run ffprobe: {}", io_text(&error)))),
        Ok(child) => child,
    };
    let stderr = child.stderr.take().map(|errors| std::thread::spawn(move || child::stderr_tail(errors)));
    let answer = read_stdout(&mut child);
    // A hanging child is killed, which also ends both reader threads.
    let status = child::wait(&mut child, TIMEOUT);
    let join = |thread: Option<JoinHandle<String>>| thread.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let (answer, stderr) = (join(answer), join(stderr));
    match status {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(FfmpegError::Stalled(TIMEOUT)),
        Err(error) => Err(FfmpegError::Failed(format!("cannot run ffprobe: {}", io_text(&error)))),
        Ok(status) if status.success() => traits(&answer),
        Ok(_) if is_guess(&stderr, path) => Err(FfmpegError::NotVideo { found: None }),
        Ok(_) => Err(refusal(&stderr)),
    }
}

fn command(path: &Path) -> Command {
    let mut command = child::command("ffprobe", &[]);
    command.args(["-v", "error", "-of", "json=compact=1", "-show_entries"]);
    command.arg(
        "stream=codec_type,height,color_space,color_transfer,color_primaries,pix_fmt:stream_disposition=attached_pic",
    );
    name_input(&mut command, path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Whether ffmpeg chose the format by file extension because it did not recognize the content.
fn is_guess(stderr: &str, path: &Path) -> bool {
    const ATOMS: [&[u8; 4]; 7] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"];
    let mut head = [0; 8];
    let read = regular::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok());
    let mov = stderr.contains("moov atom not found") && !ATOMS.iter().any(|atom| head.ends_with(*atom));
    let mkv = stderr.contains("EBML header parsing failed") && !head.starts_with(b"\x1a\x45\xdf\xa3");
    read && (mov || mkv)
}

fn read_stdout(child: &mut Child) -> Option<JoinHandle<String>> {
    let output = child.stdout.take()?;
    Some(std::thread::spawn(move || {
        let mut text = String::new();
        let _ = output.take(MAX_OUTPUT_LEN).read_to_string(&mut text);
        text
    }))
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    #[serde(default)]
    codec_type: String,
    #[serde(default)]
    disposition: Disposition,
    #[serde(flatten)]
    traits: Traits,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

fn traits(answer: &str) -> Result<Traits, FfmpegError> {
    let answer: Output =
        serde_json::from_str(answer).map_err(|_| FfmpegError::Failed("ffprobe reported no streams".to_owned()))?;
    let has_audio = answer.streams.iter().any(|stream| stream.codec_type == "audio");
    // cover art does not count as video
    let moving = |stream: &Stream| stream.codec_type == "video" && stream.disposition.attached_pic == 0;
    match answer.streams.into_iter().find(moving) {
        Some(stream) => Ok(stream.traits),
        None if has_audio => Err(FfmpegError::SoundOnly),
        None => Err(FfmpegError::NotVideo { found: None }),
    }
}

/// The reason why `ffprobe` or `ffmpeg` rejected a file, from its stderr.
pub(super) fn refusal(stderr: &str) -> FfmpegError {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some(line) = lines().find(|line| line.contains("not on whitelist")) {
        // "[hls @ 0x55d0] Format not on whitelist 'mov,...'"
        let format = line.trim_start_matches('[').split(" @").next().unwrap_or_default();
        return match format {
            format if AUDIO_FORMATS.contains(&format) => FfmpegError::SoundOnly,
            format => FfmpegError::NotVideo { found: Some(name(format)) },
        };
    }
    match lines().next_back() {
        Some(last) if last.ends_with("Invalid data found when processing input") && lines().count() == 1 => {
            FfmpegError::NotVideo { found: None }
        }
        // The last line repeats the path; the one before it has the reason.
        Some(last) => FfmpegError::Failed(format!("ffmpeg: {}", lines().rev().nth(1).map_or(last, without_address))),
        None => FfmpegError::Failed("ffprobe failed without a message".to_owned()),
    }
}

/// Removes the prefix from `[mov @ 0x55d0] moov atom not found`.
fn without_address(line: &str) -> &str {
    line.strip_prefix('[').and_then(|line| line.split_once("] ")).map_or(line, |(_, rest)| rest)
}

/// Description of a rejected format.
fn name(format: &str) -> String {
    match format {
        "hls" => "an HLS playlist".to_owned(),
        "concat" => "an ffmpeg concat playlist".to_owned(),
        "dash" | "imf" => format!("a {} manifest", format.to_uppercase()),
        "sdp" | "rtsp" => "a network stream description".to_owned(),
        "image2" => "an image sequence".to_owned(),
        format if format.ends_with("_pipe") => format!("a {} image", format.trim_end_matches("_pipe")),
        format => format!("a file in the unsupported format {format}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_video_stream_is_described() {
        let answer = r#"{"programs":[],"streams":[
            {"codec_type":"video","height":500,"pix_fmt":"yuvj420p","disposition":{"attached_pic":1}},
            {"codec_type":"audio","disposition":{"attached_pic":0}},
            {"codec_type":"video","height":720,"pix_fmt":"yuv420p","color_space":"bt709","disposition":{"attached_pic":0}}]}"#;
        let expected = Traits { height: 720, matrix: "bt709".into(), pixels: "yuv420p".into(), ..Traits::default() };
        assert_eq!(traits(answer).unwrap(), expected);
        assert!(traits("no json").is_err());
    }

    #[test]
    fn cover_art_is_not_video() {
        let song = r#"{"streams":[{"codec_type":"audio"},{"codec_type":"video","disposition":{"attached_pic":1}}]}"#;
        assert!(matches!(traits(song), Err(FfmpegError::SoundOnly)));
        assert!(matches!(traits(r#"{"streams":[]}"#), Err(FfmpegError::NotVideo { found: None })));
        let error = refusal("[mp3 @ 0x5600] Format not on whitelist 'mov'\nfile:a.mp3: Invalid argument\n");
        assert_eq!(error.to_string(), "the file has only audio, no video");
    }

    #[test]
    fn a_refusal_names_the_format_and_the_supported_ones() {
        let error = refusal("[hls @ 0x5600] Format not on whitelist 'mov'\nfile:a.mp4: Invalid argument\n").to_string();
        assert!(error.starts_with("not a video file but an HLS playlist; supported formats: MP4"), "{error}");
        let error =
            refusal("[mov,mp4 @ 0x56] moov atom not found\nfile:a.mp4: Invalid data found when processing input\n");
        assert_eq!(error.to_string(), "ffmpeg: moov atom not found");
        let error = refusal("file:a.mp4: Invalid data found when processing input\n").to_string();
        assert!(error.starts_with("not a video file; supported formats"), "{error}");
    }
}
