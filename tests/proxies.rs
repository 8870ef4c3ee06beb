//! API keys and proxies: a proxy that could read a key never gets it, and proxy errors name the proxy.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};

const CANARY: &str = "sk-canary-0123456789abcdef";
/// A host in the local network, which keys may be sent to unencrypted. Tests never reach it.
const LOCAL: &str = "http://10.254.254.1:8080/v1";

/// A proxy that records requests and always sends the same response.
struct Proxy {
    address: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    fn start(reply: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, reply) = (listener.local_addr().unwrap().to_string(), reply.into());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let request = request(&mut stream);
                log.lock().unwrap().extend(request);
                let _ = stream.write_all(&reply);
            }
        });
        Self { address, received }
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

/// A complete request, or the greeting of SOCKS.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
        let is_whole = text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length.unwrap_or(0));
        if is_whole || bytes[0] == 5 {
            break;
        }
    }
    bytes
}

/// Runs `bgcam providers ARGS` with these settings and variables; returns whether it succeeded, and its output.
fn providers(args: &[&str], settings: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    fs::write(&key, CANARY).unwrap();
    fs::create_dir(home.path().join("bgcam")).unwrap();
    let settings = settings.replace("KEY", &key.display().to_string());
    fs::write(home.path().join("bgcam/bgcam.toml"), settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgcam"));
    command.env_clear().env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
    let output = command.arg("providers").args(args).envs(variables.iter().copied()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("canary") && !text.contains("secret"), "{text}");
    (output.status.success(), text)
}

fn openai(base_url: &str, with_key: bool) -> String {
    let key_file = if with_key { "KEY" } else { "" };
    format!("[prompt.openai]\nbase_url = {base_url:?}\nkey_env = \"\"\nkey_file = {key_file:?}\n")
}

#[test]
fn a_key_is_never_sent_to_a_proxy_that_can_read_it() {
    let proxy = Proxy::start("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    for (variable, scheme) in [
        ("HTTP_PROXY", "http://me:secret@"),
        ("http_proxy", ""),
        ("HTTP_PROXY", "https://"),
        ("ALL_PROXY", "http://"),
        ("all_proxy", "socks5h://me:secret@"),
        ("ALL_PROXY", "socks4://"),
    ] {
        let value = format!("{scheme}{}", proxy.address);
        let (ok, text) = providers(&["--test", "openai"], &openai(LOCAL, true), &[(variable, &value)]);
        assert!(!ok && text.contains("unencrypted through the proxy"), "{variable}={value}: {text}");
        for part in [&proxy.address, variable, "add 10.254.254.1 to NO_PROXY", "https://"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(proxy.received(), "", "nothing was sent");
    // Signed requests contain a session token.
    let bedrock = "[prompt.bedrock]\nendpoint = \"http://10.254.254.1\"\nkey_env = \"\"\n";
    let variables = [
        ("HTTP_PROXY", &*proxy.address),
        ("AWS_ACCESS_KEY_ID", "A"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "secret"),
    ];
    let (ok, text) = providers(&["--test", "bedrock"], bedrock, &variables);
    assert!(!ok && text.contains("unencrypted through the proxy"), "{text}");
    let far = bedrock.replace("10.254.254.1", "198.51.100.1");
    let (ok, text) = providers(&["--test", "bedrock"], &far, &variables[1..]);
    assert!(!ok && text.contains("would be sent to 198.51.100.1 unencrypted"), "{text}");
    assert_eq!(proxy.received(), "");
}

#[test]
fn no_proxy_hosts_and_this_machine_are_reached_directly() {
    let is_ready = |base_url: &str, variables: &[(&str, &str)]| {
        let (ok, text) = providers(&["--json"], &openai(base_url, true), variables);
        assert!(ok, "{text}");
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let openai = list.as_array().unwrap().iter().find(|info| info["name"] == "openai").unwrap().clone();
        openai["configured"] == true
    };
    let proxy = ("HTTP_PROXY", "http://127.0.0.1:9");
    assert!(!is_ready(LOCAL, &[proxy]));
    assert!(is_ready(LOCAL, &[]));
    assert!(is_ready(LOCAL, &[("HTTPS_PROXY", "http://127.0.0.1:9")]), "it applies to https:// URLs only");
    assert!(is_ready(LOCAL, &[("HTTP_PROXY", "")]));
    for direct in ["10.254.254.1", "10.0.0.0/8", "*", "example.org, 10.254.254.1"] {
        assert!(is_ready(LOCAL, &[proxy, ("NO_PROXY", direct)]), "{direct}");
    }
    assert!(is_ready("http://nas.local/v1", &[proxy, ("no_proxy", "local")]));
    assert!(is_ready("http://localhost:8080/v1", &[proxy]));
    assert!(
        is_ready("https://api.example/v1", &[proxy, ("HTTPS_PROXY", "http://127.0.0.1:9")]),
        "TLS protects the key"
    );
}

#[test]
fn without_a_key_a_proxy_may_forward_and_its_errors_name_it() {
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(32, 18).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let body = format!(r#"{{"data":[{{"b64_json":"{}"}}]}}"#, BASE64_STANDARD.encode(png.into_inner()));
    let good = Proxy::start(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let ask =
        |proxy: &Proxy| providers(&["--test", "openai"], &openai(LOCAL, false), &[("http_proxy", &proxy.address)]);
    let (ok, text) = ask(&good);
    assert!(ok, "{text}");
    assert!(good.received().starts_with(&format!("POST {LOCAL}/images/generations HTTP/1.1")), "{}", good.received());

    for (head, expected) in [
        ("403 Forbidden", "returned status 403 for 10.254.254.1:8080: not for you"),
        ("407 Proxy Authentication Required", "requires a user name and password"),
        ("504 Gateway Timeout", "returned status 504 for 10.254.254.1:8080"),
    ] {
        let proxy = Proxy::start(format!("HTTP/1.1 {head}\r\nRetry-After: 0\r\nContent-Length: 11\r\n\r\nnot for you"));
        let (ok, text) = ask(&proxy);
        assert!(!ok && text.contains(&format!("the proxy http://{} {expected}", proxy.address)), "{head}: {text}");
        assert!(text.contains("http_proxy in the daemon's environment"), "{text}");
    }
}

#[test]
fn a_proxy_that_refuses_a_tunnel_is_named() {
    let ask = |variable: &str, value: &str| {
        let (ok, text) =
            providers(&["--test", "openai"], &openai("https://api.example/v1", true), &[(variable, value)]);
        assert!(!ok, "{text}");
        text
    };
    for (head, expected) in [
        ("407 Proxy Authentication Required", "requires a user name and password (status 407)"),
        ("403 Forbidden", "refused to connect to api.example"),
        ("502 Bad Gateway", "refused to connect to api.example"),
    ] {
        let proxy = Proxy::start(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n"));
        let text = ask("HTTPS_PROXY", &format!("http://me:secret@{}", proxy.address));
        assert!(text.contains(&format!("the proxy http://{} {expected}", proxy.address)), "{text}");
        assert!(text.contains("HTTPS_PROXY in the daemon's environment"), "{text}");
        assert!(proxy.received().starts_with("CONNECT api.example:443 HTTP/1.1"), "{}", proxy.received());
        assert!(!proxy.received().contains("canary"));
    }
    let socks = Proxy::start(b"\x05\xff");
    let text = ask("all_proxy", &format!("socks5h://{}", socks.address));
    assert!(text.contains(&format!("the proxy socks5h://{} cannot be used", socks.address)), "{text}");
    assert!(socks.received().starts_with('\u{5}'), "SOCKS is used");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = ask("https_proxy", &format!("http://{free}"));
    assert!(text.contains(&format!("the proxy http://{free} cannot be used: ")) && text.contains("refused"), "{text}");
    let text = ask("https_proxy", "http://proxy.invalid:3128");
    assert!(text.contains("the proxy http://proxy.invalid:3128 has a host name that cannot be resolved"), "{text}");
}
