//! The icon's pictures, drawn in code. They differ in shape as well as in colour, and are legible on light and dark panels.

use ksni::Icon;

use super::view::Face;

/// Width and height of the pictures; panels choose the one that fits best.
const SIZES: [u8; 4] = [22, 24, 32, 48];

/// Samples per pixel in each direction.
const SAMPLES: u16 = 4;

type Colour = [u8; 3];

const WHITE: Colour = [255, 255, 255];
const GREEN: Colour = [31, 157, 85];
const GREY: Colour = [128, 135, 145];
const BLUE: Colour = [59, 116, 240];
const ORANGE: Colour = [232, 89, 12];
const RED: Colour = [217, 45, 32];

/// The picture in all sizes.
pub(super) fn draw(face: Face) -> Vec<Icon> {
    let icon = |size: u8| Icon { width: size.into(), height: size.into(), data: pixels(face, size.into()) };
    SIZES.map(icon).into()
}

/// The pixels as ARGB, not premultiplied.
fn pixels(face: Face, size: u16) -> Vec<u8> {
    let at = |sample: u16| (f32::from(sample) + 0.5) / f32::from(size * SAMPLES) * 2.0 - 1.0;
    let mut argb = Vec::with_capacity(usize::from(size) * usize::from(size) * 4);
    for row in 0..size {
        for column in 0..size {
            let samples = (0..SAMPLES).flat_map(|dy| (0..SAMPLES).map(move |dx| (dx, dy)));
            let colours =
                samples.filter_map(|(dx, dy)| colour(face, at(column * SAMPLES + dx), at(row * SAMPLES + dy)));
            argb.extend(mean(colours));
        }
    }
    argb
}

fn mean(colours: impl Iterator<Item = Colour>) -> [u8; 4] {
    let mut sum = [0_u16; 3];
    let mut count = 0;
    for colour in colours {
        (0..3).for_each(|channel| sum[channel] += u16::from(colour[channel]));
        count += 1;
    }
    let [r, g, b] = sum.map(|sum| (sum / count.max(1)) as u8);
    [(count * 255 / (SAMPLES * SAMPLES)) as u8, r, g, b]
}

/// The colour at a point; x and y are between -1 and 1, from the top left.
fn colour(face: Face, x: f32, y: f32) -> Option<Colour> {
    match face {
        Face::Live => on_disc(x, y, GREEN, is_person(x, y)),
        Face::Paused => on_disc(x, y, BLUE, is_bars(x, y)),
        Face::Error => on_disc(x, y, RED, is_cross(x, y)),
        Face::Idle => (is_ring(x, y) || is_person(x, y)).then_some(GREY),
        Face::Stopped => (is_ring(x, y) || is_struck_through(x, y)).then_some(GREY),
        Face::Room if is_exclamation_mark(x, y) => Some(WHITE),
        Face::Room => is_triangle(x, y).then_some(ORANGE),
    }
}

/// A white figure on a disc.
fn on_disc(x: f32, y: f32, disc: Colour, is_figure: bool) -> Option<Colour> {
    is_in_disc(x, y, 0.95).then_some(if is_figure { WHITE } else { disc })
}

fn is_in_disc(x: f32, y: f32, radius: f32) -> bool {
    x.hypot(y) < radius
}

fn is_ring(x: f32, y: f32) -> bool {
    is_in_disc(x, y, 0.95) && !is_in_disc(x, y, 0.77)
}

/// Head and shoulders.
fn is_person(x: f32, y: f32) -> bool {
    let is_head = is_in_disc(x, y + 0.24, 0.27);
    let is_shoulders = (x / 0.5).hypot((y - 0.6) / 0.44) < 1.0 && y < 0.54;
    is_head || is_shoulders
}

fn is_bars(x: f32, y: f32) -> bool {
    (0.12..0.38).contains(&x.abs()) && y.abs() < 0.46
}

fn is_cross(x: f32, y: f32) -> bool {
    let is_on_line = (x - y).abs() < 0.21 || (x + y).abs() < 0.21;
    is_on_line && x.abs().max(y.abs()) < 0.44
}

/// A line from the top left to the bottom right.
fn is_struck_through(x: f32, y: f32) -> bool {
    to_line((x, y), (-0.6, -0.6), (0.6, 0.6)) < 0.1
}

/// A triangle with rounded corners.
fn is_triangle(x: f32, y: f32) -> bool {
    const ROUNDING: f32 = 0.14;
    const TOP: (f32, f32) = (0.0, -0.76);
    const RIGHT: (f32, f32) = (0.8, 0.7);
    // both halves are equal
    let point = (x.abs(), y);
    let is_inside = y < RIGHT.1 && (y - TOP.1) * (RIGHT.0 - TOP.0) > point.0 * (RIGHT.1 - TOP.1);
    is_inside || to_line(point, TOP, RIGHT) < ROUNDING || to_line(point, RIGHT, (0.0, RIGHT.1)) < ROUNDING
}

/// The distance from a point to a line between two others.
fn to_line((x, y): (f32, f32), (ax, ay): (f32, f32), (bx, by): (f32, f32)) -> f32 {
    let along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / (bx - ax).hypot(by - ay).powi(2);
    let along = along.clamp(0.0, 1.0);
    (x - ax - along * (bx - ax)).hypot(y - ay - along * (by - ay))
}

fn is_exclamation_mark(x: f32, y: f32) -> bool {
    let is_stroke = x.abs() < 0.13 && (-0.36..0.26).contains(&y);
    is_stroke || is_in_disc(x, y - 0.48, 0.14)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACES: [Face; 6] = [Face::Live, Face::Idle, Face::Paused, Face::Room, Face::Error, Face::Stopped];

    /// Relative luminance, as in WCAG 2.
    fn luminance(colour: Colour) -> f32 {
        let linear = colour.map(|value| {
            let value = f32::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    fn contrast(a: Colour, b: Colour) -> f32 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn colours_are_legible_on_light_and_dark_panels_and_under_white() {
        for colour in [GREEN, GREY, BLUE, ORANGE, RED] {
            for panel in [[245, 245, 245], [35, 38, 41]] {
                assert!(contrast(colour, panel) >= 3.0, "{colour:?} on {panel:?}: {}", contrast(colour, panel));
            }
        }
    }

    #[test]
    fn pictures_differ_in_shape_and_have_transparent_corners() {
        // all colours but white are one, so that only shapes count
        let shapes = FACES.map(|face| {
            let icons = draw(face);
            assert_eq!(icons.len(), SIZES.len());
            let icon = &icons[0];
            assert_eq!((icon.width, icon.data.len(), icon.data[0]), (22, 22 * 22 * 4, 0));
            let shape = |pixel: &[u8]| (pixel[0] > 127, pixel[1..] == [255; 3]);
            icon.data.chunks(4).map(shape).collect::<Vec<_>>()
        });
        for (index, shape) in shapes.iter().enumerate() {
            let other = |other: &Vec<_>| shape.iter().zip(other).filter(|(a, b)| a != b).count();
            assert!(shapes[..index].iter().all(|shape| other(shape) > 22), "{:?}", FACES[index]);
        }
    }
}
