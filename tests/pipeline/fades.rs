//! Crossfades between backgrounds.

use super::*;

/// The luma of the background in each frame, oldest first.
fn luma_of(memory: &Memory) -> Vec<u8> {
    // on the right, where there is no person
    memory.frames().iter().map(|frame| frame.planes().0[SIZE.width() * 400 + 1200]).collect()
}

#[test]
fn a_background_fades_into_the_next_and_is_shown_once_complete() {
    let _alone = alone();
    let fade = Duration::from_millis(400);
    let (pipeline, memory) = start_fakes("2", Scene { fade, ..scene("#000") }, 200);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    pipeline.publish(Scene { version: 2, fade, ..scene("#fff") });
    wait_for("the fade is over", || pipeline.shown() == 2);
    let lumas = luma_of(&memory);
    assert!(lumas.last().is_some_and(|luma| *luma == 235), "{lumas:?}");
    let fading: Vec<u8> = lumas.iter().copied().filter(|luma| (20..230).contains(luma)).collect();
    assert!(fading.len() >= 3 && fading.is_sorted(), "{fading:?}");
    // the person stays throughout
    let frames = memory.frames();
    assert!(frames.iter().rev().take(10).all(|frame| frame.planes().0[SIZE.width() * 400 + 80] == ROOM.y));
}

#[test]
fn an_interrupted_fade_continues_without_a_jump() {
    let _alone = alone();
    let fade = Duration::from_millis(800);
    let (pipeline, memory) = start_fakes("2", Scene { fade, ..scene("#000") }, 300);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    let middle = |low, high| move |lumas: Vec<u8>| lumas.last().is_some_and(|luma| (low..high).contains(luma));
    pipeline.publish(Scene { version: 2, fade, ..scene("#fff") });
    wait_for("the fade is half done", || middle(100, 230)(luma_of(&memory)));
    pipeline.publish(Scene { version: 3, fade, ..scene("#000") });
    wait_for("the last scene is shown", || pipeline.shown() == 3);
    let lumas = luma_of(&memory);
    let jump = lumas.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max();
    assert!(jump.is_some_and(|jump| jump < 100), "{lumas:?}");
    assert_eq!(lumas.last(), Some(&16));
}

#[test]
fn a_pause_and_the_scene_after_it_appear_without_a_fade() {
    let _alone = alone();
    let fade = Duration::from_secs(5);
    let (pipeline, memory) = start_fakes("2", Scene { fade, ..scene("off") }, 300);
    wait_for("the room is shown", || memory.last().is_some_and(|frame| share_of(&frame, ROOM) == 1.0));
    pipeline.publish(Scene { version: 2, fade, ..scene("#fff") });
    let count = memory.count();
    wait_for("the fade has started", || memory.count() > count + 5);
    pipeline.publish(Scene { version: 3, paused: true, ..scene("#fff") });
    wait_for("the card is shown", || pipeline.shown() == 3);
    assert_eq!(share_of(&memory.last().unwrap(), ROOM), 0.0);
    let count = memory.count();
    pipeline.publish(Scene { version: 4, ..scene("#fff") });
    wait_for("the scene is shown", || pipeline.shown() == 4 && memory.count() > count + 10);
    let after: Vec<f64> = memory.frames().iter().rev().take(8).map(|frame| share_of(frame, ROOM)).collect();
    assert!(after.iter().all(|share| *share <= 0.51), "{after:?}");
}

#[test]
fn the_person_stays_while_a_background_fades_into_the_plain_camera() {
    let _alone = alone();
    let fade = Duration::from_millis(600);
    let (pipeline, memory) = start_fakes("2", scene("#fff"), 100);
    wait_for("masks are computed", || pipeline.stats().masks.get() > 5);
    pipeline.publish(Scene { version: 2, fade, ..scene("off") });
    wait_for("the room is shown", || pipeline.shown() == 2);
    let frames = memory.frames();
    let left = |frame: &Frame| frame.planes().0[SIZE.width() * 400 + 80];
    let since = frames.iter().position(|frame| left(frame) == ROOM.y).unwrap();
    assert!(frames[since..].iter().all(|frame| left(frame).abs_diff(ROOM.y) <= 1), "the person disappeared");
    let masks = pipeline.stats().masks.get();
    let count = memory.count();
    wait_for("the room stays", || memory.count() > count + 10);
    assert!(pipeline.stats().masks.get() <= masks + 1, "masks are no longer needed");
}
