//! What icons show: the overview that clients follow, and the last backgrounds with thumbnails.

use std::{io::Cursor, path::Path, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{ImageFormat, RgbImage, imageops};
use tokio::task::spawn_blocking;

use super::{Daemon, images, lock, presets::Preset};
use crate::{
    background::{BackgroundSpec, Limits},
    control::{
        overview::{Overview, PresetEntry, RecentBackground, State},
        protocol::Response,
    },
    media::image_file,
    sink::OutputStatus,
    stats,
};

/// Width and height of a thumbnail: the size of icons in menus on screens with twice the resolution.
const THUMBNAIL_SIZE: u32 = 32;

/// The last backgrounds, as clients got them last. They are few, see [`super::recent`].
pub(super) type Thumbnails = tokio::sync::Mutex<Vec<RecentBackground>>;

impl Daemon {
    pub(super) fn overview_now(&self) -> Overview {
        let scene = self.pipeline.scene();
        let health = self.pipeline.health();
        let (on, _) = self.pipeline.camera_wanted();
        let (room_visible, room_reason) = self.room_visibility();
        let outputs = self.outputs.status(std::time::Instant::now());
        let output_failure = outputs.into_iter().find_map(|OutputStatus { failure, .. }| failure);
        let other_error = health.mask_failure.or(output_failure).or_else(|| self.saved_choice.failure());
        let failed = health.camera_failure.is_some() || other_error.is_some();
        Overview {
            state: State::new(scene.paused, room_visible, failed, on),
            label: scene.label_with_warning(),
            background: scene.spec.clone(),
            paused: scene.paused,
            mirror: scene.mirror,
            room_reason,
            camera_error: health.camera_failure,
            other_error,
            generating: self.jobs.status().map(|job| job.text),
            last_prompt: self.jobs.ended(),
            recent: self.saved_choice.lock().recent.with_current(&scene.spec),
            presets: self.preset_entries(),
        }
    }

    fn preset_entries(&self) -> Vec<PresetEntry> {
        let presets = self.presets.known();
        let config = lock(&self.config);
        let entry =
            |preset: Preset| PresetEntry { shows_room: preset.room_reason(&config).is_some(), name: preset.name };
        presets.into_iter().map(entry).collect()
    }

    /// The last backgrounds. Images are decoded once, one after another.
    pub(super) async fn recent_backgrounds(self: &Arc<Self>) -> Response {
        let current = self.pipeline.scene().spec.clone();
        let specs = self.saved_choice.lock().recent.with_current(&current);
        let (limits, gallery_bytes) = {
            let config = lock(&self.config);
            (config.limits, config.gallery_bytes)
        };
        let mut known = self.thumbnails.lock().await;
        let old = std::mem::take(&mut *known);
        let described = spawn_blocking(move || {
            let describe = |spec: BackgroundSpec| {
                let found = old.iter().find(|recent| recent.spec == spec).cloned();
                found.unwrap_or_else(|| describe(spec, gallery_bytes, &limits))
            };
            let described = specs.into_iter().map(describe).collect();
            stats::trim_heap(); // that of large images
            described
        });
        *known = described.await.unwrap_or_default();
        Response::Recent(known.clone())
    }
}

fn describe(spec: BackgroundSpec, gallery_bytes: u64, limits: &Limits) -> RecentBackground {
    let label = images::name(&spec, gallery_bytes);
    let picture = match &spec {
        BackgroundSpec::Image { path, .. } => shrink(path, limits),
        BackgroundSpec::Colour(colour) => {
            Some(RgbImage::from_pixel(THUMBNAIL_SIZE, THUMBNAIL_SIZE, image::Rgb([colour.r, colour.g, colour.b])))
        }
        // soft light, as a blurred room
        BackgroundSpec::Blur { .. } => Some(RgbImage::from_fn(THUMBNAIL_SIZE, THUMBNAIL_SIZE, |x, y| {
            let light = 240 - 3 * (x.abs_diff(20) + y.abs_diff(10)) as u8;
            image::Rgb([light, light, light.saturating_sub(12)])
        })),
        BackgroundSpec::Off | BackgroundSpec::Video { .. } | BackgroundSpec::Slideshow(_) => None,
    };
    RecentBackground { thumbnail: picture.and_then(|picture| png(&picture)), spec, label }
}

/// The centre of an image; `None` if the file is gone or damaged.
fn shrink(path: &Path, limits: &Limits) -> Option<RgbImage> {
    let image = image_file::read(path, limits).ok()?;
    let side = image.width().min(image.height());
    let (x, y) = ((image.width() - side) / 2, (image.height() - side) / 2);
    let centre = imageops::crop_imm(&image, x, y, side, side);
    Some(imageops::thumbnail(&*centre, THUMBNAIL_SIZE, THUMBNAIL_SIZE))
}

fn png(image: &RgbImage) -> Option<String> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(BASE64_STANDARD.encode(bytes.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_images_have_thumbnails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.png");
        // red at both sides, green in the centre
        let wide = RgbImage::from_fn(400, 100, |x, _| {
            image::Rgb(if x.abs_diff(200) < 50 { [0, 200, 0] } else { [200, 0, 0] })
        });
        wide.save(&path).unwrap();
        let limits = Limits { max_bytes: 1 << 20, max_pixels: 1_000_000 };
        let pixels = |text: &str| {
            let recent = describe(text.parse().unwrap(), 1 << 20, &limits);
            let png = BASE64_STANDARD.decode(recent.thumbnail?).unwrap();
            Some(image::load_from_memory(&png).unwrap().into_rgb8())
        };
        let centre = pixels(path.to_str().unwrap()).unwrap();
        assert_eq!((centre.dimensions(), centre.get_pixel(16, 16).0), ((32, 32), [0, 200, 0]));
        assert_eq!(pixels("#204060").unwrap().get_pixel(0, 0).0, [0x20, 0x40, 0x60]);
        assert!(pixels("blur").is_some() && pixels("/missing.png").is_none());
    }
}
