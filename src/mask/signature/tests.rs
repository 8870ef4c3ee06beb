//! Tests of models with several inputs and outputs, with the files of `tests/data/recurrent`.

use std::{path::Path, sync::Arc};

use crate::{
    error::{Failure, Recovery},
    frame::{Frame, Mask, Size, Yuv},
    mask::{
        self, MaskError, Settings,
        catalogue::{self, ModelSpec},
        onnx::{self, OnnxModel},
    },
};

const WIDTH: usize = 128;
const HEIGHT: usize = 64;

/// The specification of a file, with more lines of settings.
fn spec(file: &str, settings: &str) -> ModelSpec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recurrent").join(file).with_extension("onnx");
    let text = format!(
        "name = \"mine\"\nfile = {path:?}\nlayout = \"nchw\"\nwidth = {WIDTH}\nheight = {HEIGHT}\nrange = \"0..1\"\n\
         output = \"alpha\"\n{settings}"
    );
    toml::from_str(&text).unwrap()
}

/// Loads a model; `None` and a message if ONNX Runtime is not installed.
fn try_load(spec: &ModelSpec) -> Option<Result<OnnxModel, MaskError>> {
    let runtime = match onnx::runtime(None) {
        Ok(runtime) => runtime,
        #[expect(clippy::print_stderr, reason = "reports a skipped test")]
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let settings = Settings { models_dirs: Vec::new(), ..Settings::default() };
    let (_, bytes) = catalogue::load(spec, &settings).unwrap();
    Some(OnnxModel::load(&runtime, spec, &bytes, &settings))
}

fn load(file: &str, settings: &str) -> Option<OnnxModel> {
    try_load(&spec(file, settings)).map(Result::unwrap)
}

/// The alpha of an image of one grey, at its first pixel.
fn run(model: &mut OnnxModel, grey: f32) -> Result<f32, MaskError> {
    model.input().fill(grey);
    let mut alpha = vec![7.0; WIDTH * HEIGHT];
    model.run(&mut alpha)?;
    assert!(alpha.iter().all(|value| (value - alpha[0]).abs() < 1e-5));
    Ok(alpha[0])
}

#[track_caller]
fn assert_near(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
}

/// Checks that a file is rejected with these words in the message and in the hint.
#[track_caller]
fn rejected(file: &str, settings: &str, message: &[&str], hint: &str) {
    let Some(result) = try_load(&spec(file, settings)) else { return };
    let error = result.map(|_| ()).unwrap_err();
    assert_eq!(error.recovery(), Recovery::GiveUp);
    let failure = Failure::from(error);
    let path = format!("tests/data/recurrent/{file}.onnx: ");
    for part in message.iter().chain([&"model \"mine\": ", &&*path]) {
        assert!(failure.message.contains(part), "{failure} lacks {part:?}");
    }
    assert!(failure.hint.as_ref().unwrap().contains(hint), "{failure:?} lacks {hint:?}");
}

#[test]
fn the_state_is_passed_on_and_cleared_by_a_reset() {
    for settings in ["", "state = [[\"mean_i\", \"mean_o\"], [\"count_i\", \"count_o\"]]\nimage_input = \"image\"\n"] {
        let Some(mut model) = load("running_mean", settings) else { return };
        for (grey, mean) in [(1.0, 1.0), (0.0, 0.5), (0.5, 0.5), (1.0, 0.625), (0.625, 0.625)] {
            assert_near(run(&mut model, grey).unwrap(), mean);
        }
        for _ in 0..3 {
            model.reset();
            assert_near(run(&mut model, 0.2).unwrap(), 0.2);
            assert_near(run(&mut model, 0.4).unwrap(), 0.3);
        }
        model.reset();
        model.reset();
        assert_near(run(&mut model, 0.8).unwrap(), 0.8);
    }
}

#[test]
fn a_model_with_the_tensors_of_robust_video_matting_needs_only_its_constant() {
    for ratio in [0.5, 0.25, 1.0] {
        for names in ["", "image_input = \"src\"\nalpha_output = \"pha\"\n"] {
            let constants = format!("constants = {{ downsample_ratio = {ratio:?} }}\n{names}");
            let Some(mut model) = load("like_rvm", &constants) else { return };
            for _ in 0..2 {
                for alpha in [0.5, 0.75, 0.875, 0.9375] {
                    assert_near(run(&mut model, 1.0).unwrap(), alpha);
                }
                model.reset();
            }
        }
    }
}

#[test]
fn constants_have_the_type_of_their_input() {
    let Some(mut model) = load("constants", "constants = { gain = 0.5, offset = 0 }") else { return };
    assert_near(run(&mut model, 0.5).unwrap(), 0.25);
    let Some(mut model) = load("constants", "constants = { gain = -1, offset = 1 }") else { return };
    assert_near(run(&mut model, 0.75).unwrap(), 0.25);
    let fraction = ["input \"offset\": found the constant 0.5, expected an integer"];
    rejected("constants", "constants = { gain = 1, offset = 0.5 }", &fraction, "set offset in constants");
    let spec = spec("constants", "constants = { gain = nan, offset = 0 }");
    let error = catalogue::load(&spec, &Settings::default()).unwrap_err();
    assert_eq!(error.to_string(), "model \"mine\": constants.gain is NaN, expected a finite number");
}

#[test]
fn names_that_the_file_does_not_have_are_rejected_with_those_it_has() {
    let inputs = "expected one of \"image\", \"mean_i\", \"count_i\"";
    let outputs = "expected one of \"alpha\", \"mean_o\", \"count_o\"";
    let mean = "running_mean";
    rejected(mean, "image_input = \"src\"", &["input \"src\": found no such tensor", inputs], "correct image_input");
    rejected(mean, "alpha_output = \"pha\"", &["output \"pha\": found no", outputs], "correct alpha_output");
    rejected(mean, "state = [[\"r1i\", \"mean_o\"]]", &["input \"r1i\"", inputs], "correct state");
    rejected(mean, "state = [[\"mean_i\", \"r1o\"]]", &["output \"r1o\"", outputs], "correct state");
    rejected(mean, "constants = { ratio = 1 }", &["input \"ratio\"", inputs], "correct constants");
}

#[test]
fn an_input_without_a_role_or_with_two_is_rejected() {
    let missing = ["input \"downsample_ratio\": found Tensor<f32>(1) without a role"];
    rejected("like_rvm", "", &missing, "constants = { \"downsample_ratio\" = NUMBER }");
    let unpaired = ["input \"mean_i\": found Tensor<f32>(batch, channels, rows, columns) without a role"];
    let named = "image_input = \"image\"\nstate = [[\"count_i\", \"count_o\"]]";
    rejected("running_mean", named, &unpaired, "state = [[\"mean_i\", \"OUTPUT\"]]");
    let two = "image_input = \"image\"\nstate = [[\"image\", \"mean_o\"]]";
    rejected("running_mean", two, &["input \"image\": found it in image_input and in state"], "remove it from");
    let twice = "state = [[\"mean_i\", \"mean_o\"], [\"count_i\", \"mean_o\"]]";
    rejected("running_mean", twice, &["output \"mean_o\": found several roles"], "one role");
    let both = "alpha_output = \"mean_o\"\nstate = [[\"mean_i\", \"mean_o\"]]";
    rejected("running_mean", both, &["output \"mean_o\": found several roles"], "one role");
}

#[test]
fn an_ambiguous_image_or_alpha_is_rejected() {
    let state = "state = [[\"count_i\", \"count_o\"]]";
    let message = ["image: found inputs \"image\" and \"mean_i\" that fit", "expected one input that fits"];
    rejected("running_mean", state, &message, "image_input");
    let state = "image_input = \"src\"\nstate = [[\"r2i\", \"r2o\"], [\"r3i\", \"r3o\"], [\"r4i\", \"r4o\"], \
                 [\"r1i\", \"fgr\"]]\nconstants = { downsample_ratio = 1 }";
    let message = ["alpha: found outputs \"pha\" and \"r1o\" that fit", "expected one output that fits"];
    rejected("like_rvm", state, &message, "alpha_output");
}

#[test]
fn tensors_of_another_type_or_shape_are_rejected() {
    let ratio = "constants = { downsample_ratio = 0.5 }\n";
    let message = ["expected an output of float32 [1, 1, 64, 128]", "output \"fgr\" of Tensor<f32>(batch, 3"];
    rejected("like_rvm", &format!("{ratio}alpha_output = \"fgr\""), &message, "alpha_output");
    let message = ["expected one input of float32 [1, 3, 64, 128]", "input \"count_i\" of Tensor<f32>(1)"];
    rejected("running_mean", "image_input = \"count_i\"", &message, "image_input");
    let message = ["state \"count_i\" and \"mean_o\": found Tensor<f32>(1) and Tensor<f32>(batch", "the same shape"];
    rejected("running_mean", "state = [[\"count_i\", \"mean_o\"]]", &message, "pair each input");
    let message = ["input \"h_in\": found Tensor<f16>", "expected a float32 tensor"];
    rejected("half", "", &message, "float32 version");
    let message = ["input \"src\": found Tensor<f32>(batch, 3, height, width), expected one number"];
    rejected("like_rvm", "constants = { downsample_ratio = 1, src = 0 }", &message, "remove it from constants");
}

#[test]
fn a_state_that_is_too_large_or_changes_its_shape_is_rejected() {
    let expected = "expected at most 256 MiB of state";
    rejected("huge", "", &["state \"h_in\": found float32 [1, 1, 16384, 8192], 512 MiB", expected], "reduce width");
    rejected("expands", "", &["state \"h_in\": found float32 [1, 1, 8192, 8224], 257 MiB", expected], "reduce width");
    let message = ["state \"h_in\": found [1, 1, 3, 1] after the second frame, expected [1, 1, 2, 1]"];
    rejected("grows", "", &message, "correct the pairs in state");
}

#[test]
fn a_frame_that_fails_clears_the_state_and_the_next_one_succeeds() {
    let Some(mut model) = load("not_finite", "") else { return };
    run(&mut model, 0.1).unwrap();
    let error = run(&mut model, 0.9).unwrap_err();
    assert_eq!(error.recovery(), Recovery::SkipFrame);
    let failure = Failure::from(error);
    assert!(
        failure.message.contains("output \"h_out\" of ") && failure.message.contains("not_finite.onnx"),
        "{failure}"
    );
    assert!(failure.message.contains(" has 1 infinite or NaN values"), "{failure}");
    assert!(failure.hint.unwrap().contains("range"));
    assert_near(run(&mut model, 0.25).unwrap(), 0.25);
    let Some(mut model) = load("jumps", "") else { return };
    run(&mut model, 0.0).unwrap();
    let error = run(&mut model, 1.0).unwrap_err();
    assert_eq!(error.recovery(), Recovery::SkipFrame);
    assert!(error.to_string().contains("jumps.onnx: ") && error.to_string().contains("'h_out'"), "{error}");
    assert!(Failure::from(error).hint.unwrap().contains("state"));
    assert_near(run(&mut model, 0.1).unwrap(), 0.1);
}

/// A frame of one grey.
fn frame(seq: u64, grey: u8) -> Arc<Frame> {
    let mut frame = Frame::new(Size::HD);
    frame.fill(Yuv::from_rgb(grey, grey, grey));
    frame.seq = seq;
    Arc::new(frame)
}

#[test]
fn a_segmenter_clears_the_state_with_its_own() {
    let spec = spec("running_mean", "");
    let settings =
        Settings { model: spec.name.clone(), custom: vec![spec], edge: (0.0, 1.0), memory: 0.0, ..Settings::default() };
    let mut segmenter = match mask::open(&settings, Size::HD) {
        Ok(segmenter) => segmenter,
        Err(MaskError::NoLibrary { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let mut mask = Mask::new(Size::HD);
    let mut next = |segmenter: &mut dyn mask::Segmenter, seq, grey| {
        segmenter.segment(&frame(seq, grey), &mut mask).unwrap();
        mask.alpha().iter().map(|&alpha| f32::from(alpha)).sum::<f32>() / mask.alpha().len() as f32
    };
    for stream in 0..2 {
        assert!(next(&mut *segmenter, 4 * stream, 255) > 250.0);
        let half = next(&mut *segmenter, 4 * stream + 1, 0);
        assert!((120.0..136.0).contains(&half), "the mean of both frames: {half}");
        segmenter.reset();
    }
    assert!(next(&mut *segmenter, 9, 0) < 5.0);
}
