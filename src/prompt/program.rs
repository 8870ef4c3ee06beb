//! Runs another program to completion: input on stdin, bounded output, and the end of its stderr.

use std::{
    io,
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use crate::process::child::Tail;

/// The number of characters of stderr that are returned.
const MAX_TAIL_LEN: usize = 250;

/// The result of a program.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    /// Its standard output; one byte longer than the limit if it was cut off.
    pub(super) output: Vec<u8>,
    /// The end of its standard error.
    pub(super) stderr_tail: String,
}

/// Runs `command` with `input` on its standard input, and reads up to `limit` bytes of its standard output. Dropping
/// the future kills the program and all its children.
///
/// # Errors
/// If it can't be started, or its pipes fail.
pub(super) async fn run(mut command: Command, input: &[u8], limit: usize) -> io::Result<Finished> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = Group::of(&child);
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("the program has no pipes"));
    };
    let written = async move {
        // A program that reads its prompt from the environment may never read stdin.
        let _ = stdin.write_all(input).await;
    };
    let ended = async {
        let status = child.wait().await;
        // Background processes of the program would keep the pipes open. The group's id is not reused this soon.
        drop(group);
        status
    };
    let ((), status, output, stderr_tail) = tokio::join!(written, ended, read_up_to(stdout, limit), read_tail(stderr));
    Ok(Finished { status: status?, output: output?, stderr_tail })
}

/// A child's process group, killed on drop: when the child ends, at a time-out, or on cancellation.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    pub(super) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The group may have exited already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads up to `limit` bytes and one more, and discards the rest.
async fn read_up_to(mut pipe: impl AsyncRead + Unpin, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// The end of a program's error output, where programs usually print the reason.
pub(super) async fn read_tail(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut tail = Tail::default();
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        tail.push(&chunk[..count]);
    }
    let text = tail.into_string();
    let start = text.char_indices().rev().nth(MAX_TAIL_LEN).map_or(0, |(at, _)| at);
    text[start..].to_owned()
}
