//! The slot word: the one atomic number that says what a snapshot is at this moment.
//!
//! ```text
//! FREE -> WRITING -> PUBLISHED -> RETIRED -> FREEING -> FREE
//!              \-> LINKING -/-----^
//! ```
//! Between PUBLISHED and FREEING a slot may be DROPPING ([`crate::evict`]).
//!
//! A slot with a key passes through LINKING while its name is being swapped; it can be adopted from
//! then on. WRITING, LINKING, FREEING and DROPPING name their owner, so that a reaper can undo or finish what a
//! dead process began by looking at this word alone. Invariants S2 to S5.

use crate::atomic::AtomicU64;
use crate::attachment::Attachment;
use crate::layout::Slot;
use crate::sys::{self, crash_point};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

pub(crate) const FREE: u8 = 0;
pub(crate) const WRITING: u8 = 1;
pub(crate) const LINKING: u8 = 2;
pub(crate) const PUBLISHED: u8 = 3;
pub(crate) const RETIRED: u8 = 4;
pub(crate) const FREEING: u8 = 5;
/// Published, and about to be dropped unless somebody adopts it ([`crate::evict`]).
pub(crate) const DROPPING: u8 = 6;

/// `generation:40 | owner:16 | state:8`. The generation grows at every claim and begins at 1, so a word
/// that was ever linked is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub u64);

impl Word {
    pub(crate) fn new(generation: u64, owner: u32, state: u8) -> Word {
        Word(generation << 24 | u64::from(owner & 0xffff) << 8 | u64::from(state))
    }
    pub(crate) fn generation(self) -> u64 {
        self.0 >> 24
    }
    pub(crate) fn owner(self) -> u32 {
        (self.0 >> 8) as u32 & 0xffff
    }
    pub(crate) fn state(self) -> u8 {
        self.0 as u8
    }
    pub(crate) fn with(self, owner: u32, state: u8) -> Word {
        Word::new(self.generation(), owner, state)
    }
    pub(crate) fn is_adoptable(self) -> bool {
        matches!(self.state(), PUBLISHED | LINKING | DROPPING)
    }
    /// Whether `owner` has begun something with the slot that nobody else may touch.
    pub(crate) fn is_owned_by(self, owner: u32) -> bool {
        matches!(self.state(), WRITING | LINKING | FREEING | DROPPING) && self.owner() == owner
    }
}

impl Slot {
    #[inline(always)]
    pub(crate) fn load(&self) -> Word {
        Word(self.word.load(SeqCst))
    }
    #[inline(always)]
    pub(crate) fn swap_from(&self, from: Word, to: Word) -> bool {
        self.word.compare_exchange(from.0, to.0, SeqCst, SeqCst).is_ok()
    }
}

/// A private count with which a thread marks that it is setting or clearing the shared bit.
pub(crate) const BUSY: u32 = u32::MAX;

impl Attachment {
    /// The word of a slot's row that has this process's bit; `None` for a child that got no entry.
    #[inline(always)]
    fn pin_word(&self, index: u32) -> Option<&AtomicU64> {
        self.meta.pins(index)?.0.get(self.me() as usize / 64)
    }

    /// Makes this process a holder of the slot. The caller then has to look at the slot's word: only
    /// what is adoptable *after* this is protected (S4).
    #[inline]
    pub(crate) fn pin(&self, index: u32) -> bool {
        let (Some(count), Some(word)) = (self.count(index), self.pin_word(index)) else { return false };
        loop {
            match count.load(Relaxed) {
                BUSY => std::thread::yield_now(),
                0 => {
                    if count.compare_exchange(0, BUSY, Acquire, Relaxed).is_ok() {
                        word.fetch_or(1 << (self.me() % 64), SeqCst);
                        count.store(1, Release);
                        crash_point!("pin: set, not checked");
                        return true;
                    }
                }
                n => {
                    if n < BUSY - 1 && count.compare_exchange(n, n + 1, Acquire, Relaxed).is_ok() {
                        return true;
                    }
                }
            }
        }
    }

    /// Gives one hold back; the last one of the process frees the slot if it is retired.
    #[inline]
    pub(crate) fn unpin(&self, index: u32) {
        let (Some(count), Some(word)) = (self.count(index), self.pin_word(index)) else { return };
        loop {
            match count.load(Relaxed) {
                BUSY => std::thread::yield_now(),
                0 => return,
                1 => {
                    if count.compare_exchange(1, BUSY, Acquire, Relaxed).is_ok() {
                        word.fetch_and(!(1 << (self.me() % 64)), SeqCst);
                        count.store(0, Release);
                        break;
                    }
                }
                n => {
                    if count.compare_exchange(n, n - 1, Release, Relaxed).is_ok() {
                        return;
                    }
                }
            }
        }
        if let Some(slot) = self.meta.slot(index) {
            let word = slot.load();
            if word.state() == RETIRED {
                self.try_free(index, word);
            }
        }
    }

    /// Pins the slot if it still is what `generation` says and can be adopted.
    #[inline]
    pub(crate) fn acquire(&self, index: u32, generation: u64) -> bool {
        let Some(slot) = self.meta.slot(index).filter(|_| index < self.meta.slots_ready()) else {
            return false;
        };
        // Both lines come from the publisher: at the same time, not one after the other.
        sys::expect_read(slot);
        if !self.pin(index) {
            return false;
        }
        let word = slot.load();
        if word.is_adoptable()
            && word.generation() == generation
            && (word.state() != DROPPING || self.take_back(slot, word))
        {
            return true;
        }
        self.unpin(index);
        false
    }

    /// Whether a slot without a key is needed: a process holds it, or it is a buffer of a living snapshot.
    fn is_needed(&self, index: u32, slot: &Slot) -> bool {
        self.is_pinned(index) || self.is_part(slot)
    }

    /// Whether any process holds the slot.
    #[inline(always)]
    pub(crate) fn is_pinned(&self, index: u32) -> bool {
        self.meta.pins(index).is_none_or(|row| row.0.iter().fold(0, |any, w| any | w.load(SeqCst)) != 0)
    }

    /// PUBLISHED, LINKING or DROPPING to RETIRED, and free if nobody holds it. For a slot that no name leads to.
    #[inline(always)]
    pub(crate) fn retire(&self, index: u32, generation: u64) -> bool {
        let Some(slot) = self.meta.slot(index) else { return false };
        loop {
            let word = slot.load();
            if word.generation() != generation || !word.is_adoptable() {
                return false;
            }
            let retired = word.with(0, RETIRED);
            // Nobody holds it, as is usual: FREEING at once, by the same rule as in `try_free`. A first look, at those
            // next to this process, spares the way back where it is held.
            let freeing = word.with(self.me(), FREEING);
            let unheld = self.pin_word(index).is_none_or(|near| near.load(Relaxed) == 0);
            if !slot.swap_from(word, if unheld { freeing } else { retired }) {
                continue;
            }
            crash_point!("retire: retired");
            if unheld && !self.is_pinned(index) {
                self.finish_free_of(index, slot, freeing);
                self.announce_room();
                return true;
            }
            if unheld {
                slot.word.store(retired.0, SeqCst);
            }
            self.try_free(index, retired);
            return true;
        }
    }

    /// RETIRED to FREE if nobody holds the slot. A holder that leaves meanwhile sees RETIRED again and
    /// tries itself: after storing RETIRED the row is read once more (S5).
    pub(crate) fn try_free(&self, index: u32, retired: Word) -> bool {
        let Some(slot) = self.meta.slot(index) else { return false };
        let freeing = retired.with(self.me(), FREEING);
        loop {
            if self.is_needed(index, slot) || !slot.swap_from(retired, freeing) {
                return false;
            }
            crash_point!("free: freeing");
            if !self.is_needed(index, slot) {
                self.finish_free(index, freeing);
                return true;
            }
            slot.word.store(retired.0, SeqCst);
        }
    }

    /// FREEING (mine) to FREE: the extent's memory goes back, a small block stays with the slot.
    pub(crate) fn finish_free(&self, index: u32, freeing: Word) {
        if let Some(slot) = self.meta.slot(index) {
            self.finish_free_of(index, slot, freeing);
            self.announce_room();
        }
    }

    /// The same without telling who waits for room: for a slot that was claimed in vain, or he would wake himself.
    #[inline(always)]
    pub(crate) fn finish_free_of(&self, index: u32, slot: &Slot, freeing: Word) {
        if slot.next.load(SeqCst) == 0 {
            self.make_free(index, slot, freeing);
        } else {
            self.finish_free_in_parts(index, slot, freeing);
        }
    }

    /// The same for a snapshot that has buffers of the store.
    #[cold]
    fn finish_free_in_parts(&self, index: u32, slot: &Slot, freeing: Word) {
        let parts = self.parts_of(index, slot, freeing.generation());
        slot.next.store(0, Relaxed);
        self.make_free(index, slot, freeing);
        crash_point!("free: free, its buffers not");
        self.free_parts(&parts);
    }

    #[inline(always)]
    fn make_free(&self, index: u32, slot: &Slot, freeing: Word) {
        slot.part.store(0, Relaxed);
        slot.id.store(0, Relaxed);
        slot.name.store(0, Relaxed);
        let class = self.release_extent(index, slot);
        slot.word.store(freeing.with(0, FREE).0, Release);
        self.remember_free(index, class, slot.home.load(Relaxed));
    }
}
