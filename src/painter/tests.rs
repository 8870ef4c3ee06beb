//! Tests of whole images: content, determinism, and golden images.

use super::*;

const SMALL: (u32, u32) = (160, 90);

/// For tests that paint hundreds of images.
const TINY: (u32, u32) = (80, 45);

fn small(prompt: &str, seed: u64) -> RgbImage {
    paint(&understand(prompt), seed, SMALL.0, SMALL.1)
}

/// The mean absolute difference of two images of the same size, in levels.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn the_same_prompt_and_seed_give_the_same_image() {
    for scene in Scene::ALL {
        assert_eq!(small(scene.name(), 7), small(scene.name(), 7), "{scene:?}");
    }
    assert_eq!(small("Beach ", 7), small("beach", 7));
}

#[test]
fn another_seed_or_wording_gives_another_image() {
    for scene in Scene::ALL {
        assert!(difference(&small(scene.name(), 1), &small(scene.name(), 2)) > 2.0, "{scene:?}");
    }
    assert!(difference(&small("beach", 1), &small("a quiet beach", 1)) > 2.0);
}

#[test]
fn every_scene_is_painted_at_every_time_and_weather() {
    for scene in Scene::ALL {
        for rest in [
            "",
            "at night",
            "at sunset",
            "at sunrise in rain",
            "at dusk in fog",
            "in cloudy autumn",
            "in winter, dark teal",
        ] {
            let image = paint(&understand(&format!("{} {rest}", scene.name())), 3, TINY.0, TINY.1);
            let (low, high) = image.as_raw().iter().fold((255, 0), |(low, high), &c| (c.min(low), c.max(high)));
            assert!(high - low > 12, "{scene:?} {rest}: {low}..{high} is a blank");
            let mean = image.as_raw().iter().map(|&c| f64::from(c)).sum::<f64>() / image.as_raw().len() as f64;
            assert!((5.0..248.0).contains(&mean), "{scene:?} {rest}: mean {mean}");
        }
    }
}

#[test]
fn any_prompt_gives_an_image() {
    let long = "beach ".repeat(2000);
    let odd = "\u{0}\u{202e}#ff #ffffffffff rgb( \n\t ' ''";
    for words in ["", " ", "🦀🏖️👩‍💻", "背景をぼかす", "ظلام", "no", odd, &long] {
        assert_eq!(small(words, 1).dimensions(), SMALL);
    }
}

#[test]
fn odd_sizes_are_painted() {
    for (width, height) in [(1, 1), (2, 1), (1, 40), (40, 1), (16, 16), (33, 17), (9, 64)] {
        for scene in Scene::ALL {
            assert_eq!(paint(&understand(scene.name()), 1, width, height).dimensions(), (width, height));
        }
    }
    assert_eq!(paint(&understand("studio"), 1, 0, 0).dimensions(), (1, 1));
    assert_eq!(paint(&understand("studio"), 1, u32::MAX, 1).dimensions(), (MAX_SIDE, 1));
}

#[test]
fn the_working_size_keeps_the_aspect_ratio_within_the_limit() {
    assert_eq!(work_size(1920, 1080, 540), (960, 540));
    assert_eq!(work_size(640, 360, 540), (640, 360));
    let (w, h) = work_size(4096, 1, 540);
    assert_eq!((w, h), (4096, 1));
    let (w, h) = work_size(4096, 4096, 540);
    assert!(w == h && w * h <= 960 * 541);
}

#[test]
fn gradients_do_not_band() {
    // With dither, rows have no long runs of equal pixels.
    let image = paint(&understand("blue gradient"), 4, 320, 180);
    for row in image.rows() {
        let green: Vec<u8> = row.map(|pixel| pixel.0[1]).collect();
        let longest = green.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0);
        assert!(longest < 32, "a run of {longest} equal pixels");
    }
}

#[test]
fn night_is_darker_than_day_and_colours_show() {
    let mean = |image: RgbImage, k: usize| image.pixels().map(|p| f64::from(p.0[k])).sum::<f64>();
    for place in ["beach", "city", "mountains", "meadow", "office"] {
        let day = small(&format!("{place} by day"), 1);
        let night = small(&format!("{place} at night"), 1);
        assert!(mean(day, 1) > 1.3 * mean(night, 1), "{place}");
    }
    assert!(mean(small("red studio", 1), 0) > 1.5 * mean(small("red studio", 1), 2));
    assert!(mean(small("blue gradient", 1), 2) > 1.5 * mean(small("blue gradient", 1), 0));
}

/// Paints a scene with `change` applied to the reading of its name.
/// The mean of red, green and blue between two heights, 0 at the top and 1 at the bottom.
fn mean_between(image: &RgbImage, top: f32, bottom: f32) -> [f32; 3] {
    let height = image.height() as f32;
    let rows = image.rows().skip((top * height) as usize).take(((bottom - top) * height) as usize);
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for pixel in rows.flatten() {
        sum.iter_mut().zip(pixel.0).for_each(|(sum, value)| *sum += f32::from(value));
        count += 1.0;
    }
    sum.map(|sum| sum / count)
}

#[test]
fn a_colour_is_that_of_things_not_of_the_light() {
    let [red, green, blue] = mean_between(&small("a green meadow by day", 0), 0.0, 0.3);
    assert!(blue > green && green > red, "the sky: {red} {green} {blue}");
    let office = small("a blue office", 0);
    let [red, _, blue] = mean_between(&office, 0.1, 0.4);
    assert!(blue > red + 10.0, "the walls: {red} {blue}");
    let [red, _, blue] = mean_between(&office, 0.95, 1.0);
    assert!(red > blue, "the floor: {red} {blue}");
    let garden = understand("a pink Japanese garden");
    assert_eq!(garden.report.left_out, ["pink"]);
}

fn changed(scene: Scene, change: impl Fn(&mut Reading)) -> RgbImage {
    let mut reading = understand(scene.name());
    change(&mut reading);
    paint(&reading, 3, TINY.0, TINY.1)
}

#[test]
fn every_optional_thing_can_be_left_out() {
    for scene in Scene::ALL {
        for &thing in scene.extras() {
            let named = |reading: &mut Reading| {
                reading.things = vec![thing];
                reading.season = (thing == Thing::Flowers).then_some(Season::Spring);
                reading.time = match thing {
                    Thing::Moon | Thing::Stars | Thing::Lights => Some(Time::Night),
                    Thing::Sun => Some(Time::Sunset),
                    _ => reading.time,
                };
                if thing == Thing::Mountains {
                    reading.also = vec![Scene::Mountains];
                }
            };
            let with = changed(scene, named);
            let without = changed(scene, |reading| {
                named(reading);
                reading.things.clear();
                reading.without = vec![thing];
            });
            assert!(difference(&with, &without) > 0.05, "{scene:?} without {thing:?} is the same image");
        }
    }
}

#[test]
fn only_visible_times_weathers_and_seasons_change_a_scene() {
    for scene in Scene::ALL {
        let default = changed(scene, |_| {});
        let check = |shows: bool, is_default: bool, image: &RgbImage, what: &str| {
            let same = difference(&default, image) == 0.0;
            assert!(same != shows || is_default, "{scene:?} with {what}: shown {shows}, same image {same}");
        };
        for time in [Time::Day, Time::Sunrise, Time::Sunset, Time::Dusk, Time::Night] {
            let image = changed(scene, |reading| reading.time = Some(time));
            check(scene.shows_time(time, false), true, &image, "");
            let is_default = is_default_time(scene, time);
            check(scene.shows_time(time, false), is_default, &image, &format!("{time:?}"));
        }
        for weather in [Weather::Clear, Weather::Cloudy, Weather::Rain, Weather::Fog] {
            let image = changed(scene, |reading| reading.weather = Some(weather));
            let is_default = scene == Scene::Aurora || (scene == Scene::Forest && weather == Weather::Clear);
            check(scene.shows_weather(weather, true), is_default, &image, &format!("{weather:?}"));
        }
        for season in [Season::Spring, Season::Autumn, Season::Winter] {
            let image = changed(scene, |reading| reading.season = Some(season));
            let is_default = matches!(scene, Scene::Snow | Scene::Aurora | Scene::Sky);
            check(scene.shows_season(season), is_default, &image, &format!("{season:?}"));
        }
    }
}

/// Whether `time` is the scene's default time of day.
fn is_default_time(scene: Scene, time: Time) -> bool {
    match scene {
        Scene::City | Scene::Cafe | Scene::Cabin => time == Time::Dusk,
        Scene::Aurora => time == Time::Night,
        _ => time == Time::Day,
    }
}

#[test]
fn excluded_water_and_colours_are_not_painted() {
    let blue = |words: &str| {
        let image = small(words, 1);
        let lower = image.enumerate_pixels().filter(|(_, y, _)| *y > SMALL.1 * 6 / 10);
        lower.filter(|(_, _, p)| p.0[2] > p.0[0]).count()
    };
    assert!(blue("beach by day") > 1000);
    assert_eq!(blue("beach by day without water"), 0);
    assert_eq!(blue("beach by day, no sea"), 0);
    let chroma = |words: &str| {
        let image = small(words, 1);
        image.pixels().filter(|p| i32::from(p.0[2]) > i32::from(p.0[0]) + 24).count()
    };
    assert!(chroma("sea by day") > 5000);
    assert_eq!(chroma("sea by day, not blue"), 0);
    let grey = small("black and white beach", 1);
    assert!(grey.pixels().all(|p| p.0[0].abs_diff(p.0[2]) <= 4));
}

#[test]
fn every_style_looks_different_and_keeps_the_scene() {
    for words in ["beach at sunset", "office", "forest", "gradient"] {
        let looks: Vec<(&str, RgbImage)> = std::iter::once(None)
            .chain(Style::ALL.map(Some))
            .map(|style| (style.map_or("none", Style::name), paint(&read(words, "", style), 5, 320, 180)))
            .collect();
        for (i, (name, look)) in looks.iter().enumerate() {
            for (other, another) in &looks[i + 1..] {
                let delta = difference(look, another);
                assert!(delta > 1.5, "{words}: {name} and {other} differ by {delta}");
            }
        }
    }
}

#[test]
fn styles_are_deterministic_and_accept_any_size() {
    for style in Style::ALL {
        let reading = read("lake at night", "", Some(style));
        assert_eq!(paint(&reading, 1, 64, 36), paint(&reading, 1, 64, 36), "{style:?}");
        for (width, height) in [(1, 1), (2, 1), (1, 40), (40, 1), (33, 17)] {
            assert_eq!(paint(&reading, 1, width, height).dimensions(), (width, height), "{style:?}");
        }
    }
}

/// The size of a golden image.
const TILE: (u32, u32) = (32, 18);

/// The number of golden images in a row of the sheet.
const COLUMNS: u32 = 8;

/// The maximum mean absolute difference of a golden image, in levels: floating-point results differ slightly by
/// platform.
const TOLERANCE: f64 = 1.5;

/// The images with golden images: every scene, then every style.
fn golden_cases() -> Vec<(String, RgbImage)> {
    let tile = |prompt: &str, style| {
        let image = paint(&read(prompt, "", style), 7, 320, 180);
        image::imageops::resize(&image, TILE.0, TILE.1, image::imageops::FilterType::Triangle)
    };
    let scenes = Scene::ALL.map(|scene| (scene.name().to_owned(), tile(scene.name(), None)));
    let styles =
        Style::ALL.map(|style| (format!("beach at sunset, {}", style.name()), tile("beach at sunset", Some(style))));
    scenes.into_iter().chain(styles).collect()
}

/// The top left corner of a golden image in the sheet.
fn tile_origin(index: usize) -> (u32, u32) {
    let index = index as u32;
    (index % COLUMNS * TILE.0, index / COLUMNS * TILE.1)
}

fn golden_path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/painter/golden.png")
}

/// Compares small images with the sheet `golden.png`. After an intended change of the painter, regenerate it with
/// `cargo test --lib regenerate_golden_images -- --ignored` and look at the result.
#[test]
fn images_match_the_golden_sheet() {
    let sheet = image::open(golden_path()).unwrap().into_rgb8();
    for (index, (name, image)) in golden_cases().iter().enumerate() {
        let (x, y) = tile_origin(index);
        let golden = image::imageops::crop_imm(&sheet, x, y, TILE.0, TILE.1).to_image();
        let difference = difference(image, &golden);
        assert!(difference <= TOLERANCE, "{name} differs from its golden image by {difference} levels");
    }
}

#[test]
#[ignore = "writes src/painter/golden.png"]
fn regenerate_golden_images() {
    let cases = golden_cases();
    let rows = (cases.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbImage::new(COLUMNS * TILE.0, rows * TILE.1);
    for (index, (_, image)) in cases.iter().enumerate() {
        let (x, y) = tile_origin(index);
        image::imageops::replace(&mut sheet, image, x.into(), y.into());
    }
    sheet.save(golden_path()).unwrap();
}
