//! Counting: what the tables say, without changing them.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::{Table, KEY_CELL, MAX_PROCESSES};
use crate::names::{Name, LINK};
use crate::slot::{FREE, RETIRED};
use crate::space::{Chunk, CHUNK_FREE};
use crate::store::Stats;
use crate::sys;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

impl Attachment {
    pub(crate) fn count_all(&self) -> Stats {
        let mut stats = Stats { capacity: self.meta.shape.capacity, ..Default::default() };
        for index in 0..self.meta.slots_ready() {
            let (Some(slot), Some(row)) = (self.meta.slot(index), self.meta.pins(index)) else { break };
            let word = slot.load();
            let bytes = self.place(slot.memory.load(SeqCst)).map_or(0, |p| p.length());
            stats.pins += row.0.iter().map(|w| u64::from(w.load(Relaxed).count_ones())).sum::<u64>();
            if word.state() == FREE {
                stats.cached += bytes;
                continue;
            }
            stats.slots += 1;
            stats.used += bytes;
            stats.snapshots += u64::from(word.is_adoptable());
            let retired = word.state() == RETIRED;
            let buffer = retired && slot.id.load(Relaxed) == 0;
            stats.retired += u64::from(retired && !buffer);
            stats.buffers += u64::from(buffer);
        }
        for index in 0..self.meta.chunks_used() {
            let chunk = Chunk(self.meta.chunk_word(index).map_or(0, |w| w.load(SeqCst)));
            let warm = chunk.kind() == CHUNK_FREE && chunk.backed();
            stats.cached += u64::from(warm) << self.meta.shape.chunk_log2;
        }
        let keys = (0..self.meta.nodes_ready()).filter_map(|i| self.meta.node(i));
        stats.keys = keys.filter(|n| Name(n.word.load(SeqCst)).kind() == LINK).count() as u64;
        let processes = (0..MAX_PROCESSES).filter_map(|i| self.meta.process(i));
        stats.processes = processes.filter(|p| p.in_use.load(SeqCst) != 0).count() as u64;
        let (slots, nodes) = (u64::from(self.meta.slots_ready()), u64::from(self.meta.nodes_ready()));
        stats.overhead =
            self.meta.shape.offset(Table::Ids) + slots * (64 + 64 + 4) + nodes * (64 + KEY_CELL as u64);
        stats
    }

    /// The error for "no room", with the numbers as they are.
    pub(crate) fn full(&self, needed: u64, what: &'static str) -> StoreError {
        let stats = self.count_all();
        StoreError::Full { name: self.name.clone(), needed, used: stats.used, capacity: stats.capacity, what }
    }

    pub(crate) fn no_snapshot(&self, what: String) -> StoreError {
        StoreError::SnapshotNotFound { store: self.name.clone(), what }
    }

    pub(crate) fn is_backed(&self, chunk: u32) -> bool {
        self.meta.chunk_word(chunk).is_some_and(|w| Chunk(w.load(SeqCst)).backed())
    }

    /// Gives the pages of all free chunks back to the system: their file system is full.
    pub(crate) fn cool_all(&self) {
        let log2 = self.meta.shape.chunk_log2;
        for index in 0..self.meta.chunks_used() {
            let Some(word) = self.meta.chunk_word(index) else { break };
            let seen = Chunk(word.load(SeqCst));
            if seen.kind() != CHUNK_FREE || !seen.backed() {
                continue;
            }
            // Mine while its pages go, as a slab that is being made: a reaper would find it so.
            let mine = Chunk::new(crate::space::FILLING, 0, self.me(), false);
            if word.compare_exchange(seen.0, mine.0, SeqCst, SeqCst).is_ok() {
                let _ = sys::punch(&self.data, u64::from(index) << log2, 1 << log2);
                let free = Chunk::new(CHUNK_FREE, 0, 0, false);
                let _ = word.compare_exchange(mine.0, free.0, SeqCst, SeqCst);
            }
        }
    }
}
