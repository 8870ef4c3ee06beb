//! Downloads a large file: resumes after lost connections and restarts, checks its sum, and never leaves half of it
//! under its name.

mod http;
mod sum;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
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

pub(super) use self::{
    http::shown,
    sum::{compare_sums, sum_of},
};
use self::{
    http::{follow, is_whole, range_of, set},
    sum::{BLOCK, hex},
};
use super::{
    Step,
    weights::{self, Head, MAX_HEADER, Weights},
};
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
    /// Checks the complete file before it gets its name.
    check: fn(&Path) -> Result<(), Failure>,
}

/// What a server tells about a file before it is downloaded.
#[derive(Debug)]
pub(super) struct Preview {
    pub(super) weights: Weights,
    /// The size in bytes, if the server tells it.
    pub(super) bytes: Option<u64>,
}

/// Called with the bytes that are on disk, and with each lost connection.
pub(super) type OnStep<'a> = &'a mut dyn FnMut(Step<'_>);

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

/// An incomplete download on disk.
struct Part {
    file: File,
    length: u64,
    /// The sum of the bytes so far, if it is needed.
    sum: Option<Sha256>,
}

impl Download {
    /// A download of `url` to `path`.
    ///
    /// # Errors
    /// If the URL could be read or changed on the way and there is no sum, or the TLS library can't be used.
    pub(super) fn new(url: Url, path: PathBuf, sha256: Option<String>) -> Result<Self, Failure> {
        let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if !(url.scheme() == "https" || url.scheme() == "http" && (is_local || sha256.is_some())) {
            let text = format!("cannot download {}: expected an https:// URL", shown(&url));
            let failure = Failure::new(Kind::BadInput, text);
            let has_sum_hint = url.scheme() == "http";
            return Err(if has_sum_hint { failure.hint("or give the file's sum with --sha256") } else { failure });
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
        let check = |path: &Path| weights::read(path).map(drop);
        Ok(Self { url, path, sha256, client, backoff, min_free: MIN_FREE, check })
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
                Head::Needs(_) if start.len() <= MAX_HEADER + 8 => {}
                Head::Invalid(what) => return Err(weights::invalid(shown(&self.url), what)),
                Head::Needs(_) => break,
            }
        }
        Err(weights::invalid(shown(&self.url), "not in a known format"))
    }

    /// Downloads the file, or the rest of it.
    ///
    /// # Errors
    /// If the server refuses, the connection is lost again and again, the disk is full, the sum is another one, or the
    /// file has no weights. What has arrived is kept for the next attempt, except a complete file that is wrong.
    pub(super) async fn run(mut self, step: OnStep<'_>) -> Result<(), Failure> {
        let mut part = self.open_part()?;
        if self.sha256.is_none() && !self.beside("version").exists() {
            self.start_over(&mut part)?; // it may be a part of another file
        }
        loop {
            let before = part.length;
            match self.attempt(&mut part, step).await {
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
                    step(Step::Lost(&failure, delay));
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    async fn attempt(&self, part: &mut Part, step: OnStep<'_>) -> Result<(), Failed> {
        let mut headers = HeaderMap::new();
        if part.length > 0 {
            set(&mut headers, header::RANGE, &format!("bytes={}-", part.length));
            if let Ok(version) = fs::read_to_string(self.beside("version")) {
                set(&mut headers, header::IF_RANGE, version.trim());
            }
        }
        let mut response = self.request(headers).await?;
        let mut total = response.content_length();
        if let (StatusCode::PARTIAL_CONTENT, Some((start, whole))) = (response.status(), range_of(&response))
            && start == part.length
        {
            total = whole.or(total.map(|rest| part.length.saturating_add(rest))); // the rest, or a part of it
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
        self.check_size(total.unwrap_or_default())?;
        self.check_space(total.map_or(0, |total| total.saturating_sub(part.length)))?;
        step(Step::Bytes(part.length, total));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&error))? {
            self.check_size(part.length + chunk.len() as u64)?;
            part.file.write_all(&chunk).map_err(|error| self.not_written(&error))?;
            part.add(&chunk);
            step(Step::Bytes(part.length, total));
        }
        match total {
            Some(total) if part.length < total => {
                let text = format!("the server has sent {} of {total} bytes", part.length);
                Err(Failed::Lost(self.failed(Kind::Io, text)))
            }
            _ => Ok(()),
        }
    }

    fn check_size(&self, bytes: u64) -> Result<(), Failure> {
        match bytes > MAX_BYTES {
            true => Err(self.failed(Kind::Unsupported, format!("it has more than {} GB", MAX_BYTES >> 30))),
            false => Ok(()),
        }
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
        let mut part = Part { length: 0, sum: self.new_sum(), file: file.try_clone().map_err(|error| failed(&error))? };
        if part.sum.is_none() {
            part.length = file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
            return Ok(part);
        }
        let mut block = vec![0; BLOCK];
        loop {
            match file.read(&mut block).map_err(|error| failed(&error))? {
                0 => return Ok(part),
                count => part.add(&block[..count]),
            }
        }
    }

    /// A sum of no bytes, if there is one to compare with.
    fn new_sum(&self) -> Option<Sha256> {
        self.sha256.is_some().then(Sha256::new)
    }

    fn start_over(&self, part: &mut Part) -> Result<(), Failure> {
        part.file.set_len(0).and_then(|()| part.file.rewind()).map_err(|error| self.not_written(&error))?;
        (part.length, part.sum) = (0, self.new_sum());
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

    /// Checks the sum and the weights, and gives the file its name.
    fn keep(&self, mut part: Part) -> Result<(), Failure> {
        let (incomplete, version) = (self.beside("part"), self.beside("version"));
        if let Err(failure) = self.check_sum(part.sum.take()).and_then(|()| (self.check)(&incomplete)) {
            let _ = (fs::remove_file(&incomplete), fs::remove_file(&version));
            return Err(failure);
        }
        let renamed = part.file.sync_all().and_then(|()| fs::rename(&incomplete, &self.path));
        let _ = fs::remove_file(version);
        renamed.map_err(|error| self.not_written(&error))
    }

    fn check_sum(&self, sum: Option<Sha256>) -> Result<(), Failure> {
        let (Some(sum), Some(expected)) = (sum, &self.sha256) else { return Ok(()) };
        compare_sums(&shown(&self.url), &hex(&sum.finalize()), expected)
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
        if status.is_redirection() {
            return self.failed(Kind::Denied, "it redirects to an unencrypted address, or too often");
        }
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
        Failure::new(kind, format!("cannot download {}: {why}", shown(&self.url)))
    }
}

impl Part {
    /// Counts bytes that are on disk.
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
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

#[cfg(test)]
mod tests;
