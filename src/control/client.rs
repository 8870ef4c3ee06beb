//! The command line's side of the socket.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::{
    protocol::{Reply, Request, Response},
    socket::{self, SocketError},
};
use crate::error::{Failure, Kind};

/// The longest that a request may take: a large picture has to be decoded and fitted.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// No daemon serves here.
    NoDaemon,
    /// There is something, but it is not to be trusted or doesn't answer.
    Failed(Failure),
}

impl Client {
    /// Connects to the daemon that serves in `dir`.
    ///
    /// # Errors
    /// When no daemon serves there, or the directory is not the user's alone.
    pub fn connect(dir: &Path) -> Result<Self, ConnectError> {
        Self::connect_within(dir, PATIENCE)
    }

    /// The same, with another limit for the time that a request may take.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_within(dir: &Path, patience: Duration) -> Result<Self, ConnectError> {
        match socket::check_private(dir) {
            Ok(()) => {}
            Err(SocketError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(ConnectError::NoDaemon);
            }
            Err(error) => return Err(ConnectError::Failed(Failure::from(error))),
        }
        let stream = UnixStream::connect(socket::path_in(dir)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ConnectError::NoDaemon,
            _ => ConnectError::Failed(lost(&error)),
        })?;
        let set = stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience)));
        set.map_err(|error| ConnectError::Failed(lost(&error)))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The daemon's own, or that it was lost.
    pub fn call(&mut self, request: &Request) -> Result<Response, Failure> {
        let mut line = serde_json::to_vec(request).map_err(|error| lost(&error.into()))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(|error| lost(&error))?;
        self.answer()
    }

    /// Waits for the next answer, after [`Request::Watch`].
    ///
    /// # Errors
    /// The daemon's own, or that it was lost.
    pub fn answer(&mut self) -> Result<Response, Failure> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).map_err(|error| lost(&error))?;
        if read == 0 {
            return Err(lost(&io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Ok(response)) => Ok(response),
            Ok(Reply::Error(failure)) => Err(failure),
            Err(error) => Err(Failure::new(Kind::Internal, format!("the daemon's answer is not understood: {error}"))
                .hint("client and daemon may be of different versions: restart the daemon")),
        }
    }
}

fn lost(error: &io::Error) -> Failure {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the daemon hung up".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the daemon did not answer in time".to_owned(),
        _ => format!("the daemon was lost: {error}"),
    };
    Failure::new(Kind::Io, text).hint("`journalctl --user -u bgcam` shows what it said last")
}
