//! `set-prompt` and `providers`: asks for a picture, shows how far it is, and lets the user choose among several.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{Trouble, args::PromptArgs, ask, client, gallery, settings, show};
use crate::style::{DIM, GOOD};
use crate::{
    control::protocol::{Request, Response},
    error::Failure,
    gallery::Entry,
    prompt::{self, JobStatus, Progress, PromptRequest, one_line, providers, settings::PromptSettings},
};

/// Asks the daemon for a picture and waits until it is shown.
pub(super) fn set_prompt(args: PromptArgs) -> Result<(), Trouble> {
    if args.cancel {
        return ask(&Request::CancelPrompt);
    }
    let request = PromptRequest {
        text: args.words.join(" "),
        provider: args.provider,
        model: args.model,
        seed: args.seed,
        again: args.again,
        size: args.size.map(|size| (size.width() as u32, size.height() as u32)),
        style: args.style,
        negative: args.negative,
        raw: args.raw,
        count: args.count,
        no_wait: args.no_wait,
    };
    let mut client = client()?;
    let mut response = client.call(&Request::SetPrompt(Box::new(request)))?;
    let mut bar = Bar { shown: false };
    loop {
        match response {
            Response::Progress(job) => bar.draw(&job)?,
            Response::Pictures(entries) => {
                bar.clear()?;
                return finish(&entries);
            }
            Response::Done(text) => {
                writeln!(io::stderr(), "{text}")?;
                return Ok(());
            }
            Response::Status(_) | Response::Page(_) => {}
        }
        response = client.read_response().inspect_err(|_| drop(bar.clear()))?;
    }
}

fn finish(entries: &[Entry]) -> Result<(), Trouble> {
    let Some(first) = entries.first() else { return Ok(()) };
    writeln!(io::stderr(), "background: {}", first.label())?;
    show_notes(entries.iter().flat_map(|entry| &entry.notes))?;
    if entries.len() > 1 {
        choose(entries)?;
    }
    Ok(())
}

/// Prints each note once.
fn show_notes<'a>(notes: impl Iterator<Item = &'a String>) -> io::Result<()> {
    let mut shown: Vec<&str> = Vec::new();
    for note in notes {
        if !shown.contains(&&**note) {
            writeln!(io::stderr(), "note: {}", one_line(note))?;
            shown.push(note);
        }
    }
    Ok(())
}

/// Lets the user try the pictures one after another; the last one tried stays.
fn choose(entries: &[Entry]) -> Result<(), Trouble> {
    let mut stdout = io::stdout().lock();
    for (index, entry) in entries.iter().enumerate() {
        writeln!(stdout, "{} {}", index + 1, entry.id)?;
    }
    if !io::stdin().is_terminal() {
        writeln!(io::stderr(), "the first is shown; `bgcam gallery use ID` shows another")?;
        return Ok(());
    }
    let mut lines = io::stdin().lock().lines();
    loop {
        write!(io::stderr(), "which one, 1 to {} (Enter keeps what is shown)? ", entries.len())?;
        let Some(line) = lines.next().transpose()?.filter(|line| !line.trim().is_empty()) else { return Ok(()) };
        let entry = line.trim().parse::<usize>().ok().and_then(|number| entries.get(number.checked_sub(1)?));
        match entry {
            Some(entry) => gallery::put_on(&entry.id)?,
            None => writeln!(io::stderr(), "{:?} is not a number from 1 to {}", line.trim(), entries.len())?,
        }
    }
}

/// How far a job is, in a few words.
pub(super) fn how_far(job: &JobStatus) -> String {
    match job.progress {
        Progress::Working => format!("{:.0} s", job.elapsed_s),
        Progress::Done(share) => format!("{:.0} %, {:.0} s", share * 100.0, job.elapsed_s),
        Progress::Waiting(seconds) => format!("asked to wait {seconds:.0} s, {:.0} s so far", job.elapsed_s),
    }
}

/// The line that tells how far a picture is; only on a terminal.
struct Bar {
    shown: bool,
}

impl Bar {
    fn draw(&mut self, job: &JobStatus) -> io::Result<()> {
        const WIDTH: usize = 24;
        let mut stderr = io::stderr().lock();
        if !stderr.is_terminal() {
            return Ok(());
        }
        let filled = match job.progress {
            Progress::Done(share) => (share.clamp(0.0, 1.0) * WIDTH as f32) as usize,
            Progress::Working | Progress::Waiting(_) => 0,
        };
        let bar = format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled));
        write!(stderr, "\r\x1b[K{bar} {}: {}", job.provider, how_far(job))?;
        self.shown = true;
        stderr.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.shown) { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}

/// Prints who can make pictures, or has one of them make a small one.
pub(super) fn list_providers(json: bool, test: Option<&str>) -> Result<(), Trouble> {
    let settings = settings(&None, None)?.prompt;
    if let Some(name) = test {
        return try_one(name, &settings);
    }
    let list = providers::list(&settings);
    if json {
        return Ok(show::json(&list)?);
    }
    let mut out = anstream::stdout().lock();
    for info in &list {
        let name = info.name.to_string();
        let chosen = if name == settings.provider { "*" } else { " " };
        match &info.why_not {
            None => writeln!(out, "{chosen} {name:10} {GOOD}ready{GOOD:#}     {} {}", info.model, info.note)?,
            Some(failure) => {
                writeln!(out, "{chosen} {name:10} not ready {failure}")?;
                let hint = |hint| writeln!(out, "                       {DIM}hint: {hint}{DIM:#}");
                failure.hint.iter().try_for_each(hint)?;
            }
        }
    }
    Ok(())
}

fn try_one(name: &str, settings: &PromptSettings) -> Result<(), Trouble> {
    let fail = |error| Trouble::Failed(Failure::from(error));
    let provider = providers::open(name, settings).map_err(fail)?;
    let request = PromptRequest { text: "a plain wall with soft light".to_owned(), ..PromptRequest::default() };
    let recipe = prompt::recipe(&request, &*provider, settings, (1280, 720)).map_err(fail)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = std::time::Instant::now();
    let image = runtime.block_on(provider.generate(&recipe, &|_| {})).map_err(fail)?;
    let (size, seconds) = (image.bytes.len() / 1024, started.elapsed().as_secs_f32());
    writeln!(io::stderr(), "{name} works: a picture of {size} kB in {seconds:.1} s")?;
    Ok(show_notes(image.notes.iter())?)
}
