//! The time to compose a frame: `cargo bench --bench compose`.

use std::sync::Arc;

use bgcam::{
    background::Background,
    compose::{Compositor, Scene},
    frame::{Frame, Mask, Size, Yuv},
    look::Look,
};
use divan::{Bencher, black_box, counter::ItemsCount};

const SIZES: [&str; 3] = ["640x480", "1280x720", "1920x1080"];

fn main() {
    divan::main();
}

/// A frame with some texture and a person with soft edges over a third of it.
fn camera(size: Size) -> (Frame, Mask) {
    let (mut frame, mut mask) = (Frame::new(size), Mask::new(size));
    for (at, byte) in frame.data_mut().iter_mut().enumerate() {
        *byte = (16 + (at * 7 + at / 640 * 13) % 200) as u8;
    }
    let (width, height) = (size.width() as f32, size.height() as f32);
    for (at, alpha) in mask.alpha_mut().iter_mut().enumerate() {
        let (x, y) = ((at % size.width()) as f32 / width - 0.5, (at / size.width()) as f32 / height);
        let edge = (0.12 + 0.2 * y - x.abs()) * width / 6.0;
        *alpha = (edge.clamp(0.0, 1.0) * 255.0) as u8;
    }
    (frame, mask)
}

fn compose(bencher: Bencher<'_, '_>, size: &str, mirror: bool, background: impl Fn(Size) -> Background) {
    let size: Size = size.parse().expect("one of SIZES");
    run(bencher, size, &Scene { background: background(size), mirror, ..Scene::off() });
}

fn run(bencher: Bencher<'_, '_>, size: Size, scene: &Scene) {
    let (frame, mask) = camera(size);
    let (mut compositor, mut into) = (Compositor::new(size), Frame::new(size));
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        compositor.compose(black_box(&frame), Some(black_box(&mask)), scene, &mut into);
    });
}

fn beach(size: Size) -> Background {
    let (image, _) = camera(size);
    Background::Image(Arc::new(image))
}

#[divan::bench(args = SIZES)]
fn plain(bencher: Bencher<'_, '_>, size: &str) {
    compose(bencher, size, false, |_| Background::Off);
}

#[divan::bench(args = SIZES)]
fn colour(bencher: Bencher<'_, '_>, size: &str) {
    compose(bencher, size, false, |_| Background::Colour(Yuv::from_rgb(32, 160, 64)));
}

#[divan::bench(args = SIZES)]
fn image(bencher: Bencher<'_, '_>, size: &str) {
    compose(bencher, size, false, beach);
}

#[divan::bench(args = SIZES)]
fn image_mirrored(bencher: Bencher<'_, '_>, size: &str) {
    compose(bencher, size, true, beach);
}

#[divan::bench(args = SIZES, consts = [1, 20, 50, 100])]
fn blur<const STRENGTH: u8>(bencher: Bencher<'_, '_>, size: &str) {
    compose(bencher, size, false, |_| Background::Blur { strength: STRENGTH });
}

#[divan::bench(args = SIZES)]
fn blur_mirrored(bencher: Bencher<'_, '_>, size: &str) {
    compose(bencher, size, true, |_| Background::Blur { strength: 50 });
}

/// An image background at 1280x720, with one look setting enabled.
#[divan::bench(args = ["(none)", "softness", "edge_shift", "decontaminate", "light_wrap", "exposure_match", "low_light", "zoom", "background_opacity"])]
fn look(bencher: Bencher<'_, '_>, setting: &str) {
    let mut look = Look::neutral();
    match setting {
        "softness" => look.softness = 30,
        "edge_shift" => look.edge_shift = -30,
        "decontaminate" => look.decontaminate = 80,
        "light_wrap" => look.light_wrap = 50,
        "exposure_match" => look.exposure_match = 50,
        "low_light" => look.low_light = 50,
        "zoom" => look.zoom = 150,
        "background_opacity" => look.background_opacity = 80,
        _ => {}
    }
    look.check().expect("valid values");
    run(bencher, Size::HD, &Scene { background: beach(Size::HD), look, ..Scene::off() });
}

/// The additional time for a crossfade, without composing the outgoing scene.
#[divan::bench(args = SIZES)]
fn crossfade(bencher: Bencher<'_, '_>, size: &str) {
    let size: Size = size.parse().expect("one of SIZES");
    let (before, mut into) = (camera(size).0, Frame::new(size));
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        bgcam::frame::crossfade(black_box(&before), 100, &mut into);
    });
}
