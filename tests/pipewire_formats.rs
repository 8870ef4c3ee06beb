//! Formats, errors and resources of cameras in PipeWire, read by this process from real nodes in a real session. A binary
//! with one test, because it sets its environment and counts its threads.
#![cfg(feature = "pipewire")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/session.rs"]
mod session;
#[path = "support/daemon.rs"]
mod support;

use std::{
    env, fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use bgcam::{
    camera::{self, CameraError, FrameSource, Settings},
    frame::{Frame, Yuv},
};
use rustix::time::{ClockId, clock_gettime};
use session::Session;
use support::Home;

/// The colour of the cameras, as 0xAARRGGBB for GStreamer and as RGB.
const GREEN: (&str, [u8; 3]) = ("0xff20a040", [0x20, 0xa0, 0x40]);
const RED: (&str, [u8; 3]) = ("0xffd02010", [0xd0, 0x20, 0x10]);

fn settings(device: &str, size: &str) -> Settings {
    let (size, timeout) = (size.parse().unwrap(), Duration::from_secs(5));
    Settings { device: device.into(), size, fps: 30, fourcc: None, timeout }
}

/// Makes this process a member of the session: the library reads the environment when it connects.
fn join(dir: &Path) {
    // SAFETY: the only test of this binary calls it once, before it opens a camera; no other thread uses the environment.
    unsafe { env::set_var("XDG_RUNTIME_DIR", dir) };
}

fn open(device: &str, size: &str) -> Result<Box<dyn FrameSource>, CameraError> {
    camera::open(&settings(device, size))
}

/// Reads `count` frames and returns the last one.
fn read(source: &mut dyn FrameSource, count: usize) -> Frame {
    let mut frame = Frame::new(source.size());
    for _ in 0..count {
        source.next(&mut frame).unwrap();
    }
    frame
}

/// Asserts the colour in the middle of a frame.
fn expect(frame: &Frame, [r, g, b]: [u8; 3], what: &str) {
    expect_yuv(frame, Yuv::from_rgb(r, g, b), what);
}

fn expect_yuv(frame: &Frame, wanted: Yuv, what: &str) {
    let (width, height) = (frame.size().width(), frame.size().height());
    let (y, u, v) = frame.planes();
    let chroma = height / 4 * width / 2 + width / 4;
    let found = Yuv { y: y[height / 2 * width + width / 2], u: u[chroma], v: v[chroma] };
    let near = |a: u8, b: u8| a.abs_diff(b) <= 6;
    let is_near = near(found.y, wanted.y) && near(found.u, wanted.u) && near(found.v, wanted.v);
    assert!(is_near, "{what}: {found:?} is not {wanted:?}");
}

/// With the colour matrix that is assumed if a camera does not specify one; GStreamer's default is another one.
const HD: &str = "video/x-raw,format=NV12,width=1280,height=720,framerate=30/1,colorimetry=bt601";

#[test]
fn every_format_arrives_with_its_colours() {
    let home = Home::new();
    let session = session_or_skip!(&home.path("run"));
    join(&home.path("run"));
    // sizes whose rows GStreamer pads, too
    let sizes = [(640, 480), (330, 246)];
    let raw = [
        "I420", "YV12", "NV12", "YUY2", "UYVY", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR", "RGB",
        "BGR",
    ];
    for (width, height) in sizes {
        let size = format!("{width}x{height}");
        for format in raw {
            let caps = format!("video/x-raw,format={format},width={width},height={height},framerate=30/1");
            let name = format!("cam-{format}-{width}");
            let camera = session.camera(&name, &caps, GREEN.0);
            session.wait_for_node(&name);
            let mut source =
                open(&format!("pipewire:{name}"), &size).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(source.info().native, (width, height), "{name}");
            expect(&read(&mut *source, 3), GREEN.1, &name);
            drop(source);
            drop(camera);
        }
    }
    let jpeg = session.encoded_camera("cam-jpeg", "video/x-raw,width=640,height=480,framerate=30/1", "jpegenc", RED.0);
    session.wait_for_node("cam-jpeg");
    let mut source = open("pipewire:cam-jpeg", "640x480").unwrap();
    assert_eq!(source.info().fourcc, "MJPG");
    // GStreamer writes limited range to a JPEG, which is full range by definition
    expect_yuv(&read(&mut *source, 3), Yuv { y: 91, u: 99, v: 197 }, "jpeg");
    drop(jpeg);
    // scaled to another size
    let camera = session.camera("cam-large", HD, RED.0);
    session.wait_for_node("cam-large");
    let mut source = open("pipewire", "320x180").unwrap();
    assert_eq!((source.info().native, source.size().to_string().as_str()), ((1280, 720), "320x180"));
    expect(&read(&mut *source, 3), RED.1, "scaled");
    drop(camera);
    errors_name_the_node_and_the_fix(&session);
    formats_change_and_frames_are_damaged(&session);
    connections_do_not_leak(&session);
    print_figures(&session);
}

/// Prints the time until the first frame and the CPU time per frame of this process.
fn print_figures(session: &Session) {
    let caps = "video/x-raw,format=I420,width=1280,height=720,framerate=30/1";
    let _camera = session.camera("cam-figures", caps, GREEN.0);
    session.wait_for_node("cam-figures");
    for _ in 0..3 {
        let start = Instant::now();
        let mut source = open("pipewire:cam-figures", "1280x720").unwrap();
        let opened = start.elapsed();
        read(&mut *source, 1);
        let first = start.elapsed();
        let (cpu, start) = (clock_gettime(ClockId::ProcessCPUTime), Instant::now());
        read(&mut *source, 90);
        let after = clock_gettime(ClockId::ProcessCPUTime);
        let spent = (after.tv_sec - cpu.tv_sec) as f64 * 1e3 + (after.tv_nsec - cpu.tv_nsec) as f64 / 1e6;
        let (fps, per_frame) = (90.0 / start.elapsed().as_secs_f64(), spent / 90.0);
        eprintln!(
            "opened in {opened:?}, first frame after {first:?}, {fps:.1} fps, {per_frame:.3} ms of CPU per frame"
        );
    }
}

fn errors_name_the_node_and_the_fix(session: &Session) {
    let failure = |device: &str| {
        let error = open(device, "640x480").err().unwrap();
        let failure = bgcam::error::Failure::from(error);
        (failure.message, failure.hint.unwrap())
    };
    let own = session.camera("bgcam.other", "video/x-raw,format=I420,width=640,height=480,framerate=30/1", RED.0);
    session.wait_for_node("bgcam.other");
    let (message, hint) = failure("pipewire:bgcam.other");
    assert_eq!(message, "PipeWire camera \"bgcam.other\" is bgcam's own output");
    assert!(hint.contains("bgcam devices"));
    session::until("the other cameras are gone", || !session.lists("\"cam-"));
    assert_eq!(failure("pipewire").0, "no PipeWire camera found", "own output is never chosen");
    drop(own);
    let camera = session.camera("cam-odd", "video/x-raw,format=Y444,width=640,height=480,framerate=30/1", RED.0);
    session.wait_for_node("cam-odd");
    let (message, hint) = failure("pipewire:cam-odd");
    assert!(message.contains("\"cam-odd\""), "{message}");
    assert!(!hint.is_empty(), "{message}");
    eprintln!("an unsupported format: {message}; {hint}");
    let (message, hint) = failure("pipewire:nikon");
    assert_eq!(message, "PipeWire camera \"nikon\" not found");
    assert!(hint.contains("Camera-cam-odd (pipewire:cam-odd)"), "{hint}");
    drop(camera);
}

fn formats_change_and_frames_are_damaged(session: &Session) {
    let (_camera, mut commands) = session.changing_camera("cam-changes");
    session.wait_for_node("cam-changes");
    let mut source = open("pipewire:cam-changes", "320x240").unwrap();
    expect(&read(&mut *source, 3), GREEN.1, "before the change");
    let mut frame = Frame::new(source.size());
    for (size, colour) in [((640, 480), RED.1), ((320, 240), GREEN.1)] {
        commands.write_all(b"\n").unwrap();
        session::until("the camera has another size", || {
            source.next(&mut frame).unwrap();
            source.info().native == size
        });
        expect(&read(&mut *source, 3), colour, "after the change");
    }
    commands.write_all(b"damaged\n").unwrap();
    session::until("a frame is damaged", || match source.next(&mut frame) {
        Err(error) => {
            assert_eq!(error.to_string(), "corrupt frame: marked as damaged by the sender");
            true
        }
        Ok(()) => false,
    });
}

fn count(dir: &str) -> usize {
    fs::read_dir(dir).unwrap().count()
}

fn connections_do_not_leak(session: &Session) {
    let _camera = session.camera("cam-leak", "video/x-raw,format=I420,width=320,height=240,framerate=30/1", GREEN.0);
    session.wait_for_node("cam-leak");
    let mut before = None;
    for round in 0..20 {
        let mut source = open("pipewire:cam-leak", "320x240").unwrap();
        expect(&read(&mut *source, 2), GREEN.1, "leak");
        drop(source);
        if round == 2 {
            before = Some((count("/proc/self/fd"), count("/proc/self/task")));
        }
    }
    let (fds, threads) = before.unwrap();
    let now = || (count("/proc/self/fd"), count("/proc/self/task"));
    session::until("nothing is leaked", || now().0 <= fds && now().1 <= threads);
}
