//! Downloads from a server that loses connections, changes the file or refuses.

use std::{
    env,
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
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
    /// Sends everything without telling its length.
    Unsized,
    /// As `Part`, but claims that this is the whole range.
    Short(usize),
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
        Answer::Part(limit) | Answer::Short(limit) => {
            (limit, range.filter(|_| if_range.is_none_or(|wanted| wanted == version)))
        }
        Answer::Whole(limit) => (limit, None),
        Answer::Unsized => {
            write!(stream, "HTTP/1.1 200 x\r\nETag: {version}\r\nConnection: close\r\n\r\n")?;
            return stream.write_all(content);
        }
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
    let sent = &rest[..rest.len().min(limit)];
    let length = if matches!(answer, Answer::Short(_)) { sent.len() } else { rest.len() };
    write!(stream, "HTTP/1.1 {status}\r\nETag: {version}\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(sent)
}

fn content() -> Vec<u8> {
    (0..200_000_u32).map(|at| (at % 251) as u8).collect()
}

fn download(server: &Server, folder: &Path, sha256: Option<String>) -> Download {
    let mut download = Download::new(server.url.clone(), folder.join("model.safetensors"), sha256).unwrap();
    download.backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
    download.min_free = 0;
    download.check = |_| Ok(());
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
    let (mut seen, mut lost) = (Vec::new(), 0);
    download(&server, folder.path(), sum())
        .run(&mut |step| match step {
            Step::Bytes(bytes, total) => seen.push((bytes, total)),
            _ => lost += 1,
        })
        .await
        .unwrap();
    assert_eq!(fs::read(folder.path().join("model.safetensors")).unwrap(), content());
    assert_eq!(files(folder.path()), ["model.safetensors"]);
    let starts = server.ranges.lock().unwrap().clone();
    assert_eq!(starts, [None, Some(50_000), Some(50_000), Some(50_000), Some(120_000)]);
    assert_eq!(lost, 4, "each is reported");
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
    download(&server, folder.path(), None).run(&mut |_| ()).await.unwrap();
    assert_eq!(*server.ranges.lock().unwrap(), [Some(100)]);
    assert_eq!(fs::read(&path).unwrap(), content());
    // a part of unknown origin is not used
    fs::write(path.with_added_extension("part"), [7; 100]).unwrap();
    let server = serve(content(), "\"2\"", vec![Answer::Part(EVERYTHING)]);
    download(&server, folder.path(), None).run(&mut |_| ()).await.unwrap();
    assert_eq!(*server.ranges.lock().unwrap(), [None]);
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[tokio::test]
async fn a_server_that_cannot_resume_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Whole(50_000), Answer::Whole(EVERYTHING)]);
    download(&server, folder.path(), sum()).run(&mut |_| ()).await.unwrap();
    assert_eq!(fs::read(folder.path().join("model.safetensors")).unwrap(), content());
}

#[tokio::test]
async fn a_range_that_ends_early_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let answers = vec![Answer::Part(50_000), Answer::Short(100), Answer::Part(EVERYTHING)];
    let server = serve(content(), "\"1\"", answers);
    download(&server, folder.path(), None).run(&mut |_| ()).await.unwrap();
    assert_eq!(fs::read(folder.path().join("model.safetensors")).unwrap(), content());
    assert_eq!(*server.ranges.lock().unwrap(), [None, Some(50_000), Some(50_100)]);
}

#[tokio::test]
async fn a_file_without_weights_does_not_replace_those_that_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "weights").unwrap();
    let server = serve(b"<html>log in</html>".to_vec(), "\"1\"", vec![Answer::Part(EVERYTHING)]);
    let mut download = download(&server, folder.path(), None);
    download.check = |path| weights::read(path).map(drop);
    let error = download.run(&mut |_| ()).await.unwrap_err();
    assert!(error.message.contains("is a web page"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"weights");
    assert_eq!(files(folder.path()), ["model.safetensors"]);
}

#[test]
fn keys_in_urls_are_not_shown() {
    let url = Url::parse("https://user:secret@example.org/a/model.gguf?token=secret").unwrap();
    assert_eq!(shown(&url), "https://example.org/a/model.gguf");
}

#[tokio::test]
async fn a_complete_part_needs_no_more_bytes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.safetensors.part"), content()).unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Part(EVERYTHING)]);
    download(&server, folder.path(), sum()).run(&mut |_| ()).await.unwrap();
    assert_eq!(files(folder.path()), ["model.safetensors"]);
}

#[tokio::test]
async fn a_wrong_sum_deletes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Part(EVERYTHING)]);
    let error = download(&server, folder.path(), Some("00".repeat(32))).run(&mut |_| ()).await.unwrap_err();
    assert!(error.message.contains(&sum().unwrap().to_lowercase()) && error.message.contains("0000"), "{error}");
    assert_eq!(files(folder.path()), [""; 0]);
}

#[tokio::test]
async fn what_arrived_is_kept_after_many_failures() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", [vec![Answer::Part(9)], vec![Answer::Status(500); 9]].concat());
    let error = download(&server, folder.path(), None).run(&mut |_| ()).await.unwrap_err();
    assert!(error.message.contains("status 500"), "{error}");
    assert!(error.hint.unwrap().contains("again to download the rest"));
    assert_eq!(files(folder.path()), ["model.safetensors.part", "model.safetensors.version"]);
    assert_eq!(fs::read(folder.path().join("model.safetensors.part")).unwrap(), content()[..9]);
}

#[tokio::test]
async fn refusals_and_full_disks_are_final() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Status(403), Answer::Part(EVERYTHING)]);
    let error = download(&server, folder.path(), None).run(&mut |_| ()).await.unwrap_err();
    assert!(error.message.contains("status 403") && error.hint.unwrap().contains("--weights FILE"));
    let mut full = download(&server, folder.path(), None);
    full.min_free = u64::MAX - 1_000_000;
    let error = full.run(&mut |_| ()).await.unwrap_err();
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

/// The folder of the small disk, for the test that runs itself on one.
const SMALL_DISK: &str = "BGCAM_TEST_SMALL_DISK";

/// The test runs itself in a mount namespace, so that only it sees the small disk.
#[test]
#[allow(clippy::print_stderr)]
fn a_disk_that_fills_during_the_download_keeps_what_arrived() {
    if let Some(folder) = env::var_os(SMALL_DISK) {
        return fill_the_disk(Path::new(&folder));
    }
    if !Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system does not allow user namespaces");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=240k none "$1" && exec "$0" --exact "$2" --nocapture"#;
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::a_disk_that_fills_during_the_download_keeps_what_arrived");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).arg(env::current_exe().unwrap()).arg(folder.path()).arg(name);
    let output = command.env(SMALL_DISK, folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::main(flavor = "current_thread")]
async fn fill_the_disk(folder: &Path) {
    let other = folder.join("other");
    fs::write(&other, vec![0; 64 << 10]).unwrap();
    let server = serve(content(), "\"1\"", vec![Answer::Unsized, Answer::Part(EVERYTHING)]);
    let error = download(&server, folder, sum()).run(&mut |_| ()).await.unwrap_err();
    assert!(error.message.contains("no space left on device"), "{error}");
    assert!(error.hint.unwrap().contains("run the same command again"));
    let part = fs::read(folder.join("model.safetensors.part")).unwrap();
    assert!(part.len() > 100_000 && part == content()[..part.len()], "{}", part.len());
    fs::remove_file(other).unwrap();
    download(&server, folder, sum()).run(&mut |_| ()).await.unwrap();
    assert_eq!(*server.ranges.lock().unwrap(), [None, Some(part.len())]);
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), content());
    assert_eq!(files(folder), ["model.safetensors"]);
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
