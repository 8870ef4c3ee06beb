//! The daemon's status on one line, for `bgcam status --short` and `--waybar`.

use serde::Serialize;

use super::show::readers;
use crate::control::{overview::State, protocol::Status};

/// A custom module of Waybar, as its `return-type` `json` expects it.
#[derive(Debug, Serialize)]
pub(super) struct Module {
    text: String,
    /// Selects one of `format-icons`.
    alt: &'static str,
    class: &'static str,
    tooltip: String,
}

/// One line for people.
pub(super) fn text(status: &Status) -> String {
    status.state().text(status)
}

/// The module for a running daemon.
pub(super) fn module(status: &Status) -> Module {
    status.state().module(status)
}

/// The module if no daemon runs.
pub(super) fn stopped() -> Module {
    let tooltip = "bgcam is not running".to_owned();
    Module { text: "off".to_owned(), alt: "stopped", class: "stopped", tooltip }
}

impl State {
    fn text(self, status: &Status) -> String {
        let label = &status.scene.label;
        match self {
            Self::Paused if status.scene.frozen => "frozen".to_owned(),
            Self::Paused => "paused".to_owned(),
            Self::Room if status.scene.frozen => "frozen (your room is visible)".to_owned(),
            // the label has the warning
            Self::Room => label.clone(),
            Self::Error => status.failure().map_or_else(String::new, |failure| format!("error: {failure}")),
            Self::Live | Self::Idle => format!("{}: {label}", self.name()),
        }
    }

    fn module(self, status: &Status) -> Module {
        let text = if self == Self::Room { "room visible" } else { self.name() };
        let mut tooltip = vec![self.text(status)];
        tooltip.extend(status.scene.paused.then(|| format!("on resume: {}", status.scene.label)));
        tooltip.extend((!status.readers.is_empty()).then(|| format!("used by {}", readers(status))));
        Module { text: text.to_owned(), alt: self.name(), class: self.name(), tooltip: markup(&tooltip.join("\n")) }
    }
}

/// Text as Pango markup, which Waybar's tooltips are.
fn markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn the_short_status_names_the_most_urgent_state() {
        let short = |change: fn(&mut Status)| {
            let mut status = crate::system::fake::status();
            status.scene.label = "R&D <1>".to_owned();
            change(&mut status);
            let state = status.state();
            let module = serde_json::to_string(&state.module(&status)).unwrap();
            (state.text(&status), module)
        };
        let camera = |status: &mut Status| {
            status.camera.error = Some(Failure::new(crate::error::Kind::Busy, "the webcam is busy"));
        };
        let (text, module) = short(|status| status.camera.on = true);
        assert_eq!(text, "live: R&D <1>");
        let tooltip = "live: R&amp;D &lt;1&gt;";
        assert_eq!(module, format!(r#"{{"text":"live","alt":"live","class":"live","tooltip":"{tooltip}"}}"#));
        assert_eq!(short(|status| status.camera.on = false).0, "idle: R&D <1>");
        assert_eq!(short(camera).0, "error: the webcam is busy");
        let (text, module) = short(|status| {
            status.scene.room_visible = true;
            status.scene.label = "none (your room is visible)".to_owned();
        });
        assert_eq!(text, "none (your room is visible)");
        assert!(module.starts_with(r#"{"text":"room visible","alt":"room","class":"room""#), "{module}");
        let (text, module) = short(|status| status.scene.paused = true);
        assert_eq!(text, "paused");
        assert!(module.contains("paused\\non resume: R&amp;D"), "{module}");
        let frozen = |status: &mut Status| (status.scene.paused, status.scene.frozen) = (true, true);
        assert_eq!(short(frozen).0, "frozen");
        let (text, module) = short(|status| {
            (status.scene.paused, status.scene.frozen, status.scene.room_visible) = (true, true, true);
        });
        assert_eq!(text, "frozen (your room is visible)");
        assert!(module.contains(r#""class":"room""#), "{module}");
    }
}
