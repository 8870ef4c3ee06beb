//! The registry of providers, and one file for each of them.
//!
//! To add a provider, write its file with a `Settings` that implements [`ProviderSettings`](super::ProviderSettings)
//! and a type that implements [`Provider`](super::Provider), declare the file here, and add a line to the registry. The
//! name, the settings table, the list of providers and the hints of errors follow from these.

pub mod bedrock;
pub mod builtin;
pub mod comfyui;
pub mod command;
pub mod gateway;
pub mod gemini;
pub mod local;
pub mod openai;
pub mod sdwebui;
pub mod stability;

/// Calls `$callback!` with the file and the [`Name`](super::Name) of every provider: first those without settings, then
/// those with a table `[prompt.FILE]`. Providers are listed in this order.
macro_rules! registry {
    ($callback:ident) => {
        $callback! {
            {
                /// The offline painter.
                builtin Builtin,
            }
            {
                /// The Images API of OpenAI and compatible services.
                openai OpenAi,
                /// Amazon Bedrock.
                bedrock Bedrock,
                /// A function behind an Amazon API Gateway.
                gateway Gateway,
                /// sd-server on this machine, started when needed.
                local Local,
                /// AUTOMATIC1111, Forge, SD.Next and sd-server.
                sdwebui SdWebUi,
                /// ComfyUI with a workflow.
                comfyui ComfyUi,
                /// Stability AI.
                stability Stability,
                /// Google Gemini.
                gemini Gemini,
                /// Any program.
                command Command,
            }
        }
    };
}
