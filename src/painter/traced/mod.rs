//! Scenes built of solids: their walls, windows with a view, and light by the time of day.

mod bedroom;
mod books;
mod cabin;
mod cafe;
mod classroom;
mod decor;
mod garden;
mod kitchen;
mod library;
mod living_room;
mod meeting;
mod office;
mod orbit;
mod reef;
mod seats;
mod station;

pub(super) use bedroom::bedroom;
pub(super) use cabin::cabin;
pub(super) use cafe::cafe;
pub(super) use classroom::classroom;
pub(super) use garden::japanese_garden;
pub(super) use kitchen::kitchen;
pub(super) use library::library;
pub(super) use living_room::{living_room, loft};
pub(super) use meeting::meeting_room;
pub(super) use office::office;
pub(super) use reef::reef;
pub(super) use station::station;

use super::Stage;
use super::canvas::Canvas;
use super::colour::{Rgb, from_oklab, hex, to_oklab};
use super::noise::{Rng, lerp};
use super::reading::Reading;
use super::scene::{Scene, Thing, Time, Weather};
use super::trace::{Backdrop, Camera, Light, Room, Shape, Solid, Surface, Texture, Vec3, render, vec3};

/// The thickness of walls in metres.
const WALL: f32 = 0.22;

/// The radius in metres below which edges are sharp.
const MIN_RADIUS: f32 = 0.012;

/// The light at a time of day.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) struct Hour {
    pub(in crate::painter) time: Time,
    /// How much light windows give, relative to the colours outside.
    pub(in crate::painter) sky: f32,
    /// How bright lamps are, 0 to 1.
    pub(in crate::painter) lamp: f32,
    /// The mean brightness of the image.
    exposure: f32,
    /// The mean brightness of the view.
    view: f32,
}

impl Hour {
    pub(in crate::painter) fn new(time: Time) -> Self {
        let (sky, lamp, exposure, view) = match time {
            Time::Day => (6.0, 0.3, 0.33, 0.8),
            Time::Sunrise => (4.5, 0.3, 0.3, 0.75),
            Time::Sunset => (3.5, 0.5, 0.26, 0.6),
            Time::Dusk => (1.1, 0.85, 0.2, 0.28),
            Time::Night => (0.2, 1.0, 0.17, 0.05),
        };
        Self { time, sky, lamp, exposure, view }
    }
}

/// A wall of the room: which one, and where it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) enum Side {
    Back(f32),
    Left(f32),
    Right(f32),
}

/// A window in a wall, in metres along it and above the floor.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) struct Window {
    pub(in crate::painter) from: f32,
    pub(in crate::painter) to: f32,
    pub(in crate::painter) sill: f32,
    pub(in crate::painter) top: f32,
    /// The number of panes across and down.
    pub(in crate::painter) panes: [u32; 2],
    pub(in crate::painter) frame: Rgb,
}

/// A scene under construction.
#[derive(Debug)]
pub(in crate::painter) struct Builder {
    pub(in crate::painter) solids: Vec<Solid>,
    pub(in crate::painter) lights: Vec<Light>,
    pub(in crate::painter) hour: Hour,
    pub(in crate::painter) rng: Rng,
    pub(in crate::painter) outside: Backdrop,
    pub(in crate::painter) exposure: f32,
    /// The share of light that is lost in a metre of air or water.
    pub(in crate::painter) haze: f32,
}

impl Builder {
    /// An empty room that looks out on `scene`.
    pub(in crate::painter) fn new(stage: &mut Stage<'_>, default: Time, scene: Scene) -> Self {
        let hour = Hour::new(stage.time(default));
        let canvas = outside(stage, scene, hour.time);
        let mut room = Self::with_view(stage, hour, canvas);
        let brightness = room.outside.mean().luma().max(0.01);
        room.outside.gain = (hour.view / brightness).clamp(0.8, 2.2);
        room
    }

    /// A scene in front of a canvas.
    pub(in crate::painter) fn with_view(stage: &mut Stage<'_>, hour: Hour, canvas: Canvas) -> Self {
        let outside = Backdrop { canvas, horizon: 0.55, facing: 0.5, zoom: 1.0, gain: 1.0 };
        let rng = Rng::new(stage.rng.next());
        Self { solids: Vec::new(), lights: Vec::new(), hour, rng, outside, exposure: hour.exposure, haze: 0.0 }
    }

    pub(in crate::painter) fn add(&mut self, solid: Solid) {
        self.solids.push(solid);
    }

    /// A box from one corner to the opposite one.
    pub(in crate::painter) fn block(&mut self, low: [f32; 3], high: [f32; 3], surface: Surface) {
        let (at, half) = between(low, high);
        let surface = surface.seeded(self.rng.seed());
        self.add(Solid::new(Shape::Block(half), at, surface));
    }

    /// As [`block`](Self::block), with rounded edges.
    pub(in crate::painter) fn round(&mut self, low: [f32; 3], high: [f32; 3], radius: f32, surface: Surface) {
        let (at, half) = between(low, high);
        let radius = radius.min(half.x).min(half.y).min(half.z);
        let surface = surface.seeded(self.rng.seed());
        // The edges of smaller radii are lost in the blur.
        let shape = if radius < MIN_RADIUS { Shape::Block(half) } else { Shape::Round(half, radius) };
        self.add(Solid::new(shape, at, surface));
    }

    /// A vertical cone on its foot; `radii` are those of its bottom and top.
    pub(in crate::painter) fn cone(&mut self, foot: [f32; 3], radii: [f32; 2], height: f32, surface: Surface) {
        let at = vec3(foot[0], foot[1] + height * 0.5, foot[2]);
        self.add(Solid::new(Shape::Cone(radii[0], radii[1], height * 0.5, true), at, surface));
    }

    pub(in crate::painter) fn ball(&mut self, at: [f32; 3], radii: [f32; 3], surface: Surface) {
        let [x, y, z] = radii;
        self.add(Solid::new(Shape::Ball(vec3(x, y, z)), vec3(at[0], at[1], at[2]), surface));
    }

    /// The floor, the ceiling and the walls, from `left` to `right` and back to `back`; the viewer's back is to a wall.
    pub(in crate::painter) fn floor_and_ceiling(
        &mut self,
        [left, right, back, height]: [f32; 4],
        floor: Surface,
        ceiling: Surface,
    ) {
        self.block([left - 1.0, -0.2, -3.0], [right + 1.0, 0.0, back + 0.5], floor);
        self.block([left - 1.0, height, -3.0], [right + 1.0, height + 0.2, back + 0.5], ceiling);
        self.block([left - 1.0, 0.0, -3.0], [right + 1.0, height, -2.6], ceiling);
    }

    /// A wall with windows, from left to right or from front to back.
    pub(in crate::painter) fn wall(
        &mut self,
        side: Side,
        [from, to, height]: [f32; 3],
        windows: &[Window],
        surface: Surface,
    ) {
        let mut start = from;
        for window in windows {
            self.panel(side, [start, window.from, 0.0, height], [0.0, WALL], surface);
            self.panel(side, [window.from, window.to, 0.0, window.sill], [0.0, WALL], surface);
            self.panel(side, [window.from, window.to, window.top, height], [0.0, WALL], surface);
            self.joinery(side, window);
            start = window.to;
        }
        self.panel(side, [start, to, 0.0, height], [0.0, WALL], surface);
    }

    /// A box on a wall: its extent along and up, and its depth range, positive into the wall.
    pub(in crate::painter) fn panel(
        &mut self,
        side: Side,
        [from, to, low, high]: [f32; 4],
        [a, b]: [f32; 2],
        surface: Surface,
    ) {
        if to - from < 1e-3 || high - low < 1e-3 {
            return;
        }
        match side {
            Side::Back(z) => self.block([from, low, z + a], [to, high, z + b], surface),
            Side::Left(x) => self.block([x - b, low, from], [x - a, high, to], surface),
            Side::Right(x) => self.block([x + a, low, from], [x + b, high, to], surface),
        }
    }

    /// The frame and the sill of a window, and the light that it gives.
    fn joinery(&mut self, side: Side, window: &Window) {
        let Window { from, to, sill, top, panes, frame } = *window;
        let paint = Surface::plain(frame);
        for i in 0..=panes[0] {
            let edge = i == 0 || i == panes[0];
            let half = if edge { 0.03 } else { 0.016 };
            let at = lerp(from + 0.03, to - 0.03, i as f32 / panes[0] as f32);
            self.panel(side, [at - half, at + half, sill, top], [0.08, 0.14], paint);
        }
        for i in 0..=panes[1] {
            let edge = i == 0 || i == panes[1];
            let half = if edge { 0.03 } else { 0.016 };
            let at = lerp(sill + 0.03, top - 0.03, i as f32 / panes[1] as f32);
            self.panel(side, [from, to, at - half, at + half], [0.08, 0.14], paint);
        }
        self.panel(side, [from - 0.04, to + 0.04, sill - 0.03, sill], [-0.06, 0.08], paint);
        let middle = [(from + to) * 0.5, (sill + top) * 0.5];
        let half = [(to - from) * 0.5, (top - sill) * 0.5];
        let up = vec3(0.0, half[1], 0.0);
        let along = vec3(0.0, 0.0, half[0]);
        let (at, edges) = match side {
            Side::Back(z) => (vec3(middle[0], middle[1], z + WALL), [vec3(half[0], 0.0, 0.0), -up]),
            Side::Left(x) => (vec3(x - WALL, middle[1], middle[0]), [along, -up]),
            Side::Right(x) => (vec3(x + WALL, middle[1], middle[0]), [along, up]),
        };
        let light = self.daylight() * self.hour.sky;
        self.lights.push(Light::Panel(at, edges, light));
    }

    /// The colour of the light from windows: between that of the view and white.
    fn daylight(&self) -> Rgb {
        let mean = self.outside.mean();
        let tint = mean * (1.0 / mean.luma().max(1e-3));
        let cool = if matches!(self.hour.time, Time::Dusk | Time::Night) { hex(0xc0d0f0) } else { Rgb::WHITE };
        cool.mix(tint, 0.3)
    }

    /// A lamp: light from a globe.
    pub(in crate::painter) fn globe(&mut self, at: [f32; 3], radius: f32, power: f32) {
        let warm = hex(0xffc98a);
        let strength = power * self.hour.lamp / (radius * radius);
        self.lights.push(Light::Globe(vec3(at[0], at[1], at[2]), radius, warm * strength));
    }

    /// Sunlight from a direction, if the sun shines.
    pub(in crate::painter) fn sun(&mut self, stage: &Stage<'_>, toward: [f32; 3]) {
        let clear = matches!(stage.reading.weather, None | Some(Weather::Clear));
        let colour = match self.hour.time {
            Time::Day => hex(0xfff0dc) * 1.7,
            Time::Sunrise => hex(0xffd0a0) * 1.8,
            Time::Sunset => hex(0xffb070) * 1.6,
            Time::Dusk | Time::Night => return,
        };
        if clear && !stage.lacks(Thing::Windows) {
            let [x, y, z] = toward;
            self.lights.push(Light::Sun(vec3(x, y, z).unit(), 0.02, colour));
        }
    }

    /// The colour of a lit lampshade or bulb.
    pub(in crate::painter) fn lit(&self, strength: f32) -> Rgb {
        hex(0xffcf96) * (strength * (0.25 + 0.75 * self.hour.lamp))
    }

    /// Paints the room.
    pub(in crate::painter) fn paint(self, stage: &mut Stage<'_>, camera: Camera) {
        let Self { solids, lights, outside, exposure, hour, haze, .. } = self;
        let ambient = Rgb::WHITE * (0.03 * hour.sky) + hex(0xffd0a0) * (0.04 * hour.lamp);
        let room =
            Room { solids, lights, backdrop: outside, ambient, exposure, balance: lerp(0.65, 0.45, hour.lamp), haze };
        let seed = stage.seed;
        render(&mut stage.canvas, room, camera, seed);
        stage.canvas.bloom(0.75, 0.05, 0.22);
    }
}

/// The middle and half the size of a box.
fn between(low: [f32; 3], high: [f32; 3]) -> (Vec3, Vec3) {
    let a = vec3(low[0], low[1], low[2]);
    let b = vec3(high[0], high[1], high[2]);
    ((a + b) * 0.5, (b - a) * 0.5)
}

/// A viewer at eye level who looks into the room.
pub(in crate::painter) fn viewer(turn: f32, side: f32) -> Camera {
    Camera { at: vec3(0.0, 1.28, 0.0), turn, view: 0.74, horizon: 0.43, side, focus: 1.1, blur: 0.005 }
}

/// The scene outside a window: what the prompt names, otherwise `default`.
pub(in crate::painter) fn outlook(stage: &Stage<'_>, default: Scene) -> Scene {
    let reading = stage.reading;
    if reading.has(Scene::Mountains) || reading.wants(Thing::Mountains) {
        Scene::Mountains
    } else if reading.has(Scene::City) || reading.wants(Thing::Buildings) || stage.lacks(Thing::Trees) {
        Scene::City
    } else if reading.has(Scene::Forest) || reading.wants(Thing::Trees) || stage.lacks(Thing::Buildings) {
        Scene::Forest
    } else if reading.season.is_some() {
        Scene::Meadow
    } else {
        default
    }
}

/// Paints the view from a window.
pub(in crate::painter) fn outside(stage: &mut Stage<'_>, scene: Scene, time: Time) -> Canvas {
    let reading = Reading { scene, time: Some(time), ..stage.reading.clone() };
    let rng = Rng::new(stage.rng.next());
    let height = (stage.canvas.height / 2).max(8);
    let canvas = Canvas::new(height * 5 / 2, height);
    let mut outer = Stage { canvas, seed: stage.seed ^ 0x5a, rng, reading: &reading };
    outer.scene();
    outer.canvas.defocus(0.005);
    outer.canvas.each(|_, _, light| light.saturate(0.75));
    outer.canvas
}

/// The haze of an outdoor scene: `clear` on a clear day.
fn haze(stage: &Stage<'_>, clear: f32) -> f32 {
    match stage.reading.weather {
        Some(Weather::Fog) => 0.14,
        Some(Weather::Rain) => 0.05,
        _ => clear,
    }
}

/// The paint of walls or fronts: the prompt's first colour, as muted as paint is, or else one of `codes`.
pub(in crate::painter) fn paint(stage: &Stage<'_>, room: &mut Builder, codes: &[u32]) -> Surface {
    let usual = plaster(room.rng.pick(codes));
    let Some(&colour) = stage.colours().first() else { return usual };
    let [lightness, a, b] = to_oklab(colour);
    let muted = (0.07 / a.hypot(b).max(0.07)).min(0.8);
    Surface::new(from_oklab([lerp(0.55, 0.92, lightness), a * muted, b * muted]), Texture::Plaster)
}

/// Common surfaces.
pub(in crate::painter) fn plaster(code: u32) -> Surface {
    Surface::new(hex(code), Texture::Plaster)
}

pub(in crate::painter) fn wood(code: u32, axis: u8) -> Surface {
    Surface::new(hex(code), Texture::Wood(axis)).glossy(0.12, 0.25)
}

pub(in crate::painter) fn boards(code: u32, axis: u8, width: f32) -> Surface {
    Surface::new(hex(code), Texture::Boards(axis, width)).glossy(0.22, 0.16)
}

pub(in crate::painter) fn metal(code: u32) -> Surface {
    Surface::plain(hex(code)).glossy(0.7, 0.12)
}

pub(in crate::painter) fn cloth(code: u32) -> Surface {
    Surface::new(hex(code), Texture::Cloth)
}
