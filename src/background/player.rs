//! Plays moving backgrounds: decoded ahead on a separate thread and shown by the clock, without waiting.
//!
//! The thread decodes a few frames ahead and then sleeps until one is taken, so nothing is decoded while no frame is
//! shown. Frames are recycled, and the lock is held only to move pointers.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{BackgroundError, Grade, Options, grade::Grader};
use crate::{
    error::Failure,
    frame::{Frame, Pool},
    process::backoff::Backoff,
};

/// The name of the player's thread.
pub(crate) const THREAD_NAME: &str = "bgcam-play";

/// The number of frames decoded ahead.
const AHEAD: usize = 4;

/// Those, the shown frame, two held by the render thread during a change of scenes, and one being filled.
const BUFFERS: usize = AHEAD + 4;

/// How far the clock catches up after a late call of [`Player::play`], and how far it runs ahead of a late decoder. A
/// short delay is caught up; a longer gap, such as a paused scene or a clip being reopened, is not.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);

/// The timeout for the first frame: less than the service's start timeout.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(15);

/// The timeout when a frame of a file is waited for.
const FRAME_TIMEOUT: Duration = Duration::from_secs(20);

/// The delays before a failed clip is reopened.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Decodes an endless sequence of frames.
pub(super) trait ClipDecoder {
    /// Writes the next frame to `into` and returns how long it is shown.
    ///
    /// # Errors
    /// If decoding cannot continue; the clip is then reopened.
    fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError>;
}

/// Opens a decoder, on the player's thread. Setting the flag aborts its waits.
pub(super) type Open = Box<dyn FnMut(&Arc<AtomicBool>) -> Result<Box<dyn ClipDecoder>, BackgroundError> + Send>;

/// A moving background. Dropping it ends the thread and closes its files and processes, without waiting.
pub struct Player {
    ring: Arc<Ring>,
}

struct Ring {
    state: Mutex<State>,
    /// Signals that a frame was taken or added, or the end.
    changed: Condvar,
    stop: Arc<AtomicBool>,
}

struct State {
    shown: Arc<Frame>,
    /// The upcoming frames, with their start times.
    ready: VecDeque<(Duration, Arc<Frame>)>,
    /// The end of the decoded frames.
    decoded: Duration,
    position: Duration,
    last_play: Option<Instant>,
    /// The decoder has failed and is not open again yet.
    failing: bool,
    /// The adjustment of frames from now on.
    grade: Grade,
}

impl Player {
    /// Starts playing, and waits for the first frame.
    pub(super) fn start(options: &Options, open: Open) -> Result<Self, BackgroundError> {
        let state = State {
            shown: Arc::new(Frame::new(options.size)),
            ready: VecDeque::with_capacity(AHEAD),
            decoded: Duration::ZERO,
            position: Duration::ZERO,
            last_play: None,
            failing: false,
            grade: options.grade,
        };
        let ring = Arc::new(Ring { state: Mutex::new(state), changed: Condvar::new(), stop: Arc::default() });
        let player = Self { ring: Arc::clone(&ring) }; // ends the thread on an early return
        let (first_result, first) = sync_channel(1);
        let options = options.clone();
        let thread = thread::Builder::new().name(THREAD_NAME.to_owned());
        let spawned = thread.spawn(move || run(&ring, &options, open, &first_result));
        spawned.map_err(BackgroundError::Thread)?;
        match first.recv_timeout(FIRST_FRAME_TIMEOUT) {
            Ok(result) => result?,
            Err(RecvTimeoutError::Timeout) => return Err(BackgroundError::Timeout { waited: FIRST_FRAME_TIMEOUT }),
            Err(RecvTimeoutError::Disconnected) => return Err(BackgroundError::Broken),
        }
        player.go_to(player.ring.lock(), Duration::ZERO);
        Ok(player)
    }

    /// Advances towards the frame of `now`, up to the last decoded one. Never waits, and allocates nothing.
    pub fn play(&self, now: Instant) {
        let mut state = self.ring.lock();
        let before = state.last_play.replace(now).unwrap_or(now);
        let step = now.saturating_duration_since(before).min(MAX_CATCH_UP);
        let wanted = (state.position + step).min(state.decoded + MAX_CATCH_UP);
        self.go_to(state, wanted);
    }

    /// Advances to the frame at `position` from the first, and waits until it is decoded; for files, whose output must
    /// not depend on decoding speed. Never goes back.
    pub fn seek(&self, position: Duration) {
        let deadline = Instant::now() + FRAME_TIMEOUT;
        let mut state = self.ring.lock();
        while state.decoded <= position && !state.failing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.position = state.position.max(position);
            if state.take_due() {
                self.ring.changed.notify_all();
            }
            state = self.ring.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.go_to(state, position);
    }

    fn go_to(&self, mut state: MutexGuard<'_, State>, position: Duration) {
        state.position = state.position.max(position);
        if state.take_due() {
            drop(state);
            self.ring.changed.notify_all();
        }
    }

    /// Adjusts upcoming frames, without restarting; decoded frames do not change.
    pub fn set_grade(&self, grade: Grade) {
        self.ring.lock().grade = grade;
    }

    /// The frame of the last [`Player::play`] or [`Player::seek`].
    pub fn frame(&self) -> Arc<Frame> {
        Arc::clone(&self.ring.lock().shown)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.ring.stop.store(true, Ordering::Relaxed);
        // a thread that has read the old flag keeps the lock until it waits, so it is notified
        drop(self.ring.lock());
        self.ring.changed.notify_all();
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("position", &self.ring.lock().position).finish_non_exhaustive()
    }
}

impl Ring {
    // nothing done under this lock can panic, so the state is always consistent
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until a frame is needed, and returns its adjustment; `None` at the end.
    fn wait_for_demand(&self) -> Option<Grade> {
        let mut state = self.lock();
        while state.ready.len() >= AHEAD && !self.is_stopped() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (!self.is_stopped()).then_some(state.grade)
    }

    fn wait(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while !self.is_stopped() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn push(&self, frame: Arc<Frame>, duration: Duration) {
        let mut state = self.lock();
        let at = state.decoded;
        state.ready.push_back((at, frame));
        // a frame with zero duration would make a clip loop forever without progress
        state.decoded = at + duration.max(Duration::from_millis(1));
        state.failing = false;
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    /// Shows the frame at the position; true if it differs from the last one.
    fn take_due(&mut self) -> bool {
        let due = due(self.ready.iter().map(|(at, _)| *at), self.position);
        if let Some((_, frame)) = self.ready.drain(..due).next_back() {
            self.shown = frame;
        }
        due > 0
    }
}

/// The number of frames with these increasing start times that have started at `position`; the last of them is shown.
fn due(begins: impl Iterator<Item = Duration>, position: Duration) -> usize {
    begins.take_while(|at| *at <= position).count()
}

/// The thread: opens the decoder, and reopens it until the player is dropped; but if it never worked, reports the
/// error.
fn run(ring: &Ring, options: &Options, mut open: Open, first_result: &SyncSender<Result<(), BackgroundError>>) {
    let mut pool = Pool::new(BUFFERS, || Frame::new(options.size));
    let mut grader = Grader::new(options.grade, options.size);
    let mut backoff = RETRY;
    let mut has_started = false;
    while !ring.is_stopped() {
        let mut played = 0u64;
        let result = open(&ring.stop).and_then(|mut decoder| {
            play(ring, decoder.as_mut(), &mut grader, &mut pool, || {
                if !std::mem::replace(&mut has_started, true) {
                    let _ = first_result.try_send(Ok(()));
                }
                played += 1;
            })
        });
        let Err(error) = result else { return };
        if ring.is_stopped() {
            return;
        }
        if !has_started {
            let _ = first_result.try_send(Err(error));
            return;
        }
        let is_first_failure = !std::mem::replace(&mut ring.lock().failing, true);
        ring.changed.notify_all();
        if played > BUFFERS as u64 {
            backoff.reset();
        }
        if is_first_failure && backoff.failures() == 0 {
            let failure = Failure::from(error);
            tracing::warn!(hint = failure.hint, "{failure}; keeping its last frame and retrying");
        }
        ring.wait(backoff.next_delay());
    }
}

/// Plays until the player is dropped, or an error occurs.
fn play(
    ring: &Ring,
    decoder: &mut dyn ClipDecoder,
    grader: &mut Grader,
    pool: &mut Pool<Frame>,
    mut on_frame: impl FnMut(),
) -> Result<(), BackgroundError> {
    while let Some(grade) = ring.wait_for_demand() {
        grader.change(grade);
        let mut duration = Duration::ZERO;
        let filled = pool.fill(|frame| {
            duration = decoder.next(frame)?;
            grader.apply(frame);
            Ok::<_, BackgroundError>(())
        })?;
        match filled {
            Some(frame) => {
                ring.push(frame, duration);
                on_frame();
            }
            // the render thread holds all buffers, and returns one within a frame time
            None => ring.wait(Duration::from_millis(5)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Size, Yuv};

    const STEP: Duration = Duration::from_millis(40);

    fn options() -> Options {
        Options::new(Size::new(16, 16).unwrap())
    }

    /// Frames with increasing luma, 40 ms each; every `breaks`th fails.
    struct Counting {
        made: Arc<AtomicU64>,
        breaks: u64,
    }

    impl ClipDecoder for Counting {
        fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError> {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            if number % self.breaks == self.breaks - 1 {
                return Err(BackgroundError::Broken);
            }
            into.fill(Yuv { y: number as u8, u: 128, v: 128 });
            Ok(STEP)
        }
    }

    fn counting(breaks: u64) -> (Player, Arc<AtomicU64>) {
        let made = Arc::new(AtomicU64::new(0));
        let open = {
            let made = Arc::clone(&made);
            move |_: &Arc<AtomicBool>| Ok(Box::new(Counting { made: Arc::clone(&made), breaks }) as Box<dyn ClipDecoder>)
        };
        (Player::start(&options(), Box::new(open)).unwrap(), made)
    }

    fn shows(player: &Player) -> u8 {
        player.frame().planes().0[0]
    }

    #[test]
    fn seeking_gives_the_frame_of_the_position() {
        let (player, _) = counting(u64::MAX);
        for number in [0, 1, 2, 7, 30, 200] {
            player.seek(STEP * number + STEP / 2);
            assert_eq!(shows(&player), number as u8);
        }
        player.seek(STEP);
        assert_eq!(shows(&player), 200, "never goes back");
    }

    #[test]
    fn nothing_is_decoded_and_the_clock_stops_while_no_frame_is_shown() {
        let (player, made) = counting(u64::MAX);
        let start = Instant::now();
        player.play(start);
        player.seek(Duration::ZERO);
        while made.load(Ordering::SeqCst) < AHEAD as u64 + 1 {
            thread::yield_now();
        }
        player.play(start + Duration::from_secs(3600));
        assert!(player.ring.lock().position <= MAX_CATCH_UP, "the clock caught up an hour");
        // it decodes as many frames as were taken
        player.seek(MAX_CATCH_UP);
        assert_eq!(u128::from(shows(&player)), MAX_CATCH_UP.as_millis() / STEP.as_millis());
        assert!(made.load(Ordering::SeqCst) <= u64::from(shows(&player)) + AHEAD as u64 + 2);
    }

    #[test]
    fn a_late_decoder_repeats_the_last_frame_without_a_wait() {
        let (asked, answer) = sync_channel::<()>(0);
        struct Slow(std::sync::mpsc::Receiver<()>, u8);
        impl ClipDecoder for Slow {
            fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError> {
                if self.1 > 0 {
                    self.0.recv().map_err(|_| BackgroundError::Broken)?;
                }
                into.fill(Yuv { y: self.1, u: 128, v: 128 });
                self.1 += 1;
                Ok(STEP)
            }
        }
        let mut answer = Some(answer);
        let open = move |_: &Arc<AtomicBool>| {
            let answer = answer.take().ok_or(BackgroundError::Broken)?;
            Ok(Box::new(Slow(answer, 0)) as Box<dyn ClipDecoder>)
        };
        let player = Player::start(&options(), Box::new(open)).unwrap();
        let start = Instant::now();
        for tick in 0..100 {
            player.play(start + STEP * tick);
        }
        assert_eq!(shows(&player), 0);
        assert!(player.ring.lock().position <= STEP + MAX_CATCH_UP);
        asked.send(()).unwrap();
        player.seek(STEP);
        assert_eq!(shows(&player), 1);
    }

    #[test]
    fn the_last_frame_stays_while_a_clip_fails_and_it_continues_after() {
        let (player, _) = counting(4); // 0 1 2, then 4 5 6
        player.seek(STEP * 2);
        assert_eq!(shows(&player), 2);
        player.seek(STEP * 3); // fails here, and is reopened half a second later
        assert!(shows(&player) == 2 || shows(&player) == 4, "{}", shows(&player));
        while player.ring.lock().failing {
            thread::sleep(Duration::from_millis(5));
        }
        player.seek(STEP * 3);
        assert_eq!(shows(&player), 4);
    }

    #[test]
    fn an_adjustment_takes_effect_while_playing() {
        let (player, _) = counting(u64::MAX);
        player.seek(STEP * 40);
        assert_eq!(shows(&player), 40);
        player.set_grade(Grade { brightness: 100, ..Grade::default() });
        player.seek(STEP * 40 + STEP * 2 * AHEAD as u32);
        assert_eq!(shows(&player), 235);
    }

    #[test]
    fn a_clip_that_cannot_be_opened_is_an_error_and_so_is_a_panicking_decoder() {
        let error = Player::start(&options(), Box::new(|_| Err(BackgroundError::Broken))).unwrap_err();
        assert!(matches!(error, BackgroundError::Broken));
        struct Panicking;
        impl ClipDecoder for Panicking {
            fn next(&mut self, _: &mut Frame) -> Result<Duration, BackgroundError> {
                std::panic::resume_unwind(Box::new("a bug in a decoder"))
            }
        }
        let error =
            Player::start(&options(), Box::new(|_| Ok(Box::new(Panicking) as Box<dyn ClipDecoder>))).unwrap_err();
        assert!(matches!(error, BackgroundError::Broken));
    }

    #[test]
    fn its_thread_ends_with_it() {
        let (player, made) = counting(u64::MAX);
        let ring = Arc::downgrade(&player.ring);
        drop(player);
        while ring.strong_count() > 0 {
            thread::yield_now();
        }
        assert_eq!(Arc::strong_count(&made), 1);
    }

    proptest! {
        #[test]
        fn the_frame_at_a_position_is_the_last_that_has_started(
            duration in proptest::collection::vec(1..300u64, 1..20),
            position in 0..6000u64,
        ) {
            let mut begins = Vec::new();
            let mut at = 0;
            for time in duration {
                begins.push(Duration::from_millis(at));
                at += time;
            }
            let position = Duration::from_millis(position);
            let count = due(begins.iter().copied(), position);
            prop_assert!(count >= 1 && begins[count - 1] <= position);
            prop_assert!(begins.get(count).is_none_or(|next| *next > position));
        }
    }
}
