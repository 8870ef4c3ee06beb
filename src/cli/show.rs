//! Output shared by commands: JSON, apps, failures, progress, and the table of models.

use std::io::{self, Write};

use serde::Serialize;

use crate::style::{BAD, DIM};
use crate::{
    control::protocol::Status,
    error::Failure,
    mask,
    prompt::{JobStatus, Progress},
};

/// Prints `value` as indented JSON.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, value)?;
    writeln!(stdout)
}

/// A progress bar of 24 characters; `share` is 0 to 1.
pub(super) fn bar(share: f32) -> String {
    const WIDTH: usize = 24;
    let filled = (share.clamp(0.0, 1.0) * WIDTH as f32) as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled))
}

/// The progress of a job, in a few words.
pub(super) fn progress_text(job: &JobStatus) -> String {
    match job.progress {
        Progress::Working => format!("{:.0} s", job.elapsed_s),
        Progress::Done(share) => format!("{:.0} %, {:.0} s", share * 100.0, job.elapsed_s),
        Progress::Waiting(seconds) => format!("provider asked to wait {seconds:.0} s, {:.0} s so far", job.elapsed_s),
    }
}

/// The apps that read the virtual camera. PipeWire does not report which apps read a camera.
pub(super) fn readers(status: &Status) -> String {
    let names: Vec<_> = status.readers.iter().map(ToString::to_string).collect();
    match names.is_empty() {
        false => names.join(", "),
        true if status.outputs.iter().any(|output| output.read == Some(true)) => "an app using PipeWire".to_owned(),
        true => "none".to_owned(),
    }
}

pub(super) fn write_failure(out: &mut impl Write, what: &str, failure: &Failure) -> io::Result<()> {
    writeln!(out, "{what:11} {BAD}error:{BAD:#} {failure}")?;
    match &failure.hint {
        Some(hint) => writeln!(out, "            {DIM}hint: {hint}{DIM:#}"),
        None => Ok(()),
    }
}

/// Prints the models with the time of one inference on this machine.
pub(super) fn models(settings: &mask::Settings, as_json: bool, measure: bool) -> io::Result<()> {
    let rows: Vec<Row> = mask::list(settings).into_iter().map(|status| Row::new(status, settings, measure)).collect();
    if as_json {
        return json(&rows);
    }
    let mut out = anstream::stdout().lock();
    rows.iter().try_for_each(|row| row.write(&mut out, row.spec.name == settings.model))
}

/// A model as listed.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    spec: mask::ModelSpec,
    /// Where the model is stored.
    location: Option<mask::ModelLocation>,
    /// Median time of one inference on this machine.
    milliseconds: Option<f64>,
    /// Why the model is unavailable.
    error: Option<Failure>,
}

impl Row {
    fn new(status: mask::ModelStatus, settings: &mask::Settings, measure: bool) -> Self {
        let settings = mask::Settings { model: status.spec.name.clone(), ..settings.clone() };
        let (location, mut error) = match status.found {
            Ok(location) => (Some(location), None),
            Err(failure) => (None, Some(failure)),
        };
        let measured = (measure && error.is_none()).then(|| mask::measure(&settings, 20));
        let milliseconds = match measured {
            Some(Ok(time)) => Some(time.wall.as_secs_f64() * 1e3),
            Some(Err(failure)) => {
                error = Some(Failure::from(failure));
                None
            }
            None => None,
        };
        Self { spec: status.spec, location, milliseconds, error }
    }

    fn write(&self, out: &mut impl Write, is_selected: bool) -> io::Result<()> {
        let spec = &self.spec;
        let marker = if is_selected { "*" } else { " " };
        let speed = self.milliseconds.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
        writeln!(out, "{marker} {:12} {speed:>8}  {}x{}  {}", spec.name, spec.width, spec.height, spec.licence)?;
        writeln!(out, "    {}", spec.description)?;
        match (&self.location, &self.error) {
            (Some(location), None) => writeln!(out, "    {location}"),
            (_, Some(Failure { message, hint, .. })) => {
                writeln!(out, "    {BAD}unavailable:{BAD:#} {message}")?;
                hint.iter().try_for_each(|hint| writeln!(out, "    {DIM}hint: {hint}{DIM:#}"))
            }
            (None, None) => Ok(()),
        }
    }
}
