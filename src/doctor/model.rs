//! Checks of ONNX Runtime and the segmentation models.

use super::{Facts, Finding, Level};
use crate::mask::{self, Quality};

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let settings = &facts.config.mask;
    let models = mask::list(settings);
    let found = |name: &str| models.iter().find(|model| model.spec.name == name).map(|model| &model.found);
    let mut findings = vec![runtime(facts), model(&settings.model, found(&settings.model))];
    if settings.quality != Quality::Eco && settings.model != mask::KEYFRAME_MODEL {
        findings.extend(found(mask::KEYFRAME_MODEL).map(|found| better(settings.quality, found)));
    }
    findings
}

fn runtime(facts: &Facts<'_>) -> Finding {
    const CHECK: &str = "onnx-runtime";
    match facts.system.probe().onnx_runtime(&facts.config.mask) {
        Ok(library) => {
            let version = library.version.unwrap_or_else(|| "(unknown version)".to_owned());
            Finding::ok(CHECK, format!("ONNX Runtime {version} is installed ({})", library.path.display()))
        }
        Err(failure) => Finding::of(CHECK, Level::Fail, &failure).blocks(),
    }
}

type Found = Result<mask::ModelLocation, crate::error::Failure>;

fn model(name: &str, found: Option<&Found>) -> Finding {
    const CHECK: &str = "model";
    match found {
        Some(Ok(location)) => Finding::ok(CHECK, format!("model {name:?} found ({location})")),
        Some(Err(failure)) => Finding::of(CHECK, Level::Fail, failure).blocks(),
        // the settings are invalid, which their own check reports
        None => Finding::ok(CHECK, "not checked, because the settings are invalid"),
    }
}

fn better(quality: Quality, found: &Found) -> Finding {
    const CHECK: &str = "better-model";
    match found {
        Ok(location) => Finding::ok(CHECK, format!("model for finer edges found ({location})")),
        Err(failure) => {
            let text = format!("edges of hair and hands are coarser than quality {quality} allows: {failure}");
            let hint = failure.hint.clone().unwrap_or_default();
            match hint.strip_prefix("run ") {
                Some(command) => Finding::warn(CHECK, text).fix(command, "installs the model for finer edges"),
                None => Finding::warn(CHECK, text).advice(hint),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        doctor::tests::{finding, report},
        error::{Failure, Kind},
        system::fake::{FakeMachine, missing},
    };

    #[test]
    fn bgcam_cannot_run_without_the_runtime() {
        assert!(finding(&FakeMachine::new(), "onnx-runtime").text.starts_with("ONNX Runtime 1.31.1 is installed"));
        let machine = FakeMachine::new().fake(|fake| fake.onnx_runtime = Err(missing("ONNX Runtime not found")));
        let found = finding(&machine, "onnx-runtime");
        assert!(found.level == Level::Fail && found.blocks && !report(&machine).can_run);
        assert_eq!(found.fix.unwrap().text, "scripts/setup");
    }

    #[test]
    fn the_configured_model_must_exist() {
        assert!(finding(&FakeMachine::new(), "model").text.contains("built in"));
        let own = "[mask]\nmodel = \"own\"\n[[mask.custom]]\nname = \"own\"\nfile = \"/no/such.onnx\"\nlayout = \"nchw\"\n\
                   width = 256\nheight = 144\nrange = \"0..1\"\noutput = \"alpha\"\n";
        let found = finding(&FakeMachine::new().with("/etc/bgcam/bgcam.toml", own), "model");
        assert!(found.level == Level::Fail && found.blocks && found.text.contains("/no/such.onnx"), "{found:?}");
    }

    #[test]
    fn a_missing_keyframe_model_is_a_warning() {
        let none = Failure::new(Kind::NotFound, "model \"multiclass\": no file").hint("run scripts/models multiclass");
        let found = better(Quality::Balanced, &Err(none));
        assert!(found.level == Level::Warn && found.text.contains("quality balanced"));
        assert_eq!(found.fix.unwrap().command.unwrap(), "scripts/models multiclass");
        assert_eq!(better(Quality::High, &Ok(mask::ModelLocation::BuiltIn)).level, Level::Ok);
        let eco = FakeMachine::new().with("/etc/bgcam/bgcam.toml", "[mask]\nquality = \"eco\"\n");
        assert!(report(&eco).findings().all(|finding| finding.check != "better-model"));
    }
}
