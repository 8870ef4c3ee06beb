//! Uploads of videos, animations and overlays: streamed to files among bgcam's own data, then shown.
//!
//! Images for the gallery are uploaded by `gallery`. A file has a temporary name until it is complete, and is removed if
//! it cannot be shown. Only its owner can read it.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Serialize;
use tempfile::{Builder, NamedTempFile};
use tokio::{sync::mpsc, time::timeout};

use super::{
    AppState, AppStateRef, Backend,
    api::on_daemon_runtime,
    reply::{HttpError, PathParam, json, run_blocking},
};
use crate::{
    background::{BackgroundError, BackgroundSpec, Fit},
    control::protocol::{Reply, Request, Response as DaemonResponse},
    error::{Failure, Kind, io_text},
    look::Changes,
    media::image_file,
    paths,
};

/// Maximum size of a video, in bytes: an hour at 1080p.
const MAX_VIDEO_SIZE: u64 = 4 << 30;

/// Free disk space that an upload leaves, in bytes.
const MIN_FREE: u64 = 512 << 20;

/// How long a browser may send nothing.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// Data is written in blocks of this size, in bytes. The first one is enough to recognize the file type.
const BLOCK: usize = 1 << 20;

/// Maximum length of a file name, in characters.
const MAX_NAME_LEN: usize = 100;

/// Start of the names of incomplete files.
const INCOMPLETE: &str = ".upload-";

/// What an uploaded file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A video or an animated image.
    Background,
    /// An image in front of everything.
    Overlay,
}

/// An uploaded file.
#[derive(Debug, PartialEq, Serialize)]
struct Uploaded {
    name: String,
    path: PathBuf,
    bytes: u64,
}

/// `POST /api/files/background/NAME` with a video or an animation: saves and shows it.
pub(super) async fn upload_background<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(name): PathParam,
    body: Body,
) -> Result<Response, HttpError> {
    upload(&state, Purpose::Background, name, body).await
}

/// `POST /api/files/overlay/NAME` with an image: saves it and shows it as the overlay.
pub(super) async fn upload_overlay<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(name): PathParam,
    body: Body,
) -> Result<Response, HttpError> {
    upload(&state, Purpose::Overlay, name, body).await
}

async fn upload<B: Backend>(
    state: &AppState<B>,
    purpose: Purpose,
    name: String,
    body: Body,
) -> Result<Response, HttpError> {
    let permit = state.uploads.acquire().await;
    let _permit = permit.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    let limit = match purpose {
        Purpose::Background => MAX_VIDEO_SIZE,
        Purpose::Overlay => state.backend.config().limits.max_bytes,
    };
    let path = receive(paths::uploads_dir(), purpose, name, limit, body).await?;
    let request = match purpose {
        Purpose::Background => {
            let spec = BackgroundSpec::Video { path: path.clone(), fit: Fit::Cover };
            Request::SetBackground { spec, fit: Some(Fit::Cover) }
        }
        Purpose::Overlay => {
            let change = Changes::from_iter([("overlay".to_owned(), path.display().to_string().into())]);
            Request::SetLook { change }
        }
    };
    let backend = state.backend.clone();
    let (progress, _) = mpsc::channel(1);
    match on_daemon_runtime(state, async move { backend.call(request, progress).await }).await {
        Ok(response) => Ok(json(&Reply::Ok(response))),
        Err(failure) => {
            let _ = run_blocking(move || fs::remove_file(path)).await;
            Err(failure.into())
        }
    }
}

/// Streams a body to a file in `dir` and returns its path.
async fn receive(
    dir: PathBuf,
    purpose: Purpose,
    name: String,
    limit: u64,
    mut body: Body,
) -> Result<PathBuf, HttpError> {
    let announced = body.size_hint().lower();
    check_size(&name, announced, limit)?;
    let mut file = run_blocking(move || create(&dir, announced)).await??;
    let mut block = Vec::with_capacity(BLOCK);
    let mut written = 0;
    while let Some(chunk) = next_chunk(&mut body).await? {
        block.extend_from_slice(&chunk);
        check_size(&name, written + block.len() as u64, limit)?;
        if block.len() < BLOCK {
            continue;
        }
        check_type(purpose, &name, written, &block)?;
        written += block.len() as u64;
        (file, block) = run_blocking(move || append(file, block)).await??;
    }
    check_type(purpose, &name, written, &block)?;
    Ok(run_blocking(move || append(file, block).and_then(|(file, _)| keep(file, &clean(&name)))).await??)
}

/// The next part of a body; `None` at its end.
async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    let incomplete = || Failure::new(Kind::BadInput, "upload is incomplete").hint("try again");
    loop {
        match timeout(CHUNK_TIMEOUT, body.frame()).await.map_err(|_| incomplete())? {
            None => return Ok(None),
            Some(frame) => match frame.map_err(|_| incomplete())?.into_data() {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(_trailers) => {}
            },
        }
    }
}

fn check_size(name: &str, bytes: u64, limit: u64) -> Result<(), Failure> {
    if bytes <= limit {
        return Ok(());
    }
    let text = format!("{name} is larger than {} MB", limit >> 20);
    Err(Failure::new(Kind::BadInput, text).hint("use a smaller file"))
}

/// Refuses a file of the wrong type by its first block.
fn check_type(purpose: Purpose, name: &str, written: u64, block: &[u8]) -> Result<(), Failure> {
    if written > 0 {
        return Ok(());
    }
    match (image_file::sniff(block, name), purpose) {
        (Ok(_), _) => Ok(()),
        (Err(error), Purpose::Overlay) => Err(BackgroundError::from(error).into()),
        (Err(_), Purpose::Background) if is_video(block) => Ok(()),
        (Err(error), Purpose::Background) => {
            let text = Failure::from(BackgroundError::from(error)).message;
            let found = text.split(", expected").next().unwrap_or(&text);
            let failure = Failure::new(Kind::BadInput, format!("{found}, expected a video or an animated image"));
            Err(failure.hint("use MP4, WebM, MKV, MOV, AVI or GIF"))
        }
    }
}

/// Whether a file starts like a video or a GIF; whether it can be decoded is found out when it is shown.
fn is_video(block: &[u8]) -> bool {
    const STARTS: [&[u8]; 10] = [
        b"GIF8",
        b"\x1a\x45\xdf\xa3", // Matroska and WebM
        b"OggS",
        b"FLV",
        b"YUV4MPEG2",
        b"\x30\x26\xb2\x75", // WMV
        b"\0\0\x01\xba",     // MPEG
        b"\0\0\x01\xb3",
        b"\0\0\x01\xb0",
        b"\x47\x40", // MPEG transport stream
    ];
    const BOXES: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];
    const IMAGE_BRANDS: [&[u8]; 9] = [b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"];
    let is =
        |range: std::ops::Range<usize>, names: &[&[u8]]| block.get(range).is_some_and(|part| names.contains(&part));
    STARTS.iter().any(|start| block.starts_with(start))
        || block.starts_with(b"RIFF") && is(8..12, &[b"AVI "])
        || is(4..8, &BOXES) && !is(8..12, &IMAGE_BRANDS)
}

/// Creates an incomplete file for `bytes` bytes, with mode 0600, and removes those of earlier uploads.
fn create(dir: &Path, bytes: u64) -> Result<NamedTempFile, Failure> {
    let failed = |error| cannot_save(dir, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    for entry in fs::read_dir(dir).map_err(failed)?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(INCOMPLETE.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    check_space(dir, bytes)?;
    Builder::new().prefix(INCOMPLETE).tempfile_in(dir).map_err(failed)
}

/// Checks that `bytes` more bytes leave [`MIN_FREE`].
fn check_space(dir: &Path, bytes: u64) -> Result<(), Failure> {
    let space = rustix::fs::statvfs(dir).map_err(|error| cannot_save(dir, &error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free >= bytes.saturating_add(MIN_FREE) {
        return Ok(());
    }
    let text = format!("not enough disk space: {} MB free, {} MB needed", free >> 20, (bytes + MIN_FREE) >> 20);
    Err(Failure::new(Kind::Io, text).hint(format!("free some space, for example in {}", dir.display())))
}

/// Appends a block and empties it.
fn append(mut file: NamedTempFile, mut block: Vec<u8>) -> Result<(NamedTempFile, Vec<u8>), Failure> {
    let dir = file.path().parent().unwrap_or(Path::new(".")).to_owned();
    check_space(&dir, block.len() as u64)?;
    file.write_all(&block).map_err(|error| cannot_save(&dir, &error))?;
    block.clear();
    Ok((file, block))
}

/// Gives a complete file its name. A file of the same name and length is replaced; others get a number.
fn keep(mut file: NamedTempFile, name: &str) -> Result<PathBuf, Failure> {
    let dir = file.path().parent().unwrap_or(Path::new(".")).to_owned();
    let failed = |error| cannot_save(&dir, &error);
    let length = file.as_file().metadata().map_err(failed)?.len();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    for number in 1.. {
        let numbered = match number {
            1 => name.to_owned(),
            _ => format!("{stem}-{number}.{extension}"),
        };
        let path = dir.join(numbered);
        if fs::symlink_metadata(&path).is_ok_and(|there| there.is_file() && there.len() == length) {
            file.persist(&path).map_err(|error| failed(error.error))?;
            return Ok(path);
        }
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(failed(error.error)),
        }
    }
    Err(Failure::new(Kind::Internal, "no free file name"))
}

fn cannot_save(dir: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot save the upload in {}: {}", dir.display(), io_text(error)))
}

/// A safe file name: no folders, no control characters, not hidden.
fn clean(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || " ._-()".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    let name = name.trim_start_matches(['.', ' ']).trim_end();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let stem: String = stem.chars().take(MAX_NAME_LEN).collect();
    let extension: String = extension.chars().take(8).collect();
    match (stem.as_str(), extension.as_str()) {
        ("", "") => "upload".to_owned(),
        ("", extension) => format!("upload.{extension}"),
        (stem, "") => stem.to_owned(),
        (stem, extension) => format!("{stem}.{extension}"),
    }
}

/// `GET /api/files`: the uploaded files, sorted by name.
pub(super) async fn list() -> Result<Response, HttpError> {
    Ok(json(&run_blocking(|| files_in(&paths::uploads_dir())).await?))
}

fn files_in(dir: &Path) -> Vec<Uploaded> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'))?;
            let file = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some(Uploaded { name, path: entry.path(), bytes: file.len() })
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// `DELETE /api/files/NAME`: removes an uploaded file that is not shown.
pub(super) async fn remove<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(name): PathParam,
) -> Result<Response, HttpError> {
    let is_name = Path::new(&name).file_name() == Some(OsStr::new(&name)) && !name.starts_with('.');
    let path = paths::uploads_dir().join(&name);
    let scene = state.backend.status().await.scene;
    if scene.background.path() == Some(&path) || Path::new(&scene.look.overlay) == path {
        let failure = Failure::new(Kind::Busy, format!("{name} is in use"));
        return Err(failure.hint("choose another background or overlay first").into());
    }
    let removed =
        run_blocking(move || if is_name { fs::remove_file(path) } else { Err(io::ErrorKind::NotFound.into()) });
    match removed.await? {
        Ok(()) => Ok(json(&Reply::Ok(DaemonResponse::Done(format!("removed {name}"))))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::new(Kind::NotFound, format!("no uploaded file {name:?}")).into())
        }
        Err(error) => Err(Failure::new(Kind::Io, format!("cannot remove {name}: {}", io_text(&error))).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const GIF: &[u8] = b"GIF89a and more";

    async fn receive_in(dir: &Path, purpose: Purpose, name: &str, bytes: &'static [u8]) -> Result<PathBuf, HttpError> {
        receive(dir.to_owned(), purpose, name.to_owned(), 4 << 20, Body::from(bytes)).await
    }

    #[tokio::test]
    async fn upload_is_private_complete_and_never_replaces_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("uploads");
        let path = receive_in(&dir, Purpose::Background, "waves.gif", GIF).await.unwrap();
        assert_eq!((path.file_name().unwrap(), fs::read(&path).unwrap()), (OsStr::new("waves.gif"), GIF.to_vec()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        let other = receive_in(&dir, Purpose::Background, "waves.gif", b"GIF89a").await.unwrap();
        assert_eq!(other.file_name().unwrap(), "waves-2.gif");
        let same = receive_in(&dir, Purpose::Background, "waves.gif", GIF).await.unwrap();
        assert_eq!(same, path);
        let names: Vec<_> = files_in(&dir).into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["waves-2.gif", "waves.gif"]);
    }

    #[tokio::test]
    async fn wrong_types_and_sizes_are_refused_and_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        const LONG: &[u8] = &[b'x'; 3 << 20];
        for (purpose, name, bytes, expected) in [
            (Purpose::Background, "notes.mp4", &b"hello"[..], "notes.mp4 is a text file, expected a video"),
            (Purpose::Background, "paper.pdf", b"%PDF-1.7 \xff", "a PDF document"),
            (Purpose::Background, "empty.mp4", b"", "empty"),
            (Purpose::Background, "long.mp4", LONG, "a text file"),
            (Purpose::Background, "phone.heic", b"\0\0\0\x18ftypheic", "HEIC"),
            (Purpose::Overlay, "waves.gif", GIF, "a GIF"),
            (Purpose::Overlay, "big.png", &[0; (4 << 20) + 1], "big.png is larger than 4 MB"),
        ] {
            let error = receive_in(dir.path(), purpose, name, bytes).await.unwrap_err().1;
            assert!(error.message.contains(expected), "{name}: {error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn incomplete_files_of_a_crash_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".upload-abc"), "half").unwrap();
        receive_in(dir.path(), Purpose::Background, "a.gif", GIF).await.unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_are_safe() {
        for (name, expected) in [
            ("My waves (1).mp4", "My waves (1).mp4"),
            ("../../etc/passwd", "_.._etc_pas"),
            (".hidden.gif", "hidden.gif"),
            ("a\nb:c.webm", "a_b_c.webm"),
            ("...", "upload"),
            ("", "upload"),
            ("Fjörd.mp4", "Fjörd.mp4"),
        ] {
            assert_eq!(clean(name), expected, "{name:?}");
        }
        assert!(clean(&"x".repeat(5000)).len() <= MAX_NAME_LEN);
    }

    #[test]
    fn videos_are_recognized() {
        for start in
            [&b"\0\0\0\x20ftypisom"[..], b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI LIST", b"GIF89a", b"YUV4MPEG2 W1"]
        {
            assert!(is_video(start), "{start:?}");
        }
        for start in [&b"\0\0\0\x20ftypavif"[..], b"RIFF\0\0\0\0WAVE", b"hello", b""] {
            assert!(!is_video(start), "{start:?}");
        }
    }

    #[test]
    fn a_full_disk_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let error = check_space(dir.path(), u64::MAX / 2).unwrap_err();
        assert!(error.message.contains("not enough disk space"), "{error}");
    }
}
