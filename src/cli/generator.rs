//! `bgcam generator`: sets up an image generator on this machine, shows it and removes it.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::{
    CliError,
    args::{GeneratorArgs, GeneratorCommand, GeneratorOptions},
    note, settings, setup, show,
};
use crate::{
    duration::HumanDuration,
    error::{Failure, Kind},
    generator::{self, Options, Plan, Status, Step},
    style::{BAD, DIM, GOOD},
};

/// How often the bar is drawn.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Runs `bgcam generator`.
pub(super) fn run(options: GeneratorOptions) -> Result<(), CliError> {
    match options.command.unwrap_or(GeneratorCommand::Status) {
        GeneratorCommand::Setup(args) => set_up(args),
        GeneratorCommand::Status => {
            let status = generator::status(&settings()?);
            if options.json { Ok(show::json(&status)?) } else { Ok(print(&mut anstream::stdout().lock(), &status)?) }
        }
        GeneratorCommand::Remove { yes } => remove(yes),
    }
}

fn set_up(args: GeneratorArgs) -> Result<(), CliError> {
    let options = Options {
        server: args.server,
        weights: args.weights,
        sha256: args.sha256,
        steps: args.steps,
        cfg_scale: args.cfg_scale,
        size: args.size.map(|size| size.to_string()),
        args: args.args,
    };
    let plan = Plan::new(options, &settings()?)?;
    let mut stdout = io::stdout().lock();
    for line in plan.lines() {
        writeln!(stdout, "{line}")?;
    }
    stdout.flush()?;
    if !args.yes && !setup::confirmed("Set up this generator?")? {
        return Err(not_confirmed("bgcam generator setup --yes"));
    }
    let mut progress = Display::default();
    let result = plan.execute(&mut |step| drop(progress.show(&step)));
    progress.clear()?;
    result?;
    note(
        "done; try it with `bgcam set-prompt \"a quiet library\"`; the first image takes longer, while the weights are loaded",
    );
    Ok(())
}

fn not_confirmed(command: &str) -> CliError {
    Failure::new(Kind::BadInput, "nothing was changed: not confirmed")
        .hint(format!("to skip the question, use `{command}`"))
        .into()
}

fn remove(yes: bool) -> Result<(), CliError> {
    let config = settings()?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "settings: the provider \"local\" is removed")?;
    for (path, bytes) in generator::removable() {
        writeln!(stdout, "delete {} ({})", path.display(), generator::size(bytes))?;
    }
    stdout.flush()?;
    if !yes && !setup::confirmed("Remove the generator?")? {
        return Err(not_confirmed("bgcam generator remove --yes"));
    }
    generator::remove(&config)?;
    note("done; images in the gallery are kept");
    Ok(())
}

fn print(out: &mut impl Write, status: &Status) -> io::Result<()> {
    match (&status.problem, status.is_default) {
        (Some(problem), _) => {
            writeln!(out, "{BAD}not ready{BAD:#}: {problem}")?;
            if let Some(hint) = &problem.hint {
                writeln!(out, "{DIM}hint: {hint}{DIM:#}")?;
            }
        }
        (None, true) => writeln!(out, "{GOOD}ready{GOOD:#}, used for every prompt")?,
        (None, false) => writeln!(out, "{GOOD}ready{GOOD:#}, used with `set-prompt --provider local`")?,
    }
    if !status.server.as_os_str().is_empty() {
        writeln!(out, "server:  {}", status.server.display())?;
    }
    if let Some(bytes) = status.bytes {
        writeln!(out, "weights: {} ({})", status.weights.display(), generator::size(bytes))?;
    }
    for process in &status.running {
        let memory = generator::size(process.memory_bytes);
        writeln!(out, "running: process {}, {memory} of memory", process.pid)?;
    }
    Ok(())
}

/// Shows commands as lines, and a download as a bar, on terminals only.
#[derive(Default)]
struct Display {
    download: Option<Bar>,
}

/// The progress bar of a download.
struct Bar {
    started: Instant,
    /// The bytes that were already there.
    first: u64,
    drawn: Option<Instant>,
}

impl Display {
    fn show(&mut self, step: &Step<'_>) -> io::Result<()> {
        match *step {
            Step::Command(line) => writeln!(anstream::stderr(), "{DIM}{line}{DIM:#}"),
            Step::Bytes(bytes, total) if io::stderr().is_terminal() => {
                let bar = || Bar { started: Instant::now(), first: bytes, drawn: None };
                self.download.get_or_insert_with(bar).draw(bytes, total)
            }
            Step::Bytes(..) => Ok(()),
            Step::Lost(failure, delay) => {
                self.clear()?;
                note(format!("{failure}; trying again in {}", HumanDuration(delay)));
                Ok(())
            }
        }
    }

    fn clear(&self) -> io::Result<()> {
        if self.download.is_some() { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}

impl Bar {
    fn draw(&mut self, bytes: u64, total: Option<u64>) -> io::Result<()> {
        let now = Instant::now();
        if self.drawn.is_some_and(|drawn| now - drawn < REDRAW_INTERVAL) && total != Some(bytes) {
            return Ok(());
        }
        self.drawn = Some(now);
        let seconds = (now - self.started).as_secs_f64().max(0.1);
        // a server that starts over sends fewer bytes than there were
        let speed = bytes.saturating_sub(self.first) as f64 / seconds;
        let mut stderr = io::stderr().lock();
        write!(stderr, "\r\x1b[K{}", bar_text(bytes, total, speed as u64))?;
        stderr.flush()
    }
}

/// A bar, the bytes so far, and the speed in bytes per second.
fn bar_text(bytes: u64, total: Option<u64>, speed: u64) -> String {
    let bar = show::bar(total.map_or(0.0, |total| bytes as f32 / total.max(1) as f32));
    let of = total.map(|total| format!(" of {}", generator::size(total))).unwrap_or_default();
    format!("{bar} {}{of}, {}/s", generator::size(bytes), generator::size(speed))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::generator::Running;

    fn text(status: &Status) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        print(&mut out, status).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn the_status_says_what_is_there_and_what_is_missing() {
        let mut status = Status {
            is_default: true,
            server: PathBuf::from("/usr/bin/sd-server"),
            weights: PathBuf::from("/data/model.gguf"),
            bytes: Some(1_700_000_000),
            problem: None,
            running: vec![Running { pid: 7, memory_bytes: 1_600_000_000 }],
        };
        assert_eq!(
            text(&status),
            "ready, used for every prompt\nserver:  /usr/bin/sd-server\nweights: /data/model.gguf (1.7 GB)\n\
             running: process 7, 1.6 GB of memory\n"
        );
        status = Status {
            bytes: None,
            server: PathBuf::new(),
            running: Vec::new(),
            problem: Some(Failure::new(Kind::Missing, "no server").hint("set it up")),
            ..status
        };
        assert_eq!(text(&status), "not ready: no server\nhint: set it up\n");
    }

    #[test]
    fn a_download_has_a_bar() {
        assert_eq!(bar_text(0, None, 0), format!("{} 0 kB, 0 kB/s", "░".repeat(24)));
        let half = format!("{}{} 500 MB of 1.0 GB, 5 MB/s", "█".repeat(12), "░".repeat(12));
        assert_eq!(bar_text(500_000_000, Some(1_000_000_000), 5_000_000), half);
        assert!(bar_text(9, Some(3), 0).starts_with(&"█".repeat(24)));
    }
}
