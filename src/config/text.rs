//! One file's text: its known settings, the line of each, and what is wrong with the others.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{
    DEFAULTS,
    error::{Mistake, Place},
};
use crate::error::nearest;

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
    let place = |offset: usize| Place { layer, line: Some(line_of(text, offset)), source: source.to_owned() };
    let (parsed, errors) = DeTable::parse_recoverable(text);
    let mut document = Document::default();
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        document.mistakes.push(Mistake {
            place: Some(place(offset)),
            text: error.message().trim_end().to_owned(),
            hint: "settings are TOML: [section], then key = value; texts are in \"quotes\"".to_owned(),
        });
    }
    // what was recovered from a broken line is not what its author meant
    let broken: Vec<_> = document.mistakes.iter().filter_map(|mistake| mistake.place.clone()).collect();
    document.table = known_part(parsed.get_ref(), &defaults(), "", &place, &mut document);
    for key in document.places.iter().filter(|(_, place)| broken.contains(place)).map(|(key, _)| key) {
        remove(&mut document.table, key);
    }
    document
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

fn remove(table: &mut toml::Table, path: &str) {
    match path.split_once('.') {
        Some((name, rest)) => {
            if let Some(toml::Value::Table(inner)) = table.get_mut(name) {
                remove(inner, rest);
            }
        }
        None => drop(table.remove(path)),
    }
}

pub(super) fn defaults() -> toml::Table {
    toml::from_str(DEFAULTS).unwrap_or_default()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
