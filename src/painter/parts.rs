//! The things in each scene, and which time, weather and season it can show.

use super::scene::{Scene, Season, Thing, Time, Weather};

impl Scene {
    /// The things that define it, and the scene to paint instead if one of them is excluded.
    pub(super) fn essentials(self) -> (&'static [Thing], Self) {
        match self {
            Self::Library => (&[Thing::Books], Self::LivingRoom),
            Self::Bedroom => (&[Thing::Wall, Thing::Bed], Self::LivingRoom),
            Self::Classroom => (&[Thing::Wall, Thing::Blackboard], Self::Office),
            Self::Meeting => (&[Thing::Wall], Self::Office),
            Self::Cabin => (&[Thing::Wall], Self::LivingRoom),
            Self::Loft => (&[Thing::Wall, Thing::Bricks], Self::LivingRoom),
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
            Self::Loft => &[Windows, Pictures, Sofa, Lamps, Plants, Trees, Buildings, Mountains],
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
            | Self::Loft
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
            Self::Brick => scene == Self::Loft,
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
                | Self::Loft
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
