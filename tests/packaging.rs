//! The packages: all contain the files listed in Cargo.toml, agree on names and versions, and can be removed again.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;
use toml::{Table, Value};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(project().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn manifest() -> Table {
    read("Cargo.toml").parse().unwrap()
}

/// A text in Cargo.toml, by its keys.
fn setting(keys: &[&str]) -> String {
    let manifest = Value::Table(manifest());
    keys.iter().fold(&manifest, |value, key| &value[*key]).as_str().unwrap().to_owned()
}

/// Source and destination of each file or pattern in the Debian package.
fn assets() -> Vec<(String, String)> {
    let manifest = manifest();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let pair = |asset: &Value| {
        let (source, target) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        let name = if target.ends_with('/') { source.rsplit('/').next().unwrap() } else { "" };
        (source.to_owned(), format!("/{target}{name}"))
    };
    assets.iter().map(pair).collect()
}

/// Source and destination of each file or pattern in the other packages, as `scripts/stage` prints them.
fn elsewhere() -> Vec<(String, String)> {
    let output = succeeds(Command::new(project().join("scripts/stage")).arg("--list"));
    let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    output.lines().map(fields).map(|fields| (fields[0].clone(), format!("/{}", fields[2]))).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// The standard output of a command that must succeed.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The files below a folder, as absolute paths in it.
fn files(root: &Path) -> BTreeSet<String> {
    fn collect(root: &Path, dir: &Path, found: &mut BTreeSet<String>) {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                found.insert(format!("/{}", path.strip_prefix(root).unwrap().display()));
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(root, root, &mut found);
    found
}

/// Packages with a program that only writes its man pages and completions.
struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("bgcam");
        let script = "#!/bin/sh\ncase $1 in man) echo 1 > \"$2/bgcam.1\"; echo 2 > \"$2/bgcam-look.1\" ;; *) echo \"$2\" ;; esac\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("library"), "library").unwrap();
        let mut command = Command::new(project().join("scripts/stage"));
        command
            .arg("--library")
            .arg(dir.path().join("library"))
            .arg("--root")
            .arg(dir.path().join("root"))
            .arg(program);
        succeeds(&mut command);
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Runs `install.sh`, as it is in the archive, with a folder in place of `/`.
    fn install(&self, arguments: &[&str]) -> Output {
        let script = self.root().join("install.sh");
        if !script.exists() {
            fs::copy(project().join("config/archive/install.sh"), &script).unwrap();
        }
        let mut command = Command::new("sh");
        command.arg(script).args(arguments).env("DESTDIR", self.target()).env("HOME", "/home/ada");
        command.output().unwrap()
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("target")
    }
}

/// The table in docs/packaging.md.
fn table() -> String {
    let others = elsewhere();
    let find = |source: &str| others.iter().find(|(other, _)| other == source).map(|(_, target)| target.clone());
    let name = |source: &str| {
        source.strip_prefix("target/release/stage/").map_or(format!("`{source}`"), |_| "generated".into())
    };
    let mut table = String::from("| file | Debian package | other packages |\n|---|---|---|\n");
    for (source, target) in assets() {
        let other = find(&source)
            .map_or("-".to_owned(), |other| if other == target { "same".into() } else { format!("`{other}`") });
        table += &format!("| {} | `{target}` | {other} |\n", name(&source));
    }
    let only_there = |(source, _): &&(String, String)| !assets().iter().any(|(asset, _)| asset == source);
    for (source, target) in others.iter().filter(only_there) {
        table += &format!("| {} | - | `{target}` |\n", name(source));
    }
    table
}

#[test]
fn the_packaging_document_lists_every_file() {
    let path = project().join("docs/packaging.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once("\n| file |").unwrap();
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let expected = format!("{before}\n{}\n{after}", table());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            document == expected,
            "docs/packaging.md is out of date: run `UPDATE_DOCS=1 cargo test --test packaging`"
        );
    }
}

#[test]
fn the_other_packages_have_the_files_of_the_debian_package() {
    let stage = Stage::new();
    let found = files(&stage.root());
    let matches = |path: &str, pattern: &str| match pattern.split_once('*') {
        Some((start, end)) => path.starts_with(start) && path.ends_with(end) && !path[start.len()..].contains('/'),
        None => path == pattern,
    };
    let expected = elsewhere();
    for path in &found {
        assert!(expected.iter().any(|(_, target)| matches(path, target)), "not listed: {path}");
        assert!(fs::metadata(stage.root().join(&path[1..])).unwrap().len() > 0, "empty: {path}");
    }
    for (source, target) in &expected {
        assert!(found.iter().any(|path| matches(path, target)), "not installed: {source}");
    }
    // a file that only Debian has must be a decision
    let only_debian: Vec<_> =
        assets().into_iter().filter(|(source, _)| !expected.iter().any(|(other, _)| other == source)).collect();
    let names: Vec<_> = only_debian.iter().map(|(source, _)| source.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["changelog.Debian.gz", "lintian-overrides"]);
    let unit = fs::read_to_string(stage.root().join("usr/lib/systemd/user/bgcam.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/bgcam daemon\n"), "{unit}");
    let unit = fs::read_to_string(stage.root().join("usr/lib/systemd/user/bgcam-tray.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/bgcam tray\n") && !unit.contains("cargo"), "{unit}");
}

#[test]
fn recipes_agree_with_cargo_toml() {
    let version = setting(&["package", "version"]);
    let repository = setting(&["package", "repository"]);
    let maintainer = setting(&["package", "metadata", "deb", "maintainer"]);
    let description = setting(&["package", "description"]);
    let manifest = manifest();
    let conf = manifest["package"]["metadata"]["deb"]["conf-files"].as_array().unwrap();
    let conf: Vec<_> = conf.iter().map(|path| path.as_str().unwrap().trim_start_matches('/')).collect();
    for file in ["config/arch/PKGBUILD", "config/arch/PKGBUILD-bin"] {
        let recipe = read(file);
        let expected = [
            format!("# Maintainer: {maintainer}"),
            format!("pkgver={version}"),
            format!("pkgdesc='{description}'"),
            format!("url='{repository}'"),
            format!("backup=({})", conf.join(" ")),
        ];
        for line in expected {
            assert!(recipe.lines().any(|found| found == line), "{file} has no line {line}");
        }
    }
    let metainfo = read("config/desktop/io.github.bgcam.bgcam.metainfo.xml");
    for part in [format!("<release version=\"{version}\""), format!("<url type=\"homepage\">{repository}</url>")] {
        assert!(metainfo.contains(&part), "the AppStream metainfo has no {part}");
    }
    let staged = [
        ("config/arch/PKGBUILD", "scripts/stage --root \"$pkgdir\" target/release/bgcam"),
        ("config/nix/flake.nix", "scripts/stage --root root $out/bin/bgcam"),
        (
            "config/flatpak/io.github.bgcam.bgcam.yml",
            "scripts/stage --library libonnxruntime.so --root root target/release/bgcam",
        ),
        (
            "scripts/release",
            "scripts/stage\" --arch \"$arch\" --library \"$release/libonnxruntime.so\" --root \"$root\"",
        ),
    ];
    for (file, command) in staged {
        assert!(read(file).contains(command), "{file} does not install the listed files with {command}");
    }
}

#[test]
fn the_flatpak_and_its_metainfo_have_one_id() {
    let id = "io.github.bgcam.bgcam";
    assert!(read(&format!("config/flatpak/{id}.yml")).lines().any(|line| line == format!("id: {id}")));
    assert!(read(&format!("config/desktop/{id}.metainfo.xml")).contains(&format!("<id>{id}</id>")));
    assert!(read("docs/packaging.md").contains(&format!("flatpak run {id} daemon")));
}

/// Runs a checker, if it is installed, and returns what it prints.
fn check(program: &str, arguments: &[&str], dir: &Path) -> Option<String> {
    if Command::new(program).arg("--version").output().is_err() {
        eprintln!("skipped: {program} is not installed");
        return None;
    }
    Some(succeeds(Command::new(program).args(arguments).current_dir(dir)))
}

#[test]
fn checkers_accept_the_recipes() {
    let dir = tempfile::tempdir().unwrap();
    let path = |file: &str| project().join(file).to_str().unwrap().to_owned();
    check(
        "appstreamcli",
        &["validate", "--no-net", &path("config/desktop/io.github.bgcam.bgcam.metainfo.xml")],
        dir.path(),
    );
    check("nix-instantiate", &["--parse", &path("config/nix/flake.nix")], dir.path());
    check("flatpak-builder", &["--show-manifest", &path("config/flatpak/io.github.bgcam.bgcam.yml")], dir.path());
    check("actionlint", &[&path(".github/workflows/ci.yml"), &path(".github/workflows/release.yml")], project());
}

#[test]
fn makepkg_reads_the_recipes() {
    if Command::new("makepkg").arg("--version").output().is_err() {
        eprintln!("skipped: makepkg is not installed");
        return;
    }
    for (recipe, name) in [("PKGBUILD", "bgcam"), ("PKGBUILD-bin", "bgcam-bin")] {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(project().join("config/arch").join(recipe), dir.path().join("PKGBUILD")).unwrap();
        let mut command = Command::new("makepkg");
        if rustix::process::getuid().is_root() {
            // makepkg refuses to run as root
            chown(dir.path(), Some(65534), Some(65534)).unwrap();
            command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "makepkg"]);
        }
        let command = command.arg("--printsrcinfo").current_dir(dir.path()).env("HOME", dir.path());
        let output = command.output().unwrap();
        if text(&output).contains("An unknown error has occurred") {
            eprintln!("skipped: makepkg does not work without pacman");
            return;
        }
        let info = text(&output);
        assert!(output.status.success() && info.contains(&format!("pkgname = {name}\n")), "{info}");
        assert!(info.contains("\tsource"), "{info}");
    }
}

#[test]
fn the_archive_installs_and_removes_the_files() {
    let stage = Stage::new();
    let target = stage.target();
    fs::create_dir_all(target.join("etc/modprobe.d")).unwrap();
    let output = stage.install(&[]);
    assert!(output.status.success(), "{}", text(&output));
    let place = |path: String| if path.starts_with("/etc") { path } else { path.replacen("/usr/", "/usr/local/", 1) };
    let mut expected: BTreeSet<_> =
        files(&stage.root()).into_iter().filter(|path| path != "/install.sh").map(place).collect();
    expected.extend(["install.sh", "installed"].map(|name| format!("/usr/local/share/bgcam/{name}")));
    assert_eq!(files(&target), expected);
    let unit = fs::read_to_string(target.join("usr/local/lib/systemd/user/bgcam.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/local/bin/bgcam daemon\n") && !unit.contains("/usr/bin"), "{unit}");

    // again, as an update without one file
    let old = stage.root().join("usr/share/bgcam/models/selfie_general.onnx");
    fs::remove_file(old).unwrap();
    let output = stage.install(&[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(expected.remove("/usr/local/share/bgcam/models/selfie_general.onnx"));
    assert_eq!(files(&target), expected);

    let output = stage.install(&["--uninstall"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(files(&target), BTreeSet::new());
    assert!(target.join("etc/modprobe.d").exists() && !target.join("usr").exists(), "only its own folders are removed");
    let output = stage.install(&["--uninstall"]);
    assert!(!output.status.success() && text(&output).contains("there is nothing to remove"), "{}", text(&output));
}

#[test]
fn the_archive_leaves_the_users_settings() {
    let stage = Stage::new();
    let (options, load) =
        (stage.target().join("etc/modprobe.d/bgcam.conf"), stage.target().join("etc/modules-load.d/bgcam.conf"));
    // one existed before, the other is changed later
    fs::create_dir_all(load.parent().unwrap()).unwrap();
    fs::write(&load, "mine\n").unwrap();
    assert!(stage.install(&[]).status.success());
    fs::write(&options, "changed\n").unwrap();
    let output = stage.install(&[]);
    assert!(output.status.success() && text(&output).contains("because it is yours"), "{}", text(&output));
    let output = stage.install(&["--uninstall"]);
    assert!(output.status.success() && text(&output).contains("because you changed it"), "{}", text(&output));
    assert_eq!(
        files(&stage.target()),
        ["/etc/modprobe.d/bgcam.conf", "/etc/modules-load.d/bgcam.conf"].map(str::to_owned).into()
    );
    assert_eq!(fs::read_to_string(options).unwrap(), "changed\n");
    assert_eq!(fs::read_to_string(load).unwrap(), "mine\n");
}

#[test]
fn the_archive_refuses_what_it_cannot_do() {
    let stage = Stage::new();
    // a home needs no files in /etc
    assert!(stage.install(&["--prefix", "/home/ada/.local"]).status.success());
    let found = files(&stage.target());
    assert!(found.contains("/home/ada/.local/share/systemd/user/bgcam.service"), "{found:?}");
    assert!(found.iter().all(|path| path.starts_with("/home/ada/.local/")), "{found:?}");

    let foreign = stage.target().join("usr/local/bin/bgcam");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "foreign").unwrap();
    // a file in place of a folder cannot be written to, even by root
    fs::write(stage.target().join("file"), "").unwrap();
    for (arguments, message) in [
        (&[][..], "is not from install.sh"),
        (&["--prefix", "/file/bgcam"], "no permission"),
        (&["--prefix", "relative"], "needs an absolute path"),
        (&["--prefix", "/a b"], "only letters, digits"),
        (&["--prefix"], "needs an absolute path"),
        (&["--unknown"], "unknown option"),
    ] {
        let output = stage.install(arguments);
        assert!(!output.status.success() && text(&output).contains(message), "{arguments:?}: {}", text(&output));
    }
    assert_eq!(fs::read_to_string(foreign).unwrap(), "foreign");
    assert_eq!(files(&stage.target()).len(), found.len() + 2, "nothing else was written");
}
