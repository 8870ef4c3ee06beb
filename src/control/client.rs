//! The client side of the socket, used by the command line.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use super::{
    protocol::{Reply, Request, Response},
    socket::{self, SocketError},
};
use crate::{
    error::{Failure, Kind, io_text},
    process::poll::wait_for_data_or_hangup,
};

/// Default timeout of a request; decoding and scaling a large image takes a while.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// What [`Client::wait`] waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A response, or the end of the connection.
    Response,
    /// Nothing reads the output any more.
    Closed,
}

/// Why connecting failed.
#[derive(Debug)]
pub enum ConnectError {
    /// The daemon is not running.
    NoDaemon,
    /// The socket is not trustworthy, or the daemon does not respond.
    Failed(Failure),
}

impl Client {
    /// Connects to the daemon whose socket is in `dir`.
    ///
    /// # Errors
    /// If no daemon is running there, or other users can access the directory.
    pub fn connect(dir: &Path) -> Result<Self, ConnectError> {
        Self::connect_with_timeout(dir, REQUEST_TIMEOUT)
    }

    /// Connects with another timeout for each read and write.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_with_timeout(dir: &Path, limit: Duration) -> Result<Self, ConnectError> {
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
        let set = stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit)));
        set.map_err(|error| ConnectError::Failed(lost(&error)))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request and waits for its response.
    ///
    /// # Errors
    /// If the daemon reports a failure, or the connection is lost.
    pub fn call(&mut self, request: &Request) -> Result<Response, Failure> {
        let mut line = serde_json::to_vec(request).map_err(|error| lost(&error.into()))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(|error| lost(&error))?;
        self.read_response()
    }

    /// Waits, without a timeout, until a response arrives or the reader of `output` closes it.
    ///
    /// # Errors
    /// If the system call fails.
    pub fn wait(&self, output: impl AsFd) -> Result<Next, Failure> {
        if !self.stream.buffer().is_empty() {
            return Ok(Next::Response);
        }
        match wait_for_data_or_hangup(self.stream.get_ref(), output) {
            Ok(true) => Ok(Next::Response),
            Ok(false) => Ok(Next::Closed),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Makes [`Client::read_response`] wait forever, for requests whose responses are sent when something changes.
    ///
    /// # Errors
    /// If the connection is lost.
    pub fn wait_forever(&mut self) -> Result<(), Failure> {
        self.stream.get_ref().set_read_timeout(None).map_err(|error| lost(&error))
    }

    /// Waits for the next response to a request that has several.
    ///
    /// # Errors
    /// If the daemon reports a failure, or the connection is lost.
    pub fn read_response(&mut self) -> Result<Response, Failure> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).map_err(|error| lost(&error))?;
        if read == 0 {
            return Err(lost(&io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Ok(response)) => Ok(response),
            Ok(Reply::Error(failure)) => Err(failure),
            Err(error) => Err(Failure::new(Kind::Internal, format!("cannot parse the daemon's response: {error}"))
                .hint("restart the daemon; it may be from another version of bgcam")),
        }
    }
}

fn lost(error: &io::Error) -> Failure {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the daemon closed the connection".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "the daemon did not respond in time".to_owned(),
        _ => format!("lost the connection to the daemon: {}", io_text(error)),
    };
    Failure::new(Kind::Io, text).hint("check the log: `journalctl --user -u bgcam`")
}
