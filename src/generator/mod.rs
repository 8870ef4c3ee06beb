//! An image generator of the user's own: finds or builds sd-server, downloads weights, and writes the settings of the
//! provider `local`, which starts the server when it is needed.
//!
//! [`Plan::new`] changes nothing; [`Plan::execute`] makes the changes that it lists.

mod build;
mod download;
mod weights;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Url;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use toml_edit::{Array, Value};

use self::download::Download;
pub use self::weights::Weights;
use crate::{
    config::{Config, edit},
    error::{Failure, Kind, io_text},
    paths,
    prompt::providers::local::Settings,
};

/// What the user asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// The path of sd-server; otherwise it is found or built.
    pub server: Option<PathBuf>,
    /// A path or URL of weights; otherwise those in the settings.
    pub weights: Option<String>,
    /// The SHA-256 sum of weights at a URL.
    pub sha256: Option<String>,
    /// The number of steps.
    pub steps: Option<u32>,
    /// How closely an image follows the prompt.
    pub cfg_scale: Option<f32>,
    /// The size of images, as WIDTHxHEIGHT.
    pub size: Option<String>,
    /// Further arguments of sd-server.
    pub args: Vec<String>,
}

/// Where sd-server comes from.
#[derive(Debug)]
enum Server {
    /// It exists.
    At(PathBuf),
    /// It will be built.
    Build,
}

/// Where the weights come from.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    Download { download: Box<Download>, url: Url, path: PathBuf, bytes: Option<u64> },
}

/// The changes of a setup.
#[derive(Debug)]
pub struct Plan {
    runtime: Runtime,
    folder: PathBuf,
    settings_file: PathBuf,
    server: Server,
    source: Source,
    weights: Weights,
    changes: Vec<edit::Change<'static>>,
}

/// What a setup is doing.
#[derive(Debug)]
pub enum Step<'a> {
    /// It runs this command.
    Command(&'a str),
    /// It has this many bytes of the weights, of these.
    Bytes(u64, Option<u64>),
    /// It lost the connection, and tries again after this time.
    Lost(&'a Failure, Duration),
}

/// The generator that is set up.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whether it is the provider for requests that name none.
    pub is_default: bool,
    /// The path of sd-server; empty if it is not set up.
    pub server: PathBuf,
    /// The path of the weights.
    pub weights: PathBuf,
    /// Their size in bytes; `None` if they are missing.
    pub bytes: Option<u64>,
    /// What is missing or invalid.
    pub problem: Option<Failure>,
    /// The running servers.
    pub running: Vec<Running>,
}

/// A running server.
#[derive(Debug, Serialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Its resident memory in bytes.
    pub memory_bytes: u64,
}

impl Plan {
    /// Examines the machine and the weights; nothing is changed.
    ///
    /// # Errors
    /// If an option is invalid, a file or URL has no weights, or a tool is missing.
    pub fn new(options: Options, config: &Config) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(Kind::Io, io_text(&error)))?;
        let folder = folder();
        let server = server(options.server.as_deref(), &folder)?;
        let (source, weights) = source(&options, config, &folder, &runtime)?;
        let changes = changes(server.path(&folder), source.path(), &options, &config.prompt.local);
        Ok(Self { runtime, folder, settings_file: settings_file(), server, source, weights, changes })
    }

    /// The changes, one line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.server {
            Server::At(path) => lines.push(format!("server: {}", path.display())),
            Server::Build => lines.push(format!(
                "server: build sd-server from {} {} (10 minutes of CPU time, 500 MB until it is done)",
                build::PACKAGE,
                build::VERSION
            )),
        }
        match &self.source {
            Source::File(path) => lines.push(format!("weights: {}", path.display())),
            Source::Download { url, path, bytes, .. } => {
                let size = bytes.map_or_else(|| "unknown size".to_owned(), size);
                lines.push(format!("weights: download {} ({size}) to {}", download::shown(url), path.display()));
            }
        }
        lines.extend(self.weights.title.iter().map(|title| format!("model: {title}")));
        lines.push(match &self.weights.licence {
            Some(licence) => format!("licence: {licence}"),
            None => "licence: not in the file; read it on the page of the model".to_owned(),
        });
        lines.push(format!("settings in {}:", self.settings_file.display()));
        lines.extend(self.changes.iter().map(|(key, value)| match value {
            Some(value) => format!("  {key} = {value}"),
            None => format!("  {key}: default"),
        }));
        lines
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// If one fails. The settings are written last, so that a failure leaves them as they are.
    pub fn execute(self, step: &mut dyn FnMut(Step<'_>)) -> Result<(), Failure> {
        let created = fs::create_dir_all(&self.folder);
        created.map_err(|error| cannot("create", &self.folder, &error))?;
        if let Server::Build = self.server {
            let program = self.server.path(&self.folder);
            build::build(&self.folder.join("build"), &program, &mut |line| step(Step::Command(line)))?;
        }
        if let Source::Download { download, .. } = self.source {
            self.runtime.block_on(download.run(step))?;
        }
        edit::apply(&self.settings_file, &self.changes)
    }
}

impl Server {
    fn path(&self, folder: &Path) -> PathBuf {
        match self {
            Self::At(path) => path.clone(),
            Self::Build => folder.join("sd-server"),
        }
    }
}

impl Source {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Download { path, .. } => path,
        }
    }
}

/// The file that settings are written to.
fn settings_file() -> PathBuf {
    paths::config_files().pop().unwrap_or_default()
}

/// The folder of a built server and downloaded weights.
fn folder() -> PathBuf {
    paths::data_dir().join("generator")
}

fn server(given: Option<&Path>, folder: &Path) -> Result<Server, Failure> {
    let built = folder.join("sd-server");
    if let Some(path) = given {
        let path = absolute(path)?;
        build::check(&path)?;
        return Ok(Server::At(path));
    }
    if let Some(path) = [build::find(), Some(built)].into_iter().flatten().find(|path| build::check(path).is_ok()) {
        return Ok(Server::At(absolute(&path)?));
    }
    build::check_tools()?;
    Ok(Server::Build)
}

fn source(options: &Options, config: &Config, folder: &Path, runtime: &Runtime) -> Result<(Source, Weights), Failure> {
    let configured = Some(&config.prompt.local.weights).filter(|path| !path.is_empty());
    let Some(place) = options.weights.as_ref().or(configured) else {
        return Err(Failure::new(Kind::BadInput, "no weights are given, expected a file or a URL after --weights")
            .hint(
                "download the weights of a Stable Diffusion model, such as SD-Turbo (2.6 GB), then run `bgcam generator \
                 setup --weights ~/Downloads/FILE`",
            ));
    };
    check_sum(options.sha256.as_deref())?;
    if !place.contains("://") {
        let path = absolute(Path::new(place))?;
        let weights = weights::read(&path)?;
        if let Some(expected) = &options.sha256 {
            download::compare_sums(place, &sum_of(&path)?, expected)?;
        }
        return Ok((Source::File(path), weights));
    }
    let url = Url::parse(place).map_err(|error| {
        Failure::new(Kind::BadInput, format!("{place:?} is not a URL: {error}"))
            .hint("give the address of the file itself, such as https://example.org/model.safetensors")
    })?;
    let path = folder.join(file_name(&url));
    let download = Download::new(url.clone(), path.clone(), options.sha256.clone())?;
    let preview = runtime.block_on(download.preview())?;
    if path.exists() && is_same(&path, options.sha256.as_deref(), preview.bytes)? {
        return Ok((Source::File(path), preview.weights));
    }
    Ok((Source::Download { download: Box::new(download), url, path, bytes: preview.bytes }, preview.weights))
}

/// Whether the file at `path` needs no download: it has the expected sum or, without one, the size that the server tells.
fn is_same(path: &Path, sha256: Option<&str>, bytes: Option<u64>) -> Result<bool, Failure> {
    match sha256 {
        Some(expected) => Ok(sum_of(path)?.eq_ignore_ascii_case(expected)),
        None => Ok(bytes.is_some() && fs::metadata(path).ok().map(|found| found.len()) == bytes),
    }
}

fn sum_of(path: &Path) -> Result<String, Failure> {
    download::sum_of(path).map_err(|error| cannot("read", path, &error))
}

fn check_sum(sha256: Option<&str>) -> Result<(), Failure> {
    match sha256 {
        Some(sum) if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(Failure::new(Kind::BadInput, format!("--sha256 {sum:?}: expected 64 hexadecimal digits"))
                .hint("the page of the model shows it beside the file"))
        }
        _ => Ok(()),
    }
}

/// A safe file name for the file at `url`. It has a hash of the host and path, because many models are called
/// `model.safetensors`, but not of the query, which may have a key that changes.
fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let is_safe = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let name: String = last.chars().filter(is_safe).take(100).collect();
    let path = Path::new(name.trim_start_matches('.'));
    let stem = path.file_stem().unwrap_or(OsStr::new("weights")).display();
    let extension = path.extension().map(|extension| format!(".{}", extension.display())).unwrap_or_default();
    let hash = Sha256::digest(download::shown(url));
    format!("{stem}-{:02x}{:02x}{:02x}{:02x}{extension}", hash[0], hash[1], hash[2], hash[3])
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| cannot("resolve", path, &error))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot {what} {}: {}", path.display(), io_text(error)))
}

/// The settings to write. What was set for other weights gets its default, unless it is given.
fn changes(server: PathBuf, weights: &Path, options: &Options, old: &Settings) -> Vec<edit::Change<'static>> {
    let mut changes = vec![
        ("prompt.provider", Some("local".into())),
        ("prompt.local.server", Some(server.display().to_string().into())),
        ("prompt.local.weights", Some(weights.display().to_string().into())),
    ];
    let is_other = Path::new(&old.weights) != weights;
    let default = Settings::default();
    let mut optional = |key, given: Option<Value>, is_default: bool| {
        if given.is_some() || is_other && !is_default {
            changes.push((key, given));
        }
    };
    let args = (!options.args.is_empty()).then(|| Value::from(options.args.iter().collect::<Array>()));
    optional("prompt.local.args", args, old.args == default.args);
    let steps = options.steps.map(|steps| i64::from(steps).into());
    optional("prompt.local.steps", steps, old.steps == default.steps);
    // by way of its text: 1.1 instead of 1.10000002384
    let scale = options.cfg_scale.and_then(|scale| scale.to_string().parse::<f64>().ok()).map(Value::from);
    optional("prompt.local.cfg_scale", scale, old.cfg_scale == default.cfg_scale);
    optional("prompt.local.size", options.size.clone().map(Value::from), old.size == default.size);
    optional("prompt.local.sampler", None, old.sampler == default.sampler);
    changes
}

/// The generator in the settings.
pub fn status(config: &Config) -> Status {
    let local = &config.prompt.local;
    let problem = config.prompt.of(crate::prompt::Name::Local).open().err().map(Failure::from);
    Status {
        is_default: config.prompt.provider == "local",
        server: PathBuf::from(&local.server),
        weights: PathBuf::from(&local.weights),
        bytes: fs::metadata(&local.weights).ok().filter(fs::Metadata::is_file).map(|found| found.len()),
        problem,
        running: running(Path::new(&local.server)),
    }
}

/// The running processes of `server` that this user may see.
fn running(server: &Path) -> Vec<Running> {
    let Ok(server) = fs::canonicalize(server) else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = pids.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == server));
    own.filter_map(|pid| Some(Running { pid, memory_bytes: memory(pid)? })).collect()
}

/// The resident memory of a process in bytes: the second number of `statm`, in pages.
fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// What [`remove`] would delete, with the sizes in bytes.
pub fn removable() -> Vec<(PathBuf, u64)> {
    let files = fs::read_dir(folder()).into_iter().flatten().flatten();
    files.map(|entry| (entry.path(), tree_size(&entry.path()))).collect()
}

/// The size of a file, or of all files below a folder, in bytes.
fn tree_size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| tree_size(&entry.path())).sum()
        }
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}

/// Removes the settings, and what a setup built or downloaded; weights elsewhere are kept.
///
/// # Errors
/// If the settings or a file can't be changed.
pub fn remove(config: &Config) -> Result<(), Failure> {
    let mut changes = vec![("prompt.local", None)];
    if config.prompt.provider == "local" {
        changes.push(("prompt.provider", None));
    }
    if settings_file().exists() {
        edit::apply(&settings_file(), &changes)?;
    }
    match fs::remove_dir_all(folder()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(cannot("remove", &folder(), &error)),
        _ => Ok(()),
    }
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_safe() {
        let name = |url: &str| file_name(&Url::parse(url).unwrap());
        for (url, start, end) in [
            ("https://host/a/model-1.5_q8.gguf?download=true", "model-1.5_q8-", ".gguf"),
            ("https://host/a/..%2F..%2Fetc", "2F.-", ".2Fetc"),
            ("https://host/.ssh", "ssh-", ""),
            ("https://host/", "weights-", ""),
            ("https://host/sd-server", "sd-server-", ""),
        ] {
            let name = name(url);
            assert!(name.starts_with(start) && name.ends_with(end), "{url}: {name}");
            assert_eq!(name.len(), start.len() + 8 + end.len(), "{url}: {name}");
        }
        assert_ne!(name("https://host/a/model.gguf"), name("https://host/b/model.gguf"));
        assert_eq!(name("https://host/a/model.gguf?key=1"), name("https://host/a/model.gguf?key=2"));
    }

    #[test]
    fn settings_of_other_weights_are_reset() {
        let old = Settings { weights: "/old.gguf".to_owned(), steps: 1, cfg_scale: 1.0, ..Settings::default() };
        let options = Options { steps: Some(8), ..Options::default() };
        let changes = |weights: &str| {
            let all = changes("/sd-server".into(), Path::new(weights), &options, &old);
            all.into_iter().skip(3).map(|(key, value)| (key, value.map(|value| value.to_string()))).collect::<Vec<_>>()
        };
        let steps = || ("prompt.local.steps", Some("8".to_owned()));
        assert_eq!(changes("/old.gguf"), [steps()]);
        assert_eq!(changes("/new.gguf"), [steps(), ("prompt.local.cfg_scale", None)]);
    }

    #[test]
    fn the_size_of_a_folder_is_that_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/one"), [0; 1000]).unwrap();
        fs::write(folder.path().join("two"), [0; 234]).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        assert_eq!(tree_size(folder.path()), 1234 + "/usr".len() as u64);
    }

    #[test]
    fn sums_are_checked() {
        check_sum(None).unwrap();
        check_sum(Some(&"aF".repeat(32))).unwrap();
        for sum in ["", "abc", &"g".repeat(64)] {
            assert!(check_sum(Some(sum)).unwrap_err().message.contains("64 hexadecimal digits"));
        }
    }

    #[test]
    fn running_servers_are_found() {
        let own = std::env::current_exe().unwrap();
        let found = running(&own);
        let this = found.iter().find(|process| process.pid == std::process::id()).unwrap();
        assert!(this.memory_bytes > 1_000_000);
        assert!(running(Path::new("/nowhere/sd-server")).is_empty());
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!([size(1), size(2_345_678), size(5_214_561_328)], ["1 kB", "3 MB", "5.2 GB"]);
    }
}
