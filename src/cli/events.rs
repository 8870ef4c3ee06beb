//! `bgcam watch`: prints events as lines of JSON until the daemon stops.

use std::io::{self, Write};

use super::{CliError, client};
use crate::control::{
    client::Next,
    event::EventKind,
    protocol::{Request, Response},
};

/// Runs `bgcam watch`. Succeeds when the daemon stops, or the reader of the output closes it.
pub(super) fn run() -> Result<(), CliError> {
    let mut client = client()?;
    let mut response = client.call(&Request::WatchEvents)?;
    let mut stdout = io::stdout().lock();
    loop {
        if let Response::Event(event) = response {
            serde_json::to_writer(&mut stdout, &event).map_err(io::Error::from)?;
            stdout.write_all(b"\n")?;
            stdout.flush()?;
            if event.kind == EventKind::Stopped {
                return Ok(());
            }
        }
        // an event may be hours away
        response = match client.wait(&stdout)? {
            Next::Response => client.read_response()?,
            Next::Closed => return Err(CliError::BrokenPipe),
        };
    }
}
