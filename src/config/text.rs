//! Parsing of one settings file: the known settings, their line numbers, and the errors.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{
    DEFAULTS,
    error::{Location, SettingError},
};
use crate::error::nearest;

/// Limit of lines with syntax errors; a file with more is probably not TOML.
const MAX_SYNTAX_ERRORS: usize = 50;

/// A parsed settings file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The known settings, with unchecked values.
    pub(super) table: toml::Table,
    /// The location of each setting and table, by dotted key.
    pub(super) locations: BTreeMap<String, Location>,
    pub(super) errors: Vec<SettingError>,
}

/// Parses the text of the file `source`, for the layer of this index.
pub(super) fn read(text: &str, source: &str, layer: usize) -> Document {
    let location = |line: usize| Location { layer, line: Some(line), source: source.to_owned() };
    let (text, broken) = without_broken_lines(text);
    let mut document = Document::default();
    document.errors.extend(broken.into_iter().map(|(line, message)| SettingError {
        location: Some(location(line)),
        text: message,
        hint: "settings are TOML: a [section], then key = value; text is in \"quotes\"".to_owned(),
    }));
    let (parsed, _) = DeTable::parse_recoverable(&text);
    let location_at = |offset: usize| location(line_of(&text, offset));
    document.table = known_part(parsed.get_ref(), &defaults(), "", &location_at, &mut document);
    document
}

/// Blanks the lines with syntax errors, so that the rest of the file can be parsed, and returns them with their
/// messages. The parser's own recovery stops at some errors and misreads the line at others.
fn without_broken_lines(text: &str) -> (String, Vec<(usize, String)>) {
    let (mut lines, mut broken): (Vec<_>, Vec<_>) = (text.split('\n').collect(), Vec::new());
    loop {
        let text = lines.join("\n");
        let Err(error) = DeTable::parse(&text) else { return (text, broken) };
        let line = line_of(&text, error.span().map_or(0, |span| span.start));
        broken.push((line, error.message().trim_end().to_owned()));
        match lines.get_mut(line - 1) {
            Some(line) if !line.is_empty() && broken.len() < MAX_SYNTAX_ERRORS => *line = "",
            // the error is on a line that is already empty, such as the end of the file
            _ => return (text, broken),
        }
    }
}

/// The known settings of a table; reports the unknown ones.
fn known_part(
    parsed: &DeTable<'_>,
    known: &toml::Table,
    parent: &str,
    location: &impl Fn(usize) -> Location,
    document: &mut Document,
) -> toml::Table {
    let mut table = toml::Table::new();
    for (key, value) in parsed {
        let name = key.get_ref().as_ref();
        let key_location = location(key.span().start);
        let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
        let value = match (known.get(name), value.get_ref()) {
            // a list of tables, which has no default
            (None, value) if path == "mask.custom" => to_value(value),
            (None, _) => {
                document.errors.push(unknown(name, key_location, known));
                continue;
            }
            (Some(toml::Value::Table(known)), DeValue::Table(inner)) => {
                Some(known_part(inner, known, &path, location, document).into())
            }
            (Some(toml::Value::Table(_)), _) => {
                let text = format!("{path} is a section: write [{path}], with its settings below it");
                let hint = "`bgcam config show` prints every section with its settings".to_owned();
                document.errors.push(SettingError { location: Some(key_location), text, hint });
                continue;
            }
            (Some(_), value) => to_value(value),
        };
        document.locations.insert(path, key_location);
        table.extend(value.map(|value| (name.to_owned(), value)));
    }
    table
}

fn to_value(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        // a number beyond 64 bits stays text, which the type check rejects
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.into(),
            Err(_) => number.as_str().into(),
        },
        DeValue::Float(number) => number.as_str().parse::<f64>().ok()?.into(),
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Datetime(time) => (*time).into(),
        DeValue::Array(values) => {
            values.iter().filter_map(|value| to_value(value.get_ref())).collect::<Vec<_>>().into()
        }
        DeValue::Table(table) => {
            let values =
                table.iter().filter_map(|(key, value)| Some((key.get_ref().to_string(), to_value(value.get_ref())?)));
            values.collect::<toml::Table>().into()
        }
    })
}

fn unknown(name: &str, location: Location, known: &toml::Table) -> SettingError {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`bgcam config show` prints all settings".to_owned(),
    };
    SettingError {
        location: Some(location),
        text: format!("unknown setting {name:?}, expected one of {}", names.join(", ")),
        hint,
    }
}

pub(super) fn defaults() -> toml::Table {
    toml::from_str(DEFAULTS).unwrap_or_default()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
