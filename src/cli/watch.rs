//! `status --watch`: the daemon's state in place on a terminal, a line each second elsewhere.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::Path,
    time::Instant,
};

use anstyle::Style;

use super::prompt::how_far;
use crate::style::{BAD, DIM, GOOD, WARNING};
use crate::{
    control::protocol::Status,
    error::Failure,
    mask,
    prompt::{JobStatus, Progress},
};

/// Shows one status after another.
#[derive(Debug)]
pub(super) struct Watch {
    in_place: bool,
    /// How many lines stand on the screen.
    drawn: usize,
    cpu: Cpu,
}

impl Watch {
    /// In place where somebody looks at a terminal.
    pub(super) fn new(in_place: bool) -> Self {
        Self { in_place, drawn: 0, cpu: Cpu::default() }
    }

    /// Writes `status` to `out`.
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
        // the terminal cuts long lines off while wrapping is off, so that the lines can be counted
        text.push_str("\x1b[?7l");
        for (label, style, line) in &lines {
            let _ = writeln!(text, "{DIM}{label:<11}{DIM:#} {style}{line}{style:#}\x1b[K");
        }
        // what an earlier, longer text has left
        text.push_str("\x1b[?7h\x1b[J");
        self.drawn = lines.len();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

type Line = (&'static str, Style, String);

/// The state in about ten lines: what is well in plain, what is not in colour.
fn lines(status: &Status, cpu: Option<f64>) -> Vec<Line> {
    let plain = Style::new();
    let shown = if status.scene.room_visible { WARNING } else { plain };
    let mut lines = vec![camera(status), ("shows", shown, shows(status)), ("read by", plain, readers(status))];
    let (rates, counters) = (status.rates, &status.counters);
    let late = counters.latency_ms;
    let text = format!("{:.1} fps from the camera, {:.1} to apps, {late:.0} ms late", rates.camera, rates.output);
    lines.push(("pictures", plain, text));
    lines.extend(edges(status));
    lines.extend(status.prompt.as_ref().map(|job| ("prompt", plain, progress(job))));
    lines.push(("daemon", plain, daemon(status, cpu)));
    for (what, failure) in failures(status) {
        lines.push(("error", BAD, format!("{what}: {failure}")));
        lines.extend(failure.hint.iter().map(|hint| ("", DIM, format!("hint: {hint}"))));
    }
    lines.push(("", DIM, "Ctrl-C ends this; the camera goes on".to_owned()));
    lines
}

fn camera(status: &Status) -> Line {
    let camera = &status.camera;
    let (style, text) = match &camera.source {
        _ if status.scene.paused => (WARNING, "paused: others see a still card".to_owned()),
        Some(source) => {
            let (width, height) = source.native;
            let from = format!("{} {}, {width}x{height} at {:.0} fps", source.name, source.fourcc, source.fps);
            (GOOD, format!("on, {}: {from}", camera.why))
        }
        None if camera.error.is_some() => (BAD, "not to be had".to_owned()),
        None if camera.on => (WARNING, format!("opening {}", camera.wanted)),
        None => (Style::new(), format!("off, {}", camera.why)),
    };
    ("camera", style, text)
}

fn shows(status: &Status) -> String {
    let mirrored = if status.scene.mirror { ", mirrored" } else { "" };
    format!("{}{mirrored}", status.scene.label)
}

fn readers(status: &Status) -> String {
    let names: Vec<_> = status.readers.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        false => names.join(", "),
        true if status.outputs.iter().any(|output| output.read == Some(true)) => "an app, through PipeWire".to_owned(),
        true => "nobody".to_owned(),
    }
}

fn edges(status: &Status) -> Option<Line> {
    let mask = &status.mask;
    let model = mask.model.as_ref()?;
    let text = format!("{model}, quality {}, {:.1} ms a mask", mask.quality_now(), status.counters.mask_ms);
    Some(match mask.degraded {
        0 if mask.models_disagree => {
            ("edges", Style::new(), format!("{text}; from the fast model: {}", mask::DISAGREE))
        }
        0 => ("edges", Style::new(), text),
        steps => {
            ("edges", WARNING, format!("{text}; eased by {steps} of {} steps, the machine is busy", mask::MAX_DEGRADE))
        }
    })
}

fn progress(job: &JobStatus) -> String {
    const WIDTH: usize = 20;
    let filled = match job.progress {
        Progress::Done(share) => (share.clamp(0.0, 1.0) * WIDTH as f32) as usize,
        Progress::Working | Progress::Waiting(_) => 0,
    };
    let bar = "█".repeat(filled) + &"░".repeat(WIDTH - filled);
    format!("{bar} {} makes {:?}: {}", job.provider, job.text, how_far(job))
}

fn daemon(status: &Status, cpu: Option<f64>) -> String {
    let cpu = cpu.map(|share| format!("{:.0} % of a core, ", share * 100.0)).unwrap_or_default();
    format!("{cpu}{:.0} MiB, up {}", status.rss_mib, clock(status.uptime_s))
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// What does not work, each with the station that says so.
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

/// The state in one line, for a file or another program.
fn brief(status: &Status, cpu: Option<f64>) -> String {
    let camera = camera(status).2;
    let cpu = cpu.map(|share| format!(", cpu {:.0} %", share * 100.0)).unwrap_or_default();
    let mut line =
        format!("{} camera {camera} | {} | {:.1} fps{cpu}", clock(status.uptime_s), shows(status), status.rates.output);
    if let Some((what, failure)) = failures(status).first() {
        let _ = write!(line, " | error: {what}: {failure}");
    }
    line
}

/// How much of a core a process takes, from two looks at what it has used.
#[derive(Debug, Default)]
struct Cpu {
    last: Option<(u32, Instant, f64)>,
}

impl Cpu {
    /// The share since the last look, 1 for a whole core; `None` at the first look.
    fn share(&mut self, proc: &Path, pid: u32, now: Instant) -> Option<f64> {
        let used = used_seconds(&fs::read_to_string(proc.join(format!("{pid}/stat"))).ok()?)?;
        let (_, then, before) = self.last.replace((pid, now, used)).filter(|(last, ..)| *last == pid)?;
        let seconds = (now - then).as_secs_f64();
        (seconds > 0.0).then(|| ((used - before) / seconds).max(0.0))
    }
}

/// The time that a process has used, out of `/proc/PID/stat`: fields 14 and 15 of proc(5).
fn used_seconds(stat: &str) -> Option<f64> {
    // the name, in brackets, may hold blanks and brackets
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // SAFETY: it only reads, and takes no pointer.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1);
    Some(ticks as f64 / per_second as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{error::Kind, system::fake::status as a_status, v4l2::holders::Holder};

    fn plain(lines: &[Line]) -> String {
        lines.iter().map(|(label, _, line)| format!("{label:<11} {line}\n")).collect()
    }

    fn busy() -> Status {
        let mut status = a_status();
        status.readers = vec![Holder { pid: 812, name: "zoom".into() }];
        (status.mask.quality, status.mask.degraded) = (Some(crate::mask::Quality::Balanced), 1);
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
    fn edges_from_the_fast_model_are_explained() {
        let mut status = busy();
        (status.mask.degraded, status.mask.models_disagree) = (0, true);
        let text = plain(&lines(&status, None));
        let expected = "; from the fast model: the two models disagree about most of the picture\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn all_that_matters_stands_in_a_few_lines() {
        let text = plain(&lines(&busy(), Some(0.081)));
        for part in [
            "camera      not to be had",
            "shows       blur",
            "read by     zoom (pid 812)",
            "edges       landscape, quality auto (reduced), 0.0 ms a mask; eased by 1 of 3 steps",
            "prompt      ██████████░░░░░░░░░░ openai makes \"beach\": 50 %, 12 s",
            "daemon      8 % of a core, 100 MiB, up 0:01:00",
            "error       camera: cannot use camera /dev/video0: busy\n            hint: close zoom\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        let calm = plain(&lines(&a_status(), None));
        assert!(calm.contains("camera      off, nobody reads\n") && !calm.contains("error"), "{calm}");
    }

    #[test]
    fn a_terminal_is_drawn_over_and_anything_else_gets_lines() {
        let (mut watch, mut out) = (Watch::new(true), Vec::new());
        watch.show(&mut out, &busy()).unwrap();
        let first = watch.drawn;
        out.clear();
        watch.show(&mut out, &a_status()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(&format!("\x1b[{first}A\r\x1b[?7l")) && text.ends_with("\x1b[?7h\x1b[J"), "{text:?}");
        assert_eq!(text.matches('\n').count(), watch.drawn);
        let (mut watch, mut out) = (Watch::new(false), Vec::new());
        watch.show(&mut out, &busy()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\x1b') && text.lines().count() == 1, "{text:?}");
        assert!(
            text.starts_with("0:01:00 camera not to be had | blur | 0.0 fps")
                && text.contains("| error: camera: cannot use")
        );
    }

    #[test]
    fn the_share_of_a_core_comes_from_two_looks() {
        let proc = tempfile::tempdir().unwrap();
        let stat = |ticks: u64| {
            fs::create_dir_all(proc.path().join("7")).unwrap();
            let fields = format!("7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 {ticks} 10 0 0 20 0 9");
            fs::write(proc.path().join("7/stat"), fields).unwrap();
        };
        let (mut cpu, start) = (Cpu::default(), Instant::now());
        stat(100);
        assert_eq!(cpu.share(proc.path(), 7, start), None);
        stat(150);
        // ticks are hundredths of a second on every Linux that we know
        let share = cpu.share(proc.path(), 7, start + Duration::from_secs(2)).unwrap();
        assert!((share - 0.25).abs() < 1e-6, "{share}");
        assert_eq!(cpu.share(proc.path(), 8, start), None);
    }
}
