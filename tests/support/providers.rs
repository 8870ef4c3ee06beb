//! Every provider with its key in a file and its server wherever a test has one.
#![allow(dead_code, unreachable_pub, missing_debug_implementations, clippy::unwrap_used)] // each test file uses a part

use std::{fs, io::Cursor};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::prompt::{
    self, GeneratedImage, PromptError, PromptRequest, Provider, Recipe, catalogue, settings::PromptSettings,
};
use serde_json::json;

use super::http::{Reply, Server};

/// No message, log line or debug text may hold this.
pub const CANARY: &str = "sk-canary-0123456789abcdef";

pub fn png() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(32, 18, image::Rgb([10, 200, 90]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

pub fn base64() -> String {
    BASE64_STANDARD.encode(png())
}

/// Settings in which every provider has its key in a file and its server at `url`.
pub struct Set {
    pub settings: PromptSettings,
    pub folder: tempfile::TempDir,
}

pub fn set(url: &str) -> Set {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, CANARY).unwrap();
    let key = key.display().to_string();
    let mut settings = PromptSettings::default();
    let none = String::new();
    let at = || url.to_owned();
    (settings.openai.base_url, settings.openai.key_env, settings.openai.key_file) = (at(), none.clone(), key.clone());
    (settings.gateway.url, settings.gateway.key_env, settings.gateway.key_file) =
        (format!("{url}/image/make"), none.clone(), key.clone());
    (settings.sdwebui.url, settings.sdwebui.key_env) = (at(), none.clone());
    settings.comfyui.url = at();
    (settings.stability.base_url, settings.stability.key_env, settings.stability.key_file) =
        (at(), none.clone(), key.clone());
    (settings.gemini.base_url, settings.gemini.key_env, settings.gemini.key_file) = (at(), none.clone(), key.clone());
    (settings.bedrock.endpoint, settings.bedrock.key_env, settings.bedrock.key_file) = (at(), none, key);
    Set { settings, folder }
}

pub fn recipe(name: &str, settings: &PromptSettings) -> (Box<dyn Provider>, Recipe) {
    let provider = catalogue::open(name, settings).unwrap();
    let request = PromptRequest { text: "beach".to_owned(), seed: Some(7), ..PromptRequest::default() };
    let recipe = prompt::recipe(&request, &*provider, settings, (1280, 720)).unwrap();
    (provider, recipe)
}

pub async fn generate(name: &str, settings: &PromptSettings) -> Result<GeneratedImage, PromptError> {
    let (provider, recipe) = recipe(name, settings);
    provider.generate(&recipe, &|_| {}).await
}

/// Asks `name`, whose server answers everything with `reply`.
pub async fn answered(name: &str, reply: Reply) -> Result<GeneratedImage, PromptError> {
    let server = Server::always(reply).await;
    generate(name, &set(&server.url).settings).await
}

pub fn workflow(set: &mut Set) {
    let path = set.folder.path().join("workflow.json");
    let nodes = json!({
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "masterpiece, %prompt%"}},
        "2": {"class_type": "EmptyLatentImage", "inputs": {"width": "%width%", "height": "%height%"}},
        "3": {"class_type": "KSampler", "inputs": {"seed": "%seed%", "steps": 4}},
    });
    fs::write(&path, nodes.to_string()).unwrap();
    set.settings.comfyui.workflow = path.display().to_string();
}
