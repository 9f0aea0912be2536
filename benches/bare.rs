//! The floor: the least that a store of this kind can do, in memory that the processes have already.
//!
//! One word for each slot, one byte for each holder, one word for each name; no keys, no files, no numbers that are
//! checked, nothing that could be read after a reboot. What the store takes beyond it is what it is more than that.
//!
//! It has every step of the prototype in C that the store's protocol comes from, and as many locked instructions: a
//! publish claims a slot, takes a number, swaps the name, changes the word that wakes, retires what was there, and frees
//! it (7); adopt and release count a holder up and down (2). In turns with it on one machine: 22 ns and 21 ns for
//! a publish of 1 KiB, 3.4 ns and 4.0 ns to adopt, read a byte and release. Neither computes a checksum.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};

const PROCESSES: usize = 64;
const FREE: u64 = 0;
const WRITING: u64 = 1;
const PUBLISHED: u64 = 2;
const RETIRED: u64 = 3;
const FREEING: u64 = 4;

#[repr(C, align(64))]
struct Slot {
    word: AtomicU64,
    length: AtomicU64,
    number: AtomicU64,
    sum: AtomicU64,
}

#[repr(C, align(64))]
struct Name {
    latest: AtomicU64,
    waits: AtomicU32,
}

#[repr(C, align(64))]
struct Holders([AtomicU8; PROCESSES]);

/// What the processes share; all zeros is a fresh one.
#[repr(C, align(4096))]
pub struct Bare<const NAMES: usize, const SLOTS: usize, const BLOCK: usize> {
    number: AtomicU64,
    names: [Name; NAMES],
    slots: [Slot; SLOTS],
    holders: [Holders; SLOTS],
    blocks: [[AtomicU8; BLOCK]; SLOTS],
}

/// One process of it.
pub struct Process<'a, const NAMES: usize, const SLOTS: usize, const BLOCK: usize> {
    shared: &'a Bare<NAMES, SLOTS, BLOCK>,
    me: usize,
    next: usize,
}

fn word(generation: u64, state: u64) -> u64 {
    generation << 8 | state
}

impl<const NAMES: usize, const SLOTS: usize, const BLOCK: usize> Bare<NAMES, SLOTS, BLOCK> {
    pub fn process(&self, me: usize) -> Process<'_, NAMES, SLOTS, BLOCK> {
        Process { shared: self, me, next: me * 61 }
    }

    /// Changes with every publish under the name.
    pub fn latest(&self, name: usize) -> u64 {
        self.names[name].latest.load(Acquire)
    }
}

impl<const NAMES: usize, const SLOTS: usize, const BLOCK: usize> Process<'_, NAMES, SLOTS, BLOCK> {
    fn claim(&mut self) -> (usize, u64) {
        loop {
            let at = self.next % SLOTS;
            self.next = at + 1;
            let slot = &self.shared.slots[at];
            let seen = slot.word.load(Relaxed);
            let generation = (seen >> 8) + 1;
            let mine = word(generation, WRITING);
            if seen & 255 == FREE && slot.word.compare_exchange(seen, mine, SeqCst, SeqCst).is_ok() {
                return (at, generation);
            }
        }
    }

    fn free(&mut self, at: usize, retired: u64) {
        let slot = &self.shared.slots[at];
        let freeing = retired & !255 | FREEING;
        if slot.word.compare_exchange(retired, freeing, SeqCst, SeqCst).is_err() {
            return;
        }
        let held = self.shared.holders[at].0.iter().fold(0, |any, h| any | h.load(SeqCst)) != 0;
        slot.word.store(retired & !255 | if held { RETIRED } else { FREE }, SeqCst);
        if !held {
            self.next = at;
        }
    }

    pub fn publish(&mut self, name: usize, payload: &[u8], sum: impl Fn(&[u8]) -> u64) {
        let (at, generation) = self.claim();
        let slot = &self.shared.slots[at];
        let block = self.shared.blocks[at].as_ptr().cast_mut().cast::<u8>();
        assert!(payload.len() <= BLOCK);
        // SAFETY: the slot is this process's alone while it is WRITING, and the block has room.
        let written = unsafe {
            std::ptr::copy_nonoverlapping(payload.as_ptr(), block, payload.len());
            std::slice::from_raw_parts(block, payload.len())
        };
        slot.sum.store(sum(written), Relaxed);
        slot.length.store(payload.len() as u64, Relaxed);
        slot.number.store(self.shared.number.fetch_add(1, SeqCst), Relaxed);
        slot.word.store(word(generation, PUBLISHED), Release);
        let name = &self.shared.names[name];
        let old = name.latest.swap(generation << 24 | at as u64, SeqCst);
        name.waits.fetch_add(2, SeqCst); // whoever sleeps would be told by bit 0
        if old != 0 {
            let (at, generation) = (old as usize & 0xff_ffff, old >> 24);
            let (from, to) = (word(generation, PUBLISHED), word(generation, RETIRED));
            if self.shared.slots[at].word.compare_exchange(from, to, SeqCst, SeqCst).is_ok() {
                self.free(at, to);
            }
        }
    }

    /// Holds what the name leads to; its slot.
    pub fn adopt(&mut self, name: usize) -> usize {
        loop {
            let link = self.shared.names[name].latest.load(Acquire);
            let at = link as usize & 0xff_ffff;
            self.shared.holders[at].0[self.me].fetch_add(1, SeqCst);
            if self.shared.slots[at].word.load(SeqCst) == word(link >> 24, PUBLISHED) {
                return at;
            }
            self.release(at);
        }
    }

    pub fn last_byte(&self, at: usize) -> u8 {
        let length = self.shared.slots[at].length.load(Relaxed) as usize;
        self.shared.blocks[at][length - 1].load(Relaxed)
    }

    pub fn release(&mut self, at: usize) {
        if self.shared.holders[at].0[self.me].fetch_sub(1, SeqCst) == 1 {
            let seen = self.shared.slots[at].word.load(Relaxed);
            if seen & 255 == RETIRED {
                self.free(at, seen);
            }
        }
    }
}
