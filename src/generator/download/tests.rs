//! Downloads from a server that loses connections, changes the file or refuses.

use std::{
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::*;

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends the range from the request, or everything, but at most this many bytes before it hangs up.
    Part(usize),
    /// As `Part`, but ignores ranges.
    Whole(usize),
    /// Sends only a status.
    Status(u16),
}

struct Server {
    url: Url,
    /// The start of the range in each request.
    ranges: Arc<Mutex<Vec<Option<usize>>>>,
}

/// Serves `content` with the given answers, one per connection.
fn serve(content: Vec<u8>, version: &'static str, answers: Vec<Answer>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/model.safetensors", listener.local_addr().unwrap())).unwrap();
    let ranges = Arc::<Mutex<Vec<Option<usize>>>>::default();
    let seen = Arc::clone(&ranges);
    thread::spawn(move || {
        for answer in answers {
            let stream = listener.accept().unwrap().0;
            // a client that has seen enough hangs up
            let _ = respond(stream, &content, version, answer, &seen);
        }
    });
    Server { url, ranges }
}

fn respond(
    mut stream: TcpStream,
    content: &[u8],
    version: &str,
    answer: Answer,
    ranges: &Mutex<Vec<Option<usize>>>,
) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let (mut range, mut if_range) = (None, None);
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        let line = line.to_lowercase();
        if let Some(start) = line.strip_prefix("range: bytes=") {
            range = start.trim_end_matches('-').parse::<usize>().ok();
        }
        if_range = line.strip_prefix("if-range: ").map(str::to_owned).or(if_range);
    }
    ranges.lock().unwrap().push(range);
    let (limit, range) = match answer {
        Answer::Part(limit) => (limit, range.filter(|_| if_range.is_none_or(|wanted| wanted == version))),
        Answer::Whole(limit) => (limit, None),
        Answer::Status(status) => {
            return write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    };
    let start = range.unwrap_or(0).min(content.len());
    let rest = &content[start..];
    let status = match range {
        Some(_) if rest.is_empty() => format!("416 x\r\nContent-Range: bytes */{}", content.len()),
        Some(_) => format!("206 x\r\nContent-Range: bytes {start}-{}/{}", content.len() - 1, content.len()),
        None => "200 x".to_owned(),
    };
    write!(stream, "HTTP/1.1 {status}\r\nETag: {version}\r\nContent-Length: {}\r\n\r\n", rest.len())?;
    stream.write_all(&rest[..rest.len().min(limit)])
}

fn content() -> Vec<u8> {
    (0..200_000_u32).map(|at| (at % 251) as u8).collect()
}

fn download(server: &Server, folder: &Path, sha256: Option<String>) -> Download {
    let mut download = Download::new(server.url.clone(), folder.join("model.safetensors"), sha256).unwrap();
    download.backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
    download.min_free = 0;
    download
}

fn sum() -> Option<String> {
    Some(hex(&Sha256::digest(content())).to_uppercase())
}

/// The names of the files that are there.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const EVERYTHING: usize = usize::MAX;

#[tokio::test]
async fn lost_connections_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let answers = vec![
        Answer::Part(50_000),
        Answer::Status(503),
        Answer::Part(0),
        Answer::Part(70_000),
        Answer::Part(EVERYTHING),
    ];
    let server = serve(content(), "\"1\"", answers);
    let mut seen = Vec::new();
    download(&server, folder.path(), sum()).run(&mut |bytes, total| seen.push((bytes, total))).await.unwrap();
    assert_eq!(fs::read(folder.path().join("model.safetensors")).unwrap(), content());
    assert_eq!(files(folder.path()), ["model.safetensors"]);
    let starts = server.ranges.lock().unwrap().clone();
    assert_eq!(starts, [None, Some(50_000), Some(50_000), Some(50_000), Some(120_000)]);
    assert!(seen.iter().all(|(bytes, total)| *total == Some(200_000) && *bytes <= 200_000), "{seen:?}");
}

#[tokio::test]
async fn a_later_run_downloads_the_rest_of_the_same_version_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    // an interrupted download of version 1, continued when the server has version 2
    fs::write(path.with_added_extension("part"), [7; 100]).unwrap();
    fs::write(path.with_added_extension("version"), "\"1\"").unwrap();
    let server = serve(content(), "\"2\"", vec![Answer::Part(EVERYTHING)]);
    download(&server, folder.path(), None).run(&mut |_, _| ()).await.unwrap();
    assert_eq!(*server.ranges.lock().unwrap(), [Some(100)]);
    assert_eq!(fs::read(&path).unwrap(), content());
    // a part of unknown origin is not used
    fs::write(path.with_added_extension("part"), [7; 100]).unwrap();
    let server = serve(content(), "\"2\"", vec![Answer::Part(EVERYTHING)]);
    download(&server, folder.path(), None).run(&mut |_, _| ()).await.unwrap();
    assert_eq!(*server.ranges.lock().unwrap(), [None]);
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[tokio::test]
async fn a_server_that_cannot_resume_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Whole(50_000), Answer::Whole(EVERYTHING)]);
    download(&server, folder.path(), sum()).run(&mut |_, _| ()).await.unwrap();
    assert_eq!(fs::read(folder.path().join("model.safetensors")).unwrap(), content());
}

#[tokio::test]
async fn a_complete_part_needs_no_more_bytes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.safetensors.part"), content()).unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Part(EVERYTHING)]);
    download(&server, folder.path(), sum()).run(&mut |_, _| ()).await.unwrap();
    assert_eq!(files(folder.path()), ["model.safetensors"]);
}

#[tokio::test]
async fn a_wrong_sum_deletes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Part(EVERYTHING)]);
    let error = download(&server, folder.path(), Some("00".repeat(32))).run(&mut |_, _| ()).await.unwrap_err();
    assert!(error.message.contains(&sum().unwrap().to_lowercase()) && error.message.contains("0000"), "{error}");
    assert_eq!(files(folder.path()), [""; 0]);
}

#[tokio::test]
async fn what_arrived_is_kept_after_many_failures() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", [vec![Answer::Part(9)], vec![Answer::Status(500); 9]].concat());
    let error = download(&server, folder.path(), None).run(&mut |_, _| ()).await.unwrap_err();
    assert!(error.message.contains("status 500"), "{error}");
    assert!(error.hint.unwrap().contains("again to download the rest"));
    assert_eq!(files(folder.path()), ["model.safetensors.part", "model.safetensors.version"]);
    assert_eq!(fs::read(folder.path().join("model.safetensors.part")).unwrap(), content()[..9]);
}

#[tokio::test]
async fn refusals_and_full_disks_are_final() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Status(403), Answer::Part(EVERYTHING)]);
    let error = download(&server, folder.path(), None).run(&mut |_, _| ()).await.unwrap_err();
    assert!(error.message.contains("status 403") && error.hint.unwrap().contains("--weights FILE"));
    let mut full = download(&server, folder.path(), None);
    full.min_free = u64::MAX - 1_000_000;
    let error = full.run(&mut |_, _| ()).await.unwrap_err();
    assert!(error.message.contains("not enough disk space"), "{error}");
    for (url, allowed) in [
        ("http://example.org/model", false),
        ("ftp://example.org/model", false),
        ("https://example.org/model", true),
        ("http://localhost:1/model", true),
    ] {
        let url = Url::parse(url).unwrap();
        let made = Download::new(url.clone(), folder.path().join("a"), None);
        assert_eq!(made.is_ok(), allowed, "{url}");
        let with_sum = Download::new(url.clone(), folder.path().join("a"), sum());
        assert_eq!(with_sum.is_ok(), url.scheme() != "ftp", "{url}");
    }
}

#[tokio::test]
async fn the_licence_is_known_before_the_download() {
    let folder = tempfile::tempdir().unwrap();
    let header = format!(r#"{{"__metadata__": {{"modelspec.license": "MIT"}}, "pad": "{}"}}"#, "x".repeat(100_000));
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 1_000_000]].concat();
    let length = bytes.len() as u64;
    let server = serve(bytes, "\"1\"", vec![Answer::Part(EVERYTHING)]);
    let preview = download(&server, folder.path(), None).preview().await.unwrap();
    assert_eq!((preview.weights.licence.as_deref(), preview.bytes), (Some("MIT"), Some(length)));
    let server = serve(b"<html>log in</html>".to_vec(), "\"1\"", vec![Answer::Part(EVERYTHING)]);
    let error = download(&server, folder.path(), None).preview().await.unwrap_err();
    assert!(error.message.contains("is a web page"), "{error}");
    assert_eq!(files(folder.path()), [""; 0]);
}
