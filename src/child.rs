//! Child processes whose end is waited for only so long, and whose last words are kept.

use std::{
    collections::VecDeque,
    io::{self, Read},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::duration::Human;

/// How much of what a child says last is kept, in bytes.
const LAST_WORDS: usize = 2048;

/// Waits until `child` ends; kills it when that takes longer than `patience`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when it was killed, and when the system refuses.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {}", Human(patience))));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The last of what comes through `pipe`, until its end.
pub(crate) fn last_words(mut pipe: impl Read) -> String {
    let mut tail = VecDeque::with_capacity(LAST_WORDS);
    let mut chunk = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk) {
        tail.extend(&chunk[..count]);
        let excess = tail.len().saturating_sub(LAST_WORDS);
        tail.drain(..excess);
    }
    String::from_utf8_lossy(tail.make_contiguous()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut child = Command::new("true").spawn().unwrap();
        assert!(wait(&mut child, Duration::from_secs(60)).unwrap().success());
    }

    #[test]
    fn only_the_last_words_are_kept() {
        let text = format!("{}the end", "chatter ".repeat(2000));
        let kept = last_words(text.as_bytes());
        assert!(kept.len() == LAST_WORDS && kept.ends_with("the end"));
    }
}
