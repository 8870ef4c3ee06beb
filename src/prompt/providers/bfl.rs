//! Black Forest Labs: the FLUX models. A request starts a task, whose result is polled.

use std::time::Duration;

use serde_json::{Value, json};

use crate::prompt::{
    EditSupport, Hints, Name, Negative, OnProgress, Progress, PromptError, Recipe, SourceImage,
    error_detail::ErrorDetail,
    hosted::{self, Defaults, Service, with_options},
    http::{Http, KeyHeader, Pointer, ResponseFuture, is_below, path_segments},
    response::{bad_response, non_blank},
    sizes::{self, Pixels},
};

/// `[prompt.bfl]`
pub type Settings = hosted::Settings<Bfl>;

/// Black Forest Labs.
#[derive(Debug, Clone, PartialEq)]
pub struct Bfl;

/// The interval at which the result is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The domain of the servers with results: they differ from the server that takes the request.
const DOMAIN: &str = "bfl.ai";

impl Service for Bfl {
    const NAME: Name = Name::Bfl;
    const DEFAULTS: Defaults = Defaults { base_url: "https://api.bfl.ai", model: "flux-2-pro", key_env: "BFL_API_KEY" };
    const URL_SETTING: &'static str = "prompt.bfl.base_url";
    const KEY_HEADER: KeyHeader = KeyHeader::Named("x-key");
    const IMAGE_DOMAINS: &'static [&'static str] = &[DOMAIN, "bfldeliveryprod.blob.core.windows.net"];
    const OPTIONAL: &'static [Pointer] = &["/width", "/height", "/seed", "/output_format"];

    fn hints() -> Hints {
        Hints {
            models: Some("Black Forest Labs offers flux-2-klein-4b, flux-2-pro and flux-2-max"),
            image_hosts: Some("prompt.bfl.image_hosts"),
            ..Hints::default()
        }
    }

    fn negative(_model: &str) -> Negative {
        Negative::Unsupported
    }

    fn price(model: &str, size: Pixels) -> Option<f64> {
        price(model, sizes::megapixels(size).ceil())
    }

    /// FLUX.2 bills the megapixels of the image that is sent, too.
    fn edit_price(model: &str, size: Pixels) -> Option<f64> {
        price(model, 2.0 * sizes::megapixels(size).ceil())
    }

    fn model_path(model: &str) -> Option<String> {
        Some(format!("v1/{}", path_segments(model)))
    }

    fn edits(model: &str) -> EditSupport {
        match model {
            _ if model.starts_with("flux-2") || model.contains("kontext") => EditSupport::Instruction,
            _ => EditSupport::Unsupported("only FLUX.2 and FLUX.1 Kontext can"),
        }
    }

    fn add_image(body: &mut Value, _model: &str, image: &SourceImage) {
        body["input_image"] = image.base64().into();
    }

    fn body(recipe: &Recipe) -> Value {
        let (width, height) = recipe.size;
        let body = json!({"prompt": recipe.prompt, "width": width, "height": height, "output_format": "jpeg"});
        with_options(body, recipe)
    }

    fn receive<'a>(http: &'a Http, response: Value, progress: OnProgress<'a>) -> ResponseFuture<'a> {
        Box::pin(result(http, response, progress))
    }
}

/// The price in US dollars for so many megapixels.
fn price(model: &str, megapixels: f64) -> Option<f64> {
    let (first, each_more) = match model {
        "flux-2-klein-4b" => (0.014, 0.001),
        "flux-2-klein-9b" => (0.015, 0.002),
        "flux-2-pro" => (0.03, 0.015),
        "flux-2-flex" => (0.05, 0.05),
        "flux-2-max" => (0.07, 0.03),
        "flux-pro-1.1" | "flux-kontext-pro" => (0.04, 0.0),
        "flux-pro-1.1-ultra" => (0.06, 0.0),
        "flux-kontext-max" => (0.08, 0.0),
        "flux-dev" => (0.025, 0.0),
        _ => return None,
    };
    Some(first + each_more * (megapixels - 1.0).max(0.0))
}

/// The result of the task that `response` announces, in the format of the Images API.
async fn result(http: &Http, response: Value, progress: OnProgress<'_>) -> Result<Value, PromptError> {
    let url = non_blank(&response["polling_url"]).ok_or_else(|| http.no_image_error("", &response))?;
    // A key for another server than its own stays there.
    let domains: &[&str] = if is_below(http.base(), &[DOMAIN]) { &[DOMAIN] } else { &[] };
    let url = http.trusted_url(url, domains)?;
    let waiting = |event| {
        if let Progress::Waiting(_) = event {
            progress(event)
        }
    };
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let reply = http.send("", &waiting, || Ok(http.with_key(http.get(url.clone())))).await?;
        let task = http.json(&reply.body)?;
        match non_blank(&task["status"]) {
            Some("Ready") => {
                let credits = [&task, &response].into_iter().find_map(|from| from["cost"].as_f64());
                let cost = credits.map(|credits| credits / 100.0); // a credit is a cent
                return Ok(json!({"data": [{"url": task["result"]["sample"]}], "usage": {"cost": cost}}));
            }
            Some("Pending" | "Queued" | "Processing") => {
                if let Some(share) = task["progress"].as_f64() {
                    progress(Progress::Done(share.clamp(0.0, 1.0) as f32));
                }
            }
            Some(status) => return Err(failure(http, status, &task)),
            None => return Err(http.no_image_error("", &task)),
        }
    }
}

/// The error for a task that has ended without an image.
fn failure(http: &Http, status: &str, task: &Value) -> PromptError {
    let detail = match &task["details"] {
        Value::Null => String::new(),
        details => format!(": {}", ErrorDetail::of_json(details).text),
    };
    let detail = http.clean(format!("{status}{detail}").trim_end_matches([':', ' ']));
    if status.contains("Moderated") {
        return PromptError::Moderated { provider: Bfl::NAME, detail };
    }
    bad_response(Bfl::NAME, format!("the task ended with {detail:?}"))
}
