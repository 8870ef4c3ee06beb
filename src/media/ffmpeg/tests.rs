//! Videos of many kinds, decoded as a background and as a camera.
#![allow(clippy::print_stderr)] // skipped tests print a note

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    background::{self, Background, BackgroundSpec, Fit},
    camera::file::{self, FileOptions},
    error::Failure,
    frame::{Frame, Size, Yuv},
};

/// Test colours in sRGB.
const COLOURS: [[u8; 3]; 4] = [[200, 40, 40], [40, 180, 60], [40, 60, 200], [230, 220, 200]];

struct Clip {
    folder: tempfile::TempDir,
    path: PathBuf,
}

/// A clip created by ffmpeg with these arguments from `input`; `None` if ffmpeg or an encoder is missing.
fn clip(name: &str, arguments: &[&str], input: &[u8]) -> Option<Clip> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]).args(arguments).arg(&path).stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: ffmpeg is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let bytes = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(why.contains("Unknown encoder") || why.contains("Unrecognized option"), "{arguments:?}: {why}");
        eprintln!("skipped: this ffmpeg cannot make {name}: {why}");
        return None;
    }
    Some(Clip { folder, path })
}

fn background(path: &Path, fit: Fit, size: Size) -> Result<Frame, Failure> {
    let spec = BackgroundSpec::Video { path: path.to_owned(), fit };
    match Background::load(&spec, &background::Options::new(size))? {
        Background::Moving(player) => Ok((*player.frame()).clone()),
        other => panic!("{other:?}"),
    }
}

fn camera(path: &Path, size: Option<Size>) -> Result<Frame, Failure> {
    let options = FileOptions { size, ..FileOptions::default() };
    let mut source = file::open(path, &options)?;
    let mut frame = Frame::new(source.size());
    source.next(&mut frame)?;
    Ok(frame)
}

fn size(width: u32, height: u32) -> Size {
    Size::new(width, height).unwrap()
}

fn assert_near(frame: &Frame, colour: [u8; 3], what: &str) {
    let (y, u, v) = frame.planes();
    let expected = Yuv::from_rgb(colour[0], colour[1], colour[2]);
    let found = (y[y.len() / 2], u[u.len() / 2], v[v.len() / 2]);
    let near = |a: u8, b: u8| a.abs_diff(b) <= 4;
    assert!(
        near(found.0, expected.y) && near(found.1, expected.u) && near(found.2, expected.v),
        "{what}: {found:?}, {expected:?}"
    );
}

/// Linear light of an sRGB colour, with BT.2020 or P3 primaries.
fn light(colour: [u8; 3], rows: [[f64; 3]; 3]) -> [f64; 3] {
    let linear = colour.map(|level| {
        let value = f64::from(level) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    rows.map(|row| row.iter().zip(linear).map(|(weight, light)| weight * light).sum())
}

const TO_BT2020: [[f64; 3]; 3] = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]];
const TO_P3: [[f64; 3]; 3] = [[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]];

fn srgb(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// SMPTE ST 2084, with white at 203 cd/m².
fn pq(light: f64) -> f64 {
    let y = (light * 203.0 / 10_000.0).powf(0.159_301_757_812_5);
    ((0.8359375 + 18.8515625 * y) / (1.0 + 18.6875 * y)).powf(78.84375)
}

/// ARIB STD-B67, with white at 75 %.
fn hlg(light: f64) -> f64 {
    let light = light * 0.265;
    if light <= 1.0 / 12.0 {
        (3.0 * light).sqrt()
    } else {
        0.178_832_77 * (12.0 * light - 0.284_668_92).ln() + 0.559_910_73
    }
}

/// A single-colour frame of 64x48 in 10-bit 4:2:0, with these luma weights of red and blue.
fn yuv10([red, green, blue]: [f64; 3], (kr, kb): (f64, f64)) -> Vec<u8> {
    let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
    let code = |value: f64| (value.round() as u16).to_le_bytes();
    let chroma = |colour: f64, weight: f64| code(512.0 + 896.0 * (colour - luma) / (2.0 * (1.0 - weight)));
    let (y, u, v) = (code(64.0 + 876.0 * luma), chroma(blue, kb), chroma(red, kr));
    [y.repeat(64 * 48), u.repeat(32 * 24), v.repeat(32 * 24)].concat()
}

#[test]
fn bright_and_wide_colours_are_shown_as_srgb() {
    let bt2020 = (0.2627, 0.0593);
    type Encode = fn(f64) -> f64;
    for (transfer, primaries, matrix, rows, encode, weights) in [
        ("smpte2084", "bt2020", "bt2020nc", TO_BT2020, pq as Encode, bt2020),
        ("arib-std-b67", "bt2020", "bt2020nc", TO_BT2020, hlg as Encode, bt2020),
        ("bt2020-10", "bt2020", "bt2020nc", TO_BT2020, srgb as Encode, bt2020),
        ("bt709", "smpte432", "bt709", TO_P3, srgb as Encode, (0.2126, 0.0722)),
    ] {
        for colour in COLOURS {
            let frame = yuv10(light(colour, rows).map(encode), weights).repeat(3);
            let raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", "64x48", "-r", "10", "-i", "pipe:0"];
            // The bitstream is tagged, as phones do.
            let tags =
                ["-color_trc", transfer, "-color_primaries", primaries, "-colorspace", matrix, "-color_range", "tv"];
            let Some(clip) = clip("hdr.mkv", &[&raw[..], &["-c:v", "ffv1"], &tags].concat(), &frame) else { return };
            let what = format!("{transfer} {colour:?}");
            for fit in [Fit::Cover, Fit::Contain] {
                assert_near(&background(&clip.path, fit, size(64, 48)).unwrap(), colour, &what);
            }
            assert_near(&camera(&clip.path, None).unwrap(), colour, &format!("{what}, camera"));
        }
    }
}

#[test]
fn rgb_and_full_range_videos_keep_their_colours() {
    for (name, arguments) in [
        ("rgb.mkv", &["-c:v", "ffv1", "-pix_fmt", "gbrp"][..]),
        ("full.mkv", &["-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj444p"]),
        ("hd.mkv", &["-vf", "scale=1280:720:out_color_matrix=bt709", "-c:v", "ffv1", "-pix_fmt", "yuv420p"]),
    ] {
        for colour @ [r, g, b] in COLOURS {
            let source = format!("color=0x{r:02x}{g:02x}{b:02x}:s=64x48:r=10:d=0.3,format=gbrp");
            let Some(clip) = clip(name, &[&["-f", "lavfi", "-i", &source][..], arguments].concat(), b"") else {
                return;
            };
            assert_near(&background(&clip.path, Fit::Cover, size(64, 48)).unwrap(), colour, name);
            assert_near(&camera(&clip.path, None).unwrap(), colour, &format!("{name}, camera"));
        }
    }
}

/// Width and height of the bright area.
fn bright(frame: &Frame) -> (usize, usize) {
    let width = frame.size().width();
    let lit: Vec<_> = frame
        .planes()
        .0
        .iter()
        .enumerate()
        .filter(|(_, luma)| **luma > 128)
        .map(|(at, _)| (at % width, at / width))
        .collect();
    let span = |side: fn(&(usize, usize)) -> usize| {
        let (low, high) = (lit.iter().map(side).min().unwrap(), lit.iter().map(side).max().unwrap());
        high - low + 1
    };
    (span(|at| at.0), span(|at| at.1))
}

/// A disc on black, 1280x720, stored at another size.
fn disc(name: &str, stored: &str) -> Option<Clip> {
    let input = "color=black:s=1280x720:r=5:d=0.4,format=yuv420p,\
                   geq=lum='if(lt(hypot(X-640,Y-360),200),220,20)':cb=128:cr=128";
    clip(name, &["-f", "lavfi", "-i", &format!("{input},scale={stored}"), "-qp", "10"], b"")
}

#[test]
fn a_disc_stays_round_with_any_pixel_aspect() {
    for (name, stored, native) in [
        ("square.mp4", "1280:720,setsar=1", (1280, 720)),
        ("dv.mp4", "720:576,setsar=64/45", (1024, 576)),
        ("half.mp4", "640:720,setsar=2", (1280, 720)),
        ("tall.mp4", "1280:360,setsar=1/2", (1280, 720)),
        ("raw.y4m", "640:720,setsar=2", (1280, 720)),
    ] {
        let Some(clip) = disc(name, stored) else { return };
        for (fit, size) in
            [(Fit::Cover, size(640, 480)), (Fit::Contain, size(640, 480)), (Fit::Contain, size(320, 640))]
        {
            let (width, height) = bright(&background(&clip.path, fit, size).unwrap());
            assert!(width.abs_diff(height) <= 3, "{name} {fit:?} {size}: {width}x{height}");
        }
        let frame = camera(&clip.path, None).unwrap();
        assert_eq!((frame.size().width(), frame.size().height()), native, "{name}");
        let (width, height) = bright(&frame);
        assert!(width.abs_diff(height) <= 4 && width > 300, "{name}: {width}x{height}");
        let (width, height) = bright(&camera(&clip.path, Some(size(640, 480))).unwrap());
        assert!(width.abs_diff(height) <= 3, "{name}, scaled: {width}x{height}");
    }
}

#[test]
fn rotated_videos_are_shown_upright() {
    let source = "color=black:s=128x64:r=5:d=0.4,format=yuv420p,drawbox=w=64:h=64:c=white:t=fill";
    let Some(plain) = clip("plain.mp4", &["-f", "lavfi", "-i", source], b"") else { return };
    let input = plain.path.to_str().unwrap();
    let encodings: [&[&str]; 2] = [
        &["-display_rotation", "90", "-i", input, "-c", "copy"],
        &["-i", input, "-c", "copy", "-metadata:s:v", "rotate=270"],
    ];
    let Some(rotated) = encodings.iter().find_map(|way| clip("rotated.mp4", way, b"")) else { return };
    let frame = camera(&rotated.path, None).unwrap();
    assert_eq!((frame.size().width(), frame.size().height()), (64, 128));
    let behind = background(&rotated.path, Fit::Stretch, size(64, 128)).unwrap();
    for frame in [frame, behind] {
        let luma = |row: usize| frame.planes().0[row * 64 + 32];
        assert!(luma(16).abs_diff(luma(112)) > 150, "{} {}", luma(16), luma(112));
        assert!(frame.planes().0[16 * 64 + 4].abs_diff(frame.planes().0[16 * 64 + 60]) < 20);
    }
}

/// Both the background and the camera reject the file with this message.
fn assert_refused(path: &Path, message: &str) {
    for refused in [background(path, Fit::Cover, size(64, 48)), camera(path, None)] {
        let failure = refused.map(|_| ()).unwrap_err();
        assert!(failure.message.contains(message), "{message:?}: {failure:?}");
    }
}

#[test]
fn playlists_are_rejected_and_open_no_file() {
    let source = ["-f", "lavfi", "-i", "color=red:s=64x48:d=1", "-c:v", "mpeg2video"];
    let Some(secret) = clip("secret.ts", &source, b"") else { return };
    assert!(background(&secret.path, Fit::Cover, size(64, 48)).is_ok());
    let at = secret.path.display();
    let lists = [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#\0\n#EXTINF:1,\nfile://{at}\n#EXT-X-ENDLIST\n"),
        format!("ffconcat version 1.0\n# \0\nfile {at}\n"),
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><!--\0--><BaseURL>{at}</BaseURL></MPD>"
        ),
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=\0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n".to_owned(),
    ];
    for list in lists {
        for name in ["holiday.mp4", "holiday.mkv", "holiday.m3u8"] {
            let path = secret.folder.path().join(name);
            std::fs::write(&path, &list).unwrap();
            assert_refused(&path, "not a video file");
        }
    }
    let hls = secret.folder.path().join("holiday.mp4");
    std::fs::write(&hls, format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#\0\n#EXTINF:1,\nfile://{at}\n")).unwrap();
    assert_refused(&hls, "not a video file but an HLS playlist; supported formats: MP4, MOV, MKV, WebM");
}

#[test]
fn an_audio_file_is_rejected() {
    for name in ["song.mp3", "song.m4a", "song.ogg", "song.wav", "song.flac", "song.mka"] {
        let Some(clip) = clip(name, &["-f", "lavfi", "-i", "sine=d=0.5"], b"") else { return };
        assert_refused(&clip.path, "the file has only audio, no video");
    }
}

#[test]
fn a_name_is_never_an_option_or_a_protocol() {
    for name in ["-y", "concat:a|b", "http://127.0.0.1/x.mp4"] {
        let mut command = Command::new("ffmpeg");
        super::name_input(&mut command, Path::new(name));
        let last = command.get_args().last().map(|argument| argument.to_string_lossy().into_owned());
        assert_eq!(last, Some(format!("file:{name}")));
    }
}

#[test]
fn a_missing_video_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, beside) = (folder.path().join("beech.mp4"), folder.path().join("beach.mp4"));
    std::fs::write(&beside, b"").unwrap();
    let failure = background(&missing, Fit::Cover, size(64, 48)).unwrap_err();
    assert_eq!(failure.message, format!("no such file: {}", missing.display()));
    assert!(failure.hint.unwrap().contains("beach.mp4"));
    let failure = camera(&missing, None).unwrap_err();
    assert_eq!(failure.message, format!("cannot read {}: no such file or directory", missing.display()));
}
