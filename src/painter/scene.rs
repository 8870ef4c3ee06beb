//! The scenes, and what a prompt can say about them.

/// A scene. For a prompt that names several, the first in this order is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Scene {
    Library,
    Cafe,
    Kitchen,
    Bedroom,
    Classroom,
    Meeting,
    Cabin,
    Station,
    Reef,
    Garden,
    Loft,
    LivingRoom,
    Office,
    Gradient,
    Bokeh,
    Brick,
    Studio,
    Beach,
    Lake,
    City,
    Aurora,
    Forest,
    Desert,
    Sea,
    Mountains,
    Meadow,
    Snow,
    Space,
    Sky,
}

/// The time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Time {
    Day,
    Sunrise,
    Sunset,
    Dusk,
    Night,
}

/// The weather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Weather {
    Clear,
    Cloudy,
    Rain,
    Fog,
}

/// The season, for vegetation and snow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Season {
    Spring,
    Autumn,
    Winter,
}

/// A part of a scene that a prompt can request or exclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Thing {
    Aurora,
    Bed,
    Blackboard,
    Books,
    Bottles,
    Bricks,
    Buildings,
    Clouds,
    Coast,
    Cupboard,
    Curtains,
    Desk,
    Fire,
    Fish,
    Flowers,
    Garden,
    Grass,
    Hills,
    Lamps,
    Lights,
    Moon,
    Mountains,
    Nebula,
    Palms,
    Pictures,
    Planet,
    Plants,
    Sand,
    Sky,
    Snow,
    Sofa,
    Stars,
    Sun,
    Trees,
    Wall,
    Water,
    Waves,
    Windows,
}

impl Scene {
    /// All scenes.
    pub const ALL: [Self; 29] = [
        Self::Library,
        Self::Cafe,
        Self::Kitchen,
        Self::Bedroom,
        Self::Classroom,
        Self::Meeting,
        Self::Cabin,
        Self::Station,
        Self::Reef,
        Self::Garden,
        Self::Loft,
        Self::LivingRoom,
        Self::Office,
        Self::Gradient,
        Self::Bokeh,
        Self::Brick,
        Self::Studio,
        Self::Beach,
        Self::Lake,
        Self::City,
        Self::Aurora,
        Self::Forest,
        Self::Desert,
        Self::Sea,
        Self::Mountains,
        Self::Meadow,
        Self::Snow,
        Self::Space,
        Self::Sky,
    ];

    /// Its name, which is also a prompt for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Cafe => "café",
            Self::Kitchen => "kitchen",
            Self::Bedroom => "bedroom",
            Self::Classroom => "classroom",
            Self::Meeting => "conference room",
            Self::Cabin => "cabin",
            Self::Station => "space station",
            Self::Reef => "coral reef",
            Self::Garden => "Japanese garden",
            Self::Loft => "loft",
            Self::LivingRoom => "living room",
            Self::Office => "office",
            Self::Gradient => "gradient",
            Self::Bokeh => "bokeh",
            Self::Brick => "brick wall",
            Self::Studio => "studio",
            Self::Beach => "beach",
            Self::Lake => "lake",
            Self::City => "city",
            Self::Aurora => "aurora",
            Self::Forest => "forest",
            Self::Desert => "desert",
            Self::Sea => "sea",
            Self::Mountains => "mountains",
            Self::Meadow => "meadow",
            Self::Snow => "snow",
            Self::Space => "space",
            Self::Sky => "sky",
        }
    }

    /// Its name with an article, for "it painted ...".
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::Library => "a library",
            Self::Cafe => "a café",
            Self::Kitchen => "a kitchen",
            Self::Bedroom => "a bedroom",
            Self::Classroom => "a classroom",
            Self::Meeting => "a conference room",
            Self::Cabin => "a log cabin",
            Self::Station => "a space station",
            Self::Reef => "a coral reef",
            Self::Garden => "a Japanese garden",
            Self::Loft => "a loft",
            Self::LivingRoom => "a living room",
            Self::Office => "an office",
            Self::Gradient => "abstract colours",
            Self::Bokeh => "blurred lights",
            Self::Brick => "a brick wall",
            Self::Studio => "a plain wall",
            Self::Beach => "a beach",
            Self::Lake => "a lake",
            Self::City => "a city",
            Self::Aurora => "an aurora",
            Self::Forest => "a forest",
            Self::Desert => "a desert",
            Self::Sea => "the sea",
            Self::Mountains => "mountains",
            Self::Meadow => "a meadow",
            Self::Snow => "a snowfield",
            Self::Space => "outer space",
            Self::Sky => "a sky",
        }
    }
}
