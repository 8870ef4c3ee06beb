//! Reports to the user which parts of a prompt the image does not show.

use super::reading::{Reading, Report};
use super::scene::{Scene, Time};
use super::tokens::Mention;
use super::vocabulary::{Known, Sense, suggestion};

/// The maximum number of words in one note.
const MAX_LISTED: usize = 6;

/// Compares a prompt with what `reading` shows. `whole` is false if the end of the prompt was ignored.
pub(super) fn report(reading: &Reading, prompt: &str, mentions: &[Mention], whole: bool) -> Report {
    let mut report = Report::default();
    let named = mentions.iter().any(|mention| !mention.negated && names_scene(mention, reading.scene));
    let mut shown = Vec::new();
    for mention in mentions {
        let text = mention.text.clone();
        match &mention.known {
            None if mention.negated => {}
            None => push(&mut report.left_out, text),
            Some(_) if mention.negated => {
                if reading.impossible.is_some_and(|scene| rules_out(mention, scene)) {
                    push(&mut report.unwanted, text);
                } else if still_shown(reading, mention) {
                    push(&mut report.still_shown, text);
                }
            }
            Some(known) if reading.shows_word(known) => {
                if known.corrected {
                    report.corrected.push((text, known.word.to_owned()));
                    push(&mut shown, known.word.to_owned());
                } else {
                    push(&mut shown, text.to_lowercase());
                }
            }
            Some(known) if reading.is_substitute_for(known) && !named => push(&mut report.replaced, text),
            Some(_) if reading.impossible.is_some_and(|scene| suggests(mention, scene)) => {
                push(&mut report.replaced, text);
            }
            Some(_) => push(&mut report.left_out, text),
        }
    }
    let guessed = !mentions.iter().any(|mention| !mention.negated && is_scene(mention));
    if guessed && !report.left_out.is_empty() && report.replaced.is_empty() {
        report.replaced = std::mem::take(&mut report.left_out);
    }
    report.notes = notes(&report, reading, whole);
    report.title = if report.notes.is_empty() { prompt.trim().to_owned() } else { describe(reading, &shown, mentions) };
    report
}

fn notes(report: &Report, reading: &Reading, whole: bool) -> Vec<String> {
    let scene = reading.scene.phrase();
    let mut notes = Vec::new();
    for (typed, read) in &report.corrected {
        notes.push(format!("{} was interpreted as {}", quoted(typed), quoted(read)));
    }
    if !report.replaced.is_empty() {
        let mut what = list(&report.replaced);
        if !report.unwanted.is_empty() {
            what = format!("{what} without {}", list(&report.unwanted));
        }
        notes.push(format!("the built-in painter can't paint {what}; it painted {scene} instead"));
    } else if reading.unknown {
        notes.push(format!("the built-in painter found nothing to paint in this prompt; it painted {scene}"));
    }
    if !report.left_out.is_empty() {
        let what = list(&report.left_out);
        notes.push(format!("the built-in painter left out {what}"));
    }
    if !report.still_shown.is_empty() {
        let what = list(&report.still_shown);
        notes.push(format!("the built-in painter can't paint {scene} without {what}"));
    }
    if !whole {
        notes.push("the prompt is too long: its end was ignored".to_owned());
    }
    let incomplete = [&report.replaced, &report.left_out, &report.still_shown].iter().any(|list| !list.is_empty());
    if incomplete || reading.unknown {
        notes.push("to get any scene you can describe, set up an image generator: bgcam providers".to_owned());
    }
    notes
}

fn push(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The words in quotes, with a suggestion for possible typos.
fn list(words: &[String]) -> String {
    let quote = |word: &String| match suggestion(word) {
        Some(similar) => format!("{} (did you mean {}?)", quoted(word), quoted(similar)),
        None => quoted(word),
    };
    let mut text = words.iter().take(MAX_LISTED).map(quote).collect::<Vec<_>>().join(", ");
    if words.len() > MAX_LISTED {
        text.push_str(&format!(" and {} more", words.len() - MAX_LISTED));
    }
    text
}

/// Whether a word names or suggests a scene.
fn is_scene(mention: &Mention) -> bool {
    let senses = mention.known.iter().flat_map(|known| known.senses());
    senses.into_iter().any(|sense| matches!(sense, Sense::Place(_) | Sense::Near(_) | Sense::Hint(_)))
}

fn suggests(mention: &Mention, scene: Scene) -> bool {
    let senses = mention.known.iter().flat_map(|known| known.senses());
    senses
        .into_iter()
        .any(|&sense| sense == Sense::Place(scene) || sense == Sense::Near(scene) || sense == Sense::Hint(scene))
}

/// Whether excluding a word rules out the scene.
fn rules_out(mention: &Mention, scene: Scene) -> bool {
    let (essentials, _) = scene.essentials();
    let senses = mention.known.iter().flat_map(|known| known.senses());
    senses.into_iter().any(|sense| match sense {
        Sense::Part(thing) => essentials.contains(thing),
        Sense::Place(unwanted) | Sense::Near(unwanted) => *unwanted == scene,
        _ => false,
    })
}

fn names_scene(mention: &Mention, scene: Scene) -> bool {
    mention.known.iter().any(|known| known.senses().contains(&Sense::Place(scene)))
}

/// Whether an excluded word is visible in the image anyway.
fn still_shown(reading: &Reading, mention: &Mention) -> bool {
    let senses = mention.known.iter().flat_map(|known| known.senses());
    senses.into_iter().any(|&sense| match sense {
        Sense::Part(thing) => reading.scene.fixed().contains(&thing),
        Sense::Place(scene) => scene.thing().is_some_and(|thing| reading.scene.fixed().contains(&thing)),
        Sense::At(Time::Night) => reading.scene == Scene::Aurora,
        // Light and shade need black, grey and white.
        Sense::Colour(code) => {
            let [_, r, g, b] = code.to_be_bytes();
            r.max(g).max(b) - r.min(g).min(b) < 12
        }
        _ => false,
    })
}

/// A title for what the image shows, such as `living room, night`.
fn describe(reading: &Reading, shown: &[String], mentions: &[Mention]) -> String {
    let phrase = reading.scene.phrase();
    let name = ["a ", "an ", "the "].iter().find_map(|article| phrase.strip_prefix(article)).unwrap_or(phrase);
    let mut parts = vec![name.to_owned()];
    parts.extend(
        shown.iter().filter(|word| *word != reading.scene.name() && !name.contains(&***word)).take(MAX_LISTED).cloned(),
    );
    let gone = mentions.iter().filter(|mention| mention.negated && !still_shown(reading, mention));
    let named = gone.filter_map(|mention| mention.known).filter(Known::is_noun);
    parts.extend(named.take(MAX_LISTED).map(|known| format!("no {}", known.word)));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::{Scene, read, understand};

    /// The report in one line: the scene, then the words that the image does not show, and why.
    fn summary(prompt: &str) -> String {
        let reading = understand(prompt);
        let report = &reading.report;
        let mut text = reading.scene.name().to_owned();
        for (sign, list) in [
            ("instead of", &report.replaced),
            ("for lack of", &report.unwanted),
            ("left out", &report.left_out),
            ("still", &report.still_shown),
        ] {
            if !list.is_empty() {
                text.push_str(&format!("; {sign} {}", list.join(", ")));
            }
        }
        for (typed, read) in &report.corrected {
            text.push_str(&format!("; {typed} is {read}"));
        }
        text
    }

    #[test]
    fn every_word_without_effect_is_reported() {
        for (words, expected) in [
            // everything is painted
            ("beach", "beach"),
            ("A beautiful photo of a beach at sunset, 4k", "beach"),
            ("Beaches", "beach"),
            ("a quiet library", "library"),
            ("library at sunrise", "library"),
            ("misty pine forest at sunrise, muted teal", "forest"),
            ("lake in the mountains", "lake"),
            ("a beach under the stars", "beach"),
            ("tropical beach with palm trees", "beach"),
            ("office with plants and a window", "office"),
            ("office in the forest", "office"),
            ("living room with a view of the city", "living room"),
            ("cosy living room with a sofa", "living room"),
            ("snowy mountains", "mountains"),
            ("snowy forest", "forest"),
            ("autumn", "meadow"),
            ("spring flowers", "meadow"),
            ("blue hour", "sky"),
            ("teal", "gradient"),
            ("calm blue", "gradient"),
            ("red brick wall", "brick wall"),
            ("modern kitchen with plants", "kitchen"),
            ("kitchen with a view of the mountains", "kitchen"),
            ("boardroom at night", "conference room"),
            ("forest cabin", "cabin"),
            ("log cabin with a fireplace in winter", "cabin"),
            ("Japanese garden in autumn", "Japanese garden"),
            ("zen garden without trees", "Japanese garden"),
            ("underwater coral reef with fish", "coral reef"),
            ("view of the Earth from a space station", "space station"),
            ("space station window at night", "space station"),
            ("office with a desk and pictures", "office"),
            ("industrial loft with brick walls and a view of the city", "loft"),
            ("classroom without desks", "classroom"),
            ("empty classroom with a blackboard", "classroom"),
            ("cosy bedroom at night", "bedroom"),
            ("black and white city", "city"),
            ("watercolour painting of a beach", "beach"),
            ("minimalist office", "office"),
            ("background for a video call", "gradient"),
            ("space with a planet", "space"),
            ("sand dunes", "desert"),
            ("city by a river", "city"),
            ("city by the sea", "city"),
            ("mountains and forest", "forest; left out mountains"),
            ("forest lake", "lake"),
            ("🏖️🌅", "beach"),
            ("Strand", "beach"),
            // nothing is known
            ("Taj Mahal", "gradient; instead of Taj Mahal"),
            ("asdkjh", "gradient; instead of asdkjh"),
            ("Statue of Liberty", "gradient; instead of Statue of Liberty"),
            ("背景", "gradient; instead of 背景"),
            ("🦀", "gradient; instead of 🦀"),
            ("facade decade transparent", "gradient; instead of facade decade transparent"),
            ("Eiffel Tower at sunset", "sky; instead of Eiffel Tower"),
            ("red sports car", "gradient; instead of sports car"),
            ("unicorns in winter", "snow; left out unicorns"),
            // the closest scene is painted
            ("dining room", "living room; instead of dining room"),
            ("school", "classroom; instead of school"),
            ("aquarium", "coral reef; instead of aquarium"),
            ("rocket", "space station; instead of rocket"),
            ("desk", "office"),
            ("zen hotel room", "living room; instead of hotel room; left out zen"),
            ("candle", "living room; instead of candle"),
            ("Tokyo at night", "city; instead of Tokyo"),
            ("Hawaii", "beach; instead of Hawaii"),
            ("Mars", "space; instead of Mars"),
            ("Niagara Falls", "lake; instead of Falls; left out Niagara"),
            ("cherry blossoms", "meadow; instead of cherry blossoms"),
            ("christmas tree", "bokeh; instead of christmas tree"),
            // part of it is painted
            ("forest castle", "forest; left out castle"),
            ("forest with a unicorn", "forest; left out unicorn"),
            ("zen bedroom", "bedroom; left out zen"),
            ("kitchen with a fireplace", "kitchen; left out fireplace"),
            ("beach house", "beach; left out house"),
            ("Tokyo city", "city; left out Tokyo"),
            ("beach and forest", "beach; left out forest"),
            ("snowy beach", "beach; left out snowy"),
            ("library in rain", "library; left out rain"),
            ("studio at night", "studio; left out night"),
            ("foggy aurora", "aurora; left out foggy"),
            ("office with a sofa", "office; left out sofa"),
            ("office with a fireplace", "office; left out fireplace"),
            ("foggy space station", "space station; left out foggy"),
            ("coral reef in winter", "coral reef; left out winter"),
            ("Japanese office", "office; left out Japanese"),
            ("sunny day in space", "space; left out sunny, day"),
            ("teal gradient at night", "gradient; left out night"),
            ("beach and desert", "beach; left out desert"),
            ("beach or lake", "beach; left out lake"),
            ("office with a library", "library; left out office"),
            ("city and forest", "city; left out forest"),
            ("abstract blue waves", "gradient; left out waves"),
            ("moon over an office", "office; left out moon"),
            // typos are corrected
            ("dessert", "desert; dessert is desert"),
            ("montains at night", "mountains; montains is mountains"),
            // things are left out
            ("beach without water", "beach"),
            ("beach with no people", "beach"),
            ("cloudless beach", "beach"),
            ("office without plants or lamps", "office"),
            ("lake without mountains", "lake"),
            ("city, no river", "city"),
            ("no unicorns, beach", "beach"),
            ("desert instead of beach", "desert"),
            ("forest without trees", "meadow; instead of forest; for lack of trees"),
            ("conference room without windows", "conference room"),
            ("bedroom without a bed", "living room; instead of bedroom; for lack of bed"),
            ("lake without water", "mountains; instead of lake; for lack of water"),
            ("city without skyscrapers", "sky; instead of city; for lack of skyscrapers"),
            ("beach without sky", "beach; still sky"),
            ("sunset without black", "sky; still black"),
            ("no beach", "gradient"),
        ] {
            assert_eq!(summary(words), expected, "{words}");
        }
    }

    #[test]
    fn the_notes_are_plain_sentences() {
        let notes = |words: &str| understand(words).report.notes;
        let hint = "to get any scene you can describe, set up an image generator: bgcam providers";
        assert_eq!(
            notes("Taj Mahal"),
            ["the built-in painter can't paint \"Taj Mahal\"; it painted abstract colours instead", hint]
        );
        assert_eq!(notes("forest castle"), ["the built-in painter left out \"castle\"", hint]);
        assert_eq!(
            notes("forest without trees"),
            ["the built-in painter can't paint \"forest\" without \"trees\"; it painted a meadow instead", hint]
        );
        assert_eq!(notes("beach without sky"), ["the built-in painter can't paint a beach without \"sky\"", hint]);
        assert_eq!(notes("dessert"), ["\"dessert\" was interpreted as \"desert\""]);
        assert!(notes("foerst")[0].contains("did you mean \"forest\"?"), "{:?}", notes("foerst"));
        assert!(notes("a nice background")[0].contains("nothing to paint"));
        assert!(notes(&"beach ".repeat(600))[0].contains("was ignored"));
        assert_eq!(notes("beach without water"), [""; 0]);
        let many = notes("beach with aa, bb, cc, dd, ee, ff, gg and hh");
        assert!(many[0].ends_with("\"ff\" and 2 more"), "{many:?}");
    }

    #[test]
    fn the_title_claims_only_what_is_shown() {
        for (words, expected) in [
            ("A beach at sunset!", "A beach at sunset!"),
            ("beach without water", "beach without water"),
            ("Taj Mahal", "abstract colours"),
            ("dining room at night", "living room, night"),
            ("forest castle", "forest"),
            ("abstract blue waves", "abstract colours, blue"),
            ("red sports car", "abstract colours, red"),
            ("beach with dolphins, no clouds", "beach, no clouds"),
            ("dessert at night", "desert, night"),
            ("", "abstract colours"),
        ] {
            assert_eq!(understand(words).report.title, expected, "{words}");
        }
    }

    #[test]
    fn unknown_words_are_reported() {
        for words in ["", "   ", "qwxzv", "ένα δωμάτιο", "背景", "🦀🦀", "no", "without", "background"]
        {
            let reading = understand(words);
            assert!(reading.unknown && !reading.report.notes.is_empty(), "{words}");
            assert_eq!(reading.scene, Scene::Gradient);
        }
        assert!(!understand("teal").unknown);
    }

    #[test]
    fn a_negative_prompt_excludes_its_words() {
        assert!(read("beach", "water", None).report.notes.is_empty());
        assert!(read("forest", "trees", None).report.notes[0].contains("without \"trees\""));
        assert!(read("beach", "people, text, watermark", None).report.notes.is_empty());
    }
}
