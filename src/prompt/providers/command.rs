//! Any program of the user's: the prompt goes in, a picture comes out; never through a shell.

use std::{
    env, fs,
    io::{self, Read},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command as Process},
};

use crate::process::child::{self, Needs};

use crate::prompt::{
    Picture, Progress, PromptError, Recipe,
    answer::{bad, check_picture},
    http::{MOST_BYTES, Report},
    key::clean,
    provider::Name,
    settings::Command as Settings,
};

const ME: Name = Name::Command;
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// How much of the end of its complaints is kept.
const MOST_COMPLAINT: usize = 2048;

/// A program with its arguments.
#[derive(Debug)]
pub struct Command {
    pub(crate) settings: Settings,
}

impl Command {
    pub(crate) fn open(settings: &Settings) -> Result<Self, PromptError> {
        if settings.program.is_empty() {
            let expected = "a program that makes a picture";
            return Err(PromptError::NotSetUp { provider: ME, key: "prompt.command.program", expected });
        }
        Ok(Self { settings: settings.clone() })
    }

    pub(crate) async fn generate(&self, recipe: &Recipe, progress: Report<'_>) -> Result<Picture, PromptError> {
        progress(Progress::Working);
        let folder = tempfile::Builder::new().prefix("bgcam-").tempdir().map_err(|error| self.failed(error))?;
        let file = folder.path().join("picture");
        let program = &self.settings.program;
        let ran = run(program, self.process(recipe, &file), recipe.prompt.as_bytes(), MOST_BYTES).await?;
        let said = clean(&ran.complaint, []);
        if !ran.status.success() {
            return Err(PromptError::ProgramFailed { program: program.clone(), status: ran.status.to_string(), said });
        }
        let bytes = read_file(&file).map_err(|error| self.failed(error))?.unwrap_or(ran.output);
        if bytes.len() > MOST_BYTES {
            return Err(PromptError::TooManyBytes { provider: ME, limit: MOST_BYTES });
        }
        if bytes.is_empty() {
            return Err(bad(ME, format!("nothing on its standard output and no file BGCAM_OUTPUT; it said {said:?}")));
        }
        check_picture(ME, &bytes)?;
        Ok(Picture { bytes, seed: recipe.seed, ..Picture::default() })
    }

    fn process(&self, recipe: &Recipe, output: &Path) -> Process {
        let needs = [Needs::Session, Needs::Desktop, Needs::Network];
        let mut process = Process::from(child::command(&self.settings.program, &needs));
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

    fn failed(&self, source: io::Error) -> PromptError {
        PromptError::Program { program: self.settings.program.clone(), source }
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    /// Its standard output; one byte more than the limit when it wrote more.
    pub(crate) output: Vec<u8>,
    /// The end of its standard error.
    pub(crate) complaint: String,
}

/// Runs a program to its end with `input` on its standard input. Dropping the future kills it and all its children.
pub(crate) async fn run(program: &str, mut process: Process, input: &[u8], limit: usize) -> Result<Ran, PromptError> {
    let failed = |source| PromptError::Program { program: program.to_owned(), source };
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = process.spawn().map_err(failed)?;
    let group = Group::of(&child);
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(PromptError::Internal("a program without pipes".to_owned()));
    };
    let told = async move {
        // A program that takes its prompt from the environment may never read it here.
        let _ = stdin.write_all(input).await;
    };
    let ended = async {
        let status = child.wait().await;
        // Whatever it left running holds the pipes open. No new process takes the group's number so soon.
        drop(group);
        status
    };
    let ((), status, output, complaint) = tokio::join!(told, ended, read_up_to(stdout, limit), read_tail(stderr));
    Ok(Ran { status: status.map_err(failed)?, output: output.map_err(failed)?, complaint })
}

/// No environment variable can hold a zero byte.
fn nul_free(text: &str) -> String {
    text.replace('\0', " ")
}

/// A child's process group, killed as a whole when this is dropped: by its end, a time-out or a cancel.
#[derive(Debug)]
struct Group(Option<libc::pid_t>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| id.try_into().ok()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // SAFETY: killpg takes two numbers and touches no memory of ours.
            unsafe { libc::killpg(group, libc::SIGKILL) };
        }
    }
}

/// Reads up to `limit` bytes and one more, and lets the rest run into the void.
async fn read_up_to(mut pipe: impl AsyncRead + Unpin, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// The last of what a program writes, for people.
async fn read_tail(mut pipe: impl AsyncRead + Unpin) -> String {
    let (mut tail, mut chunk) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        tail.extend_from_slice(&chunk[..count]);
        let surplus = tail.len().saturating_sub(MOST_COMPLAINT);
        tail.drain(..surplus);
    }
    let text = String::from_utf8_lossy(&tail);
    // Only the end of it is shown, where programs say what was wrong.
    let from = text.char_indices().rev().nth(250).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}

/// The file that the program wrote, if it wrote one; nothing but a regular file.
fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let mut bytes = Vec::new();
            fs::File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
        }
        Ok(_) => Err(io::Error::other("what it left as BGCAM_OUTPUT is no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
