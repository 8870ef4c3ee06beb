//! Draws shapes and text in white with smooth edges; slow, for rare use.

use ab_glyph::{Font, FontRef, ScaleFont, point};

use crate::frame::blend;
use crate::frame::{Frame, Size};

/// Inter Display SemiBold with Latin, Greek and Cyrillic letters; its licence is next to it.
const FONT: &[u8] = include_bytes!("font/inter-display-semibold.ttf");

/// The maximum width of a line of text, as a share of the frame.
const MAX_WIDTH: f32 = 0.9;

/// The amount of white on each pixel.
pub(super) struct Ink {
    size: Size,
    alpha: Vec<u8>,
}

impl Ink {
    pub(super) fn new(size: Size) -> Self {
        Self { size, alpha: vec![0; size.luma_len()] }
    }

    /// Fills a shape. `distance` returns the distance of a point from the shape in pixels, negative inside; nothing is
    /// drawn farther than `reach` from `centre` in either direction.
    pub(super) fn shape(&mut self, centre: (f32, f32), reach: f32, opacity: f32, distance: impl Fn(f32, f32) -> f32) {
        let span =
            |at: f32, end: usize| (at - reach).max(0.0) as usize..((at + reach).ceil().max(0.0) as usize).min(end);
        for y in span(centre.1, self.size.height()) {
            for x in span(centre.0, self.size.width()) {
                let outside = distance(x as f32 + 0.5 - centre.0, y as f32 + 0.5 - centre.1);
                self.dot(x, y, (0.5 - outside).clamp(0.0, 1.0) * opacity);
            }
        }
    }

    /// Draws `words` centred at `x` on `baseline`; `height` is the line height of the font, which is reduced if the words
    /// are too wide for the frame.
    pub(super) fn text(&mut self, words: &str, (x, baseline): (f32, f32), height: f32, opacity: f32) {
        #[allow(clippy::expect_used)] // a compiled-in file; a test draws every card
        let font = FontRef::try_from_slice(FONT).expect("the font that is compiled in");
        let width_at = |height: f32| -> f32 {
            let font = font.as_scaled(height);
            words.chars().map(|letter| font.h_advance(font.glyph_id(letter))).sum()
        };
        let height = height * (MAX_WIDTH * self.size.width() as f32 / width_at(height).max(1.0)).min(1.0);
        let width = width_at(height);
        let font = font.as_scaled(height);
        let mut pen = x - width / 2.0;
        for letter in words.chars() {
            let id = font.glyph_id(letter);
            let glyph = id.with_scale_and_position(font.scale(), point(pen, baseline));
            pen += font.h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                let (x, y) = (corner.x + x as f32, corner.y + y as f32);
                if x >= 0.0 && y >= 0.0 && (x as usize) < self.size.width() && (y as usize) < self.size.height() {
                    self.dot(x as usize, y as usize, coverage.min(1.0) * opacity);
                }
            });
        }
    }

    fn dot(&mut self, x: usize, y: usize, opacity: f32) {
        let alpha = &mut self.alpha[y * self.size.width() + x];
        *alpha += ((255.0 - f32::from(*alpha)) * opacity).round() as u8;
    }

    /// Blends the drawing onto a frame of its size.
    pub(super) fn blend_onto(&self, frame: &mut Frame) {
        let width = self.size.width();
        let (y, u, v) = frame.planes_mut();
        let under = y.to_vec();
        blend::over(&vec![235; under.len()], &under, &self.alpha, y);
        let grey = vec![128; width / 2];
        let mut alpha = vec![0; width / 2];
        let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
        for (rows, (u, v)) in self.alpha.chunks_exact(2 * width).zip(chroma) {
            blend::halve(&rows[..width], &rows[width..], &mut alpha);
            for plane in [u, v] {
                let under = plane.to_vec();
                blend::over(&grey, &under, &alpha, plane);
            }
        }
    }
}

/// The signed distance to a rounded rectangle around the origin.
pub(super) fn rounded((x, y): (f32, f32), (half_width, half_height): (f32, f32), radius: f32) -> f32 {
    let (x, y) = (x.abs() - half_width + radius, y.abs() - half_height + radius);
    x.max(0.0).hypot(y.max(0.0)) + x.max(y).min(0.0) - radius
}

/// The signed distance to a line segment with round ends.
pub(super) fn stroke((x, y): (f32, f32), from: (f32, f32), to: (f32, f32), width: f32) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = (((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (x - from.0 - along * dx).hypot(y - from.1 - along * dy) - width / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_the_letters_of_europe() {
        let font = FontRef::try_from_slice(FONT).unwrap();
        for letter in "Zurück um 15 Uhr – Größe, Łódź, București, őű, Καλημέρα, Вернусь в три, €".chars()
        {
            assert_ne!(font.glyph_id(letter).0, 0, "{letter:?}");
        }
    }
}
