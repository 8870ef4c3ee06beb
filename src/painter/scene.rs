//! The scenes, the things in each of them, and which time, weather and season each can show.

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
    pub const ALL: [Self; 28] = [
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

    /// The things that define it, and the scene to paint instead if one of them is excluded.
    pub(super) fn essentials(self) -> (&'static [Thing], Self) {
        match self {
            Self::Library => (&[Thing::Books], Self::LivingRoom),
            Self::Bedroom => (&[Thing::Wall, Thing::Bed], Self::LivingRoom),
            Self::Classroom => (&[Thing::Wall, Thing::Blackboard], Self::Office),
            Self::Meeting => (&[Thing::Wall], Self::Office),
            Self::Cabin => (&[Thing::Wall], Self::LivingRoom),
            Self::Station => (&[Thing::Windows, Thing::Wall], Self::Space),
            Self::Reef => (&[Thing::Water], Self::Gradient),
            Self::Garden => (&[Thing::Garden], Self::Meadow),
            Self::Cafe | Self::Kitchen | Self::LivingRoom | Self::Office => (&[Thing::Wall], Self::Gradient),
            Self::Gradient => (&[], Self::Gradient),
            Self::Bokeh => (&[Thing::Lights], Self::Gradient),
            Self::Brick => (&[Thing::Bricks, Thing::Wall], Self::Gradient),
            Self::Studio => (&[Thing::Wall], Self::Gradient),
            Self::Beach => (&[Thing::Sand], Self::Sea),
            Self::Lake => (&[Thing::Water], Self::Mountains),
            Self::City => (&[Thing::Buildings], Self::Sky),
            Self::Aurora => (&[Thing::Aurora, Thing::Snow], Self::Space),
            Self::Forest => (&[Thing::Trees], Self::Meadow),
            Self::Desert => (&[Thing::Sand], Self::Sky),
            Self::Sea => (&[Thing::Water], Self::Sky),
            Self::Mountains => (&[Thing::Mountains], Self::Meadow),
            Self::Meadow => (&[Thing::Grass], Self::Sky),
            Self::Snow => (&[Thing::Snow], Self::Mountains),
            Self::Space => (&[], Self::Gradient),
            Self::Sky => (&[Thing::Sky], Self::Gradient),
        }
    }

    /// The things that it can paint or leave out.
    pub(super) fn extras(self) -> &'static [Thing] {
        use Thing::*;
        match self {
            Self::Library | Self::Gradient | Self::Bokeh | Self::Brick | Self::Studio => &[],
            Self::Cafe => &[Windows, Cupboard, Bottles, Lamps, Lights, Plants, Trees, Buildings, Mountains],
            Self::Kitchen => &[Windows, Cupboard, Bottles, Plants, Lamps, Trees, Buildings, Mountains],
            Self::Bedroom => &[Windows, Curtains, Pictures, Lamps, Plants, Trees, Buildings, Mountains],
            Self::Classroom => &[Windows, Cupboard, Books, Desk, Plants, Trees, Buildings, Mountains],
            Self::Meeting => &[Windows, Lamps, Plants, Trees, Buildings, Mountains],
            Self::Cabin => &[Windows, Fire, Sofa, Books, Plants, Lamps, Trees, Buildings, Mountains],
            Self::Station => &[Stars, Planet],
            Self::Reef => &[Fish],
            Self::Garden => &[Trees],
            Self::LivingRoom => &[Windows, Curtains, Pictures, Sofa, Lamps, Plants, Trees, Buildings, Mountains],
            Self::Office => &[Windows, Cupboard, Books, Desk, Pictures, Lamps, Plants, Trees, Buildings, Mountains],
            Self::Beach => &[Water, Waves, Coast, Hills, Mountains, Palms, Clouds, Sun, Moon, Stars],
            Self::Lake => &[Mountains, Trees, Snow, Clouds, Sun, Moon, Stars],
            Self::City => &[Water, Trees, Lights, Clouds, Sun, Moon, Stars],
            Self::Aurora => &[Trees, Stars],
            Self::Forest => &[Sun],
            Self::Desert => &[Clouds, Sun, Moon, Stars],
            Self::Sea => &[Waves, Coast, Hills, Mountains, Clouds, Sun, Moon, Stars],
            Self::Mountains => &[Trees, Snow, Clouds, Sun, Moon, Stars],
            Self::Meadow => &[Trees, Flowers, Mountains, Clouds, Sun, Moon, Stars],
            Self::Snow => &[Trees, Mountains, Clouds, Sun, Moon, Stars],
            Self::Space => &[Stars, Planet, Nebula],
            Self::Sky => &[Hills, Clouds, Sun, Moon, Stars],
        }
    }

    /// Other things in it that can't be left out.
    pub(super) fn fixed(self) -> &'static [Thing] {
        match self {
            Self::Beach | Self::City | Self::Sea => &[Thing::Sky],
            Self::Lake | Self::Desert | Self::Meadow | Self::Snow | Self::Aurora => &[Thing::Sky, Thing::Hills],
            Self::Mountains => &[Thing::Sky, Thing::Hills, Thing::Grass],
            Self::Forest => &[Thing::Grass],
            Self::Reef => &[Thing::Sand],
            _ => &[],
        }
    }

    /// Its main thing: "a city without mountains" refers to the thing, not the scene.
    pub(super) fn thing(self) -> Option<Thing> {
        Some(match self {
            Self::Library => Thing::Books,
            Self::Aurora => Thing::Aurora,
            Self::Beach | Self::Desert => Thing::Sand,
            Self::Bokeh => Thing::Lights,
            Self::Brick => Thing::Bricks,
            Self::City => Thing::Buildings,
            Self::Cabin => Thing::Fire,
            Self::Garden => Thing::Garden,
            Self::Forest => Thing::Trees,
            Self::Lake | Self::Sea => Thing::Water,
            Self::Meadow => Thing::Grass,
            Self::Mountains => Thing::Mountains,
            Self::Sky => Thing::Sky,
            Self::Snow => Thing::Snow,
            Self::Space => Thing::Stars,
            Self::Studio => Thing::Wall,
            Self::Cafe
            | Self::Kitchen
            | Self::Bedroom
            | Self::Classroom
            | Self::Meeting
            | Self::Station
            | Self::Reef
            | Self::LivingRoom
            | Self::Office
            | Self::Gradient => return None,
        })
    }

    /// Whether an image of `scene` can show this scene as well, if it has its main thing.
    pub(super) fn fits_into(self, scene: Self) -> bool {
        match self {
            Self::Sea => matches!(scene, Self::Beach | Self::City),
            Self::Forest => scene != Self::City,
            Self::City => scene.windows(),
            Self::Bokeh => scene == Self::Cafe,
            Self::Mountains | Self::Meadow | Self::Snow | Self::Space | Self::Sky => true,
            _ => false,
        }
    }

    /// Whether it is built of solids and traced, which takes longer than drawing.
    pub(super) fn is_traced(self) -> bool {
        self.windows() || matches!(self, Self::Library | Self::Station | Self::Reef | Self::Garden)
    }

    /// Whether it is outdoors, lit by sun and weather.
    fn outdoors(self) -> bool {
        matches!(
            self,
            Self::Beach
                | Self::Lake
                | Self::City
                | Self::Forest
                | Self::Desert
                | Self::Sea
                | Self::Mountains
                | Self::Meadow
                | Self::Snow
                | Self::Garden
                | Self::Sky
        )
    }

    /// Whether it has a window that shows the weather.
    fn windows(self) -> bool {
        matches!(
            self,
            Self::Cafe
                | Self::Kitchen
                | Self::Bedroom
                | Self::Classroom
                | Self::Meeting
                | Self::Cabin
                | Self::LivingRoom
                | Self::Office
        )
    }

    /// Whether it shows `time`. `coloured`: the prompt names colours, which in abstract images replace those of the
    /// time of day.
    pub(super) fn shows_time(self, time: Time, coloured: bool) -> bool {
        match self {
            Self::Gradient | Self::Bokeh => !coloured,
            Self::Aurora => time == Time::Night,
            Self::Station | Self::Reef | Self::Library => true,
            _ => self.outdoors() || self.windows(),
        }
    }

    /// Whether it shows the weather; `plain`: the prompt names no colours and no time.
    pub(super) fn shows_weather(self, weather: Weather, plain: bool) -> bool {
        match self {
            Self::Gradient => plain && weather != Weather::Clear,
            Self::Aurora => weather == Weather::Clear,
            _ => self.outdoors() || self.windows(),
        }
    }

    /// Whether it shows `season`.
    pub(super) fn shows_season(self, season: Season) -> bool {
        match self {
            Self::Meadow | Self::Garden | Self::Sky => true,
            _ if self.windows() => true,
            Self::Forest | Self::Mountains | Self::Lake => season != Season::Spring,
            Self::Snow | Self::Aurora => season == Season::Winter,
            _ => false,
        }
    }
}
