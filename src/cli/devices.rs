//! `devices`: webcams and virtual cameras, and one virtual camera more or less.

use std::io::{self, Write};

use serde::Serialize;

use super::{Trouble, args::DevicesVerb, note, show, style::DIM};
use crate::{camera, error::Failure, sink};

pub(super) fn run(verb: Option<DevicesVerb>, json: bool) -> Result<(), Trouble> {
    let fail = |error| Trouble::Failed(Failure::from(&error));
    match verb {
        None => Ok(list(json)?),
        Some(DevicesVerb::Add { label }) => {
            let node = sink::loopback::control::add(&label).map_err(fail)?;
            writeln!(io::stdout(), "{}", node.display())?;
            note(format_args!("made {label:?}; it is gone after a restart of the machine"));
            let hint = format!("hint: name it in output.to, such as [\"v4l2\", \"v4l2:{}\"]", node.display());
            let _ = writeln!(anstream::stderr(), "{DIM}{hint}{DIM:#}");
            Ok(())
        }
        Some(DevicesVerb::Remove { node }) => {
            sink::loopback::control::remove(&node).map_err(fail)?;
            note(format_args!("removed {}", node.display()));
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Devices {
    cameras: Vec<camera::Device>,
    outputs: Vec<sink::loopback::Loopback>,
}

/// Prints webcams and virtual cameras.
fn list(as_json: bool) -> io::Result<()> {
    let devices = Devices { cameras: camera::list(), outputs: sink::loopback::list() };
    if as_json {
        return show::json(&devices);
    }
    let mut out = io::stdout().lock();
    if devices.cameras.is_empty() {
        note("no webcam found; `bgcam daemon --camera demo` needs none");
    }
    for camera in &devices.cameras {
        write_camera(&mut out, camera)?;
    }
    if devices.outputs.is_empty() {
        note("no virtual camera found; `bgcam setup` makes one");
    }
    for output in &devices.outputs {
        writeln!(out, "virtual camera  {}  {}", output.path.display(), output.label)?;
    }
    Ok(())
}

fn write_camera(out: &mut impl Write, camera: &camera::Device) -> io::Result<()> {
    writeln!(out, "camera  {}  {}", camera.path.display(), camera.name)?;
    if let Some(id) = &camera.id {
        writeln!(out, "    id {}", id.display())?;
    }
    for format in &camera.formats {
        let rates: Vec<String> = format.rates.iter().map(|rate| format!("{rate:.0}")).collect();
        writeln!(out, "    {} {} at {} fps", format.fourcc, format.size, rates.join(", "))?;
    }
    Ok(())
}
