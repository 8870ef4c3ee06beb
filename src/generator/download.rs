//! Downloads a large file: resumes after lost connections and restarts, checks its sum, and never leaves half of it
//! under its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{self, HeaderMap, HeaderName},
    redirect,
};
use sha2::{Digest, Sha256};

use super::weights::{self, Head, MAX_HEADER, Weights};
use crate::{
    error::{Failure, Kind, chain, io_text},
    process::backoff::Backoff,
};

/// The maximum size of a file in bytes; the largest weights of sd-server have about 25 GB.
const MAX_BYTES: u64 = 64 << 30;

/// The free space that a download leaves, in bytes.
const MIN_FREE: u64 = 1 << 30;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of attempts without any progress.
const MAX_FAILURES: u32 = 6;

/// Redirects are followed, because download sites send their files from other hosts.
const MAX_REDIRECTS: usize = 10;

/// A file to download.
#[derive(Debug)]
pub(super) struct Download {
    url: Url,
    path: PathBuf,
    /// The expected SHA-256 sum in hexadecimal.
    sha256: Option<String>,
    client: Client,
    backoff: Backoff,
    min_free: u64,
}

/// What a server tells about a file before it is downloaded.
#[derive(Debug)]
pub(super) struct Preview {
    pub(super) weights: Weights,
    /// The size in bytes, if the server tells it.
    pub(super) bytes: Option<u64>,
}

/// Called with the bytes that are on disk, and the size if it is known.
pub(super) type OnBytes<'a> = &'a mut dyn FnMut(u64, Option<u64>);

/// Why an attempt failed.
enum Failed {
    /// A retry may help.
    Lost(Failure),
    /// It will not.
    Final(Failure),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// An incomplete download on disk: the bytes so far, and the server's name for this version of the file.
struct Part {
    file: File,
    length: u64,
    sum: Sha256,
}

impl Download {
    /// A download of `url` to `path`.
    ///
    /// # Errors
    /// If the URL could be read or changed on the way and there is no sum, or the TLS library can't be used.
    pub(super) fn new(url: Url, path: PathBuf, sha256: Option<String>) -> Result<Self, Failure> {
        let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if !(url.scheme() == "https" || url.scheme() == "http" && (is_local || sha256.is_some())) {
            let text = format!("cannot download {url}: expected an https:// URL");
            return Err(Failure::new(Kind::BadInput, text).hint("or give the file's sum with --sha256"));
        }
        // An error means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("bgcam/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(redirect::Policy::custom(follow));
        if is_local {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| Failure::new(Kind::Io, chain(&error)))?;
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        Ok(Self { url, path, sha256, client, backoff, min_free: MIN_FREE })
    }

    /// Reads the beginning of the file.
    ///
    /// # Errors
    /// If the server does not send it, or it has no weights.
    pub(super) async fn preview(&self) -> Result<Preview, Failure> {
        let mut response = self.request(HeaderMap::new()).await.map_err(Failed::into_failure)?;
        let bytes = response.content_length();
        let mut start = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error).into_failure())? {
            start.extend_from_slice(&chunk);
            match weights::head(&start) {
                Head::Known(weights) => return Ok(Preview { weights, bytes }),
                Head::Invalid("too short") => {}
                Head::Needs(_) if start.len() <= MAX_HEADER + 8 => {}
                Head::Invalid(what) => return Err(weights::invalid(&self.url, what)),
                Head::Needs(_) => break,
            }
        }
        Err(weights::invalid(&self.url, "not in a known format"))
    }

    /// Downloads the file, or the rest of it.
    ///
    /// # Errors
    /// If the server refuses, the connection is lost again and again, the disk is full, or the sum is another one. What
    /// has arrived is kept for the next attempt, except a file with a wrong sum.
    pub(super) async fn run(mut self, progress: OnBytes<'_>) -> Result<(), Failure> {
        let mut part = self.open_part()?;
        if self.sha256.is_none() && !self.beside("version").exists() {
            self.start_over(&mut part)?; // it may be a part of another file
        }
        loop {
            let before = part.length;
            match self.attempt(&mut part, progress).await {
                Ok(()) => return self.keep(part),
                Err(Failed::Final(failure)) => return Err(failure),
                Err(Failed::Lost(failure)) => {
                    if part.length > before {
                        self.backoff.reset();
                    }
                    let delay = self.backoff.next_delay();
                    if self.backoff.failures() >= MAX_FAILURES {
                        return Err(failure.hint("run the same command again to download the rest"));
                    }
                    tracing::debug!("{failure}; resuming in {} s", delay.as_secs_f32());
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    async fn attempt(&self, part: &mut Part, progress: OnBytes<'_>) -> Result<(), Failed> {
        let mut headers = HeaderMap::new();
        if part.length > 0 {
            set(&mut headers, header::RANGE, &format!("bytes={}-", part.length));
            if let Ok(version) = fs::read_to_string(self.beside("version")) {
                set(&mut headers, header::IF_RANGE, version.trim());
            }
        }
        let mut response = self.request(headers).await?;
        if response.status() == StatusCode::PARTIAL_CONTENT && starts_at(&response) == Some(part.length) {
            // the rest
        } else if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && is_whole(&response, part.length) {
            return Ok(());
        } else {
            // another version of the file, or a server that can't resume
            self.start_over(part)?;
            if !response.status().is_success() || response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(Failed::Lost(self.refused(&response)));
            }
            self.remember_version(&response)?;
        }
        let total = response.content_length().map(|rest| part.length.saturating_add(rest));
        self.check_space(total.map_or(0, |total| total.saturating_sub(part.length)))?;
        progress(part.length, total);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error))? {
            if part.length + chunk.len() as u64 > MAX_BYTES {
                return Err(self.failed(Kind::Unsupported, format!("it has more than {} GB", MAX_BYTES >> 30)).into());
            }
            part.file.write_all(&chunk).map_err(|error| self.not_written(&error))?;
            part.sum.update(&chunk);
            part.length += chunk.len() as u64;
            progress(part.length, total);
        }
        Ok(())
    }

    /// Sends the request.
    async fn request(&self, headers: HeaderMap) -> Result<Response, Failed> {
        let response = self.client.get(self.url.clone()).headers(headers).send().await;
        let response = response.map_err(|error| self.lost(&error))?;
        match response.status() {
            status if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failed::Lost(self.refused(&response)))
            }
            _ => Err(Failed::Final(self.refused(&response))),
        }
    }

    /// Opens the incomplete file of an earlier attempt, or creates one with mode 0600.
    fn open_part(&self) -> Result<Part, Failure> {
        let path = self.beside("part");
        let failed = |error: &io::Error| self.not_written(error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&path).map_err(|error| failed(&error))?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => self.failed(Kind::Busy, "it is being downloaded already"),
            fs::TryLockError::Error(error) => failed(&error),
        })?;
        let mut part = Part { length: 0, sum: Sha256::new(), file: file.try_clone().map_err(|error| failed(&error))? };
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block).map_err(|error| failed(&error))? {
                0 => return Ok(part),
                count => {
                    part.sum.update(&block[..count]);
                    part.length += count as u64;
                }
            }
        }
    }

    fn start_over(&self, part: &mut Part) -> Result<(), Failure> {
        part.file.set_len(0).and_then(|()| part.file.rewind()).map_err(|error| self.not_written(&error))?;
        (part.length, part.sum) = (0, Sha256::new());
        Ok(())
    }

    /// Records the version that the server sends, so that the rest of another version is not appended to it.
    fn remember_version(&self, response: &Response) -> Result<(), Failure> {
        let strong = |name: HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned()).filter(|value| !value.starts_with("W/"))
        };
        match strong(header::ETAG).or_else(|| strong(header::LAST_MODIFIED)) {
            Some(version) => fs::write(self.beside("version"), version).map_err(|error| self.not_written(&error)),
            None => {
                let _ = fs::remove_file(self.beside("version"));
                Ok(())
            }
        }
    }

    /// Checks the sum and gives the file its name.
    fn keep(&self, part: Part) -> Result<(), Failure> {
        let found = hex(&part.sum.finalize());
        let (incomplete, version) = (self.beside("part"), self.beside("version"));
        if self.sha256.as_ref().is_some_and(|expected| !expected.eq_ignore_ascii_case(&found)) {
            let _ = (fs::remove_file(&incomplete), fs::remove_file(&version));
            let expected = self.sha256.as_deref().unwrap_or_default();
            let text = format!("the SHA-256 sum of {} is {found}, expected {expected}: it was deleted", self.url);
            return Err(Failure::new(Kind::BadInput, text).hint("check the URL and the sum on the page of the model"));
        }
        let renamed = part.file.sync_all().and_then(|()| fs::rename(&incomplete, &self.path));
        let _ = fs::remove_file(version);
        renamed.map_err(|error| self.not_written(&error))
    }

    /// Checks that `bytes` more bytes leave some space.
    fn check_space(&self, bytes: u64) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let space = rustix::fs::statvfs(folder).map_err(|error| self.not_written(&error.into()))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let needed = bytes.saturating_add(self.min_free);
        if free >= needed {
            return Ok(());
        }
        let text = format!("not enough disk space: {} MB free, {} MB needed", free >> 20, needed >> 20);
        Err(Failure::new(Kind::Io, text).hint(free_space_hint(folder)))
    }

    fn not_written(&self, error: &io::Error) -> Failure {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let text = format!("cannot write to {}: {}", folder.display(), io_text(error));
        let failure = Failure::new(Kind::Io, text);
        if error.kind() == io::ErrorKind::StorageFull { failure.hint(free_space_hint(folder)) } else { failure }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.path.with_added_extension(extension)
    }

    fn lost(&self, error: &reqwest::Error) -> Failed {
        // the URL may be that of another host, with a signature
        let source = std::error::Error::source(error).map_or_else(|| error.to_string(), chain);
        Failed::Lost(self.failed(Kind::Io, source))
    }

    fn refused(&self, response: &Response) -> Failure {
        let status = response.status();
        let failure = self.failed(Kind::Denied, format!("the server answers with status {}", status.as_u16()));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failure.hint(
                "if the licence must be accepted on a web page first, download the file with a browser and use \
                 --weights FILE",
            ),
            _ => failure.hint("check the URL"),
        }
    }

    fn failed(&self, kind: Kind, why: impl std::fmt::Display) -> Failure {
        Failure::new(kind, format!("cannot download {}: {why}", self.url))
    }
}

impl Failed {
    fn into_failure(self) -> Failure {
        match self {
            Self::Lost(failure) | Self::Final(failure) => failure,
        }
    }
}

fn free_space_hint(folder: &Path) -> String {
    format!("free some space in {}, and run the same command again", folder.display())
}

/// Follows redirects, but not from encrypted to unencrypted connections.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let was_encrypted = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS || was_encrypted && attempt.url().scheme() != "https" {
        return attempt.stop();
    }
    attempt.follow()
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// The first byte of a partial response: 5 for `bytes 5-9/10`.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// Whether a range after `length` bytes was refused because there are no more: `bytes */10`.
fn is_whole(response: &Response, length: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    length > 0 && range.and_then(|range| range.strip_prefix("bytes */")?.parse().ok()) == Some(length)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
