//! `bgcam set-prompt` and `bgcam providers`: generate a background with a progress bar, and choose one of several.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    time::Instant,
};

use super::{CliError, args::PromptArgs, ask, client, gallery, note, settings, show};
use crate::style::{DIM, GOOD};
use crate::{
    control::{
        client::Client,
        protocol::{Request, Response},
    },
    error::Failure,
    gallery::Entry,
    prompt::{
        self, Cost, JobStatus, Name, Progress, PromptError, PromptRequest,
        catalogue::{self, ProviderInfo},
        dollars, one_line,
    },
};

/// Requests an image from the daemon and waits until it is the background.
pub(super) fn set_prompt(args: PromptArgs) -> Result<(), CliError> {
    if args.cancel {
        return ask(&Request::CancelPrompt);
    }
    if args.undo || args.redo {
        return ask(if args.undo { &Request::UndoEdit } else { &Request::RedoEdit });
    }
    let request = PromptRequest {
        text: args.prompt.join(" "),
        provider: args.provider,
        model: args.model,
        seed: args.seed,
        again: args.again,
        size: args.size.map(|size| (size.width() as u32, size.height() as u32)),
        style: args.style,
        negative: args.negative,
        raw: args.raw,
        edit: args.edit,
        of: args.of,
        count: args.count,
        no_wait: args.no_wait,
    };
    let mut client = client()?;
    if args.cost {
        return print_cost(&client.call(&Request::PromptCost(Box::new(request)))?);
    }
    let mut response = client.call(&Request::SetPrompt(Box::new(request)))?;
    let mut bar = ProgressBar { is_drawn: false };
    loop {
        match response {
            Response::Progress(job) => bar.draw(&job)?,
            Response::Images(entries) => {
                bar.clear()?;
                return finish(client, &entries);
            }
            Response::Done(text) | Response::Warning(text) => {
                writeln!(io::stderr(), "{text}")?;
                return Ok(());
            }
            _ => {}
        }
        response = client.read_response().inspect_err(|_| drop(bar.clear()))?;
    }
}

/// Prints the price of a request, and what has been spent.
fn print_cost(response: &Response) -> Result<(), CliError> {
    let Response::Cost(cost) = response else { return Ok(()) };
    let Cost { provider, model, images, price, month } = &**cost;
    let model = if model.is_empty() { String::new() } else { format!(", {}", one_line(model)) };
    let noun = if *images == 1 { "image" } else { "images" };
    let mut stdout = io::stdout().lock();
    match price {
        _ if *images == 0 => writeln!(stdout, "free: the gallery has it already")?,
        Some(0.0) => writeln!(stdout, "free: {provider}{model}")?,
        Some(price) => writeln!(stdout, "{} for {images} {noun}: {provider}{model}", dollars(*price))?,
        None => writeln!(stdout, "price unknown for {images} {noun}: {provider}{model}")?,
    }
    if month.images > 0 || month.limit > 0.0 {
        writeln!(stdout, "so far: {month}")?;
    }
    Ok(())
}

fn finish(mut client: Client, entries: &[Entry]) -> Result<(), CliError> {
    let Some(first) = entries.first() else { return Ok(()) };
    writeln!(io::stderr(), "background: {}", first.label())?;
    show_notes(entries.iter().flat_map(|entry| &entry.notes))?;
    warn_if_room_is_visible(&mut client)?;
    if entries.len() > 1 {
        choose(entries)?;
    }
    Ok(())
}

/// Prints the same note as other changes of the background, whose replies include it.
fn warn_if_room_is_visible(client: &mut Client) -> io::Result<()> {
    if let Ok(Response::Status(status)) = client.call(&Request::Status)
        && let (true, Some(why)) = (status.scene.room_visible, status.scene.room_reason)
    {
        writeln!(io::stderr(), "your room is visible: {why}")?;
    }
    Ok(())
}

/// Prints each distinct note once.
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

/// Lets the user try the images in turn; the last one stays.
fn choose(entries: &[Entry]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    for (index, entry) in entries.iter().enumerate() {
        writeln!(stdout, "{} {}", index + 1, entry.id)?;
    }
    if !io::stdin().is_terminal() {
        writeln!(io::stderr(), "using the first; choose another with `bgcam gallery use ID`")?;
        return Ok(());
    }
    let mut lines = io::stdin().lock().lines();
    loop {
        write!(io::stderr(), "Which image, 1 to {} (Enter keeps the current one)? ", entries.len())?;
        let Some(line) = lines.next().transpose()?.filter(|line| !line.trim().is_empty()) else { return Ok(()) };
        let entry = line.trim().parse::<usize>().ok().and_then(|number| entries.get(number.checked_sub(1)?));
        match entry {
            Some(entry) => gallery::apply(&entry.id)?,
            None => writeln!(io::stderr(), "{:?} is not a number from 1 to {}", line.trim(), entries.len())?,
        }
    }
}

/// A progress bar in one line, on terminals only.
struct ProgressBar {
    is_drawn: bool,
}

impl ProgressBar {
    fn draw(&mut self, job: &JobStatus) -> io::Result<()> {
        let mut stderr = io::stderr().lock();
        if !stderr.is_terminal() {
            return Ok(());
        }
        let bar = show::bar(match job.progress {
            Progress::Done(share) => share,
            Progress::Working | Progress::Waiting(_) => 0.0,
        });
        write!(stderr, "\r\x1b[K{bar} {}: {}", job.provider, show::progress_text(job))?;
        self.is_drawn = true;
        stderr.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_drawn) { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}

/// Lists the image providers, or shows one.
pub(super) fn list_providers(name: Option<&str>, json: bool) -> Result<(), CliError> {
    let settings = settings()?.prompt;
    let mut list = catalogue::list(&settings);
    if let Some(name) = name {
        let known: Name =
            name.parse().map_err(|_| Failure::from(PromptError::UnknownProvider { name: name.into() }))?;
        list.retain(|info| info.name == known);
    }
    if json {
        return Ok(show::json(&list)?);
    }
    let mut out = anstream::stdout().lock();
    for info in &list {
        let is_default = info.name.as_str() == settings.provider;
        write_provider(&mut out, info, is_default, name.is_some() || is_default)?;
    }
    if name.is_none() && list.iter().any(|info| info.why_not.is_some()) {
        note("`bgcam providers NAME` shows how to set one up");
    }
    Ok(())
}

/// Writes a line about a provider, and `with_hint` another one on how to set it up.
fn write_provider(out: &mut impl Write, info: &ProviderInfo, is_default: bool, with_hint: bool) -> io::Result<()> {
    let name = info.name.to_string();
    let marker = if is_default { "*" } else { " " };
    match &info.why_not {
        None => writeln!(out, "{marker} {name:11} {GOOD}ready{GOOD:#}: {} {}", info.model, info.note),
        Some(failure) => {
            let what = failure.message.replace(&format!("provider {name}"), "it");
            writeln!(out, "{marker} {name:11} not ready: {what}")?;
            let hint = |hint| writeln!(out, "                        {DIM}hint: {hint}{DIM:#}");
            failure.hint.iter().filter(|_| with_hint).try_for_each(hint)
        }
    }
}

/// Generates a test image.
pub(super) fn test_provider(name: &str) -> Result<(), CliError> {
    let settings = &settings()?.prompt;
    let fail = |error| CliError::Failed(Failure::from(error));
    let provider = catalogue::open(name, settings).map_err(fail)?;
    let request = PromptRequest { text: "a plain wall with soft light".to_owned(), ..PromptRequest::default() };
    let recipe = prompt::recipe(&request, &*provider, settings, (1280, 720)).map_err(fail)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let started = Instant::now();
    let image = runtime.block_on(provider.generate(&recipe, &|_| {})).map_err(fail)?;
    let kilobytes = image.bytes.len() / 1024;
    let seconds = started.elapsed().as_secs_f32();
    writeln!(io::stderr(), "{name} works: generated an image of {kilobytes} kB in {seconds:.1} s")?;
    Ok(show_notes(image.notes.iter())?)
}
