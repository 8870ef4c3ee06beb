//! Depth of field: points beyond the focus become discs.

use super::super::canvas::Canvas;
use super::super::colour::Rgb;

/// The number of samples of a disc.
const TAPS: usize = 36;

/// Blurs every pixel by its radius in pixels.
pub(in crate::painter) fn defocus(canvas: &mut Canvas, radii: &[f32]) {
    let spiral = spiral();
    let source = canvas.clone();
    let (w, h) = (canvas.width as isize, canvas.height as isize);
    for y in 0..h {
        for x in 0..w {
            let at = (y * w + x) as usize;
            let radius = radii[at];
            if radius < 0.5 {
                continue;
            }
            let mut sum = Rgb::default();
            let mut total = 0.0;
            for [dx, dy] in spiral {
                let nx = (x as f32 + dx * radius).round() as isize;
                let ny = (y as f32 + dy * radius).round() as isize;
                let other = (ny.clamp(0, h - 1) * w + nx.clamp(0, w - 1)) as usize;
                // Sharper points in front do not spread into the blur behind them.
                let weight = (radii[other] / radius).clamp(0.08, 1.0);
                sum = sum + source.pixels[other] * weight;
                total += weight;
            }
            canvas.pixels[at] = sum * (1.0 / total);
        }
    }
}

/// Points spread evenly over a disc of radius 1.
fn spiral() -> [[f32; 2]; TAPS] {
    const GOLDEN: f32 = 2.399_963_2;
    std::array::from_fn(|i| {
        let radius = ((i as f32 + 0.5) / TAPS as f32).sqrt();
        let (sin, cos) = (i as f32 * GOLDEN).sin_cos();
        [radius * cos, radius * sin]
    })
}
