//! A headless Firefox, controlled over Marionette: JSON messages with their length in front, on a local port.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses a part of it

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// Generous even for a busy machine; no test asserts durations.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Any free port; nothing from the network.
const SETTINGS: &str = r#"user_pref("marionette.port", 0);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("security.sandbox.content.level", 0);
user_pref("toolkit.telemetry.enabled", false);
"#;

/// The installed browser, if any.
pub fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["firefox-esr", "firefox"];
    env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|path| path.is_file())
}

/// A browser with one tab; killed when dropped.
pub struct Firefox {
    child: Child,
    stream: TcpStream,
    calls: u64,
    _home: tempfile::TempDir,
}

impl Firefox {
    pub fn start(program: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let profile = home.path().join("profile");
        fs::create_dir(&profile).unwrap();
        fs::write(profile.join("user.js"), SETTINGS).unwrap();
        let log = fs::File::create(home.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["--headless", "--marionette", "--no-remote", "--profile"]).arg(&profile);
        command.env("HOME", home.path()).env("MOZ_HEADLESS_WIDTH", "1280").env("MOZ_HEADLESS_HEIGHT", "800");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        let stream = loop {
            let port = fs::read_to_string(profile.join("MarionetteActivePort")).ok();
            let port = port.and_then(|port| port.trim().parse::<u16>().ok());
            if let Some(Ok(stream)) = port.map(|port| TcpStream::connect(("127.0.0.1", port))) {
                break stream;
            }
            let log = || fs::read_to_string(home.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "Firefox does not listen: {}", log());
            thread::sleep(Duration::from_millis(50));
        };
        let mut firefox = Self { child, stream, calls: 0, _home: home };
        firefox.read(); // its greeting
        firefox.call("WebDriver:NewSession", json!({}));
        let milliseconds = TIMEOUT.as_millis() as u64;
        firefox.call("WebDriver:SetTimeouts", json!({"script": milliseconds, "pageLoad": milliseconds}));
        firefox
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            match byte[0] {
                b':' => break,
                digit => length = 10 * length + usize::from(digit - b'0'),
            }
        }
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }

    /// Calls a command and returns its result.
    pub fn call(&mut self, command: &str, parameters: Value) -> Value {
        self.calls += 1;
        let message = json!([0, self.calls, command, parameters]).to_string();
        self.stream.write_all(format!("{}:{message}", message.len()).as_bytes()).unwrap();
        loop {
            let answer = self.read();
            if answer[1] == self.calls {
                assert!(answer[2].is_null(), "{command}: {}", answer[2]);
                return answer[3].clone();
            }
        }
    }

    pub fn go(&mut self, url: &str) {
        self.call("WebDriver:Navigate", json!({"url": url}));
    }

    /// Evaluates an expression in the page and awaits its value.
    pub fn js(&mut self, expression: &str) -> Value {
        self.run(&format!("return (async () => ({expression}))();"))
    }

    /// Runs statements in the page, and awaits the value they return.
    pub fn run(&mut self, script: &str) -> Value {
        self.call("WebDriver:ExecuteScript", json!({"script": script, "args": []}))["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while self.js(expression) != json!(true) {
            assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {expression}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn screenshot(&mut self, path: &Path) {
        let shot = self.call("WebDriver:TakeScreenshot", json!({"full": false}));
        fs::write(path, STANDARD.decode(shot["value"].as_str().unwrap()).unwrap()).unwrap();
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
