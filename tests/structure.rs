//! The structure of the sources: imports follow the order in docs/design.md, no two files import each other, and files
//! stay short.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// The maximum number of lines of a source file without its tests.
const MAX_LINES: usize = 400;

/// Files directly in `src/`.
const MAX_ROOT_FILES: usize = 10;

/// Words with a plain equivalent: again, no one, someone, anyone who, fix, to no effect.
const BANNED: [&str; 10] =
    ["anew", "nobody", "somebody", "whoever", "mend", "mends", "mended", "mending", "in vain", "what is near"];

/// The path of a module below the crate, such as `["camera", "mjpeg"]`.
type Module = Vec<String>;

/// The source files by module, without tests and fakes, and with comments and test modules removed.
fn sources() -> BTreeMap<Module, String> {
    fn collect(dir: &Path, parent: &Module, found: &mut BTreeMap<Module, String>) {
        for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut module = parent.clone();
            if path.is_dir() {
                module.push(stem);
                collect(&path, &module, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                if !["mod", "lib"].contains(&&*stem) {
                    module.push(stem);
                }
                found.insert(module, code(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Module::new(), &mut found);
    let is_test = |name: &String| ["tests", "fake", "fakes", "main"].contains(&&**name);
    found.retain(|module, _| !module.iter().any(is_test));
    found
}

/// A source text without line comments and without the test module at its end.
fn code(text: &str) -> String {
    let is_test_module = |rest: &str| rest.lines().nth(1).is_some_and(|line| line.ends_with("mod tests {"));
    let end = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|at| is_test_module(&text[*at..]));
    let code = &text[..end.unwrap_or(text.len())];
    code.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The paths in a use tree, such as `a::{b, c::d}`, flattened: `a::b` and `a::c::d`.
fn flatten(tree: &str) -> Vec<Module> {
    let Some(start) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.split("::").map(|part| part.trim().to_owned()).collect()];
    };
    let prefix: Module =
        tree[..start].split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let inside = &tree[start + 1..tree.rfind('}').unwrap_or(tree.len())];
    let mut items = vec![String::new()];
    let mut depth = 0;
    for letter in inside.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().unwrap().push(letter);
    }
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items.flat_map(|item| flatten(item.trim())).map(|item| [prefix.clone(), item].concat()).collect()
}

/// Whether a line starts a `use` item.
fn starts_use(line: &str) -> bool {
    let line = line.trim_start();
    let item = line.strip_prefix("pub").map_or(line, |rest| {
        match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((_, rest)) => rest.trim_start(),
            None => rest.trim_start(),
        }
    });
    item.starts_with("use ")
}

/// All paths in a source text: those in `use` items, and those in the code.
fn paths(text: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if starts_use(line) {
            let mut item = line.to_owned();
            while !item.contains(';') {
                item += lines.next().unwrap_or(";");
            }
            let tree = item.split_once("use ").map_or("", |(_, tree)| tree).split(';').next().unwrap_or_default();
            found.extend(flatten(tree));
        } else {
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let words = line.split(|c| !is_path(c)).filter(|word| word.contains("::"));
            found.extend(words.map(|word| word.split("::").map(str::to_owned).collect::<Module>()));
        }
    }
    found
}

/// The file that a path refers to, seen from `module`: the longest part of the path that is a file.
fn resolve(path: &[String], module: &Module, files: &BTreeMap<Module, String>) -> Option<Module> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (&[][..], &path[1..]),
        "self" => (&module[..], &path[1..]),
        "super" => (&module[..module.len().checked_sub(supers)?], &path[supers..]),
        child if files.contains_key(&[module, &[child.to_owned()][..]].concat()) => (&module[..], path),
        _ => return None,
    };
    let full = [base, rest].concat();
    (1..=full.len()).rev().map(|length| full[..length].to_vec()).find(|part| files.contains_key(part))
}

/// The imports of every file.
fn imports(files: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let of = |module: &Module, text: &String| {
        let targets = paths(text).into_iter().filter_map(|path| resolve(&path, module, files));
        targets.filter(|target| target != module).collect()
    };
    files.iter().map(|(module, text)| (module.clone(), of(module, text))).collect()
}

#[test]
fn imports_follow_the_order_in_the_design_document() {
    let design = include_str!("../docs/design.md");
    let block = design.split_once("### Import order").unwrap().1.split_once("\n## ").unwrap().0;
    let lines = block.lines().filter_map(|line| line.strip_prefix("    "));
    let order: BTreeMap<&str, usize> =
        lines.enumerate().flat_map(|(level, line)| line.split_whitespace().map(move |name| (name, level))).collect();
    let mut wrong = Vec::new();
    for (from, targets) in imports(&sources()).iter().filter(|(module, _)| !module.is_empty()) {
        let level = *order.get(&*from[0]).unwrap_or_else(|| panic!("docs/design.md does not place {}", from[0]));
        let upward =
            |target: &&Module| target[0] != from[0] && order.get(&*target[0]).is_none_or(|below| *below >= level);
        wrong.extend(targets.iter().filter(upward).map(|target| format!("{} -> {}", from.join("/"), target.join("/"))));
    }
    assert!(wrong.is_empty(), "imports against the order:\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other() {
    let imports = imports(&sources());
    let is_relative = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
    let next =
        |module: &Module| imports[module].iter().filter(|target| !is_relative(module, target)).collect::<Vec<_>>();
    let mut cycles = Vec::new();
    for start in imports.keys() {
        let mut reached = BTreeSet::new();
        let mut pending = next(start);
        while let Some(module) = pending.pop() {
            if reached.insert(module) {
                pending.extend(next(module));
            }
        }
        if reached.contains(start) {
            cycles.push(start.join("/"));
        }
    }
    assert!(cycles.is_empty(), "files in a cycle of imports:\n{}", cycles.join("\n"));
}

#[test]
fn files_are_at_most_400_lines_long() {
    let mut long = Vec::new();
    for (module, text) in sources() {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            long.push(format!("{}: {lines}", module.join("/")));
        }
    }
    assert!(long.is_empty(), "too many lines, without tests:\n{}", long.join("\n"));
}

#[test]
fn the_root_of_src_has_at_most_10_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(root).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert!(files <= MAX_ROOT_FILES, "{files} files in src/, expected at most {MAX_ROOT_FILES}");
}

/// The texts of a folder and its subfolders.
fn texts(dir: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        let is_text = |ending: &OsStr| ["rs", "md", "toml", "html", "js", "css"].iter().any(|text| ending == *text);
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(is_text) {
            found.push(path);
        }
    }
}

#[test]
fn texts_avoid_words_that_have_a_plain_equivalent() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![project.join("README.md")];
    ["src", "docs", "config"].iter().for_each(|dir| texts(&project.join(dir), &mut files));
    let mut found = Vec::new();
    for path in files {
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            // spaces around each word, so that a word is found only as a whole
            let words: String =
                line.chars().map(|c| if c.is_alphabetic() { c.to_ascii_lowercase() } else { ' ' }).collect();
            let words = format!(" {words} ");
            for word in BANNED.iter().filter(|word| words.contains(&format!(" {word} "))) {
                found.push(format!("{}:{}: {word}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "words to replace:\n{}", found.join("\n"));
}
