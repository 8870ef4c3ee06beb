//! Procedural walls and rooms, and cut-out people who sway in front of them.

use std::path::Path;

/// The size of all frames.
pub(crate) const WIDTH: usize = 640;
pub(crate) const HEIGHT: usize = 360;

/// A colour, 0 to 255.
type Rgb = [f32; 3];

/// A room: its name, and its colour at each position.
pub(crate) type Room = (&'static str, fn(f32, f32) -> Rgb);

/// A pseudo-random number, 0 to 1, from two integers.
fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut value =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    value = (value ^ (value >> 15)).wrapping_mul(0x2c1b_3c6d);
    value = (value ^ (value >> 12)).wrapping_mul(0x297a_2d39);
    (value ^ (value >> 15)) as f32 / u32::MAX as f32
}

/// Smooth noise with details of `scale` pixels, 0 to 1.
fn noise(x: f32, y: f32, scale: f32, seed: u32) -> f32 {
    let (x, y) = (x / scale, y / scale);
    let (column, row) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (smooth(x - column), smooth(y - row));
    let at = |dx: i32, dy: i32| hash(column as i32 + dx, row as i32 + dy, seed);
    let (above, below) = (at(0, 0) + (at(1, 0) - at(0, 0)) * u, at(0, 1) + (at(1, 1) - at(0, 1)) * u);
    above + (below - above) * v
}

/// Noise with details of several sizes, 0 to 1.
fn rough(x: f32, y: f32, scale: f32, seed: u32) -> f32 {
    0.5 * noise(x, y, scale, seed) + 0.3 * noise(x, y, scale / 2.0, seed + 1) + 0.2 * noise(x, y, scale / 4.0, seed + 2)
}

fn mix(part: f32, a: Rgb, b: Rgb) -> Rgb {
    let part = part.clamp(0.0, 1.0);
    std::array::from_fn(|channel| a[channel] + (b[channel] - a[channel]) * part)
}

/// `a` if the condition holds, else `b`.
fn either(is_a: bool, a: Rgb, b: Rgb) -> Rgb {
    if is_a { a } else { b }
}

/// Coordinates in a repeating pattern: minus half to half of `period`.
fn tile(x: f32, period: f32) -> f32 {
    x.rem_euclid(period) - period / 2.0
}

fn is_odd(x: f32, period: f32) -> bool {
    (x / period).floor() as i32 % 2 != 0
}

fn dots(x: f32, y: f32, period: f32, radius: f32, is_staggered: bool) -> bool {
    let y = if is_staggered && is_odd(x, period) { y + period / 2.0 } else { y };
    tile(x, period).hypot(tile(y, period)) < radius
}

fn chevron(x: f32, y: f32, period: f32) -> bool {
    (y + tile(x, 2.0 * period).abs()).rem_euclid(period) < period / 2.0
}

/// Columns of random width and colour: books, clothes on a rail.
fn column(x: f32, width: f32, seed: u32) -> (Rgb, f32) {
    let at = (x / width).floor() as i32;
    let colour = std::array::from_fn(|channel| 30.0 + 200.0 * hash(at, channel as i32, seed));
    (colour, hash(at, 7, seed))
}

/// Rows of objects in front of a wall.
fn blobs(x: f32, y: f32, wall: Rgb, seed: u32) -> Rgb {
    let (column, row) = ((x / 64.0).floor() as i32, (y / 90.0).floor() as i32);
    let centre = (64.0 * (column as f32 + 0.3 + 0.4 * hash(column, row, seed)), 90.0 * row as f32 + 52.0);
    let radius = 14.0 + 22.0 * hash(column, row, seed + 1);
    let colour = std::array::from_fn(|channel| 30.0 + 200.0 * hash(column * 3 + channel as i32, row, seed + 2));
    if (y - 90.0 * row as f32) > 82.0 {
        return [90.0, 70.0, 50.0];
    }
    either((x - centre.0).hypot(y - centre.1) < radius, colour, wall)
}

fn leaf(x: f32, y: f32, centre: (f32, f32)) -> Option<Rgb> {
    let (u, v) = (x - centre.0, y - centre.1);
    let (angle, length) = (v.atan2(u), u.hypot(v));
    let is_leaf = length < 60.0 + 50.0 * (angle * 5.0).sin().abs() && (angle * 17.0).sin() > -0.3;
    let is_pot = u.abs() < 32.0 && (v > 90.0);
    match (is_leaf, is_pot) {
        (true, _) => Some([40.0, 90.0 + 70.0 * hash((angle * 17.0) as i32, 0, 3), 40.0]),
        (_, true) => Some([150.0, 80.0, 50.0]),
        _ => None,
    }
}

fn lamp(x: f32, y: f32, centre: f32) -> Option<Rgb> {
    let u = (x - centre).abs();
    match y {
        80.0..160.0 if u < 30.0 + (y - 80.0) * 0.32 => Some([245.0, 225.0, 170.0]),
        160.0.. if u < 3.0 => Some([60.0, 50.0, 40.0]),
        _ => None,
    }
}

fn chair(x: f32, y: f32, centre: f32, colour: Rgb) -> Option<Rgb> {
    let u = (x - centre) / 58.0;
    let is_back = y > 120.0 && u.abs() < 1.0 || u.hypot((y - 122.0) / 40.0) < 1.0;
    is_back.then(|| mix(0.3 * noise(x, y, 40.0, 8), colour, [0.0; 3]))
}

const WHITE: Rgb = [240.0, 235.0, 225.0];
const GREY: Rgb = [195.0, 192.0, 188.0];

/// All rooms.
pub(crate) const ROOMS: &[Room] = &[
    ("plain", |_, _| [200.0, 195.0, 185.0]),
    ("dots", |x, y| either(dots(x, y, 30.0, 6.5, false), [200.0, 60.0, 80.0], WHITE)),
    ("soft dots", |x, y| either(dots(x, y, 30.0, 6.5, true), [205.0, 190.0, 170.0], [238.0, 232.0, 222.0])),
    ("big dots", |x, y| either(dots(x, y, 70.0, 22.0, false), [60.0, 80.0, 160.0], WHITE)),
    ("tiny dots", |x, y| either(dots(x, y, 14.0, 3.5, true), [60.0, 60.0, 70.0], [220.0, 215.0, 205.0])),
    ("light dots on dark", |x, y| either(dots(x, y, 35.0, 8.0, false), [230.0; 3], [50.0, 45.0, 60.0])),
    ("rings", |x, y| {
        let distance = tile(x, 45.0).hypot(tile(y, 45.0));
        either((distance - 14.0).abs() < 3.5, [180.0, 120.0, 60.0], WHITE)
    }),
    ("stripes", |x, _| either(is_odd(x, 18.0), [200.0, 205.0, 215.0], [70.0, 90.0, 130.0])),
    ("pinstripes", |x, _| either(x.rem_euclid(12.0) < 2.0, [230.0; 3], [60.0, 65.0, 85.0])),
    ("horizontal stripes", |_, y| either(is_odd(y, 15.0), WHITE, [40.0, 70.0, 110.0])),
    ("checks", |x, y| either(is_odd(x, 25.0) != is_odd(y, 25.0), [200.0, 190.0, 180.0], [90.0, 80.0, 80.0])),
    ("small checks", |x, y| either(is_odd(x, 11.0) != is_odd(y, 11.0), [235.0; 3], [120.0, 40.0, 40.0])),
    ("plaid", |x, y| {
        let band = |at: f32| either(is_odd(at, 30.0), [150.0, 40.0, 40.0], [60.0, 70.0, 60.0]);
        mix(0.5, band(x), band(y))
    }),
    ("bricks", |x, y| {
        let across = if is_odd(y, 22.0) { x + 30.0 } else { x };
        let is_joint = across.rem_euclid(60.0) < 2.0 || y.rem_euclid(22.0) < 2.0;
        let shade = 0.7 + 0.3 * hash((across / 60.0) as i32, (y / 22.0) as i32, 1);
        either(is_joint, [190.0, 180.0, 170.0], [150.0 * shade, 75.0 * shade, 60.0 * shade])
    }),
    ("tiles", |x, y| either(x.rem_euclid(45.0) < 2.0 || y.rem_euclid(45.0) < 2.0, [120.0; 3], [190.0, 205.0, 210.0])),
    ("hexagons", |x, y| {
        let (u, v) = (x / 55.0, y / 95.0);
        let distance = |du: f32| tile(u + du, 1.0).hypot(tile(v + du, 1.0) * 1.73);
        either((distance(0.0) - distance(0.5)).abs() < 0.08, [90.0, 90.0, 100.0], [215.0, 215.0, 210.0])
    }),
    ("books", |x, y| {
        let row = (y / 75.0).floor();
        let (colour, height) = column(x, 14.0, row as u32);
        let from_top = y - row * 75.0;
        either(from_top > 70.0, [60.0, 40.0, 25.0], either(from_top > 10.0 + 20.0 * height, colour, [90.0, 65.0, 45.0]))
    }),
    ("shelves with vases", |x, y| blobs(x, y, [170.0, 160.0, 150.0], 2)),
    ("acoustic foam", |x, y| {
        mix((tile(x, 40.0).abs() + tile(y, 40.0).abs()) / 40.0, [90.0, 90.0, 95.0], [25.0, 25.0, 28.0])
    }),
    ("slats", |x, _| either(x.rem_euclid(17.0) < 11.0, [170.0, 120.0, 75.0], [50.0, 35.0, 25.0])),
    ("blinds", |_, y| mix(y.rem_euclid(13.0) / 13.0, [240.0, 238.0, 230.0], [160.0, 155.0, 150.0])),
    ("wood", |x, y| {
        let grain = 0.5 + 0.5 * (x / 5.0 + 30.0 * rough(x, y, 100.0, 8)).sin();
        either(x.rem_euclid(105.0) < 2.0, [60.0, 40.0, 25.0], mix(grain, [140.0, 95.0, 55.0], [175.0, 125.0, 80.0]))
    }),
    ("curtain", |x, y| {
        mix(0.5 + 0.5 * (x / 7.0 + 2.0 * noise(x, y, 150.0, 5)).sin(), [120.0, 50.0, 60.0], [190.0, 100.0, 110.0])
    }),
    ("net curtain", |x, y| {
        mix(0.5 + 0.5 * (x / 3.2 + 2.0 * noise(x, y, 150.0, 5)).sin(), [200.0, 195.0, 190.0], [150.0, 145.0, 140.0])
    }),
    ("damask", |x, y| {
        let value = (x / 20.0).sin() * (y / 25.0).sin() + 0.5 * (x / 10.0 + 2.0 * (y / 12.5).sin()).sin();
        either(value > 0.25, [150.0, 130.0, 90.0], [205.0, 190.0, 160.0])
    }),
    ("folded cloth", |x, y| {
        mix(
            0.5 + 0.5 * ((x * 0.6 + y * 0.4) / 22.0 + 12.0 * rough(x, y, 125.0, 11)).sin(),
            [60.0, 80.0, 120.0],
            [120.0, 145.0, 185.0],
        )
    }),
    ("skin-coloured folds", |x, y| {
        mix(
            0.5 + 0.5 * ((x * 0.6 + y * 0.4) / 22.0 + 12.0 * rough(x, y, 125.0, 11)).sin(),
            [210.0, 160.0, 130.0],
            [235.0, 195.0, 170.0],
        )
    }),
    ("plaster", |x, y| mix(rough(x, y, 6.0, 4), [100.0; 3], [220.0, 210.0, 200.0])),
    ("mottled wall", |x, y| mix(rough(x, y, 100.0, 6), [60.0, 70.0, 90.0], [220.0, 200.0, 170.0])),
    ("gradient", |x, _| mix(x / 640.0, [240.0, 220.0, 200.0], [80.0, 90.0, 120.0])),
    ("dim corner", |x, y| mix((x / 640.0 + y / 360.0) / 2.0, [70.0, 60.0, 55.0], [20.0, 18.0, 18.0])),
    ("windows", |x, y| {
        let u = tile(x - 10.0, 320.0).abs();
        let is_frame = u < 4.0 || (y - 140.0).abs() < 4.0;
        either(u < 110.0 && (30.0..260.0).contains(&y), either(is_frame, [250.0; 3], [225.0, 235.0, 250.0]), GREY)
    }),
    ("plants", |x, y| {
        leaf(x, y, (90.0, 165.0)).or_else(|| leaf(x, y, (545.0, 165.0))).unwrap_or([205.0, 200.0, 190.0])
    }),
    ("lamps", |x, y| lamp(x, y, 85.0).or_else(|| lamp(x, y, 550.0)).unwrap_or([200.0, 190.0, 175.0])),
    ("chairs", |x, y| {
        let right = || chair(x, y, 560.0, [120.0, 40.0, 30.0]);
        chair(x, y, 90.0, [40.0, 40.0, 60.0]).or_else(right).unwrap_or(GREY)
    }),
    ("clothes on a rail", |x, y| {
        let (colour, length) = column(x, 47.0, 4);
        let is_cloth = y > 55.0 && y < 215.0 + 130.0 * length && x.rem_euclid(47.0) < 41.0;
        either(
            is_cloth,
            mix(0.4 * noise(x, y, 12.0, 9), colour, [0.0; 3]),
            either((40.0..46.0).contains(&y), [60.0; 3], GREY),
        )
    }),
    ("posters", |x, y| {
        let (column, row) = ((x / 107.0).floor() as i32, (y / 130.0).floor() as i32);
        let (u, v) = (x - 107.0 * column as f32 - 53.0, y - 130.0 * row as f32 - 65.0);
        let colour =
            |seed: u32| std::array::from_fn(|channel| 20.0 + 220.0 * hash(column * 3 + channel as i32, row, seed));
        let is_paper = u.abs() < 42.0 && v.abs() < 56.0;
        either(is_paper, either(u.hypot(v + 8.0) < 28.0, colour(1), colour(2)), [210.0, 205.0, 200.0])
    }),
    ("camouflage", |x, y| {
        let green = either(rough(x, y, 65.0, 6) > 0.5, [85.0, 95.0, 55.0], [150.0, 135.0, 95.0]);
        either(rough(x, y, 45.0, 7) > 0.62, [55.0, 45.0, 35.0], green)
    }),
    ("flowers", |x, y| {
        let (column, row) = ((x / 36.0).floor() as i32, (y / 36.0).floor() as i32);
        let (u, v) = (tile(x, 36.0), tile(y, 36.0));
        let petals = 9.0 + 5.0 * (v.atan2(u) * 3.0).sin().abs();
        let colour = std::array::from_fn(|channel| 90.0 + 140.0 * hash(column * 3 + channel as i32, row, 5));
        either(u.hypot(v) < 4.0, [230.0, 200.0, 60.0], either(u.hypot(v) < petals, colour, [225.0, 215.0, 200.0]))
    }),
    ("chevron", |x, y| either(chevron(x, y, 30.0), [70.0, 120.0, 130.0], [235.0, 230.0, 220.0])),
    ("zigzag", |x, y| either(chevron(x, y, 12.0), [30.0; 3], [240.0; 3])),
    ("scales", |x, y| {
        let y = if is_odd(x, 40.0) { y + 20.0 } else { y };
        mix(tile(x, 40.0).hypot(y.rem_euclid(40.0)) / 45.0, [60.0, 110.0, 120.0], [200.0, 220.0, 215.0])
    }),
    ("lattice", |x, y| {
        either(
            (x + y).rem_euclid(23.0) < 2.5 || (x - y).rem_euclid(23.0) < 2.5,
            [90.0, 80.0, 70.0],
            [215.0, 205.0, 190.0],
        )
    }),
    ("stars", |x, y| {
        let (u, v) = (tile(x, 42.0), tile(y, 42.0));
        either(((3.0 * v.atan2(u)).cos() + 2.2) * 4.5 > u.hypot(v), [220.0, 190.0, 60.0], [40.0, 50.0, 90.0])
    }),
];

/// A person cut out of a photo.
pub(crate) struct Person {
    /// Colour and alpha, 0 to 1, of each pixel.
    pixels: Vec<(Rgb, f32)>,
}

impl Person {
    /// Loads the person from `NAME.jpg` and `NAME.png` in `folder`.
    pub(crate) fn load(folder: &Path, name: &str) -> Self {
        let colours = image::open(folder.join(format!("{name}.jpg"))).unwrap().into_rgb8();
        let alphas = image::open(folder.join(format!("{name}.png"))).unwrap().into_luma8();
        assert_eq!((colours.dimensions(), alphas.dimensions()), ((640, 360), (640, 360)));
        let pixels = colours.pixels().zip(alphas.pixels());
        Self {
            pixels: pixels.map(|(colour, alpha)| (colour.0.map(f32::from), f32::from(alpha.0[0]) / 255.0)).collect(),
        }
    }

    fn at(&self, x: isize, y: isize) -> (Rgb, f32) {
        if !(0..WIDTH as isize).contains(&x) || y < 0 {
            return ([0.0; 3], 0.0);
        }
        self.pixels[y.min(HEIGHT as isize - 1) as usize * WIDTH + x as usize]
    }

    /// The interpolated colour, multiplied by alpha, and the alpha.
    fn sample(&self, x: f32, y: f32) -> (Rgb, f32) {
        let (column, row) = (x.floor(), y.floor());
        let (u, v) = (x - column, y - row);
        let corners = [(0, 0, (1.0 - u) * (1.0 - v)), (1, 0, u * (1.0 - v)), (0, 1, (1.0 - u) * v), (1, 1, u * v)];
        corners.iter().fold(([0.0; 3], 0.0), |(colour, alpha), &(dx, dy, weight)| {
            let (other, part) = self.at(column as isize + dx, row as isize + dy);
            let weight = weight * part;
            (std::array::from_fn(|channel| colour[channel] + weight * other[channel]), alpha + weight)
        })
    }
}

/// Renders a room.
pub(crate) fn draw(room: Room) -> Vec<Rgb> {
    (0..WIDTH * HEIGHT).map(|at| (room.1)((at % WIDTH) as f32, (at / WIDTH) as f32)).collect()
}

/// Frame `number` of a person who sways and breathes in front of a wall: the I420 frame, and the alpha of each pixel.
pub(crate) fn frame(wall: &[Rgb], person: &Person, number: usize) -> (Vec<u8>, Vec<f32>) {
    let phase = number as f32 / 8.0;
    let (shift, scale) = (6.0 * phase.sin(), 1.0 + 0.006 * (phase * 0.7).sin());
    let mut alphas = vec![0.0; WIDTH * HEIGHT];
    let mut yuv = vec![[0.0; 3]; WIDTH * HEIGHT];
    for (at, (alpha, yuv)) in alphas.iter_mut().zip(&mut yuv).enumerate() {
        let (x, y) = ((at % WIDTH) as f32, (at / WIDTH) as f32);
        let from = ((x - shift - 320.0) / scale + 320.0, (y - 360.0) / scale + 360.0);
        let (colour, part) = person.sample(from.0, from.1);
        *alpha = part;
        let grain = 6.0 * (hash(at as i32, number as i32, 17) - 0.5);
        let [r, g, b] = std::array::from_fn(|channel| colour[channel] + (1.0 - part) * wall[at][channel] + grain);
        *yuv = [
            16.0 + (65.5 * r + 128.6 * g + 25.0 * b) / 255.0,
            128.0 + (-37.8 * r - 74.2 * g + 112.0 * b) / 255.0,
            128.0 + (112.0 * r - 93.8 * g - 18.2 * b) / 255.0,
        ];
    }
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    let mut frame: Vec<u8> = yuv.iter().map(|yuv| byte(yuv[0])).collect();
    for channel in [1, 2] {
        for at in 0..WIDTH * HEIGHT / 4 {
            let first = at / (WIDTH / 2) * 2 * WIDTH + at % (WIDTH / 2) * 2;
            let sum: f32 = [0, 1, WIDTH, WIDTH + 1].iter().map(|by| yuv[first + by][channel]).sum();
            frame.push(byte(sum / 4.0));
        }
    }
    (frame, alphas)
}
