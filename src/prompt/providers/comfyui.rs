//! ComfyUI: runs the user's own workflow with the prompt filled into its placeholders.

use std::{
    collections::hash_map::RandomState,
    fs::File,
    hash::BuildHasher,
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    paths::expand_home,
    prompt::{
        EditSupport, GeneratedImage, Hints, ImageFuture, Name, Negative, OnProgress, PromptError, Provider,
        ProviderSettings, Recipe, SizeRequest, SourceImage, Task, UnsupportedOption,
        http::{CancelOnDrop, Http, check_url, form_with_image},
        response::{bad_response, check_image, items, non_blank},
        sizes::{self, Pixels},
    },
};

const NAME: Name = Name::ComfyUi;

/// The interval at which the server is polled for the result.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The placeholder for the image in a workflow for edits.
const IMAGE: &str = "%image%";

/// The maximum size of a workflow file in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// `[prompt.comfyui]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub url: String,
    pub workflow: String,
    pub edit_workflow: String,
    pub size: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8188".to_owned(),
            workflow: String::new(),
            edit_workflow: String::new(),
            size: "1344x768".to_owned(),
        }
    }
}

impl ProviderSettings for Settings {
    fn check(&self) -> Result<(), PromptError> {
        check_url("prompt.comfyui.url", &self.url)?;
        sizes::parse("prompt.comfyui.size", &self.size).map(drop)
    }

    fn hints(&self) -> Hints {
        Hints { connect: Some("start ComfyUI, and check prompt.comfyui.url"), ..Hints::default() }
    }

    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        let http = Http::at(NAME, "prompt.comfyui.url", &self.url, None)?;
        if self.workflow.is_empty() {
            let expected = "the path of a workflow in API format";
            return Err(PromptError::NotConfigured { provider: NAME, key: "prompt.comfyui.workflow", expected });
        }
        let workflow = read(expand_home(&self.workflow), &["%prompt%"])?;
        let edit_workflow = match &*self.edit_workflow {
            "" => None,
            path => Some(read(expand_home(path), &["%prompt%", IMAGE])?),
        };
        let size = sizes::parse("prompt.comfyui.size", &self.size)?;
        Ok(Box::new(ComfyUi { http, workflow, edit_workflow, size }))
    }
}

/// A ComfyUI server and a workflow.
#[derive(Debug)]
struct ComfyUi {
    http: Http,
    workflow: Value,
    /// For edits: it contains [`IMAGE`].
    edit_workflow: Option<Value>,
    /// The configured size.
    size: Option<Pixels>,
}

impl Provider for ComfyUi {
    fn name(&self) -> Name {
        NAME
    }

    fn is_listening(&self) -> bool {
        self.http.is_listening()
    }

    fn summary(&self) -> String {
        format!("at {}", self.http.place())
    }

    fn negative(&self, _model: &str) -> Negative {
        if self.has_placeholder("%negative%") { Negative::Field } else { Negative::Unsupported }
    }

    fn takes_seed(&self, _model: &str) -> bool {
        self.has_placeholder("%seed%")
    }

    fn takes_size(&self, _is_edit: bool) -> bool {
        self.has_placeholder("%width%") && self.has_placeholder("%height%")
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        size.requested_or(self.size, 8).unwrap_or_else(|| sizes::of_area(size.pixels, 1344.0 * 768.0, 64))
    }

    fn lacks(&self, _model: &str, option: UnsupportedOption) -> String {
        let placeholder = match option {
            UnsupportedOption::Negative => "%negative%",
            UnsupportedOption::Seed => "%seed%",
            UnsupportedOption::Size => "%width% and %height%",
        };
        format!("the workflow has no {placeholder}")
    }

    /// Free on the user's own machines.
    fn price(&self, _model: &str, _size: Pixels) -> Option<f64> {
        self.http.is_local().then_some(0.0)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        match self.edit_workflow {
            Some(_) => EditSupport::Instruction,
            None => EditSupport::Unsupported("prompt.comfyui.edit_workflow is empty"),
        }
    }
}

/// The location of a generated image on the server.
#[derive(Debug)]
struct Image<'a> {
    filename: &'a str,
    subfolder: &'a str,
    kind: &'a str,
}

impl ComfyUi {
    fn has_placeholder(&self, placeholder: &str) -> bool {
        contains(&self.workflow, placeholder)
    }

    async fn generate(&self, task: Task<'_>) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        if let Some(source) = task.source {
            return self.edit(task, source).await;
        }
        self.run(self.workflow.clone(), recipe, "", progress).await
    }

    async fn edit(&self, task: Task<'_>, source: &SourceImage) -> Result<GeneratedImage, PromptError> {
        let Task { recipe, progress, .. } = task;
        let Some(workflow) = self.edit_workflow.clone() else { return Err(PromptError::cannot_edit(recipe, "")) };
        let image = self.upload(source, progress).await?;
        self.run(workflow, recipe, &image, progress).await
    }

    /// Uploads an image to the server's input folder, where it replaces the one of the last edit, and returns its name.
    async fn upload(&self, source: &SourceImage, progress: OnProgress<'_>) -> Result<String, PromptError> {
        let url = self.http.url("upload/image");
        let fields = json!({"overwrite": "true", "type": "input"});
        let make = || Ok(self.http.post(url.clone()).multipart(form_with_image(&fields, source)?));
        let response = self.http.json(&self.http.send("", progress, make).await?.body)?;
        let name = non_blank(&response["name"]).ok_or_else(|| self.http.no_image_error("", &response))?;
        Ok(match non_blank(&response["subfolder"]) {
            Some(folder) => format!("{folder}/{name}"),
            None => name.to_owned(),
        })
    }

    /// Runs a workflow; `image` is the name of an uploaded image.
    async fn run(
        &self,
        mut workflow: Value,
        recipe: &Recipe,
        image: &str,
        progress: OnProgress<'_>,
    ) -> Result<GeneratedImage, PromptError> {
        let seed = recipe.seed.unwrap_or_else(|| RandomState::new().hash_one(0) & 0xffff_ffff);
        fill(&mut workflow, recipe, seed, image);
        let body = json!({"prompt": workflow, "client_id": "bgcam"});
        let url = self.http.url("prompt");
        let reply = self.http.send("", progress, || Ok(self.http.post_json(url.clone(), &body))).await?;
        let response = self.http.json(&reply.body)?;
        let id = non_blank(&response["prompt_id"]).ok_or_else(|| self.http.no_image_error("", &response))?.to_owned();
        let cancel = CancelOnDrop(vec![
            self.http.post_json(self.http.url("queue"), &json!({"delete": [id]})),
            self.http.post_json(self.http.url("interrupt"), &json!({"prompt_id": id})),
        ]);
        let url = self.wait(&id, progress).await?;
        cancel.disarm();
        let reply = self.http.send("", progress, || Ok(self.http.get(url.clone()))).await?;
        check_image(NAME, &reply.body)?;
        Ok(GeneratedImage { seed: Some(seed), ..GeneratedImage::new(reply.body) })
    }

    /// Waits until the job `id` has finished, and returns the URL of its image.
    async fn wait(&self, id: &str, progress: OnProgress<'_>) -> Result<Url, PromptError> {
        let path: String = id.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
        let url = self.http.url(&format!("history/{path}"));
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let reply = self.http.send("", progress, || Ok(self.http.get(url.clone()))).await?;
            let response = self.http.json(&reply.body)?;
            let job = &response[id];
            if job.is_null() && !response["error"].is_null() {
                return Err(self.http.no_image_error("", &response));
            }
            if job["status"]["status_str"] == "error" {
                return Err(bad_response(
                    NAME,
                    format!("the workflow failed: {}", self.http.clean(&failure(&job["status"]))),
                ));
            }
            if !job.is_null() {
                let image = image_of(job).ok_or_else(|| bad_response(NAME, "the workflow saved no image"))?;
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

/// The saved image of a job, or else its first.
fn image_of(job: &Value) -> Option<Image<'_>> {
    let outputs = job["outputs"].as_object().into_iter().flat_map(|outputs| outputs.values());
    let images = outputs.flat_map(|output| items(&output["images"])).filter_map(|image| {
        let text = |key: &str| image[key].as_str().unwrap_or_default();
        Some(Image { filename: non_blank(&image["filename"])?, subfolder: text("subfolder"), kind: text("type") })
    });
    let images: Vec<_> = images.collect();
    let saved = images.iter().position(|image| image.kind == "output").unwrap_or(0);
    images.into_iter().nth(saved)
}

/// The error of a failed job, from its messages `[kind, {exception_message}]`.
fn failure(status: &Value) -> String {
    let messages = status["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let detail = messages.iter().find_map(|message| message[1]["exception_message"].as_str());
    detail.unwrap_or("no reason given").to_owned()
}

/// Reads a workflow that contains these placeholders.
fn read(path: PathBuf, placeholders: &[&str]) -> Result<Value, PromptError> {
    let mut text = Vec::new();
    let source = File::open(&path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text));
    match source {
        Ok(length) if length as u64 > MAX_BYTES => {
            return Err(PromptError::ReadWorkflow { path, source: io::Error::other("larger than 4 MB") });
        }
        Err(source) => return Err(PromptError::ReadWorkflow { path, source }),
        Ok(_) => {}
    }
    let invalid = |what: String| Err(PromptError::Workflow { path: path.clone(), what });
    match serde_json::from_slice::<Value>(&text) {
        Err(error) => invalid(format!("is not valid JSON: {error}")),
        Ok(value) if value["nodes"].is_array() => invalid("is in the editor's format, expected API format".to_owned()),
        Ok(value) if !value.is_object() => invalid("is not an object of nodes".to_owned()),
        Ok(value) => match placeholders.iter().find(|placeholder| !contains(&value, placeholder)) {
            Some(missing) => invalid(format!("does not contain {missing}")),
            None => Ok(value),
        },
    }
}

/// Whether a string in `value` contains `placeholder`.
fn contains(value: &Value, placeholder: &str) -> bool {
    match value {
        Value::String(text) => text.contains(placeholder),
        Value::Array(list) => list.iter().any(|value| contains(value, placeholder)),
        Value::Object(map) => map.values().any(|value| contains(value, placeholder)),
        _ => false,
    }
}

/// Replaces the placeholders in the strings of a workflow. A string that consists of a number's placeholder becomes a
/// number.
fn fill(value: &mut Value, recipe: &Recipe, seed: u64, image: &str) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| fill(value, recipe, seed, image)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, recipe, seed, image)),
        Value::String(text) => {
            let (width, height) = recipe.size;
            *value = match &**text {
                "%width%" => width.into(),
                "%height%" => height.into(),
                "%seed%" => seed.into(),
                // The prompts come last, so that placeholders in them are not replaced.
                text => text
                    .replace("%width%", &width.to_string())
                    .replace("%height%", &height.to_string())
                    .replace("%seed%", &seed.to_string())
                    .replace(IMAGE, image)
                    .replace("%negative%", &recipe.negative)
                    .replace("%prompt%", &recipe.prompt)
                    .into(),
            };
        }
        _ => {}
    }
}
