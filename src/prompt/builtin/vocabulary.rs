//! The words that the painter knows, and what each of them means.

use super::words::{Scene, Season, Time, Weather};

/// One meaning of a word; a word may have several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sense {
    Place(Scene),
    At(Time),
    In(Weather),
    During(Season),
    /// `0xRRGGBB` in sRGB.
    Colour(u32),
    Warm(f32),
    Vivid(f32),
    Bright(f32),
}

use Sense::{At, Bright, Colour, During, In, Place, Vivid, Warm};

/// What a word or a pair of words means, also in the plural or with one slip of the finger.
pub(super) fn senses(word: &str) -> Option<&'static [Sense]> {
    exact(word).or_else(|| stems(word).find_map(exact)).or_else(|| slip(word)).or_else(|| stems(word).find_map(slip))
}

fn exact(word: &str) -> Option<&'static [Sense]> {
    TABLE.iter().find(|(words, _)| words.split('|').any(|known| known == word)).map(|(_, senses)| *senses)
}

fn stems(word: &str) -> impl Iterator<Item = &str> {
    ["s", "es", "like", "side", "scape"]
        .into_iter()
        .filter_map(move |end| word.strip_suffix(end))
        .filter(|w| w.len() > 2)
}

/// Long words may be one edit away, from the second letter on: shorter ones are too near to each other.
fn slip(word: &str) -> Option<&'static [Sense]> {
    let near = |known: &str| {
        known.len() > 5
            && known.as_bytes().first() == word.as_bytes().first()
            && known.len().abs_diff(word.len()) <= 1
            && strsim::osa_distance(known, word) == 1
    };
    if !(7..=20).contains(&word.len()) || word.contains(' ') {
        return None;
    }
    TABLE.iter().find(|(words, _)| words.split('|').any(near)).map(|(_, senses)| *senses)
}

const TABLE: &[(&str, &[Sense])] = &[
    // Rooms
    (
        "library|libraries|bookshelf|bookshelves|bookcase|book|bookshop|bookstore|shelf|shelves|study|reading room|📚",
        &[Place(Scene::Library)],
    ),
    ("café|cafe|coffee|coffeehouse|coffee shop|restaurant|bistro|bakery|pub|bar|☕", &[Place(Scene::Cafe)]),
    (
        "living room|livingroom|lounge|room|bedroom|sofa|couch|apartment|flat|home|house|interior|scandinavian|🛋",
        &[Place(Scene::LivingRoom)],
    ),
    ("cosy|cozy|cabin|fireplace|hygge|candle|candlelight|chalet", &[Place(Scene::LivingRoom), Warm(0.35)]),
    (
        "office|workspace|workplace|desk|meeting room|conference room|boardroom|coworking|open space|loft|🏢",
        &[Place(Scene::Office)],
    ),
    // Plain
    ("gradient|abstract|aura|blend|mesh", &[Place(Scene::Gradient)]),
    ("bokeh|fairy lights|light dots|blurry lights|blurred lights|glitter|sparkle|✨", &[Place(Scene::Bokeh)]),
    ("christmas|xmas|festive|party|🎄", &[Place(Scene::Bokeh), Colour(0xd8403a), Colour(0xf3b04a), Colour(0x2f8f57)]),
    ("brick|brick wall|bricks|brickwork", &[Place(Scene::Brick)]),
    (
        "studio|plain|wall|plain wall|backdrop|seamless|plaster|concrete|solid|minimal|minimalist|minimalistic",
        &[Place(Scene::Studio)],
    ),
    // Water
    ("beach|beaches|sand|shore|seashore|coast|seaside|island|strand|playa|plage|lagoon|🏖|🏝", &[Place(Scene::Beach)]),
    ("tropical|palm|caribbean|hawaii|maldives|paradise|🌴", &[Place(Scene::Beach), Vivid(0.2)]),
    ("sea|ocean|wave|horizon|meer|mer|mar|🌊", &[Place(Scene::Sea)]),
    ("lake|pond|fjord|river|reservoir|loch", &[Place(Scene::Lake)]),
    // Land
    ("forest|wood|woods|woodland|tree|trees|pine|birch|grove|redwood|wald|bosque|forêt|🌲|🌳", &[Place(Scene::Forest)]),
    ("jungle|rainforest|bamboo", &[Place(Scene::Forest), Vivid(0.3)]),
    (
        "mountain|alps|alp|alpine|peak|summit|himalaya|himalayas|andes|rockies|dolomites|berge|montaña|montagne|volcano|cliff|canyon|valley|⛰|🗻",
        &[Place(Scene::Mountains)],
    ),
    ("🏔", &[Place(Scene::Mountains), During(Season::Winter)]),
    (
        "meadow|hill|hills|countryside|field|grass|grassland|pasture|prairie|plains|farm|garden|park|tuscany|wiese|rural|nature|landscape|outdoors",
        &[Place(Scene::Meadow)],
    ),
    ("flower|flowers|wildflower|lavender", &[Place(Scene::Meadow), During(Season::Spring)]),
    ("desert|dune|dunes|sahara|wüste|🏜|🐫", &[Place(Scene::Desert)]),
    ("snow|snowfall|arctic|antarctica|ice|glacier|tundra|❄|☃", &[Place(Scene::Snow), During(Season::Winter)]),
    ("snowy|winter|wintry|icy|frozen|frosty|frost", &[Place(Scene::Snow), During(Season::Winter)]),
    // Town
    (
        "city|cities|skyline|town|downtown|urban|skyscraper|metropolis|street|rooftop|manhattan|new york|tokyo|london|paris|berlin|stadt|ciudad|ville|🏙|🌇",
        &[Place(Scene::City)],
    ),
    ("cyberpunk|neon", &[Place(Scene::City), At(Time::Night), Colour(0xff2d95), Colour(0x22d3ee), Vivid(0.3)]),
    ("🌃|🌆|city lights", &[Place(Scene::City), At(Time::Night)]),
    // Sky and beyond
    (
        "aurora|auroras|aurora borealis|northern lights|polar lights|nordlicht|polarlicht|southern lights",
        &[Place(Scene::Aurora), At(Time::Night)],
    ),
    (
        "space|outer space|galaxy|galaxies|nebula|nebulae|planet|cosmos|cosmic|universe|star|stars|orbit|milky way|starry|constellation|🌌|🪐|🚀|⭐",
        &[Place(Scene::Space)],
    ),
    ("sky|skies|heaven|☁", &[Place(Scene::Sky)]),
    // Time
    ("sunset|sundown|golden hour|evening|sonnenuntergang|🌅", &[At(Time::Sunset)]),
    ("sunrise|dawn|morning|daybreak|sonnenaufgang|🌄", &[At(Time::Sunrise)]),
    ("dusk|twilight|blue hour|nightfall", &[At(Time::Dusk)]),
    ("night|midnight|nighttime|moon|moonlight|moonlit|full moon|nacht|noche|nuit|🌙", &[At(Time::Night)]),
    ("day|daytime|daylight|noon|midday|afternoon|sunlight|☀", &[At(Time::Day)]),
    ("sunny|sunshine|clear|summer|summery", &[At(Time::Day), In(Weather::Clear)]),
    // Weather and season
    ("rain|rainy|raining|drizzle|wet|storm|stormy|thunderstorm|🌧", &[In(Weather::Rain)]),
    ("fog|foggy|mist|misty|haze|hazy|smoky|🌫", &[In(Weather::Fog)]),
    ("cloud|clouds|cloudy|overcast|grey sky|gray sky", &[In(Weather::Cloudy)]),
    ("autumn|fall|autumnal|october|🍂|🍁", &[During(Season::Autumn)]),
    ("spring|springtime|blossom|cherry blossom|sakura|🌸", &[During(Season::Spring)]),
    // Colours that CSS does not name, or names otherwise
    ("peach|apricot", &[Colour(0xffc9a3)]),
    ("gold|golden", &[Colour(0xe6b450)]),
    ("emerald", &[Colour(0x1f9d6b)]),
    ("blue", &[Colour(0x2f6fde)]),
    ("green", &[Colour(0x3a9a4e)]),
    ("red", &[Colour(0xd23b3b)]),
    ("yellow", &[Colour(0xf2cf4a)]),
    ("purple|violet", &[Colour(0x7a4fc9)]),
    ("pink", &[Colour(0xf29ac0)]),
    ("rose", &[Colour(0xe8a0a8)]),
    ("mint", &[Colour(0xa9e5c8)]),
    ("cream|ivory", &[Colour(0xf4ead6)]),
    ("sage", &[Colour(0x9caf88)]),
    ("brown", &[Colour(0x8a5a38)]),
    ("black", &[Colour(0x1a1c20), Bright(-0.5)]),
    ("white", &[Colour(0xf2f2f0), Bright(0.2)]),
    ("corporate|business|professional", &[Colour(0x2c5282), Vivid(-0.15)]),
    // Mood
    ("warm|warmer|cosily|romantic", &[Warm(0.6)]),
    ("cool|cold|chilly", &[Warm(-0.6)]),
    ("pastel|soft|dreamy|gentle", &[Vivid(-0.4), Bright(0.3)]),
    ("muted|desaturated|subtle|calm|faded", &[Vivid(-0.45)]),
    ("vivid|vibrant|colorful|colourful|saturated|bold|bright colours|bright colors", &[Vivid(0.6)]),
    ("dark|dim|moody|gloomy|noir|deep", &[Bright(-0.6)]),
    ("bright|light|airy|luminous", &[Bright(0.5)]),
    ("vintage|retro|sepia", &[Vivid(-0.4), Warm(0.4)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_listed_twice() {
        let all: Vec<&str> = TABLE.iter().flat_map(|(words, _)| words.split('|')).collect();
        for (i, word) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(word), "{word}");
        }
    }

    #[test]
    fn short_words_are_not_guessed_at() {
        assert_eq!(senses("peach"), exact("peach"));
        assert_eq!(senses("toast"), None);
        assert_eq!(senses("string"), None);
    }
}
