//! Settings for every provider, with keys in files and servers of the test.
#![allow(dead_code, unreachable_pub, missing_debug_implementations, clippy::unwrap_used)] // each test uses a part

use std::{fs, io::Cursor};

use base64::{Engine, prelude::BASE64_STANDARD};
use bgcam::prompt::{
    self, GeneratedImage, PromptError, PromptRequest, Provider, Recipe, catalogue, settings::PromptSettings,
};
use serde_json::json;

use super::http::{Reply, Server};

/// No message, log line or debug output may contain this.
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

/// Settings with every provider's API key in a file and its server at `url`.
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
    for (server, key_env, key_file) in [
        (&mut settings.openai.base_url, &mut settings.openai.key_env, &mut settings.openai.key_file),
        (&mut settings.gateway.url, &mut settings.gateway.key_env, &mut settings.gateway.key_file),
        (&mut settings.stability.base_url, &mut settings.stability.key_env, &mut settings.stability.key_file),
        (&mut settings.gemini.base_url, &mut settings.gemini.key_env, &mut settings.gemini.key_file),
        (&mut settings.bedrock.endpoint, &mut settings.bedrock.key_env, &mut settings.bedrock.key_file),
        (&mut settings.azure.endpoint, &mut settings.azure.key_env, &mut settings.azure.key_file),
        (&mut settings.vertex.endpoint, &mut settings.vertex.key_env, &mut settings.vertex.key_file),
        (&mut settings.openrouter.base_url, &mut settings.openrouter.key_env, &mut settings.openrouter.key_file),
        (&mut settings.bfl.base_url, &mut settings.bfl.key_env, &mut settings.bfl.key_file),
        (&mut settings.fal.base_url, &mut settings.fal.key_env, &mut settings.fal.key_file),
        (&mut settings.xai.base_url, &mut settings.xai.key_env, &mut settings.xai.key_file),
        (&mut settings.together.base_url, &mut settings.together.key_env, &mut settings.together.key_file),
        (&mut settings.huggingface.base_url, &mut settings.huggingface.key_env, &mut settings.huggingface.key_file),
    ] {
        url.clone_into(server);
        key_env.clear();
        key.clone_into(key_file);
    }
    settings.gateway.url.push_str("/image/make");
    settings.azure.deployment = "gpt-image-2".to_owned();
    settings.vertex.project = "my-project".to_owned();
    url.clone_into(&mut settings.sdwebui.url);
    settings.sdwebui.key_env.clear();
    url.clone_into(&mut settings.comfyui.url);
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

/// Requests an image from `name`, whose server always sends `reply`.
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
