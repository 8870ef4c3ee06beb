//! The vocabulary of the painter: words and their meanings.

use super::scene::{Scene, Season, Thing, Time, Weather};
use super::style::Style;

/// A meaning of a word; a word may have several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sense {
    /// The scene itself.
    Place(Scene),
    /// A place that the painter does not know, and the closest scene.
    Near(Scene),
    /// Suggests the scene if no other is named.
    Hint(Scene),
    /// A part of scenes.
    Part(Thing),
    At(Time),
    In(Weather),
    During(Season),
    /// `0xRRGGBB` in sRGB.
    Colour(u32),
    Warm(f32),
    Vivid(f32),
    Bright(f32),
    /// Black and white.
    Monochrome,
    Look(Style),
}

use Sense::{At, Bright, Colour, During, Hint, In, Look, Monochrome, Near, Part, Place, Vivid, Warm};

/// An entry of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    /// The word as spelled in the vocabulary; `colour` for CSS colours that are not listed.
    pub(super) word: &'static str,
    pub(super) senses: Senses,
    /// The user's spelling was corrected; plurals do not count.
    pub(super) corrected: bool,
}

/// The meanings of one word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Senses {
    Listed(&'static [Sense]),
    Css([Sense; 1]),
}

impl Known {
    pub(super) fn senses(&self) -> &[Sense] {
        match &self.senses {
            Senses::Listed(senses) => senses,
            Senses::Css(colour) => colour,
        }
    }

    /// Whether it is a thing or a place, not just a quality.
    pub(super) fn is_noun(&self) -> bool {
        let noun = |sense: &Sense| matches!(sense, Place(_) | Near(_) | Part(_));
        self.senses().iter().any(noun) && !self.senses().iter().any(|sense| matches!(sense, Bright(_)))
    }

    fn exact(word: &str) -> Option<Self> {
        let find = |(words, senses): &(&'static str, &'static [Sense])| {
            let word = words.split('|').find(|known| *known == word)?;
            Some(Self { word, senses: Senses::Listed(senses), corrected: false })
        };
        TABLE.iter().find_map(find)
    }
}

/// Looks up a word or phrase, also in the plural or with one typo.
pub(super) fn look_up(word: &str) -> Option<Known> {
    let listed = Known::exact(word).or_else(|| stems(word).find_map(Known::exact));
    let colour = || {
        let [r, g, b] = css_colour(word)?;
        let senses = Senses::Css([Colour(u32::from_be_bytes([0, r, g, b]))]);
        Some(Known { word: "colour", senses, corrected: false })
    };
    listed.or_else(colour).or_else(|| typo(word)).or_else(|| stems(word).find_map(typo))
}

/// A similar known word for a longer unknown one.
pub(super) fn suggestion(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    if word.contains(' ') || !(5..=20).contains(&word.len()) || look_up(&word).is_some() {
        return None;
    }
    let max_distance = if word.len() < 7 { 1 } else { 2 };
    words()
        .filter(|known| known.len() > 3 && known.as_bytes().first() == word.as_bytes().first())
        .map(|known| (strsim::osa_distance(known, &word), known))
        .filter(|(distance, _)| *distance <= max_distance)
        .min()
        .map(|(_, known)| known)
}

fn words() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(words, _)| words.split('|'))
}

fn stems(word: &str) -> impl Iterator<Item = &str> {
    ["s", "es", "like", "side", "scape"]
        .into_iter()
        .filter_map(move |end| word.strip_suffix(end))
        .filter(|w| w.len() > 2)
}

/// The known word at an edit distance of 1 with the same first letter; only for long words, since short ones are too
/// similar to each other.
fn typo(word: &str) -> Option<Known> {
    let is_similar = |known: &&str| {
        known.len() > 5
            && known.as_bytes().first() == word.as_bytes().first()
            && known.len().abs_diff(word.len()) <= 1
            && strsim::osa_distance(known, word) == 1
    };
    if !(7..=20).contains(&word.len()) || word.contains(' ') {
        return None;
    }
    Known::exact(words().find(is_similar)?).map(|known| Known { corrected: true, ..known })
}

/// A CSS colour name, or `#` and hex digits; "facade" and "decade" are words, not colours.
fn css_colour(word: &str) -> Option<[u8; 3]> {
    if !word.starts_with('#') && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let [r, g, b, alpha] = csscolorparser::parse(word).ok()?.to_rgba8();
    (alpha == 255).then_some([r, g, b])
}

const TABLE: &[(&str, &[Sense])] = &[
    // Rooms
    ("library|libraries|bookshop|bookstore|study|reading room|📚", &[Place(Scene::Library)]),
    ("bookshelf|bookshelves|bookcase|book|shelf|shelves", &[Part(Thing::Books), Hint(Scene::Library)]),
    ("café|cafe|coffeehouse|coffee shop|bistro|pub|bar", &[Place(Scene::Cafe)]),
    ("restaurant|bakery|coffee|☕", &[Near(Scene::Cafe)]),
    ("bottle", &[Part(Thing::Bottles), Hint(Scene::Cafe)]),
    ("living room|livingroom|lounge|sitting room|wohnzimmer|🛋", &[Place(Scene::LivingRoom)]),
    ("loft|industrial loft|penthouse|warehouse loft", &[Place(Scene::Loft)]),
    ("industrial", &[Hint(Scene::Loft)]),
    ("room|apartment|flat|home|interior|indoors", &[Hint(Scene::LivingRoom)]),
    ("scandinavian", &[Hint(Scene::LivingRoom)]),
    ("sofa|couch", &[Part(Thing::Sofa), Hint(Scene::LivingRoom)]),
    ("furniture", &[Part(Thing::Sofa), Part(Thing::Cupboard), Hint(Scene::LivingRoom)]),
    ("cupboard|sideboard|cabinet", &[Part(Thing::Cupboard), Hint(Scene::Office)]),
    ("curtain|drapes", &[Part(Thing::Curtains), Hint(Scene::LivingRoom)]),
    ("window", &[Part(Thing::Windows), Hint(Scene::LivingRoom)]),
    ("lamp|lampshade", &[Part(Thing::Lamps), Hint(Scene::LivingRoom)]),
    ("plant|houseplant|potted plant|🪴", &[Part(Thing::Plants), Hint(Scene::LivingRoom)]),
    ("picture frame|framed picture|wall art", &[Part(Thing::Pictures), Hint(Scene::LivingRoom)]),
    ("house|dining room|bathroom|hotel|hotel room|attic", &[Near(Scene::LivingRoom)]),
    ("cosy|cozy|hygge", &[Hint(Scene::LivingRoom), Warm(0.35)]),
    ("cabin|log cabin|chalet|lodge|log house|mountain hut|blockhütte|🛖", &[Place(Scene::Cabin)]),
    ("fireplace|fire|campfire|hearth|kamin", &[Part(Thing::Fire), Hint(Scene::Cabin)]),
    ("log|logs|timber", &[Hint(Scene::Cabin)]),
    ("candle|candlelight", &[Near(Scene::LivingRoom), Warm(0.35)]),
    ("office|workspace|workplace|coworking|open space|home office|büro|🏢", &[Place(Scene::Office)]),
    (
        "conference room|meeting room|boardroom|board room|conference hall|meeting space|konferenzraum|besprechungsraum",
        &[Place(Scene::Meeting)],
    ),
    ("desk|workdesk|standing desk", &[Part(Thing::Desk), Hint(Scene::Office)]),
    ("kitchen|kitchenette|küche|cuisine", &[Place(Scene::Kitchen)]),
    ("bedroom|schlafzimmer", &[Place(Scene::Bedroom)]),
    ("bed|pillow", &[Part(Thing::Bed), Hint(Scene::Bedroom)]),
    ("classroom|schoolroom|klassenzimmer", &[Place(Scene::Classroom)]),
    ("blackboard|chalkboard", &[Part(Thing::Blackboard), Hint(Scene::Classroom)]),
    ("school", &[Near(Scene::Classroom)]),
    // Plain
    ("gradient|abstract|aura|blend|mesh", &[Place(Scene::Gradient)]),
    ("bokeh|fairy lights|light dots|blurry lights|blurred lights|glitter|sparkle|✨", &[Place(Scene::Bokeh)]),
    ("light", &[Part(Thing::Lights), Part(Thing::Lamps), Bright(0.5)]),
    ("lights", &[Part(Thing::Lights), Part(Thing::Lamps), Hint(Scene::Bokeh)]),
    (
        "christmas|xmas|festive|party|christmas tree|🎄",
        &[Near(Scene::Bokeh), Colour(0xd8403a), Colour(0xf3b04a), Colour(0x2f8f57)],
    ),
    ("brick wall|brickwork", &[Place(Scene::Brick)]),
    ("brick|bricks", &[Part(Thing::Bricks), Place(Scene::Brick)]),
    ("studio|plain wall|seamless|plaster", &[Place(Scene::Studio)]),
    ("wall|backdrop", &[Part(Thing::Wall), Hint(Scene::Studio)]),
    ("concrete", &[Near(Scene::Studio)]),
    ("plain|solid", &[Hint(Scene::Studio)]),
    ("minimal|minimalist|minimalistic|minimalism", &[Look(Style::Minimal), Hint(Scene::Studio)]),
    // Water
    ("beach|beaches|shore|seashore|coast|seaside|strand|playa|plage|spiaggia|🏖", &[Place(Scene::Beach)]),
    ("sand", &[Part(Thing::Sand), Hint(Scene::Beach)]),
    ("tropical|palm|palms|palm tree|palm trees|🌴", &[Part(Thing::Palms), Hint(Scene::Beach), Vivid(0.2)]),
    ("caribbean|hawaii|maldives|paradise|bali|🏝", &[Near(Scene::Beach), Part(Thing::Palms), Vivid(0.2)]),
    ("island|lagoon", &[Near(Scene::Beach)]),
    ("sea|ocean|meer|mer|mar|🌊", &[Place(Scene::Sea)]),
    ("water|wasser|eau|agua", &[Part(Thing::Water), Hint(Scene::Sea)]),
    ("wave|waves", &[Part(Thing::Waves), Hint(Scene::Sea)]),
    ("horizon", &[Hint(Scene::Sea)]),
    ("coastline|shoreline|headland", &[Part(Thing::Coast), Hint(Scene::Beach)]),
    ("lake|pond|fjord|reservoir|loch|lac|lago", &[Place(Scene::Lake)]),
    ("river", &[Near(Scene::Lake), Part(Thing::Water)]),
    ("waterfall|falls|stream|fountain|harbour|harbor", &[Near(Scene::Lake)]),
    (
        "coral reef|underwater|reef|coral|corals|under water|under the sea|seabed|ocean floor|unterwasser|🐠|🪸",
        &[Place(Scene::Reef)],
    ),
    ("aquarium|fish tank", &[Near(Scene::Reef)]),
    ("fish|fishes|🐟", &[Part(Thing::Fish), Hint(Scene::Reef)]),
    // Land
    ("forest|wood|woods|woodland|pine|grove|wald|bosque|forêt|🌲|🌳", &[Place(Scene::Forest)]),
    ("tree|trees|bäume|arbres", &[Part(Thing::Trees), Hint(Scene::Forest)]),
    ("birch|redwood|bamboo|bamboo forest|treehouse", &[Near(Scene::Forest)]),
    ("jungle|rainforest", &[Place(Scene::Forest), Vivid(0.3)]),
    ("mountain|mountains|alp|alpine|peak|summit|berge|montaña|montagne|⛰|🗻", &[Place(Scene::Mountains)]),
    (
        "alps|himalaya|himalayas|andes|rockies|dolomites|everest|fuji|matterhorn|volcano|cliff|canyon|valley|grand canyon|\
         mount fuji|mount everest",
        &[Near(Scene::Mountains)],
    ),
    ("🏔", &[Place(Scene::Mountains), During(Season::Winter)]),
    ("meadow|countryside|field|grassland|pasture|prairie|plains|wiese", &[Place(Scene::Meadow)]),
    ("grass", &[Part(Thing::Grass), Hint(Scene::Meadow)]),
    ("hill|hills", &[Part(Thing::Hills), Hint(Scene::Meadow)]),
    ("rural|nature|landscape|outdoors|outdoor", &[Hint(Scene::Meadow)]),
    ("farm|garden|park|tuscany|vineyard", &[Near(Scene::Meadow)]),
    ("japanese garden|zen garden|rock garden|tea garden|kyoto garden|japanischer garten|⛩", &[Place(Scene::Garden)]),
    ("zen|japanese|japan|kyoto", &[Hint(Scene::Garden)]),
    ("flower|flowers|wildflower|lavender", &[Part(Thing::Flowers), Hint(Scene::Meadow), During(Season::Spring)]),
    ("blossom|cherry blossom|cherry blossoms|sakura|🌸", &[Near(Scene::Meadow), During(Season::Spring)]),
    ("desert|dune|dunes|wüste|🏜", &[Place(Scene::Desert)]),
    ("sahara|🐫", &[Near(Scene::Desert)]),
    ("snow|snowfield|snowfall|tundra|schnee|neige|nieve|❄", &[Place(Scene::Snow), During(Season::Winter)]),
    ("arctic|antarctica|ice|glacier|☃|north pole|south pole", &[Near(Scene::Snow), During(Season::Winter)]),
    ("snowy|winter|wintry|icy|frozen|frosty|frost", &[Hint(Scene::Snow), During(Season::Winter)]),
    // Town
    (
        "city|cities|skyline|town|downtown|urban|skyscraper|metropolis|cityscape|stadt|ciudad|ville|🏙|🌇",
        &[Place(Scene::City)],
    ),
    ("building|buildings|tower block", &[Part(Thing::Buildings), Hint(Scene::City)]),
    (
        "street|rooftop|manhattan|new york|tokyo|london|paris|berlin|rome|sydney|dubai|hong kong|singapore|chicago|\
         san francisco|venice|village|bridge",
        &[Near(Scene::City)],
    ),
    ("cyberpunk|neon", &[Hint(Scene::City), At(Time::Night), Colour(0xff2d95), Colour(0x22d3ee), Vivid(0.3)]),
    ("🌃|🌆|city lights", &[Place(Scene::City), At(Time::Night)]),
    // Sky and space
    (
        "aurora|auroras|aurora borealis|northern lights|polar lights|nordlicht|polarlicht|southern lights",
        &[Place(Scene::Aurora), At(Time::Night)],
    ),
    (
        "space|outer space|galaxy|galaxies|cosmos|cosmic|universe|orbit|milky way|constellation|🌌",
        &[Place(Scene::Space)],
    ),
    ("star|stars|starry|⭐", &[Part(Thing::Stars), Hint(Scene::Space)]),
    ("planet|🪐", &[Part(Thing::Planet), Hint(Scene::Space)]),
    ("nebula|nebulae", &[Part(Thing::Nebula), Hint(Scene::Space)]),
    ("mars|jupiter|saturn|venus", &[Near(Scene::Space)]),
    ("space station|spaceship|spacecraft|cupola|starship|🚀|🛰", &[Place(Scene::Station)]),
    ("iss|cockpit|space shuttle|rocket", &[Near(Scene::Station)]),
    ("earth|planet earth|🌍|🌎|🌏", &[Part(Thing::Planet), Hint(Scene::Station)]),
    ("sky|skies|heaven|himmel|ciel|cielo", &[Place(Scene::Sky)]),
    // Time
    ("sunset|sundown|golden hour|evening|sonnenuntergang|🌅", &[At(Time::Sunset)]),
    ("sunrise|dawn|morning|daybreak|sonnenaufgang|🌄", &[At(Time::Sunrise)]),
    ("dusk|twilight|blue hour|nightfall", &[At(Time::Dusk)]),
    ("night|midnight|nighttime|nacht|noche|nuit", &[At(Time::Night)]),
    ("moon|moonlight|moonlit|full moon|🌙", &[At(Time::Night), Part(Thing::Moon)]),
    ("day|daytime|daylight|noon|midday|afternoon", &[At(Time::Day)]),
    ("sunlight|☀", &[At(Time::Day)]),
    ("sun", &[Part(Thing::Sun), In(Weather::Clear)]),
    ("sunny|sunshine|summer|summery", &[At(Time::Day), In(Weather::Clear)]),
    ("clear", &[At(Time::Day), In(Weather::Clear)]),
    // Weather and season
    ("rain|rainy|raining|drizzle|wet|storm|stormy|thunderstorm|🌧", &[In(Weather::Rain)]),
    ("fog|foggy|mist|misty|haze|hazy|smoky|🌫", &[In(Weather::Fog)]),
    ("cloud|clouds|wolken|nuages|nubes|☁", &[Part(Thing::Clouds), In(Weather::Cloudy)]),
    ("cloudy|overcast|grey sky|gray sky", &[Part(Thing::Clouds), In(Weather::Cloudy)]),
    ("autumn|fall|autumnal|october|🍂|🍁", &[During(Season::Autumn)]),
    ("spring|springtime", &[During(Season::Spring)]),
    // Colours that CSS lacks or defines differently
    ("peach|apricot", &[Colour(0xffc9a3)]),
    ("gold|golden", &[Colour(0xe6b450)]),
    ("emerald", &[Colour(0x1f9d6b)]),
    ("blue|blau|bleu|azul", &[Colour(0x2f6fde)]),
    ("green|grün|vert|verde", &[Colour(0x3a9a4e)]),
    ("red|rot|rouge|rojo", &[Colour(0xd23b3b)]),
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
    ("bright|airy|luminous", &[Bright(0.5)]),
    ("vintage|retro", &[Vivid(-0.4), Warm(0.4)]),
    ("sepia", &[Vivid(-0.4), Warm(0.4)]),
    ("black and white|monochrome|monochromatic|greyscale|grayscale|colourless|colorless", &[Monochrome]),
    // Styles
    ("watercolour|watercolor|aquarelle|aquarell", &[Look(Style::Watercolour)]),
    ("oil|oil painting|impressionist|brush strokes", &[Look(Style::Oil)]),
    ("anime|manga|cartoon|comic|ghibli", &[Look(Style::Anime)]),
    ("illustration|illustrated|flat design|vector", &[Look(Style::Illustration)]),
    ("cinematic|film still|movie still", &[Look(Style::Cinematic)]),
    ("fantasy|magical|enchanted|fairytale", &[Look(Style::Fantasy)]),
    ("3d|3d render|cgi", &[Look(Style::Render3d)]),
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
    fn short_words_are_not_corrected() {
        assert_eq!(look_up("peach"), Known::exact("peach"));
        assert_eq!(look_up("toast"), None);
        assert_eq!(look_up("string"), None);
        assert!(look_up("dessert").is_some_and(|known| known.corrected && known.word == "desert"));
        assert!(look_up("lakes").is_some_and(|known| !known.corrected));
    }

    #[test]
    fn longer_unknown_words_get_a_suggestion() {
        assert_eq!(suggestion("Foerst"), Some("forest"));
        assert_eq!(suggestion("asdkjh"), None);
        assert_eq!(suggestion("Taj Mahal"), None);
        assert_eq!(suggestion("toast"), None);
    }
}
