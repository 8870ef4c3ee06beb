//! Edits of the background by words: the image to edit, and the way back through the edits.

use std::time::SystemTime;

use super::{
    Daemon,
    images::{gallery_id, open_gallery},
    internal,
    loaded::LoadedBackground,
    scene::BackgroundOutcome,
};
use crate::{
    background::{BackgroundError, BackgroundSpec, Fit, Limits, is_animated},
    control::protocol::Response,
    error::{Failure, Kind},
    gallery::{Gallery, GalleryError, Import, Step},
    media::image_file,
    prompt::{Parent, SourceImage, one_line},
};

/// The maximum length of an edited image's title in characters.
const MAX_TITLE_LEN: usize = 120;

/// The image that an edit starts from.
pub(super) struct Original {
    /// Recorded in the recipe of the edit.
    pub(super) parent: Parent,
    /// What is sent to the provider.
    pub(super) source: SourceImage,
    /// The seed it was generated with.
    pub(super) seed: Option<u64>,
    /// How it fills the frame, if it is the current background; so do its edits.
    pub(super) fit: Fit,
    /// A local file that is not yet in the gallery, where an undo will find it.
    pub(super) import: Option<Import>,
    title: String,
}

impl Original {
    /// The image of the gallery that is named `of`, or else the current background.
    pub(super) fn find(
        gallery: &Gallery,
        of: Option<&str>,
        current: &BackgroundSpec,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        if let Some(name) = of {
            let newest = gallery.named(name)?.into_iter().next();
            let entry = newest.ok_or_else(|| GalleryError::Unknown { name: name.to_owned(), nearest: None })?;
            return Self::stored(gallery, &entry.id, limits);
        }
        let found = match (gallery_id(current), current) {
            (Some(id), _) => Self::stored(gallery, &id, limits),
            (None, BackgroundSpec::Image { .. }) => Self::file(current, limits),
            _ => Err(not_an_image(current)),
        };
        found.map(|found| Self { fit: fit_of(current), ..found })
    }

    fn stored(gallery: &Gallery, id: &str, limits: &Limits) -> Result<Self, Failure> {
        let entry = gallery.entry(id)?;
        let bytes = image_file::read_bytes(&gallery.path(&entry), limits).map_err(BackgroundError::from)?;
        check_still(&bytes, &entry.file)?;
        let source = match entry.imported {
            true => SourceImage::own(&bytes, &entry.file, limits),
            false => SourceImage::generated(bytes, &entry.file, limits),
        };
        Ok(Self {
            parent: Parent::new(&entry.id, &entry.recipe, entry.imported),
            source: source.map_err(BackgroundError::from)?,
            seed: entry.seed,
            fit: Fit::Cover,
            import: None,
            title: entry.name().to_owned(),
        })
    }

    /// The file of a background that is not in the gallery.
    fn file(spec: &BackgroundSpec, limits: &Limits) -> Result<Self, Failure> {
        let Some(path) = spec.path() else { return Err(not_an_image(spec)) };
        let name = path.display().to_string();
        let bytes = image_file::read_bytes(path, limits).map_err(BackgroundError::from)?;
        check_still(&bytes, &name)?;
        let source = SourceImage::own(&bytes, &name, limits).map_err(BackgroundError::from)?;
        let title = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let import = Gallery::prepare(bytes, &name, &title, limits, SystemTime::now())?;
        let entry = import.entry();
        let parent = Parent::new(&entry.id, &entry.recipe, true);
        Ok(Self { parent, source, seed: None, fit: fit_of(spec), import: Some(import), title })
    }

    /// The title of this image after the edit `text`.
    pub(super) fn title_with(&self, text: &str) -> String {
        let title = format!("{}, {}", one_line(&self.title), one_line(text));
        match title.char_indices().nth(MAX_TITLE_LEN) {
            Some((at, _)) => format!("{}…", &title[..at]),
            None => title,
        }
    }
}

fn fit_of(spec: &BackgroundSpec) -> Fit {
    if let BackgroundSpec::Image { fit, .. } = spec { *fit } else { Fit::Cover }
}

fn check_still(bytes: &[u8], name: &str) -> Result<(), Failure> {
    if is_animated(bytes) { Err(cannot_edit(&format!("{name} is an animation"))) } else { Ok(()) }
}

fn not_an_image(spec: &BackgroundSpec) -> Failure {
    cannot_edit(&match spec {
        BackgroundSpec::Off => "there is no background".to_owned(),
        BackgroundSpec::Blur { .. } => "the background is your blurred room, which is never sent".to_owned(),
        BackgroundSpec::Colour(_) => format!("the background is the colour {spec}"),
        BackgroundSpec::Slideshow(_) => "the background is a slideshow".to_owned(),
        BackgroundSpec::Image { .. } | BackgroundSpec::Video { .. } => "the background is a video".to_owned(),
    })
}

fn cannot_edit(why: &str) -> Failure {
    Failure::new(Kind::BadInput, format!("only an image can be edited: {why}"))
        .hint("choose one of `bgcam gallery` with `bgcam gallery use IMAGE`, or name it: `bgcam set-prompt --edit --of IMAGE \"make it night\"`")
}

impl Daemon {
    /// Shows the image that `find` finds for the current background, before or after it in its chain of edits. `none` is
    /// the error for a background that is not in the gallery, with its name.
    pub(super) async fn walk_edits(
        &self,
        find: fn(&Gallery, &str) -> Result<Step, GalleryError>,
        none: fn(String) -> GalleryError,
        arrival: u64,
    ) -> Result<Response, Failure> {
        let change = self.begin().await;
        if self.is_superseded(arrival) {
            return Ok(self.respond_to_background(BackgroundOutcome::Superseded).await);
        }
        let current = change.scene.spec.clone();
        let fit = fit_of(&current);
        let gallery_bytes = change.config.gallery_bytes;
        let found = tokio::task::spawn_blocking(move || {
            let id = gallery_id(&current).ok_or_else(|| none(current.to_string()))?;
            let gallery = open_gallery(gallery_bytes)?;
            let step = find(&gallery, &id)?;
            // A redo returns to the edit that was used last.
            gallery.touch(&id, SystemTime::now())?;
            Ok::<_, Failure>((gallery.path(&step.entry), step.skipped))
        });
        let (path, skipped) = found.await.map_err(|error| internal(&error))??;
        let spec = BackgroundSpec::Image { path, fit };
        let background = LoadedBackground::load(&spec, &change.scene.look, &change.config).await?;
        let old = change.background().clone();
        let mut outcome = self.commit_background(change, background, arrival, |choice| choice.choose(spec, &old));
        if let BackgroundOutcome::Shown { label, .. } = &mut outcome
            && skipped > 0
        {
            let what =
                if skipped == 1 { "an image in between that no longer exists" } else { "deleted images in between" };
            label.push_str(&format!("\nnote: skipped {what}"));
        }
        Ok(self.respond_to_background(outcome).await)
    }
}
