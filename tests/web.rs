//! The HTTP interface of the control page, with a real daemon and the demo camera.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/daemon.rs"]
mod support;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
};

use serde_json::{Value, json};
use support::{Home, write_png};

/// The host and the path of an address.
fn parts(address: &str) -> (&str, &str) {
    let rest = address.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

/// An HTTP response.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The cookie it sets, without attributes.
    fn cookie(&self) -> &str {
        let cookie = self.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        cookie.split(';').next().unwrap()
    }
}

/// An HTTP client with a session.
struct Session {
    /// Such as `127.0.0.1:40000`.
    host: String,
    /// Such as `bgcam-40000=0123`.
    cookie: String,
}

impl Session {
    fn of(home: &Home) -> Self {
        let address = home.page_address();
        let (host, path) = parts(&address);
        let mut session = Self { host: host.to_owned(), cookie: String::new() };
        let welcome = session.with("GET", path, "", b"");
        assert_eq!(welcome.status, 303, "{}", welcome.head);
        session.cookie = welcome.cookie().to_owned();
        session
    }

    /// Sends raw headers and a body.
    fn raw(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
        // fails if the server closes the connection early
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_lowercase(), body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
    }

    fn with(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let (host, length) = (&self.host, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}");
        self.raw(&format!("{head}\r\n{headers}"), body)
    }

    /// Sends a request with the session cookie.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.with(method, path, &format!("X-Bgcam: 1\r\nCookie: {}", self.cookie), body)
    }
}

#[test]
fn unauthorized_requests_are_rejected() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    let cookie = format!("Cookie: {}", session.cookie);
    let bearer = format!("Authorization: Bearer {}", session.cookie.split_once('=').unwrap().1);
    for (what, method, path, headers) in [
        ("no code", "GET", "/", ""),
        ("a wrong code", "GET", "/?code=00000000000000000000000000000000", ""),
        ("no cookie", "GET", "/api/events", ""),
        ("no cookie", "GET", "/live/camera", ""),
        ("a cookie of its own", "GET", "/api/look", "Cookie: bgcam=1"),
        ("no cookie", "GET", "/api/look", &bearer),
        ("no Origin", "POST", "/api/request", &cookie),
        ("another Origin", "POST", "/api/request", &format!("{cookie}\r\nOrigin: http://evil.example")),
        ("no Origin", "DELETE", "/api/gallery/x", &cookie),
        ("no cookie", "GET", "/api/session", ""),
        ("no cookie", "GET", "/api/doctor", ""),
        ("no cookie", "GET", "/api/files", ""),
        ("no Origin", "POST", "/api/resume", &cookie),
        ("another Origin", "POST", "/api/resume", "Origin: http://evil.example"),
    ] {
        assert_eq!(session.with(method, path, headers, b"").status, 403, "{what}: {method} {path}");
    }
    let foreign = session.raw(&format!("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n{cookie}"), b"");
    assert_eq!(foreign.status, 403);
    let page = session.with("GET", "/", &cookie, b"");
    assert_eq!(page.status, 200);
    for header in ["content-security-policy: default-src 'none'", "cache-control: no-store", "nosniff", "no-referrer"] {
        assert!(page.head.contains(header), "{header}: {}", page.head);
    }
}

#[test]
fn an_address_opens_the_page_once_and_leaves_no_secret() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let first = home.page_address();
    let (host, path) = parts(&first);
    let session = Session { host: host.to_owned(), cookie: String::new() };
    let welcome = session.with("GET", path, "", b"");
    assert_eq!(welcome.status, 303);
    assert!(welcome.head.contains("location: /\r\n"), "{}", welcome.head);
    let attributes = "; path=/; httponly; samesite=strict\r\n";
    assert!(welcome.head.contains(attributes) && !welcome.head.contains("domain="), "{}", welcome.head);
    let cookie = welcome.cookie();
    assert!(cookie.starts_with(&format!("bgcam-{}=", host.split_once(':').unwrap().1)), "{cookie}");
    // repeated, with and without the session
    for headers in ["", &format!("Cookie: {cookie}")] {
        let again = session.with("GET", path, headers, b"");
        assert_eq!(again.status, 403);
        assert!(again.text().contains("<code>bgcam preview</code>"), "{}", again.text());
    }
    let session = cookie.split_once('=').unwrap().1;
    let code = path.split_once('=').unwrap().1;
    assert_ne!(home.page_address(), first);
    for shown in [home.log(), home.expect(&["status"], 0), home.expect(&["status", "--json"], 0)] {
        assert!(!shown.contains(session) && !shown.contains(code), "{shown}");
    }
    for entry in fs::read_dir(home.path("run/bgcam")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read(&entry).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(session), "{}", entry.display());
    }
}

#[test]
fn a_session_ends_with_the_daemon_and_only_a_ticket_starts_another() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    let ticket = session.ask("GET", "/api/session", b"").json()["ticket"].clone();
    let (id, key) = (ticket["id"].as_str().unwrap(), ticket["key"].as_str().unwrap());
    daemon.kill();
    let _daemon = home.start(&["--camera", "demo"]);
    let page = home.page_address();
    assert_eq!(parts(&page).0, session.host, "the same port as before");
    assert_eq!(session.ask("GET", "/api/look", b"").status, 403, "the old cookie");
    let stranger = Session { host: session.host.clone(), cookie: String::new() };
    let challenge = stranger.ask("GET", "/api/resume", b"").json()["challenge"].clone();
    let port = session.host.split_once(':').unwrap().1;
    let proof = |key: &str, challenge: &str| {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("bgcam {port} {challenge}").as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let body = |proof: String| json!({"ticket": id, "proof": proof}).to_string().into_bytes();
    for wrong in [proof("", challenge.as_str().unwrap()), proof(key, "an old challenge"), key.to_owned()] {
        assert_eq!(stranger.ask("POST", "/api/resume", &body(wrong)).status, 403);
    }
    let right = body(proof(key, challenge.as_str().unwrap()));
    let answer = stranger.ask("POST", "/api/resume", &right);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let resumed = Session { host: session.host.clone(), cookie: answer.cookie().to_owned() };
    assert_eq!(resumed.ask("GET", "/api/look", b"").status, 200);
    assert_eq!(stranger.ask("POST", "/api/resume", &right).status, 403, "a ticket works once");
    assert!(!home.log().contains(key));
}

#[test]
fn uploaded_files_are_private_and_can_be_removed_when_unused() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    support::write_gif(&home.path("waves.gif"), &[40, 200]);
    let gif = fs::read(home.path("waves.gif")).unwrap();
    let answer = session.ask("POST", "/api/files/background/..%2Fwaves.gif", &gif);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let listed = session.ask("GET", "/api/files", b"").json();
    let name = listed[0]["name"].as_str().unwrap().to_owned();
    let path = home.path("data/bgcam/uploads").join(&name);
    assert_eq!(daemon.status().scene.background.path(), Some(path.as_path()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let remove = |name: &str| session.ask("DELETE", &format!("/api/files/{name}"), b"");
    assert_eq!(remove(&name).status, 409, "it is shown");
    home.expect(&["set-color", "teal"], 0);
    assert_eq!(remove("..%2Fstarter.json").status, 404);
    assert_eq!(remove(&name).status, 200);
    assert_eq!(session.ask("GET", "/api/files", b"").json(), json!([]));
    // a file that cannot be shown is not kept
    let broken = session.ask("POST", "/api/files/background/broken.gif", b"GIF89a");
    assert!(broken.status >= 400 && broken.json()["error"]["message"].is_string(), "{}", broken.text());
    assert_eq!(session.ask("POST", "/api/files/overlay/logo.png", b"hello").status, 400);
    assert_eq!(session.ask("GET", "/api/files", b"").json(), json!([]));
    assert_eq!(daemon.status().scene.label, "#008080");
}

#[test]
fn the_checks_of_doctor_are_on_the_page() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let report = Session::of(&home).ask("GET", "/api/doctor", b"").json();
    assert!(report["groups"].as_array().unwrap().iter().any(|group| group["name"] == "Virtual camera"), "{report}");
}

#[test]
fn the_browser_gets_a_one_time_code() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let bin = home.path("bin");
    fs::create_dir(&bin).unwrap();
    let browser = bin.join("xdg-open");
    fs::write(&browser, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\n", home.path("argv").display())).unwrap();
    fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = home.bgcam(&["preview"]).env("PATH", &bin).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{}", support::text(&output));
    let argv = fs::read_to_string(home.path("argv")).unwrap();
    let (host, path) = parts(argv.trim());
    let session = Session { host: host.to_owned(), cookie: String::new() };
    assert_eq!(session.with("GET", path, "", b"").status, 303);
    assert_eq!(session.with("GET", path, "", b"").status, 403);
    // a code is not a session
    let code = path.split_once("code=").unwrap().1;
    let stolen = Session { cookie: format!("bgcam-{}={code}", host.split_once(':').unwrap().1), ..session };
    assert_eq!(stolen.ask("GET", "/api/look", b"").status, 403);
}

/// An attack by another user who has the cookie: connects, sends a request, and disconnects in every possible way.
const ATTACK: &str = r#"
import os, socket, struct, sys
host, cookie = sys.argv[1:]
os.setgroups([])
os.setuid(65534)
body = b'{"set-background":{"spec":"none"}}'
head = f"POST /api/request HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nX-Bgcam: 1\r\nX-Bgcam-Show-Room: yes\r\n"
head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
port = int(host.split(":")[1])
answers = 0
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    for way in ("close", "half", "reset", "stay"):
        for _ in range(10):
            try:
                s = socket.socket(family)
                s.settimeout(20)
                s.connect((address, port))
                s.sendall(head.encode() + body)
                if way == "half":
                    s.shutdown(socket.SHUT_WR)
                if way == "reset":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if way in ("half", "stay"):
                    answers += bool(s.recv(100))
                s.close()
            except OSError:
                pass
print(answers)
"#;

#[test]
fn another_user_with_the_cookie_is_refused() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let session = Session::of(&home);
    let mut python = std::process::Command::new("python3");
    let Ok(output) = python.args(["-c", ATTACK, &session.host, &session.cookie]).output() else {
        return eprintln!("skipped: no python3");
    };
    if !output.status.success() {
        return eprintln!("skipped: switching users needs root: {}", support::text(&output));
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "a request was answered");
    // this request is handled after those of the attack
    assert_eq!(session.ask("POST", "/api/request", br#"{"set-look":{"change":{"softness":3}}}"#).status, 200);
    let scene = daemon.status().scene;
    assert_eq!((scene.label.as_str(), scene.room_visible), ("#20a040", false));
    assert!(!home.log().contains("your room is visible"), "{}", home.log());
}

#[test]
fn the_page_shows_the_room_only_after_confirmation() {
    let home = Home::new();
    home.write_config("[look]\nbackground_opacity = 40\n[background]\ndefault = \"#20a040\"\n");
    let mut daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    let scene = daemon.status().scene;
    assert!(scene.room_visible, "{scene:?}");
    assert_eq!(scene.label, "#20a040 (your room is visible)");
    assert_eq!(scene.room_reason.as_deref(), Some("the background's opacity is 40 %"));
    assert!(home.log().contains("your room is visible: the background's opacity is 40 %"), "{}", home.log());
    let yes = format!("X-Bgcam: 1\r\nX-Bgcam-Show-Room: yes\r\nCookie: {}", session.cookie);
    let ask = |body: &str| session.ask("POST", "/api/request", body.as_bytes());
    // each request needs consent only if it shows the room
    for (before, reveals) in [
        (
            r#"{"set-look":{"change":{"background_opacity":100}}}"#,
            r#"{"set-look":{"change":{"background-opacity":99}}}"#,
        ),
        (r#"{"set-look":{"change":{"background_opacity":100}}}"#, r#"{"reset-look":{"names":["background-opacity"]}}"#),
        (r#"{"set-look":{"change":{"background_opacity":100}}}"#, r#"{"reset-look":{}}"#),
        (r#"{"set-look":{"change":{"background_opacity":100}}}"#, r#"{"set-background":{"spec":"none"}}"#),
        (
            r#"{"set-background":{"spec":{"blur":{"strength":60}}}}"#,
            r#"{"set-background":{"spec":{"blur":{"strength":5}}}}"#,
        ),
        (r#"{"set-background":{"spec":{"color":"teal"}}}"#, r#"{"set-background":{"spec":"off"}}"#),
        (r#""pause""#, r#""resume""#),
    ] {
        assert_eq!(ask(before).status, 200, "{before}");
        let scene = daemon.wait_until("the room is hidden", |status| !status.scene.room_visible).scene;
        let answer = ask(reveals);
        assert_eq!(answer.status, 428, "{reveals}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().starts_with("this shows your real room: "));
        assert_eq!(daemon.status().scene, scene, "{reveals}");
        assert_eq!(session.with("POST", "/api/request", &yes, reveals.as_bytes()).status, 200, "{reveals}");
        assert!(daemon.status().scene.room_visible, "{reveals}");
    }
    // consent covers later changes that show no more of the room
    for body in [r#"{"set-look":{"change":{"zoom":120}}}"#, r#"{"set-background":{"spec":"none"}}"#] {
        assert_eq!(ask(body).status, 200, "{body}");
    }
    ask(r#"{"set-background":{"spec":{"color":"teal"}}}"#);
    assert_eq!(ask(r#"{"set-look":{"change":{"background_opacity":30}}}"#).status, 428);
}

#[test]
fn invalid_requests_are_rejected_with_a_reason() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let session = Session::of(&home);
    let colour = br##"{"set-background":{"spec":{"color":"#102030"}}}"##;
    for (method, path, body, expected) in [
        ("POST", "/api/request", &b"{"[..], 400),
        ("POST", "/api/request", br#""explode""#, 400),
        ("POST", "/api/request", br#""stop""#, 403),
        ("POST", "/api/request", br#""watch""#, 403),
        ("POST", "/api/request", br#"{"set-look":{"change":{"zoom":1}}}"#, 400),
        ("POST", "/api/request", br#"{"set-background":{"spec":{"image":{"path":"/no/such.png"}}}}"#, 404),
        ("POST", "/api/request", br#"{"set-camera":{"camera":"no such camera"}}"#, 404),
        ("POST", "/api/request", &[b' '; 70_000], 413),
        ("POST", "/api/upload/notes.txt", b"hello", 400),
        ("POST", "/api/upload/cut.png", b"\x89PNG\r\n\x1a\n\0\0", 400),
        ("GET", "/api/request", b"", 405),
        ("DELETE", "/", b"", 405),
        ("GET", "/etc/passwd", b"", 404),
        ("GET", "/live/room", b"", 404),
        ("GET", "/api/gallery/..%2f..%2fetc%2fpasswd/thumb", b"", 404),
        ("DELETE", "/api/gallery/none-12345678", b"", 404),
        ("POST", "/api/gallery/none-12345678/use", b"", 404),
        ("POST", "/api/request", br#""open-page""#, 403),
        ("POST", "/api/request", b"\xff\xfe", 400),
        ("POST", "/api/gallery/none-12345678/favourite", b"on", 400),
        ("POST", "/api/gallery/none-12345678/favourite", &[b' '; 2000], 413),
        ("GET", "/api/gallery/%ff/thumb", b"", 400),
        ("DELETE", "/api/gallery/%c3%28", b"", 400),
        ("POST", "/api/upload/%ff.png", b"", 400),
        ("GET", "/live/%ff", b"", 400),
        ("GET", "/%ff", b"", 404),
        ("PUT", "/api/look", b"", 405),
        ("BREW", "/live/output", b"", 405),
    ] {
        let answer = session.ask(method, path, body);
        assert_eq!(answer.status, expected, "{method} {path} {}", String::from_utf8_lossy(&answer.body));
        assert!(answer.json()["error"]["message"].is_string(), "{method} {path}");
    }
    // wrong and invalid lengths
    for length in ["99999999999", "-1", "x"] {
        let head = format!(
            "POST /api/upload/a.png HTTP/1.1\r\nHost: {}\r\nX-Bgcam: 1\r\nCookie: {}\r\nContent-Length: {length}",
            session.host, session.cookie
        );
        assert!([400, 413].contains(&session.raw(&head, b"").status), "{length}");
    }
    assert_eq!(daemon.status().scene.label, "#20a040", "nothing has changed");
    assert_eq!(session.ask("POST", "/api/request", colour).json(), json!({"ok": {"done": "background: #102030"}}));
}

#[test]
fn gallery_endpoints_work() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    write_png(&home.path("green.png"), 640, 480, [10, 200, 30]);
    let image = fs::read(home.path("green.png")).unwrap();
    let answer = session.ask("POST", "/api/upload/My%20%3Cgreen%3E%20wall.png", &image);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let id = answer.json()["ok"]["images"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(daemon.status().scene.label, "My <green> wall");
    let listing = session.ask("GET", "/api/gallery", b"").json();
    assert_eq!((&listing["entries"][0]["id"], &listing["max_bytes"]), (&json!(id), &json!(100 << 20)));
    for _ in 0..2 {
        let thumb = session.ask("GET", &format!("/api/gallery/{id}/thumb"), b"");
        assert_eq!(image::load_from_memory(&thumb.body).unwrap().width(), 320);
    }
    let kept = session.ask("POST", &format!("/api/gallery/{id}/favourite"), br#"{"on":true}"#);
    assert_eq!(kept.json()["favourite"], true);
    session.ask("POST", "/api/request", br#"{"set-background":{"spec":{"blur":{"strength":40}}}}"#);
    assert_eq!(session.ask("POST", &format!("/api/gallery/{id}/use"), b"").status, 200);
    assert_eq!(daemon.status().scene.label, "My <green> wall");
    assert_eq!(session.ask("DELETE", &format!("/api/gallery/{id}"), b"").status, 200);
    assert_eq!(session.ask("GET", "/api/gallery", b"").json()["entries"], json!([]));
}

/// The reply to `Expect: 100-continue` proves that the upload has started before another background is chosen.
#[test]
fn a_late_upload_is_saved_and_does_not_replace_a_newer_choice() {
    let home = Home::new();
    let daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    write_png(&home.path("green.png"), 640, 480, [10, 200, 30]);
    let image = fs::read(home.path("green.png")).unwrap();
    let mut stream = TcpStream::connect(&session.host).unwrap();
    let (host, cookie, length) = (&session.host, &session.cookie, image.len());
    let head = format!(
        "POST /api/upload/green.png HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\nOrigin: http://{host}\r\nX-Bgcam: 1\r\nCookie: {cookie}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut continuation = [0; 25];
    stream.read_exact(&mut continuation).unwrap();
    assert_eq!(&continuation, b"HTTP/1.1 100 Continue\r\n\r\n");
    home.expect(&["set-color", "red"], 0);
    stream.write_all(&image).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(daemon.status().scene.label, "#ff0000");
    assert_eq!(session.ask("GET", "/api/gallery", b"").json()["entries"].as_array().unwrap().len(), 1);
    session.ask("POST", "/api/request", br##"{"set-background":{"spec":{"color":"#102030"}}}"##);
    assert_eq!(daemon.status().scene.label, "#102030", "a later background is shown");
}

#[test]
fn lists_contain_what_the_page_needs() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    let get = |path: &str| session.ask("GET", path, b"").json();
    assert_eq!(get("/api/look")[0]["name"], "softness");
    assert_eq!(get("/api/look")[0]["type"], json!({"number": [0, 100]}));
    assert!(get("/api/devices")["cameras"].is_array());
    assert_eq!(get("/api/providers")[0]["name"], "builtin");
    assert!(get("/api/styles").as_array().unwrap().len() > 5);
}

#[test]
fn a_disabled_page_is_not_served() {
    let home = Home::new();
    home.write_config("[web]\nenabled = false\n");
    let daemon = home.start(&["--camera", "demo"]);
    assert_eq!(daemon.status().page, None);
    let output = home.expect(&["preview", "--print"], 1);
    assert!(output.contains("web.enabled"), "{output}");
    drop(daemon);
    assert_eq!(home.run(&["preview", "--print"]).status.code(), Some(3));
}

#[test]
fn a_port_in_use_does_not_stop_the_daemon() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    home.write_config(&format!("[web]\nport = {}\n", taken.local_addr().unwrap().port()));
    let daemon = home.start(&["--camera", "demo"]);
    assert_eq!(daemon.status().page, None);
    assert!(home.log().contains("cannot serve the control page on port"), "{}", home.log());
}

#[test]
fn stalled_viewer_does_not_block_others() {
    let home = Home::new();
    let mut daemon = home.start(&["--camera", "demo", "--background", "#20a040"]);
    let session = Session::of(&home);
    // reads only the start of the response
    let mut stalled = TcpStream::connect(&session.host).unwrap();
    let head = format!("GET /live/output HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", session.host, session.cookie);
    stalled.write_all(head.as_bytes()).unwrap();
    stalled.read_exact(&mut [0; 12]).unwrap();
    let written = daemon.status().counters.written;
    daemon.wait_until("frames continue", |status| status.counters.written > written + 60);
    assert_eq!(session.ask("GET", "/api/styles", b"").status, 200);
}

#[test]
fn the_page_is_light() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    let session = Session::of(&home);
    let page = session.ask("GET", "/", b"").text();
    let mut paths = vec!["/", "/icon.svg"];
    let names = ["src=\"", "rel=\"stylesheet\" href=\""].map(|start| page.split(start).skip(1).collect::<Vec<_>>());
    let assets = names.concat();
    paths.extend(assets.iter().map(|rest| rest.split('"').next().unwrap()).filter(|path| *path != "/icon.svg"));
    assert!(paths.len() > 8, "{paths:?}");
    let files: Vec<_> = paths.iter().map(|path| session.ask("GET", path, b"").body.len()).collect();
    let weight: usize = files.iter().sum();
    eprintln!("page size: {weight} bytes");
    assert!(weight < 110_000, "{paths:?} {files:?}");
}

/// As the applications menu does; `notify-send` is a double that records its arguments.
#[test]
fn preview_starts_the_daemon_and_reports_failures_as_a_notification() {
    let home = Home::new();
    let record = |name: &str| format!("printf '%s\\n' \"$@\" >> {}", home.path(name).display());
    home.write_program("xdg-open", &record("opened"));
    home.write_program("notify-send", &record("notified"));
    home.write_program("systemctl", "exit 1");
    home.write_config("[camera]\ndevice = \"demo\"\n[output]\nto = [\"none\"]\n");
    home.expect(&["preview", "--start"], 0);
    assert!(fs::read_to_string(home.path("opened")).unwrap().contains("/?code="));
    assert!(!home.path("notified").exists());
    home.write_program("xdg-open", "exit 1");
    home.expect(&["preview", "--start"], 1);
    let shown = fs::read_to_string(home.path("notified")).unwrap();
    assert!(shown.contains("cannot open a browser for the control page\n"), "{shown}");
    home.expect(&["stop"], 0);
}

#[test]
fn preview_prints_the_address_without_a_desktop() {
    let home = Home::new();
    let _daemon = home.start(&["--camera", "demo"]);
    // no xdg-open in an empty PATH
    let output = home.bgcam(&["preview"]).env("PATH", home.path("")).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("/?code="));
}
