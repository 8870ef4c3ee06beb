//! `gallery`: works on the directory itself, with or without a daemon; only `use` needs one.

use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Trouble, args::GalleryVerb, ask, settings, show};
use crate::{
    background::{BackgroundSpec, Fit},
    control::protocol::Request,
    error::Failure,
    gallery::{Entry, Gallery, GalleryError},
    paths,
    prompt::one_line,
};

impl From<GalleryError> for Trouble {
    fn from(error: GalleryError) -> Self {
        Self::Failed(Failure::from(error))
    }
}

/// Does what the user wants with the gallery.
pub(super) fn run(verb: GalleryVerb, json: bool) -> Result<(), Trouble> {
    let config = settings(&None, None)?;
    let gallery = Gallery::open(paths::gallery_dir(), config.gallery_bytes)?;
    match verb {
        GalleryVerb::List => list(&gallery, json),
        GalleryVerb::Use { name } => put_on(&newest(&gallery, &name)?.id),
        GalleryVerb::Show { name } => tell(&gallery, &newest(&gallery, &name)?, json),
        GalleryVerb::Remove { name } => {
            let id = match gallery.get(&name) {
                Ok(entry) => entry.id,
                Err(error @ GalleryError::Ambiguous { .. }) => return Err(error.into()),
                Err(_) => name, // a damaged one has no words, but can be removed by its id
            };
            gallery.remove(&id)?;
            said(&format!("removed {id}"))
        }
        GalleryVerb::Favourite { name, not } => {
            let entry = gallery.set_favourite(&newest(&gallery, &name)?.id, !not)?;
            said(&format!("{} {}", entry.id, if entry.favourite { "is kept for good" } else { "is kept like others" }))
        }
        GalleryVerb::Export { name, to, force } => {
            let path = gallery.export(&newest(&gallery, &name)?.id, &to, force)?;
            said(&format!("written to {}", path.display()))
        }
        GalleryVerb::Import { path, words } => {
            let entry = gallery.import(&path, words.as_deref(), &config.limits, SystemTime::now(), &[])?;
            said(&format!("imported as {}", entry.id))
        }
    }
}

/// The picture that the user calls `name`; of several with the same words the newest, and says so.
fn newest(gallery: &Gallery, name: &str) -> Result<Entry, Trouble> {
    let mut found = gallery.named(name)?.into_iter();
    let entry = found.next().ok_or_else(|| GalleryError::Unknown { name: name.to_owned(), nearest: None })?;
    if found.len() > 0 {
        let (count, words, id) = (found.len() + 1, one_line(&entry.recipe.text), &entry.id);
        writeln!(io::stderr(), "note: {count} pictures are called {words:?}; this is the newest, {id}")?;
    }
    Ok(entry)
}

/// Puts the picture with this id behind the person.
pub(super) fn put_on(id: &str) -> Result<(), Trouble> {
    let gallery = Gallery::open(paths::gallery_dir(), settings(&None, None)?.gallery_bytes)?;
    let entry = gallery.touch(id, SystemTime::now())?;
    let spec = BackgroundSpec::Picture { path: gallery.path(&entry), fit: Fit::Cover };
    ask(&Request::SetBackground { spec, fit: Some(Fit::Cover) })
}

fn said(text: &str) -> Result<(), Trouble> {
    Ok(writeln!(io::stderr(), "{text}")?)
}

fn list(gallery: &Gallery, json: bool) -> Result<(), Trouble> {
    let listing = gallery.list();
    for (path, why) in &listing.damaged {
        writeln!(io::stderr(), "skipped {}: {why}", path.display())?;
    }
    if json {
        return Ok(show::json(&listing.entries)?);
    }
    let mut out = io::stdout().lock();
    for entry in &listing.entries {
        let star = if entry.favourite { "*" } else { " " };
        let (provider, age) = (&entry.recipe.provider, age(entry));
        writeln!(out, "{star} {:50} {provider:10} {age:>9}  {}", entry.id, one_line(entry.name()))?;
    }
    if listing.entries.is_empty() {
        writeln!(io::stderr(), "the gallery is empty; `bgcam set-prompt \"beach at sunset\"` begins it")?;
    }
    Ok(())
}

fn tell(gallery: &Gallery, entry: &Entry, json: bool) -> Result<(), Trouble> {
    if json {
        return Ok(show::json(entry)?);
    }
    let mut out = io::stdout().lock();
    let recipe = &entry.recipe;
    writeln!(out, "words     {}", one_line(&recipe.text))?;
    let other = entry.title.iter().filter(|title| **title != recipe.text);
    other.into_iter().try_for_each(|title| writeln!(out, "shows     {}", one_line(title)))?;
    writeln!(out, "prompt    {}", one_line(&recipe.prompt))?;
    writeln!(out, "made by   {} {}", recipe.provider, one_line(&recipe.model))?;
    entry.seed.iter().try_for_each(|seed| writeln!(out, "seed      {seed}"))?;
    entry.cost.iter().try_for_each(|cost| writeln!(out, "cost      ${cost:.3}"))?;
    writeln!(out, "made      {} ago, {} kB", age(entry), entry.bytes / 1024)?;
    entry.notes.iter().try_for_each(|note| writeln!(out, "note      {}", one_line(note)))?;
    Ok(writeln!(out, "file      {}", gallery.path(entry).display())?)
}

fn age(entry: &Entry) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = entry.created_at().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.saturating_sub(then).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
