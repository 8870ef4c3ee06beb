//! Renders a room: visible points, their light, the lens.

use super::super::canvas::Canvas;
use super::super::colour::Rgb;
use super::super::noise::{hash, unit};
use super::backdrop::Backdrop;
use super::filter::{Grid, Point};
use super::lens;
use super::light::Light;
use super::solid::Solid;
use super::tree::Tree;
use super::vector::{Vec3, vec3};

/// The number of rays from each point that gather bounced light.
const SAMPLES: u32 = 6;

/// The number of rays from each point to each light.
const SHADOWS: u32 = 2;

/// The light is computed for one pixel of this many across and down.
const STEP: usize = 3;

/// The distance at which rays end.
const FAR: f32 = 1e3;

/// A room, its light and what is outside.
#[derive(Debug)]
pub(in crate::painter) struct Room {
    pub(in crate::painter) solids: Vec<Solid>,
    pub(in crate::painter) lights: Vec<Light>,
    pub(in crate::painter) backdrop: Backdrop,
    /// The light that has bounced more than once.
    pub(in crate::painter) ambient: Rgb,
    /// The mean brightness of the finished image, 0 to 1.
    pub(in crate::painter) exposure: f32,
    /// How much of the light's colour the camera compensates, 0 to 1.
    pub(in crate::painter) balance: f32,
    /// The share of light that is lost in a metre of haze, which has the colour of the backdrop.
    pub(in crate::painter) haze: f32,
}

/// The viewer.
#[derive(Debug, Clone, Copy)]
pub(in crate::painter) struct Camera {
    pub(in crate::painter) at: Vec3,
    /// In radians from z towards x.
    pub(in crate::painter) turn: f32,
    /// The height of the image at a distance of 1.
    pub(in crate::painter) view: f32,
    /// The `v` of eye level.
    pub(in crate::painter) horizon: f32,
    /// -1 mirrors the image.
    pub(in crate::painter) side: f32,
    /// The distance in focus, in metres.
    pub(in crate::painter) focus: f32,
    /// The radius of the blur at infinity, in image heights.
    pub(in crate::painter) blur: f32,
}

impl Camera {
    fn ray(&self, u: f32, v: f32) -> Vec3 {
        let (sin, cos) = self.turn.sin_cos();
        let (x, y) = (u * self.side * self.view, (self.horizon - v) * self.view);
        vec3(x * cos + sin, y, cos - x * sin).unit()
    }

    /// The radius of the blur at a distance, in image heights.
    fn blur_at(&self, distance: f32) -> f32 {
        self.blur * (1.0 - self.focus / distance).abs().min(1.5)
    }
}

/// What is visible in a pixel.
#[derive(Debug, Clone, Copy)]
struct Seen {
    point: Point,
    /// The index of the solid; `usize::MAX` for none.
    solid: usize,
    albedo: Rgb,
    /// Light that does not depend on the exposure: lamps and the backdrop.
    own: Rgb,
    gloss: f32,
    rough: f32,
}

/// Random numbers for one pixel, evenly spread over its samples.
struct Dice {
    offset: [f32; 2],
    index: u32,
}

impl Dice {
    fn new(at: usize, kind: u32, seed: u32) -> Self {
        let first = hash(at as i32, kind as i32, seed);
        Self { offset: [unit(first), unit(hash(at as i32, kind as i32 + 77, seed))], index: 0 }
    }

    /// The next point of the R2 sequence (Roberts 2018).
    fn next(&mut self) -> [f32; 2] {
        self.index += 1;
        let n = self.index as f32;
        [(self.offset[0] + n * 0.754_877_7).fract(), (self.offset[1] + n * 0.569_840_3).fract()]
    }
}

/// Renders the room to the canvas.
pub(in crate::painter) fn render(canvas: &mut Canvas, room: Room, camera: Camera, seed: u32) {
    let Room { solids, lights, backdrop, ambient, exposure, balance, haze } = room;
    let tracer = Tracer { tree: Tree::new(solids), lights, backdrop, ambient, seed };
    let ray = |at: usize, [dx, dy]: [f32; 2]| {
        let step = 1.0 / canvas.height as f32;
        let (x, y) = (canvas.u(at % canvas.width) + dx * step, canvas.v(at / canvas.width) + dy * step);
        tracer.look(camera.at, camera.ray(x, y))
    };
    let seen: Vec<Seen> = (0..canvas.pixels.len()).map(|at| ray(at, [0.0; 2])).collect();
    let lit = tracer.light(canvas.width, &seen, camera.at);
    let gain = gain(&seen, &lit, exposure, balance);
    let shade = |seen: &Seen, at: [f32; 2]| {
        let [diffuse, mirrored] = lit.at(&seen.point, at).unwrap_or_else(|| tracer.light_at(seen, camera.at, at));
        let light = (seen.albedo * diffuse + mirrored) * gain + seen.own;
        if haze <= 0.0 || seen.solid == usize::MAX {
            return light;
        }
        let far = tracer.backdrop.at(seen.point.place - camera.at);
        light.mix(far, 1.0 - (-haze * seen.point.distance).exp())
    };
    let pixels: Vec<Rgb> = (0..seen.len())
        .map(|at| {
            let (x, y) = ((at % canvas.width) as f32, (at / canvas.width) as f32);
            if !is_edge(&seen, canvas.width, at) {
                return shade(&seen[at], [x, y]);
            }
            let part = |[dx, dy]: [f32; 2]| clipped(shade(&ray(at, [dx, dy]), [x + dx, y + dy]));
            PARTS.into_iter().map(part).fold(Rgb::default(), |sum, light| sum + light) * (1.0 / PARTS.len() as f32)
        })
        .collect();
    canvas.pixels = pixels;
    let scale = canvas.height as f32 * canvas.lens;
    let radii: Vec<f32> = seen.iter().map(|seen| camera.blur_at(seen.point.distance) * scale).collect();
    lens::defocus(canvas, &radii);
    canvas.defocus(0.002);
}

/// The places within a pixel at an edge.
const PARTS: [[f32; 2]; 4] = [[-0.375, -0.125], [0.125, -0.375], [0.375, 0.125], [-0.125, 0.375]];

/// Whether a pixel and the next ones belong to different solids.
fn is_edge(seen: &[Seen], width: usize, at: usize) -> bool {
    let differs = |other: usize| seen.get(other).is_some_and(|other| other.solid != seen[at].solid);
    differs(at + 1) || differs(at + width) || differs(at.wrapping_sub(1)) || differs(at.wrapping_sub(width))
}

/// Limits bright light, which would make edges rough.
fn clipped(light: Rgb) -> Rgb {
    let bright = light.luma();
    if bright > 1.2 { light * (1.2 / bright) } else { light }
}

/// The factors per colour that give the image its brightness and, in part, a neutral white.
fn gain(seen: &[Seen], lit: &Lit, exposure: f32, balance: f32) -> Rgb {
    let mut sum = Rgb::default();
    let mut light = Rgb::default();
    let mut count = 0.0f32;
    for (at, diffuse) in lit.diffuse.iter().enumerate() {
        let albedo = seen[lit.pixels[at]].albedo;
        if albedo.luma() > 0.0 {
            sum = sum + albedo * *diffuse;
            light = light + *diffuse;
            count += 1.0;
        }
    }
    let mean = (sum * (1.0 / count.max(1.0))).luma().max(1e-4);
    let white = light.luma().max(1e-4);
    let balance = Rgb(light.0.map(|c| (white / c.max(1e-4)).powf(balance).clamp(0.5, 2.0)));
    balance * Rgb([1.04, 1.0, 0.94]) * (exposure / mean)
}

/// The light of the whole image, on a coarse grid.
struct Lit {
    grid: Grid,
    /// The pixel of every cell.
    pixels: Vec<usize>,
    diffuse: Vec<Rgb>,
    mirrored: Vec<Rgb>,
}

impl Lit {
    /// The diffuse and the mirrored light at a place in pixels.
    fn at(&self, point: &Point, [x, y]: [f32; 2]) -> Option<[Rgb; 2]> {
        let step = STEP as f32;
        self.grid.enlarge([&self.diffuse, &self.mirrored], point, x / step, y / step)
    }
}

/// The room as the rays see it.
struct Tracer {
    tree: Tree,
    lights: Vec<Light>,
    backdrop: Backdrop,
    ambient: Rgb,
    seed: u32,
}

impl Tracer {
    fn look(&self, from: Vec3, toward: Vec3) -> Seen {
        let Some((index, hit)) = self.tree.hit(from, toward, FAR) else {
            let point = Point { distance: FAR, ..Point::default() };
            let own = self.backdrop.at(toward);
            return Seen { point, solid: usize::MAX, albedo: Rgb::default(), own, gloss: 0.0, rough: 0.0 };
        };
        let Solid { surface, .. } = &self.tree.solids[index];
        let normal = self.tree.solids[index].outward(hit.normal);
        let albedo = surface.albedo(hit.local, hit.normal);
        let facing = (-toward.dot(normal)).clamp(0.0, 1.0);
        let own = surface.glow * (0.55 + 0.45 * facing);
        let point = Point { place: from + toward * hit.distance, normal, distance: hit.distance };
        Seen { point, solid: index, albedo, own, gloss: surface.gloss, rough: surface.rough }
    }

    /// The diffuse and the mirrored light, computed for every ninth pixel.
    fn light(&self, width: usize, seen: &[Seen], eye: Vec3) -> Lit {
        let height = seen.len() / width;
        let (w, h) = (width.div_ceil(STEP), height.div_ceil(STEP));
        let full = |at: usize| (at / w * STEP).min(height - 1) * width + (at % w * STEP).min(width - 1);
        let pixels: Vec<usize> = (0..w * h).map(full).collect();
        let points = pixels.iter().map(|&at| seen[at].point).collect();
        let grid = Grid { width: w, height: h, points };
        let mut direct = vec![Rgb::default(); w * h];
        let mut bounced = direct.clone();
        let mut mirrored = direct.clone();
        for at in 0..w * h {
            let seen = &seen[pixels[at]];
            if seen.albedo.luma() > 0.0 {
                [direct[at], bounced[at]] = self.diffuse(&seen.point, at);
                mirrored[at] = self.mirror(seen, eye, at);
            }
        }
        grid.smooth(&mut direct, 3);
        grid.smooth(&mut bounced, 5);
        grid.smooth(&mut mirrored, 2);
        let diffuse = direct.iter().zip(&bounced).map(|(&direct, &bounced)| direct + bounced).collect();
        Lit { grid, pixels, diffuse, mirrored }
    }

    /// The diffuse and the mirrored light at a place in pixels that no cell of the coarse grid represents.
    fn light_at(&self, seen: &Seen, eye: Vec3, [x, y]: [f32; 2]) -> [Rgb; 2] {
        if seen.albedo.luma() <= 0.0 {
            return [Rgb::default(); 2];
        }
        let at = (y * 8192.0 + x) as usize;
        let [direct, bounced] = self.diffuse(&seen.point, at);
        [direct + bounced, self.mirror(seen, eye, at)]
    }

    /// The light on a point, straight from the lights and after a bounce.
    fn diffuse(&self, point: &Point, at: usize) -> [Rgb; 2] {
        let mut direct = Rgb::default();
        for (number, light) in self.lights.iter().enumerate() {
            let mut dice = Dice::new(at, number as u32, self.seed);
            for _ in 0..SHADOWS {
                direct = direct + light.reach(&self.tree, point.place, point.normal, dice.next());
            }
        }
        let mut bounced = Rgb::default();
        let mut dice = Dice::new(at, 1000, self.seed);
        let [x, y] = point.normal.tangents();
        for _ in 0..SAMPLES {
            let [a, b] = dice.next();
            let (sin, cos) = (b * std::f32::consts::TAU).sin_cos();
            let r = a.sqrt();
            let toward = x * (r * cos) + y * (r * sin) + point.normal * (1.0 - a).max(0.0).sqrt();
            bounced = bounced + self.radiance(point.place + point.normal * 2e-3, toward, &mut dice, false);
        }
        [direct * (1.0 / SHADOWS as f32), bounced * (1.0 / SAMPLES as f32)]
    }

    /// The light from a direction. `open`: also from the backdrop, whose light on surfaces comes from panels.
    fn radiance(&self, from: Vec3, toward: Vec3, dice: &mut Dice, open: bool) -> Rgb {
        let Some((index, hit)) = self.tree.hit(from, toward, FAR) else {
            return if open { self.backdrop.at(toward) } else { Rgb::default() };
        };
        let surface = &self.tree.solids[index].surface;
        let normal = self.tree.solids[index].outward(hit.normal);
        let place = from + toward * hit.distance;
        let light = if open {
            self.lights
                .iter()
                .fold(Rgb::default(), |sum, light| sum + light.reach(&self.tree, place, normal, dice.next()))
        } else {
            self.one_light(place, normal, dice)
        };
        surface.colour * (light + self.ambient) + if open { surface.glow } else { Rgb::default() }
    }

    /// The light from one random light, scaled to represent all of them.
    fn one_light(&self, place: Vec3, normal: Vec3, dice: &mut Dice) -> Rgb {
        let [pick, _] = dice.next();
        let count = self.lights.len();
        let chosen = ((pick * count as f32) as usize).min(count.saturating_sub(1));
        let light = self.lights.get(chosen).map(|light| light.reach(&self.tree, place, normal, dice.next()));
        light.unwrap_or_default() * count as f32
    }

    /// The mirror image on a glossy surface.
    fn mirror(&self, seen: &Seen, eye: Vec3, at: usize) -> Rgb {
        if seen.gloss <= 0.0 {
            return Rgb::default();
        }
        let Point { place, normal, .. } = seen.point;
        let toward = (place - eye).unit();
        let facing = (-toward.dot(normal)).clamp(0.0, 1.0);
        let share = seen.gloss * (0.05 + 0.95 * (1.0 - facing).powi(4));
        let mut dice = Dice::new(at, 2000, self.seed);
        let mut sum = Rgb::default();
        for _ in 0..SAMPLES / 2 {
            let [a, b] = dice.next();
            let [c, _] = dice.next();
            let stray = vec3(a - 0.5, b - 0.5, c - 0.5) * seen.rough;
            let away = (toward - normal * (2.0 * toward.dot(normal)) + stray).unit();
            sum = sum + self.radiance(place + normal * 2e-3, away, &mut dice, true);
        }
        sum * (share * 2.0 / SAMPLES as f32)
    }
}
