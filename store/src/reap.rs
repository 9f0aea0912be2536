//! Recovery: everything a dead process left, found by a scan of the tables.
//!
//! There is no log. Every transition is one word that names its owner, so a scan knows what to undo and
//! what to finish; each step is a compare-and-swap that a second reaper may have done already, so a
//! reaper may be killed too. Whoever holds the dead process's byte in `locks` reaps it. Invariant S10.

use crate::attachment::Attachment;
use crate::layout::{Slot, CLASSES, MAX_PROCESSES};
use crate::names::{Name, CLAIMED, DEAD, EMPTY, LINK};
use crate::slot::{Word, DROPPING, FREE, FREEING, LINKING, PUBLISHED, RETIRED, WRITING};
use crate::space::{block_size, Block, Chunk, Place, CHUNK_FREE, EXTENT, FILLING, SLAB};
use crate::store::Reclaimed;
use crate::sys::{self, crash_point};
use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::Ordering::SeqCst;

impl Attachment {
    /// Reaps every process that is entered and does not live. Returns what came back.
    pub(crate) fn reap_all(&self) -> Reclaimed {
        let file = self.lock_file();
        let mut total = Reclaimed::default();
        for index in (0..MAX_PROCESSES).filter(|i| *i != self.me()) {
            let Some(entry) = self.meta.process(index) else { break };
            if entry.in_use.load(SeqCst) == 0 || sys::is_byte_locked(&file, index) {
                continue;
            }
            if let Ok(true) = sys::lock_byte(&file, index) {
                if entry.in_use.load(SeqCst) != 0 {
                    total.add(self.reap(index, &file));
                    entry.in_use.store(0, SeqCst);
                }
                sys::unlock_byte(&file, index);
            }
        }
        total
    }

    /// Whether a process lives. Only `file`'s own process is sure of itself.
    fn is_alive(&self, index: u32, file: &File) -> bool {
        let entered = |i| self.meta.process(i).is_some_and(|p| p.in_use.load(SeqCst) != 0);
        index == self.me() || (index < MAX_PROCESSES && entered(index) && sys::is_byte_locked(file, index))
    }

    /// Undoes or finishes what `dead` began. The caller holds its byte through some open description;
    /// `file` answers who else lives.
    pub(crate) fn reap(&self, dead: u32, file: &File) -> Reclaimed {
        let mut back = Reclaimed { processes: 1, ..Default::default() };
        let ready = self.meta.slots_ready();
        let (word, bit) = (dead as usize / 64, 1u64 << (dead % 64));
        for row in (0..ready).filter_map(|i| self.meta.pins(i)) {
            if row.0[word].load(SeqCst) & bit != 0 {
                row.0[word].fetch_and(!bit, SeqCst);
                back.pins += 1;
            }
        }
        crash_point!("reap: pins cleared");
        for index in 0..ready {
            let Some(slot) = self.meta.slot(index) else { break };
            let word = slot.load();
            if word.is_owned_by(dead) {
                back.bytes += self.place(slot.memory.load(SeqCst)).map_or(0, |p| p.length());
                back.snapshots += 1;
                match word.state() {
                    WRITING => back.writing += 1,
                    LINKING => back.linking += 1,
                    _ => back.freeing += 1,
                }
                self.take_over(index, slot, word);
            }
        }
        for index in 0..self.meta.nodes_ready() {
            let Some(node) = self.meta.node(index) else { break };
            let word = Name(node.word.load(SeqCst));
            if word.kind() == CLAIMED && word.index() == dead {
                if self.is_in_bucket(index) {
                    let empty = Name::new(word.generation(), 0, EMPTY);
                    let _ = node.word.compare_exchange(word.0, empty.0, SeqCst, SeqCst);
                } else {
                    self.unclaim_node(index, word);
                }
            }
        }
        back.add(self.sweep(file, Some(dead)));
        back
    }

    fn take_over(&self, index: u32, slot: &Slot, word: Word) {
        match word.state() {
            WRITING => {
                let freeing = word.with(self.me(), FREEING);
                if slot.swap_from(word, freeing) {
                    crash_point!("reap: slot taken over");
                    self.finish_free(index, freeing);
                }
            }
            LINKING if self.is_linked(index, slot, word) => {
                slot.swap_from(word, word.with(0, PUBLISHED));
            }
            DROPPING => {
                slot.swap_from(word, word.with(0, PUBLISHED));
            }
            LINKING | FREEING => {
                if word.state() == FREEING {
                    self.unlink_slot(index, slot, word);
                }
                let retired = word.with(0, RETIRED);
                if slot.swap_from(word, retired) {
                    crash_point!("reap: slot taken over");
                    self.try_free(index, retired);
                }
            }
            _ => {}
        }
    }

    /// Whether the slot's key leads to it.
    pub(crate) fn is_linked(&self, index: u32, slot: &Slot, word: Word) -> bool {
        let node = slot.name.load(SeqCst).checked_sub(1).and_then(|n| self.meta.node(n));
        node.is_some_and(|n| n.word.load(SeqCst) == Name::link(index, word.generation()).0)
    }

    /// What nobody owns and nobody needs: replaced snapshots whose replacer died before it retired them,
    /// retired ones whose last holder died, keys without a snapshot, chunks without a slot. `dead` is certainly dead,
    /// though this process may have its number by now.
    pub(crate) fn sweep(&self, file: &File, dead: Option<u32>) -> Reclaimed {
        let mut back = Reclaimed::default();
        let mut links = Vec::new();
        for index in 0..self.meta.slots_ready() {
            let Some(slot) = self.meta.slot(index) else { break };
            let word = slot.load();
            let bytes = || self.place(slot.memory.load(SeqCst)).map_or(0, |p| p.length());
            let is_snapshot = slot.id.load(SeqCst) != 0; // else a buffer
            let freed = match word.state() {
                PUBLISHED if slot.name.load(SeqCst) != 0 && !self.is_linked(index, slot, word) => {
                    let bytes = bytes();
                    self.retire(index, word.generation()).then_some(bytes)
                }
                RETIRED => {
                    let bytes = bytes();
                    self.try_free(index, word).then_some(bytes)
                }
                _ => None,
            };
            if let Some(bytes) = freed {
                back.snapshots += u64::from(is_snapshot);
                back.orphaned += u64::from(is_snapshot);
                back.bytes += bytes;
            }
        }
        for index in 0..self.meta.nodes_ready() {
            let Some(node) = self.meta.node(index) else { break };
            let word = Name(node.word.load(SeqCst));
            match word.kind() {
                DEAD if !self.is_in_bucket(index) => {
                    self.unclaim_node(index, word);
                }
                EMPTY | DEAD => self.pop(node.hash.load(SeqCst)),
                LINK => links.push((index, word)),
                _ => {}
            }
        }
        for (index, word) in links {
            // A key whose slot is gone: only a damaged store has one.
            let slot = self.meta.slot(word.index());
            let good = slot.is_some_and(|s| s.load().generation() >= word.generation());
            if !good {
                if let Some(node) = self.meta.node(index) {
                    self.unlink(index, word, node.hash.load(SeqCst));
                }
            }
        }
        back.bytes += self.sweep_chunks(file, dead);
        back
    }

    fn sweep_chunks(&self, file: &File, dead: Option<u32>) -> u64 {
        let mut chunks = 0;
        let mut warm = 0;
        let mut slabs = Vec::new();
        for index in 0..self.meta.chunks_used() {
            let Some(word) = self.meta.chunk_word(index) else { break };
            let chunk = Chunk(word.load(SeqCst));
            match chunk.kind() {
                CHUNK_FREE => warm += u64::from(chunk.backed()),
                EXTENT if self.is_stray(index, chunk, file) => {
                    let free = Chunk::new(CHUNK_FREE, 0, 0, chunk.backed());
                    if word.compare_exchange(chunk.0, free.0, SeqCst, SeqCst).is_ok() {
                        chunks += 1;
                        warm += u64::from(chunk.backed());
                    }
                }
                FILLING if dead == Some(chunk.index()) || !self.is_alive(chunk.index(), file) => {
                    slabs.push((index, chunk));
                }
                SLAB => slabs.push((index, chunk)),
                _ => {}
            }
        }
        self.meta.header().warm.0.store(warm, SeqCst);
        if !slabs.is_empty() {
            self.repair_slabs(&slabs);
        }
        chunks << self.meta.shape.chunk_log2
    }

    /// Whether a chunk of an extent belongs to no slot. The chunk was read before the slot: if the slot
    /// does not cover it now and nobody is filling the slot, nobody ever will (S9).
    fn is_stray(&self, index: u32, chunk: Chunk, file: &File) -> bool {
        let Some(slot) = self.meta.slot(chunk.index()).filter(|_| chunk.index() < self.meta.slots_ready())
        else {
            return true;
        };
        let word = slot.load();
        let covered = match self.place(slot.memory.load(SeqCst)) {
            Some(Place::Run { start, count, .. }) => (start..start + count).contains(&index),
            _ => false,
        };
        let filling = word.state() == WRITING && self.is_alive(word.owner(), file);
        !covered && !filling
    }

    /// Attaches the blocks that no slot has: their process died before it had handed them all out.
    fn repair_slabs(&self, slabs: &[(u32, Chunk)]) {
        let have = self.attached_blocks();
        let mut mine = Vec::new();
        for &(index, chunk) in slabs {
            let class = chunk.detail() as usize;
            let Some(word) = self.meta.chunk_word(index) else { continue };
            if class >= CLASSES || block_size(class) > self.meta.shape.chunk() {
                continue;
            }
            let blocks = self.meta.shape.chunk() / block_size(class);
            if chunk.kind() == SLAB && have.get(&index).is_some_and(|v| v.len() as u64 >= blocks) {
                continue;
            }
            let filling = Chunk::new(FILLING, class as u64, self.me(), chunk.backed());
            if word.compare_exchange(chunk.0, filling.0, SeqCst, SeqCst).is_ok() {
                mine.push((index, class, blocks, chunk.backed()));
            }
        }
        if mine.is_empty() {
            return;
        }
        // Once more, now that nobody else can attach or detach a block of these chunks.
        let have = self.attached_blocks();
        for (index, class, blocks, backed) in mine {
            let have = have.get(&index).map_or(&[][..], |v| v);
            let mut missing = (0..blocks).filter(|b| backed && !have.contains(b));
            let (more, _) = self.attach_blocks(class, index, &mut missing);
            self.finish_slab(index, class, more > 0 || !have.is_empty());
        }
    }

    /// The blocks of each slab that belong to a slot, whatever the slot is doing.
    fn attached_blocks(&self) -> HashMap<u32, Vec<u64>> {
        let mut attached: HashMap<u32, Vec<u64>> = HashMap::new();
        for slot in (0..self.meta.slots_ready()).filter_map(|i| self.meta.slot(i)) {
            if let Some(Place::Block(Block { chunk, offset, length, .. })) =
                self.place(slot.memory.load(SeqCst))
            {
                let start = u64::from(chunk) << self.meta.shape.chunk_log2;
                attached.entry(chunk).or_default().push((offset - start) / length);
            }
        }
        attached
    }

    /// Takes slabs apart whose blocks are all free, so that an extent or another class can have them.
    pub(crate) fn trim(&self) -> bool {
        let mut free: HashMap<u32, Vec<(u32, usize)>> = HashMap::new();
        for index in 0..self.meta.slots_ready() {
            let Some(slot) = self.meta.slot(index).filter(|s| s.load().state() == FREE) else { continue };
            if let Some(Place::Block(Block { chunk, class, .. })) = self.place(slot.memory.load(SeqCst)) {
                free.entry(chunk).or_default().push((index, class));
            }
        }
        let mut any = false;
        for (chunk, slots) in free {
            let Some(word) = self.meta.chunk_word(chunk) else { continue };
            let seen = Chunk(word.load(SeqCst));
            let class = seen.detail() as usize;
            let whole = seen.kind() == SLAB
                && slots.iter().all(|(_, c)| *c == class)
                && slots.len() as u64 == self.meta.shape.chunk() / block_size(class);
            let filling = Chunk::new(FILLING, class as u64, self.me(), seen.backed());
            if !whole || word.compare_exchange(seen.0, filling.0, SeqCst, SeqCst).is_err() {
                continue;
            }
            let mut claimed = Vec::new();
            for (index, _) in &slots {
                let Some(slot) = self.meta.slot(*index) else { break };
                let old = slot.load();
                let mine = Word::new(old.generation() + 1, self.me(), WRITING);
                if old.state() != FREE || !slot.swap_from(old, mine) {
                    break;
                }
                let place = self.place(slot.memory.load(SeqCst));
                if !matches!(place, Some(Place::Block(Block { chunk: c, .. })) if c == chunk) {
                    slot.word.store(mine.with(0, FREE).0, SeqCst);
                    break;
                }
                claimed.push((slot, mine, *index));
            }
            let all = claimed.len() == slots.len();
            for (slot, mine, index) in &claimed {
                if all {
                    slot.memory.store(0, SeqCst);
                }
                slot.word.store(mine.with(0, FREE).0, SeqCst);
                self.remember_free(*index, (!all).then_some(class), self.me());
            }
            self.finish_slab(chunk, class, !all);
            any |= all;
        }
        any
    }
}
