//! Feeds an output without camera or daemon: `sink_probe OUTPUT [SIZE [FPS [SECONDS [#rrggbb]]]]`.
//!
//! A solid colour with a bar that walks along the top; good for trying a virtual camera and what apps make of it.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use bgcam::{
    frame::{Frame, Size, Yuv},
    sink::{Outputs, SinkSpec},
};

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut args = env::args().skip(1);
    let mut next = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let specs = next("v4l2").split(',').map(str::parse).collect::<Result<Vec<SinkSpec>, _>>()?;
    let (size, fps): (Size, u32) = (next("1280x720").parse()?, next("30").parse().context("frames a second")?);
    let seconds: u64 = next("5").parse().context("seconds")?;
    let [_, red, green, blue] =
        u32::from_str_radix(next("#20a040").trim_start_matches('#'), 16).context("colour")?.to_be_bytes();

    let start = Instant::now();
    let mut outputs = Outputs::open(&specs, size, fps, start);
    let mut frame = Frame::new(size);
    for tick in 0..seconds * u64::from(fps) {
        draw(&mut frame, tick, Yuv::from_rgb(red, green, blue));
        let due = start + Duration::from_secs(1) * tick as u32 / fps;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        outputs.write(&frame, Instant::now());
    }
    for status in outputs.board().status(Instant::now()) {
        let state = status.failure.map_or_else(|| "ok".to_owned(), |failure| failure.to_string());
        #[allow(clippy::print_stdout)]
        {
            println!("{}: {} frames, {} dropped, {state}", status.name, status.written, status.dropped);
        }
    }
    Ok(outputs.finish()?)
}

/// A white bar, an eighth of the picture wide, in the topmost sixteenth.
fn draw(frame: &mut Frame, tick: u64, colour: Yuv) {
    frame.fill(colour);
    frame.seq = tick;
    let (width, rows) = (frame.size().width(), frame.size().height() / 16);
    let left = tick as usize * 8 % (width - width / 8);
    for row in frame.planes_mut().0.chunks_exact_mut(width).take(rows) {
        row[left..left + width / 8].fill(235);
    }
}
