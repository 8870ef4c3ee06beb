//! The registry of providers, and one file for each of them.
//!
//! To add a provider, write its file with a `Settings` that implements [`ProviderSettings`](super::ProviderSettings)
//! and a type that implements [`Provider`](super::Provider), declare the file here, and add a line to the registry. The
//! name, the settings table, the list of providers and the hints of errors follow from these. A hosted service with one
//! request and an API key only needs to implement [`Service`](super::hosted::Service).

pub mod azure;
pub mod bedrock;
pub mod bfl;
pub mod builtin;
pub mod comfyui;
pub mod command;
pub mod fal;
pub mod gateway;
pub mod gemini;
pub mod huggingface;
pub mod local;
pub mod openai;
pub mod openrouter;
pub mod sdwebui;
pub mod stability;
pub mod together;
pub mod vertex;
pub mod xai;

/// Calls `$callback!` with the file, the [`Name`](super::Name) and the title of every provider: first those without
/// settings, then those with a table `[prompt.FILE]`. Providers are listed in this order.
macro_rules! registry {
    ($callback:ident) => {
        $callback! {
            {
                /// The offline painter.
                builtin Builtin "Built-in painter",
            }
            {
                /// The Images API of OpenAI and compatible services.
                openai OpenAi "OpenAI",
                /// OpenAI's models in Azure.
                azure Azure "Azure OpenAI",
                /// Amazon Bedrock.
                bedrock Bedrock "Amazon Bedrock",
                /// A function behind an Amazon API Gateway.
                gateway Gateway "Amazon API Gateway",
                /// sd-server on this machine, started when needed.
                local Local "Your own generator",
                /// AUTOMATIC1111, Forge, SD.Next and sd-server.
                sdwebui SdWebUi "Stable Diffusion WebUI",
                /// ComfyUI with a workflow.
                comfyui ComfyUi "ComfyUI",
                /// Stability AI.
                stability Stability "Stability AI",
                /// Google Gemini.
                gemini Gemini "Google Gemini",
                /// Google Gemini in Google Cloud.
                vertex Vertex "Google Vertex AI",
                /// Many models with one key.
                openrouter OpenRouter "OpenRouter",
                /// Black Forest Labs.
                bfl Bfl "Black Forest Labs",
                /// fal.ai.
                fal Fal "fal.ai",
                /// xAI.
                xai Xai "xAI",
                /// Together AI.
                together Together "Together AI",
                /// Hugging Face.
                huggingface HuggingFace "Hugging Face",
                /// Any program.
                command Command "Your own program",
            }
        }
    };
}
