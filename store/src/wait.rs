//! Waiting for a key, and for room.
//!
//! Keys share 256 futex words by hash. Bit 0 says that somebody may be asleep, so that publishing makes
//! no system call when nobody is; the rest counts publications, so that none is slept through.

use crate::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::WAIT_WORDS;
use crate::names::hash_key;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::sys;
use std::time::{Duration, Instant};

/// How long a waiter spins before it sleeps: less than a sleep and wake-up would cost.
const SPIN: Duration = Duration::from_micros(2);
/// The longest sleep: after it the caller is asked whether to give up.
const SLICE: Duration = Duration::from_millis(50);

fn announce(word: &AtomicU32) {
    if word.fetch_add(2, SeqCst) & 1 != 0 {
        word.fetch_and(!1, SeqCst);
        sys::futex_wake(word);
    }
}

/// Sleeps unless the word has moved on from `seen`.
fn sleep(word: &AtomicU32, seen: u32, limit: Duration) {
    if word.load(SeqCst) | 1 == seen | 1 && word.compare_exchange(seen, seen | 1, SeqCst, SeqCst).is_ok() {
        sys::futex_wait(word, seen | 1, limit);
    }
}

impl Attachment {
    fn wait_word(&self, hash: u64) -> Option<&AtomicU32> {
        self.meta.wait_word((hash >> 32) as u32 % WAIT_WORDS).map(|line| &line.0)
    }

    /// Wakes who waits for a key with this hash.
    #[inline]
    pub(crate) fn announce(&self, hash: u64) {
        if let Some(word) = self.wait_word(hash) {
            announce(word);
        }
    }

    /// Wakes who waits for room.
    #[inline]
    pub(crate) fn announce_room(&self) {
        let word = &self.meta.header().room.0;
        if word.load(SeqCst) & 1 != 0 {
            announce(word);
        }
    }

    pub(crate) fn wake_all(&self) {
        (0..WAIT_WORDS).filter_map(|i| self.meta.wait_word(i)).for_each(|line| announce(&line.0));
        announce(&self.meta.header().room.0);
    }
}

/// Somebody who waits for room.
#[derive(Default)]
pub(crate) struct Waiting {
    /// The word of room as it was before the last attempt, and since when there is none.
    seen: Option<(u32, Instant)>,
}

impl Store {
    /// Waits until there may be room, after an attempt that found none and gave the error `full`, which it is when the
    /// time is over. The first time it only says that somebody waits, so that what was freed during the attempt is not
    /// slept through.
    pub(crate) fn wait_for_room(
        &self,
        waiting: &mut Waiting,
        full: StoreError,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<(), StoreError> {
        if interrupt() {
            return Err(StoreError::Interrupted);
        }
        let a = self.attachment();
        a.alive()?;
        let word = &a.meta.header().room.0;
        let start = match waiting.seen {
            None => Instant::now(),
            Some((seen, start)) => {
                let left = self.full_timeout().map_or(SLICE, |t| t.saturating_sub(start.elapsed()));
                if left.is_zero() {
                    return Err(full);
                }
                // What a killed process held does not announce itself: slices also look for that.
                sys::futex_wait(word, seen, left.min(SLICE));
                start
            }
        };
        waiting.seen = Some((word.fetch_or(1, SeqCst) | 1, start));
        Ok(())
    }

    /// Waits until the key leads to a snapshot newer than `after`, and holds it. `interrupt` is asked
    /// every 50 ms at the latest; true ends the wait with [`StoreError::Interrupted`].
    pub fn wait(
        &self,
        key: &str,
        after: Option<u64>,
        timeout: Option<Duration>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<Snapshot, StoreError> {
        let a = self.attachment();
        let word = a.wait_word(hash_key(key)).ok_or_else(|| a.corrupt("its wait words are missing"))?;
        let start = Instant::now();
        let newer = || {
            Ok::<Option<Snapshot>, StoreError>(self.find(key)?.filter(|s| after.is_none_or(|n| s.id() > n)))
        };
        loop {
            let seen = word.load(SeqCst);
            if let Some(s) = newer()? {
                return Ok(s);
            }
            let spin = Instant::now();
            while word.load(Relaxed) & !1 == seen & !1 && spin.elapsed() < SPIN {
                std::hint::spin_loop();
            }
            if word.load(SeqCst) & !1 != seen & !1 {
                continue;
            }
            if interrupt() {
                return Err(StoreError::Interrupted);
            }
            let left = timeout.map_or(SLICE, |t| t.saturating_sub(start.elapsed()));
            if left.is_zero() {
                let newer = after.map_or(String::new(), |n| format!(" newer than number {n}"));
                return Err(StoreError::Timeout { what: format!("snapshot{newer} under the key {key:?}") });
            }
            sleep(word, seen, left.min(SLICE));
        }
    }
}
