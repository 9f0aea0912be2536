//! Waiting for a key, and for room.
//!
//! Who waits for a key first watches what the key leads to. Who is about to sleep says so in bit 0 of a futex word,
//! *then* looks at the key again; who publishes changes the key, *then* looks at that bit (both sequentially
//! consistent), and changes the word before it wakes: one of the two sees the other (S17). So a publish that nobody
//! sleeps for only reads the word. Keys share 256 words by hash.

use crate::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::key::{Kept, Key};
use crate::layout::WAIT_WORDS;
use crate::names::{Found, LINK};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::sys;
use std::time::{Duration, Instant};

/// How long a waiter spins before it sleeps: less than a sleep and wake-up would cost.
const SPIN: Duration = Duration::from_micros(2);
/// Looks between two looks at the clock.
const LOOKS: u32 = 8;
/// The longest sleep: after it the caller is asked whether to give up.
const SLICE: Duration = Duration::from_millis(50);

/// Wakes who sleeps on a word, and who is just about to.
#[cold]
fn wake(word: &AtomicU32) {
    word.fetch_add(2, SeqCst);
    word.fetch_and(!1, SeqCst);
    sys::futex_wake(word);
}

fn announce(word: &AtomicU32) {
    if word.load(SeqCst) & 1 != 0 {
        wake(word);
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
        announce(&self.meta.header().room.0);
    }

    /// What was just published comes from another processor: all of it at once.
    #[inline(always)]
    fn expect_to_hold(&self, found: Option<Found>) {
        let index = found.map_or(0, |(_, link)| link.index());
        if let (Some(slot), Some(pins)) = (self.meta.slot(index), self.meta.pins(index)) {
            sys::expect_read(slot);
            sys::expect_write(pins);
        }
    }

    pub(crate) fn wake_all(&self) {
        (0..WAIT_WORDS).filter_map(|i| self.meta.wait_word(i)).for_each(|line| wake(&line.0));
        wake(&self.meta.header().room.0);
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
}

/// What watching a key came to.
enum Watched {
    Newer(Snapshot),
    /// What [`Attachment::find`] returned, and still would.
    Same(u64, Option<Found>),
}

impl Store {
    /// Holds what was found if it is newer than `after`. `None` also if it was replaced meanwhile.
    #[inline(always)]
    fn newer(
        &self,
        key: &Key<'_>,
        found: Option<Found>,
        after: Option<u64>,
    ) -> Result<Option<Snapshot>, StoreError> {
        let a = self.attachment();
        let Some((_, link)) = found.filter(|(_, word)| word.kind() == LINK) else { return Ok(None) };
        let (index, generation) = (link.index(), link.generation());
        let old = |n| a.meta.slot(index).is_none_or(|slot| slot.id.load(Relaxed) <= n);
        if after.is_some_and(old) || !a.acquire(index, generation) {
            return Ok(None);
        }
        let held = self.held(index, Kept::of_checked(Some(key.text)))?;
        Ok(Some(held).filter(|held| after.is_none_or(|n| held.id() > n)))
    }

    /// As [`wait`](Self::wait) without ever sleeping: `None` if there is no such snapshot within `limit`. For who
    /// has a processor to spare, or looks now and then (a limit of zero).
    pub fn spin(
        &self,
        key: &str,
        after: Option<u64>,
        limit: Duration,
    ) -> Result<Option<Snapshot>, StoreError> {
        match self.watch(&Key::new(key)?, after, limit)? {
            Watched::Newer(s) => Ok(Some(s)),
            Watched::Same(..) => Ok(None),
        }
    }

    /// Watches a key: one cache line, which changes when somebody publishes.
    #[inline(always)]
    fn watch(&self, key: &Key<'_>, after: Option<u64>, limit: Duration) -> Result<Watched, StoreError> {
        let a = self.attachment();
        let mut start: Option<Instant> = None;
        loop {
            a.alive()?;
            let (head, found) = a.find(key)?;
            if start.is_some() {
                a.expect_to_hold(found);
            }
            if let Some(s) = self.newer(key, found, after)? {
                return Ok(Watched::Newer(s));
            }
            // Also where the key changes all the time, and never to what is asked for.
            if limit.is_zero() || start.is_some_and(|start| start.elapsed() >= limit) {
                return Ok(Watched::Same(head, found));
            }
            let start = start.get_or_insert_with(Instant::now);
            let look = |_| {
                std::hint::spin_loop();
                a.is_as_found(key, head, found)
            };
            while (0..LOOKS).all(look) {
                if start.elapsed() >= limit {
                    return Ok(Watched::Same(head, found));
                }
            }
        }
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
        let key = Key::new(key)?;
        let word = a.wait_word(key.hash).ok_or_else(|| a.corrupt("its wait words are missing"))?;
        let start = Instant::now();
        loop {
            let (head, found) = match self.watch(&key, after, SPIN)? {
                Watched::Newer(s) => return Ok(s),
                Watched::Same(head, found) => (head, found),
            };
            if interrupt() {
                return Err(StoreError::Interrupted);
            }
            let left = timeout.map_or(SLICE, |t| t.saturating_sub(start.elapsed()));
            if left.is_zero() {
                let newer = after.map_or(String::new(), |n| format!(" newer than number {n}"));
                let what = format!("snapshot{newer} under the key {:?}", key.text);
                return Err(StoreError::Timeout { what });
            }
            let seen = word.fetch_or(1, SeqCst) | 1;
            if a.is_as_found(&key, head, found) && !a.is_destroyed() {
                sys::futex_wait(word, seen, left.min(SLICE));
            }
        }
    }
}
