//! `bgcam status`: the daemon's status in each of its formats.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::{
    args::StatusArgs,
    show::{json, progress_text, readers, write_failure},
    status_line,
};
use crate::{
    control::protocol::{MaskStatus, SceneStatus, Status},
    mask, sink,
    style::WARNING,
};

/// How the status is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    Short,
    Waybar,
}

impl Format {
    /// The format that the flags request.
    pub(super) fn of(args: &StatusArgs) -> Self {
        match args {
            StatusArgs { json: true, .. } => Self::Json,
            StatusArgs { short: true, .. } => Self::Short,
            StatusArgs { waybar: true, .. } => Self::Waybar,
            _ => Self::Text,
        }
    }
}

/// Prints the daemon's status; with `watch`, JSON is on one line.
pub(super) fn print(status: &Status, format: Format, watch: bool) -> io::Result<()> {
    match format {
        Format::Text => write_status(&mut anstream::stdout().lock(), status),
        Format::Json if watch => line(status),
        Format::Json => json(status),
        Format::Short => writeln!(io::stdout().lock(), "{}", status_line::text(status)),
        Format::Waybar => line(&status_line::module(status)),
    }
}

/// Prints that no daemon runs, for Waybar.
pub(super) fn print_stopped() -> io::Result<()> {
    line(&status_line::stopped())
}

/// Prints `value` as JSON on one line.
fn line(value: &impl Serialize) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, value)?;
    writeln!(stdout)
}

fn write_status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    write_background(out, status)?;
    write_prompt(out, status)?;
    write_camera(out, status)?;
    write_model(out, status)?;
    write_rates(out, status)?;
    write_outputs(out, status)?;
    write_daemon(out, status)
}

fn write_background(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let scene = &status.scene;
    let mirrored = if scene.mirror { ", mirrored" } else { "" };
    let paused = match scene {
        SceneStatus { frozen: true, .. } => "frozen; on resume: ",
        SceneStatus { paused: true, .. } => "paused; on resume: ",
        _ => "",
    };
    writeln!(out, "background  {paused}{}{mirrored}", scene.label)?;
    if let Some(why) = &scene.room_reason {
        let when =
            if scene.room_visible { "your room is visible" } else { "your room will be visible when you resume" };
        writeln!(out, "            {WARNING}{when}: {why}{WARNING:#}")?;
    }
    status.choice_error.iter().try_for_each(|failure| write_failure(out, "choice", failure))
}

fn write_prompt(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let costs = &status.costs;
    if costs.images > 0 || costs.limit > 0.0 {
        writeln!(out, "costs       {costs}")?;
    }
    match &status.prompt {
        Some(job) => writeln!(out, "prompt      {} is generating {:?}: {}", job.provider, job.text, progress_text(job)),
        None if status.provider == "builtin" => {
            writeln!(out, "prompt      built-in painter; `bgcam providers` lists image generators")
        }
        None => Ok(()),
    }
}

fn write_camera(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let camera = &status.camera;
    match (&camera.source, &camera.error) {
        (Some(source), _) => {
            let path = source.path.as_deref().unwrap_or(Path::new("")).display();
            let (width, height) = source.native;
            let name = &source.name;
            writeln!(out, "camera      {name} {path} {} {width}x{height} at {:.0} fps", source.fourcc, source.fps)
        }
        (None, Some(failure)) => write_failure(out, "camera", failure),
        (None, None) if !camera.on => writeln!(out, "camera      off: {}", camera.reason),
        (None, None) => writeln!(out, "camera      opening {}", camera.wanted),
    }
}

fn write_model(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let mask = &status.mask;
    match (&mask.model, &mask.error) {
        (Some(model), _) => {
            let milliseconds = status.counters.mask_ms;
            writeln!(out, "model       {model}, quality {}, {milliseconds:.1} ms per mask", mask.quality_now())?;
            write_mask_notes(out, mask, model)
        }
        (None, Some(failure)) => write_failure(out, "model", failure),
        (None, None) => writeln!(out, "model       loading {}", mask.wanted),
    }
}

/// Explains deviations from the wanted processor and quality.
fn write_mask_notes(out: &mut impl Write, mask: &MaskStatus, model: &str) -> io::Result<()> {
    if let Some(failure) = &mask.processor_error {
        writeln!(out, "            running on the CPU: {failure}")?;
    }
    if mask.degraded > 0 {
        let max = mask::MAX_DEGRADE;
        writeln!(out, "            edge quality reduced by {} of {max} steps: CPU busy", mask.degraded)?;
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
    Ok(())
}

fn write_rates(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let Status { rates, counters, .. } = status;
    writeln!(
        out,
        "rates       camera {:.1}, masks {:.1}, output {:.1} fps; latency {:.1} ms",
        rates.camera, rates.mask, rates.output, counters.latency_ms
    )?;
    writeln!(
        out,
        "frames      {} output; {} with an older mask, {} without a mask, {} dropped, {} damaged",
        counters.composed, counters.late_masks, counters.unmasked, status.dropped_for_render, counters.corrupt
    )
}

fn write_outputs(out: &mut impl Write, status: &Status) -> io::Result<()> {
    for output in &status.outputs {
        match &output.failure {
            Some(failure) => write_failure(out, "output", failure)?,
            None => writeln!(out, "output      {}", output.name)?,
        }
    }
    writeln!(out, "apps        {}", readers(status))?;
    if let Some(node) = single_reader_node(status) {
        writeln!(out, "            {node} serves one app at a time; to add another, use `sudo bgcam devices add`")?;
    }
    Ok(())
}

/// The virtual camera in use, if its driver may serve only one reader at a time. Older drivers, which serve several,
/// report no version.
fn single_reader_node(status: &Status) -> Option<String> {
    let mut devices = sink::loopback::list().into_iter();
    let node = status.outputs.iter().map(|output| &output.name);
    let node = node.filter(|name| name.starts_with("/dev/")).find(|_| !status.readers.is_empty())?;
    let device = devices.find(|device| device.path.as_os_str() == node.as_str())?;
    device.driver_version.map(|version| format!("{node} (v4l2loopback {version})"))
}

fn write_daemon(out: &mut impl Write, status: &Status) -> io::Result<()> {
    if let Some(page) = &status.page {
        writeln!(out, "page        {page} (open it with `bgcam preview`)")?;
    }
    let total_minutes = (status.uptime_s / 60.0) as u64;
    let hours = total_minutes / 60;
    let minutes = total_minutes % 60;
    writeln!(
        out,
        "daemon      bgcam {}, pid {}, up {hours}:{minutes:02} h, {:.0} MiB, {:.0} % of a core",
        status.version, status.pid, status.rss_mib, status.cpu_percent
    )
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
        let fast_model = format!("edges from the fast model: {}", mask::MODELS_DISAGREE);
        let others = "another person is visible";
        assert!(!text(|_| ()).contains(&fast_model) && !text(|_| ()).contains(others));
        assert!(text(|status| status.mask.models_disagree = true).contains(&fast_model));
        assert!(text(|status| status.mask.others_visible = true).contains(others));
    }
}
