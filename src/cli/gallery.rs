//! `bgcam gallery`: works on the gallery's folder directly; only `use` needs the daemon.

use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{CliError, args::GalleryCommand, ask, settings, show};
use crate::{
    background::{BackgroundSpec, Fit},
    control::protocol::Request,
    gallery::{Entry, Gallery, GalleryError},
    paths,
    prompt::{dollars, one_line},
};

/// Runs `bgcam gallery`.
pub(super) fn run(command: GalleryCommand, json: bool) -> Result<(), CliError> {
    let config = settings()?;
    let gallery = Gallery::open(paths::gallery_dir(), config.gallery_bytes)?;
    match command {
        GalleryCommand::List => list(&gallery, json),
        GalleryCommand::Use { name } => apply(&newest(&gallery, &name)?.id),
        GalleryCommand::Show { name } => show_entry(&gallery, &newest(&gallery, &name)?, json),
        GalleryCommand::Remove { name } => {
            let id = match gallery.get(&name) {
                Ok(entry) => entry.id,
                Err(error @ GalleryError::Ambiguous { .. }) => return Err(error.into()),
                // a damaged entry has no prompt, but can be removed by its id
                Err(_) => name,
            };
            gallery.remove(&id)?;
            message(&format!("removed {id}"))
        }
        GalleryCommand::Favourite { name, unset } => {
            let entry = gallery.set_favourite(&newest(&gallery, &name)?.id, !unset)?;
            message(&format!(
                "{} {}",
                entry.id,
                if entry.favourite { "is a favourite" } else { "is no longer a favourite" }
            ))
        }
        GalleryCommand::Export { name, to, force } => {
            let path = gallery.export(&newest(&gallery, &name)?.id, &to, force)?;
            message(&format!("exported to {}", path.display()))
        }
        GalleryCommand::Import { path, name } => {
            let entry = gallery.import(&path, name.as_deref(), &config.limits, SystemTime::now(), &[])?;
            message(&format!("imported as {}", entry.id))
        }
    }
}

/// Finds an image by prompt or id. Several images may have the same prompt; the newest is used, with a note.
fn newest(gallery: &Gallery, name: &str) -> Result<Entry, CliError> {
    let mut entries = gallery.named(name)?.into_iter();
    let entry = entries.next().ok_or_else(|| GalleryError::Unknown { name: name.to_owned(), nearest: None })?;
    if entries.len() > 0 {
        let count = entries.len() + 1;
        let prompt = one_line(&entry.recipe.text);
        writeln!(io::stderr(), "note: {count} images match {prompt:?}; using the newest, {}", entry.id)?;
    }
    Ok(entry)
}

/// Sets the image with this id as the background.
pub(super) fn apply(id: &str) -> Result<(), CliError> {
    let gallery = Gallery::open(paths::gallery_dir(), settings()?.gallery_bytes)?;
    let entry = gallery.touch(id, SystemTime::now())?;
    let spec = BackgroundSpec::Image { path: gallery.path(&entry), fit: Fit::Cover };
    ask(&Request::SetBackground { spec, fit: Some(Fit::Cover) })
}

fn message(text: &str) -> Result<(), CliError> {
    Ok(writeln!(io::stderr(), "{text}")?)
}

fn list(gallery: &Gallery, json: bool) -> Result<(), CliError> {
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
        let provider = &entry.recipe.provider;
        let age = age(entry);
        writeln!(out, "{star} {:50} {provider:11} {age:>9}  {}", entry.id, one_line(entry.name()))?;
    }
    if listing.entries.is_empty() {
        writeln!(io::stderr(), "your gallery is empty; try `bgcam set-prompt \"beach at sunset\"`")?;
    }
    Ok(())
}

fn show_entry(gallery: &Gallery, entry: &Entry, json: bool) -> Result<(), CliError> {
    if json {
        return Ok(show::json(entry)?);
    }
    let mut out = io::stdout().lock();
    let recipe = &entry.recipe;
    writeln!(out, "prompt    {}", one_line(&recipe.text))?;
    let other = entry.title.iter().filter(|title| **title != recipe.text);
    other.into_iter().try_for_each(|title| writeln!(out, "title     {}", one_line(title)))?;
    writeln!(out, "sent as   {}", one_line(&recipe.prompt))?;
    writeln!(out, "provider  {} {}", recipe.provider, one_line(&recipe.model))?;
    entry.seed.iter().try_for_each(|seed| writeln!(out, "seed      {seed}"))?;
    entry.cost.iter().try_for_each(|cost| writeln!(out, "cost      {}", dollars(*cost)))?;
    writeln!(out, "created   {} ago, {} kB", age(entry), entry.bytes / 1024)?;
    if !entry.marks.is_empty() {
        let marks: Vec<_> = entry.marks.iter().map(|mark| mark.name()).collect();
        writeln!(out, "marked    by the provider: {}", marks.join(", "))?;
    }
    if let Some(parent) = &recipe.parent {
        writeln!(out, "edit of   {}", parent.id)?;
    }
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
