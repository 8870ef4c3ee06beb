//! One module per image provider.

pub mod bedrock;
pub mod comfyui;
pub mod command;
pub mod gateway;
pub mod gemini;
pub mod openai;
pub mod sdwebui;
pub mod stability;
