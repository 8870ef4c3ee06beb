//! Flat styles: illustration, anime and minimal.

use super::canvas::Canvas;
use super::colour::{Rgb, from_oklab, to_oklab};
use super::noise::smooth;

/// Quantizes `x` to `count` levels with soft transitions.
fn steps(x: f32, count: f32, soft: f32) -> f32 {
    let at = x * count;
    let low = at.floor();
    (low + smooth(0.5 - soft, 0.5 + soft, at - low)) / count
}

/// Illustration: flat areas of a few colours, as on a poster.
pub(super) fn illustration(canvas: &mut Canvas) {
    for _ in 0..2 {
        canvas.smooth_regions(0.009);
    }
    reduce(canvas, 14, 1.16);
    canvas.defocus(0.0018);
}

/// Minimal: large shapes in pale, muted colours.
pub(super) fn minimal(canvas: &mut Canvas) {
    for _ in 0..3 {
        canvas.smooth_regions(0.024);
    }
    canvas.each(|_, _, light| {
        let [l, a, b] = to_oklab(light);
        from_oklab([l.min(1.0) * 0.62 + 0.34, a * 0.55, b * 0.55])
    });
    canvas.defocus(0.005);
}

/// Anime: cel shading with ink lines and clear colours.
pub(super) fn anime(canvas: &mut Canvas) {
    canvas.smooth_regions(0.0055);
    let drawn = canvas.clone();
    let step = 1.2 / canvas.height as f32;
    canvas.each(|u, v, light| {
        let [l, a, b] = to_oklab(light);
        let l = steps(l.min(1.1), 7.0, 0.2);
        let cel = from_oklab([l * 0.93 + 0.06, a * 1.38, b * 1.38]);
        let at = |du: f32, dv: f32| to_oklab(drawn.sample(u + du * step, v + dv * step));
        let right = at(1.0, 0.0);
        let left = at(-1.0, 0.0);
        let down = at(0.0, 1.0);
        let up = at(0.0, -1.0);
        let slope: f32 = (0..3).map(|k| (right[k] - left[k]).powi(2) + (down[k] - up[k]).powi(2)).sum();
        let ink = smooth(0.055, 0.17, slope.sqrt());
        cel.mix(Rgb([0.035, 0.03, 0.06]) + cel * 0.12, 0.8 * ink)
    });
    canvas.bloom(0.7, 0.04, 0.3);
}

/// Replaces every colour by the closest one of a palette of `count` colours, with scaled chroma.
fn reduce(canvas: &mut Canvas, count: usize, chroma: f32) {
    let lab: Vec<[f32; 3]> = canvas.pixels.iter().map(|&light| to_oklab(light)).collect();
    let palette = palette(&lab, count);
    for (pixel, own) in canvas.pixels.iter_mut().zip(&lab) {
        let [l, a, b] = palette[nearest(&palette, own)];
        *pixel = from_oklab([l, a * chroma, b * chroma]);
    }
}

fn nearest(palette: &[[f32; 3]], own: &[f32; 3]) -> usize {
    let nearer = |a: &usize, b: &usize| distance(own, &palette[*a]).total_cmp(&distance(own, &palette[*b]));
    (0..palette.len()).min_by(nearer).unwrap_or(0)
}

/// The perceptual distance of two colours; hue weighs more than lightness, so that small things keep their colour.
fn distance(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    let [l, x, y] = std::array::from_fn(|k| (a[k] - b[k]).powi(2));
    l + 4.0 * (x + y)
}

/// Typical colours by k-means, initialized with the farthest colours.
fn palette(lab: &[[f32; 3]], count: usize) -> Vec<[f32; 3]> {
    let samples: Vec<[f32; 3]> = lab.iter().step_by((lab.len() / 4000).max(1)).copied().collect();
    let mut palette = vec![samples[samples.len() / 2]];
    while palette.len() < count {
        let separation = |own: &[f32; 3]| distance(own, &palette[nearest(&palette, own)]);
        let farthest = samples.iter().max_by(|a, b| separation(a).total_cmp(&separation(b)));
        palette.extend(farthest.copied());
    }
    for _ in 0..8 {
        let mut sums = vec![([0.0f32; 3], 0.0f32); count];
        for own in &samples {
            let (sum, weight) = &mut sums[nearest(&palette, own)];
            for k in 0..3 {
                sum[k] += own[k];
            }
            *weight += 1.0;
        }
        for (colour, (sum, weight)) in palette.iter_mut().zip(sums) {
            if weight > 0.0 {
                *colour = sum.map(|c| c / weight);
            }
        }
    }
    palette
}
