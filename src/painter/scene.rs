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

    /// Whether the whole image is tinted in a colour of the prompt: a landscape, which is then seen in that light.
    pub(super) fn is_tinted(self, colour: [f32; 3]) -> bool {
        let uses_colours = matches!(self, Self::Gradient | Self::Bokeh | Self::Studio | Self::Brick);
        !(uses_colours || self.is_traced() || self.has_colour(colour))
    }

    /// Whether a colour of the prompt is visible.
    pub(super) fn shows_colour(self, colour: [f32; 3]) -> bool {
        !self.is_traced() || self.is_painted() || self.has_colour(colour)
    }

    /// Whether walls or fronts are painted in the prompt's first colour.
    fn is_painted(self) -> bool {
        matches!(
            self,
            Self::Office
                | Self::LivingRoom
                | Self::Bedroom
                | Self::Classroom
                | Self::Meeting
                | Self::Cafe
                | Self::Kitchen
        )
    }

    /// Whether the scene has this Oklab colour anyway: a green meadow needs no green sky.
    fn has_colour(self, [lightness, a, b]: [f32; 3]) -> bool {
        use Scene::{
            Aurora, Beach, Cabin, City, Desert, Forest, Garden, Lake, Library, Loft, Meadow, Mountains, Reef, Sea, Sky,
            Snow, Space, Station,
        };
        if a.hypot(b) < 0.03 {
            return lightness > 0.8 && matches!(self, Snow | Sky | Beach | Mountains | Station);
        }
        match b.atan2(a).to_degrees() {
            100.0..175.0 => matches!(self, Meadow | Forest | Garden | Mountains | Lake | Aurora | Reef),
            -175.0..-70.0 => {
                let has_water = matches!(self, Beach | Lake | Sea | Reef | City);
                has_water || matches!(self, Sky | Snow | Space | Station | Aurora | Mountains)
            }
            35.0..100.0 => matches!(self, Desert | Beach | Forest | Cabin | Library | Loft),
            _ => false,
        }
    }

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
