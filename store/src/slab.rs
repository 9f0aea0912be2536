//! Small memory: chunks cut into blocks, and slots that are free to be claimed.
//!
//! A block is attached to a slot once and stays with it, so a small snapshot needs a free slot of its
//! class and no allocator. Lists and hints of free slots may be wrong or lost: a slot is claimed by a
//! compare-and-swap of its word, and what no list knows is found by a scan.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::Slot;
use crate::slot::{Word, FREE, WRITING};
use crate::space::{block_size, block_word, Chunk, Place, CHUNK_FREE, FILLING, SLAB};
use crate::sys::{self, crash_point};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

impl Attachment {
    /// Makes new blocks of a class: claims a chunk, gives it pages, attaches its blocks to bare slots.
    /// False if there is no room. `blocks` is how many would be good to have.
    pub(crate) fn fill_slabs(&self, class: usize, blocks: u64) -> Result<bool, StoreError> {
        let per_chunk = self.meta.shape.chunk() / block_size(class);
        let mut any = false;
        for _ in 0..blocks.div_ceil(per_chunk).max(1) {
            let Some(chunk) = self.claim_slab(class)? else { break };
            let (attached, result) = self.attach_blocks(class, chunk, &mut (0..per_chunk));
            crash_point!("slab: filled, not finished");
            self.finish_slab(chunk, class, attached > 0);
            any |= attached > 0;
            result?; // the chunk is nobody's by now
            if attached < per_chunk {
                break;
            }
        }
        Ok(any)
    }

    fn claim_slab(&self, class: usize) -> Result<Option<u32>, StoreError> {
        for warm in [true, false] {
            let end = if warm { self.meta.chunks_used() } else { self.meta.shape.chunks };
            let from = if warm { 0 } else { self.lists().cursor };
            for i in (from..end).chain(0..from.min(end)) {
                let Some(c) = self.chunk(i) else { break };
                let filling = Chunk::new(FILLING, class as u64, self.me(), c.backed());
                if c.kind() != CHUNK_FREE || (warm && !c.backed()) {
                    continue;
                }
                // First, so that a reaper looks at it whenever we may die.
                self.meta.header().chunks_used.0.fetch_max(i + 1, SeqCst);
                if !self.swap_chunk(i, c, filling) {
                    continue;
                }
                crash_point!("slab: chunk claimed");
                self.lists().cursor = i + 1;
                if !c.backed() {
                    let shape = &self.meta.shape;
                    let at = u64::from(i) << shape.chunk_log2;
                    if let Err(e) = sys::allocate(&self.data, at, shape.chunk()) {
                        self.swap_chunk(i, filling, Chunk::new(CHUNK_FREE, 0, 0, false));
                        return Err(self.no_space(shape.chunk(), e));
                    }
                    self.set_backed(i, i + 1);
                }
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// Attaches these blocks of a chunk that is FILLING (mine); returns how many found a slot, and what came in between.
    pub(crate) fn attach_blocks(
        &self,
        class: usize,
        chunk: u32,
        blocks: &mut dyn Iterator<Item = u64>,
    ) -> (u64, Result<(), StoreError>) {
        let mut attached = 0;
        for block in blocks {
            let (index, word) = match self.claim_bare() {
                Ok(Some(claimed)) => claimed,
                Ok(None) => break,
                Err(e) => return (attached, Err(e)),
            };
            let Some(slot) = self.meta.slot(index) else { break };
            crash_point!("slab: slot claimed");
            slot.memory.store(block_word(class, chunk, block), SeqCst);
            crash_point!("slab: block attached");
            slot.word.store(word.with(0, FREE).0, SeqCst);
            let mut lists = self.lists();
            if lists.blocks[class].len() < 4096 {
                lists.blocks[class].push(index);
            }
            attached += 1;
        }
        (attached, Ok(()))
    }

    pub(crate) fn finish_slab(&self, chunk: u32, class: usize, used: bool) {
        if let Some(c) = self.chunk(chunk) {
            let kind = if used { SLAB } else { CHUNK_FREE };
            if !used && !c.backed() {
                // Whoever began it may have died between giving it pages and saying so.
                let log2 = self.meta.shape.chunk_log2;
                let _ = sys::punch(&self.data, u64::from(chunk) << log2, 1 << log2);
            }
            let detail = if used { class as u64 } else { 0 };
            self.swap_chunk(chunk, c, Chunk::new(kind, detail, 0, c.backed()));
        }
    }

    /// Claims a slot if it is free.
    #[inline(always)]
    fn claim_free(&self, index: u32) -> Option<(&Slot, Word)> {
        let slot = self.meta.slot(index)?;
        let word = slot.load();
        if word.state() != FREE || index >= self.meta.slots_ready() {
            return None;
        }
        let claimed = Word::new(word.generation() + 1, self.me(), WRITING);
        if !slot.swap_from(word, claimed) {
            return None;
        }
        crash_point!("slot: claimed");
        Some((slot, claimed))
    }

    /// Claims a slot if it is free and has memory as wanted.
    fn claim_from(&self, index: u32, wanted: Option<usize>) -> Option<(u32, Word, Place)> {
        let (slot, claimed) = self.claim_free(index)?;
        let place = self.place(slot.memory.load(SeqCst))?;
        let class = match &place {
            Place::None => None,
            Place::Block(block) => Some(block.class),
            Place::Run { .. } => Some(usize::MAX), // left by nobody: the reaper looks after it
        };
        if class == wanted {
            slot.home.store(self.me(), Relaxed);
            return Some((index, claimed, place));
        }
        slot.word.store(claimed.with(0, FREE).0, SeqCst);
        None
    }

    /// Claims a slot without memory; grows the table when there is none.
    pub(crate) fn claim_bare(&self) -> Result<Option<(u32, Word)>, StoreError> {
        loop {
            let next = self.lists().bare.pop();
            if let Some((index, word, _)) = next.and_then(|i| self.claim_from(i, None)) {
                return Ok(Some((index, word)));
            }
            if next.is_some() {
                continue;
            }
            let found = self.collect_free(None, 1024);
            let ready = self.meta.slots_ready();
            let few = found.len() < (ready as usize / 16).max(1);
            let none = found.is_empty();
            self.lists().bare.extend(found.into_iter().rev());
            if few && !self.grow_slots()? && none {
                return Ok(None);
            }
        }
    }

    /// Claims the slot that was freed last, if it has a block of this class; returns where that lies.
    #[inline(always)]
    pub(crate) fn claim_hot(&self, class: Option<usize>) -> Option<(u32, Word, u64)> {
        let hot = self.hot(class?);
        let index = hot.load(Relaxed).checked_sub(1)?;
        hot.store(0, Relaxed);
        let (slot, word) = self.claim_free(index)?;
        match self.block(slot.memory.load(SeqCst)) {
            Some(block) if Some(block.class) == class => {
                slot.home.store(self.me(), Relaxed);
                Some((index, word, block.offset))
            }
            _ => {
                slot.word.store(word.with(0, FREE).0, SeqCst);
                None
            }
        }
    }

    /// Claims a slot with a block of this class, wherever there is one.
    pub(crate) fn claim_block(&self, class: usize) -> Result<Option<(u32, Word, Place)>, StoreError> {
        let hot = self.hot(class);
        let index = hot.load(Relaxed);
        if index != 0 {
            hot.store(0, Relaxed);
            if let Some(claimed) = self.claim_from(index - 1, Some(class)) {
                return Ok(Some(claimed));
            }
        }
        for round in 0..3 {
            loop {
                let Some(index) = self.lists().blocks[class].pop() else { break };
                if let Some(claimed) = self.claim_from(index, Some(class)) {
                    return Ok(Some(claimed));
                }
            }
            for hint in self.hints(class) {
                let index = hint.load(Relaxed);
                if index != 0 && hint.swap(0, SeqCst) == index {
                    if let Some(claimed) = self.claim_from(index - 1, Some(class)) {
                        return Ok(Some(claimed));
                    }
                }
            }
            if round == 2 {
                break;
            }
            let mut found = Vec::new();
            if round == 0 {
                found = self.collect_free(Some(class), 64);
            }
            if found.is_empty() {
                // The search looked at every slot: make enough blocks to pay for it, but not many bytes.
                let blocks = u64::from(self.meta.slots_ready()) / 64;
                self.fill_slabs(class, blocks.min((512 << 10) / block_size(class)))?;
            }
            self.lists().blocks[class].extend(found.into_iter().rev());
        }
        Ok(None)
    }

    fn collect_free(&self, class: Option<usize>, most: usize) -> Vec<u32> {
        let fits = |i: &u32| {
            self.meta.slot(*i).is_some_and(|s| {
                Word(s.word.load(Relaxed)).state() == FREE
                    && match self.place(s.memory.load(Relaxed)) {
                        Some(Place::None) => class.is_none(),
                        Some(Place::Block(block)) => class == Some(block.class),
                        _ => false,
                    }
            })
        };
        (0..self.meta.slots_ready()).filter(fits).take(most).collect()
    }

    fn hints(&self, class: usize) -> impl Iterator<Item = &crate::atomic::AtomicU32> {
        let first = (class * crate::layout::HINTS) as u32;
        (first..first + crate::layout::HINTS as u32).filter_map(|i| self.meta.slot_hint(i))
    }

    /// Remembers a free slot where its next user will look: here if this process filled it, else where
    /// every process looks.
    #[inline]
    pub(crate) fn remember_free(&self, index: u32, class: Option<usize>, home: u32) {
        match class {
            None => {
                let mut lists = self.lists();
                if lists.bare.len() < 4096 {
                    lists.bare.push(index);
                }
            }
            Some(class) if home != self.me() => {
                if let Some(hint) = self.hints(class).find(|h| h.load(Relaxed) == 0) {
                    hint.store(index + 1, SeqCst);
                }
            }
            Some(class) if self.hot(class).load(Relaxed) == 0 => self.hot(class).store(index + 1, Relaxed),
            Some(class) => {
                let mut lists = self.lists();
                if lists.blocks[class].len() < 4096 {
                    lists.blocks[class].push(index);
                }
            }
        }
    }
}
