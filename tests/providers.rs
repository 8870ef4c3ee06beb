//! Every provider against a scripted server: requests, results and errors.
#![allow(clippy::unwrap_used)]

#[path = "support/http.rs"]
mod http;
#[path = "support/providers.rs"]
mod support;

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

#[tokio::test]
async fn openai_request_and_response() {
    let server = Server::always(json(200, &json!({"created": 1, "data": [{"b64_json": base64()}]}))).await;
    let image = generate("openai", &set(&server.url).settings).await.unwrap();
    assert_eq!(image.bytes, png());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v1/images/generations");
    assert!(request.headers.contains(&format!("authorization: Bearer {CANARY}\n")), "{request:?}");
    let body = request.json();
    assert_eq!(
        (&body["size"], &body["quality"], &body["model"]),
        (&json!("1536x864"), &json!("low"), &json!("gpt-image-2"))
    );
    assert!(body["response_format"].is_null() && body["prompt"].as_str().unwrap().starts_with("beach, "));
}

#[tokio::test]
async fn compatible_services_get_the_fields_they_support() {
    let server = Server::always(json(200, &json!({"data": [{"b64_json": base64()}]}))).await;
    let mut set = set(&format!("{}/v1", server.url));
    set.settings.openai.model = "x/z-image-turbo".to_owned();
    generate("openai", &set.settings).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v1/images/generations");
    let body = request.json();
    assert_eq!((&body["response_format"], &body["seed"]), (&json!("b64_json"), &json!(7)));
    assert!(body["negative_prompt"].as_str().unwrap().contains("people"));
}

#[tokio::test]
async fn image_urls_are_followed_only_on_the_same_host() {
    let server = Server::start(|_, request| match &*request.line {
        "GET /images/1.png" => Reply::Full(200, "", png()),
        _ => json(200, &json!({"data": [{"url": "/images/1.png"}]})),
    })
    .await;
    assert_eq!(generate("openai", &set(&server.url).settings).await.unwrap().bytes, png());

    let foreign = Server::always(Reply::Full(200, "", png())).await;
    for address in
        [format!("{}/1.png", foreign.url), "file:///etc/passwd".to_owned(), "http://169.254.169.254/".to_owned()]
    {
        let error = answered("openai", json(200, &json!({"data": [{"url": address}]}))).await.unwrap_err();
        assert!(matches!(error, PromptError::ForeignImageHost { .. }), "{address}: {error}");
    }
    assert!(foreign.requests().is_empty());
}

#[tokio::test]
async fn the_gateway_matches_the_tutorial() {
    let server = Server::always(json(200, &json!({"base64_image": base64()}))).await;
    let image = generate("gateway", &set(&server.url).settings).await.unwrap();
    assert_eq!(image.bytes, png());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /image/make");
    assert!(request.headers.contains(&format!("x-api-key: {CANARY}\n")));
    let body = request.json();
    assert_eq!((&body["width"], &body["height"], body.as_object().unwrap().len()), (&json!(1344), &json!(768), 3));
}

#[tokio::test]
async fn bedrock_accepts_a_bearer_key_and_all_response_formats() {
    for (model, response) in [
        ("stability.stable-image-core-v1:1", json!({"seeds": [7], "finish_reasons": [null], "images": [base64()]})),
        (
            "stability.stable-diffusion-xl-v1",
            json!({"result": "success", "artifacts": [{"seed": 7, "base64": base64(), "finishReason": "SUCCESS"}]}),
        ),
        ("amazon.nova-canvas-v1:0", json!({"images": [base64()], "error": null})),
    ] {
        let server = Server::always(json(200, &response)).await;
        let mut set = set(&server.url);
        set.settings.bedrock.model = model.to_owned();
        let image = generate("bedrock", &set.settings).await.unwrap();
        assert_eq!(image.bytes, png(), "{model}");
        let request = &server.requests()[0];
        assert_eq!(request.line, format!("POST /model/{}/invoke", model.replace(':', "%3A")));
        assert!(request.headers.contains(&format!("authorization: Bearer {CANARY}\n")));
    }
}

#[tokio::test]
async fn stability_receives_a_form() {
    let server = Server::always(json(200, &json!({"image": base64(), "finish_reason": "SUCCESS", "seed": 7}))).await;
    let mut set = set(&server.url);
    set.settings.stability.model = "sd3.5-large".to_owned();
    let image = generate("stability", &set.settings).await.unwrap();
    assert_eq!((image.bytes, image.seed, image.cost), (png(), Some(7), Some(0.065)));
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v2beta/stable-image/generate/sd3");
    let body = String::from_utf8(request.body.clone()).unwrap();
    for field in [
        "name=\"aspect_ratio\"\r\n\r\n16:9",
        "name=\"model\"\r\n\r\nsd3.5-large",
        "name=\"negative_prompt\"\r\n\r\npeople",
    ] {
        assert!(body.contains(field), "{body}");
    }
}

#[tokio::test]
async fn the_gemini_key_is_in_a_header() {
    let parts = json!([{"text": "Here:"}, {"inlineData": {"mimeType": "image/png", "data": base64()}}]);
    let server =
        Server::always(json(200, &json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})))
            .await;
    assert_eq!(generate("gemini", &set(&server.url).settings).await.unwrap().bytes, png());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v1beta/models/gemini-2.5-flash-image:generateContent");
    assert!(request.headers.contains(&format!("x-goog-api-key: {CANARY}\n")));
    assert_eq!(request.json()["generationConfig"]["imageConfig"]["aspectRatio"], "16:9");
}

#[tokio::test]
async fn sdwebui_reports_progress() {
    let (sender, mut reported) = tokio::sync::watch::channel(false);
    let server = Server::start(|_, request| match request.line.split('?').next().unwrap() {
        "GET /sdapi/v1/progress" => json(200, &json!({"progress": 0.5, "eta_relative": 1.0})),
        _ => Reply::Hang,
    })
    .await;
    let set = set(&server.url);
    let (provider, recipe) = recipe("sdwebui", &set.settings);
    let on_progress = |progress| {
        if progress == Progress::Done(0.5) {
            sender.send_replace(true);
        }
    };
    tokio::select! {
        image = provider.generate(&recipe, &on_progress) => panic!("{image:?}"),
        waited = reported.wait_for(|reported| *reported) => drop(waited.unwrap()),
    }
    // The future was dropped, so the server is asked to stop.
    let interrupted = async {
        while !server.requests().iter().any(|request| request.line == "POST /sdapi/v1/interrupt") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), interrupted).await.unwrap();
    let body = server.requests()[0].json();
    assert_eq!((&body["width"], &body["height"], &body["seed"]), (&json!(768), &json!(448), &json!(7)));
}

#[tokio::test]
async fn sdwebui_returns_the_seed() {
    let reply = json!({"images": [base64()], "parameters": {}, "info": "{\"seed\": 42}"});
    let image = answered("sdwebui", json(200, &reply)).await.unwrap();
    assert_eq!((image.bytes, image.seed), (png(), Some(42)));
    // sd-server sends an empty info.
    let image = answered("sdwebui", json(200, &json!({"images": [base64()], "info": ""}))).await.unwrap();
    assert_eq!(image.seed, None);
}

#[tokio::test]
async fn comfyui_fills_the_workflow() {
    let server = Server::start(|number, request| match (number, &*request.line) {
        (_, "POST /prompt") => json(200, &json!({"prompt_id": "ab-1", "number": 1, "node_errors": {}})),
        (1, "GET /history/ab-1") => json(200, &json!({})),
        (_, "GET /history/ab-1") => json(
            200,
            &json!({"ab-1": {"status": {"status_str": "success"}, "outputs": {
            "8": {"images": [{"filename": "draft.png", "subfolder": "", "type": "temp"}]},
            "9": {"images": [{"filename": "a b.png", "subfolder": "x", "type": "output"}]}}}}),
        ),
        (_, "GET /view?filename=a+b.png&subfolder=x&type=output") => Reply::Full(200, "", png()),
        (_, other) => text(500, other),
    })
    .await;
    let mut set = set(&server.url);
    workflow(&mut set);
    let image = generate("comfyui", &set.settings).await.unwrap();
    assert_eq!((image.bytes, image.seed), (png(), Some(7)));
    let sent = server.requests()[0].json();
    assert!(sent["prompt"]["1"]["inputs"]["text"].as_str().unwrap().starts_with("masterpiece, beach, "));
    assert_eq!(sent["prompt"]["2"]["inputs"], json!({"width": 1344, "height": 768}));
    assert_eq!(sent["prompt"]["3"]["inputs"], json!({"seed": 7, "steps": 4}));
}

#[tokio::test]
async fn comfyui_reports_failures() {
    let failed = json!({"ab": {"outputs": {}, "status": {"status_str": "error", "messages": [
        ["execution_start", {}], ["execution_error", {"exception_message": "out of memory"}]]}}});
    let server = Server::start(move |_, request| match &*request.line {
        "POST /prompt" => json(200, &json!({"prompt_id": "ab"})),
        _ => json(200, &failed),
    })
    .await;
    let mut set = set(&server.url);
    workflow(&mut set);
    let error = generate("comfyui", &set.settings).await.unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    for (text, what) in [
        ("{\"nodes\": []}", "editor's format"),
        ("{}", "not contain %prompt%"),
        ("[\"%prompt%\"]", "not an object"),
        ("x", "not valid JSON"),
    ] {
        fs::write(&set.settings.comfyui.workflow, text).unwrap();
        let error = catalogue::open("comfyui", &set.settings).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

/// Error responses in the servers' formats, and the expected part of the message.
fn rejections() -> Vec<(&'static str, u16, Value, &'static str)> {
    let openai =
        |code: &str, message: &str| json!({"error": {"message": message, "type": "e", "param": null, "code": code}});
    let amazon = |kind: &str, message: &str| json!({"__type": kind, "message": message});
    let google = |status: &str, message: &str| json!({"error": {"code": 1, "message": message, "status": status}});
    let stability = |name: &str, message: &str| json!({"id": "1", "name": name, "errors": [message]});
    let lambda = |message: &str| json!({"message": format!("Error invoking model: {message}")});
    vec![
        ("openai", 400, openai("moderation_blocked", "rejected by the safety system"), "rejected this prompt"),
        ("openai", 401, openai("invalid_api_key", "Incorrect API key provided"), "rejected the API key"),
        ("openai", 404, openai("model_not_found", "The model does not exist"), "has no model \"gpt-image-2\""),
        ("openai", 404, json!({"detail": "Not Found"}), "has no path"),
        ("openai", 429, openai("insufficient_quota", "You exceeded your current quota"), "is out of credit"),
        ("openai", 400, json!({"error": "width and height must be positive"}), "rejected the request"),
        ("openai", 500, json!({"error": "server_error", "message": "sad"}), "failed (status 500): sad"),
        ("bedrock", 403, amazon("AccessDeniedException", "not authorized"), "rejected the API key"),
        (
            "bedrock",
            404,
            amazon("ResourceNotFoundException", "This model version has reached the end of its life."),
            "in us-west-2",
        ),
        ("bedrock", 400, amazon("ValidationException", "The provided model identifier is invalid."), "has no model"),
        (
            "bedrock",
            400,
            amazon("ValidationException", "This request has been blocked by our content filters."),
            "rejected this prompt",
        ),
        ("bedrock", 400, amazon("ServiceQuotaExceededException", "too much"), "is out of credit"),
        ("bedrock", 200, json!({"finish_reasons": ["Filter reason: prompt"]}), "rejected this prompt"),
        ("bedrock", 200, json!({"finish_reasons": ["Inference error"], "images": []}), "Inference error"),
        (
            "bedrock",
            200,
            json!({"images": [], "error": "All of the generated images have been blocked"}),
            "rejected this prompt",
        ),
        ("bedrock", 200, json!({}), "contains no image"),
        ("gateway", 404, lambda("end of its life"), "has no model"),
        ("gateway", 400, lambda("blocked by our content filters"), "rejected this prompt"),
        ("gateway", 500, json!({"message": "Internal Server Error"}), "failed (status 500)"),
        ("gateway", 404, json!({"message": "Not Found"}), "has no path"),
        ("gateway", 200, json!({"image": "x"}), "contains no image"),
        ("stability", 403, stability("content_moderation", "flagged"), "rejected this prompt"),
        ("stability", 402, stability("payment_required", "no credits"), "is out of credit"),
        ("stability", 401, stability("unauthorized", "bad key"), "rejected the API key"),
        ("stability", 200, json!({"finish_reason": "CONTENT_FILTERED", "image": base64()}), "rejected this prompt"),
        ("gemini", 404, google("NOT_FOUND", "models/x is not found for API version v1beta"), "has no model"),
        ("gemini", 400, google("INVALID_ARGUMENT", "bad ratio"), "rejected the request"),
        ("gemini", 403, google("PERMISSION_DENIED", "bad key"), "rejected the API key"),
        ("gemini", 200, json!({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}), "rejected this prompt"),
        ("gemini", 200, json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), "rejected this prompt"),
        (
            "gemini",
            200,
            json!({"candidates": [{"content": {"parts": [{"text": "Sorry."}]}, "finishReason": "STOP"}]}),
            "Sorry.",
        ),
        (
            "sdwebui",
            500,
            json!({"error": "OutOfMemoryError", "detail": "", "errors": "CUDA out of memory"}),
            "CUDA out of memory",
        ),
        ("sdwebui", 401, json!({"detail": "Not authenticated"}), "rejected the API key"),
        ("sdwebui", 200, json!({"images": []}), "contains no image"),
    ]
}

#[tokio::test]
async fn rejections_are_understood() {
    for (name, status, body, expected) in rejections() {
        let error = answered(name, json(status, &body)).await.unwrap_err();
        let needs_no_hint = matches!(error, PromptError::BadResponse { .. } | PromptError::BadRequest { .. });
        let failure = Failure::from(error);
        assert!(failure.message.contains(expected), "{name} {status} {body}: {failure}");
        assert!(
            failure.message.contains(name) && !failure.message.ends_with('.') || failure.message.contains(": "),
            "{failure}"
        );
        assert!(failure.hint.is_some() || needs_no_hint, "{failure}");
    }
}

#[tokio::test]
async fn a_retired_model_is_reported_with_a_current_one() {
    let error = answered(
        "bedrock",
        Reply::Full(404, "x-amzn-errortype: ResourceNotFoundException:http://x/\r\n", b"{}".to_vec()),
    )
    .await;
    let hint = Failure::from(error.unwrap_err()).hint.unwrap();
    assert!(
        hint.contains("stability.stable-image-core-v1:1")
            && hint.contains("us-west-2")
            && hint.contains("prompt.bedrock.model"),
        "{hint}"
    );
}

#[tokio::test]
async fn responses_without_a_valid_image_are_reported() {
    let data = |bytes: &[u8]| json(200, &json!({"data": [{"b64_json": BASE64_STANDARD.encode(bytes)}]}));
    let whole = base64();
    for (reply, expected) in [
        (text(200, "<!doctype html><html>"), "a web page, not JSON"),
        (text(200, ""), "empty, not JSON"),
        (text(200, "{\"data\": [{\"b64"), "cut off"),
        (json(200, &json!({"data": []})), "contains no image"),
        (json(200, &json!({"data": [{"b64_json": &whole[..whole.len() - 3]}]})), "damaged or cut off"),
        (data(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "an SVG drawing"),
        (data(b"GIF89a.............."), "a GIF"),
        (data(b"<html><body>"), "a web page"),
        (json(200, &json!({"data": [{"url": "data:image/svg+xml;base64,PHN2Zy8+"}]})), "an SVG drawing"),
        (Reply::Full(200, "", vec![b' '; 25_000_001]), "more than 25 MB"),
        (Reply::Endless, "more than 25 MB"),
    ] {
        let error = answered("openai", reply).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn connection_errors_are_distinguished() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\"".to_vec();
    for raw in [Vec::new(), cut, b"SSH-2.0-OpenSSH_9\r\n".to_vec()] {
        let error = answered("openai", Reply::Raw(raw)).await.unwrap_err();
        assert!(matches!(error, PromptError::ConnectionLost { .. }), "{error:?}");
    }
    // A server without TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await.unwrap_or_default();
    });
    let error = generate("openai", &set(&url).settings).await.unwrap_err();
    assert!(matches!(error, PromptError::Tls { .. }), "{error:?}");

    // RFC 6761 reserves .invalid, so it never resolves. A proxy would resolve it instead.
    if !std::env::vars().any(|(name, _)| name.to_lowercase().ends_with("_proxy")) {
        let error = generate("openai", &set("https://bgcam.invalid").settings).await.unwrap_err();
        assert!(matches!(&error, PromptError::Dns { host, .. } if host == "bgcam.invalid"), "{error:?}");
    }

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = generate("openai", &set(&format!("http://{free}")).settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::Connect { why, .. } if why.contains("refused")), "{error:?}");
}

#[tokio::test]
async fn redirects_stay_on_the_same_origin() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Full(307, "Location: /v1/elsewhere\r\n", Vec::new()),
        _ => json(200, &json!({"data": [{"b64_json": base64()}]})),
    })
    .await;
    generate("openai", &set(&server.url).settings).await.unwrap();
    assert_eq!(server.requests()[1].line, "POST /v1/elsewhere");

    let reply = Reply::Full(307, "Location: https://evil.example/x?key=1\r\n", Vec::new());
    let error = answered("openai", reply).await.unwrap_err();
    assert!(matches!(&error, PromptError::Redirected { to, .. } if to == "https://evil.example"), "{error:?}");

    let server = Server::start(|number, _| match number {
        0 => Reply::Full(303, "Location: /sk-canary-0123456789abcdef\r\n", Vec::new()),
        _ => text(404, "no"),
    })
    .await;
    let error = generate("openai", &set(&server.url).settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::NoSuchPath { path, .. } if path == "/***"), "{error:?}");
    let reply = Reply::Full(307, "Location: https://sk-canary-0123456789abcdef.example/\r\n", Vec::new());
    let error = answered("openai", reply).await.unwrap_err();
    assert!(matches!(&error, PromptError::Redirected { to, .. } if to == "https://***.example"), "{error:?}");
}

#[tokio::test]
async fn busy_servers_are_retried_and_reported() {
    let busy = || Reply::Full(429, "Retry-After: 0\r\n", b"{\"error\": {\"message\": \"slow down\"}}".to_vec());
    let server = Server::start(move |number, _| match number {
        0 => busy(),
        1 => Reply::Full(503, "Retry-After: 0\r\n", Vec::new()),
        _ => json(200, &json!({"data": [{"b64_json": base64()}]})),
    })
    .await;
    let set_up = set(&server.url);
    let (provider, recipe) = recipe("openai", &set_up.settings);
    let reported = Mutex::new(Vec::new());
    provider.generate(&recipe, &|progress| reported.lock().unwrap().push(progress)).await.unwrap();
    let waits = reported.lock().unwrap().iter().filter(|progress| matches!(progress, Progress::Waiting(_))).count();
    assert_eq!((waits, server.requests().len()), (2, 3));

    let server = Server::always(busy()).await;
    let error = generate("openai", &set(&server.url).settings).await.unwrap_err();
    assert!(matches!(&error, PromptError::Throttled { detail, .. } if detail == "slow down"), "{error:?}");
    assert_eq!(server.requests().len(), 3);
    // A delay of an hour exceeds the time limit.
    let server = Server::always(Reply::Full(429, "Retry-After: 3600\r\n", Vec::new())).await;
    let error = generate("openai", &set(&server.url).settings).await.unwrap_err();
    assert!(matches!(error, PromptError::Throttled { .. }) && server.requests().len() == 1);
}

#[tokio::test]
async fn requests_time_out() {
    let server = Server::always(Reply::Hang).await;
    let set = set(&server.url);
    let (provider, recipe) = recipe("gateway", &set.settings);
    let watch = async {
        server.received(1).await;
        tokio::time::pause(); // from now on, the clock jumps to the next timer
        std::future::pending::<()>().await;
    };
    let error = tokio::select! { image = provider.generate(&recipe, &|_| {}) => image.unwrap_err(), () = watch => unreachable!() };
    assert!(matches!(error, PromptError::TimedOut { limit, .. } if limit.as_secs() == 40), "{error:?}");
}

#[tokio::test]
async fn cancelling_closes_the_connection() {
    let server = Server::always(Reply::Hang).await;
    let set = set(&server.url);
    let (provider, recipe) = recipe("openai", &set.settings);
    tokio::select! {
        image = provider.generate(&recipe, &|_| {}) => panic!("{image:?}"),
        () = server.received(1) => {}
    }
    tokio::time::timeout(Duration::from_secs(20), server.closed(1)).await.unwrap();
}

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
    for name in ["openai", "bedrock", "gateway", "stability", "gemini"] {
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
    let list = catalogue::list(&settings);
    let info = |name| list.iter().find(|info| info.name == name).unwrap();
    assert!(info(Name::Builtin).configured && info(Name::SdWebUi).configured);
    assert!(info(Name::Builtin).note.contains("offline"));
    for (name, expected) in [
        (Name::OpenAi, "BGCAM_TEST_NO_SUCH_KEY"),
        (Name::Gateway, "prompt.gateway.url"),
        (Name::ComfyUi, "prompt.comfyui.workflow"),
        (Name::Command, "prompt.command.program"),
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

fn program(script: &str) -> PromptSettings {
    let mut settings = PromptSettings::default();
    settings.command.program = "sh".to_owned();
    settings.command.args = ["-c", script].map(str::to_owned).to_vec();
    settings
}

fn image_file(folder: &Path) -> PathBuf {
    let path = folder.join("image.png");
    fs::write(&path, png()).unwrap();
    path
}

#[tokio::test]
async fn a_program_returns_an_image_on_stdout_or_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = image_file(folder.path());
    let image = file.display();
    let received = folder.path().join("received");
    for script in [
        format!("cat > {}; cat {image}", received.display()),
        format!("printenv BGCAM_PROMPT > {}; echo busy; cp {image} \"$BGCAM_OUTPUT\"", received.display()),
        format!("cat > {}; sleep 1000 & cat {image}", received.display()), // its background processes end with it
    ] {
        let image = generate("command", &program(&script)).await.unwrap();
        assert_eq!(image.bytes, png(), "{script}");
        assert!(fs::read_to_string(&received).unwrap().starts_with("beach, "), "{script}");
    }
    let script = format!("[ $BGCAM_WIDTH$BGCAM_HEIGHT$BGCAM_SEED = 12807207 ] && cat {image}");
    generate("command", &program(&script)).await.unwrap();
}

#[tokio::test]
async fn program_errors_are_quoted() {
    for (script, expected) in [
        ("echo no such model >&2; exit 3", "exit status: 3: no such model"),
        ("exit 0", "stdout and the file BGCAM_OUTPUT are empty"),
        ("echo '<svg/>'", "an SVG drawing"),
        ("head -c 26000000 /dev/zero", "more than 25 MB"),
        ("ln -s /dev/zero \"$BGCAM_OUTPUT\"", "not a regular file"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let error = generate("command", &program(script)).await.unwrap_err();
        let failure = Failure::from(error);
        assert!(failure.message.contains(expected), "{script}: {failure}");
    }
    let mut settings = program("");
    settings.command.program = "bgcam-no-such-program".to_owned();
    let failure = Failure::from(generate("command", &settings).await.unwrap_err());
    assert_eq!(failure.hint.as_deref(), Some("check that it is installed: `command -v bgcam-no-such-program`"));
}

#[tokio::test]
async fn cancelling_kills_a_program_and_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("alive");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    // The grandchild keeps the pipe open until it ends.
    let settings = program(&format!("(echo up; sleep 1000) > {} & wait", fifo.display()));
    let (provider, recipe) = recipe("command", &settings);
    let mut pipe = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let mut greeting = [0; 3];
    tokio::select! {
        image = provider.generate(&recipe, &|_| {}) => panic!("{image:?}"),
        read = read_exact(&mut pipe, &mut greeting) => read.unwrap(),
    }
    let end = tokio::time::timeout(Duration::from_secs(20), read_exact(&mut pipe, &mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

async fn read_exact(pipe: &mut tokio::net::unix::pipe::Receiver, into: &mut [u8]) -> io::Result<()> {
    tokio::io::AsyncReadExt::read_exact(pipe, into).await.map(drop)
}

/// The daemon may run it on any thread.
#[test]
fn the_future_is_send() {
    fn is_send<T: Send>(_: &T) {}
    let settings = PromptSettings::default();
    let (provider, recipe) = recipe("builtin", &settings);
    is_send(&provider.generate(&recipe, &|_| {}));
}
