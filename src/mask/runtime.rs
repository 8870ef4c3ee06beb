//! Where the ONNX Runtime library may lie: named by the user, beside the program, fetched by `scripts/setup`, or the
//! system's.

use std::{
    env,
    ffi::{CStr, CString, OsString, c_char, c_void},
    fs, mem,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Environment variables that name the library, first wins; the second is that of `ort` itself.
const VARIABLES: [&str; 2] = ["BGCAM_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// The library's name where it is installed for development, and as `scripts/setup` calls it.
const PLAIN_NAME: &str = "libonnxruntime.so";

const SYSTEM_DIRS: [&str; 6] = [
    "/usr/local/lib",
    #[cfg(target_arch = "aarch64")]
    "/usr/lib/aarch64-linux-gnu",
    #[cfg(not(target_arch = "aarch64"))]
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/onnxruntime",
    "/opt/onnxruntime/lib",
];

/// What to load, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// The user named one: it or nothing. The word says where it was named.
    Named(PathBuf, &'static str),
    /// Libraries that exist, and the folders that were looked into.
    Found {
        /// Best first.
        libraries: Vec<PathBuf>,
        /// All folders.
        searched: Vec<PathBuf>,
    },
}

/// Looks for the library on this machine; `configured` is the one named in the config.
pub(super) fn search(configured: Option<&Path>) -> Search {
    search_in(configured, |name| env::var_os(name), &dirs())
}

/// `$XDG_DATA_HOME/bgcam`, by default `~/.local/share/bgcam`.
pub(super) fn data_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(home.join("bgcam"))
}

/// The folder of the running program, links resolved.
pub(super) fn program_dir() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.canonicalize().ok()?.parent()?.to_owned())
}

/// The folders to look into. That of `scripts/setup` comes before the system's: its version is known to be fast.
fn dirs() -> Vec<PathBuf> {
    let beside = program_dir().into_iter().flat_map(|dir| [dir.clone(), dir.join("../lib"), dir.join("../lib/bgcam")]);
    let fetched = data_dir().map(|dir| dir.join("onnxruntime"));
    beside.chain(fetched).chain(SYSTEM_DIRS.map(PathBuf::from)).collect()
}

/// `OrtApiBase` of `onnxruntime_c_api.h`, which has been the same in all versions.
#[repr(C)]
struct ApiBase {
    get_api: *const c_void,
    version_string: Option<unsafe extern "C" fn() -> *const c_char>,
}

/// The version of the library at `path`, as it says itself; loads it where that has not been done.
pub(super) fn version_of(path: &Path) -> Option<String> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the path is a C string. The library's initialisers run, as they do when its models are to be run; it stays
    // loaded for good.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY) };
    if library.is_null() {
        return None;
    }
    // SAFETY: the handle is a library's, and the name a C string.
    let symbol = unsafe { libc::dlsym(library, c"OrtGetApiBase".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: the function of this name has this type in all versions, and returns a pointer to a static or null.
    let base = unsafe { mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const ApiBase>(symbol)().as_ref()? };
    // SAFETY: it takes nothing and returns a static C string.
    let text = unsafe { CStr::from_ptr(base.version_string?()) };
    text.to_str().ok().map(str::to_owned)
}

fn search_in(configured: Option<&Path>, var: impl Fn(&str) -> Option<OsString>, dirs: &[PathBuf]) -> Search {
    if let Some(path) = configured {
        return Search::Named(path.to_owned(), "named in the config");
    }
    for name in VARIABLES {
        if let Some(path) = var(name).filter(|path| !path.is_empty()) {
            return Search::Named(path.into(), name);
        }
    }
    Search::Found { libraries: dirs.iter().filter_map(|dir| library_in(dir)).collect(), searched: dirs.to_vec() }
}

/// The library in `dir`: under its plain name, else the newest of the versioned ones.
fn library_in(dir: &Path) -> Option<PathBuf> {
    let plain = dir.join(PLAIN_NAME);
    if plain.is_file() {
        return Some(plain);
    }
    let named = fs::read_dir(dir).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = named.filter_map(|name| Some((version(&name)?, name))).max()?;
    Some(dir.join(newest.1))
}

/// `[1, 31, 1]` of `libonnxruntime.so.1.31.1`.
fn version(name: &str) -> Option<Vec<u32>> {
    let numbers = name.strip_prefix(PLAIN_NAME)?.strip_prefix('.')?;
    numbers.split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: Search) -> Vec<PathBuf> {
        match search {
            Search::Found { libraries, .. } => libraries,
            Search::Named(..) => panic!("{search:?}"),
        }
    }

    #[test]
    fn the_config_comes_before_the_environment_and_that_before_the_folders() {
        let var = |name: &str| (name == "ORT_DYLIB_PATH").then(|| OsString::from("/env.so"));
        let config = Path::new("/config.so");
        assert_eq!(search_in(Some(config), var, &[]), Search::Named(config.into(), "named in the config"));
        assert_eq!(search_in(None, var, &[]), Search::Named("/env.so".into(), "ORT_DYLIB_PATH"));
        let both = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(search_in(None, both, &[]), Search::Named("/BGCAM_ONNXRUNTIME".into(), "BGCAM_ONNXRUNTIME"));
        assert_eq!(found(search_in(None, |_| Some(OsString::new()), &[])), Vec::<PathBuf>::new());
    }

    #[test]
    fn only_the_runtime_tells_a_version() {
        assert_eq!(version_of(Path::new("/no/such.so")), None);
        assert_eq!(version_of(Path::new("libc.so.6")), None);
        if let Search::Found { libraries, .. } = search(None) {
            assert!(
                libraries.first().is_none_or(|library| version_of(library).is_some_and(|text| text.starts_with("1.")))
            );
        }
    }

    #[test]
    fn the_newest_version_in_a_folder_wins_unless_there_is_a_plain_name() {
        let root = tempfile::tempdir().unwrap();
        let (old, plain) = (root.path().join("old"), root.path().join("plain"));
        for (dir, names) in [
            (
                &old,
                &["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.21.0", "libonnxruntime.so.bak", "libother.so.2"][..],
            ),
            (&plain, &["libonnxruntime.so", "libonnxruntime.so.1.99.0"]),
        ] {
            fs::create_dir(dir).unwrap();
            names.iter().for_each(|name| fs::write(dir.join(name), "").unwrap());
        }
        let dirs = [plain.clone(), root.path().join("none"), old.clone()];
        let expected = [plain.join("libonnxruntime.so"), old.join("libonnxruntime.so.1.21.0")];
        assert_eq!(found(search_in(None, |_| None, &dirs)), expected);
    }
}
