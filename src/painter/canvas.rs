//! The canvas in linear light: drawing, lens blur, bloom, and conversion to 8 bits.
//!
//! Coordinates are in units of the image's height: `v` runs from 0 at the top to 1, `u` is 0 in the centre.

use image::RgbImage;

use super::colour::{Rgb, encode};
use super::noise::{hash, smooth, unit};

/// A canvas in linear light.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<Rgb>,
    /// A factor for the radius of [`defocus`](Self::defocus).
    pub(super) lens: f32,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![Rgb::default(); width * height], lens: 1.0 }
    }

    /// The value of `u` at the right edge.
    pub(super) fn reach(&self) -> f32 {
        self.width as f32 / self.height as f32 * 0.5
    }

    fn scale(&self) -> f32 {
        self.height as f32
    }

    pub(super) fn u(&self, x: usize) -> f32 {
        (x as f32 + 0.5 - self.width as f32 * 0.5) / self.scale()
    }

    pub(super) fn v(&self, y: usize) -> f32 {
        (y as f32 + 0.5) / self.scale()
    }

    /// Sets every pixel from its coordinates and its current colour.
    pub(super) fn each(&mut self, paint: impl FnMut(f32, f32, Rgb) -> Rgb) {
        let reach = self.reach();
        self.within([-reach, 0.0, reach, 1.0], paint);
    }

    /// As [`each`](Self::each), for the pixels with their centre in `[left, top, right, bottom]`.
    pub(super) fn within(&mut self, [left, top, right, bottom]: [f32; 4], mut paint: impl FnMut(f32, f32, Rgb) -> Rgb) {
        let half = self.width as f32 * 0.5;
        let scale = self.scale();
        let column = |u: f32| ((u * scale + half - 0.5).ceil().max(0.0) as usize).min(self.width);
        let row = |v: f32| ((v * scale - 0.5).ceil().max(0.0) as usize).min(self.height);
        let x0 = column(left);
        let x1 = column(right);
        let y0 = row(top);
        let y1 = row(bottom);
        for y in y0..y1 {
            let v = self.v(y);
            for x in x0..x1 {
                let u = self.u(x);
                let pixel = &mut self.pixels[y * self.width + x];
                *pixel = paint(u, v, *pixel);
            }
        }
    }

    /// A filled box with edges `soft` wide; `light` gives the colour from 0..1 across and down.
    pub(super) fn block(&mut self, area: [f32; 4], soft: f32, light: impl Fn(f32, f32) -> Rgb) {
        let [left, top, right, bottom] = area;
        let soft = soft.max(1.0 / self.scale());
        let around = [left - soft, top - soft, right + soft, bottom + soft];
        self.within(around, |u, v, under| {
            let inside = (u - left).min(right - u).min(v - top).min(bottom - v);
            let cover = smooth(-soft, soft, inside);
            under.mix(light((u - left) / (right - left), (v - top) / (bottom - top)), cover)
        });
    }

    /// An ellipse with an edge `soft` wide (a fraction of the radius); `light` gives the colour from -1..1 across and
    /// down.
    pub(super) fn ellipse(&mut self, at: [f32; 2], radius: [f32; 2], soft: f32, light: impl Fn(f32, f32, Rgb) -> Rgb) {
        let grown = 1.0 + soft;
        let around = [
            at[0] - radius[0] * grown,
            at[1] - radius[1] * grown,
            at[0] + radius[0] * grown,
            at[1] + radius[1] * grown,
        ];
        self.within(around, |u, v, under| {
            let (dx, dy) = ((u - at[0]) / radius[0], (v - at[1]) / radius[1]);
            let cover = smooth(1.0 + soft, 1.0 - soft, (dx * dx + dy * dy).sqrt());
            under.mix(light(dx, dy, under), cover)
        });
    }

    /// A pointed leaf from `at` in the direction `angle`; `light` gives the colour from 0..1 along and -1..1 across.
    pub(super) fn leaf(&mut self, at: [f32; 2], angle: f32, length: f32, width: f32, light: impl Fn(f32, f32) -> Rgb) {
        let (sin, cos) = angle.sin_cos();
        let tip = [at[0] + cos * length, at[1] + sin * length];
        let soft = 1.2 / self.scale();
        let pad = width + soft;
        let around =
            [at[0].min(tip[0]) - pad, at[1].min(tip[1]) - pad, at[0].max(tip[0]) + pad, at[1].max(tip[1]) + pad];
        self.within(around, |u, v, under| {
            let (dx, dy) = (u - at[0], v - at[1]);
            let along = (dx * cos + dy * sin) / length;
            let across = dy * cos - dx * sin;
            if !(0.0..1.0).contains(&along) {
                return under;
            }
            let half = width * 2.6 * along * (1.0 - along) * (1.35 - 0.7 * along);
            let cover = smooth(half + soft, half - soft, across.abs()) * (half / soft).min(1.0);
            under.mix(light(along, across / half.max(1e-4)), cover)
        });
    }

    /// An out-of-focus point of light: a disc with a slightly brighter rim.
    pub(super) fn bokeh(&mut self, at: [f32; 2], radius: f32, light: Rgb) {
        let soft = (1.5 / self.scale() / radius).clamp(0.06, 1.0);
        self.ellipse(at, [radius; 2], soft, |dx, dy, under| {
            let rim = smooth(0.55, 0.98, (dx * dx + dy * dy).sqrt());
            under + light * (0.9 + 0.14 * rim)
        });
    }

    /// Adds light around a point; at `radius`, an eighth of it is left.
    pub(super) fn halo(&mut self, at: [f32; 2], radius: f32, light: Rgb) {
        let far = radius * 3.0;
        self.within([at[0] - far, at[1] - far, at[0] + far, at[1] + far], |u, v, under| {
            let (dx, dy) = (u - at[0], v - at[1]);
            let near = 1.0 - smooth(0.0, far, (dx * dx + dy * dy).sqrt());
            under + light * (near * near * near)
        });
    }

    /// The interpolated colour at a point; points outside have the colour of the edge.
    pub(super) fn sample(&self, u: f32, v: f32) -> Rgb {
        let x = (u * self.scale() + self.width as f32 * 0.5 - 0.5).clamp(0.0, (self.width - 1) as f32);
        let y = (v * self.scale() - 0.5).clamp(0.0, (self.height - 1) as f32);
        self.between(x, y)
    }

    /// Bilinear interpolation; `x` and `y` are in pixels, within the canvas.
    #[inline]
    fn between(&self, x: f32, y: f32) -> Rgb {
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let row = |y: usize| self.pixels[y * self.width + x0].mix(self.pixels[y * self.width + x1], fx);
        row(y0).mix(row(y1), fy)
    }

    /// Lens blur: every point becomes a disc of this radius, in image heights.
    pub(super) fn defocus(&mut self, radius: f32) {
        let r = radius * self.lens * self.scale();
        if r < 0.6 {
            return;
        }
        // Prefix sums along rows make the cost of a disc proportional to its height.
        let w = self.width;
        let h = self.height;
        let reach = r as isize;
        let sums = self.row_sums();
        let stride = w + 1;
        let spans: Vec<(isize, isize)> =
            (-reach..=reach).map(|dy| (dy, (r * r - (dy * dy) as f32).max(0.0).sqrt().round() as isize)).collect();
        for y in 0..h {
            for x in 0..w {
                let mut total = [0.0f64; 3];
                let mut count = 0usize;
                for &(dy, half) in &spans {
                    let row = (y as isize + dy).clamp(0, h as isize - 1) as usize * stride;
                    let left = (x as isize - half).max(0) as usize;
                    let right = (x as isize + half + 1).min(w as isize) as usize;
                    for k in 0..3 {
                        total[k] += sums[row + right][k] - sums[row + left][k];
                    }
                    count += right - left;
                }
                self.pixels[y * w + x] = Rgb(total.map(|t| (t / count as f64) as f32));
            }
        }
    }

    /// Prefix sums of each row, with a leading zero; f64, so that bright lights leave no rounding errors.
    fn row_sums(&self) -> Vec<[f64; 3]> {
        let mut sums = Vec::with_capacity((self.width + 1) * self.height);
        for row in self.pixels.chunks_exact(self.width) {
            let mut sum = [0.0f64; 3];
            sums.push(sum);
            for pixel in row {
                sum = std::array::from_fn(|k| sum[k] + f64::from(pixel.0[k]));
                sums.push(sum);
            }
        }
        sums
    }

    /// Kuwahara filter: flattens areas and keeps edges. Every pixel takes the mean of the one of its four adjacent
    /// squares (`radius` image heights wide) with the least variance.
    pub(super) fn smooth_regions(&mut self, radius: f32) {
        let r = ((radius * self.scale()).round() as usize).max(1);
        let (w, h) = (self.width, self.height);
        let mut lumas = self.clone();
        for pixel in &mut lumas.pixels {
            let luma = pixel.luma().max(0.0).sqrt();
            *pixel = Rgb([luma, luma * luma, 0.0]);
        }
        let colours = self.area_sums();
        let lumas = lumas.area_sums();
        let square = |sums: &[[f64; 3]], [x0, y0, x1, y1]: [usize; 4]| -> [f64; 3] {
            let at = |x: usize, y: usize| sums[y * (w + 1) + x];
            let area = ((x1 - x0) * (y1 - y0)) as f64;
            std::array::from_fn(|k| (at(x1, y1)[k] - at(x0, y1)[k] - at(x1, y0)[k] + at(x0, y0)[k]) / area)
        };
        for y in 0..h {
            let up = y.saturating_sub(r);
            let down = (y + r + 1).min(h);
            for x in 0..w {
                let left = x.saturating_sub(r);
                let right = (x + r + 1).min(w);
                let squares =
                    [[left, up, x + 1, y + 1], [x, up, right, y + 1], [left, y, x + 1, down], [x, y, right, down]];
                let spread = |area: [usize; 4]| {
                    let [mean, squared, _] = square(&lumas, area);
                    squared - mean * mean
                };
                let smoothest = squares.into_iter().map(|area| (spread(area), area)).min_by(|a, b| a.0.total_cmp(&b.0));
                if let Some((_, area)) = smoothest {
                    self.pixels[y * w + x] = Rgb(square(&colours, area).map(|c| c as f32));
                }
            }
        }
    }

    /// Summed-area table with a leading row and column of zeros.
    fn area_sums(&self) -> Vec<[f64; 3]> {
        let stride = self.width + 1;
        let mut sums = vec![[0.0f64; 3]; stride * (self.height + 1)];
        for y in 0..self.height {
            let mut row = [0.0f64; 3];
            for x in 0..self.width {
                row = std::array::from_fn(|k| row[k] + f64::from(self.pixels[y * self.width + x].0[k]));
                let above = sums[y * stride + x + 1];
                sums[(y + 1) * stride + x + 1] = std::array::from_fn(|k| above[k] + row[k]);
            }
        }
        sums
    }

    /// Bloom: light above `floor` spreads around itself.
    pub(super) fn bloom(&mut self, floor: f32, radius: f32, amount: f32) {
        let mut small = self.quarter();
        for pixel in &mut small.pixels {
            let over = (pixel.luma() - floor).max(0.0) / pixel.luma().max(1e-6);
            *pixel = *pixel * over;
        }
        for _ in 0..3 {
            small.defocus(radius);
        }
        self.each(|u, v, under| under + small.sample(u, v) * amount);
    }

    /// The canvas at a quarter of its size.
    fn quarter(&self) -> Self {
        let mut small = Self::new(self.width.div_ceil(4), self.height.div_ceil(4));
        for y in 0..small.height {
            for x in 0..small.width {
                let mut sum = Rgb::default();
                for (dy, dx) in [(0, 0), (0, 2), (2, 0), (2, 2)] {
                    let sy = (y * 4 + dy).min(self.height - 1);
                    let sx = (x * 4 + dx).min(self.width - 1);
                    sum = sum + self.pixels[sy * self.width + sx];
                }
                small.pixels[y * small.width + x] = sum * 0.25;
            }
        }
        small
    }

    /// Converts to an sRGB image of another size, with rolled-off highlights and dither against banding.
    pub(super) fn develop(&self, width: u32, height: u32, seed: u32) -> RgbImage {
        let curve: Vec<f32> = (0..=CURVE).map(|i| encode((i as f32 / CURVE as f32).powi(2)) * 255.0).collect();
        let kx = self.width as f32 / width as f32;
        let ky = self.height as f32 / height as f32;
        RgbImage::from_fn(width, height, |x, y| {
            let sx = ((x as f32 + 0.5) * kx - 0.5).clamp(0.0, (self.width - 1) as f32);
            let sy = ((y as f32 + 0.5) * ky - 0.5).clamp(0.0, (self.height - 1) as f32);
            let light = shoulder(self.between(sx, sy));
            let dice = hash(x as i32, y as i32, seed);
            let grain = (unit(dice) + unit(dice.wrapping_mul(0x9e37_79b1)) - 1.0) * 1.3;
            image::Rgb(light.0.map(|c| (curve[(c.sqrt() * CURVE as f32) as usize] + grain + 0.5) as u8))
        })
    }
}

/// The number of steps of the gamma table.
const CURVE: usize = 4096;

/// Compresses highlights above 0.7 towards 1, and shifts overexposed colours towards white.
fn shoulder(c: Rgb) -> Rgb {
    const KNEE: f32 = 0.7;
    let over = c.0.iter().map(|&c| (c - 1.0).max(0.0)).sum::<f32>() * 0.12;
    Rgb(c.0.map(|c| {
        let c = (c + over).max(0.0);
        if c <= KNEE { c } else { KNEE + (1.0 - KNEE) * (1.0 - (-(c - KNEE) / (1.0 - KNEE)).exp()) }
    }))
}
