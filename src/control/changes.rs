//! Finds out what happened: the differences between two statuses of the daemon.
//!
//! Comparing the states cannot lose a change that lasts, however slow the reader is. Changes that are undone before the
//! next comparison are not reported.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    event::{App, EventKind, State},
    protocol::{SceneStatus, Status},
};
use crate::error::Failure;

/// Turns successive statuses into events.
#[derive(Debug, Default)]
pub struct Changes {
    /// The status that the reader knows; `None` if it has to be sent completely.
    known: Option<Status>,
}

impl Changes {
    /// What has happened since the last status; the first time, the whole state.
    pub fn since_last(&mut self, now: Status) -> Vec<EventKind> {
        let events = match &self.known {
            Some(before) => between(before, &now),
            None => vec![EventKind::State(state(&now))],
        };
        self.known = Some(now);
        events
    }

    /// Records that the reader may have missed events: it is sent the whole state next.
    pub fn set_missed(&mut self) {
        self.known = None;
    }
}

fn between(before: &Status, now: &Status) -> Vec<EventKind> {
    let mut events = Vec::new();
    scene(&before.scene, &now.scene, &mut events);
    camera(before, now, &mut events);
    connections(before, now, &mut events);
    generation(before, now, &mut events);
    errors(before, now, &mut events);
    events
}

fn scene(before: &SceneStatus, now: &SceneStatus, events: &mut Vec<EventKind>) {
    if before.background != now.background {
        events.push(EventKind::Background { background: now.background.clone(), label: now.label.clone() });
    }
    let pause = |scene: &SceneStatus| (scene.paused, scene.frozen, scene.pause_message.clone());
    if pause(before) != pause(now) {
        events.push(match now {
            SceneStatus { paused: false, .. } => EventKind::Resumed,
            SceneStatus { frozen: true, .. } => EventKind::Frozen,
            _ => EventKind::Paused { message: now.pause_message.clone() },
        });
    }
    let visible = |scene: &SceneStatus| scene.room_visible.then(|| scene.room_reason.clone());
    if visible(before) != visible(now) {
        events.push(match visible(now) {
            Some(reason) => EventKind::RoomVisible { reason },
            None => EventKind::RoomHidden,
        });
    }
}

fn camera(before: &Status, now: &Status, events: &mut Vec<EventKind>) {
    let name = |status: &Status| status.camera.source.as_ref().map(|source| source.name.clone());
    match (name(now), &now.camera.error) {
        (Some(camera), _) if name(before).as_ref() == Some(&camera) => {}
        (Some(camera), _) if before.camera.error.is_some() => events.push(EventKind::CameraReturned { camera }),
        (Some(camera), _) => events.push(EventKind::CameraOpened { camera }),
        (None, Some(error)) if before.camera.error.as_ref() != Some(error) => {
            events.push(EventKind::CameraLost { error: error.clone() });
        }
        (None, None) if name(before).is_some() || before.camera.error.is_some() => {
            events.push(EventKind::CameraClosed);
        }
        (None, _) => {}
    }
}

fn connections(before: &Status, now: &Status, events: &mut Vec<EventKind>) {
    let (before, now) = (apps(before), apps(now));
    let gone = before.iter().filter(|app| !now.contains(app));
    events.extend(gone.map(|app| EventKind::AppDisconnected(app.clone())));
    let new = now.iter().filter(|app| !before.contains(app));
    events.extend(new.map(|app| EventKind::AppConnected(app.clone())));
}

/// The apps that read the virtual camera. PipeWire does not report which apps read a camera.
fn apps(status: &Status) -> Vec<App> {
    let mut apps: Vec<App> = Vec::with_capacity(status.readers.len());
    apps.extend(status.readers.iter().map(|reader| App { app: reader.name.clone(), pid: Some(reader.pid) }));
    if apps.is_empty() && status.outputs.iter().any(|output| output.read == Some(true)) {
        apps.push(App { app: "an app using PipeWire".to_owned(), pid: None });
    }
    apps
}

fn generation(before: &Status, now: &Status, events: &mut Vec<EventKind>) {
    if let Some(last) = now.last_prompt.as_ref().filter(|_| before.last_prompt != now.last_prompt) {
        let prompt = last.text.clone();
        events.push(match &last.failure {
            Some(error) => EventKind::GenerationFailed { prompt, error: error.clone() },
            None => EventKind::GenerationFinished { prompt },
        });
    }
    let text = |status: &Status| status.prompt.as_ref().map(|job| job.text.clone());
    if let Some(job) = now.prompt.as_ref().filter(|_| text(before) != text(now)) {
        events.push(EventKind::GenerationStarted { prompt: job.text.clone(), provider: job.provider.clone() });
    }
}

fn errors(before: &Status, now: &Status, events: &mut Vec<EventKind>) {
    let (before, now) = (failures(before), failures(now));
    for (what, error) in &now {
        if !before.contains(&(what.clone(), error)) {
            events.push(EventKind::Error { what: what.clone(), error: (*error).clone() });
        }
    }
    let works = |what: &String| !now.iter().any(|(other, _)| other == what);
    let recovered = before.iter().filter(|(what, _)| works(what));
    events.extend(recovered.map(|(what, _)| EventKind::Recovered { what: what.clone() }));
}

/// What does not work, except the camera.
fn failures(status: &Status) -> Vec<(String, &Failure)> {
    let outputs = status.outputs.iter().filter_map(|output| Some((output.name.clone(), output.failure.as_ref()?)));
    let model = status.mask.error.iter().map(|failure| ("model".to_owned(), failure));
    let choice = status.choice_error.iter().map(|failure| ("choice".to_owned(), failure));
    model.chain(choice).chain(outputs).collect()
}

fn state(status: &Status) -> State {
    let scene = &status.scene;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    State {
        version: status.version.clone(),
        started: (now - status.uptime_s).round(),
        background: scene.background.clone(),
        label: scene.label.clone(),
        room_visible: scene.room_visible,
        room_reason: scene.room_reason.clone(),
        paused: scene.paused,
        frozen: scene.frozen,
        camera: status.camera.source.as_ref().map(|source| source.name.clone()),
        camera_error: status.camera.error.clone(),
        apps: apps(status),
        generating: status.prompt.as_ref().map(|job| job.text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        camera::SourceInfo,
        control::event::Event,
        error::Kind,
        prompt::{FinishedPrompt, JobStatus, Progress},
        system::fake,
        v4l2::holders::Holder,
    };

    fn failure(text: &str) -> Failure {
        Failure::new(Kind::Io, text)
    }

    fn source(name: &str) -> Option<SourceInfo> {
        Some(SourceInfo {
            name: name.into(),
            path: None,
            id: None,
            fourcc: "MJPG".into(),
            native: (1280, 720),
            fps: 30.0,
        })
    }

    fn job(text: &str) -> Option<JobStatus> {
        let (text, provider) = (text.to_owned(), "builtin".to_owned());
        Some(JobStatus { text, provider, elapsed_s: 0.0, progress: Progress::Working })
    }

    fn finished(number: u64, failure: Option<Failure>) -> Option<FinishedPrompt> {
        Some(FinishedPrompt { number, text: "beach".to_owned(), failure })
    }

    /// The names of the events since the last status.
    fn names(changes: &mut Changes, status: &Status) -> Vec<String> {
        let events = changes.since_last(status.clone());
        let json = events.into_iter().map(|kind| serde_json::to_value(Event::new(kind)).unwrap());
        json.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_change_is_one_event() {
        let mut changes = Changes::default();
        let mut status = fake::status();
        assert_eq!(names(&mut changes, &status), ["state"]);
        assert!(names(&mut changes, &status).is_empty(), "nothing has happened");
        type Step = (fn(&mut Status), &'static [&'static str]);
        let steps: [Step; 22] = [
            (|s| s.scene.background = "#20a040".parse().unwrap(), &["background"]),
            (|s| s.scene.look.zoom = 120, &[]),
            (|s| s.scene.paused = true, &["paused"]),
            (|s| s.scene.pause_message = Some("Back at 3".into()), &["paused"]),
            (|s| (s.scene.frozen, s.scene.pause_message) = (true, None), &["frozen"]),
            (|s| (s.scene.frozen, s.scene.paused) = (false, false), &["resumed"]),
            (|s| s.scene.room_visible = true, &["room-visible"]),
            (|s| s.scene.room_reason = Some("there is no background".into()), &["room-visible"]),
            (|s| s.scene.room_visible = false, &["room-hidden"]),
            (|s| s.camera.source = source("Brio"), &["camera-opened"]),
            (|s| (s.camera.source, s.camera.error) = (None, Some(failure("unplugged"))), &["camera-lost"]),
            (|s| s.camera.error = Some(failure("not found")), &["camera-lost"]),
            (|s| (s.camera.source, s.camera.error) = (source("Brio"), None), &["camera-returned"]),
            (|s| s.camera.source = source("C920"), &["camera-opened"]),
            (|s| s.camera.source = None, &["camera-closed"]),
            (|s| s.readers = vec![Holder { pid: 1, name: "zoom".into() }], &["app-connected"]),
            (|s| s.readers = vec![Holder { pid: 2, name: "obs".into() }], &["app-disconnected", "app-connected"]),
            (|s| s.prompt = job("beach"), &["generation-started"]),
            (|s| (s.prompt, s.last_prompt) = (None, finished(1, None)), &["generation-finished"]),
            // a generation that started and failed since the last status
            (|s| s.last_prompt = finished(2, Some(failure("quota"))), &["generation-failed"]),
            (|s| s.mask.error = Some(failure("no ONNX Runtime")), &["error"]),
            (|s| s.mask.error = None, &["recovered"]),
        ];
        for (number, (change, expected)) in steps.into_iter().enumerate() {
            change(&mut status);
            assert_eq!(names(&mut changes, &status), expected, "step {number}");
        }
    }

    #[test]
    fn a_slow_reader_gets_the_whole_state() {
        let mut changes = Changes::default();
        let mut status = fake::status();
        changes.since_last(status.clone());
        changes.set_missed();
        status.scene.paused = true;
        let events = changes.since_last(status.clone());
        assert!(matches!(&events[..], [EventKind::State(state)] if state.paused), "{events:?}");
        assert!(changes.since_last(status).is_empty());
    }

    #[test]
    fn events_are_flat_objects() {
        let mut event = Event::new(EventKind::AppConnected(App { app: "zoom".to_owned(), pid: Some(812) }));
        event.time = 1.5;
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"event":"app-connected","app":"zoom","pid":812,"time":1.5}"#);
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        let all = fake::status();
        for kind in [EventKind::Resumed, EventKind::State(state(&all)), EventKind::CameraLost { error: failure("x") }] {
            let line = serde_json::to_string(&Event { kind: kind.clone(), time: 0.0 }).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&line).unwrap().kind, kind, "{line}");
        }
    }
}
