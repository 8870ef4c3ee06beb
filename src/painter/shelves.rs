//! The library: out-of-focus books on shelves.

use super::Stage;
use super::canvas::Canvas;
use super::colour::{Rgb, hex};
use super::noise::{Rng, fbm, lerp, noise, smooth};
use super::scene::Time;

/// The colours of book spines, muted ones first.
const SPINES: [u32; 18] = [
    0x6b3a2e, 0x35485c, 0x2f4a3f, 0x7a5a36, 0x8c2f2c, 0x3c3632, 0xb89a6a, 0xd8c9a8, 0x54606a, 0x4a2f3c, 0xa8742f,
    0x1f3550, 0x8a8578, 0xcfd2cc, 0x6f7f5a, 0x94512f, 0x27424a, 0xe4dcc8,
];

/// A wall of books with a lamp on one side.
pub(super) fn library(stage: &mut Stage<'_>) {
    let reach = stage.canvas.reach();
    let night = matches!(stage.reading.time, Some(Time::Night | Time::Dusk | Time::Sunset));
    let wood = hex(stage.rng.pick(&[0x6a4426, 0x54331e, 0x7d5636, 0x3f2a1c]));
    let rows = if stage.rng.chance(0.5) { 4 } else { 5 };
    let bays = stage.rng.range(0.5, 0.72);
    let shift = stage.rng.range(-0.3, 0.0);
    stage.canvas.each(|_, _, _| wood * 0.08);
    let pitch = 1.06 / rows as f32;
    let mut left = -reach + shift;
    while left < reach {
        for row in 0..rows {
            let top = -0.04 + row as f32 * pitch;
            bay(stage, wood, [left + 0.014, top + 0.018, left + bays - 0.014, top + pitch]);
        }
        let seed = stage.seed ^ 3;
        stage.canvas.block([left - 0.014, -0.1, left + 0.014, 1.1], 0.0, |across, down| {
            wood * (0.4 + 0.35 * across + 0.08 * noise(across * 4.0, down * 30.0, seed))
        });
        left += bays;
    }
    light(stage, night);
    stage.canvas.bloom(0.7, 0.05, 0.4);
    stage.canvas.defocus(0.0105);
}

/// One compartment of a shelf: its dark back, its board, and its content.
pub(super) fn bay(stage: &mut Stage<'_>, wood: Rgb, area: [f32; 4]) {
    let [left, top, right, bottom] = area;
    let board = 0.02;
    let floor = bottom - board;
    stage.canvas.block([left, top, right, floor], 0.0, |_, down| wood * lerp(0.07, 0.2, down));
    fill(&mut stage.canvas, &mut stage.rng, [left, top, right, floor]);
    // The board above casts a shadow on the tops of the books.
    stage.canvas.shadow([left - 0.02, top - 0.05, right + 0.02, top + (floor - top) * 0.2], (floor - top) * 0.22, 0.72);
    stage.canvas.shadow([left - 0.05, top, left + 0.006, floor], 0.02, 0.5);
    stage.canvas.shadow([right - 0.006, top, right + 0.05, floor], 0.02, 0.5);
    let seed = stage.seed;
    stage.canvas.block([left - 0.014, floor, right + 0.014, bottom], 0.0, |across, down| {
        wood * (lerp(0.95, 0.5, smooth(0.05, 0.5, down)) * (1.0 + 0.25 * fbm(across * 9.0, down * 2.0, 3, seed)))
    });
}

/// Groups of books, with occasional gaps, piles and vases.
fn fill(canvas: &mut Canvas, rng: &mut Rng, [left, top, right, floor]: [f32; 4]) {
    let room = floor - top;
    let mut u = left + rng.range(0.0, 0.02);
    while u < right - 0.008 {
        let kind = rng.unit();
        if kind < 0.05 {
            u += rng.range(0.02, 0.07);
        } else if kind < 0.1 {
            u = pile(canvas, rng, u, right, floor, room);
        } else if kind < 0.125 && u + 0.07 < right {
            vase(canvas, rng, u, floor, room);
            u += 0.075;
        } else {
            u = series(canvas, rng, u, right, floor, room);
        }
    }
}

/// A row of similar books; returns its right end.
fn series(canvas: &mut Canvas, rng: &mut Rng, mut u: f32, right: f32, floor: f32, room: f32) -> f32 {
    let same = rng.chance(0.4);
    let (mut cloth, mut width, mut tall) = spine(rng, room);
    for _ in 0..1 + rng.next() % 6 {
        if !same {
            (cloth, width, tall) = spine(rng, room);
        }
        let end = u + width;
        if end > right - 0.004 {
            return right;
        }
        let gilt = rng.chance(0.4).then(|| [rng.range(0.12, 0.3), rng.range(0.03, 0.12)]);
        let paper = hex(0xd8b878).mix(hex(0xf0e6d0), rng.unit());
        canvas.block([u, floor - tall, end - 0.0012, floor], 0.0, |across, down| {
            // A rounded spine, brightest slightly left of its centre.
            let round = 1.0 - 1.5 * (across - 0.42).powi(2);
            let label = gilt.is_some_and(|[at, size]| (at..at + size).contains(&down) || (0.86..0.885).contains(&down));
            if label { paper * (0.75 * round) } else { cloth * round }
        });
        u = end;
    }
    u
}

fn spine(rng: &mut Rng, room: f32) -> (Rgb, f32, f32) {
    let cloth = hex(rng.pick(&SPINES)).saturate(0.82) * rng.range(0.75, 1.2);
    (cloth, rng.range(0.011, 0.03), room * rng.range(0.62, 0.93))
}

fn pile(canvas: &mut Canvas, rng: &mut Rng, u: f32, right: f32, floor: f32, room: f32) -> f32 {
    let end = (u + rng.range(0.1, 0.15)).min(right - 0.004);
    let mut top = floor;
    for _ in 0..2 + rng.next() % 3 {
        let (cloth, thick, _) = spine(rng, room);
        let inset = rng.range(0.0, 0.02);
        canvas.block([u + inset, top - thick, end - inset * 0.5, top - 0.001], 0.0, |_, down| {
            cloth * (1.05 - 0.5 * down)
        });
        top -= thick;
    }
    end + 0.004
}

fn vase(canvas: &mut Canvas, rng: &mut Rng, u: f32, floor: f32, room: f32) {
    let clay = hex(rng.pick(&[0xd9d2c4, 0x7f9aa0, 0xc08a5a, 0x3d5a56, 0xe8e2d6]));
    let tall = room * rng.range(0.25, 0.4);
    canvas.ellipse([u + 0.036, floor - tall * 0.5], [0.03, tall * 0.5], 0.04, |x, y, _| {
        clay * (0.75 - 0.35 * x - 0.2 * y)
    });
}

/// Warm light from above on one side; the far corner stays dark.
fn light(stage: &mut Stage<'_>, night: bool) {
    let side = stage.rng.sign();
    let lamp = [side * stage.rng.range(0.45, 0.75), stage.rng.range(0.05, 0.3)];
    let (key, fill) =
        if night { (hex(0xffb870) * 1.7, hex(0x4a5a80) * 0.16) } else { (hex(0xffdcb0) * 1.2, hex(0xd0d4dc) * 0.62) };
    stage.canvas.each(|u, v, under| {
        let far = ((u - lamp[0]).powi(2) + (v - lamp[1]).powi(2) * 0.8).sqrt();
        let other = smooth(-0.9, 0.9, -u * side) * 0.5;
        under * (key * (1.15 * (-far * 1.15).exp()) + fill * (0.75 + other))
    });
    stage.canvas.halo(lamp, 0.22, hex(0xffc88a) * if night { 0.3 } else { 0.12 });
}
