//! The real models.

use super::*;

/// A sink that records the share of background in each output.
#[derive(Debug, Clone, Default)]
struct Shares(Arc<Mutex<Vec<f64>>>);

impl FrameSink for Shares {
    fn name(&self) -> &str {
        "shares"
    }

    fn size(&self) -> Size {
        SIZE
    }

    fn write(&mut self, output: &Frame) -> Result<(), SinkError> {
        let luma = output.planes().0;
        let black = luma.iter().filter(|luma| **luma <= 17).count();
        self.0.lock().unwrap().push(black as f64 / luma.len() as f64);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn the_real_models_replace_each_other_without_a_flash() {
    let _alone = alone();
    let settings = mask::Settings::default();
    if let Err(error) = mask::library(&settings) {
        eprintln!("skipped: {error} (scripts/setup installs it)");
        return;
    }
    let (shares, machine) = (Shares::default(), FakeMachine(Arc::new(Mutex::new(IDLE_LAPTOP))));
    let drivers = Drivers { machine: Box::new(machine.clone()), load_interval: SECOND, ..Drivers::default() };
    // slow enough for any machine to compute a keyframe of `high` in time
    let pipeline = play(drivers, 6, settings, shares.clone());
    let more = |frames: u64| {
        let masks = pipeline.stats().masks.get();
        wait_for("masks are computed", || pipeline.stats().masks.get() > masks + frames);
    };
    let wait_for_quality = |quality| wait_for(&format!("{quality}"), || pipeline.health().quality == Some(quality));
    wait_for("a model is loaded", || pipeline.health().quality.is_some());
    if pipeline.health().quality_failure.is_some() {
        eprintln!("skipped: no keyframe model (scripts/models installs it)");
        return;
    }
    wait_for_quality(Quality::Balanced);
    more(5);
    let (first, unmasked) = (shares.0.lock().unwrap().len(), pipeline.stats().unmasked.get());
    wait_for_quality(Quality::High);
    more(10);
    *machine.0.lock().unwrap() = CpuHeadroom { on_battery: true, ..IDLE_LAPTOP };
    wait_for_quality(Quality::Balanced);
    more(10);
    assert_eq!(pipeline.stats().unmasked.get(), unmasked, "the person was hidden");
    let shares = shares.0.lock().unwrap();
    let steps: Vec<f64> = shares[first..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    assert!(steps.iter().all(|step| *step < 0.02), "{steps:?}");
}
