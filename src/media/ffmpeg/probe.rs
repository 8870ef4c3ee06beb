//! What `ffprobe` says about a video: its size, colours and pixel format, or why it is none.

use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use serde::Deserialize;

use super::{FfmpegError, PATIENCE, name_input};
use crate::{error::io_text, media::regular, process::child};

/// The longest answer of `ffprobe` that is read, in bytes: that of thousands of streams.
const MAX_ANSWER: u64 = 1 << 20;

/// Formats that hold nothing but sound, by ffmpeg's names.
const SOUND: [&str; 14] =
    ["mp3", "wav", "flac", "aac", "ac3", "eac3", "amr", "aiff", "au", "ape", "wv", "tta", "dts", "caf"];

/// What a video says of its pictures. Texts are ffmpeg's names, empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Traits {
    pub(crate) height: u32,
    /// Such as `bt709`.
    #[serde(rename = "color_space")]
    pub(crate) matrix: String,
    /// Such as `smpte2084`.
    #[serde(rename = "color_transfer")]
    pub(crate) transfer: String,
    /// Such as `bt2020`.
    #[serde(rename = "color_primaries")]
    pub(crate) primaries: String,
    /// Such as `yuv420p`.
    #[serde(rename = "pix_fmt")]
    pub(crate) pixels: String,
}

/// Asks `ffprobe` for the traits of a video; unknown ones where there is no such program.
///
/// # Errors
/// When the file is no video in a container that we open, has no moving picture, or `ffprobe` hangs.
pub(crate) fn probe(path: &Path) -> Result<Traits, FfmpegError> {
    let mut command = command(path);
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Traits::default()),
        Err(error) => return Err(FfmpegError::Failed(format!("cannot run ffprobe: {}", io_text(&error)))),
        Ok(child) => child,
    };
    let complaint = child.stderr.take().map(|errors| std::thread::spawn(move || child::last_words(errors)));
    let answer = listen(&mut child);
    // one that hangs is killed, and then both threads come to their end
    let ended = child::wait(&mut child, PATIENCE);
    let join = |thread: Option<JoinHandle<String>>| thread.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let (answer, complaint) = (join(answer), join(complaint));
    match ended {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(FfmpegError::Stalled(PATIENCE)),
        Err(error) => Err(FfmpegError::Failed(format!("cannot run ffprobe: {}", io_text(&error)))),
        Ok(status) if status.success() => traits(&answer),
        Ok(_) if is_guess(&complaint, path) => Err(FfmpegError::NotVideo { found: None }),
        Ok(_) => Err(refusal(&complaint)),
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

/// Whether ffmpeg took the format from the ending of the name alone, since it did not know the content.
fn is_guess(complaint: &str, path: &Path) -> bool {
    const ATOMS: [&[u8; 4]; 7] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"];
    let mut head = [0; 8];
    let read = regular::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok());
    let mov = complaint.contains("moov atom not found") && !ATOMS.iter().any(|atom| head.ends_with(*atom));
    let mkv = complaint.contains("EBML header parsing failed") && !head.starts_with(b"\x1a\x45\xdf\xa3");
    read && (mov || mkv)
}

fn listen(child: &mut Child) -> Option<JoinHandle<String>> {
    let output = child.stdout.take()?;
    Some(std::thread::spawn(move || {
        let mut said = String::new();
        let _ = output.take(MAX_ANSWER).read_to_string(&mut said);
        said
    }))
}

#[derive(Deserialize)]
struct Answer {
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
    let answer: Answer = serde_json::from_str(answer)
        .map_err(|_| FfmpegError::Failed("ffprobe did not describe the streams of this file".to_owned()))?;
    let has_sound = answer.streams.iter().any(|stream| stream.codec_type == "audio");
    // the picture of a song's cover is no video
    let moving = |stream: &Stream| stream.codec_type == "video" && stream.disposition.attached_pic == 0;
    match answer.streams.into_iter().find(moving) {
        Some(stream) => Ok(stream.traits),
        None if has_sound => Err(FfmpegError::SoundOnly),
        None => Err(FfmpegError::NotVideo { found: None }),
    }
}

/// Why `ffprobe` or `ffmpeg` did not open a file, out of what it complained of.
pub(super) fn refusal(complaint: &str) -> FfmpegError {
    let lines = || complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some(line) = lines().find(|line| line.contains("not on whitelist")) {
        // "[hls @ 0x55d0] Format not on whitelist 'mov,...'"
        let format = line.trim_start_matches('[').split(" @").next().unwrap_or_default();
        return match format {
            format if SOUND.contains(&format) => FfmpegError::SoundOnly,
            format => FfmpegError::NotVideo { found: Some(name(format)) },
        };
    }
    match lines().next_back() {
        Some(last) if last.ends_with("Invalid data found when processing input") && lines().count() == 1 => {
            FfmpegError::NotVideo { found: None }
        }
        // the last line repeats the path; the one before it says what is wrong
        Some(last) => FfmpegError::Failed(format!("ffmpeg: {}", lines().rev().nth(1).map_or(last, without_address))),
        None => FfmpegError::Failed("ffprobe failed without a message".to_owned()),
    }
}

/// `[mov @ 0x55d0] moov atom not found` without the brackets.
fn without_address(line: &str) -> &str {
    line.strip_prefix('[').and_then(|line| line.split_once("] ")).map_or(line, |(_, rest)| rest)
}

/// What a format that is never opened is called.
fn name(format: &str) -> String {
    match format {
        "hls" => "an HLS playlist".to_owned(),
        "concat" => "a playlist of ffmpeg's (concat)".to_owned(),
        "dash" | "imf" => format!("a {} manifest", format.to_uppercase()),
        "sdp" | "rtsp" => "the description of a network stream".to_owned(),
        "image2" => "a series of pictures".to_owned(),
        format if format.ends_with("_pipe") => format!("a {} picture", format.trim_end_matches("_pipe")),
        format => format!("in the format {format}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moving_picture_is_described() {
        let answer = r#"{"programs":[],"streams":[
            {"codec_type":"video","height":500,"pix_fmt":"yuvj420p","disposition":{"attached_pic":1}},
            {"codec_type":"audio","disposition":{"attached_pic":0}},
            {"codec_type":"video","height":720,"pix_fmt":"yuv420p","color_space":"bt709","disposition":{"attached_pic":0}}]}"#;
        let expected = Traits { height: 720, matrix: "bt709".into(), pixels: "yuv420p".into(), ..Traits::default() };
        assert_eq!(traits(answer).unwrap(), expected);
        assert!(traits("no json").is_err());
    }

    #[test]
    fn a_song_with_a_cover_has_only_sound() {
        let song = r#"{"streams":[{"codec_type":"audio"},{"codec_type":"video","disposition":{"attached_pic":1}}]}"#;
        assert!(matches!(traits(song), Err(FfmpegError::SoundOnly)));
        assert!(matches!(traits(r#"{"streams":[]}"#), Err(FfmpegError::NotVideo { found: None })));
        let error = refusal("[mp3 @ 0x5600] Format not on whitelist 'mov'\nfile:a.mp3: Invalid argument\n");
        assert_eq!(error.to_string(), "it has only sound, no moving picture");
    }

    #[test]
    fn a_refusal_says_what_was_found_and_what_is_supported() {
        let error = refusal("[hls @ 0x5600] Format not on whitelist 'mov'\nfile:a.mp4: Invalid argument\n").to_string();
        assert!(error.starts_with("not a video file but an HLS playlist; supported are MP4"), "{error}");
        let error =
            refusal("[mov,mp4 @ 0x56] moov atom not found\nfile:a.mp4: Invalid data found when processing input\n");
        assert_eq!(error.to_string(), "ffmpeg: moov atom not found");
        let error = refusal("file:a.mp4: Invalid data found when processing input\n").to_string();
        assert!(error.starts_with("not a video file; supported"), "{error}");
    }
}
