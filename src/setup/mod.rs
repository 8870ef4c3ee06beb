//! `bgcam setup`: makes the virtual camera and the service, says beforehand what it will do, and undoes all of it.
//!
//! [`plan`] looks at the machine ([`crate::system`]) and says what is still to be done, [`Plan::carry_out`] does it. Each
//! step is recorded before it is done, so that `--remove` undoes that and nothing else, even after an interrupted setup,
//! and a second setup continues it; a file that the user has changed since is kept.

mod camera;
mod record;
mod service;
mod show;

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use self::record::Record;
pub use self::show::Text;
use crate::{
    error::{Failure, Kind, io_text},
    system::System,
};

/// What is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Undo what was set up before.
    pub remove: bool,
    /// Leave the service alone.
    pub no_service: bool,
}

/// Who has to do a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Root, by `sudo` where we are not.
    Root,
    /// The user whose camera it is.
    User,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a file.
    Write {
        /// Where.
        path: PathBuf,
        /// What stands in it then.
        text: String,
        /// What stands in it now.
        old: Option<String>,
    },
    /// Deletes a file.
    Delete {
        /// Which.
        path: PathBuf,
    },
    /// Runs a program.
    Run {
        /// It and its arguments.
        command: Vec<String>,
    },
}

/// What a finished step leaves in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Nothing,
    /// The file, or that it is gone.
    File,
    Loaded(bool),
    Group(bool),
    Packages,
    Enabled(bool),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    who: Who,
    action: Action,
    /// What it is good for, in a few words.
    why: &'static str,
    mark: Mark,
}

impl Step {
    fn run(who: Who, command: &[&str], why: &'static str, mark: Mark) -> Self {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Self { who, action: Action::Run { command }, why, mark }
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
    /// What the user should know, such as what was left alone.
    notes: Vec<String>,
    record: Record,
}

/// Looks at the machine and says what is to be done; changes nothing.
pub fn plan(system: &System, options: Options) -> Plan {
    let mut plan = Plan { record: Record::read(system), ..Plan::default() };
    if plan.record.is_damaged {
        plan.note(format!(
            "{} is damaged: what an earlier setup changed is known only as far as it is to be seen",
            record::path(system).display()
        ));
    }
    match options.remove {
        // the daemon holds the camera, so it goes first
        true => {
            if !options.no_service {
                service::remove(system, &mut plan);
            }
            camera::remove(system, &mut plan);
            plan.record.forget_missing(system);
        }
        false => {
            camera::install(system, &mut plan);
            if !options.no_service {
                service::install(system, &mut plan);
            }
        }
    }
    if plan.needs_root() && !system.as_root && !system.has_program("sudo") {
        plan.steps.retain(|step| step.who != Who::Root);
        plan.notes.push("there is no sudo here: run this as root too, for what only root may change".to_owned());
    }
    plan
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What the user should know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn needs_root(&self) -> bool {
        self.steps.iter().any(|step| step.who == Who::Root)
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Plans that `path` has `text`, unless somebody else wrote what stands there. False when it is left alone.
    fn write(&mut self, system: &System, who: Who, path: &Path, text: String, why: &'static str) -> bool {
        let old = fs::read_to_string(system.path(path)).ok();
        match &old {
            Some(old) if *old == text => return true,
            Some(old) if self.record.files.get(path) != Some(old) => {
                self.note(format!(
                    "{} is kept: it is not as bgcam wrote it; delete it to have bgcam's",
                    path.display()
                ));
                return false;
            }
            _ => {}
        }
        self.push(Step { who, action: Action::Write { path: path.to_owned(), text, old }, why, mark: Mark::File });
        true
    }

    /// Plans that the file that we wrote at `path` goes; `ours` is what we write today.
    fn delete(&mut self, system: &System, who: Who, path: &Path, ours: &str, why: &'static str) -> bool {
        let step = |path: PathBuf, why| Step { who, action: Action::Delete { path }, why, mark: Mark::File };
        let half_written = temporary(path);
        if system.exists(&half_written) {
            self.push(step(half_written, "was being written when setup was interrupted"));
        }
        let Ok(text) = fs::read_to_string(system.path(path)) else { return false };
        if text != ours && self.record.files.get(path) != Some(&text) {
            self.note(format!("{} is kept: somebody has changed it", path.display()));
            return false;
        }
        self.push(step(path.to_owned(), why));
        true
    }

    /// Does it, step by step; goes on after a failure with what can still be done. `tell` hears of each step before it.
    ///
    /// # Errors
    /// The first failure; nothing more is done when it cannot be recorded.
    pub fn carry_out(mut self, system: &System, mut tell: impl FnMut(&str)) -> Result<(), Failure> {
        let mut result = Ok(());
        for step in std::mem::take(&mut self.steps) {
            let line = step.command_line(system);
            tell(&line);
            self.begin(system, &step)?;
            let done = step.perform(system);
            self.record.end(&step, done.is_ok());
            if let Err(error) = done {
                tell(&format!("failed: {}", io_text(&error)));
                result = result.and(Err(failure(&line, &error)));
            }
        }
        let kept = self.record.write(system);
        result.and(kept.map_err(|error| failure("remember what was changed", &error)))
    }

    /// Records a step that is about to be done: what is not recorded could not be undone, so it is not done either.
    fn begin(&mut self, system: &System, step: &Step) -> Result<(), Failure> {
        self.record.begin(step);
        self.record.write(system).map_err(|error| failure("remember what is about to be changed", &error))
    }
}

fn failure(line: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(Kind::Io, format!("cannot set up all: {line}: {}", io_text(error)));
    match line.contains("modprobe") {
        true => {
            failure.hint("`bgcam doctor` says why v4l2loopback does not load; \"Key was rejected\" means Secure Boot")
        }
        false => failure.hint("fix that and run `bgcam setup` again: finished steps are skipped"),
    }
}

impl Step {
    /// The words in front of a command that make it the right one's.
    fn becoming(&self, system: &System) -> Vec<String> {
        let words: Vec<&str> = match self.who {
            Who::Root if system.as_root => vec![],
            Who::Root => vec!["sudo"],
            Who::User if !system.as_root || system.user.uid == 0 => vec![],
            Who::User => vec!["runuser", "-u", &system.user.name, "--", "env"],
        };
        let mut words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        if words.len() > 1 {
            words.extend(system.runtime_dir().map(|dir| format!("XDG_RUNTIME_DIR={}", dir.display())));
        }
        words
    }

    /// The command that does it, and whether that is what is really run: files that are ours to write need none.
    fn command(&self, system: &System) -> Vec<String> {
        let words = match &self.action {
            Action::Write { path, .. } => ["sh", "-c", WRITE, "sh"]
                .map(str::to_owned)
                .into_iter()
                .chain([text(&temporary(path)), text(path)])
                .collect(),
            Action::Delete { path } => vec!["rm".to_owned(), "-f".to_owned(), text(path)],
            Action::Run { command } => command.clone(),
        };
        self.becoming(system).into_iter().chain(words).collect()
    }

    /// What is told of it.
    fn command_line(&self, system: &System) -> String {
        match &self.action {
            Action::Write { path, .. } => format!("write {}", path.display()),
            Action::Delete { path } => format!("delete {}", path.display()),
            Action::Run { .. } => self.command(system).iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }

    fn perform(&self, system: &System) -> io::Result<()> {
        let direct = self.becoming(system).is_empty();
        match &self.action {
            Action::Write { path, text, .. } if direct => write(&system.path(path), text),
            Action::Delete { path } if direct => delete(&system.path(path)),
            Action::Write { text, .. } => system.probe().change(&self.command(system), text),
            _ => system.probe().change(&self.command(system), ""),
        }
    }
}

/// A word as a shell takes it, bare where that is possible.
fn quoted(word: &str) -> Cow<'_, str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=:@%+,".contains(&byte);
    if word.bytes().all(bare) { Cow::Borrowed(word) } else { shlex::try_quote(word).unwrap_or(Cow::Borrowed(word)) }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Writes standard input to the file `$2` by way of `$1`: it is there whole or not at all, and survives a crash.
const WRITE: &str =
    "set -e; install -D -m 644 /dev/stdin \"$1\"; sync \"$1\"; mv -f \"$1\" \"$2\"; sync \"$(dirname \"$2\")\"";

/// Where the text of `path` is until it is complete: hidden, which modprobe and systemd overlook.
fn temporary(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// The same as [`WRITE`].
fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let (dir, new) = (path.parent().unwrap_or(Path::new("/")), temporary(path));
    fs::create_dir_all(dir)?;
    let mut file = fs::File::create(&new)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(dir)?.sync_all()
}

/// Deletes a file, which may be gone already.
fn delete(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests;
