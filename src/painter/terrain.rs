//! Terrain in perspective: each column of the image marches away from the viewer over a height field.

use super::canvas::Canvas;
use super::colour::Rgb;
use super::sky::{Air, normal};

/// The viewpoint and the visible range, in world units; the ground is close to 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) eye: f32,
    pub(super) near: f32,
    pub(super) far: f32,
    /// World units per unit of `Air::through`.
    pub(super) sight: f32,
    pub(super) steps: u32,
    /// The water level; terrain below it is not painted.
    pub(super) water: f32,
}

/// A point on the ground to be coloured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) x: f32,
    pub(super) z: f32,
    pub(super) height: f32,
    /// How much its surface faces up, 0 to 1.
    pub(super) flat: f32,
}

/// Paints the terrain, and returns which pixels it covers.
pub(super) fn paint(
    canvas: &mut Canvas,
    air: &Air,
    view: View,
    height: impl Fn(f32, f32) -> f32,
    albedo: impl Fn(Spot) -> Rgb,
) -> Vec<bool> {
    let (w, h) = (canvas.width, canvas.height);
    let mut covered = vec![false; w * h];
    let growth = (view.far / view.near).powf(1.0 / view.steps as f32);
    for column in 0..w {
        let u = canvas.u(column);
        let behind: Vec<Rgb> = (0..h).map(|row| canvas.pixels[row * w + column]).collect();
        // Rows below this one are done; farther terrain only adds rows above.
        let mut floor = h as f32;
        let mut before = None;
        let mut z = view.near;
        for _ in 0..view.steps {
            let x = u * z;
            let ground = height(x, z).max(view.water);
            let top = ((air.horizon + (view.eye - ground) / z) * h as f32).max(-1.0);
            if top < floor {
                if ground > view.water {
                    let light = shade(air, view, &height, &albedo, [x, ground, z], u);
                    fill(canvas, &mut covered, &behind, column, [top, floor], [light, before.unwrap_or(light)]);
                    before = Some(light);
                }
                floor = top;
            } else {
                before = None;
            }
            z *= growth;
        }
    }
    covered
}

/// Fills a column from `floor` up to `top`. A partially covered pixel keeps the rest of what is `behind`, so that
/// several thin steps in one pixel add up. The light is interpolated from the previous step.
fn fill(
    canvas: &mut Canvas,
    covered: &mut [bool],
    behind: &[Rgb],
    column: usize,
    [top, floor]: [f32; 2],
    [far, near]: [Rgb; 2],
) {
    let w = canvas.width;
    let last = floor.ceil().max(0.0) as usize;
    for row in top.floor().max(0.0) as usize..last.min(canvas.height) {
        let share = (floor.min(row as f32 + 1.0) - top.max(row as f32)).clamp(0.0, 1.0);
        let light = far.mix(near, ((row as f32 + 0.5 - top) / (floor - top)).clamp(0.0, 1.0));
        let pixel = &mut canvas.pixels[row * w + column];
        *pixel = *pixel + (light + behind[row] * -1.0) * share;
        covered[row * w + column] = true;
    }
}

fn shade(
    air: &Air,
    view: View,
    height: &impl Fn(f32, f32) -> f32,
    albedo: &impl Fn(Spot) -> Rgb,
    [x, y, z]: [f32; 3],
    u: f32,
) -> Rgb {
    let e = z * 0.004 + 0.002;
    let n = normal([y - height(x + e, z), e, y - height(x, z + e)]);
    let facing = (n[0] * air.toward[0] + n[1] * air.toward[1] + n[2] * air.toward[2]).max(0.0);
    let sun = if facing > 0.0 { facing * sunlit(height, air.toward, [x, y, z]) } else { 0.0 };
    let colour = albedo(Spot { x, z, height: y, flat: n[1].max(0.0) });
    let light = air.sunlight * sun + air.ambient * (0.45 + 0.55 * n[1]);
    air.through(colour * light, (z - view.near) / view.sight, u)
}

/// The share of sunlight at a point that other terrain does not shadow, 0 to 1.
fn sunlit(height: &impl Fn(f32, f32) -> f32, toward: [f32; 3], [x, y, z]: [f32; 3]) -> f32 {
    let mut clear = 1.0f32;
    let mut far = 0.012 * z + 0.01;
    for _ in 0..5 {
        let gap = y + toward[1] * far - height(x + toward[0] * far, z + toward[2] * far);
        clear = clear.min(1.0 + gap * 6.0 / far);
        if clear <= 0.0 {
            return 0.0;
        }
        far *= 2.1;
    }
    clear.min(1.0)
}
