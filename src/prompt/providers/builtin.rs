//! The built-in painter: paints a fixed set of scenes offline.

use crate::{
    painter,
    prompt::{
        EditSupport, GeneratedImage, ImageFuture, Name, Negative, OnProgress, Progress, PromptError, Provider,
        ProviderSettings, Recipe, SizeRequest, Task,
        sizes::{self, Pixels},
    },
};

/// The painter has no settings.
#[derive(Debug, Clone, Copy)]
pub struct Settings;

impl ProviderSettings for Settings {
    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        Ok(Box::new(Builtin))
    }
}

/// The built-in painter.
#[derive(Debug)]
struct Builtin;

impl Provider for Builtin {
    fn name(&self) -> Name {
        Name::Builtin
    }

    fn summary(&self) -> String {
        "paints about 30 scenes offline; not an AI generator".to_owned()
    }

    fn negative(&self, _model: &str) -> Negative {
        Negative::Painter
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        sizes::bounded(size.pixels, 1)
    }

    fn title(&self) -> String {
        "the built-in painter".to_owned()
    }

    fn price(&self, _model: &str, _size: Pixels) -> Option<f64> {
        Some(0.0)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        EditSupport::NewImage
    }
}

/// Paints an image; for an edit a new one from the prompts of both, and says so.
async fn generate(task: Task<'_>) -> Result<GeneratedImage, PromptError> {
    let recipe = task.recipe;
    let mut image = paint(recipe, task.progress).await?;
    if task.source.is_none() {
        return Ok(image);
    }
    let from = match &recipe.parent {
        Some(parent) if !parent.scene.is_empty() => "both descriptions",
        _ => "your description",
    };
    image.notes.insert(0, format!("the built-in painter can't change an image; it painted a new one from {from}"));
    Ok(image)
}

async fn paint(recipe: &Recipe, progress: OnProgress<'_>) -> Result<GeneratedImage, PromptError> {
    progress(Progress::Working);
    let reading = painter::read(&recipe.prompt, &recipe.negative, painter::Style::named(&recipe.style));
    let report = reading.report.clone();
    let seed = recipe.seed.unwrap_or_default();
    let (width, height) = recipe.size;
    let painted = tokio::task::spawn_blocking(move || {
        let image = painter::paint(&reading, seed, width, height);
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).map(|()| bytes.into_inner())
    });
    let internal = |error: &dyn std::error::Error| PromptError::Internal(error.to_string());
    let bytes = painted.await.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    let image = GeneratedImage::new(bytes);
    Ok(GeneratedImage { seed: Some(seed), title: Some(report.title), notes: report.notes, ..image })
}
