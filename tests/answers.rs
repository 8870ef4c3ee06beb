//! Unusual but valid JSON responses: nulls, blank strings, other fields, errors with status 200, and servers that
//! reject optional fields. Each results in an image or an error that quotes the server.
#![allow(clippy::unwrap_used)]

#[path = "support/http.rs"]
mod http;
#[path = "support/providers.rs"]
mod support;

use bgcam::prompt::{GeneratedImage, PromptError};
use http::{Reply, Server, json, text};
use serde_json::{Value, json};
use support::{base64, generate, png, set, workflow};

/// The providers whose first response may be the image itself.
const DIRECT: [&str; 14] = [
    "openai",
    "azure",
    "bedrock",
    "gateway",
    "sdwebui",
    "stability",
    "gemini",
    "vertex",
    "openrouter",
    "bfl",
    "fal",
    "xai",
    "together",
    "huggingface",
];

/// Requests an image from `name`, whose server sends `answer`, and serves an image at /a.png.
async fn answered(name: &str, status: u16, answer: Value) -> Result<GeneratedImage, PromptError> {
    let server = Server::start(move |_, request| match &*request.line {
        "GET /a.png" => Reply::Full(200, "Content-Type: text/plain\r\n", png()),
        _ => json(status, &answer),
    })
    .await;
    generate(name, &set(&server.url).settings).await
}

#[tokio::test]
async fn images_are_found_in_unusual_responses() {
    let image = base64();
    let (data_url, spaced) = (format!("data:image/png;base64,{image}"), format!("\n{image}\n"));
    let url = "/a.png";
    let part =
        |data: Value| json!({"candidates": [{"content": {"parts": [{"text": null}, data]}, "finishReason": null}]});
    let body = json!({"base64_image": image}).to_string();
    for (name, answer) in [
        ("openai", json!({"data": [{"url": url}]})),
        ("openai", json!({"data": [{"b64_json": "", "url": url}]})),
        ("openai", json!({"data": [{"b64_json": null, "url": url}], "error": null})),
        ("openai", json!({"data": [{"b64_json": " \n", "url": data_url}]})),
        ("openai", json!({"data": [{"b64_json": image, "url": ""}]})),
        ("openai", json!({"data": [{"b64_json": data_url, "url": null}]})),
        ("openai", json!({"data": [{"b64_json": spaced}]})),
        ("openai", json!({"data": [{"b64_json": "AAAA", "url": url}]})),
        ("openai", json!({"data": [{}, null, {"b64_json": image}]})),
        ("openai", json!({"data": {"b64_json": image}})),
        ("openai", json!({"data": [image]})),
        ("openai", json!({"data": null, "images": [{"url": url}]})),
        ("openrouter", json!({"created": 1, "data": [{"b64_json": image}], "usage": {"cost": null}})),
        ("fal", json!({"images": [{"url": data_url, "width": 32}], "has_nsfw_concepts": [false], "prompt": "beach"})),
        ("fal", json!({"images": [{"url": url}], "has_nsfw_concepts": null})),
        ("xai", json!({"data": [{"b64_json": data_url, "revised_prompt": ""}], "block_reason": null})),
        (
            "together",
            json!({"id": "1", "object": "list", "data": [{"index": 0, "b64_json": image, "type": "b64_json"}]}),
        ),
        ("azure", json!({"created": 1, "data": [{"url": url}]})),
        ("vertex", part(json!({"inlineData": {"data": image}}))),
        ("sdwebui", json!({"images": [image], "parameters": {}, "info": null})),
        ("sdwebui", json!({"images": [image], "info": {"seed": 5}})),
        ("sdwebui", json!({"images": [image], "info": "not JSON"})),
        ("sdwebui", json!({"images": [null, "", data_url]})),
        ("sdwebui", json!({"images": image, "error": ""})),
        ("gateway", json!({"base64_image": data_url})),
        ("gateway", json!({"statusCode": 200, "body": body})),
        ("stability", json!({"image": image, "finish_reason": null, "seed": "7", "errors": null})),
        ("stability", json!({"image": data_url, "finish_reason": "SUCCESS", "seed": null})),
        ("bedrock", json!({"images": [image], "finish_reasons": null, "seeds": null, "error": ""})),
        ("bedrock", json!({"images": [null, image], "finish_reasons": [""], "seeds": ["7"], "artifacts": null})),
        ("bedrock", json!({"images": null, "artifacts": [{"base64": spaced, "finishReason": null, "seed": null}]})),
        ("gemini", part(json!({"inlineData": {"data": image}}))),
        ("gemini", part(json!({"inline_data": {"mime_type": "image/png", "data": data_url}}))),
        ("gemini", json!([{"candidates": null, "promptFeedback": null}, part(json!({"inlineData": {"data": image}}))])),
    ] {
        let shown = answer.to_string().replace(&image, "...");
        match answered(name, 200, answer).await {
            Ok(found) => assert_eq!(found.bytes, png(), "{name} {shown}"),
            Err(error) => panic!("{name} {shown}: {error}"),
        }
    }
    let seed = |image: Result<GeneratedImage, PromptError>| image.unwrap().seed;
    assert_eq!(seed(answered("sdwebui", 200, json!({"images": [image], "info": {"seed": 5}})).await), Some(5));
    assert_eq!(seed(answered("sdwebui", 200, json!({"images": [image], "info": "{\"seed\": -1}"})).await), None);
}

#[tokio::test]
async fn an_image_instead_of_json_is_accepted() {
    for name in DIRECT {
        let server = Server::always(Reply::Full(200, "Content-Type: application/json\r\n", png())).await;
        assert_eq!(generate(name, &set(&server.url).settings).await.unwrap().bytes, png(), "{name}");
    }
}

#[tokio::test]
async fn errors_with_status_200_are_quoted() {
    let long = format!("model is overloaded {}", "x".repeat(100_000));
    for (answer, expected) in [
        (json!({"error": {"message": "insufficient balance", "type": "billing"}}), "insufficient balance"),
        (json!({"data": null, "error": {"message": "model is overloaded"}}), "model is overloaded"),
        (json!({"error": "out of disk"}), "out of disk"),
        (json!({"error": ["out of disk", {"message": "and hope"}]}), "out of disk; and hope"),
        (json!({"error": {"error": {"message": "out of disk"}}}), "out of disk"),
        (json!({"error": {"code": 1302, "status": null}}), r#"{"code":1302,"status":null}"#),
        (json!({"error": null, "message": "out of disk", "data": [], "images": []}), "out of disk"),
        (json!({"errors": [{"message": "out of disk"}], "images": null}), "out of disk"),
        (json!({"detail": [{"loc": ["body"], "msg": "out of disk"}]}), "out of disk"),
        (json!({"errorMessage": "'prompt'", "errorType": "KeyError", "stackTrace": []}), "'prompt'"),
        (json!({"error": {"message": long}}), "model is overloaded xxx"),
        (json!("out of disk"), "out of disk"),
        (json!({"error": {"message": "flagged", "code": "moderation_blocked"}}), "flagged"),
        (json!({"error": null, "data": null}), "contains no image"),
        (json!({}), "contains no image"),
        (json!([]), "contains no image"),
        (json!(null), "contains no image"),
        (json!(17), "contains no image"),
    ] {
        for name in DIRECT {
            let error = answered(name, 200, answer.clone()).await.unwrap_err().to_string();
            let brief = answer.to_string().chars().take(100).collect::<String>();
            assert!(error.contains(expected) && error.contains(name), "{name} {brief}: {error}");
            assert!(error.len() < 500, "{name} {brief}: {error}");
        }
    }
    for (body, expected) in [
        ("<!doctype html><html><head><title>Sign in to Wi-Fi</title>", "a web page, not JSON: Sign in to Wi-Fi"),
        ("quota of this month is used", "not JSON: quota of this month is used"),
    ] {
        let server = Server::always(text(200, body)).await;
        let error = generate("openai", &set(&server.url).settings).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn comfyui_errors_are_quoted() {
    for (queued, history, expected) in [
        (json!({"prompt_id": null, "error": {"message": "no"}}), json!({}), "no"),
        (
            json!({"error": {"type": "t", "message": "Prompt outputs failed validation", "details": ""},
                "node_errors": {"4": {"errors": [{"message": "Value not in list", "details": "ckpt_name: 'x'"}]}}}),
            json!({}),
            "failed validation: Value not in list: ckpt_name: 'x'",
        ),
        (json!([]), json!({}), "contains no image"),
        (json!({"prompt_id": "a"}), json!({"a": {"outputs": null, "status": null}}), "saved no image"),
        (json!({"prompt_id": "a"}), json!({"a": {"outputs": {"1": {"images": null}, "2": null}}}), "saved no image"),
        (json!({"prompt_id": "a"}), json!({"a": {"outputs": {"1": {"images": [{"filename": ""}]}}}}), "saved no image"),
        (json!({"prompt_id": "a"}), json!({"error": "database is locked"}), "database is locked"),
        (json!({"prompt_id": "a"}), json!({"a": {"outputs": {"1": {"images": [{"filename": "x"}]}}}}), "a text file"),
    ] {
        let shown = queued.to_string();
        let server = Server::start(move |_, request| match request.line.split(['?', ' ', '/']).nth(2).unwrap() {
            "prompt" => json(200, &queued),
            "history" => json(200, &history),
            _ => json(200, &json!({"error": "no such file"})),
        })
        .await;
        let mut set = set(&server.url);
        workflow(&mut set);
        let error = generate("comfyui", &set.settings).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{shown}: {error}");
    }
}

/// A server that rejects the first field that is not in `known`.
async fn strict(known: &'static [&'static str], rejection: fn(&str) -> Value, status: u16) -> Server {
    Server::start(move |_, request| {
        let sent = request.json();
        match sent.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => json(status, &rejection(key)),
            None => json(200, &json!({"data": [{"b64_json": base64()}], "images": [base64()]})),
        }
    })
    .await
}

#[tokio::test]
async fn unknown_fields_are_omitted_and_remembered() {
    let openai: fn(&str) -> Value = |key| {
        let message = format!("Unknown parameter: '{key}'.");
        json!({"error": {"message": message, "type": "invalid_request_error", "param": key, "code": "unknown_parameter"}})
    };
    let quoted: fn(&str) -> Value =
        |key| json!({"error": format!("unknown field `{key}`, expected `model` or `prompt`")});
    let fastapi: fn(&str) -> Value =
        |key| json!({"detail": [{"loc": ["body", key], "msg": "Extra inputs are not permitted"}]});
    for (model, rejection, status) in
        [("my-deployment", openai, 400), ("gpt-image-2", openai, 400), ("flux", quoted, 400), ("flux", fastapi, 422)]
    {
        let server = strict(&["model", "prompt", "n", "size"], rejection, status).await;
        let mut set = set(&server.url);
        set.settings.openai.model = model.to_owned();
        let first = generate("openai", &set.settings).await.unwrap();
        assert_eq!(first.bytes, png(), "{model}");
        let requests = server.requests();
        assert!((3..=5).contains(&requests.len()), "each field is dropped once: {requests:?}");
        assert!(requests.iter().all(|request| request.json()["prompt"].as_str().unwrap().starts_with("beach")));
        let again = generate("openai", &set.settings).await.unwrap();
        assert_eq!(server.requests().len(), requests.len() + 1, "rejected fields are remembered");
        assert_eq!(first.notes, again.notes, "and noted again");
        let expected = if model == "gpt-image-2" { &["quality"][..] } else { &["negative_prompt", "seed"] };
        assert_eq!(first.notes.len(), expected.len(), "{:?}", first.notes);
        for field in expected {
            assert!(first.notes.iter().any(|note| note.contains(&format!("does not support {field:?}"))), "{field}");
        }
        // Another model on the same server may accept more.
        set.settings.openai.model = format!("{model}-2");
        generate("openai", &set.settings).await.unwrap();
        assert_eq!(server.requests().len(), 2 * requests.len() + 1, "{model}");
    }
}

#[tokio::test]
async fn every_provider_omits_rejected_fields() {
    let google = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "Invalid JSON payload received. Unknown name \"seed\" at 'generation_config': Cannot find field."}});
    let amazon = json!({"message": "Malformed input request: #: extraneous key [negative_prompt] is not permitted"});
    let stability = json!({"id": "1", "name": "bad_request", "errors": ["negative_prompt: is not allowed"]});
    let part = json!({"inlineData": {"data": base64()}});
    let good = json!({"images": [base64()], "image": base64(), "candidates": [{"content": {"parts": [part]}}]});
    for (name, rejection, field) in [
        ("gemini", google, "seed"),
        ("bedrock", amazon, "negative_prompt"),
        ("stability", stability, "negative_prompt"),
        ("sdwebui", json!({"detail": [{"loc": ["body", "cfg_scale"], "msg": "no"}]}), "cfg_scale"),
    ] {
        let good = good.clone();
        let server = Server::start(move |_, request| {
            let sent = String::from_utf8_lossy(&request.body).contains(&format!("\"{field}\""));
            if sent { json(if name == "sdwebui" { 422 } else { 400 }, &rejection) } else { json(200, &good) }
        })
        .await;
        let image = generate(name, &set(&server.url).settings).await.unwrap();
        assert_eq!(image.bytes, png(), "{name}");
        assert!(image.notes[0].contains(&format!("does not support {field:?}")), "{:?}", image.notes);
        let posts = server.requests().iter().filter(|request| request.line.starts_with("POST")).count();
        assert_eq!(posts, 2, "{name}");
    }
}

#[tokio::test]
async fn the_prompt_is_never_omitted_and_retries_are_bounded() {
    for (rejection, requests) in [
        (json!({"error": {"message": "'prompt' is too long", "param": "prompt"}}), 1),
        (json!({"error": {"message": "model 'x' has no such size", "param": "model"}}), 1),
        (json!({"error": {"message": "something is wrong with the size of the seed"}}), 1),
        (json!({"error": {"message": "unknown field 'seed'"}}), 2), // the server repeats it without the field
    ] {
        let server = Server::always(json(400, &rejection)).await;
        let mut set = set(&server.url);
        set.settings.openai.model = "flux".to_owned();
        let error = generate("openai", &set.settings).await.unwrap_err();
        assert!(matches!(error, PromptError::BadRequest { .. }), "{error}");
        assert_eq!(server.requests().len(), requests, "{rejection}");
    }
    // Fields are not remembered if the request fails in the end.
    let server = Server::start(|number, request| match number {
        0 => json(400, &json!({"error": "unknown field 'seed'"})),
        1 => json(400, &json!({"error": "no"})),
        _ if request.json()["seed"] == 7 => json(200, &json!({"data": [{"b64_json": base64()}]})),
        _ => json(400, &json!({"error": "the seed is missing"})),
    })
    .await;
    let mut set = set(&server.url);
    set.settings.openai.model = "flux".to_owned();
    assert!(generate("openai", &set.settings).await.is_err());
    generate("openai", &set.settings).await.unwrap();
}
