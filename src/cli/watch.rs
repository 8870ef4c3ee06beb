//! `bgcam status --watch`: redraws the status on a terminal; prints one line per second otherwise.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::Path,
    time::Instant,
};

use anstyle::Style;

use super::show::{progress_text, readers};
use crate::style::{BAD, DIM, GOOD, WARNING};
use crate::{
    control::protocol::Status,
    error::Failure,
    mask,
    prompt::{JobStatus, Progress},
};

/// The display of successive statuses.
#[derive(Debug)]
pub(super) struct Watch {
    in_place: bool,
    /// Number of lines on the screen.
    drawn: usize,
    cpu: Cpu,
}

impl Watch {
    /// Redraws in place if the output is a terminal.
    pub(super) fn new(in_place: bool) -> Self {
        Self { in_place, drawn: 0, cpu: Cpu::default() }
    }

    /// Writes one status.
    pub(super) fn show(&mut self, out: &mut impl Write, status: &Status) -> io::Result<()> {
        let cpu = self.cpu.share(Path::new("/proc"), status.pid, Instant::now());
        if !self.in_place {
            writeln!(out, "{}", brief(status, cpu))?;
            return out.flush();
        }
        let lines = lines(status, cpu);
        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A\r", self.drawn);
        }
        // without wrapping, every line takes one row and can be counted
        text.push_str("\x1b[?7l");
        for (label, style, line) in &lines {
            let _ = writeln!(text, "{DIM}{label:<11}{DIM:#} {style}{line}{style:#}\x1b[K");
        }
        // clears the rest of an earlier, longer text
        text.push_str("\x1b[?7h\x1b[J");
        self.drawn = lines.len();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

type Line = (&'static str, Style, String);

/// The status in about ten lines, with problems in colour.
fn lines(status: &Status, cpu: Option<f64>) -> Vec<Line> {
    let plain = Style::new();
    let background_style = if status.scene.room_visible { WARNING } else { plain };
    let mut lines =
        vec![camera(status), ("background", background_style, background(status)), ("apps", plain, readers(status))];
    let rates = status.rates;
    let latency = status.counters.latency_ms;
    let text = format!("camera {:.1} fps, output {:.1} fps, latency {latency:.0} ms", rates.camera, rates.output);
    lines.push(("rates", plain, text));
    lines.extend(edges(status));
    lines.extend(status.prompt.as_ref().map(|job| ("prompt", plain, progress(job))));
    lines.push(("daemon", plain, daemon(status, cpu)));
    for (what, failure) in failures(status) {
        lines.push(("error", BAD, format!("{what}: {failure}")));
        lines.extend(failure.hint.iter().map(|hint| ("", DIM, format!("hint: {hint}"))));
    }
    lines.push(("", DIM, "press Ctrl-C to close; the camera keeps running".to_owned()));
    lines
}

fn camera(status: &Status) -> Line {
    let camera = &status.camera;
    let (style, text) = match &camera.source {
        _ if status.scene.frozen => (WARNING, "frozen: other people see your last frame as a still".to_owned()),
        _ if status.scene.paused => (WARNING, "paused: other people see a \"Camera paused\" card".to_owned()),
        Some(source) => {
            let (width, height) = source.native;
            let from = format!("{} {}, {width}x{height} at {:.0} fps", source.name, source.fourcc, source.fps);
            (GOOD, format!("on, {}: {from}", camera.reason))
        }
        None if camera.error.is_some() => (BAD, "unavailable".to_owned()),
        None if camera.on => (WARNING, format!("opening {}", camera.wanted)),
        None => (Style::new(), format!("off, {}", camera.reason)),
    };
    ("camera", style, text)
}

fn background(status: &Status) -> String {
    let mirrored = if status.scene.mirror { ", mirrored" } else { "" };
    format!("{}{mirrored}", status.scene.label)
}

fn edges(status: &Status) -> Option<Line> {
    let mask = &status.mask;
    let model = mask.model.as_ref()?;
    let text = format!("{model}, quality {}, {:.1} ms per mask", mask.quality_now(), status.counters.mask_ms);
    Some(match mask.degraded {
        0 if mask.models_disagree => {
            ("edges", Style::new(), format!("{text}; using the fast model: {}", mask::MODELS_DISAGREE))
        }
        0 => ("edges", Style::new(), text),
        steps => (
            "edges",
            WARNING,
            format!("{text}; edge quality reduced by {steps} of {} steps: CPU busy", mask::MAX_DEGRADE),
        ),
    })
}

fn progress(job: &JobStatus) -> String {
    const WIDTH: usize = 20;
    let filled = match job.progress {
        Progress::Done(share) => (share.clamp(0.0, 1.0) * WIDTH as f32) as usize,
        Progress::Working | Progress::Waiting(_) => 0,
    };
    let bar = "█".repeat(filled) + &"░".repeat(WIDTH - filled);
    format!("{bar} {} is generating {:?}: {}", job.provider, job.text, progress_text(job))
}

fn daemon(status: &Status, cpu: Option<f64>) -> String {
    let cpu = cpu.map(|share| format!("{:.0} % of a core, ", share * 100.0)).unwrap_or_default();
    format!("{cpu}{:.0} MiB, up {}", status.rss_mib, clock(status.uptime_s))
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Current failures, each with the stage that reports it.
fn failures(status: &Status) -> Vec<(String, &Failure)> {
    let one = |what: &str, failure| (what.to_owned(), failure);
    let mut failures: Vec<_> = status.camera.error.iter().map(|failure| one("camera", failure)).collect();
    failures.extend(status.mask.error.iter().map(|failure| one("model", failure)));
    failures.extend(status.mask.quality_error.iter().map(|failure| one("edges", failure)));
    failures.extend(status.mask.processor_error.iter().map(|failure| one("processor", failure)));
    let failed = status.outputs.iter().filter_map(|output| Some((&output.name, output.failure.as_ref()?)));
    failures.extend(failed.map(|(name, failure)| one(name, failure)));
    failures
}

/// The status in one line, for files and other programs.
fn brief(status: &Status, cpu: Option<f64>) -> String {
    let camera = camera(status).2;
    let cpu = cpu.map(|share| format!(", cpu {:.0} %", share * 100.0)).unwrap_or_default();
    let mut line = format!(
        "{} camera {camera} | {} | {:.1} fps{cpu}",
        clock(status.uptime_s),
        background(status),
        status.rates.output
    );
    if let Some((what, failure)) = failures(status).first() {
        let _ = write!(line, " | error: {what}: {failure}");
    }
    line
}

/// CPU usage of a process, from the difference of two measurements.
#[derive(Debug, Default)]
struct Cpu {
    last: Option<(u32, Instant, f64)>,
}

impl Cpu {
    /// Usage since the last measurement, 1 for a full core; `None` at the first one.
    fn share(&mut self, proc: &Path, pid: u32, now: Instant) -> Option<f64> {
        let used = used_seconds(&fs::read_to_string(proc.join(format!("{pid}/stat"))).ok()?)?;
        let (_, then, before) = self.last.replace((pid, now, used)).filter(|(last, ..)| *last == pid)?;
        let seconds = (now - then).as_secs_f64();
        (seconds > 0.0).then(|| ((used - before) / seconds).max(0.0))
    }
}

/// CPU time of a process, in seconds: fields 14 and 15 of `/proc/PID/stat`, see proc(5).
fn used_seconds(stat: &str) -> Option<f64> {
    // the process name, in parentheses, may contain spaces and parentheses
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(ticks as f64 / per_second as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{error::Kind, system::fake::status as idle_status, v4l2::holders::Holder};

    fn plain(lines: &[Line]) -> String {
        lines.iter().map(|(label, _, line)| format!("{label:<11} {line}\n")).collect()
    }

    fn busy() -> Status {
        let mut status = idle_status();
        status.readers = vec![Holder { pid: 812, name: "zoom".into() }];
        status.mask.quality = Some(crate::mask::Quality::Balanced);
        status.mask.degraded = 1;
        status.prompt = Some(JobStatus {
            text: "beach".into(),
            provider: "openai".into(),
            elapsed_s: 12.0,
            progress: Progress::Done(0.5),
        });
        status.camera.error = Some(Failure::new(Kind::Busy, "cannot use camera /dev/video0: busy").hint("close zoom"));
        status
    }

    #[test]
    fn use_of_the_fast_model_is_explained() {
        let mut status = busy();
        status.mask.degraded = 0;
        status.mask.models_disagree = true;
        let text = plain(&lines(&status, None));
        let expected = format!("; using the fast model: {}\n", mask::MODELS_DISAGREE);
        assert!(text.contains(&expected), "{text}");
    }

    #[test]
    fn a_few_lines_summarize_the_status() {
        let text = plain(&lines(&busy(), Some(0.081)));
        for part in [
            "camera      unavailable",
            "background  blur",
            "apps        zoom (pid 812)",
            "edges       landscape, quality auto (reduced), 0.0 ms per mask; edge quality reduced by 1 of 3 steps",
            "prompt      ██████████░░░░░░░░░░ openai is generating \"beach\": 50 %, 12 s",
            "daemon      8 % of a core, 100 MiB, up 0:01:00",
            "error       camera: cannot use camera /dev/video0: busy\n            hint: close zoom\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        let idle = plain(&lines(&idle_status(), None));
        assert!(idle.contains("camera      off, no app is using it\n") && !idle.contains("error"), "{idle}");
    }

    #[test]
    fn terminals_are_redrawn_and_other_outputs_get_lines() {
        let mut watch = Watch::new(true);
        let mut out = Vec::new();
        watch.show(&mut out, &busy()).unwrap();
        let first = watch.drawn;
        out.clear();
        watch.show(&mut out, &idle_status()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&format!("\x1b[{first}A\r\x1b[?7l")) && text.ends_with("\x1b[?7h\x1b[J"), "{text:?}");
        assert_eq!(text.matches('\n').count(), watch.drawn);
        let mut watch = Watch::new(false);
        let mut out = Vec::new();
        watch.show(&mut out, &busy()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\x1b') && text.lines().count() == 1, "{text:?}");
        assert!(
            text.starts_with("0:01:00 camera unavailable | blur | 0.0 fps")
                && text.contains("| error: camera: cannot use")
        );
    }

    #[test]
    fn cpu_usage_is_the_difference_of_two_measurements() {
        let proc = tempfile::tempdir().unwrap();
        let stat = |ticks: u64| {
            fs::create_dir_all(proc.path().join("7")).unwrap();
            let fields = format!("7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 {ticks} 10 0 0 20 0 9");
            fs::write(proc.path().join("7/stat"), fields).unwrap();
        };
        let mut cpu = Cpu::default();
        let start = Instant::now();
        stat(100);
        assert_eq!(cpu.share(proc.path(), 7, start), None);
        stat(150);
        // a tick is 10 ms on all common Linux systems
        let share = cpu.share(proc.path(), 7, start + Duration::from_secs(2)).unwrap();
        assert!((share - 0.25).abs() < 1e-6, "{share}");
        assert_eq!(cpu.share(proc.path(), 8, start), None);
    }
}
