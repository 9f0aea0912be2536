//! Dropping what is under a key only if nobody holds it: how a full store of the kind [`Full::Drop`](crate::Full) makes
//! room.
//!
//! A look at the pins before the key is deleted would not do: a reader may come in between. So the slot is made DROPPING
//! first, which is as good as PUBLISHED, but for one thing: whoever adopts it takes that back. The pins are looked at
//! *then*, and only a slot that is DROPPING still becomes FREEING. Nobody waits for anybody. Invariant S18.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::key::Key;
use crate::layout::{Slot, MAX_PROCESSES};
use crate::names::Name;
use crate::slot::{Word, DROPPING, FREEING, PUBLISHED};
use crate::sys::crash_point;
use std::sync::atomic::Ordering::SeqCst;

impl Attachment {
    /// Drops the key and its snapshot if no process holds it. True if there may be room now.
    pub(crate) fn drop_unheld(&self, key: &str) -> Result<bool, StoreError> {
        self.drop_while(key, |_| ())
    }

    /// The same; `meanwhile` stands for what others do in the middle of it.
    pub(crate) fn drop_while(&self, key: &str, meanwhile: impl FnOnce(u32)) -> Result<bool, StoreError> {
        // One thread of a process at a time: the word tells processes apart, and no more.
        let _alone = self.buffers();
        let Some((index, generation)) = self.lookup(&Key::new(key)?)? else { return Ok(false) };
        let slot = self.meta.slot(index).ok_or_else(|| self.corrupt("a slot is missing"))?;
        let published = slot.load();
        let here = published.generation() == generation && published.state() == PUBLISHED;
        if !here || self.is_pinned(index) {
            return Ok(false);
        }
        let dropping = published.with(self.me(), DROPPING);
        if !slot.swap_from(published, dropping) {
            return Ok(true); // somebody else was faster
        }
        crash_point!("drop: dropping");
        meanwhile(index);
        if self.is_pinned(index) {
            slot.swap_from(dropping, published);
            return Ok(false);
        }
        let freeing = published.with(self.me(), FREEING);
        if !slot.swap_from(dropping, freeing) {
            return Ok(false); // adopted, or retired by who replaced it
        }
        crash_point!("drop: freeing");
        self.unlink_slot(index, slot, freeing);
        crash_point!("drop: without a key");
        self.finish_free(index, freeing);
        Ok(true)
    }

    /// DROPPING to PUBLISHED, for somebody who has pinned the slot.
    #[cold]
    pub(crate) fn take_back(&self, slot: &Slot, dropping: Word) -> bool {
        if slot.swap_from(dropping, dropping.with(0, PUBLISHED)) {
            return true;
        }
        let word = slot.load();
        word.generation() == dropping.generation() && word.is_adoptable() && word.state() != DROPPING
    }

    /// Takes the slot's key away if it still leads here.
    pub(crate) fn unlink_slot(&self, index: u32, slot: &Slot, word: Word) {
        if let Some(node) = slot.name.load(SeqCst).checked_sub(1) {
            let hash = self.meta.node(node).map_or(0, |n| n.hash.load(SeqCst));
            self.unlink(node, Name::link(index, word.generation()), hash);
        }
    }

    /// What a reader does whose key led to a slot that could not be adopted, and leads there still: whether to look
    /// again. The same link never comes back, so nothing but a drop leaves it there, and that one is decided.
    #[cold]
    pub(crate) fn is_dropped(&self, key: &Key<'_>, index: u32, generation: u64) -> Result<bool, StoreError> {
        if self.me() >= MAX_PROCESSES {
            let what = "this process is not attached to the store".to_string();
            return Err(StoreError::Invalid { what });
        }
        let Some(slot) = self.meta.slot(index).filter(|_| index < self.meta.slots_ready()) else {
            return Ok(false);
        };
        let word = slot.load();
        if word.generation() == generation && word.is_adoptable() {
            return Ok(true); // a second drop came in between, or goes on
        }
        if word.generation() == generation && word.state() == FREEING {
            self.unlink_slot(index, slot, word);
        }
        Ok(self.lookup(key)? != Some((index, generation)))
    }
}
