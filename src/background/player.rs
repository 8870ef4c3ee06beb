//! Plays what moves behind the person: decoded ahead on a thread of its own, taken by the clock, never waited for.
//!
//! The thread fills a few frames ahead and then sleeps until one is taken: while nobody looks, nothing is decoded. Frames
//! are made once and used again; the lock is held for moving pointers only.

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

/// The name of the thread that plays.
pub(crate) const THREAD_NAME: &str = "bgcam-play";

/// Frames that are decoded ahead.
const AHEAD: usize = 4;

/// Beside those: the shown one, two in the hands of the render thread while scenes change, and the one being filled.
const BUFFERS: usize = AHEAD + 4;

/// How far the clock runs on over a look that comes late, and ahead of a decoder that does: a hiccup is caught up, what
/// lasts longer (a paused scene, a clip being opened again) is not.
const MAX_CATCH_UP: Duration = Duration::from_millis(500);

/// How long the first frame may take: less than the service is given to start.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a file is given when a frame is waited for.
const FRAME_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait before a clip that failed is opened again: doubles from the first to the longest.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// What a player plays: pictures one after another, for ever.
pub(super) trait ClipDecoder {
    /// Writes the next picture to `into` and tells how long it stands.
    ///
    /// # Errors
    /// When it can't go on; then it is opened anew.
    fn next(&mut self, into: &mut Frame) -> Result<Duration, BackgroundError>;
}

/// Opens a reel, on the thread that plays it; whoever waits in it stops when the flag is set.
pub(super) type Open = Box<dyn FnMut(&Arc<AtomicBool>) -> Result<Box<dyn ClipDecoder>, BackgroundError> + Send>;

/// A background that moves. Dropping it ends the thread and what it has opened, without waiting for that.
pub struct Player {
    ring: Arc<Ring>,
}

struct Ring {
    state: Mutex<State>,
    /// A frame was taken or came, or the end.
    changed: Condvar,
    stop: Arc<AtomicBool>,
}

struct State {
    shown: Arc<Frame>,
    /// Frames to come, with the time from which they are shown.
    ready: VecDeque<(Duration, Arc<Frame>)>,
    /// Up to when there are frames.
    decoded: Duration,
    position: Duration,
    last_play: Option<Instant>,
    /// The reel could not go on and is not open again yet.
    failing: bool,
    /// What is done to frames from now on.
    grade: Grade,
}

impl Player {
    /// Starts playing and waits until the first frame is there.
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
        let player = Self { ring: Arc::clone(&ring) }; // ends the thread when we return early
        let (first_result, first) = sync_channel(1);
        let options = options.clone();
        let thread = thread::Builder::new().name(THREAD_NAME.to_owned());
        let spawned = thread.spawn(move || run(&ring, &options, open, &first_result));
        spawned.map_err(BackgroundError::Thread)?;
        match first.recv_timeout(FIRST_FRAME_TIMEOUT) {
            Ok(result) => result?,
            Err(RecvTimeoutError::Timeout) => return Err(BackgroundError::Late { waited: FIRST_FRAME_TIMEOUT }),
            Err(RecvTimeoutError::Disconnected) => return Err(BackgroundError::Broken),
        }
        player.go_to(player.ring.lock(), Duration::ZERO);
        Ok(player)
    }

    /// Goes on to the frame of `now`, or as far as there are frames. Never waits, allocates nothing.
    pub fn play(&self, now: Instant) {
        let mut state = self.ring.lock();
        let before = state.last_play.replace(now).unwrap_or(now);
        let step = now.saturating_duration_since(before).min(MAX_CATCH_UP);
        let wanted = (state.position + step).min(state.decoded + MAX_CATCH_UP);
        self.go_to(state, wanted);
    }

    /// Goes on to the frame that is due at `position`, counted from the first, and waits until it is decoded: for files,
    /// whose pictures do not depend on how fast they are made. Never goes back.
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

    /// Treats the pictures to come in another way, without starting anew; those that are decoded already stay as they are.
    pub fn set_grade(&self, grade: Grade) {
        self.ring.lock().grade = grade;
    }

    /// The frame of the last [`Player::play`] or [`Player::seek`].
    pub fn picture(&self) -> Arc<Frame> {
        Arc::clone(&self.ring.lock().shown)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.ring.stop.store(true, Ordering::Relaxed);
        drop(self.ring.lock()); // whoever last_play at the flag before is waiting now
        self.ring.changed.notify_all();
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player").field("position", &self.ring.lock().position).finish_non_exhaustive()
    }
}

impl Ring {
    // Nothing in this lock is left half-changed: what is done under it can't panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until a frame is wanted, and tells how it is to be treated; `None` at the end.
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
        // a picture without a time would turn the clip round for ever
        state.decoded = at + duration.max(Duration::from_millis(1));
        state.failing = false;
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    /// Shows the frame of the position; true when that is another.
    fn take_due(&mut self) -> bool {
        let due = due(self.ready.iter().map(|(at, _)| *at), self.position);
        if let Some((_, frame)) = self.ready.drain(..due).next_back() {
            self.shown = frame;
        }
        due > 0
    }
}

/// How many of the frames that begin at these rising times have has_started at `position`: the last of them is shown.
fn due(begins: impl Iterator<Item = Duration>, position: Duration) -> usize {
    begins.take_while(|at| *at <= position).count()
}

/// The thread: opens the reel again and again until the player is dropped, but for the first time.
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
        let news = !std::mem::replace(&mut ring.lock().failing, true);
        ring.changed.notify_all();
        if played > BUFFERS as u64 {
            backoff.reset();
        }
        if news && backoff.failures() == 0 {
            let failure = Failure::from(error);
            tracing::warn!(hint = failure.hint, "{failure}; its last picture stays until it can be played again");
        }
        ring.wait(backoff.next_delay());
    }
}

/// Plays until the end of the player, or an error.
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
            // the render thread has all: one comes back within a frame time
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

    /// Pictures whose luma counts up, 40 ms each; every `breaks`th can't be had.
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
        player.picture().planes().0[0]
    }

    #[test]
    fn a_file_gets_the_frame_of_its_time_whatever_the_clock_says() {
        let (player, _) = counting(u64::MAX);
        for number in [0, 1, 2, 7, 30, 200] {
            player.seek(STEP * number + STEP / 2);
            assert_eq!(shows(&player), number as u8);
        }
        player.seek(STEP);
        assert_eq!(shows(&player), 200, "never back");
    }

    #[test]
    fn nothing_is_decoded_while_nobody_looks_and_the_clock_waits_too() {
        let (player, made) = counting(u64::MAX);
        let start = Instant::now();
        player.play(start);
        player.seek(Duration::ZERO);
        while made.load(Ordering::SeqCst) < AHEAD as u64 + 1 {
            thread::yield_now();
        }
        player.play(start + Duration::from_secs(3600));
        assert!(player.ring.lock().position <= MAX_CATCH_UP, "an hour was caught up");
        // it decodes what was taken, and no more
        player.seek(MAX_CATCH_UP);
        assert_eq!(u128::from(shows(&player)), MAX_CATCH_UP.as_millis() / STEP.as_millis());
        assert!(made.load(Ordering::SeqCst) <= u64::from(shows(&player)) + AHEAD as u64 + 2);
    }

    #[test]
    fn a_late_decoder_means_the_last_frame_again_and_no_wait() {
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
    fn the_last_picture_stays_while_a_reel_fails_and_it_plays_on_after() {
        let (player, _) = counting(4); // 0 1 2, then 4 5 6
        player.seek(STEP * 2);
        assert_eq!(shows(&player), 2);
        player.seek(STEP * 3); // it fails here and is opened again half a second later
        assert!(shows(&player) == 2 || shows(&player) == 4, "{}", shows(&player));
        while player.ring.lock().failing {
            thread::sleep(Duration::from_millis(5));
        }
        player.seek(STEP * 3);
        assert_eq!(shows(&player), 4);
    }

    #[test]
    fn another_treatment_takes_hold_while_it_plays() {
        let (player, _) = counting(u64::MAX);
        player.seek(STEP * 40);
        assert_eq!(shows(&player), 40);
        player.set_grade(Grade { brightness: 100, ..Grade::default() });
        player.seek(STEP * 40 + STEP * 2 * AHEAD as u32);
        assert_eq!(shows(&player), 235);
    }

    #[test]
    fn what_cannot_be_opened_is_an_error_and_so_is_a_decoder_that_dies() {
        let error = Player::start(&options(), Box::new(|_| Err(BackgroundError::Broken))).unwrap_err();
        assert!(matches!(error, BackgroundError::Broken));
        struct Dying;
        impl ClipDecoder for Dying {
            fn next(&mut self, _: &mut Frame) -> Result<Duration, BackgroundError> {
                std::panic::resume_unwind(Box::new("as a decoder's bug does"))
            }
        }
        let error = Player::start(&options(), Box::new(|_| Ok(Box::new(Dying) as Box<dyn ClipDecoder>))).unwrap_err();
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
        fn the_frame_of_a_time_is_the_last_that_has_begun(
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
