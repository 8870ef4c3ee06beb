//! Brush styles: watercolour on paper, and oil on canvas.

use super::canvas::Canvas;
use super::colour::{Rgb, hex, to_oklab};
use super::noise::{Rng, fbm, lerp, noise, smooth, wobble};

/// Watercolour: washes that bleed, pool at edges, and reveal the paper.
pub(super) fn watercolour(canvas: &mut Canvas, seed: u32) {
    canvas.smooth_regions(0.013);
    let source = canvas.clone();
    let mut wide = canvas.clone();
    wide.defocus(0.012);
    let paper = hex(0xf7f2e8);
    let reach = canvas.reach();
    canvas.each(|u, v, _| {
        let [wu, wv] = wobble(u, v, 0.05, 0.006, seed);
        let wash = source.sample(wu, wv);
        let here = to_oklab(wash)[0];
        let around = to_oklab(wide.sample(wu, wv))[0];
        // Pigment collects on the darker side of edges and in the paper's texture.
        let pooled = smooth(0.0, 0.1, around - here);
        let cloud = fbm(u * 2.3, v * 2.3, 4, seed ^ 1);
        let tooth = 0.6 * noise(u * 150.0, v * 150.0, seed ^ 2) + 0.4 * noise(u * 260.0, v * 260.0, seed ^ 4);
        let density = 0.74 + 0.3 * cloud + 0.34 * pooled + 0.12 * tooth;
        let tinted = Rgb(wash.saturate(1.12).0.map(|c| c.clamp(0.012, 1.0).powf(density.max(0.2) * 0.86)));
        let margin = (reach - u.abs()).min(v).min(1.0 - v) + 0.05 * fbm(u * 3.0, v * 3.0, 3, seed ^ 6);
        let covered = 0.94 - 0.34 * smooth(0.1, -0.02, margin);
        let lit = paper * (1.0 + 0.03 * tooth);
        lit.mix(tinted * paper, covered)
    });
}

/// Oil: brush strokes in three sizes that follow the edges of the scene.
pub(super) fn oil(canvas: &mut Canvas, rng: &mut Rng, seed: u32) {
    let source = canvas.clone();
    let mut blurred = canvas.clone();
    blurred.defocus(0.012);
    for (size, share) in [(0.046, 1.0), (0.024, 0.6), (0.0105, 0.22)] {
        strokes(canvas, &source, &blurred, rng, size, share, seed);
    }
    // Light from the upper left emphasizes the relief of the paint.
    let paint = canvas.clone();
    let step = 1.0 / canvas.height as f32;
    canvas.each(|u, v, light| {
        let ridge = to_oklab(paint.sample(u - step, v - step))[0] - to_oklab(paint.sample(u + step, v + step))[0];
        let weave = noise(u * 210.0, v * 4.0, seed ^ 8) + noise(u * 4.0, v * 210.0, seed ^ 9);
        light.saturate(1.14) * ((1.0 - 1.3 * ridge).clamp(0.75, 1.3) * (1.0 + 0.025 * weave))
    });
}

/// One layer of strokes, `size` wide. Finer layers (`share` below 1) paint mainly where coarser strokes missed the
/// source.
fn strokes(canvas: &mut Canvas, source: &Canvas, blurred: &Canvas, rng: &mut Rng, size: f32, share: f32, seed: u32) {
    let reach = canvas.reach();
    let pitch = size * 0.62;
    let columns = (2.0 * reach / pitch).ceil() as usize + 1;
    let rows = (1.0 / pitch).ceil() as usize + 1;
    let luma = |u: f32, v: f32| to_oklab(blurred.sample(u, v))[0];
    for cell in 0..columns * rows {
        let u = (cell % columns) as f32 * pitch - reach + rng.range(-0.5, 0.5) * pitch;
        let v = (cell / columns) as f32 * pitch + rng.range(-0.5, 0.5) * pitch;
        let length = size * rng.range(1.5, 3.2);
        let tone = rng.range(0.93, 1.07);
        let stray = rng.range(-0.35, 0.35);
        let dice = rng.unit();
        let colour = source.sample(u, v);
        let off = to_oklab(colour)[0] - to_oklab(canvas.sample(u, v))[0];
        if share < 1.0 && off.abs() < 0.05 && dice > share * 0.3 {
            continue;
        }
        let step = size * 0.8;
        let dx = luma(u + step, v) - luma(u - step, v);
        let dy = luma(u, v + step) - luma(u, v - step);
        let flowing = fbm(u * 1.6, v * 1.6, 2, seed) * 2.2;
        let strong = smooth(0.004, 0.03, dx.hypot(dy));
        let angle = lerp(flowing, dx.atan2(-dy), strong) + stray;
        stroke(canvas, [u, v], angle, [length, size * 0.5], colour * tone, seed ^ cell as u32);
    }
}

/// A stroke centred on `at` with half length and half width `reach`, and bristle marks.
fn stroke(canvas: &mut Canvas, at: [f32; 2], angle: f32, reach: [f32; 2], colour: Rgb, seed: u32) {
    let (sin, cos) = angle.sin_cos();
    let wide = reach[0].max(reach[1]);
    let fine = 1.0 / canvas.height as f32;
    canvas.within([at[0] - wide, at[1] - wide, at[0] + wide, at[1] + wide], |u, v, under| {
        let (dx, dy) = (u - at[0], v - at[1]);
        let along = (dx * cos + dy * sin) / reach[0];
        let across = (dy * cos - dx * sin) / reach[1];
        // Rounded, frayed ends.
        let edge = 1.0 - (along * along * along * along + across * across);
        if edge <= 0.0 {
            return under;
        }
        let bristle = noise(across * 4.5, along * 0.7, seed);
        let cover = smooth(0.0, 0.12 + fine / reach[1], edge - 0.18 * smooth(0.4, 1.0, along) * (0.5 + bristle));
        under.mix(colour * (1.0 + 0.13 * bristle), cover * 0.93)
    });
}
