//! Any program: it gets the prompt on stdin and in its environment, and writes an image. No shell is involved.

use std::{
    env, fs,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use tokio::process::Command as Process;

use crate::{
    paths::expand_home,
    process::child::{self, Needs},
    prompt::{
        EditSupport, GeneratedImage, ImageFuture, Name, Progress, PromptError, Provider, ProviderSettings, Recipe,
        SizeRequest, Task,
        http::MAX_BYTES,
        program,
        response::{bad_response, check_image},
        sizes::{self, Pixels},
        text::clean,
    },
};

const NAME: Name = Name::Command;

/// `[prompt.command]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // config/bgcam.toml explains each of them
pub struct Settings {
    pub program: String,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub edits: bool,
}

impl ProviderSettings for Settings {
    fn open(&self) -> Result<Box<dyn Provider>, PromptError> {
        if self.program.is_empty() {
            let expected = "a program that generates an image";
            return Err(PromptError::NotConfigured { provider: NAME, key: "prompt.command.program", expected });
        }
        Ok(Box::new(Command { settings: self.clone() }))
    }
}

/// A program with its arguments.
#[derive(Debug)]
struct Command {
    settings: Settings,
}

impl Provider for Command {
    fn name(&self) -> Name {
        NAME
    }

    fn summary(&self) -> String {
        self.settings.program.clone()
    }

    fn size_for(&self, _model: &str, size: SizeRequest) -> Pixels {
        sizes::bounded(size.pixels, 1)
    }

    fn start<'a>(&'a self, task: Task<'a>) -> ImageFuture<'a> {
        Box::pin(self.generate(task))
    }

    fn edits(&self, _model: &str) -> EditSupport {
        if self.settings.edits {
            EditSupport::Instruction
        } else {
            EditSupport::Unsupported("prompt.command.edits is false; set it to true if your program reads BGCAM_IMAGE")
        }
    }
}

impl Command {
    async fn generate(&self, Task { recipe, source, progress }: Task<'_>) -> Result<GeneratedImage, PromptError> {
        progress(Progress::Working);
        let folder = tempfile::Builder::new().prefix("bgcam-").tempdir().map_err(|error| self.io_error(error))?;
        let file = folder.path().join("image");
        let program = &self.settings.program;
        let mut process = self.process(recipe, &file);
        if let Some(source) = source {
            // The folder is private and temporary, so the image is too.
            let path = folder.path().join(source.file_name());
            fs::write(&path, source.bytes()).map_err(|error| self.io_error(error))?;
            process.env("BGCAM_IMAGE", path);
        }
        let finished = program::run(process, recipe.prompt.as_bytes(), MAX_BYTES).await;
        let finished = finished.map_err(|error| self.io_error(error))?;
        let detail = clean(&finished.stderr_tail, []);
        if !finished.status.success() {
            let status = finished.status.to_string();
            return Err(PromptError::ProgramFailed { program: program.clone(), status, detail });
        }
        let bytes = read_file(&file).map_err(|error| self.io_error(error))?.unwrap_or(finished.output);
        if bytes.len() > MAX_BYTES {
            return Err(PromptError::ResponseTooLarge { provider: NAME, limit: MAX_BYTES });
        }
        if bytes.is_empty() {
            let what = format!("stdout and the file BGCAM_OUTPUT are empty; its stderr ends with {detail:?}");
            return Err(bad_response(NAME, what));
        }
        check_image(NAME, &bytes)?;
        Ok(GeneratedImage { seed: recipe.seed, ..GeneratedImage::new(bytes) })
    }

    fn process(&self, recipe: &Recipe, output: &Path) -> Process {
        let needs = [Needs::Session, Needs::Desktop, Needs::Network];
        let mut process = Process::from(child::command(expand_home(&self.settings.program), &needs));
        let listed = self.settings.env.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        process
            .args(&self.settings.args)
            .envs(listed)
            .env("BGCAM_PROMPT", nul_free(&recipe.prompt))
            .env("BGCAM_NEGATIVE", nul_free(&recipe.negative))
            .env("BGCAM_WIDTH", recipe.size.0.to_string())
            .env("BGCAM_HEIGHT", recipe.size.1.to_string())
            .env("BGCAM_SEED", recipe.seed.map(|seed| seed.to_string()).unwrap_or_default())
            .env("BGCAM_OUTPUT", output);
        process
    }

    fn io_error(&self, source: io::Error) -> PromptError {
        PromptError::Program { program: self.settings.program.clone(), source }
    }
}

/// `text` without zero bytes, which environment variables cannot contain.
fn nul_free(text: &str) -> String {
    text.replace('\0', " ")
}

/// The file that the program wrote, `None` if there is none or it is empty.
///
/// # Errors
/// If it can't be read or is not a regular file.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut bytes = Vec::new();
            fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
        }
        Ok(_) => Err(io::Error::other("BGCAM_OUTPUT is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
