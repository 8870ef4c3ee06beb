//! Tests of the path tracer.

use super::super::canvas::Canvas;
use super::super::colour::{Rgb, hex};
use super::super::noise::Rng;
use super::tree::Tree;
use super::*;

fn solid(shape: Shape, at: Vec3) -> Solid {
    Solid::new(shape, at, Surface::plain(Rgb::WHITE))
}

fn shapes() -> [Shape; 6] {
    [
        Shape::Block(vec3(0.4, 0.5, 0.3)),
        Shape::Round(vec3(0.4, 0.5, 0.3), 0.1),
        Shape::Cushion(vec3(0.4, 0.5, 0.3)),
        Shape::Ball(vec3(0.4, 0.5, 0.3)),
        Shape::Cone(0.4, 0.2, 0.5, true),
        Shape::Leaf(0.5, 0.2),
    ]
}

fn direction(rng: &mut Rng) -> Vec3 {
    vec3(rng.range(-1.0, 1.0), rng.range(-1.0, 1.0), rng.range(-1.0, 1.0)).unit()
}

#[test]
fn a_ray_hits_the_front_of_every_shape() {
    for (shape, front) in shapes().into_iter().zip([1.7, 1.7, 1.7, 1.7, 1.69]) {
        let hit = solid(shape, vec3(0.0, 0.0, 2.0)).hit(Vec3::default(), vec3(0.0, 0.0, 1.0), 10.0).unwrap();
        assert!((hit.distance - front).abs() < 0.02, "{shape:?} at {}", hit.distance);
        assert!(hit.normal.z < -0.9, "{shape:?} faces {:?}", hit.normal);
        let missed = solid(shape, vec3(2.0, 0.0, 2.0)).hit(Vec3::default(), vec3(0.0, 0.0, 1.0), 10.0);
        assert!(missed.is_none(), "{shape:?}");
    }
}

#[test]
fn hits_lie_within_the_bounds() {
    let mut rng = Rng::new(3);
    for shape in shapes() {
        let mut hits = 0;
        for _ in 0..2000 {
            let own = solid(shape, vec3(0.0, 0.0, 1.5)).turned(rng.range(-3.0, 3.0), rng.range(-1.0, 1.0));
            let toward = (direction(&mut rng) * 0.4 + vec3(0.0, 0.0, 1.0)).unit();
            let Some(hit) = own.hit(Vec3::default(), toward, 10.0) else { continue };
            hits += 1;
            let [low, high] = own.bounds();
            let place = toward * hit.distance;
            let margin = vec3(1e-3, 1e-3, 1e-3);
            assert_eq!(place.min(high + margin).max(low - margin), place, "{shape:?}");
            assert!(own.outward(hit.normal).dot(toward) <= 1e-4, "{shape:?} faces away");
        }
        assert!(hits > 4, "{shape:?}: {hits} hits");
    }
}

#[test]
fn the_tree_finds_the_nearest_solid() {
    let mut rng = Rng::new(7);
    let place = |rng: &mut Rng| vec3(rng.range(-3.0, 3.0), rng.range(-3.0, 3.0), rng.range(-3.0, 3.0));
    let solids: Vec<Solid> = (0..120).map(|i| solid(shapes()[i % 6], place(&mut rng))).collect();
    let tree = Tree::new(solids.clone());
    for _ in 0..500 {
        let from = place(&mut rng) * 2.0;
        let toward = direction(&mut rng);
        let distances = solids.iter().filter_map(|solid| solid.hit(from, toward, 100.0)).map(|hit| hit.distance);
        let nearest = distances.min_by(f32::total_cmp);
        assert_eq!(tree.hit(from, toward, 100.0).map(|(_, hit)| hit.distance), nearest);
        assert_eq!(tree.is_blocked(from, toward, 100.0), nearest.is_some());
    }
    assert!(Tree::new(Vec::new()).hit(Vec3::default(), Vec3::UP, 1.0).is_none());
}

/// A floor below a lamp, with a block between them if `shaded`.
fn render_floor(shaded: bool, seed: u32) -> Canvas {
    let mut solids = vec![solid(Shape::Block(vec3(9.0, 0.1, 9.0)), vec3(0.0, -0.1, 4.0))];
    if shaded {
        solids.push(solid(Shape::Block(vec3(0.15, 0.05, 0.15)), vec3(0.0, 1.9, 3.0)));
    }
    let canvas = Canvas::new(256, 144);
    let backdrop = Backdrop { canvas: canvas.clone(), horizon: 0.5, facing: 0.0, zoom: 1.0, gain: 1.0 };
    let lights = vec![Light::Globe(vec3(0.0, 2.4, 3.0), 0.1, hex(0xffffff) * 20.0)];
    let room = Room { solids, lights, backdrop, ambient: Rgb::default(), exposure: 0.3, balance: 0.5, haze: 0.0 };
    let camera =
        Camera { at: vec3(0.0, 1.2, 0.0), turn: 0.0, view: 0.8, horizon: 0.3, side: 1.0, focus: 1.0, blur: 0.0 };
    let mut canvas = canvas;
    render(&mut canvas, room, camera, seed);
    canvas
}

#[test]
fn a_block_below_a_lamp_casts_a_shadow() {
    let middle = |canvas: &Canvas| {
        let below = canvas.sample(0.0, 0.8).luma();
        below / canvas.sample(0.8, 0.8).luma()
    };
    let (open, shaded) = (middle(&render_floor(false, 1)), middle(&render_floor(true, 1)));
    assert!(open > 1.5 && shaded < 0.6 * open, "open {open}, shaded {shaded}");
}

#[test]
fn the_exposure_sets_the_brightness_and_noise_is_low() {
    let (first, second) = (render_floor(false, 1), render_floor(false, 2));
    let lit = |canvas: &Canvas| canvas.pixels.iter().map(|light| light.luma()).filter(|&luma| luma > 0.0).collect();
    let (first, second): (Vec<f32>, Vec<f32>) = (lit(&first), lit(&second));
    let mean = first.iter().sum::<f32>() / first.len() as f32;
    assert!((0.2..0.4).contains(&mean), "mean {mean}");
    let noise = first.iter().zip(&second).map(|(a, b)| (a - b).abs()).sum::<f32>() / first.len() as f32;
    assert!(noise < 0.05 * mean, "noise {noise}");
}
