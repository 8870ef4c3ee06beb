//! Notes about options of a request that have no effect with the chosen provider.

use std::time::SystemTime;

use super::{Negative, PromptRequest, Provider, SizeRequest, UnsupportedOption, retired};

/// One note for each option of `request` that has no effect with `provider`, and one if the model will end soon: plain
/// lines, lower case without a full stop. `frame_size` is the output size.
pub fn ignored_options(request: &PromptRequest, provider: &dyn Provider, frame_size: (u32, u32)) -> Vec<String> {
    let model = provider.model_for(request.model.as_deref());
    let notes = [
        model_note(request, provider),
        negative_note(request, provider, &model),
        seed_note(request, provider, &model),
        size_note(request, provider, &model, frame_size),
        end_note(provider, &model, SystemTime::now()),
    ];
    notes.into_iter().flatten().collect()
}

fn model_note(request: &PromptRequest, provider: &dyn Provider) -> Option<String> {
    let model = request.model.as_ref()?;
    if provider.model().is_none() {
        return Some(format!("{} has no models to choose from, so model {model:?} was ignored", provider.title()));
    }
    let used = provider.edit_model(model);
    let is_ignored = request.edit && used != *model;
    is_ignored.then(|| format!("{} edits with model {used:?}, so {model:?} was ignored", provider.title()))
}

fn negative_note(request: &PromptRequest, provider: &dyn Provider, model: &str) -> Option<String> {
    let negative = request.negative.as_deref().map(str::trim).filter(|negative| !negative.is_empty())?;
    if provider.negative(model) != Negative::Unsupported {
        return None;
    }
    let reason = provider.lacks(model, UnsupportedOption::Negative);
    Some(format!("{reason}, so {negative:?} was ignored"))
}

fn seed_note(request: &PromptRequest, provider: &dyn Provider, model: &str) -> Option<String> {
    let seed = request.seed?;
    if !provider.takes_seed(model) {
        return Some(format!("{}, so seed {seed} was ignored", provider.lacks(model, UnsupportedOption::Seed)));
    }
    let used = seed as u32;
    (u64::from(used) != seed).then(|| format!("seeds have 32 bits, so {used} was used instead of {seed}"))
}

fn size_note(request: &PromptRequest, provider: &dyn Provider, model: &str, frame_size: (u32, u32)) -> Option<String> {
    let requested = request.size?;
    let text = |size: (u32, u32)| format!("{}x{}", size.0, size.1);
    if !provider.takes_size(request.edit) {
        let reason = match provider.takes_size(false) {
            true => format!("{} edits images in their own size", provider.title()),
            false => provider.lacks(model, UnsupportedOption::Size),
        };
        return Some(format!("{reason}, so size {} was ignored", text(requested)));
    }
    let used = provider.size_for(model, SizeRequest::new(request.size, frame_size, false));
    (used != requested).then(|| {
        let title = provider.title();
        format!("{title} cannot generate images of {}, so the nearest size was used: {}", text(requested), text(used))
    })
}

fn end_note(provider: &dyn Provider, model: &str, now: SystemTime) -> Option<String> {
    let retirement = retired::find(provider.name(), model).filter(|_| provider.is_original())?;
    let (end, successor) = (retirement.upcoming(now)?, retirement.successor);
    Some(format!("{} will retire model {model:?} on {end}; its successor is {successor}", provider.title()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{catalogue, settings::PromptSettings};

    fn settings(folder: &std::path::Path, workflow: &str) -> PromptSettings {
        let [path, key] = ["workflow.json", "key"].map(|name| folder.join(name));
        std::fs::write(&path, workflow).unwrap();
        std::fs::write(&key, "k").unwrap();
        let mut settings = PromptSettings::default();
        settings.openai.base_url = "http://127.0.0.1:1/v1".to_owned();
        settings.comfyui.workflow = path.display().to_string();
        settings.gateway.url = "http://127.0.0.1:1/".to_owned();
        settings.command.program = "true".to_owned();
        settings.stability.key_file = key.display().to_string();
        settings.gemini.key_file = key.display().to_string();
        settings.bedrock.key_file = key.display().to_string();
        for key_file in [
            &mut settings.azure.key_file,
            &mut settings.vertex.key_file,
            &mut settings.openrouter.key_file,
            &mut settings.bfl.key_file,
            &mut settings.fal.key_file,
            &mut settings.xai.key_file,
            &mut settings.together.key_file,
            &mut settings.huggingface.key_file,
        ] {
            *key_file = key.display().to_string();
        }
        settings.azure.endpoint = "https://host.example".to_owned();
        settings.azure.deployment = "gpt-image-2".to_owned();
        settings.vertex.project = "p".to_owned();
        settings
    }

    fn request() -> PromptRequest {
        PromptRequest {
            text: "beach".to_owned(),
            model: Some("other".to_owned()),
            negative: Some("people".to_owned()),
            seed: Some(7),
            size: Some((640, 480)),
            ..PromptRequest::default()
        }
    }

    /// Which of model, negative prompt, seed and size have no effect: matches the table in docs/genai.md.
    #[test]
    fn every_provider_reports_ignored_options() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), r#"{"1": {"inputs": {"text": "%prompt%"}}}"#);
        for (name, ignored) in [
            ("builtin", &["model \"other\""][..]),
            ("openai", &[]),
            ("bedrock", &["1152x896"]),
            ("gateway", &["model \"other\"", "\"people\"", "seed 7"]),
            ("sdwebui", &[]),
            ("comfyui", &["model \"other\"", "no %negative%", "no %seed%", "no %width%"]),
            ("stability", &["1152x896"]),
            ("gemini", &["1184x864"]),
            ("vertex", &["1184x864"]),
            ("azure", &["seed 7", "1328x992"]),
            ("openrouter", &["1184x864"]),
            ("bfl", &["\"people\""]),
            ("fal", &[]),
            ("xai", &["seed 7", "1184x864"]),
            ("together", &[]),
            ("huggingface", &[]),
            ("command", &["model \"other\""]),
        ] {
            let provider = catalogue::open(name, &settings).unwrap();
            let notes = ignored_options(&request(), &*provider, (640, 480));
            assert_eq!(notes.len(), ignored.len(), "{name}: {notes:?}");
            for (note, part) in notes.iter().zip(ignored) {
                assert!(note.contains(part) && !note.ends_with('.'), "{name}: {note}");
            }
            let plain = PromptRequest { text: "beach".to_owned(), ..PromptRequest::default() };
            assert_eq!(ignored_options(&plain, &*provider, (640, 480)), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn the_end_of_a_model_is_announced() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path(), r#"{"1": {"inputs": {"text": "%prompt%"}}}"#);
        let day = |days: u64| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(days * 86_400);
        let march = day(20_888); // 2027-03-11
        let note = |settings: &PromptSettings, now| {
            end_note(&*catalogue::open("gemini", settings).unwrap(), "gemini-2.5-flash-image", now)
        };
        assert!(
            note(&settings, march).unwrap().contains("on 2027-03-15; its successor is gemini-3.1-flash-lite-image")
        );
        assert_eq!(note(&settings, day(20_500)), None, "more than 120 days before");
        settings.gemini.base_url = "http://127.0.0.1:1".to_owned();
        assert_eq!(note(&settings, march), None, "another server may keep it");
    }

    #[test]
    fn an_edit_may_need_another_model() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), r#"{"1": {"inputs": {"text": "%prompt%"}}}"#);
        let request = PromptRequest { model: Some("core".to_owned()), edit: true, ..PromptRequest::default() };
        let notes = |name| ignored_options(&request, &*catalogue::open(name, &settings).unwrap(), (640, 480));
        assert_eq!(
            notes("stability"),
            ["provider stability edits with model \"control-structure\", so \"core\" was ignored"]
        );
        assert_eq!(notes("gemini"), Vec::<String>::new());
        let request = PromptRequest { size: Some((640, 480)), edit: true, ..PromptRequest::default() };
        let notes = |name| ignored_options(&request, &*catalogue::open(name, &settings).unwrap(), (640, 480));
        for name in ["stability", "bedrock"] {
            let expected = format!("provider {name} edits images in their own size, so size 640x480 was ignored");
            assert_eq!(notes(name), [expected]);
        }
        assert!(notes("comfyui")[0].contains("no %width%"));
    }

    #[test]
    fn support_depends_on_model_and_workflow() {
        let folder = tempfile::tempdir().unwrap();
        let workflow =
            r#"{"1": {"inputs": {"text": "%prompt% %negative%", "seed": "%seed%", "size": ["%width%", "%height%"]}}}"#;
        let settings = settings(folder.path(), workflow);
        let comfyui = catalogue::open("comfyui", &settings).unwrap();
        let request = PromptRequest { model: None, ..request() };
        assert_eq!(ignored_options(&request, &*comfyui, (640, 480)), Vec::<String>::new());
        let openai = catalogue::open("openai", &settings).unwrap();
        let gpt = PromptRequest { model: Some("gpt-image-1".to_owned()), ..request.clone() };
        let notes = ignored_options(&gpt, &*openai, (640, 480));
        assert!(
            notes[0].contains("\"gpt-image-1\" does not support seeds") && notes[1].contains("1536x1024"),
            "{notes:?}"
        );
        let sdwebui = catalogue::open("sdwebui", &settings).unwrap();
        let request = PromptRequest { seed: Some(1 << 32), size: Some((1000, 499)), ..request };
        let notes = ignored_options(&request, &*sdwebui, (640, 480));
        assert!(notes[0].contains("0 was used instead of 4294967296") && notes[1].contains("1000x496"), "{notes:?}");
    }
}
