//! The search for the ONNX Runtime library: selected by the user, next to the program, downloaded by `scripts/setup`,
//! or installed on the system.

use std::{
    env,
    ffi::{CStr, CString, OsString, c_char, c_void},
    fs, mem,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr::NonNull,
};

/// Environment variables that select the library, in order of precedence; the second is `ort`'s own.
const VARIABLES: [&str; 2] = ["BGCAM_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// The library's name in development packages, and as installed by `scripts/setup`.
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

/// The libraries to load, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// The user selected a library, so no other is tried. The text says where it was selected.
    Named(PathBuf, &'static str),
    /// The libraries that exist, and the folders that were searched.
    Found {
        /// In order of preference.
        libraries: Vec<PathBuf>,
        /// All folders.
        searched: Vec<PathBuf>,
    },
}

/// Searches this machine; `configured` is the library selected in the settings.
pub(super) fn search(configured: Option<&Path>) -> Search {
    search_in(configured, |name| env::var_os(name), &dirs())
}

/// `$XDG_DATA_HOME/bgcam`, by default `~/.local/share/bgcam`.
pub(super) fn data_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(home.join("bgcam"))
}

/// The folder of the running program, with links resolved.
pub(super) fn program_dir() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.canonicalize().ok()?.parent()?.to_owned())
}

/// The folders to search. That of `scripts/setup` precedes the system's: its version is known to be fast.
fn dirs() -> Vec<PathBuf> {
    let beside = program_dir().into_iter().flat_map(|dir| [dir.clone(), dir.join("../lib"), dir.join("../lib/bgcam")]);
    let fetched = data_dir().map(|dir| dir.join("onnxruntime"));
    beside.chain(fetched).chain(SYSTEM_DIRS.map(PathBuf::from)).collect()
}

/// `OrtApiBase` of `onnxruntime_c_api.h`, which is the same in all versions.
#[repr(C)]
struct ApiBase {
    get_api: *const c_void,
    version_string: Option<unsafe extern "C" fn() -> *const c_char>,
}

/// The symbol `name` of the library at `path`; loads it if necessary.
pub(super) fn symbol(path: &Path, name: &CStr) -> Option<NonNull<c_void>> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: the path is a C string. The library's initializers run as they do when it is loaded to run models; it is
    // never unloaded.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY) };
    if library.is_null() {
        return None;
    }
    // SAFETY: the handle is valid, and the name is a C string.
    NonNull::new(unsafe { libc::dlsym(library, name.as_ptr()) })
}

/// The version reported by the library at `path`; loads it if necessary.
pub(super) fn version_of(path: &Path) -> Option<String> {
    let symbol = symbol(path, c"OrtGetApiBase")?.as_ptr();
    // SAFETY: the function of this name has this type in all versions, and returns null or a pointer to a static, whose
    // function returns a static C string.
    let text = unsafe {
        let base = mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const ApiBase>(symbol)().as_ref()?;
        CStr::from_ptr(base.version_string?())
    };
    text.to_str().ok().map(str::to_owned)
}

fn search_in(configured: Option<&Path>, var: impl Fn(&str) -> Option<OsString>, dirs: &[PathBuf]) -> Search {
    if let Some(path) = configured {
        return Search::Named(path.to_owned(), "mask.library");
    }
    for name in VARIABLES {
        if let Some(path) = var(name).filter(|path| !path.is_empty()) {
            return Search::Named(path.into(), name);
        }
    }
    Search::Found { libraries: dirs.iter().filter_map(|dir| library_in(dir)).collect(), searched: dirs.to_vec() }
}

/// The library in `dir`: with its plain name, else the newest version.
fn library_in(dir: &Path) -> Option<PathBuf> {
    let plain = dir.join(PLAIN_NAME);
    if plain.is_file() {
        return Some(plain);
    }
    let named = fs::read_dir(dir).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let newest = named.filter_map(|name| Some((version(&name)?, name))).max()?;
    Some(dir.join(newest.1))
}

/// `[1, 31, 1]` for `libonnxruntime.so.1.31.1`.
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
    fn the_config_precedes_the_environment_and_the_folders() {
        let var = |name: &str| (name == "ORT_DYLIB_PATH").then(|| OsString::from("/env.so"));
        let config = Path::new("/config.so");
        assert_eq!(search_in(Some(config), var, &[]), Search::Named(config.into(), "mask.library"));
        assert_eq!(search_in(None, var, &[]), Search::Named("/env.so".into(), "ORT_DYLIB_PATH"));
        let both = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(search_in(None, both, &[]), Search::Named("/BGCAM_ONNXRUNTIME".into(), "BGCAM_ONNXRUNTIME"));
        assert_eq!(found(search_in(None, |_| Some(OsString::new()), &[])), Vec::<PathBuf>::new());
    }

    #[test]
    fn only_onnx_runtime_reports_a_version() {
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
