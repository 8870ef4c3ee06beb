//! Gallery endpoints: list, thumbnails, show, favourite, remove, upload.

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
    AppState, AppStateRef, Backend,
    api::on_daemon_runtime,
    reply::{HttpError, PathParam, json, read_body, run_blocking},
};
use crate::{
    control::protocol::{Reply, Response as DaemonResponse},
    error::{Failure, Kind},
    gallery::{Entry, Gallery, GalleryError},
    media::image_file,
};

/// How long an upload may take; the file is on this machine.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Width and height of a thumbnail.
const THUMBNAIL_SIZE: (u32, u32) = (320, 180);

/// Maximum number of cached thumbnails, about 10 kB each.
const MAX_THUMBNAILS: usize = 400;

/// Maximum length of an uploaded file's name, in characters.
const MAX_NAME_LEN: usize = 200;

/// A cache of thumbnails. Entries never expire, because the image of a gallery id never changes.
#[derive(Debug)]
pub(super) struct Thumbnails {
    cache: Mutex<VecDeque<(String, Bytes)>>,
    /// Generates one at a time, to leave CPU time to the camera.
    permit: Semaphore,
}

impl Default for Thumbnails {
    fn default() -> Self {
        Self { cache: Mutex::default(), permit: Semaphore::new(1) }
    }
}

impl Thumbnails {
    fn get(&self, id: &str) -> Option<Bytes> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.iter().find(|(known, _)| known == id).map(|(_, jpeg)| jpeg.clone())
    }

    fn insert(&self, id: String, jpeg: Bytes) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_THUMBNAILS {
            cache.pop_front();
        }
        cache.push_back((id, jpeg));
    }
}

/// Runs blocking work on the gallery.
async fn with_gallery<B: Backend, T: Send + 'static>(
    state: &AppState<B>,
    work: impl FnOnce(Gallery) -> Result<T, GalleryError> + Send + 'static,
) -> Result<T, Failure> {
    let gallery = state.backend.gallery()?;
    run_blocking(move || work(gallery)).await?.map_err(Failure::from)
}

/// `GET /api/gallery`
pub(super) async fn list<B: Backend>(State(state): AppStateRef<B>) -> Result<Response, HttpError> {
    #[derive(Serialize)]
    struct Listing {
        /// Newest first.
        entries: Vec<Entry>,
        /// Maximum size of an upload, in bytes.
        max_bytes: u64,
    }
    let max_bytes = state.backend.config().limits.max_bytes;
    let entries = with_gallery(&state, |gallery| Ok(gallery.list().entries)).await?;
    Ok(json(&Listing { entries, max_bytes }))
}

/// `GET /api/gallery/ID/thumb`
pub(super) async fn thumbnail<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(id): PathParam,
) -> Result<Response, HttpError> {
    let response = |jpeg: Bytes| ([(CONTENT_TYPE, "image/jpeg")], jpeg).into_response();
    if let Some(jpeg) = state.thumbnails.get(&id) {
        return Ok(response(jpeg));
    }
    let permit = state.thumbnails.permit.acquire().await;
    let _permit = permit.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    let limits = state.backend.config().limits;
    let name = id.clone();
    let jpeg = with_gallery(&state, move |gallery| {
        let path = gallery.path(&gallery.entry(&name)?);
        Ok(shrink(&image_file::read(&path, &limits)?))
    });
    let jpeg = Bytes::from(jpeg.await??);
    state.thumbnails.insert(id, jpeg.clone());
    Ok(response(jpeg))
}

/// The centre of an image as a small JPEG.
fn shrink(image: &RgbImage) -> Result<Vec<u8>, Failure> {
    let (width, height) = THUMBNAIL_SIZE;
    let (x, y, w, h) = centre_crop(image.dimensions(), THUMBNAIL_SIZE);
    let crop = image::imageops::crop_imm(image, x, y, w, h);
    // a fast box reduction to twice the size, then a filter for quality
    let rough = image::imageops::thumbnail(&*crop, width * 2, height * 2);
    let small = image::imageops::resize(&rough, width, height, FilterType::Triangle);
    let mut jpeg = Cursor::new(Vec::new());
    small
        .write_to(&mut jpeg, ImageFormat::Jpeg)
        .map_err(|error| Failure::new(Kind::Internal, format!("cannot create a thumbnail: {error}")))?;
    Ok(jpeg.into_inner())
}

/// The largest centred rectangle with the given aspect ratio, as (x, y, width, height).
fn centre_crop((width, height): (u32, u32), aspect: (u32, u32)) -> (u32, u32, u32, u32) {
    let scale = |side: u32, num: u32, denom: u32| (u64::from(side) * u64::from(num) / u64::from(denom)).max(1) as u32;
    let w = width.min(scale(height, aspect.0, aspect.1));
    let h = height.min(scale(width, aspect.1, aspect.0));
    ((width - w) / 2, (height - h) / 2, w, h)
}

/// `POST /api/gallery/ID/use`
pub(super) async fn show<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(id): PathParam,
) -> Result<Response, HttpError> {
    let arrival = state.backend.next_arrival();
    Ok(json(&Reply::Ok(show_image(&state, id, arrival).await?)))
}

/// Shows an image, unless a request after `arrival` has chosen another background.
async fn show_image<B: Backend>(state: &AppState<B>, id: String, arrival: u64) -> Result<DaemonResponse, Failure> {
    let path = with_gallery(state, move |gallery| Ok(gallery.path(&gallery.touch(&id, SystemTime::now())?))).await?;
    let backend = state.backend.clone();
    on_daemon_runtime(state, async move { backend.show_image(path, arrival).await }).await
}

/// `POST /api/gallery/ID/favourite` with `{"on": true}` or `{"on": false}`.
pub(super) async fn set_favourite<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(id): PathParam,
    body: Body,
) -> Result<Response, HttpError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Favourite {
        on: bool,
    }
    let bytes = read_body(body, 1024, UPLOAD_TIMEOUT).await?;
    let Favourite { on } = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(Kind::BadInput, format!("invalid request, expected {{\"on\": true or false}}: {error}"))
    })?;
    Ok(json(&with_gallery(&state, move |gallery| gallery.set_favourite(&id, on)).await?))
}

/// `DELETE /api/gallery/ID`
pub(super) async fn remove<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(id): PathParam,
) -> Result<Response, HttpError> {
    let text = format!("removed {id}");
    with_gallery(&state, move |gallery| gallery.remove(&id)).await?;
    Ok(json(&Reply::Ok(DaemonResponse::Done(text))))
}

/// `POST /api/upload/NAME` with an image: saves it in the gallery, named after its file, and shows it.
pub(super) async fn upload<B: Backend>(
    State(state): AppStateRef<B>,
    PathParam(name): PathParam,
    body: Body,
) -> Result<Response, HttpError> {
    let arrival = state.backend.next_arrival();
    let permit = state.uploads.acquire().await;
    let _permit = permit.map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
    let limits = state.backend.config().limits;
    let max_len = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    let bytes = read_body(body, max_len, UPLOAD_TIMEOUT).await?;
    let name: String = name.chars().take(MAX_NAME_LEN).collect();
    let keep = state.backend.kept_ids();
    let entry = with_gallery(&state, move |gallery| {
        let title = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        gallery.import_bytes(bytes.into(), &name, title, &limits, SystemTime::now(), &keep)
    });
    let mut entry = entry.await?;
    if let DaemonResponse::Warning(text) = show_image(&state, entry.id.clone(), arrival).await? {
        entry.notes.push(text);
    }
    Ok(json(&Reply::Ok(DaemonResponse::Images(vec![entry]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnail_is_the_centre_of_an_image_of_any_size() {
        for size in [(1, 1), (3000, 20), (20, 3000), (1920, 1080), (321, 179)] {
            let image = RgbImage::from_pixel(size.0, size.1, image::Rgb([10, 200, 30]));
            let small = image::load_from_memory(&shrink(&image).unwrap()).unwrap().to_rgb8();
            assert_eq!(small.dimensions(), THUMBNAIL_SIZE, "{size:?}");
            assert!(small.get_pixel(160, 90).0[1] > 190, "{size:?}");
        }
    }

    #[test]
    fn thumbnail_cache_is_limited() {
        let thumbnails = Thumbnails::default();
        (0..MAX_THUMBNAILS + 5).for_each(|number| thumbnails.insert(number.to_string(), Bytes::new()));
        assert_eq!(thumbnails.cache.lock().unwrap().len(), MAX_THUMBNAILS);
        assert!(thumbnails.get("0").is_none() && thumbnails.get("5").is_some());
    }
}
