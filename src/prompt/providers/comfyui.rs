//! ComfyUI: the user's own workflow, with the prompt put into its places.

use std::{
    collections::hash_map::RandomState,
    fs::File,
    hash::BuildHasher,
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use reqwest::Url;
use serde_json::{Value, json};

use crate::prompt::{
    Picture, PromptError, Recipe, Wish,
    answer::{bad, check_picture, filled, members},
    http::{Http, Report, StopServer},
    provider::Name,
    settings::{ComfyUi as Settings, url},
    sizes::{self, Pixels},
};

const ME: Name = Name::ComfyUi;
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the server is asked whether it is done.
const LOOK: Duration = Duration::from_millis(500);
/// The largest workflow that is read.
const MOST_BYTES: u64 = 4 << 20;

/// A ComfyUI server and a workflow.
#[derive(Debug)]
pub struct ComfyUi {
    http: Http,
    workflow: Value,
    size: Option<Pixels>,
}

/// A picture that a job has made, on the server.
#[derive(Debug)]
struct Image<'a> {
    filename: &'a str,
    subfolder: &'a str,
    kind: &'a str,
}

impl ComfyUi {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
        let base = url("prompt.comfyui.url", &settings.url)?;
        if settings.workflow.is_empty() {
            let expected = "the path of a workflow in API format";
            return Err(PromptError::NotSetUp { provider: ME, key: "prompt.comfyui.workflow", expected });
        }
        let workflow = read(PathBuf::from(&settings.workflow))?;
        let size = sizes::parse("prompt.comfyui.size", &settings.size)?;
        Ok(Self { http: Http::open(ME, base, PATIENCE, None)?, workflow, size })
    }

    pub(in crate::prompt) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn size_for(&self, wish: &Wish) -> Pixels {
        let asked = wish.asked_size().map(|size| sizes::bounded(size, 8));
        asked.or(self.size).unwrap_or_else(|| sizes::of_area(wish.size, 1344.0 * 768.0, 64))
    }

    /// Whether the workflow has a place such as `%seed%`.
    pub(crate) fn has_place(&self, place: &str) -> bool {
        contains(&self.workflow, place)
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        let seed = recipe.seed.unwrap_or_else(|| RandomState::new().hash_one(0) & 0xffff_ffff);
        let mut workflow = self.workflow.clone();
        fill(&mut workflow, recipe, seed);
        let body = json!({"prompt": workflow, "client_id": "bgcam"});
        let url = self.http.url("prompt");
        let reply = self.http.ask("", progress, || Ok(self.http.post_json(url.clone(), &body))).await?;
        let answer = self.http.json(&reply.body)?;
        let id = filled(&answer["prompt_id"]).ok_or_else(|| self.http.no_picture("", &answer))?.to_owned();
        let stop = StopServer(vec![
            self.http.post_json(self.http.url("queue"), &json!({"delete": [id]})),
            self.http.post_json(self.http.url("interrupt"), &json!({"prompt_id": id})),
        ]);
        let url = self.wait(&id, progress).await?;
        stop.disarm();
        let reply = self.http.ask("", progress, || Ok(self.http.get(url.clone()))).await?;
        check_picture(ME, &reply.body)?;
        Ok(Picture { bytes: reply.body, seed: Some(seed), ..Picture::default() })
    }

    /// Waits until the job `id` has a picture, and tells where.
    async fn wait(&self, id: &str, progress: Report<'_>) -> Result<Url, PromptError> {
        let path: String = id.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
        let url = self.http.url(&format!("history/{path}"));
        loop {
            tokio::time::sleep(LOOK).await;
            let reply = self.http.ask("", progress, || Ok(self.http.get(url.clone()))).await?;
            let answer = self.http.json(&reply.body)?;
            let job = &answer[id];
            if job.is_null() && !answer["error"].is_null() {
                return Err(self.http.no_picture("", &answer));
            }
            if job["status"]["status_str"] == "error" {
                return Err(bad(ME, format!("the workflow failed: {}", self.http.clean(&failure(&job["status"])))));
            }
            if !job.is_null() {
                let image = image_of(job).ok_or_else(|| bad(ME, "the workflow saved no picture"))?;
                return Ok(self.view(&image));
            }
        }
    }

    fn view(&self, image: &Image<'_>) -> Url {
        let mut url = self.http.url("view");
        url.query_pairs_mut()
            .append_pair("filename", image.filename)
            .append_pair("subfolder", image.subfolder)
            .append_pair("type", image.kind);
        url
    }
}

/// The picture of a job that was saved, or else the first.
fn image_of(job: &Value) -> Option<Image<'_>> {
    let outputs = job["outputs"].as_object().into_iter().flat_map(|outputs| outputs.values());
    let images = outputs.flat_map(|output| members(&output["images"])).filter_map(|image| {
        let text = |key: &str| image[key].as_str().unwrap_or_default();
        Some(Image { filename: filled(&image["filename"])?, subfolder: text("subfolder"), kind: text("type") })
    });
    let images: Vec<_> = images.collect();
    let saved = images.iter().position(|image| image.kind == "output").unwrap_or(0);
    images.into_iter().nth(saved)
}

/// What a failed job says in its messages `[kind, {exception_message}]`.
fn failure(status: &Value) -> String {
    let messages = status["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let said = messages.iter().find_map(|message| message[1]["exception_message"].as_str());
    said.unwrap_or("no reason given").to_owned()
}

fn read(path: PathBuf) -> Result<Value, PromptError> {
    let mut text = Vec::new();
    let source = File::open(&path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text));
    match source {
        Ok(length) if length as u64 > MOST_BYTES => {
            return Err(PromptError::ReadWorkflow { path, source: io::Error::other("larger than 4 MB") });
        }
        Err(source) => return Err(PromptError::ReadWorkflow { path, source }),
        Ok(_) => {}
    }
    let wrong = |what: String| Err(PromptError::Workflow { path: path.clone(), what });
    match serde_json::from_slice::<Value>(&text) {
        Err(error) => wrong(format!("is no JSON: {error}")),
        Ok(value) if value["nodes"].is_array() => wrong("is in the editor's format, not in API format".to_owned()),
        Ok(value) if !value.is_object() => wrong("is no object of nodes".to_owned()),
        Ok(_) if !text.windows(8).any(|part| part == b"%prompt%") => wrong("has no %prompt% in it".to_owned()),
        Ok(value) => Ok(value),
    }
}

/// Whether one of the strings in `value` has `place` in it.
fn contains(value: &Value, place: &str) -> bool {
    match value {
        Value::String(text) => text.contains(place),
        Value::Array(list) => list.iter().any(|value| contains(value, place)),
        Value::Object(map) => map.values().any(|value| contains(value, place)),
        _ => false,
    }
}

/// Puts the recipe into the strings of a workflow. A string that is nothing but the place of a number becomes a number.
fn fill(value: &mut Value, recipe: &Recipe, seed: u64) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| fill(value, recipe, seed)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, recipe, seed)),
        Value::String(text) => {
            let (width, height) = recipe.size;
            *value = match &**text {
                "%width%" => width.into(),
                "%height%" => height.into(),
                "%seed%" => seed.into(),
                // Words go in last, so that a place's name in them stays what it is.
                text => text
                    .replace("%width%", &width.to_string())
                    .replace("%height%", &height.to_string())
                    .replace("%seed%", &seed.to_string())
                    .replace("%negative%", &recipe.negative)
                    .replace("%prompt%", &recipe.prompt)
                    .into(),
            };
        }
        _ => {}
    }
}
