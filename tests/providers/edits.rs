//! Edits of an image: the request to each provider, which follows its public documentation, and its response.

use bgcam::{
    media::image_file::Limits,
    prompt::{self, GeneratedImage, Parent, PromptRequest, Provider, Recipe, SourceImage},
};

use super::*;

/// The image in the gallery.
fn source() -> SourceImage {
    SourceImage::generated(png(), "test", &Limits::default()).unwrap()
}

fn edit_recipe(provider: &dyn Provider, settings: &PromptSettings) -> Result<Recipe, PromptError> {
    let request = PromptRequest { text: "make it night".to_owned(), seed: Some(7), ..PromptRequest::default() };
    let parent = Parent { id: "beach-1a2b3c4d".to_owned(), scene: "a beach".to_owned(), imported: false };
    prompt::edit_recipe(&request, provider, settings, (1280, 720), parent)
}

async fn edit(name: &str, settings: &PromptSettings) -> Result<GeneratedImage, PromptError> {
    let provider = catalogue::open(name, settings).unwrap();
    let recipe = edit_recipe(&*provider, settings)?;
    provider.edit(&recipe, &source(), &|_| {}).await
}

/// Whether a multipart body has this field.
fn has_field(body: &[u8], name: &str, value: &str) -> bool {
    let body = String::from_utf8_lossy(body);
    body.contains(&format!("name=\"{name}\"\r\n\r\n{value}"))
}

/// Whether a multipart body has these bytes as the file `image`.
fn has_image(body: &[u8], bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    text.contains("name=\"image\"; filename=\"bgcam.png\"\r\nContent-Type: image/png")
        && body.windows(bytes.len()).any(|part| part == bytes)
}

#[tokio::test]
async fn openai_gets_the_image_and_the_instruction_in_a_form() {
    let server = Server::always(json(200, &json!({"data": [{"b64_json": base64()}]}))).await;
    assert_eq!(edit("openai", &set(&server.url).settings).await.unwrap().bytes, png());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v1/images/edits");
    assert!(request.headers.contains(&format!("authorization: Bearer {CANARY}\n")), "{request:?}");
    assert!(request.headers.contains("content-type: multipart/form-data"), "{request:?}");
    assert!(has_image(&request.body, &png()));
    for (name, value) in [("prompt", "make it night. Keep"), ("model", "gpt-image-"), ("n", "1"), ("size", "1536x864")]
    {
        assert!(has_field(&request.body, name, value), "{name}: {}", String::from_utf8_lossy(&request.body));
    }
}

#[tokio::test]
async fn a_rejected_field_of_an_edit_is_dropped_and_the_image_is_sent_again() {
    let server = Server::start(|number, _| match number {
        0 => json(400, &json!({"error": {"message": "Unknown parameter: 'quality'.", "param": "quality"}})),
        _ => json(200, &json!({"data": [{"b64_json": base64()}]})),
    })
    .await;
    let image = edit("openai", &set(&server.url).settings).await.unwrap();
    assert!(image.notes[0].contains("quality"), "{:?}", image.notes);
    let requests = server.requests();
    assert!(has_field(&requests[0].body, "quality", "low") && !has_field(&requests[1].body, "quality", "low"));
    assert!(has_image(&requests[1].body, &png()));
}

#[tokio::test]
async fn azure_gets_the_same_form_at_the_address_of_the_deployment() {
    let server = Server::always(json(200, &json!({"data": [{"b64_json": base64()}]}))).await;
    let mut set = set(&server.url);
    set.settings.azure.deployment = "my-images".to_owned();
    for (version, line, has_model) in [
        ("2025-04-01-preview", "/openai/deployments/my-images/images/edits?api-version=2025-04-01-preview", false),
        ("v1", "/openai/v1/images/edits?api-version=preview", true),
    ] {
        set.settings.azure.api_version = version.to_owned();
        assert_eq!(edit("azure", &set.settings).await.unwrap().bytes, png());
        let requests = server.requests();
        let request = requests.last().unwrap();
        assert_eq!(request.line, format!("POST {line}"));
        assert!(request.headers.contains(&format!("api-key: {CANARY}\n")), "{request:?}");
        assert!(has_image(&request.body, &png()) && has_field(&request.body, "prompt", "make it night. Keep"));
        assert_eq!(has_field(&request.body, "model", "my-images"), has_model);
    }
}

#[tokio::test]
async fn a_compatible_server_without_edits_is_reported_as_such() {
    let server = Server::always(text(404, "404 page not found")).await;
    let error = edit("openai", &set(&server.url).settings).await.unwrap_err();
    let failure = Failure::from(error);
    assert!(failure.message.starts_with("provider openai cannot edit images: "), "{failure}");
    assert!(failure.message.contains("/v1/images/edits"), "{failure}");
    assert!(failure.hint.unwrap().contains("bgcam set-prompt 'a beach, make it night' --provider openai"));
}

#[tokio::test]
async fn gemini_gets_the_image_before_the_instruction() {
    let parts = json!([{"inlineData": {"mimeType": "image/png", "data": base64()}}]);
    let server = Server::always(json(200, &json!({"candidates": [{"content": {"parts": parts}}]}))).await;
    assert_eq!(edit("gemini", &set(&server.url).settings).await.unwrap().bytes, png());
    let body = server.requests()[0].json();
    let sent = &body["contents"][0]["parts"];
    assert_eq!(sent[0], json!({"inlineData": {"mimeType": "image/png", "data": base64()}}));
    assert!(sent[1]["text"].as_str().unwrap().starts_with("make it night. Keep"), "{sent}");
    assert_eq!(body["generationConfig"]["imageConfig"]["aspectRatio"], "16:9");
}

#[tokio::test]
async fn hosted_services_get_the_image_in_their_own_field() {
    let url = format!("data:image/png;base64,{}", base64());
    let data = json!({"data": [{"b64_json": base64()}]});
    let vertex = json!({"candidates": [{"content": {"parts": [{"inlineData": {"data": base64()}}]}}]});
    for (name, model, pointer, expected, response) in [
        ("xai", "grok-imagine-image", "/image/url", json!(url), &data),
        ("openrouter", "google/gemini", "/input_references/0/image_url/url", json!(url), &data),
        ("bfl", "flux-2-pro", "/input_image", json!(base64()), &data),
        ("fal", "fal-ai/flux-pro/kontext", "/image_url", json!(url), &data),
        ("fal", "fal-ai/nano-banana/edit", "/image_urls/0", json!(url), &data),
        ("vertex", "gemini-3.1-flash-image", "/contents/0/parts/0/inlineData/data", json!(base64()), &vertex),
    ] {
        let server = Server::start({
            let response = response.clone();
            move |number, request| match (name, number) {
                ("bfl", 0) => {
                    let host = request.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                    json(200, &json!({"id": "a", "polling_url": format!("http://{host}/v1/get_result?id=a")}))
                }
                ("bfl", 1) => json(200, &json!({"status": "Ready", "result": {"sample": "/a.png"}})),
                ("bfl", _) => Reply::Full(200, "", png()),
                _ => json(200, &response),
            }
        })
        .await;
        let mut set = set(&server.url);
        set.settings.openrouter.model = model.to_owned();
        set.settings.xai.model = model.to_owned();
        set.settings.bfl.model = model.to_owned();
        set.settings.fal.model = model.to_owned();
        set.settings.vertex.model = model.to_owned();
        assert_eq!(edit(name, &set.settings).await.unwrap().bytes, png(), "{model}");
        let request = &server.requests()[0];
        assert_eq!(name == "xai", request.line.ends_with("/images/edits"), "{}", request.line);
        let body = request.json();
        assert_eq!(body.pointer(pointer), Some(&expected), "{model}: {body}");
        assert!(body.to_string().contains("make it night. Keep"), "{body}");
    }
    let mut set = set("http://127.0.0.1:1");
    set.settings.bfl.model = "flux-pro-1.1".to_owned();
    for (name, reason) in [("bfl", "only FLUX.2"), ("fal", "fal-ai/flux-pro/kontext"), ("together", "public server")] {
        let failure = Failure::from(edit(name, &set.settings).await.unwrap_err());
        assert!(format!("{failure} {:?}", failure.hint).contains(reason), "{failure:?}");
    }
}

#[tokio::test]
async fn stability_keeps_the_structure_and_gets_a_description() {
    let server = Server::always(json(200, &json!({"image": base64(), "finish_reason": "SUCCESS", "seed": 7}))).await;
    let image = edit("stability", &set(&server.url).settings).await.unwrap();
    assert_eq!((image.bytes, image.seed), (png(), Some(7)));
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v2beta/stable-image/control/structure");
    assert!(has_image(&request.body, &png()));
    for (name, value) in [
        ("prompt", "a beach, make it night, "),
        ("negative_prompt", "people"),
        ("control_strength", "0.7"),
        ("seed", "7"),
    ] {
        assert!(has_field(&request.body, name, value), "{name}");
    }
    assert!(!has_field(&request.body, "aspect_ratio", ""), "the result has the size of the image");
}

#[tokio::test]
async fn bedrock_uses_the_inference_profile_of_its_regions() {
    let reply = json!({"seeds": [7], "finish_reasons": [null], "images": [base64()]});
    let server = Server::always(json(200, &reply)).await;
    let mut set = set(&server.url);
    let image = edit("bedrock", &set.settings).await.unwrap();
    assert_eq!((image.bytes, image.cost), (png(), Some(0.07)));
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /model/us.stability.stable-image-control-structure-v1%3A0/invoke");
    let body = request.json();
    assert_eq!((&body["image"], &body["control_strength"]), (&json!(base64()), &json!(0.7)));
    assert!(body["prompt"].as_str().unwrap().starts_with("a beach, make it night") && body["aspect_ratio"].is_null());
    set.settings.bedrock.model = "amazon.nova-canvas-v1:0".to_owned();
    assert!(matches!(edit("bedrock", &set.settings).await, Err(PromptError::CannotEdit { .. })));
}

#[tokio::test]
async fn sdwebui_gets_the_image_for_img2img() {
    let server = Server::always(json(200, &json!({"images": [base64()], "info": ""}))).await;
    assert_eq!(edit("sdwebui", &set(&server.url).settings).await.unwrap().bytes, png());
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /sdapi/v1/img2img");
    let body = request.json();
    assert_eq!(body["init_images"], json!([base64()]));
    assert!((body["denoising_strength"].as_f64().unwrap() - 0.6).abs() < 1e-6);
    assert!(body["prompt"].as_str().unwrap().starts_with("a beach, make it night"));
}

#[tokio::test]
async fn comfyui_uploads_the_image_and_fills_its_name_in() {
    let server = Server::start(|_, request| match &*request.line {
        "POST /upload/image" => json(200, &json!({"name": "bgcam (1).png", "subfolder": "", "type": "input"})),
        "POST /prompt" => json(200, &json!({"prompt_id": "ab"})),
        "GET /history/ab" => json(
            200,
            &json!({"ab": {"outputs": {"9": {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}}}}),
        ),
        _ => Reply::Full(200, "", png()),
    })
    .await;
    let mut set = set(&server.url);
    workflow(&mut set);
    let error = edit("comfyui", &set.settings).await.unwrap_err();
    assert!(error.to_string().contains("prompt.comfyui.edit_workflow is empty"), "{error}");

    let path = set.folder.path().join("edit.json");
    set.settings.comfyui.edit_workflow = path.display().to_string();
    fs::write(&path, r#"{"1": {"inputs": {"text": "%prompt%"}}}"#).unwrap();
    let error = catalogue::open("comfyui", &set.settings).unwrap_err();
    assert!(error.to_string().contains("does not contain %image%"), "{error}");

    let nodes = json!({"1": {"inputs": {"text": "%prompt%"}}, "2": {"class_type": "LoadImage", "inputs": {"image": "%image%"}}});
    fs::write(&path, nodes.to_string()).unwrap();
    assert_eq!(edit("comfyui", &set.settings).await.unwrap().bytes, png());
    let requests = server.requests();
    assert!(has_image(&requests[0].body, &png()) && has_field(&requests[0].body, "overwrite", "true"));
    let sent = requests[1].json();
    assert_eq!(sent["prompt"]["2"]["inputs"]["image"], "bgcam (1).png");
    assert!(sent["prompt"]["1"]["inputs"]["text"].as_str().unwrap().starts_with("make it night. Keep"));
}

#[tokio::test]
async fn the_painter_paints_a_new_image_and_says_so() {
    let image = edit("builtin", &PromptSettings::default()).await.unwrap();
    assert!(image.notes[0].contains("painted a new one from both descriptions"), "{:?}", image.notes);
}

#[tokio::test]
async fn keys_never_reach_the_message_of_a_failed_edit() {
    let echo = json!({"error": {"message": format!("your key {CANARY} is bad")}});
    for name in ["openai", "bedrock", "stability", "gemini"] {
        let server = Server::always(json(401, &echo)).await;
        let error = edit(name, &set(&server.url).settings).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        assert!(matches!(error, PromptError::KeyRejected { .. }), "{name}: {error}");
    }
}
