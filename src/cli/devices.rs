//! `bgcam devices`: lists webcams and virtual cameras; adds and removes virtual cameras.

use std::io::{self, Write};

use serde::Serialize;

use super::{CliError, args::DevicesCommand, note, show};
use crate::style::DIM;
use crate::{
    camera,
    config::{Config, Flags},
    error::Failure,
    sink,
};

pub(super) fn run(command: Option<DevicesCommand>, formats: bool, json: bool) -> Result<(), CliError> {
    let fail = |error| CliError::Failed(Failure::from(error));
    match command {
        None => Ok(list(formats, json)?),
        Some(DevicesCommand::Add { label }) => {
            let node = sink::loopback::control::add(&label).map_err(fail)?;
            writeln!(io::stdout(), "{}", node.display())?;
            note(format_args!("added {label:?}; it will not survive a reboot"));
            let hint =
                format!("hint: to use it, add it to the setting output.to: [\"v4l2\", \"v4l2:{}\"]", node.display());
            let _ = writeln!(anstream::stderr(), "{DIM}{hint}{DIM:#}");
            Ok(())
        }
        Some(DevicesCommand::Remove { node }) => {
            sink::loopback::control::remove(&node).map_err(fail)?;
            note(format_args!("removed {}", node.display()));
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Devices {
    cameras: Vec<Camera>,
    unreadable: Vec<camera::Unreadable>,
    outputs: Vec<sink::loopback::Loopback>,
}

#[derive(Serialize)]
struct Camera {
    #[serde(flatten)]
    device: camera::Device,
    infrared: bool,
    /// Whether the daemon would use it with the current settings.
    selected: bool,
}

fn devices() -> Devices {
    let found = camera::list();
    let config = Config::load(&Flags::default());
    let selected = config.ok().and_then(|config| Some(camera::select(&config.camera, &found).ok()?.path.clone()));
    let camera = |device: camera::Device| Camera {
        infrared: device.is_infrared(),
        selected: selected.as_ref() == Some(&device.path),
        device,
    };
    Devices {
        cameras: found.devices.into_iter().map(camera).collect(),
        unreadable: found.unreadable,
        outputs: sink::loopback::list(),
    }
}

/// Prints webcams and virtual cameras.
fn list(with_formats: bool, as_json: bool) -> io::Result<()> {
    let devices = devices();
    if as_json {
        return show::json(&devices);
    }
    let mut out = io::stdout().lock();
    if devices.cameras.iter().all(|camera| camera.device.virtual_) {
        note("no webcam found; to try bgcam without one, use `bgcam set-camera demo`");
    }
    for camera in &devices.cameras {
        write_camera(&mut out, camera, with_formats)?;
    }
    for camera in &devices.unreadable {
        writeln!(out, "camera  {}  {}", camera.path.display(), camera.name)?;
        writeln!(out, "    {}", camera.why)?;
    }
    if devices.outputs.is_empty() {
        note("no virtual camera found; create one with `bgcam setup`");
    }
    for output in &devices.outputs {
        writeln!(out, "virtual camera  {}  {}", output.path.display(), output.label)?;
    }
    Ok(())
}

fn write_camera(out: &mut impl Write, camera: &Camera, with_formats: bool) -> io::Result<()> {
    let Camera { device: camera, infrared, selected } = camera;
    let infrared = if *infrared { "  (infrared)" } else { "" };
    let selected = if *selected { "  (selected)" } else { "" };
    writeln!(out, "camera  {}  {}{infrared}{selected}", camera.path.display(), camera.name)?;
    if let Some(id) = &camera.id {
        writeln!(out, "    id {}", id.display())?;
    }
    for format in camera.formats.iter().filter(|_| with_formats) {
        let rates: Vec<String> = format.rates.iter().map(|rate| format!("{rate:.0}")).collect();
        writeln!(out, "    {} {} at {} fps", format.fourcc, format.size, rates.join(", "))?;
    }
    Ok(())
}
