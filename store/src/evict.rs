//! Dropping what is under a key only if nobody holds it: how a full store of the kind [`Full::Drop`](crate::Full) makes
//! room.
//!
//! A look at the pins before the key is deleted would not do: a reader may come in between. So the slot is made FREEING
//! while its key still leads to it. Whoever pins it from then on finds that it cannot be adopted and looks again; a pin
//! that was there before takes the slot back to PUBLISHED, with its key. Invariants S5 and S18.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::{Slot, MAX_PROCESSES};
use crate::names::Name;
use crate::slot::{Word, FREEING, PUBLISHED};
use crate::sys::crash_point;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// How often a reader looks again before it asks whether who wanted to drop the snapshot is dead…
const PATIENCE: u32 = 300;
/// …and how often after that, a millisecond apart, before he ends what a stopped process began.
const LAST: u32 = PATIENCE + 100;

impl Attachment {
    /// Drops the key and its snapshot if no process holds it. True if there may be room now.
    pub(crate) fn drop_unheld(&self, key: &str) -> Result<bool, StoreError> {
        self.drop_while(key, |_| ())
    }

    /// The same; `meanwhile` stands for what others do in the middle of it.
    pub(crate) fn drop_while(&self, key: &str, meanwhile: impl FnOnce(u32)) -> Result<bool, StoreError> {
        let Some((index, generation)) = self.lookup(key)? else { return Ok(false) };
        let slot = self.meta.slot(index).ok_or_else(|| self.corrupt("a slot is missing"))?;
        let published = slot.load();
        let here = published.generation() == generation && published.state() == PUBLISHED;
        if !here || self.is_pinned(index) {
            return Ok(false);
        }
        let freeing = published.with(self.me(), FREEING);
        if !slot.swap_from(published, freeing) {
            return Ok(true); // somebody else was faster
        }
        crash_point!("drop: freeing");
        meanwhile(index);
        if self.is_pinned(index) {
            self.take_back(index, slot, freeing);
            return Ok(false);
        }
        // If somebody has replaced or deleted the key, he leaves the slot to us: it was not adoptable.
        self.unlink_slot(index, slot, freeing);
        crash_point!("drop: without a key");
        self.finish_free(index, freeing);
        Ok(true)
    }

    /// FREEING (of somebody who wanted to drop it) to PUBLISHED.
    pub(crate) fn take_back(&self, index: u32, slot: &Slot, freeing: Word) {
        if slot.swap_from(freeing, freeing.with(0, PUBLISHED)) {
            crash_point!("drop: taken back");
            // Whoever replaced or deleted the key meanwhile could not retire it.
            if !self.is_linked(index, slot, freeing) {
                self.retire(index, freeing.generation());
            }
        }
    }

    /// Takes the slot's key away if it still leads here.
    pub(crate) fn unlink_slot(&self, index: u32, slot: &Slot, word: Word) {
        if let Some(node) = slot.name.load(SeqCst).checked_sub(1) {
            let hash = self.meta.node(node).map_or(0, |n| n.hash.load(SeqCst));
            self.unlink(node, Name::link(index, word.generation()), hash);
        }
    }

    /// What a reader does whose key led to a slot that cannot be adopted, and leads there still: whether to look again.
    /// Nobody may have to wait for a process that was stopped between two steps of a drop.
    #[cold]
    pub(crate) fn await_drop(
        &self,
        key: &str,
        index: u32,
        generation: u64,
        rounds: u32,
    ) -> Result<bool, StoreError> {
        if self.me() >= MAX_PROCESSES {
            let what = "this process is not attached to the store".to_string();
            return Err(StoreError::Invalid { what });
        }
        let Some(slot) = self.meta.slot(index).filter(|_| index < self.meta.slots_ready()) else {
            return Ok(false);
        };
        let word = slot.load();
        if word.generation() == generation && word.is_adoptable() {
            return Ok(rounds <= LAST);
        }
        if word.generation() != generation || word.state() != FREEING {
            // Nothing leaves a key behind that leads to it.
            return Ok(self.lookup(key)? != Some((index, generation)));
        }
        match rounds {
            ..64 => std::hint::spin_loop(),
            ..PATIENCE => std::thread::yield_now(),
            PATIENCE => {
                self.reap_all();
            }
            ..LAST => std::thread::sleep(Duration::from_millis(1)),
            _ => self.unlink_slot(index, slot, word),
        }
        Ok(true)
    }
}
