//! The command line: runs commands, alone or through the daemon, and prints their results.
//!
//! Results go to stdout, messages and errors to stderr.

pub mod args;
mod devices;
mod doctor;
mod error;
mod events;
mod gallery;
mod generator;
mod look;
mod man;
mod preset;
mod preview;
mod prompt;
mod setup;
mod show;
mod status;
mod status_line;
mod synonyms;
mod tray;
mod watch;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;

use self::{
    args::{Cli, Command, ConfigCommand, DaemonArgs, GalleryCommand, OnOff, PresetCommand, SlideshowArgs},
    error::{CliError, print_failure},
    status::Format,
};
use crate::{
    background::{BackgroundSpec, Fit, Slides},
    bench::{self, BenchArgs},
    config::{self, Config, ConfigError, Flags},
    control::{
        client::Client,
        protocol::{Direction, Request, Response},
        socket,
    },
    daemon,
    error::{Failure, Kind, io_text},
    paths,
    process::child::Process,
    render,
};

/// Runs the command line and returns the exit status.
pub fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        // help and version are normal output: a write error is a failure
        Err(help) if !help.use_stderr() => help.print().map_err(CliError::from),
        Err(error) => {
            let _ = synonyms::suggest(error).print();
            return ExitCode::from(2);
        }
    };
    // Rust ignores write errors when it flushes stdout at exit
    let result = result.and_then(|()| Ok(io::stdout().flush()?));
    result.map_or_else(CliError::report, |()| ExitCode::SUCCESS)
}

/// Prints a message to stderr. A write error is ignored, because the command itself succeeded.
fn note(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Daemon(args) => Ok(daemon::run(daemon_options(args)?)?),
        Command::SetPrompt(args) => prompt::set_prompt(args),
        Command::Gallery { command, json } => gallery::run(command.unwrap_or(GalleryCommand::List), json),
        Command::Generator(options) => generator::run(options),
        Command::Providers(args) => match args.test {
            Some(name) => prompt::test_provider(&name),
            None => prompt::list_providers(args.name.as_deref(), args.json),
        },
        Command::SetImage { path, fit } => set_file(BackgroundSpec::Image { path, fit: Fit::default() }, fit),
        Command::SetVideo { path, fit } => set_file(BackgroundSpec::Video { path, fit: Fit::default() }, fit),
        Command::SetSlideshow(SlideshowArgs { path, every, shuffle, fit }) => {
            set_file(BackgroundSpec::Slideshow(Slides { seconds: every, shuffle, ..Slides::new(path) }), fit)
        }
        Command::SetBlur { strength } => set(BackgroundSpec::Blur { strength }),
        Command::SetColour { colour } => set(colour),
        Command::SetNone => set(BackgroundSpec::Off),
        Command::Off => {
            writeln!(
                io::stderr(),
                "note: `bgcam off` is deprecated, use `bgcam set-none`. It shows your real room; to hide the camera, use `bgcam pause`"
            )?;
            set(BackgroundSpec::Off)
        }
        Command::Pause { freeze: true, .. } => ask(&Request::Freeze),
        Command::Pause { message: None, .. } => ask(&Request::Pause),
        Command::Pause { message: Some(message), .. } => ask(&Request::PauseWithMessage { message }),
        Command::Resume => ask(&Request::Resume),
        Command::Mirror { state } => ask(&Request::Mirror { on: state == OnOff::On }),
        Command::Toggle { switch } => ask(&Request::Toggle { switch }),
        Command::Previous => ask(&Request::ShowRecent { direction: Direction::Previous }),
        Command::Next => ask(&Request::ShowRecent { direction: Direction::Next }),
        Command::Look { settings, reset, json } => look::run(&settings, reset, json),
        Command::SetOverlay(args) => look::set_overlay(&args),
        Command::Preset { command, json } => preset::run(command.unwrap_or(PresetCommand::List), json),
        Command::Preview { print, start } => preview::run(print, start),
        Command::Tray(args) => tray::run(args),
        Command::SetCamera { camera, .. } => {
            ask(&Request::SetCamera { camera: camera.map(absolute_camera).transpose()? })
        }
        Command::SetQuality { quality, .. } => ask(&Request::SetQuality { quality }),
        Command::Status(args) => status(Format::of(&args), args.watch),
        Command::Watch => events::run(),
        Command::Devices { command, formats, json } => devices::run(command, formats, json),
        Command::Models { json, no_speed } => models(json, !no_speed),
        Command::Config { command } => config(command),
        Command::Reload => ask(&Request::Reload),
        Command::Render(args) => Ok(render::run(&args, &Config::load(&args.mask_args.flags())?)?),
        Command::Bench(args) => bench(&args),
        Command::Doctor { json } => doctor::run(json),
        Command::Setup(args) => setup::run(&args),
        Command::Stop => stop(),
        Command::Completions { shell } => {
            // clap panics on write errors, so it writes to memory first
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::without_hidden(), "bgcam", &mut script);
            Ok(io::stdout().write_all(&script)?)
        }
        Command::Man { dir } => man::run(dir.as_deref()),
    }
}

fn client() -> Result<Client, CliError> {
    Ok(Client::connect(&paths::runtime_dir())?)
}

fn ask(request: &Request) -> Result<(), CliError> {
    if let Response::Done(text) | Response::Warning(text) = client()?.call(request)? {
        note(text);
    }
    Ok(())
}

fn set(spec: BackgroundSpec) -> Result<(), CliError> {
    ask(&Request::SetBackground { spec, fit: None })
}

fn set_file(spec: BackgroundSpec, fit: Option<Fit>) -> Result<(), CliError> {
    ask(&Request::SetBackground { spec: absolute(spec)?, fit })
}

/// Makes the path of a background absolute, because the daemon has another working directory.
fn absolute(spec: BackgroundSpec) -> Result<BackgroundSpec, Failure> {
    let name = spec.to_string();
    spec.absolute()
        .map_err(|error| Failure::new(Kind::BadInput, format!("cannot resolve the path {name:?}: {}", io_text(&error))))
}

/// Makes the path of a `file:` camera absolute.
fn absolute_camera(camera: String) -> Result<String, Failure> {
    let Some(path) = camera.strip_prefix("file:") else { return Ok(camera) };
    let absolute = std::path::absolute(path).map_err(|error| {
        Failure::new(Kind::BadInput, format!("cannot resolve the path {path:?}: {}", io_text(&error)))
    })?;
    Ok(format!("file:{}", absolute.display()))
}

fn daemon_options(args: DaemonArgs) -> Result<daemon::Options, CliError> {
    let mut flags = args.mask_args.flags();
    let mut flag = |key, value: Option<::config::Value>| flags.extend(value.map(|value| (key, value)));
    flag("camera.device", args.camera.map(Into::into));
    flag("output.size", args.size.map(|size| size.to_string().into()));
    flag("output.fps", args.fps.map(Into::into));
    if !args.outputs.is_empty() {
        flag("output.to", Some(args.outputs.iter().map(ToString::to_string).collect::<Vec<_>>().into()));
    }
    let background = args.background.map(absolute).transpose()?;
    Ok(daemon::Options { flags, background, snapshot: args.snapshot, once: args.once, doctor: Some(doctor::as_json) })
}

/// The settings for a command without flags that override them.
fn settings() -> Result<Config, CliError> {
    Ok(Config::load(&Flags::new())?)
}

fn status(format: Format, watch: bool) -> Result<(), CliError> {
    let mut client = match client() {
        // a bar shows that nothing runs, and would hide an error
        Err(CliError::NoDaemon) if format == Format::Waybar => return Ok(status::print_stopped()?),
        client => client?,
    };
    let mut response = client.call(if watch { &Request::Watch } else { &Request::Status })?;
    let mut display = watch::Watch::new(io::stdout().is_terminal());
    loop {
        match &response {
            Response::Status(status) if watch && format == Format::Text => {
                display.show(&mut anstream::stdout().lock(), status)?
            }
            Response::Status(status) => status::print(status, format, watch)?,
            _ => {}
        }
        if !watch {
            return Ok(());
        }
        response = client.read_response()?;
    }
}

fn models(json: bool, measure: bool) -> Result<(), CliError> {
    Ok(show::models(&settings()?.mask, json, measure)?)
}

fn config(command: ConfigCommand) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match command {
        ConfigCommand::Show => {
            let config = settings()?;
            for file in &config.files {
                note(format_args!("settings from {}", file.display()));
            }
            write!(stdout, "{}", config.to_toml())?;
        }
        ConfigCommand::Check { file: Some(file) } => {
            report_errors(config::check_file(&file))?;
            note(format_args!("{} OK", file.display()));
        }
        ConfigCommand::Check { file: None } => {
            let files = report_errors(Config::load(&Flags::new()))?.files;
            let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            let sources = if files.is_empty() { "defaults only".to_owned() } else { files.join(", ") };
            note(format_args!("settings OK ({sources})"));
        }
        ConfigCommand::Path => {
            for file in paths::config_files() {
                let missing = if file.exists() { "" } else { " (does not exist)" };
                writeln!(stdout, "{}{missing}", file.display())?;
            }
        }
    }
    Ok(())
}

/// Prints every error in the settings.
fn report_errors<T>(settings: Result<T, ConfigError>) -> Result<T, CliError> {
    settings.map_err(|error| {
        let mut failures = error.into_errors().map(Failure::from).peekable();
        while let Some(mut failure) = failures.next() {
            // prints a hint once, below the last error that it applies to
            if failures.peek().is_some_and(|next| next.hint == failure.hint) {
                failure.hint = None;
            }
            print_failure(&failure);
        }
        CliError::Reported
    })
}

fn bench(args: &BenchArgs) -> Result<(), CliError> {
    let before = args.compare.as_deref().map(bench::Report::load).transpose()?;
    let report = bench::run(args, &Config::load(&args.mask_args.flags())?)?;
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

/// Stops the daemon and waits until its process has ended, so that the camera is free and a new daemon can start.
fn stop() -> Result<(), CliError> {
    let mut client = client()?;
    let process = socket::pid_in(&paths::runtime_dir()).and_then(Process::find);
    match client.call(&Request::Stop) {
        Ok(_) => {}
        // the daemon may exit before its reply arrives
        Err(failure) if failure.kind == Kind::Io => {}
        Err(failure) => return Err(failure.into()),
    }
    if process.is_some_and(|process| !process.exits_within(Duration::from_secs(10))) {
        return Err(Failure::new(Kind::Busy, "the daemon did not stop within 10 s")
            .hint(
                "to force it, run `systemctl --user kill -s KILL bgcam`, or `kill -9` with the pid from `bgcam status`",
            )
            .into());
    }
    note("stopped");
    Ok(())
}
