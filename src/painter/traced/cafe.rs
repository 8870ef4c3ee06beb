//! The café.

use super::super::Stage;
use super::super::colour::hex;
use super::super::scene::{Scene, Thing, Time};
use super::super::trace::{Surface, Texture};
use super::decor::{pendant, plant};
use super::{Builder, Side, Window, boards, metal, outlook, paint, plaster, viewer, wood};

/// The wall behind the bar.
const BACK: f32 = 4.6;

const HEIGHT: f32 = 2.9;
const LEFT: f32 = -3.0;
const RIGHT: f32 = 2.8;

/// A café: a bar with shelves of bottles, pendant lamps, and a window on the street.
pub(in crate::painter) fn cafe(stage: &mut Stage<'_>) {
    let view = outlook(stage, Scene::City);
    let mut room = Builder::new(stage, Time::Dusk, view);
    shell(stage, &mut room);
    shelves(stage, &mut room);
    if !stage.lacks(Thing::Cupboard) {
        bar(&mut room);
    }
    if !stage.lacks(Thing::Lamps) {
        let shade = room.rng.pick(&[0x24282a, 0x6a4a2c, 0x3c4a44]);
        for i in 0..4 {
            pendant(&mut room, [-1.95 + 1.05 * i as f32, 1.95, BACK - 1.35], 0.16, HEIGHT, shade);
        }
    }
    if !stage.lacks(Thing::Plants) {
        plant(&mut room, [RIGHT - 0.45, 0.0, BACK - 0.45], 1.5);
    }
    let turn = stage.rng.range(0.08, 0.2);
    let side = stage.rng.sign();
    room.paint(stage, viewer(turn, side));
    if !stage.lacks(Thing::Lights) {
        lights(stage);
    }
}

fn shell(stage: &Stage<'_>, room: &mut Builder) {
    let bricks = Surface::new(hex(room.rng.pick(&[0x6e4c40, 0x644840, 0xa09488])), Texture::Bricks(0.24, 0.075));
    let paint = paint(stage, room, &[0x3f5450, 0x4a5660, 0x6a6258, 0xb4aa9a]);
    room.floor_and_ceiling([LEFT, RIGHT, BACK, HEIGHT], boards(0x7a5a3c, 2, 0.14), plaster(0xd8d0c4));
    room.wall(Side::Back(BACK), [LEFT, RIGHT, HEIGHT], &[], bricks);
    room.wall(Side::Left(LEFT), [-3.0, BACK, HEIGHT], &[], paint);
    let frame = hex(0x2c2e2e);
    let pane = |from: f32| Window { from, to: from + 2.0, sill: 0.5, top: 2.5, panes: [3, 2], frame };
    let windows = [pane(-0.2), pane(2.1)];
    let windows: &[Window] = if stage.lacks(Thing::Windows) { &[] } else { &windows };
    room.wall(Side::Right(RIGHT), [-3.0, BACK, HEIGHT], windows, paint);
}

/// Shelves with bottles and cups.
fn shelves(stage: &Stage<'_>, room: &mut Builder) {
    let board = wood(0x6a4a2e, 0);
    for level in [1.4, 1.82, 2.24] {
        room.block([-2.6, level, BACK - 0.26], [1.3, level + 0.035, BACK], board);
        let mut x = -2.5 + room.rng.range(0.0, 0.1);
        while x < 1.2 {
            if room.rng.chance(0.68) {
                if !stage.lacks(Thing::Bottles) {
                    bottle(room, [x, level + 0.035, BACK - 0.13]);
                }
                x += room.rng.range(0.095, 0.15);
            } else {
                cups(room, [x + 0.03, level + 0.035, BACK - 0.13]);
                x += room.rng.range(0.16, 0.24);
            }
        }
    }
}

fn bottle(room: &mut Builder, [x, y, z]: [f32; 3]) {
    let glass = hex(room.rng.pick(&[0x2c4a30, 0x6a3c1c, 0x8a6a34, 0x203c44, 0xb8b4a4, 0x5c2420]));
    let surface = Surface::plain(glass).glossy(0.8, 0.06);
    let tall = room.rng.range(0.2, 0.29);
    let radius = room.rng.range(0.03, 0.04);
    room.cone([x, y, z], [radius; 2], tall * 0.62, surface);
    room.cone([x, y + tall * 0.62, z], [radius, radius * 0.36], tall * 0.12, surface);
    room.cone([x, y + tall * 0.74, z], [radius * 0.36; 2], tall * 0.26, surface);
    let paper = plaster(room.rng.pick(&[0xe8e0cc, 0xc8b48c, 0x3a3630]));
    room.cone([x, y + tall * 0.18, z], [radius * 1.03; 2], tall * 0.28, paper);
}

fn cups(room: &mut Builder, [x, y, z]: [f32; 3]) {
    let tone = room.rng.pick(&[0xd4cfc4, 0x8a9a98, 0xc8a888]);
    room.cone([x, y, z], [0.032, 0.045], 0.08, plaster(tone).glossy(0.4, 0.1));
}

/// The bar with a coffee machine.
fn bar(room: &mut Builder) {
    let front = BACK - 1.15;
    let panels = room.rng.pick(&[0x5c4028, 0x3c4a48, 0x4a3c34]);
    room.block([-3.0, 0.1, front + 0.05], [1.0, 1.02, front + 0.5], Surface::plain(hex(panels) * 0.5));
    let mut x = -3.0;
    while x < 0.98 {
        room.block([x + 0.004, 0.1, front + 0.03], [x + 0.156, 1.02, front + 0.06], wood(panels, 1));
        x += 0.16;
    }
    room.round([-3.0, 1.02, front - 0.05], [1.06, 1.07, front + 0.55], 0.015, wood(0x8a6238, 0).glossy(0.35, 0.12));
    let steel = metal(0x8a8c8e);
    room.round([-1.25, 1.07, front + 0.1], [-0.4, 1.45, front + 0.5], 0.03, steel);
    room.round([-1.2, 1.14, front + 0.06], [-0.45, 1.3, front + 0.12], 0.02, metal(0x2a2c2e));
    for i in 0..3 {
        room.cone(
            [-1.05 + 0.22 * i as f32, 1.45, front + 0.3],
            [0.035, 0.042],
            0.08,
            plaster(0xe8e4da).glossy(0.4, 0.1),
        );
    }
    room.cone([0.55, 1.07, front + 0.2], [0.16; 2], 0.02, plaster(0xd8d4cc));
    room.ball([0.55, 1.09, front + 0.2], [0.15, 0.16, 0.15], Surface::plain(hex(0x6a5a48)).glossy(0.5, 0.05));
}

/// Lights of the street, out of focus.
fn lights(stage: &mut Stage<'_>) {
    let reach = stage.canvas.reach();
    for _ in 0..14 {
        let at = [stage.rng.range(-reach, reach), stage.rng.range(0.03, 0.3)];
        let tone = hex(stage.rng.pick(&[0xffb568, 0xffd29a, 0xff9a50]));
        let size = stage.rng.range(0.01, 0.026);
        let strength = stage.rng.range(0.02, 0.09);
        stage.canvas.bokeh(at, size, tone * strength);
    }
}
