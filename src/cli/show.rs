//! Output of commands: tables for people, JSON for programs.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use crate::style::{BAD, DIM, WARNING};
use crate::{
    control::protocol::Status,
    error::Failure,
    mask,
    prompt::{JobStatus, Progress},
    sink,
};

/// Prints `value` as indented JSON.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, value)?;
    writeln!(stdout)
}

/// Prints the daemon's status as text or JSON; with `watch`, the JSON is on one line.
pub(super) fn status(status: &Status, as_json: bool, watch: bool) -> io::Result<()> {
    if as_json && watch {
        let mut stdout = io::stdout().lock();
        serde_json::to_writer(&mut stdout, status)?;
        return writeln!(stdout);
    }
    if as_json {
        return json(status);
    }
    write_status(&mut anstream::stdout().lock(), status)
}

fn write_status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let Status { scene, camera, mask, rates, counters, .. } = status;
    let mut background = scene.label.clone();
    if scene.mirror {
        background.push_str(", mirrored");
    }
    if scene.paused {
        background = format!("paused (a still card), then {background}");
    }
    writeln!(out, "background  {background}")?;
    if let Some(why) = &scene.room_why {
        let when =
            if scene.room_visible { "your room is visible" } else { "your room will be visible when you resume" };
        writeln!(out, "            {WARNING}{when}: {why}{WARNING:#}")?;
    }
    if let Some(failure) = &status.choice_error {
        write_failure(out, "choice", failure)?;
    }
    if let Some(job) = &status.prompt {
        writeln!(out, "prompt      {} generates {:?}: {}", job.provider, job.text, progress_text(job))?;
    } else if status.provider == "builtin" {
        writeln!(out, "prompt      built-in painter; `bgcam providers` lists image generators")?;
    }
    match (&camera.source, &camera.error) {
        (Some(source), _) => {
            let path = source.path.as_deref().unwrap_or(Path::new("")).display();
            let (width, height) = source.native;
            writeln!(
                out,
                "camera      {} {path} {} {width}x{height} at {:.0} fps",
                source.name, source.fourcc, source.fps
            )?;
        }
        (None, Some(failure)) => write_failure(out, "camera", failure)?,
        (None, None) if !camera.on => writeln!(out, "camera      off: {}", camera.why)?,
        (None, None) => writeln!(out, "camera      opening {}", camera.wanted)?,
    }
    match (&mask.model, &mask.error) {
        (Some(model), _) => {
            writeln!(out, "model       {model}, quality {}, {:.1} ms per mask", mask.quality_now(), counters.mask_ms)?;
            if let Some(failure) = &mask.processor_error {
                writeln!(out, "            running on the CPU: {failure}")?;
            }
            if mask.degraded > 0 {
                writeln!(
                    out,
                    "            edge quality reduced by {} of {} steps: CPU busy",
                    mask.degraded,
                    mask::MAX_DEGRADE
                )?;
            }
            if mask.models_disagree {
                writeln!(out, "            edges from the fast model: {}", mask::MODELS_DISAGREE)?;
            }
            if mask.others_visible {
                writeln!(out, "            another person is visible; to hide them, use `bgcam look nearest_only=on`")?;
            }
            if let Some(failure) = &mask.quality_error {
                let wanted = if *model == mask.wanted { mask.wanted_quality.to_string() } else { mask.wanted.clone() };
                writeln!(out, "            {wanted} is unavailable: {failure}")?;
            }
        }
        (None, Some(failure)) => write_failure(out, "model", failure)?,
        (None, None) => writeln!(out, "model       loading {}", mask.wanted)?,
    }
    writeln!(
        out,
        "rates       camera {:.1}, masks {:.1}, output {:.1} fps; latency {:.1} ms",
        rates.camera, rates.mask, rates.output, counters.latency_ms
    )?;
    writeln!(
        out,
        "frames      {} output; {} with an older mask, {} without a mask, {} dropped, {} damaged",
        counters.composed, counters.late_masks, counters.unmasked, status.dropped_for_render, counters.corrupt
    )?;
    for output in &status.outputs {
        match &output.failure {
            Some(failure) => write_failure(out, "output", failure)?,
            None => writeln!(out, "output      {}", output.name)?,
        }
    }
    let readers: Vec<String> =
        status.readers.iter().map(|reader| format!("{} ({})", reader.name, reader.pid)).collect();
    let through_pipewire = status.outputs.iter().any(|output| output.read == Some(true));
    let readers = match (readers.is_empty(), through_pipewire) {
        (true, true) => "an app using PipeWire".to_owned(),
        (true, false) => "none".to_owned(),
        (false, _) => readers.join(", "),
    };
    writeln!(out, "readers     {readers}")?;
    if let Some(node) = single_reader_node(status) {
        writeln!(out, "            {node} serves one app at a time; add a second camera with `bgcam devices add`")?;
    }
    if let Some(page) = &status.page {
        writeln!(out, "page        {page} (open it with `bgcam preview`)")?;
    }
    let minutes = (status.uptime_s / 60.0) as u64;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let (version, pid, rss) = (&status.version, status.pid, status.rss_mib);
    writeln!(
        out,
        "daemon      bgcam {version}, pid {pid}, up {hours}:{minutes:02} h, {rss:.0} MiB, {:.0} % of a core",
        status.cpu_percent
    )
}

/// The virtual camera in use, if its driver serves one reader at a time: v4l2loopback 0.13 and later.
fn single_reader_node(status: &Status) -> Option<String> {
    let mut devices = sink::loopback::list().into_iter();
    let node = status.outputs.iter().map(|output| &output.name);
    let node = node.filter(|name| name.starts_with("/dev/")).find(|_| !status.readers.is_empty())?;
    let device = devices.find(|device| device.path.as_os_str() == node.as_str())?;
    device.driver_version.map(|version| format!("{node} (v4l2loopback {version})"))
}

/// The progress of a job, in a few words.
pub(super) fn progress_text(job: &JobStatus) -> String {
    match job.progress {
        Progress::Working => format!("{:.0} s", job.elapsed_s),
        Progress::Done(share) => format!("{:.0} %, {:.0} s", share * 100.0, job.elapsed_s),
        Progress::Waiting(seconds) => format!("provider asked to wait {seconds:.0} s, {:.0} s so far", job.elapsed_s),
    }
}

fn write_failure(out: &mut impl Write, what: &str, failure: &Failure) -> io::Result<()> {
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
    for row in &rows {
        let spec = &row.spec;
        let marker = if spec.name == settings.model { "*" } else { " " };
        let speed = row.milliseconds.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
        writeln!(out, "{marker} {:12} {speed:>8}  {}x{}  {}", spec.name, spec.width, spec.height, spec.licence)?;
        writeln!(out, "    {}", spec.description)?;
        match (&row.place, &row.error) {
            (Some(place), None) => writeln!(out, "    {place}")?,
            (_, Some(Failure { message, hint, .. })) => {
                writeln!(out, "    {BAD}unavailable:{BAD:#} {message}")?;
                hint.iter().try_for_each(|hint| writeln!(out, "    {DIM}hint: {hint}{DIM:#}"))?;
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// A model as listed.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    spec: mask::ModelSpec,
    /// Where the model is stored.
    place: Option<mask::ModelLocation>,
    /// Median time of one inference on this machine.
    milliseconds: Option<f64>,
    /// Why the model is unavailable.
    error: Option<Failure>,
}

impl Row {
    fn new(status: mask::ModelStatus, settings: &mask::Settings, measure: bool) -> Self {
        let settings = mask::Settings { model: status.spec.name.clone(), ..settings.clone() };
        let (place, mut error) = match status.found {
            Ok(place) => (Some(place), None),
            Err(failure) => (None, Some(failure)),
        };
        let measured = (measure && error.is_none()).then(|| mask::measure(&settings, 20));
        let milliseconds = match measured {
            Some(Ok(time)) => Some(time.as_secs_f64() * 1e3),
            Some(Err(failure)) => {
                error = Some(Failure::from(failure));
                None
            }
            None => None,
        };
        Self { spec: status.spec, place, milliseconds, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_explains_the_state_of_the_mask() {
        let text = |change: fn(&mut Status)| {
            let mut status = crate::system::fake::status();
            change(&mut status);
            let mut out = Vec::new();
            write_status(&mut out, &status).unwrap();
            String::from_utf8(out).unwrap()
        };
        let (disagree, others) = ("edges from the fast model: the two models disagree", "another person is visible");
        assert!(!text(|_| ()).contains(disagree) && !text(|_| ()).contains(others));
        assert!(text(|status| status.mask.models_disagree = true).contains(disagree));
        assert!(text(|status| status.mask.others_visible = true).contains(others));
    }
}
