//! Splits a prompt into words, and finds out which of them are negated.

use super::filler::{is_filler, is_never_painted, joins_names};
use super::vocabulary::{Known, look_up};

/// The maximum number of words; the rest of a prompt is ignored.
pub(super) const MAX_TOKENS: usize = 500;

/// A word or phrase of the prompt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mention {
    /// As the user typed it.
    pub(super) text: String,
    /// Its entry in the vocabulary; `None` for an unknown word.
    pub(super) known: Option<Known>,
    /// The user excluded it.
    pub(super) negated: bool,
}

#[derive(Debug, Clone, Default)]
struct Token {
    text: String,
    /// In lower case.
    word: String,
    /// Punctuation before it ends the phrase.
    apart: bool,
}

/// The words of a prompt without filler; adjacent unknown words are joined. The flag is false if the end of the prompt
/// was ignored.
pub(super) fn mentions(text: &str, all_negated: bool) -> (Vec<Mention>, bool) {
    let mut tokens = tokens(text);
    let whole = tokens.len() <= MAX_TOKENS;
    tokens.truncate(MAX_TOKENS);
    let mut reader = Reader { tokens: &tokens, at: 0, found: Vec::new(), open: false };
    while reader.at < tokens.len() {
        reader.step(all_negated);
    }
    (reader.found, whole)
}

/// Whether a character is an emoji or a symbol that is used as a word.
fn is_sign(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && !matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = vec![Token::default()];
    let next = |found: &mut Vec<Token>, apart: bool| match found.last_mut() {
        Some(last) if last.text.is_empty() => last.apart |= apart,
        _ => found.push(Token { apart, ..Token::default() }),
    };
    let mut follow = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = follow.next() {
        let slash = c == '/' && before == 'w'; // "w/o"
        if c.is_alphanumeric() || c == '#' || slash {
            if let Some(last) = found.last_mut() {
                last.text.push(c);
            }
        } else if is_sign(c) {
            next(&mut found, false);
            if let Some(last) = found.last_mut() {
                last.text.push(c);
            }
            next(&mut found, false);
        } else if !matches!(c, '\'' | '’' | '\u{fe0f}' | '\u{200d}') {
            // "4.5" and "3,000" are single words.
            let number = matches!(c, '.' | ',') && before.is_numeric() && follow.peek().is_some_and(|c| c.is_numeric());
            if !number {
                next(&mut found, !(c.is_whitespace() || matches!(c, '-' | '_' | '"')));
            }
        }
        before = c;
    }
    found.retain(|token| !token.text.is_empty());
    for token in &mut found {
        token.word = token.text.to_lowercase();
    }
    found
}

/// Words that negate the following ones.
const NEGATIONS: [&str; 33] = [
    "no",
    "without",
    "minus",
    "sans",
    "ohne",
    "sin",
    "sem",
    "senza",
    "zonder",
    "utan",
    "bez",
    "w/o",
    "wout",
    "except",
    "excluding",
    "exclude",
    "excludes",
    "avoid",
    "avoiding",
    "omit",
    "omitting",
    "remove",
    "lacking",
    "nor",
    "neither",
    "kein",
    "keine",
    "keinen",
    "aucun",
    "aucune",
    "zero",
    "dont",
    "doesnt",
];

/// Conjunctions.
const JOINERS: [&str; 10] = ["or", "nor", "and", "oder", "und", "ou", "et", "y", "o", "e"];

/// Words that end a negation.
const NEGATION_ENDS: [&str; 17] = [
    "but", "with", "only", "just", "at", "in", "on", "under", "by", "near", "during", "behind", "over", "mit", "avec",
    "con", "please",
];

/// The scope of a negation.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reach {
    /// "not dark": the next known word.
    Word,
    /// "no tall trees": up to the noun.
    Noun,
}

/// The kind of the word that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Read {
    Filler,
    Unknown,
    Quality,
    Noun,
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<Mention>,
    /// The last mention is an unknown word that the next one may continue.
    open: bool,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.word)
    }

    /// Whether the token `ahead` starts a new phrase, or there is none.
    fn apart(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_none_or(|token| token.apart)
    }

    fn step(&mut self, negated: bool) {
        // A double negation cancels out.
        let is_double = matches!(self.word(0), "not" | "never" | "nicht") && matches!(self.word(1), "without" | "ohne");
        if is_double && !self.apart(1) {
            self.at += 2;
            return;
        }
        match self.negation() {
            Some((length, reach)) => {
                self.at += length;
                self.open = false;
                // "no, thanks" negates nothing.
                if !self.apart(0) {
                    self.negate(reach);
                }
            }
            None => {
                self.mention(negated);
            }
        }
    }

    /// The number of tokens of a negation at this position, and its scope.
    fn negation(&self) -> Option<(usize, Reach)> {
        let second = if self.apart(1) { "" } else { self.word(1) };
        Some(match (self.word(0), second) {
            ("do" | "does" | "should" | "must", "not") => (2, Reach::Noun),
            ("free" | "devoid" | "clear" | "empty" | "bare" | "lack" | "absence", "of" | "from") => (2, Reach::Noun),
            ("instead", "of") | ("rather" | "other", "than") | ("anything", "but") | ("pas", "de" | "d") => {
                (2, Reach::Noun)
            }
            ("not" | "non" | "nicht" | "isnt" | "never", _) => (1, Reach::Word),
            (word, _) => NEGATIONS.contains(&word).then_some((1, Reach::Noun))?,
        })
    }

    /// Reads the negated things: one, and more after "or", "nor" and "and".
    fn negate(&mut self, reach: Reach) {
        while self.at < self.tokens.len() {
            let from = self.at;
            self.negated_item(reach);
            let joiner = JOINERS.contains(&self.word(0));
            // In "no people and a lake", the lake is not negated.
            let is_new = self.apart(1) || matches!(self.word(1), "a" | "an" | "the" | "with" | "some" | "in" | "at");
            let is_continued = match self.apart(0) {
                false => joiner && (!is_new || matches!(self.word(0), "or" | "nor")),
                true => self.at > from && (self.list_ends_in_or() || is_never_painted(self.word(0))),
            };
            if !is_continued {
                return;
            }
            self.at += usize::from(joiner);
        }
    }

    /// Whether the comma at this position belongs to a list such as "no clouds, palms or people".
    fn list_ends_in_or(&self) -> bool {
        let ends = |token: &&Token| !NEGATION_ENDS.contains(&&*token.word) && token.word != "and";
        self.tokens[self.at..].iter().take(8).take_while(ends).any(|token| matches!(&*token.word, "or" | "nor"))
    }

    fn negated_item(&mut self, reach: Reach) {
        let from = self.at;
        while self.at < self.tokens.len() {
            let word = self.word(0);
            // "not at night" continues after its first word.
            let ends = self.at > from && (self.apart(0) || NEGATION_ENDS.contains(&word) || JOINERS.contains(&word));
            if ends || self.negation().is_some() {
                return;
            }
            let absent = is_never_painted(word);
            match self.mention(true) {
                Read::Noun => return,
                Read::Quality if reach == Reach::Word => return,
                // "no wooden furniture": an unknown word may describe the next one.
                Read::Unknown if absent || is_filler(self.word(0)) => return,
                _ => {}
            }
        }
    }

    /// Reads one word, or up to three that form a known phrase.
    fn mention(&mut self, negated: bool) -> Read {
        for length in (2..=3).rev() {
            if (1..length).any(|ahead| self.apart(ahead)) {
                continue;
            }
            let words = &self.tokens[self.at..self.at + length];
            let phrase = words.iter().map(|token| &*token.word).collect::<Vec<_>>().join(" ");
            if let Some(known) = look_up(&phrase) {
                return self.add(Some(known), negated, length);
            }
        }
        let word = self.word(0);
        // "cloudless"
        let less = word.strip_suffix("less").filter(|stem| stem.len() > 2).and_then(look_up);
        if less.is_some() {
            return self.add(less, !negated, 1);
        }
        let known = look_up(word);
        if known.is_none() && is_filler(word) {
            self.open &= joins_names(word) && !self.apart(0);
            self.at += 1;
            return Read::Filler;
        }
        // "cloud-free", but not "free of clouds"
        let free = !self.apart(1) && self.word(1) == "free" && !matches!(self.word(2), "of" | "from");
        let read = self.add(known, negated || free, 1);
        self.at += usize::from(free);
        read
    }

    fn add(&mut self, known: Option<Known>, negated: bool, length: usize) -> Read {
        let words = &self.tokens[self.at..self.at + length];
        let text = words.iter().map(|token| &*token.text).collect::<Vec<_>>().join(" ");
        let continues = self.open && known.is_none() && !self.apart(0);
        // Keep the connecting words of "Statue of Liberty".
        let joiner = self.at.checked_sub(1).map(|at| &self.tokens[at]).filter(|token| joins_names(&token.word));
        self.at += length;
        self.open = known.is_none();
        let read = match known {
            None => Read::Unknown,
            Some(known) if known.is_noun() => Read::Noun,
            Some(_) => Read::Quality,
        };
        match self.found.last_mut().filter(|last| continues && last.negated == negated) {
            Some(last) => {
                for part in joiner.map(|token| &*token.text).into_iter().chain([&*text]) {
                    last.text.push(' ');
                    last.text.push_str(part);
                }
            }
            None => self.found.push(Mention { text, known, negated }),
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mentions in one line; a minus marks negated ones, a question mark unknown ones.
    fn read(text: &str) -> String {
        let show = |mention: &Mention| {
            let sign = if mention.negated { "-" } else { "" };
            format!("{sign}{}{}", mention.text, if mention.known.is_none() { "?" } else { "" })
        };
        mentions(text, false).0.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn filler_is_dropped_and_names_are_joined() {
        for (text, expected) in [
            ("A beautiful photo of the Taj Mahal, please!", "Taj Mahal?"),
            ("Statue of Liberty at night", "Statue of Liberty?, night"),
            ("Taj Mahal, pagoda", "Taj Mahal?, pagoda?"),
            ("asdkjh", "asdkjh?"),
            ("the northern lights over a LAKE", "northern lights, LAKE"),
            ("black and white city", "black and white, city"),
            ("🏖️👍🏽", "🏖, 👍?"),
            ("forest-cabin", "forest, cabin"),
            ("shepherd’s hut", "shepherds hut?"),
            ("背景", "背景?"),
            ("high quality 4k background for a video call", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn negations_have_the_intended_scope() {
        for (text, expected) in [
            ("beach without water", "beach, -water"),
            ("beach, no water", "beach, -water"),
            ("a beach but no water at sunset", "beach, -water, sunset"),
            ("beach without any people or palm trees", "beach, -people?, -palm trees"),
            ("beach with no clouds, palms or people, at night", "beach, -clouds, -palms, -people?, night"),
            ("no clouds and a lake", "-clouds, lake"),
            ("lake without clouds and trees", "lake, -clouds, -trees"),
            ("cloud-free sky", "-cloud, sky"),
            ("sky free of clouds", "sky, -clouds"),
            ("cloudless sky", "-cloudless, sky"),
            ("endless beach", "endless?, beach"),
            ("beach minus water", "beach, -water"),
            ("a forest, not dark", "forest, -dark"),
            ("not dark forest", "-dark, forest"),
            ("no tall wooden furniture, office", "-wooden?, -furniture, office"),
            ("beach no people sunset", "beach, -people?, sunset"),
            ("Strand ohne Wasser", "Strand, -Wasser"),
            ("plage sans nuages", "plage, -nuages"),
            ("not without clouds", "clouds"),
            ("don't show trees, lake", "-trees, lake"),
            ("lake instead of beach", "lake, -beach"),
            ("without", ""),
            ("no", ""),
            ("beach without water without clouds", "beach, -water, -clouds"),
            ("window-free office w/o plants", "-window, office, -plants"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_negative_prompt_is_negated_entirely() {
        let (found, whole) = mentions("clouds, people, no palms", true);
        assert!(found.iter().all(|mention| mention.negated) && found.len() == 3 && whole);
        assert!(!mentions(&"beach ".repeat(MAX_TOKENS + 1), false).1);
    }
}
