//! The requests to hosted services and their responses, as their public documentation describes them.

use super::*;

/// A request that a provider sends for a beach of 1280x720 pixels, and the response.
struct Exchange {
    provider: &'static str,
    /// The method and the path.
    line: &'static str,
    /// The header with the key.
    key: String,
    /// Some fields of the body.
    body: Value,
    response: Value,
    /// The price in the response.
    cost: Option<f64>,
}

fn exchanges() -> Vec<Exchange> {
    let bearer = || format!("authorization: Bearer {CANARY}\n");
    let data = || json!({"created": 1, "data": [{"b64_json": base64()}]});
    let with = |mut response: Value, usage: Value| {
        response["usage"] = usage;
        response
    };
    vec![
        Exchange {
            provider: "openrouter",
            line: "POST /images",
            key: bearer(),
            body: json!({"model": "bytedance-seed/seedream-4.5", "aspect_ratio": "16:9", "seed": 7, "n": 1}),
            response: with(data(), json!({"cost": 0.0412})),
            cost: Some(0.0412),
        },
        Exchange {
            provider: "fal",
            line: "POST /fal-ai/flux/schnell",
            key: format!("authorization: Key {CANARY}\n"),
            body: json!({"image_size": {"width": 1280, "height": 720}, "sync_mode": true, "seed": 7}),
            response: json!({"images": [{"url": format!("data:image/jpeg;base64,{}", base64())}], "seed": 7}),
            cost: Some(0.0), // a local server costs nothing
        },
        Exchange {
            provider: "xai",
            line: "POST /images/generations",
            key: bearer(),
            body: json!({"model": "grok-imagine-image", "aspect_ratio": "16:9", "response_format": "b64_json", "size": null}),
            response: data(),
            cost: Some(0.0),
        },
        Exchange {
            provider: "together",
            line: "POST /images/generations",
            key: bearer(),
            body: json!({"width": 1280, "height": 720, "response_format": "base64", "size": null}),
            response: data(),
            cost: Some(0.0),
        },
        Exchange {
            provider: "azure",
            line: "POST /openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview",
            key: format!("api-key: {CANARY}\n"),
            body: json!({"model": null, "size": "1536x864", "quality": "low", "output_format": "jpeg"}),
            response: data(),
            cost: Some(0.005),
        },
        Exchange {
            provider: "vertex",
            line: "POST /v1/projects/my-project/locations/global/publishers/google/models/\
                   gemini-3.1-flash-lite-image:generateContent",
            key: bearer(),
            body: json!({}),
            response: json!({"candidates": [{"content": {"parts": [{"inlineData": {"data": base64()}}]}}]}),
            cost: Some(0.0336),
        },
    ]
}

#[tokio::test]
async fn every_service_gets_its_own_request() {
    for Exchange { provider, line, key, body, response, cost } in exchanges() {
        let server = Server::always(json(200, &response)).await;
        let image = generate(provider, &set(&server.url).settings).await.unwrap();
        assert_eq!((image.bytes, image.cost), (png(), cost), "{provider}");
        let request = &server.requests()[0];
        assert_eq!(request.line, line, "{provider}");
        assert!(request.headers.contains(&key), "{provider}: {}", request.headers);
        let sent = request.json();
        for (field, expected) in body.as_object().unwrap() {
            assert_eq!(&sent[field], expected, "{provider} {field}");
        }
        assert!(sent.to_string().contains("beach, "), "{provider}: {sent}");
    }
}

#[tokio::test]
async fn hugging_face_returns_the_image_itself() {
    let server = Server::always(Reply::Full(200, "Content-Type: image/jpeg\r\n", png())).await;
    let mut set = set(&format!("{}/hf-inference", server.url));
    set.settings.huggingface.model = "stabilityai/stable-diffusion-3.5-large".to_owned();
    assert_eq!(generate("huggingface", &set.settings).await.unwrap().bytes, png());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /hf-inference/models/stabilityai/stable-diffusion-3.5-large");
    assert!(request.headers.contains(&format!("authorization: Bearer {CANARY}\n")));
    let body = request.json();
    assert!(body["inputs"].as_str().unwrap().starts_with("beach, "));
    assert_eq!((&body["parameters"]["width"], &body["parameters"]["seed"]), (&json!(1280), &json!(7)));
    assert!(body["parameters"]["negative_prompt"].as_str().unwrap().contains("people"));
}

/// Replies to the request with the task `ab`, then with `polls` in turn, and serves an image.
async fn task(polls: Vec<Value>) -> Server {
    Server::start(move |number, request| match &*request.line {
        "POST /v1/flux-2-pro" => json(200, &json!({"id": "ab", "polling_url": "/v1/get_result?id=ab", "cost": 3.5})),
        "GET /v1/get_result?id=ab" => json(200, &polls[(number - 1).min(polls.len() - 1)]),
        "GET /sample.jpeg?sig=1" => Reply::Full(200, "", png()),
        other => text(500, other),
    })
    .await
}

#[tokio::test]
async fn black_forest_labs_is_polled() {
    let ready = json!({"id": "ab", "status": "Ready", "result": {"sample": "/sample.jpeg?sig=1"}});
    let server = task(vec![json!({"status": "Pending", "progress": 0.5, "result": null}), ready]).await;
    let set = set(&server.url);
    let (provider, recipe) = recipe("bfl", &set.settings);
    let reported = Mutex::new(Vec::new());
    let image = provider.generate(&recipe, &|progress| reported.lock().unwrap().push(progress)).await.unwrap();
    assert_eq!((image.bytes, image.cost), (png(), Some(0.035)));
    assert!(reported.lock().unwrap().contains(&Progress::Done(0.5)));
    let requests = server.requests();
    let body = requests[0].json();
    assert_eq!((&body["width"], &body["height"], &body["seed"]), (&json!(1280), &json!(720), &json!(7)));
    for request in &requests[..3] {
        assert!(request.headers.contains(&format!("x-key: {CANARY}\n")), "{request:?}");
    }
}

#[tokio::test]
async fn a_task_that_ends_without_an_image_is_reported() {
    for (end, expected) in [
        (
            json!({"status": "Request Moderated", "details": {"Moderation Reasons": ["Derivative Works"]}}),
            "rejected this",
        ),
        (json!({"status": "Content Moderated", "result": null}), "rejected this prompt: Content Moderated"),
        (json!({"status": "Error", "details": {"error": "out of memory"}}), "Error: out of memory"),
        (json!({"status": "Task not found", "result": null}), "Task not found"),
        (json!({"status": "Ready", "result": {"sample": "https://bfl.ai.evil.example/a"}}), "bfl.ai.evil.example"),
        (json!({"status": "Ready", "result": null}), "contains no image"),
        (json!({"detail": "no"}), "no"),
        (json!([]), "contains no image"),
    ] {
        let server = task(vec![end.clone()]).await;
        let error = generate("bfl", &set(&server.url).settings).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{end}: {error}");
    }
}

/// The key goes only to the server that the user has configured.
#[tokio::test]
async fn image_servers_do_not_get_the_key() {
    let images = Server::always(Reply::Full(200, "", png())).await;
    let url = format!("{}/a.png", images.url);
    for name in ["openrouter", "fal", "xai", "together", "azure"] {
        let body = json!({"data": [{"url": url}], "images": [{"url": url}]});
        let error = answered(name, json(200, &body)).await.unwrap_err();
        assert!(matches!(error, PromptError::ForeignImageHost { .. }), "{name}: {error}");
    }
    assert!(images.requests().is_empty());
}

#[tokio::test]
async fn azure_has_two_addresses() {
    let server = Server::always(json(200, &json!({"data": [{"b64_json": base64()}]}))).await;
    let mut set = set(&server.url);
    set.settings.azure.api_version = "v1".to_owned();
    set.settings.azure.deployment = "my-images".to_owned();
    generate("azure", &set.settings).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /openai/v1/images/generations?api-version=preview");
    assert_eq!(request.json()["model"], "my-images");
}

#[test]
fn what_is_missing_is_named() {
    let mut set = set("https://host.example");
    set.settings.azure.deployment.clear();
    set.settings.vertex.project.clear();
    for (name, key) in [("azure", "prompt.azure.deployment"), ("vertex", "prompt.vertex.project")] {
        let error = catalogue::open(name, &set.settings).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    for (location, host) in [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
    ] {
        set.settings.vertex.project = "p".to_owned();
        set.settings.vertex.endpoint.clear();
        set.settings.vertex.location = location.to_owned();
        let summary = catalogue::open("vertex", &set.settings).unwrap().summary();
        assert_eq!(summary, format!("at {host}, project p"));
    }
    set.settings.vertex.location = "../x".to_owned();
    assert!(set.settings.check().unwrap_err().to_string().contains("prompt.vertex.location"));
}

/// Prices are known for the services' own servers.
#[test]
fn the_list_has_titles_and_prices() {
    let default = PromptSettings::default();
    let mut set = set("http://127.0.0.1:1");
    set.settings.bfl.base_url = default.bfl.base_url;
    set.settings.fal.base_url = default.fal.base_url;
    set.settings.xai.base_url = default.xai.base_url;
    set.settings.openrouter.base_url = default.openrouter.base_url;
    set.settings.openai.base_url = default.openai.base_url;
    set.settings.openai.quality = "medium".to_owned();
    let list = catalogue::list(&set.settings);
    for (name, title, price) in [
        ("bfl", "Black Forest Labs", 0.03),
        ("fal", "fal.ai", 0.0028),
        ("xai", "xAI", 0.02),
        ("openrouter", "OpenRouter", 0.04),
        ("openai", "OpenAI", 0.0103),
        ("together", "Together AI", 0.0),
        ("builtin", "Built-in painter", 0.0),
    ] {
        let info = list.iter().find(|info| info.name.as_str() == name).unwrap();
        assert_eq!(info.title, title);
        assert!(info.price.is_some_and(|known| (known - price).abs() < 0.0001), "{name}: {:?}", info.price);
    }
    let gateway = list.iter().find(|info| info.name == Name::Gateway).unwrap();
    assert_eq!((gateway.configured, gateway.price), (true, None));
}
