//! The request to each provider and its response.

use super::*;

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
        (&json!("1536x864"), &json!("low"), &json!("gpt-image-2.5-flare"))
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
async fn the_path_can_be_changed() {
    let server = Server::always(json(200, &json!({"data": [{"b64_json": base64()}]}))).await;
    let mut set = set(&format!("{}/api/v1", server.url));
    set.settings.openai.path = "images".to_owned();
    generate("openai", &set.settings).await.unwrap();
    assert_eq!(server.requests()[0].line, "POST /api/v1/images");
    set.settings.openai.path = "images?key=1".to_owned();
    assert!(set.settings.check().unwrap_err().to_string().contains("prompt.openai.path"));
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
    assert_eq!(request.line, "POST /v1beta/models/gemini-3.1-flash-lite-image:generateContent");
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
