//! Responses that reject a request or have no valid image.

use super::*;

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
        ("openai", 404, openai("model_not_found", "The model does not exist"), "has no model \"gpt-image-2.5-flare\""),
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
            "gemini",
            400,
            google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            "rejected the API",
        ),
        ("vertex", 401, google("UNAUTHENTICATED", "invalid authentication credentials"), "rejected the API key"),
        ("vertex", 404, google("NOT_FOUND", "Publisher Model `projects/p/x` was not found"), "has no model"),
        ("vertex", 429, google("RESOURCE_EXHAUSTED", "Resource exhausted. Try again later."), "is busy"),
        ("vertex", 200, json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), "rejected this prompt"),
        ("azure", 401, openai("401", "Access denied due to invalid subscription key"), "rejected the API key"),
        ("azure", 404, openai("DeploymentNotFound", "The API deployment for this resource does not exist"), "no model"),
        (
            "azure",
            400,
            openai("contentFilter", "Your task failed as a result of our safety system"),
            "rejected this prompt",
        ),
        ("azure", 429, openai("429", "Requests have exceeded call rate limit"), "is busy"),
        ("azure", 400, openai("insufficient_quota", "no"), "is out of credit"),
        (
            "openrouter",
            401,
            json!({"error": {"code": 401, "message": "No auth credentials found"}}),
            "rejected the API",
        ),
        ("openrouter", 402, json!({"error": {"code": 402, "message": "Insufficient credits"}}), "is out of credit"),
        (
            "openrouter",
            403,
            json!({"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}),
            "rejected this prompt",
        ),
        ("openrouter", 400, json!({"error": {"code": 400, "message": "x/y is not a valid model ID"}}), "has no model"),
        ("openrouter", 429, json!({"error": {"code": 429, "message": "Rate limited upstream"}}), "is busy"),
        ("openrouter", 529, json!({"error": {"code": 529, "message": "Provider overloaded"}}), "is busy"),
        ("openrouter", 200, json!({"error": {"code": 502, "message": "upstream failed"}}), "upstream failed"),
        ("fal", 401, json!({"detail": "Authentication is required"}), "rejected the API key"),
        ("fal", 403, json!({"detail": "User is locked. Reason: Exhausted balance."}), "is out of credit"),
        ("fal", 404, json!({"detail": "Application 'flux9' not found"}), "has no model \"fal-ai/flux/schnell\""),
        (
            "fal",
            422,
            json!({"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": "content_policy_violation"}]}),
            "rejected this prompt",
        ),
        ("fal", 429, json!({"detail": "Too many concurrent requests"}), "is busy"),
        (
            "fal",
            200,
            json!({"images": [{"url": "https://v3.fal.media/a.png"}], "has_nsfw_concepts": [true]}),
            "rejected this prompt",
        ),
        ("fal", 200, json!({"images": [{"url": "https://fal.media.evil.example/a"}]}), "fal.media.evil.example"),
        ("bfl", 403, json!({"detail": "Not authenticated"}), "rejected the API key"),
        ("bfl", 402, json!({"detail": "Insufficient credits"}), "is out of credit"),
        ("bfl", 404, json!({"detail": "Not Found"}), "has no model \"flux-2-pro\""),
        ("bfl", 429, json!({"detail": "Too many active tasks"}), "is busy"),
        ("bfl", 422, json!({"detail": [{"loc": ["body", "prompt"], "msg": "too long"}]}), "rejected the request"),
        ("bfl", 200, json!({"id": "1", "polling_url": "https://evil-bfl.ai/v1/get_result?id=1"}), "evil-bfl.ai"),
        (
            "xai",
            400,
            json!({"code": "invalid-argument", "error": "Incorrect API key provided: xa***"}),
            "rejected the API",
        ),
        ("xai", 404, json!({"code": "not-found", "error": "The model grok-9 does not exist"}), "has no model"),
        ("xai", 403, json!({"error": "Your team has reached its monthly spending limit"}), "is out of credit"),
        ("xai", 400, json!({"error": "Generated image rejected by content moderation."}), "rejected this prompt"),
        ("xai", 429, json!({"error": "Too many requests"}), "is busy"),
        ("xai", 200, json!({"data": [], "block_reason": "violence"}), "rejected this prompt: violence"),
        ("xai", 200, json!({"data": [{"url": "", "respect_moderation": false}]}), "rejected this prompt"),
        ("together", 401, openai("invalid_api_key", "Invalid API key provided"), "rejected the API key"),
        ("together", 402, openai("credit_limit", "Credit limit exceeded"), "is out of credit"),
        ("together", 404, openai("model_not_available", "Unable to access model x"), "has no model"),
        ("together", 422, openai("nsfw", "NSFW content detected"), "rejected this prompt"),
        ("together", 429, openai("rate_limit", "slow down"), "is busy"),
        ("huggingface", 401, json!({"error": "Invalid username or password."}), "rejected the API key"),
        ("huggingface", 402, json!({"error": "You have exceeded your monthly included credits"}), "is out of credit"),
        ("huggingface", 400, json!({"error": "Model not supported by provider hf-inference"}), "has no model"),
        ("huggingface", 404, json!({"error": "Not Found"}), "has no model"),
        ("huggingface", 503, json!({"error": "Model x is currently loading", "estimated_time": 20.0}), "(status 503)"),
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
        let reply = Reply::Full(status, "Retry-After: 0\r\n", body.to_string().into_bytes());
        let error = answered(name, reply).await.unwrap_err();
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
async fn a_retired_model_is_refused_before_anything_is_sent() {
    let default = PromptSettings::default();
    let mut set = set("http://127.0.0.1:1");
    set.settings.openai.base_url = default.openai.base_url;
    set.settings.openai.model = "dall-e-3".to_owned();
    set.settings.bedrock.endpoint = default.bedrock.endpoint;
    set.settings.bedrock.model = "us.stability.stable-diffusion-xl-v1".to_owned();
    for (name, end, successor) in
        [("openai", "2026-05-12", "gpt-image-2.5-flare"), ("bedrock", "2025-05-20", "stability.stable-image-core-v1:1")]
    {
        let failure = Failure::from(generate(name, &set.settings).await.unwrap_err());
        assert!(failure.message.contains(&format!("on {end}")), "{failure}");
        let hint = failure.hint.unwrap();
        assert!(hint.contains(successor) && hint.contains(&format!("prompt.{name}.model")), "{hint}");
    }
}

#[tokio::test]
async fn compatible_servers_may_still_have_a_retired_model() {
    let server = Server::start(|_, request| match request.json()["model"].as_str().unwrap() {
        "dall-e-3" => json(200, &json!({"data": [{"b64_json": base64()}]})),
        _ => json(404, &json!({"error": {"message": "no such model", "code": "model_not_found"}})),
    })
    .await;
    let mut set = set(&server.url);
    set.settings.openai.model = "dall-e-3".to_owned();
    assert_eq!(generate("openai", &set.settings).await.unwrap().bytes, png());
    set.settings.openai.model = "dall-e-2".to_owned();
    let hint = Failure::from(generate("openai", &set.settings).await.unwrap_err()).hint.unwrap();
    assert!(hint.contains("its successor is gpt-image-2.5-flare"), "{hint}");
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
