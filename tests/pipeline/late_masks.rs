//! Slow, late and failing models, and suspends.

use super::*;

#[test]
fn a_webcams_early_timestamps_do_not_make_masks_late() {
    let _alone = alone();
    let (pipeline, _memory) = start_fakes("2", scene("#20a040"), 1);
    let stats = pipeline.stats();
    wait_for("masks are computed", || stats.masks.get() > 60);
    let (late, composed) = (stats.late_masks.get(), stats.composed.get());
    assert!(late * 4 < composed, "{late} of {composed} frames had an older mask");
}

#[test]
fn a_slow_model_slows_the_output_and_never_masks_a_frame_that_is_not_its_own() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("150", scene("#20a040"), 200);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 8);
    let unmasked = pipeline.stats().unmasked.get();
    wait_for("more masks are computed", || pipeline.stats().masks.get() > 16);
    assert_eq!(pipeline.stats().unmasked.get(), unmasked, "the person was hidden although there were masks");
    drop(pipeline);
    let shares: Vec<f64> = memory.frames().iter().rev().take(20).map(|frame| share_of(frame, ROOM)).collect();
    assert!(shares.iter().all(|share| (share - 0.5).abs() < 0.01), "{shares:?}");
}

#[test]
fn masks_continue_while_another_model_is_loaded() {
    let _alone = alone();
    let (pipeline, _memory) = start_with_model(slow_to_open, "2", scene("#20a040"), 1);
    let stats = pipeline.stats();
    wait_for("masks are computed", || stats.masks.get() > 20);
    let (late, unmasked, composed) = (stats.late_masks.get(), stats.unmasked.get(), stats.composed.get());
    let settings = |quality| mask::Settings { model: "2".to_owned(), quality, ..mask::Settings::default() };
    pipeline.set_mask(settings(Quality::High));
    wait_for("the other quality is in effect", || pipeline.health().quality == Some(Quality::High));
    let (late, composed) = (stats.late_masks.get() - late, stats.composed.get() - composed);
    assert!(composed > 40 && late * 4 < composed, "{late} of {composed} frames had an older mask");
    assert_eq!(stats.unmasked.get(), unmasked);
}

#[test]
fn a_model_that_cannot_be_loaded_is_reported_and_the_built_in_one_continues() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("2", scene("#20a040"), 1);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 20);
    pipeline.set_mask(mask::Settings { model: "broken".to_owned(), ..mask::Settings::default() });
    wait_for("the failure is reported", || pipeline.health().quality_failure.is_some());
    let health = pipeline.health();
    assert_eq!((health.model.as_deref(), health.mask_failure), (Some(BUILT_IN), None));
    let masks = pipeline.stats().masks.get();
    wait_for("masks are computed", || pipeline.stats().masks.get() > masks + 20);
    assert!((share_of(&memory.last().unwrap(), ROOM) - 0.5).abs() < 0.01);
    pipeline.set_mask(mask::Settings { model: "3".to_owned(), ..mask::Settings::default() });
    wait_for("the next model replaces it", || pipeline.health().model.as_deref() == Some("3"));
    assert_eq!(pipeline.health().quality_failure, None);
}

#[test]
fn a_far_too_slow_model_ends_in_a_card_and_not_in_the_room() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("60000", scene("#20a040"), 300);
    let green = Yuv::from_rgb(0x20, 0xa0, 0x40);
    wait_for("the background is shown alone", || memory.last().is_some_and(|frame| share_of(&frame, green) == 1.0));
    wait_for("a card replaces it", || memory.last().is_some_and(|frame| share_of(&frame, green) < 0.5));
    assert!(memory.frames().iter().all(|frame| share_of(frame, ROOM) == 0.0));
    std::mem::forget(pipeline); // its model sleeps for a minute
}

#[test]
fn the_plain_camera_continues_without_a_mask_for_lighting() {
    let _alone = alone();
    let look = Look { low_light: 50, ..Look::neutral() };
    let (pipeline, memory) = start_fakes("4000", Scene { look, ..scene("off") }, 300);
    // longer than a background may lack its person before a card reports it
    wait_for("frames are shown for a while", || pipeline.stats().composed.get() > 110);
    assert!(memory.frames().iter().skip(30).all(|frame| share_of(frame, ROOM) > 0.9), "no card instead of them");
}

#[test]
fn after_the_change_from_the_plain_camera_to_a_colour_no_frame_shows_the_room() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("2", scene("off"), 40);
    wait_for("the room is shown", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    for round in 2..8 {
        pipeline.publish(Scene { version: 2 * round, ..scene("#20a040") });
        let count = memory.count();
        // one frame may have been in progress
        wait_for("the colour is shown", || memory.count() > count + 6);
        let frames = memory.frames();
        let after: Vec<f64> = frames.iter().rev().take(5).map(|frame| share_of(frame, ROOM)).collect();
        assert!(after.iter().all(|share| *share <= 0.5), "round {round}: {after:?}");
        pipeline.publish(Scene { version: 2 * round + 1, ..scene("off") });
        wait_for("the room is shown again", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    }
}

#[test]
fn a_missing_model_is_reported() {
    let _alone = alone();
    let (pipeline, memory) = start("demo", no_model(), scene("#20a040"), 1);
    wait_for("the reason is reported", || pipeline.health().mask_failure.is_some());
    assert!(memory.wait_for(5, TIMEOUT), "frames are shown anyway");
}

#[test]
fn the_built_in_model_replaces_one_that_fails() {
    let _alone = alone();
    let (pipeline, memory) = start_fakes("broken", scene("#20a040"), 300);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    let health = pipeline.health();
    assert_eq!((health.model.as_deref(), health.mask_failure), (Some(BUILT_IN), None));
    assert!(health.quality_failure.unwrap().message.contains("broken"), "the reason is reported");
    let chosen = mask::Settings { model: "3".to_owned(), ..mask::Settings::default() };
    pipeline.set_mask(chosen);
    wait_for("another model is loaded", || pipeline.health().model.as_deref() == Some("3"));
    assert_eq!(pipeline.health().quality_failure, None);
    assert!(memory.frames().iter().all(|frame| share_of(frame, ROOM) <= 0.51));
}

#[test]
fn after_a_suspend_no_older_frame_is_shown() {
    let _alone = alone();
    let (pipeline, memory) = start_before_suspend(gone_after_suspend);
    wait_for("the room is shown", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    SUSPENDED.store(3600, Ordering::Relaxed);
    let count = memory.count();
    wait_for("frames are shown", || memory.count() > count + 5);
    // one may have been in progress
    let after = (memory.count() - count - 1) as usize;
    let frames = memory.frames();
    let shares: Vec<f64> = frames.iter().rev().take(after).map(|frame| share_of(frame, ROOM)).collect();
    assert!(shares.iter().all(|share| *share == 0.0), "{shares:?}");
    drop(pipeline);
}

#[test]
fn a_camera_that_is_slow_to_resume_stays_open() {
    let _alone = alone();
    let (pipeline, _memory) = start_before_suspend(slow_resume);
    wait_for("frames arrive after the suspend", || pipeline.stats().captured.get() > 15);
    assert_eq!(pipeline.stats().camera_opens.get(), 1);
}
