//! Providers against independent servers: moto verifies signatures, aimock implements the Images API (also behind
//! LiteLLM's proxy), and sd-server generates images with two APIs.
//!
//! `scripts/provider-servers` installs them; the tests are skipped without them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::prompt::{self, GeneratedImage, PromptError, PromptRequest, catalogue, settings::PromptSettings};
use serde_json::json;

/// A self-signed certificate.
#[tokio::test]
async fn untrusted_certificates_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout"]);
    make.arg(&key).arg("-out").arg(&certificate).stderr(Stdio::null());
    if !make.status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-key"]).arg(key).arg("-cert").arg(certificate);
    let server = Server::start(command, "-accept");
    let mut settings = openai(&server, folder.path(), "sk-canary");
    settings.openai.base_url = server.url.replace("http:", "https:");
    let error = generate("openai", "a beach", &settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::Tls { why, .. } if why.contains("certificate")), "{error:?}");
}

/// A server as a child process, killed on drop.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts `command` with a free port after `option`, and waits until it listens.
    fn start(mut command: Command, option: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        command.args([option, &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(90);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "{command:?} does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        Self { child, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program from `scripts/provider-servers`, or from an environment variable.
fn installed(variable: &str, path: &str) -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/provider-servers").join(path);
    let found = env::var_os(variable).map_or(usual, PathBuf::from);
    if !found.is_file() {
        eprintln!("skipped: no {} (scripts/provider-servers installs it, or set {variable})", found.display());
        return None;
    }
    Some(found)
}

async fn generate(provider: &str, text: &str, settings: &PromptSettings) -> Result<GeneratedImage, PromptError> {
    let provider = catalogue::open(provider, settings).unwrap();
    let request = PromptRequest { text: text.to_owned(), ..PromptRequest::default() };
    let recipe = prompt::recipe(&request, &*provider, settings, (1280, 720)).unwrap();
    provider.generate(&recipe, &|_| {}).await
}

fn aimock(folder: &Path, options: &[&str]) -> Option<Server> {
    let program = installed("AIMOCK", "node_modules/@copilotkit/aimock/dist/cli.js")?;
    let image = image::RgbImage::from_pixel(64, 36, image::Rgb([10, 200, 90]));
    image.save(folder.join("beach.png")).unwrap();
    let image = BASE64_STANDARD.encode(fs::read(folder.join("beach.png")).unwrap());
    let on = |text: &str| json!({"userMessage": text, "endpoint": "image"});
    let blocked = json!({"message": "rejected", "type": "image_generation_user_error", "code": "moderation_blocked"});
    let limit = json!({"message": "Rate limit reached", "type": "rate_limit_error"});
    let fixtures = json!({"fixtures": [
        {"match": on("beach"), "response": {"image": {"b64Json": image}}},
        {"match": on("blocked"), "response": {"error": blocked, "status": 400}},
        {"match": on("limit"), "response": {"error": limit, "status": 429}},
    ]});
    let file = folder.join("fixtures.json");
    fs::write(&file, fixtures.to_string()).unwrap();
    let mut command = Command::new("node");
    command.arg(program).args(["--strict", "-f"]).arg(file).args(options).env("AIMOCK_API_KEYS", "sk-right");
    Some(Server::start(command, "-p"))
}

fn openai(server: &Server, folder: &Path, key: &str) -> PromptSettings {
    let mut settings = PromptSettings::default();
    fs::write(folder.join("key"), key).unwrap();
    settings.openai.base_url = format!("{}/v1", server.url);
    settings.openai.key_env = String::new();
    settings.openai.key_file = folder.join("key").display().to_string();
    settings
}

/// Checks the answers to the prompts that [`aimock`] knows.
async fn check_image_and_rejections(settings: &PromptSettings, folder: &Path) {
    let image = generate("openai", "a beach", settings).await.unwrap();
    assert_eq!(image.bytes, fs::read(folder.join("beach.png")).unwrap());
    let error = generate("openai", "a blocked thing", settings).await.unwrap_err();
    assert!(matches!(error, PromptError::Moderated { .. }), "{error:?}");
    let error = generate("openai", "over the limit", settings).await.unwrap_err();
    assert!(matches!(error, PromptError::Throttled { .. }), "{error:?}");
}

#[tokio::test]
async fn aimock_returns_images_and_rejections() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = aimock(folder.path(), &[]) else { return };
    check_image_and_rejections(&openai(&server, folder.path(), "sk-right"), folder.path()).await;
    let settings = openai(&server, folder.path(), "sk-wrong-canary");
    let error = generate("openai", "a beach", &settings).await.unwrap_err();
    assert!(matches!(error, PromptError::KeyRejected { status: 401, .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
}

/// LiteLLM's proxy in front of a server.
fn litellm(folder: &Path, upstream: &Server) -> Option<Server> {
    let program = installed("LITELLM", "litellm/bin/litellm")?;
    let file = folder.join("litellm.yaml");
    let config = json!({
        "model_list": [{
            "model_name": "gpt-image-2.5-flare",
            "litellm_params": {
                "model": "openai/gpt-image-1", "api_base": format!("{}/v1", upstream.url), "api_key": "sk-right",
            },
        }],
        "general_settings": {"master_key": "sk-proxy"},
        "litellm_settings": {"num_retries": 0, "telemetry": false},
    });
    fs::write(&file, config.to_string()).unwrap(); // JSON is YAML
    let mut command = Command::new(program);
    command.arg("--config").arg(file).args(["--host", "127.0.0.1"]).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    Some(Server::start(command, "--port"))
}

#[tokio::test]
async fn litellm_passes_images_and_rejections_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(upstream) = aimock(folder.path(), &[]) else { return };
    let Some(server) = litellm(folder.path(), &upstream) else { return };
    check_image_and_rejections(&openai(&server, folder.path(), "sk-proxy"), folder.path()).await;
    let settings = openai(&server, folder.path(), "sk-wrong-canary");
    let error = generate("openai", "a beach", &settings).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn aimock_failures_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = aimock(folder.path(), &["--chaos-malformed", "1"]) else { return };
    let error = generate("openai", "a beach", &openai(&server, folder.path(), "sk-right")).await.unwrap_err();
    assert!(matches!(error, PromptError::BadResponse { .. }), "{error:?}");
    let Some(server) = aimock(folder.path(), &["--chaos-disconnect", "1"]) else { return };
    let error = generate("openai", "a beach", &openai(&server, folder.path(), "sk-right")).await.unwrap_err();
    assert!(matches!(error, PromptError::ConnectionLost { .. }), "{error:?}");
}

/// A request to moto's IAM in the query protocol, before it verifies signatures.
async fn iam(url: &str, query: &str) -> String {
    let scope = "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x";
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(url).header("Authorization", scope);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(query.to_owned());
    request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
}

fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split_once("</").unwrap().0.to_owned()
}

/// A profile with a program that prints these keys.
fn profile(folder: &Path, name: &str, id: &str, secret: &str) -> String {
    let keys = folder.join(name);
    fs::write(&keys, json!({"Version": 1, "AccessKeyId": id, "SecretAccessKey": secret}).to_string()).unwrap();
    format!("[profile {name}]\ncredential_process = cat \"{}\"\n", keys.display())
}

#[test]
fn moto_accepts_our_signatures() {
    let Some(program) = installed("MOTO_SERVER", "venv/bin/moto_server") else { return };
    let folder = tempfile::tempdir().unwrap();
    // SAFETY: the other tests read their keys from files and use none of Amazon's variables.
    unsafe { env::set_var("AWS_CONFIG_FILE", folder.path().join("config")) };
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1"]);
    let server = Server::start(command, "-p");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check_signatures(&server, folder.path()));
}

async fn check_signatures(server: &Server, folder: &Path) {
    // This installs the TLS provider, which `iam` needs.
    let mut settings = PromptSettings::default();
    catalogue::open("sdwebui", &settings).unwrap();
    iam(&server.url, "Action=CreateUser&Version=2010-05-08&UserName=bgcam").await;
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22\
                  %3A%22bedrock%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    let query = format!("Action=PutUserPolicy&Version=2010-05-08&UserName=bgcam&PolicyName=p&PolicyDocument={policy}");
    iam(&server.url, &query).await;
    let made = iam(&server.url, "Action=CreateAccessKey&Version=2010-05-08&UserName=bgcam").await;
    let (id, secret) = (element(&made, "AccessKeyId"), element(&made, "SecretAccessKey"));
    let on = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/moto-api/reset-auth", server.url));
    on.header("Content-Type", "text/plain").body("0").send().await.unwrap().error_for_status().unwrap();

    let wrong = "canarycanarycanarycanarycanarycanarycana";
    let profiles = [
        profile(folder, "right", &id, &secret),
        profile(folder, "wrong", &id, wrong),
        profile(folder, "stranger", "AKIANOTEXISTING00000", wrong),
    ];
    fs::write(folder.join("config"), profiles.concat()).unwrap();
    settings.bedrock.endpoint = server.url.clone();
    settings.bedrock.key_env = String::new();
    let mut ask = async |profile: &str| {
        settings.bedrock.profile = profile.to_owned();
        generate("bedrock", "a beach", &settings).await.unwrap_err()
    };
    // moto returns no images: its `{}` means that it accepted the request.
    let error = ask("right").await;
    assert!(matches!(&error, PromptError::BadResponse { what, .. } if what.contains("contains no image")), "{error:?}");
    for (profile, told) in [("wrong", "signature"), ("stranger", "security token")] {
        let error = ask(profile).await;
        assert!(
            matches!(&error, PromptError::KeyRejected { status: 403, detail, .. } if detail.contains(told)),
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("canary"));
    }
}

/// The weights are random: the images are noise, with the size and time of real ones.
#[tokio::test]
async fn sd_server_generates_images() {
    let Some(program) = installed("SD_SERVER", "sd/build/bin/sd-server") else { return };
    let weights = program.ancestors().nth(3).unwrap().join("weights.safetensors");
    let mut command = Command::new(program);
    command.arg("-m").arg(weights).args(["--listen-ip", "127.0.0.1", "--steps", "1", "--cfg-scale", "1"]);
    let server = Server::start(command, "--listen-port");
    let folder = tempfile::tempdir().unwrap();
    let mut settings = openai(&server, folder.path(), "sk-any");
    settings.openai.size = "320x180".to_owned();
    settings.sdwebui.url = server.url.clone();
    (settings.sdwebui.steps, settings.sdwebui.cfg_scale) = (1, 1.0);
    settings.sdwebui.size = "320x180".to_owned();
    for provider in ["openai", "sdwebui"] {
        let image = generate(provider, "a beach", &settings).await.unwrap();
        let size = image::load_from_memory(&image.bytes).unwrap().into_rgb8().dimensions();
        // The server rounds sizes up; the image is cropped when it becomes the background.
        assert!(size.0 >= 320 && size.1 >= 180, "{provider}: {size:?}");
    }
}

/// The same server, started by the provider.
#[tokio::test]
async fn an_own_generator_is_started() {
    let Some(program) = installed("SD_SERVER", "sd/build/bin/sd-server") else { return };
    let mut settings = PromptSettings::default();
    settings.local.weights = program.ancestors().nth(3).unwrap().join("weights.safetensors").display().to_string();
    settings.local.server = program.display().to_string();
    (settings.local.steps, settings.local.cfg_scale) = (1, 1.0);
    settings.local.size = "320x192".to_owned();
    for _ in 0..2 {
        let image = generate("local", "a beach", &settings).await.unwrap();
        let size = image::load_from_memory(&image.bytes).unwrap().into_rgb8().dimensions();
        assert!(size.0 >= 320 && size.1 >= 192, "{size:?}");
    }
    settings.local.args = vec!["--no-such-option".to_owned()];
    let error = generate("local", "a beach", &settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::ProgramFailed { detail, .. } if !detail.is_empty()), "{error:?}");
}
