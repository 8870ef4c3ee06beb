//! Styles, which are applied to the finished scene.

use super::Stage;
use super::canvas::Canvas;
use super::colour::{Rgb, from_oklab, hex, to_oklab};
use super::noise::{fbm, hash, smooth, unit};
use super::scene::Thing;
use super::{brush, flat};

/// A style, as in `--style`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Style {
    Photo,
    Cinematic,
    Illustration,
    Watercolour,
    Oil,
    Anime,
    Minimal,
    Fantasy,
    Render3d,
}

/// Small things that a minimal image omits.
const CLUTTER: [Thing; 9] = [
    Thing::Books,
    Thing::Bottles,
    Thing::Clouds,
    Thing::Coast,
    Thing::Curtains,
    Thing::Lamps,
    Thing::Pictures,
    Thing::Plants,
    Thing::Waves,
];

impl Style {
    /// All styles.
    pub const ALL: [Self; 9] = [
        Self::Photo,
        Self::Cinematic,
        Self::Illustration,
        Self::Watercolour,
        Self::Oil,
        Self::Anime,
        Self::Minimal,
        Self::Fantasy,
        Self::Render3d,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Cinematic => "cinematic",
            Self::Illustration => "illustration",
            Self::Watercolour => "watercolour",
            Self::Oil => "oil",
            Self::Anime => "anime",
            Self::Minimal => "minimal",
            Self::Fantasy => "fantasy",
            Self::Render3d => "3d",
        }
    }

    /// The style with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|style| style.name() == name)
    }

    /// The things that it omits unless the prompt names them.
    pub(super) fn omits(self) -> &'static [Thing] {
        if self == Self::Minimal { &CLUTTER } else { &[] }
    }

    /// The factor for the blur of the scene; drawn styles need sharper edges.
    pub(super) fn defocus(self) -> f32 {
        match self {
            Self::Photo => 1.7,
            Self::Cinematic | Self::Fantasy => 1.0,
            Self::Illustration | Self::Oil => 0.35,
            Self::Watercolour | Self::Render3d => 0.5,
            Self::Anime => 0.15,
            Self::Minimal => 1.3,
        }
    }

    /// Applies the style to the finished scene.
    pub(super) fn apply(self, stage: &mut Stage<'_>) {
        let seed = stage.seed ^ 0xa7;
        let canvas = &mut stage.canvas;
        match self {
            Self::Photo => photo(canvas, seed),
            Self::Cinematic => cinematic(canvas, seed),
            Self::Illustration => flat::illustration(canvas),
            Self::Watercolour => brush::watercolour(canvas, seed),
            Self::Oil => brush::oil(canvas, &mut stage.rng, seed),
            Self::Anime => flat::anime(canvas),
            Self::Minimal => flat::minimal(canvas),
            Self::Fantasy => fantasy(stage),
            Self::Render3d => render(canvas),
        }
    }
}

/// The distance from the centre: 0 there, about 1 in the corners.
fn corner(u: f32, v: f32) -> f32 {
    (u * u * 0.95 + (v - 0.5) * (v - 0.5)).min(1.0)
}

/// Changes the contrast around middle grey.
fn contrast(light: Rgb, by: f32) -> Rgb {
    const GREY: f32 = 0.2;
    Rgb(light.0.map(|c| GREY * (c.max(0.0) / GREY).powf(by)))
}

/// Film grain, stronger in dark areas.
fn grain(canvas: &mut Canvas, amount: f32, seed: u32) {
    let width = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let dice = unit(hash((i % width) as i32, (i / width) as i32, seed)) - 0.5;
        *pixel = *pixel * (1.0 + amount * dice * (1.3 - pixel.luma().min(1.0)));
    }
}

/// Photo: slightly more contrast, darker corners, fine grain.
fn photo(canvas: &mut Canvas, seed: u32) {
    canvas.each(|u, v, light| contrast(light, 1.14).saturate(1.05) * (1.06 - 0.5 * smooth(0.1, 1.0, corner(u, v))));
    grain(canvas, 0.14, seed);
}

/// Cinematic: teal shadows, orange lights, high contrast, dark corners.
fn cinematic(canvas: &mut Canvas, seed: u32) {
    canvas.bloom(0.55, 0.035, 0.3);
    canvas.each(|u, v, light| {
        let light = contrast(light.saturate(0.82), 1.28);
        let high = smooth(0.05, 0.55, light.luma());
        let tone = Rgb([0.62, 1.04, 1.2]).mix(Rgb([1.2, 0.98, 0.74]), high);
        light * tone * (1.06 - 0.6 * smooth(0.15, 1.0, corner(u, v)))
    });
    grain(canvas, 0.2, seed);
}

/// Fantasy: glowing gold and violet light with floating sparks.
fn fantasy(stage: &mut Stage<'_>) {
    let seed = stage.seed ^ 0xfa;
    stage.canvas.bloom(0.3, 0.09, 0.85);
    stage.canvas.each(|u, v, light| {
        let light = light.saturate(1.3);
        let high = smooth(0.03, 0.5, light.luma());
        let tone = Rgb([0.86, 0.74, 1.35]).mix(Rgb([1.14, 1.0, 0.88]), high);
        let drift = smooth(0.5, 1.05, v) * smooth(-0.2, 0.6, fbm(u * 1.4, v * 3.2, 4, seed));
        (light * tone).mix(hex(0xd9b8f0) * 0.55, 0.42 * drift)
    });
    let reach = stage.canvas.reach();
    for _ in 0..90 {
        let at = [stage.rng.range(-reach, reach), stage.rng.range(0.05, 1.0)];
        let tone = hex(stage.rng.pick(&[0xffe08a, 0xfff2c8, 0xa8e8ff, 0xe8b0ff]));
        let size = stage.rng.range(0.0015, 0.0042);
        let strength = stage.rng.range(0.25, 1.0);
        stage.canvas.bokeh(at, size, tone * (0.8 * strength));
        stage.canvas.halo(at, size * 5.0, tone * (0.16 * strength));
    }
}

/// 3D render: clean, rounded surfaces under a soft studio light.
fn render(canvas: &mut Canvas) {
    canvas.smooth_regions(0.006);
    let mut relief = canvas.clone();
    relief.defocus(0.008);
    let mut wide = canvas.clone();
    wide.defocus(0.03);
    let step = 2.0 / canvas.height as f32;
    canvas.each(|u, v, light| {
        let height = |u: f32, v: f32| to_oklab(relief.sample(u, v))[0];
        let dx = height(u + step, v) - height(u - step, v);
        let dy = height(u, v + step) - height(u, v - step);
        // The light comes from the upper left.
        let facing = (-(dx + 1.3 * dy) * 6.0).clamp(-0.3, 0.35);
        let here = to_oklab(light);
        let open = (1.0 + 1.5 * (here[0] - to_oklab(wide.sample(u, v))[0])).clamp(0.6, 1.3);
        let shade = (1.0 + facing) * open * (1.08 - 0.22 * (v + 0.4 * u));
        let shine = smooth(0.16, 0.36, facing) * 0.1;
        from_oklab([here[0] * 0.94 + 0.05, here[1] * 1.22, here[2] * 1.22]) * shade + Rgb::WHITE * shine
    });
    canvas.bloom(0.75, 0.03, 0.25);
}
