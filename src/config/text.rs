//! One file's text: its known settings, the line of each, and what is wrong with the others.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{
    DEFAULTS,
    error::{Mistake, Place},
};
use crate::error::nearest;

/// After so many broken lines, a file is no TOML at all.
const MAX_BROKEN: usize = 50;

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// The settings that we know, whatever their values are.
    pub(super) table: toml::Table,
    /// Where each of them is, by key (`output.fps`); tables too.
    pub(super) places: BTreeMap<String, Place>,
    pub(super) mistakes: Vec<Mistake>,
}

/// Reads the text of the file `source`, which is applied after `layer` others.
pub(super) fn read(text: &str, source: &str, layer: usize) -> Document {
    let place = |line: usize| Place { layer, line: Some(line), source: source.to_owned() };
    let (text, broken) = without_broken_lines(text);
    let mut document = Document::default();
    document.mistakes.extend(broken.into_iter().map(|(line, message)| Mistake {
        place: Some(place(line)),
        text: message,
        hint: "settings are TOML: [section], then key = value; texts are in \"quotes\"".to_owned(),
    }));
    let (parsed, _) = DeTable::parse_recoverable(&text);
    let place_at = |offset: usize| place(line_of(&text, offset));
    document.table = known_part(parsed.get_ref(), &defaults(), "", &place_at, &mut document);
    document
}

/// The text with its lines that are no TOML left empty, so that the others can be read; and why they are none. The parser
/// gives up at some mistakes, and what it makes of a line with another is not what the author meant.
fn without_broken_lines(text: &str) -> (String, Vec<(usize, String)>) {
    let (mut lines, mut broken): (Vec<_>, Vec<_>) = (text.split('\n').collect(), Vec::new());
    loop {
        let text = lines.join("\n");
        let Err(error) = DeTable::parse(&text) else { return (text, broken) };
        let line = line_of(&text, error.span().map_or(0, |span| span.start));
        broken.push((line, error.message().trim_end().to_owned()));
        match lines.get_mut(line - 1) {
            Some(line) if !line.is_empty() && broken.len() < MAX_BROKEN => *line = "",
            // nothing is left to take out where the mistake is, such as the end of the file
            _ => return (text, broken),
        }
    }
}

/// The part of a table that has a place in the settings; what has none is a mistake.
fn known_part(
    parsed: &DeTable<'_>,
    known: &toml::Table,
    above: &str,
    place: &impl Fn(usize) -> Place,
    document: &mut Document,
) -> toml::Table {
    let mut table = toml::Table::new();
    for (key, value) in parsed {
        let (name, place_of_key) = (key.get_ref().as_ref(), place(key.span().start));
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
        let value = match (known.get(name), value.get_ref()) {
            // a list of tables has no default
            (None, value) if path == "mask.custom" => plain(value),
            (None, _) => {
                document.mistakes.push(unknown(name, place_of_key, known));
                continue;
            }
            (Some(toml::Value::Table(known)), DeValue::Table(inner)) => {
                Some(known_part(inner, known, &path, place, document).into())
            }
            (Some(toml::Value::Table(_)), _) => {
                let text = format!("{path} is a section: write [{path}], and its settings below");
                let hint = "`bgcam config show` prints every section with its settings".to_owned();
                document.mistakes.push(Mistake { place: Some(place_of_key), text, hint });
                continue;
            }
            (Some(_), value) => plain(value),
        };
        document.places.insert(path, place_of_key);
        table.extend(value.map(|value| (name.to_owned(), value)));
    }
    table
}

fn plain(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => text.as_ref().into(),
        // a number too large for us is kept as text, which is then not the number that was expected
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.into(),
            Err(_) => number.as_str().into(),
        },
        DeValue::Float(number) => number.as_str().parse::<f64>().ok()?.into(),
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Datetime(time) => (*time).into(),
        DeValue::Array(values) => values.iter().filter_map(|value| plain(value.get_ref())).collect::<Vec<_>>().into(),
        DeValue::Table(table) => {
            let values =
                table.iter().filter_map(|(key, value)| Some((key.get_ref().to_string(), plain(value.get_ref())?)));
            values.collect::<toml::Table>().into()
        }
    })
}

fn unknown(name: &str, place: Place, known: &toml::Table) -> Mistake {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "`bgcam config show` prints every setting".to_owned(),
    };
    Mistake {
        place: Some(place),
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
