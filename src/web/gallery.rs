//! The gallery on the page: list, thumbnails, use, keep, remove, and pictures that are dropped on the page.

use std::{
    collections::VecDeque,
    io::Cursor,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use image::{ImageFormat, RgbImage, imageops::FilterType};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    Here, Host, Site,
    answer::{Refusal, Segment, beside, json, read},
    api::on_control,
};
use crate::{
    control::protocol::{Reply, Response as Answer},
    error::{Failure, Kind},
    gallery::{Entry, Gallery, GalleryError},
    media::image_file,
};

/// How long a picture may take to come in: it comes from this machine's disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// A thumbnail's width and height.
const THUMB: (u32, u32) = (320, 180);

/// Thumbnails that are kept, about 10 kB each.
const MAX_THUMBS: usize = 400;

/// Letters of an uploaded file's name.
const MAX_NAME: usize = 200;

/// Thumbnails that were made. A picture never changes under its id, so neither does its thumbnail.
#[derive(Debug)]
pub(super) struct Thumbs {
    made: Mutex<VecDeque<(String, Bytes)>>,
    /// One is made at a time: the camera needs the machine.
    turn: Semaphore,
}

impl Default for Thumbs {
    fn default() -> Self {
        Self { made: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Thumbs {
    fn find(&self, id: &str) -> Option<Bytes> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().find(|(known, _)| known == id).map(|(_, jpeg)| jpeg.clone())
    }

    fn keep(&self, id: String, jpeg: Bytes) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MAX_THUMBS {
            made.pop_front();
        }
        made.push_back((id, jpeg));
    }
}

/// Does something with the gallery, beside the runtime's thread.
async fn with<H: Host, T: Send + 'static>(
    site: &Site<H>,
    work: impl FnOnce(Gallery) -> Result<T, GalleryError> + Send + 'static,
) -> Result<T, Failure> {
    let gallery = site.host.gallery()?;
    beside(move || work(gallery)).await?.map_err(Failure::from)
}

/// `GET /api/gallery`
pub(super) async fn list<H: Host>(State(site): Here<H>) -> Result<Response, Refusal> {
    #[derive(Serialize)]
    struct Listing {
        /// The newest first.
        entries: Vec<Entry>,
        /// Bytes that an uploaded picture may have.
        max_bytes: u64,
    }
    let max_bytes = site.host.config().limits.max_bytes;
    let entries = with(&site, |gallery| Ok(gallery.list().entries)).await?;
    Ok(json(&Listing { entries, max_bytes }))
}

/// `GET /api/gallery/ID/thumb`
pub(super) async fn thumb<H: Host>(State(site): Here<H>, Segment(id): Segment) -> Result<Response, Refusal> {
    let answer = |jpeg: Bytes| ([(CONTENT_TYPE, "image/jpeg")], jpeg).into_response();
    if let Some(jpeg) = site.thumbs.find(&id) {
        return Ok(answer(jpeg));
    }
    let _turn = site.thumbs.turn.acquire().await.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    let limits = site.host.config().limits;
    let name = id.clone();
    let jpeg = with(&site, move |gallery| {
        let path = gallery.path(&gallery.entry(&name)?);
        Ok(shrink(&image_file::read(&path, &limits)?))
    });
    let jpeg = Bytes::from(jpeg.await??);
    site.thumbs.keep(id, jpeg.clone());
    Ok(answer(jpeg))
}

/// The middle of a picture as a small JPEG.
fn shrink(picture: &RgbImage) -> Result<Vec<u8>, Failure> {
    let (width, height) = THUMB;
    // first by whole pixels, which is quick, then by a filter
    let (x, y, w, h) = middle(picture.dimensions(), THUMB);
    let cut = image::imageops::crop_imm(picture, x, y, w, h);
    let rough = image::imageops::thumbnail(&*cut, width * 2, height * 2);
    let small = image::imageops::resize(&rough, width, height, FilterType::Triangle);
    let mut jpeg = Cursor::new(Vec::new());
    small
        .write_to(&mut jpeg, ImageFormat::Jpeg)
        .map_err(|error| Failure::new(Kind::Internal, format!("no thumbnail: {error}")))?;
    Ok(jpeg.into_inner())
}

/// The largest part in the middle that has the shape of `like`, as (x, y, width, height).
fn middle((width, height): (u32, u32), like: (u32, u32)) -> (u32, u32, u32, u32) {
    let by = |side: u32, one: u32, other: u32| (u64::from(side) * u64::from(one) / u64::from(other)).max(1) as u32;
    let w = width.min(by(height, like.0, like.1));
    let h = height.min(by(width, like.1, like.0));
    ((width - w) / 2, (height - h) / 2, w, h)
}

/// `POST /api/gallery/ID/use`
pub(super) async fn put_on<H: Host>(State(site): Here<H>, Segment(id): Segment) -> Result<Response, Refusal> {
    let arrived = site.host.arrive();
    Ok(json(&Reply::Ok(show(&site, id, arrived).await?)))
}

/// Shows a picture, unless the user has chosen another background since `arrived`.
async fn show<H: Host>(site: &Site<H>, id: String, arrived: u64) -> Result<Answer, Failure> {
    let path = with(site, move |gallery| Ok(gallery.path(&gallery.touch(&id, SystemTime::now())?))).await?;
    let host = site.host.clone();
    on_control(site, async move { host.show_picture(path, arrived).await }).await
}

/// `POST /api/gallery/ID/favourite` with `{"on": true}` or `{"on": false}`.
pub(super) async fn favourite<H: Host>(
    State(site): Here<H>,
    Segment(id): Segment,
    body: Body,
) -> Result<Response, Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        on: bool,
    }
    let bytes = read(body, 1024, PATIENCE).await?;
    let Wish { on } = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Kind::BadInput, format!("it is not {{\"on\": true or false}}: {error}")))?;
    Ok(json(&with(&site, move |gallery| gallery.set_favourite(&id, on)).await?))
}

/// `DELETE /api/gallery/ID`
pub(super) async fn remove<H: Host>(State(site): Here<H>, Segment(id): Segment) -> Result<Response, Refusal> {
    let text = format!("removed {id}");
    with(&site, move |gallery| gallery.remove(&id)).await?;
    Ok(json(&Reply::Ok(Answer::Done(text))))
}

/// `POST /api/upload/NAME` with a picture: it is kept in the gallery, called as its file, and shown.
pub(super) async fn upload<H: Host>(
    State(site): Here<H>,
    Segment(name): Segment,
    body: Body,
) -> Result<Response, Refusal> {
    let arrived = site.host.arrive();
    let _turn = site.uploads.acquire().await.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    let limits = site.host.config().limits;
    let limit = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    let bytes = read(body, limit, PATIENCE).await?;
    let name: String = name.chars().take(MAX_NAME).collect();
    let keep = site.host.on_screen();
    let entry = with(&site, move |gallery| {
        let words = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        gallery.import_bytes(bytes.into(), &name, words, &limits, SystemTime::now(), &keep)
    });
    let entry = entry.await?;
    show(&site, entry.id.clone(), arrived).await?;
    Ok(json(&Reply::Ok(Answer::Pictures(vec![entry]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_is_the_middle_of_any_picture() {
        for size in [(1, 1), (3000, 20), (20, 3000), (1920, 1080), (321, 179)] {
            let picture = RgbImage::from_pixel(size.0, size.1, image::Rgb([10, 200, 30]));
            let small = image::load_from_memory(&shrink(&picture).unwrap()).unwrap().to_rgb8();
            assert_eq!(small.dimensions(), THUMB, "{size:?}");
            assert!(small.get_pixel(160, 90).0[1] > 190, "{size:?}");
        }
    }

    #[test]
    fn few_thumbnails_are_kept() {
        let thumbs = Thumbs::default();
        (0..MAX_THUMBS + 5).for_each(|number| thumbs.keep(number.to_string(), Bytes::new()));
        assert_eq!(thumbs.made.lock().unwrap().len(), MAX_THUMBS);
        assert!(thumbs.find("0").is_none() && thumbs.find("5").is_some());
    }
}
