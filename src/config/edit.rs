//! Changes settings in the user's file, and keeps its comments, order and other settings.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::MAX_BYTES;
use crate::{
    error::{Failure, Kind, io_text},
    media::regular::{self, FileError},
};

/// One change: a dotted key, and its new value; `None` removes the setting, so that it has its default.
pub(crate) type Change<'a> = (&'a str, Option<Value>);

/// Makes all changes, or none. Creates the file and its folder if they are missing. A symbolic link remains.
///
/// # Errors
/// If the file can't be read, parsed or written.
pub(crate) fn apply(path: &Path, changes: &[Change<'_>]) -> Result<(), Failure> {
    let failed = |error: &io::Error| {
        Failure::new(FileError::kind_of(error), format!("cannot write {}: {}", path.display(), io_text(error)))
    };
    let old = match regular::read(path, MAX_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| not_toml(path, "it is not UTF-8"))?,
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Failure::new(error.kind(), format!("cannot read {}: {error}", path.display())));
        }
    };
    let new = edited(&old, changes).map_err(|why| not_toml(path, &why))?;
    if new == old {
        return Ok(());
    }
    write(path, &new).map_err(|error| failed(&error))
}

/// The text with all changes.
///
/// # Errors
/// If it is not TOML, or has a value where a table must be.
fn edited(text: &str, changes: &[Change<'_>]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    for (key, value) in changes {
        let (tables, name) = key.rsplit_once('.').unwrap_or(("", key));
        match value {
            Some(value) => set(table(document.as_table_mut(), tables)?, name, value.clone()),
            None => remove(document.as_table_mut(), tables, name),
        }
    }
    Ok(document.to_string())
}

/// The table at a dotted key, created if it is missing.
fn table<'a>(root: &'a mut Table, key: &str) -> Result<&'a mut dyn TableLike, String> {
    let mut table: &mut dyn TableLike = root;
    for part in key.split('.').filter(|part| !part.is_empty()) {
        let new = || {
            let mut table = Table::new();
            table.set_implicit(true); // no header as long as it has only tables
            Item::Table(table)
        };
        table = table.entry(part).or_insert_with(new).as_table_like_mut().ok_or(format!("{part} is not a table"))?;
    }
    Ok(table)
}

/// Sets a value, and keeps the comment behind the old one.
fn set(table: &mut dyn TableLike, name: &str, mut value: Value) {
    if let Some(old) = table.get(name).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    match table.get_mut(name) {
        Some(item) => *item = Item::Value(value),
        None => drop(table.insert(name, Item::Value(value))),
    }
}

/// Removes a setting, and tables that are empty then.
fn remove(table: &mut dyn TableLike, tables: &str, name: &str) {
    if tables.is_empty() {
        table.remove(name);
        return;
    }
    let (first, rest) = tables.split_once('.').unwrap_or((tables, ""));
    let Some(inner) = table.get_mut(first).and_then(Item::as_table_like_mut) else { return };
    remove(inner, rest, name);
    if inner.is_empty() {
        table.remove(first);
    }
}

/// Writes the file atomically, with the permissions of the old one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    fs::create_dir_all(&folder)?;
    let mut file = tempfile::Builder::new().prefix(".bgcam-").tempfile_in(&folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(metadata) = fs::metadata(&target) {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

fn not_toml(path: &Path, why: &str) -> Failure {
    Failure::new(Kind::BadInput, format!("cannot change {}: {why}", path.display()))
        .hint("correct it first; `bgcam config check` shows all errors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> [Change<'static>; 3] {
        [
            ("prompt.provider", Some("local".into())),
            ("prompt.local.steps", Some(4.into())),
            ("prompt.local.sampler", None),
        ]
    }

    #[test]
    fn comments_order_and_other_settings_are_kept() {
        let old = "# mine\n[prompt]\nprovider = \"openai\" # work\n\n[prompt.openai] # a key\nmodel = 'x'\n\n\
            [prompt.local]\nsampler = \"euler\"\nsteps = 20\n\n[camera]\nfps = 30\n";
        let expected = old
            .replace("\"openai\" #", "\"local\" #")
            .replace("steps = 20", "steps = 4")
            .replace("sampler = \"euler\"\n", "");
        let new = edited(old, &changes()).unwrap();
        assert_eq!(new, expected);
        assert_eq!(edited(&new, &changes()).unwrap(), new);
    }

    #[test]
    fn tables_are_created_and_removed() {
        let new = edited("", &changes()).unwrap();
        assert_eq!(new, "[prompt]\nprovider = \"local\"\n\n[prompt.local]\nsteps = 4\n");
        let removed = edited(&new, &[("prompt.provider", None), ("prompt.local.steps", None)]).unwrap();
        assert_eq!(removed, "");
        let inline = edited("prompt = { provider = \"openai\" }\n", &changes()[..1]).unwrap();
        assert_eq!(inline, "prompt = { provider = \"local\" }\n");
        assert_eq!(edited("prompt = 1", &changes()).unwrap_err(), "prompt is not a table");
        assert!(edited("[prompt", &changes()).is_err());
    }

    #[test]
    fn a_link_to_the_file_remains() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (link, file) = (folder.path().join("new/bgcam.toml"), folder.path().join("dotfiles.toml"));
        apply(&link, &changes()).unwrap();
        assert!(fs::read_to_string(&link).unwrap().contains("steps = 4"));
        fs::rename(&link, &file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        apply(&link, &[("prompt.local.steps", Some(8.into()))]).unwrap();
        assert!(link.is_symlink() && fs::read_to_string(&file).unwrap().contains("steps = 8"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        fs::write(&file, "[prompt").unwrap();
        let error = apply(&link, &changes()).unwrap_err();
        assert!(error.message.contains("cannot change") && fs::read_to_string(&file).unwrap() == "[prompt");
    }
}
