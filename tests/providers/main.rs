//! Every provider against a scripted server: requests, results and errors.
#![allow(clippy::unwrap_used)]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/providers.rs"]
mod support;

mod connection;
mod edits;
mod hosted;
mod program;
mod rejections;
mod requests;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::{
    error::Failure,
    prompt::{Name, Progress, PromptError, catalogue, settings::PromptSettings},
};
use http::{Reply, Server, json, text};
use serde_json::{Value, json};
use support::{CANARY, answered, base64, generate, png, recipe, set, workflow};

/// Collects log output.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn keys_never_reach_a_message_or_a_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    subscriber.try_init().unwrap();
    let echo = format!("your key {CANARY} is bad\r\n\x1b[31m");
    for name in Name::ALL.iter().map(|name| name.as_str()) {
        if ["builtin", "local", "sdwebui", "comfyui", "command"].contains(&name) {
            continue; // they have no key, or one that is no secret of a service
        }
        for (status, body) in [
            (401, json!({"error": {"message": echo}})),
            (429, json!({"message": echo})),
            (200, json!({"error": echo, "finish_reason": echo, "promptFeedback": {"blockReason": echo}})),
            (200, json!(echo)),
        ] {
            let server = Server::always(Reply::Full(status, "Retry-After: 0\r\n", body.to_string().into())).await;
            let set = set(&server.url);
            let (provider, recipe) = recipe(name, &set.settings);
            let error = provider.generate(&recipe, &|_| {}).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            let failure = Failure::from(error);
            let infos = serde_json::to_string(&catalogue::list(&set.settings)).unwrap();
            let texts = format!("{shown} {failure:?} {provider:?} {recipe:?} {infos}");
            assert!(!texts.contains("canary"), "{texts}");
            assert!(!failure.message.contains(['\r', '\n', '\x1b']), "{failure}");
        }
    }
    let log = log.0.lock().unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("retrying"), "unexpected log: {log}");
    assert!(!log.contains("canary"));
}

#[test]
fn unconfigured_providers_are_listed_with_a_hint() {
    let mut settings = PromptSettings::default();
    for variable in [&mut settings.openai.key_env, &mut settings.stability.key_env] {
        *variable = "BGCAM_TEST_NO_SUCH_KEY".to_owned();
    }
    settings.sdwebui.url = "http://127.0.0.1:1".to_owned();
    let list = catalogue::list(&settings);
    let info = |name| list.iter().find(|info| info.name == name).unwrap();
    assert!(info(Name::Builtin).configured);
    assert!(info(Name::Builtin).note.contains("offline"));
    for (name, expected) in [
        (Name::OpenAi, "BGCAM_TEST_NO_SUCH_KEY"),
        (Name::Gateway, "prompt.gateway.url"),
        (Name::ComfyUi, "prompt.comfyui.workflow"),
        (Name::Command, "prompt.command.program"),
        (Name::SdWebUi, "nothing listens at 127.0.0.1:1"),
    ] {
        let failure = info(name).why_not.as_ref().unwrap();
        assert!(failure.message.contains(expected) && failure.hint.is_some(), "{failure:?}");
    }
    let failure = Failure::from(catalogue::open("opeanai", &settings).unwrap_err());
    assert_eq!(failure.hint.as_deref(), Some("did you mean \"openai\"?"));
}

#[tokio::test]
async fn builtin_needs_no_configuration() {
    let image = generate("builtin", &PromptSettings::default()).await.unwrap();
    let decoded = ::image::load_from_memory(&image.bytes).unwrap();
    assert_eq!((decoded.width(), decoded.height(), image.cost), (1280, 720, Some(0.0)));
}

/// The daemon may run it on any thread.
#[test]
fn the_future_is_send() {
    fn is_send<T: Send>(_: &T) {}
    let settings = PromptSettings::default();
    let (provider, recipe) = recipe("builtin", &settings);
    is_send(&provider.generate(&recipe, &|_| {}));
}
