//! Options of a request that a provider cannot follow, reported instead of silently ignored.

use super::{
    Wish,
    provider::{Name, Negative, Provider},
};

/// What the user should know about `wish` before its picture is made: each option that has no effect with `provider`,
/// one plain line each, lower case without a full stop.
pub fn ignored_options(provider: &Provider, wish: &Wish) -> Vec<String> {
    let model = provider.model_for(wish);
    let notes = [
        model_note(provider, wish),
        negative_note(provider, &model, wish),
        seed_note(provider, &model, wish),
        size_note(provider, &model, wish),
    ];
    notes.into_iter().flatten().collect()
}

fn model_note(provider: &Provider, wish: &Wish) -> Option<String> {
    let model = wish.model.as_ref().filter(|_| !provider.has_models())?;
    Some(format!("{} has no models to choose from, so model {model:?} was ignored", title(provider)))
}

fn negative_note(provider: &Provider, model: &str, wish: &Wish) -> Option<String> {
    let negative = wish.negative.as_deref().map(str::trim).filter(|negative| !negative.is_empty())?;
    if provider.negative(model) != Negative::Never {
        return None;
    }
    let lacks = lacks(provider, model, "negative prompt", "%negative%");
    Some(format!("{lacks}, so {negative:?} was ignored"))
}

fn seed_note(provider: &Provider, model: &str, wish: &Wish) -> Option<String> {
    let seed = wish.seed?;
    if !provider.takes_seed(model) {
        return Some(format!("{}, so seed {seed} was ignored", lacks(provider, model, "seed", "%seed%")));
    }
    let used = seed as u32;
    (u64::from(used) != seed).then(|| format!("seeds have 32 bits, so {used} was used instead of {seed}"))
}

fn size_note(provider: &Provider, model: &str, wish: &Wish) -> Option<String> {
    let asked = wish.asked_size()?;
    let text = |size: (u32, u32)| format!("{}x{}", size.0, size.1);
    if !provider.takes_size() {
        let lacks = lacks(provider, model, "size", "%width% and %height%");
        return Some(format!("{lacks}, so size {} was ignored", text(asked)));
    }
    let used = provider.size_for(model, wish);
    (used != asked).then(|| {
        let (who, asked, used) = (title(provider), text(asked), text(used));
        format!("{who} cannot make pictures of {asked}, so the nearest size was used: {used}")
    })
}

fn title(provider: &Provider) -> String {
    match provider.name() {
        Name::Builtin => "the built-in painter".to_owned(),
        name => format!("provider {name}"),
    }
}

/// That there is no place for an option: in a workflow one of `%...%`.
fn lacks(provider: &Provider, model: &str, what: &str, place: &str) -> String {
    match provider.name() {
        Name::ComfyUi => format!("the workflow has no {place}"),
        Name::OpenAi => format!("model {model:?} takes no {what}"),
        _ => format!("{} takes no {what}", title(provider)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::settings::PromptSettings;

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
        settings
    }

    fn wish() -> Wish {
        Wish {
            words: "beach".to_owned(),
            model: Some("other".to_owned()),
            negative: Some("people".to_owned()),
            seed: Some(7),
            size: (640, 480),
            size_is_asked: true,
            ..Wish::default()
        }
    }

    /// Which of model, negative prompt, seed and size have no effect: as the table in docs/genai.md has it.
    #[test]
    fn every_provider_owns_up_to_what_it_ignores() {
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
            ("command", &["model \"other\""]),
        ] {
            let provider = Provider::open(name, &settings).unwrap();
            let notes = ignored_options(&provider, &wish());
            assert_eq!(notes.len(), ignored.len(), "{name}: {notes:?}");
            for (note, part) in notes.iter().zip(ignored) {
                assert!(note.contains(part) && !note.ends_with('.'), "{name}: {note}");
            }
            let plain = Wish { words: "beach".to_owned(), size: (640, 480), ..Wish::default() };
            assert_eq!(ignored_options(&provider, &plain), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn some_models_and_workflows_take_more() {
        let folder = tempfile::tempdir().unwrap();
        let workflow =
            r#"{"1": {"inputs": {"text": "%prompt% %negative%", "seed": "%seed%", "size": ["%width%", "%height%"]}}}"#;
        let settings = settings(folder.path(), workflow);
        let comfyui = Provider::open("comfyui", &settings).unwrap();
        let wish = Wish { model: None, ..wish() };
        assert_eq!(ignored_options(&comfyui, &wish), Vec::<String>::new());
        let openai = Provider::open("openai", &settings).unwrap();
        let gpt = Wish { model: Some("gpt-image-1".to_owned()), ..wish.clone() };
        let notes = ignored_options(&openai, &gpt);
        assert!(notes[0].contains("\"gpt-image-1\" takes no seed") && notes[1].contains("1536x1024"), "{notes:?}");
        let sdwebui = Provider::open("sdwebui", &settings).unwrap();
        let notes = ignored_options(&sdwebui, &Wish { seed: Some(1 << 32), size: (1000, 499), ..wish });
        assert!(notes[0].contains("0 was used instead of 4294967296") && notes[1].contains("1000x496"), "{notes:?}");
    }
}
