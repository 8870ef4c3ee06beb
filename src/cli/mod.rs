//! The command line: reads it, does what it says or asks the daemon to, and prints.
//!
//! What a verb finds out goes to stdout; talk and errors go to stderr.

pub mod args;
mod devices;
mod doctor;
mod gallery;
mod look;
mod preview;
mod prompt;
mod setup;
mod show;
mod watch;

use std::{
    fmt, fs,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser};

use self::args::{Cli, ConfigVerb, DaemonArgs, GalleryVerb, OnOff, Verb};
use crate::style::{BAD, DIM};
use crate::{
    background::{BackgroundSpec, Fit, Slides},
    bench,
    config::{self, Config, ConfigError, Flags},
    control::{
        client::{Client, ConnectError},
        protocol::{Request, Response},
        socket,
    },
    daemon,
    error::{Failure, Kind, io_text},
    mask::Quality,
    paths,
    process::child::Process,
    render,
};

/// Why a verb was not done; each has its exit status.
#[derive(Debug)]
enum Trouble {
    /// It could not be done.
    Failed(Failure),
    /// No daemon runs.
    NoDaemon,
    /// It could not be done, and the reasons are printed already.
    Said,
    /// Whoever read our output went away.
    Unheard,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<ConfigError> for Trouble {
    fn from(error: ConfigError) -> Self {
        Self::Failed(Failure::from(error))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unheard,
            _ => Self::Failed(Failure::new(Kind::Io, format!("cannot print: {error}"))),
        }
    }
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::NoDaemon => Self::NoDaemon,
            ConnectError::Failed(failure) => Self::Failed(failure),
        }
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => run(cli.verb),
        // help and version are output like any other, so a disk that is full makes them fail
        Err(help) if !help.use_stderr() => help.print().map_err(Trouble::from),
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(2);
        }
    };
    // what is left in the buffer would otherwise be lost without a word
    match done.and_then(|()| Ok(io::stdout().flush()?)) {
        Ok(()) | Err(Trouble::Unheard) => ExitCode::SUCCESS,
        Err(Trouble::Said) => ExitCode::from(1),
        Err(Trouble::Failed(failure)) => {
            complain(&failure);
            ExitCode::from(1)
        }
        Err(Trouble::NoDaemon) => {
            complain(
                &Failure::new(Kind::NotFound, "no bgcam daemon runs")
                    .hint("start it with `systemctl --user start bgcam`, or in a terminal with `bgcam daemon`"),
            );
            ExitCode::from(3)
        }
    }
}

/// Prints a message for the user. There is nowhere to report that it failed, and the verb has done its work all the same.
fn note(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

fn complain(failure: &Failure) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{BAD}error:{BAD:#} {failure}");
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "{DIM}hint: {hint}{DIM:#}");
    }
}

fn run(verb: Verb) -> Result<(), Trouble> {
    match verb {
        Verb::Daemon(args) => Ok(daemon::run(daemon_options(args)?)?),
        Verb::SetPrompt(args) => prompt::set_prompt(args),
        Verb::Gallery { verb, json } => gallery::run(verb.unwrap_or(GalleryVerb::List), json),
        Verb::Providers { json, test } => prompt::list_providers(json, test.as_deref()),
        Verb::SetImage { path, fit } => set_file(BackgroundSpec::Picture { path, fit: Fit::default() }, fit),
        Verb::SetVideo { path, fit } => set_file(BackgroundSpec::Video { path, fit: Fit::default() }, fit),
        Verb::SetSlideshow { path, every, shuffle, fit } => {
            set_file(BackgroundSpec::Slideshow(Slides { seconds: every, shuffle, ..Slides::new(path) }), fit)
        }
        Verb::SetBlur { strength } => set(BackgroundSpec::Blur { strength }),
        Verb::SetColor { colour } => set(colour),
        Verb::SetNone => set(BackgroundSpec::Off),
        Verb::Off => {
            writeln!(
                io::stderr(),
                "note: `bgcam off` is now called `bgcam set-none`; it shows your room. `bgcam pause` hides the camera"
            )?;
            set(BackgroundSpec::Off)
        }
        Verb::Pause => ask(&Request::Pause),
        Verb::Resume => ask(&Request::Resume),
        Verb::Mirror { state } => ask(&Request::Mirror { on: state == OnOff::On }),
        Verb::Look { knobs, reset, json } => look::run(&knobs, reset, json),
        Verb::Preview { print } => preview::run(print),
        Verb::SetCamera { camera, .. } => ask(&Request::SetCamera { camera: camera.map(whole_camera).transpose()? }),
        Verb::SetQuality { quality, .. } => ask(&Request::SetQuality { quality }),
        Verb::Status { json, watch } => status(json, watch),
        Verb::Devices { verb, json } => devices::run(verb, json),
        Verb::Models { json, no_speed } => models(json, !no_speed),
        Verb::Config { verb } => config(verb),
        Verb::Reload => ask(&Request::Reload),
        Verb::Render(args) => Ok(render::run(&args, &settings(&args.model, args.quality)?)?),
        Verb::Bench(args) => bench(&args),
        Verb::Doctor { json } => doctor::run(json),
        Verb::Setup(args) => setup::run(&args),
        Verb::Stop => stop(),
        Verb::Completions { shell } => {
            // into memory first: clap panics when it cannot write
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::without_deprecated(), "bgcam", &mut script);
            Ok(io::stdout().write_all(&script)?)
        }
        Verb::Man { dir } => man(dir.as_deref()),
    }
}

fn client() -> Result<Client, Trouble> {
    Ok(Client::connect(&paths::runtime_dir())?)
}

fn ask(request: &Request) -> Result<(), Trouble> {
    if let Response::Done(text) = client()?.call(request)? {
        note(text);
    }
    Ok(())
}

fn set(spec: BackgroundSpec) -> Result<(), Trouble> {
    ask(&Request::SetBackground { spec, fit: None })
}

fn set_file(spec: BackgroundSpec, fit: Option<Fit>) -> Result<(), Trouble> {
    ask(&Request::SetBackground { spec: absolute(spec)?, fit })
}

/// The daemon has another working directory.
fn absolute(spec: BackgroundSpec) -> Result<BackgroundSpec, Failure> {
    let name = spec.to_string();
    spec.absolute()
        .map_err(|error| Failure::new(Kind::BadInput, format!("cannot resolve the path {name:?}: {}", io_text(&error))))
}

/// The same camera; a file's path from the root on.
fn whole_camera(camera: String) -> Result<String, Failure> {
    let Some(path) = camera.strip_prefix("file:") else { return Ok(camera) };
    let whole = std::path::absolute(path).map_err(|error| {
        Failure::new(Kind::BadInput, format!("cannot resolve the path {path:?}: {}", io_text(&error)))
    })?;
    Ok(format!("file:{}", whole.display()))
}

fn daemon_options(args: DaemonArgs) -> Result<daemon::Options, Trouble> {
    let mut flags = Flags::new();
    let mut flag = |key, value: Option<::config::Value>| flags.extend(value.map(|value| (key, value)));
    flag("camera.device", args.camera.map(Into::into));
    flag("output.size", args.size.map(|size| size.to_string().into()));
    flag("output.fps", args.fps.map(Into::into));
    flag("mask.model", args.model.map(Into::into));
    flag("mask.quality", args.quality.map(|quality| quality.to_string().into()));
    if !args.outputs.is_empty() {
        flag("output.to", Some(args.outputs.iter().map(ToString::to_string).collect::<Vec<_>>().into()));
    }
    let background = args.background.map(absolute).transpose()?;
    Ok(daemon::Options { flags, background, snapshot: args.snapshot, once: args.once })
}

fn settings(model: &Option<String>, quality: Option<Quality>) -> Result<Config, Trouble> {
    let mut flags: Flags = model.iter().map(|model| ("mask.model", model.clone().into())).collect();
    flags.extend(quality.map(|quality| ("mask.quality", quality.to_string().into())));
    Ok(Config::load(&flags)?)
}

fn status(json: bool, watch: bool) -> Result<(), Trouble> {
    let mut client = client()?;
    let mut response = client.call(if watch { &Request::Watch } else { &Request::Status })?;
    let mut shown = watch::Watch::new(io::stdout().is_terminal());
    loop {
        match &response {
            Response::Status(status) if watch && !json => shown.show(&mut anstream::stdout().lock(), status)?,
            Response::Status(status) => show::status(status, json, watch)?,
            _ => {}
        }
        if !watch {
            return Ok(());
        }
        response = client.read_response()?;
    }
}

fn models(json: bool, measure: bool) -> Result<(), Trouble> {
    Ok(show::models(&settings(&None, None)?.mask, json, measure)?)
}

fn config(verb: ConfigVerb) -> Result<(), Trouble> {
    let mut stdout = io::stdout().lock();
    match verb {
        ConfigVerb::Show => {
            let config = settings(&None, None)?;
            for file in &config.files {
                note(format_args!("from {}", file.display()));
            }
            write!(stdout, "{}", config.to_toml())?;
        }
        ConfigVerb::Check { file: Some(file) } => {
            checked(config::check_file(&file))?;
            note(format_args!("{} is good", file.display()));
        }
        ConfigVerb::Check { file: None } => {
            let files = checked(Config::load(&Flags::new()))?.files;
            let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            let from = if files.is_empty() { "the defaults".to_owned() } else { files.join(", ") };
            note(format_args!("the settings are good ({from})"));
        }
        ConfigVerb::Path => {
            for file in paths::config_files() {
                let there = if file.exists() { "" } else { " (not there)" };
                writeln!(stdout, "{}{there}", file.display())?;
            }
        }
    }
    Ok(())
}

/// The settings, or every mistake in them on stderr.
fn checked<T>(settings: Result<T, ConfigError>) -> Result<T, Trouble> {
    settings.map_err(|error| {
        let mut mistakes = error.into_mistakes().map(Failure::from).peekable();
        while let Some(mut mistake) = mistakes.next() {
            // the same way out is printed once, below all whose it is
            if mistakes.peek().is_some_and(|next| next.hint == mistake.hint) {
                mistake.hint = None;
            }
            complain(&mistake);
        }
        Trouble::Said
    })
}

fn bench(args: &args::BenchArgs) -> Result<(), Trouble> {
    let before = args.compare.as_deref().map(bench::Report::load).transpose()?;
    let report = bench::run(args, &settings(&args.model, args.quality)?)?;
    args.save.as_deref().map_or(Ok(()), |path| report.save(path))?;
    let mut stdout = io::stdout().lock();
    if args.json {
        show::json(&report)?;
    } else {
        write!(stdout, "{report}")?;
        if let Some(before) = before {
            write!(stdout, "{}", report.compared_with(&before))?;
        }
    }
    Ok(())
}

/// Asks the daemon to end and waits until its process has: the camera is free when this returns, and another daemon may start.
fn stop() -> Result<(), Trouble> {
    let mut client = client()?;
    let process = socket::pid_in(&paths::runtime_dir()).and_then(Process::find);
    match client.call(&Request::Stop) {
        Ok(_) => {}
        // it may be gone before its answer is
        Err(failure) if failure.kind == Kind::Io => {}
        Err(failure) => return Err(failure.into()),
    }
    if process.is_some_and(|process| !process.exits_within(Duration::from_secs(10))) {
        return Err(Failure::new(Kind::Busy, "the daemon did not end within 10 s")
            .hint(
                "`systemctl --user kill -s KILL bgcam`, or `kill -9` with the pid of `bgcam status`, ends it by force",
            )
            .into());
    }
    note("stopped");
    Ok(())
}

fn man(dir: Option<&Path>) -> Result<(), Trouble> {
    let Some(dir) = dir else {
        return Ok(clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?);
    };
    let written = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    let cannot =
        |error| Failure::new(Kind::Io, format!("cannot write manual pages to {}: {}", dir.display(), io_text(&error)));
    written.map_err(cannot)?;
    note(format_args!("manual pages written to {}", dir.display()));
    Ok(())
}
