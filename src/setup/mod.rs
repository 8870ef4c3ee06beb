//! `bgcam setup`: sets up the virtual camera and the service, after showing the changes, and can undo them.
//!
//! [`plan`] examines the machine ([`crate::system`]) and lists the missing steps, [`Plan::execute`] runs them. Each
//! step is recorded before it runs, so that `--remove` undoes exactly these steps, even after an interrupted setup, and
//! a second setup continues an interrupted one. Files that the user has edited are kept.

mod camera;
mod record;
mod service;
mod show;
mod tray;

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use self::record::Record;
pub use self::show::PlanText;
use crate::{
    error::{Failure, Kind, io_text},
    system::System,
};

/// Options of `bgcam setup`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Undo the changes of an earlier setup.
    pub remove: bool,
    /// Do not set up or remove the service.
    pub no_service: bool,
    /// Do not set up the icon in the panel.
    pub no_tray: bool,
}

/// The user that a step runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// Root, through `sudo` if necessary.
    Root,
    /// The user who runs setup, also behind `sudo`.
    User,
}

/// The action of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Writes a file.
    Write {
        /// The file.
        path: PathBuf,
        /// The new content.
        text: String,
        /// The current content, if the file exists.
        old: Option<String>,
    },
    /// Deletes a file.
    Delete {
        /// The file.
        path: PathBuf,
    },
    /// Runs a program.
    Run {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// The change that a step makes, as stored in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// A file was written or deleted.
    File,
    Loaded(bool),
    Group(bool),
    Packages,
    Enabled(bool),
    TrayEnabled(bool),
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    run_as: RunAs,
    action: Action,
    /// The purpose, in a few words.
    why: &'static str,
    effect: Effect,
}

impl Step {
    fn run(run_as: RunAs, command: &[&str], why: &'static str, effect: Effect) -> Self {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Self { run_as, action: Action::Run { command }, why, effect }
    }
}

/// The steps of a setup.
#[derive(Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
    /// Notes for the user, such as files that are kept.
    notes: Vec<String>,
    record: Record,
}

/// Plans the steps for this machine. Changes nothing.
pub fn plan(system: &System, options: Options) -> Plan {
    let mut plan = Plan { record: Record::read(system), ..Plan::default() };
    if plan.record.is_damaged {
        plan.note(format!(
            "{} is damaged: changes made by an earlier setup may not be recognized",
            record::path(system).display()
        ));
    }
    match options.remove {
        // removes the daemon first, because it uses the camera
        true => {
            if !options.no_service {
                tray::remove(system, &mut plan);
                service::remove(system, &mut plan);
            }
            camera::remove(system, &mut plan);
            plan.record.forget_missing(system);
        }
        false => {
            camera::install(system, &mut plan);
            if !options.no_service {
                service::install(system, &mut plan);
                tray::install(system, options, &mut plan);
            }
        }
    }
    if plan.needs_root() && !system.as_root && !system.has_program("sudo") {
        plan.steps.retain(|step| step.run_as != RunAs::Root);
        plan.notes.push("sudo is not installed: run setup again as root to make the remaining changes".to_owned());
    }
    plan
}

impl Plan {
    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Notes for the user.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn needs_root(&self) -> bool {
        self.steps.iter().any(|step| step.run_as == RunAs::Root)
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Plans to write `text` to `path`. Returns false, with a note, if the file exists and was not written by bgcam.
    fn write(&mut self, system: &System, run_as: RunAs, path: &Path, text: String, why: &'static str) -> bool {
        let old = fs::read_to_string(system.path(path)).ok();
        match &old {
            Some(old) if *old == text => return true,
            Some(old) if self.record.files.get(path) != Some(old) => {
                self.note(format!(
                    "{} is kept, because it was not written by bgcam; to replace it, delete it first",
                    path.display()
                ));
                return false;
            }
            _ => {}
        }
        self.push(Step {
            run_as,
            action: Action::Write { path: path.to_owned(), text, old },
            why,
            effect: Effect::File,
        });
        true
    }

    /// Plans to delete `path`, unless the user has edited it. `current` is what this version writes there.
    fn delete(&mut self, system: &System, run_as: RunAs, path: &Path, current: &str, why: &'static str) -> bool {
        let step = |path: PathBuf, why| Step { run_as, action: Action::Delete { path }, why, effect: Effect::File };
        let partial = temporary(path);
        if system.exists(&partial) {
            self.push(step(partial, "left by an interrupted setup"));
        }
        let Ok(text) = fs::read_to_string(system.path(path)) else { return false };
        if text != current && self.record.files.get(path) != Some(&text) {
            self.note(format!("{} is kept, because it was edited", path.display()));
            return false;
        }
        self.push(step(path.to_owned(), why));
        true
    }

    /// Runs the steps, and continues after a failed one. Calls `report` with each step before it runs, and with errors.
    ///
    /// # Errors
    /// If a step fails: the first failure. Stops at a step that cannot be recorded.
    pub fn execute(mut self, system: &System, mut report: impl FnMut(&str)) -> Result<(), Failure> {
        let mut result = Ok(());
        for step in std::mem::take(&mut self.steps) {
            let line = step.command_line(system);
            report(&line);
            self.begin(system, &step)?;
            let outcome = step.perform(system);
            self.record.end(&step, outcome.is_ok());
            if let Err(error) = outcome {
                report(&format!("failed: {}", io_text(&error)));
                result = result.and(Err(failure(&line, &error)));
            }
        }
        let saved = self.record.write(system);
        result.and(saved.map_err(|error| failure("cannot record the changes", &error)))
    }

    /// Records a step before it runs. A step that cannot be recorded must not run, because it could not be undone.
    fn begin(&mut self, system: &System, step: &Step) -> Result<(), Failure> {
        self.record.begin(step);
        self.record.write(system).map_err(|error| failure("cannot record the next step", &error))
    }
}

fn failure(line: &str, error: &io::Error) -> Failure {
    let failure = Failure::new(Kind::Io, format!("setup is incomplete: {line}: {}", io_text(error)));
    match line.contains("modprobe") {
        true => {
            failure.hint("run `bgcam doctor` to find out why v4l2loopback does not load; \"Key was rejected\" is caused by Secure Boot")
        }
        false => failure.hint("fix this problem and run `bgcam setup` again: finished steps are skipped"),
    }
}

impl Step {
    /// The prefix that runs a command as the right user.
    fn run_as_prefix(&self, system: &System) -> Vec<String> {
        let words: Vec<&str> = match self.run_as {
            RunAs::Root if system.as_root => vec![],
            RunAs::Root => vec!["sudo"],
            RunAs::User if !system.as_root || system.user.uid == 0 => vec![],
            RunAs::User => vec!["runuser", "-u", &system.user.name, "--", "env"],
        };
        let mut words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        if words.len() > 1 {
            words.extend(system.runtime_dir().map(|dir| format!("XDG_RUNTIME_DIR={}", dir.display())));
        }
        words
    }

    /// The command line of the step. Files that this process may write are written without a command.
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
        self.run_as_prefix(system).into_iter().chain(words).collect()
    }

    /// The step as shown to the user.
    fn command_line(&self, system: &System) -> String {
        match &self.action {
            Action::Write { path, .. } => format!("write {}", path.display()),
            Action::Delete { path } => format!("delete {}", path.display()),
            Action::Run { .. } => self.command(system).iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }

    fn perform(&self, system: &System) -> io::Result<()> {
        let direct = self.run_as_prefix(system).is_empty();
        match &self.action {
            Action::Write { path, text, .. } if direct => write(&system.path(path), text),
            Action::Delete { path } if direct => delete(&system.path(path)),
            Action::Write { text, .. } => system.probe().change(&self.command(system), text),
            _ => system.probe().change(&self.command(system), ""),
        }
    }
}

/// Quotes an argument for a shell, if necessary.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=:@%+,".contains(&byte);
    if word.bytes().all(is_plain) { Cow::Borrowed(word) } else { shlex::try_quote(word).unwrap_or(Cow::Borrowed(word)) }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Writes standard input to the file `$2` through the temporary file `$1`, atomically and durably.
const WRITE: &str =
    "set -e; install -D -m 644 /dev/stdin \"$1\"; sync \"$1\"; mv -f \"$1\" \"$2\"; sync \"$(dirname \"$2\")\"";

/// The temporary file for `path`: a hidden file, which modprobe and systemd ignore.
fn temporary(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// Does the same as [`WRITE`], in this process.
fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let new = temporary(path);
    fs::create_dir_all(dir)?;
    let mut file = fs::File::create(&new)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(dir)?.sync_all()
}

/// Deletes a file, if it exists.
fn delete(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
