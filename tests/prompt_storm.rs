//! Two hundred prompts in a row, a third of which fail in various failure_count: nothing leaks, video continues, and
//! the last good background stays.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/http.rs"]
mod http;

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Cursor,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::{
    control::protocol::{Request, Response},
    error::Failure,
    prompt::PromptRequest,
};
use daemon::{Daemon, Home};
use http::{Reply, Server, json, text};
use serde_json::json;

const PROMPTS: u32 = 200;

/// Prompts before memory and files are counted.
const WARM_UP: u32 = 20;

/// The memory that the allocator may keep after the other images, in MiB. With a heap for each thread it would be 24.
const SLACK_MIB: f64 = 10.0;

fn png(colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(640, 360, image::Rgb(colour)).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn with_image(bytes: &[u8]) -> Reply {
    json(200, &json!({"data": [{"b64_json": BASE64_STANDARD.encode(bytes)}]}))
}

/// An image that claims to have 60000x60000 pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = png([0; 3]);
    bytes[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = bytes[12..29].iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

/// A placeholder for the provider's name in an expected message.
const PROVIDER: &str = "PROVIDER";

/// The failing responses, and the expected part of each message.
fn failures() -> Vec<(Reply, &'static str)> {
    let rejection = |status, code: &str| {
        json(status, &json!({"error": {"message": "no", "type": "e", "param": null, "code": code}}))
    };
    let whole = BASE64_STANDARD.encode(png([1, 2, 3]));
    vec![
        (rejection(400, "moderation_blocked"), "rejected this prompt"),
        (rejection(401, "invalid_api_key"), "rejected the API key"),
        (rejection(404, "model_not_found"), "has no model"),
        (rejection(429, "insufficient_quota"), "is out of credit"),
        (text(200, "<!doctype html><html>"), "a web page, not JSON"),
        (text(200, "{\"data\": [{\"b64"), "cut off"),
        (json(200, &json!({"data": []})), "contains no image"),
        (json(200, &json!({"data": [{"b64_json": &whole[..whole.len() - 3]}]})), "damaged or cut off"),
        (with_image(&png([4, 5, 6])[..200]), PROVIDER),
        (with_image(&bomb()), "60000"),
        (with_image(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "an SVG drawing"),
        (with_image(b"GIF89a.............."), "a GIF"),
        (json(200, &json!({"data": [{"url": "http://192.0.2.1/image.png"}]})), "192.0.2.1"),
        (Reply::Full(302, "Location: http://192.0.2.1/\r\n", Vec::new()), PROVIDER),
        (Reply::Endless, "more than 25 MB"),
        (Reply::Raw(Vec::new()), PROVIDER),
        (Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\"".to_vec()), PROVIDER),
    ]
}

/// The planned outcome of a prompt.
enum Outcome {
    Good,
    Fails(usize),
    Cancelled,
    Replaced,
    BadProgram,
}

fn outcome(number: u32) -> Outcome {
    if number % 3 != 2 {
        return Outcome::Good;
    }
    let failure_count = failures().len();
    match number as usize / 3 % (failure_count + 3) {
        way if way < failure_count => Outcome::Fails(way),
        way if way == failure_count => Outcome::Cancelled,
        way if way == failure_count + 1 => Outcome::Replaced,
        _ => Outcome::BadProgram,
    }
}

/// The provider of a prompt: two with the same responses take turns.
fn provider(number: u32) -> &'static str {
    if number.is_multiple_of(2) { "openai" } else { "openrouter" }
}

fn prompt(text: &str, provider: &str, no_wait: bool) -> Request {
    let text = text.to_owned();
    let provider = Some(provider.to_owned());
    Request::SetPrompt(Box::new(PromptRequest { text, provider, count: 1, no_wait, ..PromptRequest::default() }))
}

/// Sends a request and waits for its final response.
fn ask(home: &Home, request: &Request) -> Result<Response, Failure> {
    let mut client = home.client().expect("a daemon");
    let mut response = client.call(request)?;
    while let Response::Progress(_) = response {
        response = client.read_response()?;
    }
    Ok(response)
}

/// The number of open files of the daemon; 0 if only root may read it.
fn open_files(daemon: &Daemon<'_>) -> usize {
    fs::read_dir(format!("/proc/{}/fd", daemon.child.id())).map_or(0, Iterator::count)
}

fn label(daemon: &mut Daemon<'_>) -> String {
    daemon.wait_until("it answers", |_| true).scene.label
}

/// Starts a server on a separate thread for the rest of the process, and returns its URL.
fn serve(answer: impl Fn(usize, &http::Request) -> Reply + Send + Sync + 'static) -> String {
    let (sender, url) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(Server::start(answer).await.url).unwrap();
            std::future::pending::<()>().await;
        });
    });
    url.recv().unwrap()
}

#[test]
fn two_hundred_prompts_leave_the_last_good_background() {
    let current = Arc::new(AtomicUsize::new(0));
    let number = Arc::clone(&current);
    let url = serve(move |_, _| match outcome(number.load(Ordering::SeqCst) as u32) {
        Outcome::Fails(way) => failures().swap_remove(way).0,
        Outcome::Cancelled | Outcome::Replaced => Reply::Hang,
        _ => with_image(&png([number.load(Ordering::SeqCst) as u8, 90, 200])),
    });
    let home = Home::new();
    let (key, program) = (home.path("key"), home.path("program"));
    fs::write(&key, "sk-canary-0123456789").unwrap();
    fs::write(&program, "#!/bin/sh\nkill -9 $$\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    home.write_config(&format!(
        "[prompt.openai]\nbase_url = \"{url}/v1\"\nkey_file = {key:?}\n[prompt.openrouter]\nbase_url = \"{url}/v1\"\n\
         key_file = {key:?}\n[prompt.command]\nprogram = {program:?}\n"
    ));
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let (mut good, mut last, mut files, mut memory) = (HashSet::new(), "#20a040".to_owned(), 0, 0.0);
    for number in 0..PROMPTS {
        current.store(number as usize, Ordering::SeqCst);
        let text = format!("beach number {number}");
        match outcome(number) {
            Outcome::Good => {
                ask(&home, &prompt(&text, provider(number), false)).unwrap();
                last = format!("{text} (generated by {})", provider(number));
                good.insert(last.clone());
            }
            Outcome::Fails(way) => {
                let failure = ask(&home, &prompt(&text, provider(number), false)).unwrap_err();
                let expected = failures()[way].1.replace(PROVIDER, provider(number));
                assert!(failure.message.contains(&expected), "{number}: {failure}, expected {expected}");
                assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
            }
            Outcome::Cancelled => {
                ask(&home, &prompt(&text, provider(number), true)).unwrap();
                ask(&home, &Request::CancelPrompt).unwrap();
            }
            Outcome::Replaced => {
                ask(&home, &prompt(&text, provider(number), true)).unwrap();
                ask(&home, &prompt("bokeh", "builtin", false)).unwrap();
                last = "bokeh (painted)".to_owned(); // and found in the gallery the next time
                good.insert(last.clone());
            }
            Outcome::BadProgram => {
                let failure = ask(&home, &prompt(&text, "command", false)).unwrap_err();
                assert!(failure.message.contains("signal: 9"), "{failure}");
            }
        }
        assert_eq!(label(&mut daemon), last, "after prompt {number}");
        if number == WARM_UP {
            files = open_files(&daemon);
            memory = daemon.wait_until("it answers", |_| true).rss_mib;
        }
    }
    let written = daemon.wait_until("it answers", |_| true).counters.written;
    let status = daemon.wait_until("video continues", |status| status.counters.written > written + 10);
    assert!(status.outputs.iter().all(|output| output.failure.is_none()), "{:?}", status.outputs);
    let grown = status.rss_mib - memory;
    eprintln!("{PROMPTS} prompts: {:.1} MiB, {grown:+.1} since the {WARM_UP}th; {files} files", status.rss_mib);
    assert!(grown < SLACK_MIB, "{grown:.1} MiB more than after {WARM_UP} prompts");
    // The socket of the last status request may still be open.
    assert!(open_files(&daemon) <= files + 2, "{} files open, {files} before", open_files(&daemon));

    let mut kept = HashMap::new();
    for file in fs::read_dir(home.path("data/bgcam/gallery")).unwrap() {
        let extension = file.unwrap().path().extension().unwrap_or_default().to_string_lossy().into_owned();
        *kept.entry(extension).or_insert(0) += 1;
    }
    let lock = (String::new(), 1); // `.lock` has no extension
    let expected = HashMap::from([("png".to_owned(), good.len()), ("json".to_owned(), good.len()), lock]);
    assert_eq!(kept, expected, "every good image and nothing else");
    let (log, status) = (home.log(), home.expect(&["status", "--json"], 0));
    let shown = home.expect(&["config", "show"], 0);
    assert!(![log, status, shown].iter().any(|text| text.contains("canary")), "the key is shown");
}
