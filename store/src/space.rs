//! Memory for payloads: chunks of the data file, each with one atomic word that says whose it is.
//!
//! An extent is a run of chunks that carry the number of their slot. A slab is one chunk cut into equal
//! blocks, each attached to a slot for good: a small snapshot claims a free slot whose block fits and
//! needs no allocator at all. Nothing here is owned by nobody for longer than a scan: a chunk belongs to
//! a slot whose `memory` covers it, or to a process that is about to say so. Invariants S7 and S9.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::{Slot, CLASSES, SMALLEST_BLOCK};
use crate::slot::{Word, FREE, WRITING};
use crate::sys::{self, crash_point};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

pub(crate) const CHUNK_FREE: u8 = 0;
pub(crate) const EXTENT: u8 = 1;
pub(crate) const FILLING: u8 = 2;
pub(crate) const SLAB: u8 = 3;

/// `kind:4 | backed:1 | generation or class:35 | slot or owner:24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk(pub u64);

impl Chunk {
    pub(crate) fn new(kind: u8, detail: u64, index: u32, backed: bool) -> Chunk {
        let detail = (detail & 0x7_ffff_ffff) << 24;
        Chunk(u64::from(kind) << 60 | u64::from(backed) << 59 | detail | u64::from(index & 0xff_ffff))
    }
    pub(crate) fn kind(self) -> u8 {
        (self.0 >> 60) as u8
    }
    /// The chunk has pages of its own: touching it cannot fail.
    pub(crate) fn backed(self) -> bool {
        self.0 >> 59 & 1 != 0
    }
    pub(crate) fn detail(self) -> u64 {
        self.0 >> 24 & 0x7_ffff_ffff
    }
    pub(crate) fn index(self) -> u32 {
        self.0 as u32 & 0xff_ffff
    }
}

/// The memory that belongs to a slot, checked against the store's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    None,
    Block { class: usize, chunk: u32, offset: u64, length: u64 },
    Run { start: u32, count: u32, offset: u64, length: u64 },
}

impl Place {
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Place::None => 0,
            Place::Block { offset, .. } | Place::Run { offset, .. } => *offset,
        }
    }
    pub(crate) fn length(&self) -> u64 {
        match self {
            Place::None => 0,
            Place::Block { length, .. } | Place::Run { length, .. } => *length,
        }
    }
}

fn block_word(class: usize, chunk: u32, block: u64) -> u64 {
    1 << 62 | (class as u64) << 56 | block << 32 | u64::from(chunk)
}

fn run_word(start: u32, count: u32) -> u64 {
    2 << 62 | u64::from(count) << 31 | u64::from(start)
}

pub(crate) fn block_size(class: usize) -> u64 {
    SMALLEST_BLOCK << class
}

/// The class of block for a region, or `None` if it gets an extent.
pub(crate) fn class_for(length: u64, chunk: u64) -> Option<usize> {
    (0..CLASSES).take_while(|c| block_size(*c) <= chunk / 2).find(|c| length <= block_size(*c))
}

impl Attachment {
    /// What a slot's memory word says, or `None` if it cannot be true.
    pub(crate) fn place(&self, word: u64) -> Option<Place> {
        let shape = &self.meta.shape;
        match word >> 62 {
            0 => Some(Place::None),
            1 => {
                let (class, chunk) = ((word >> 56 & 63) as usize, word as u32);
                let block = word >> 32 & 0xff_ffff;
                if class >= CLASSES || chunk >= shape.chunks {
                    return None;
                }
                let length = block_size(class);
                let inside = (block + 1) * length <= shape.chunk();
                let offset = (u64::from(chunk) << shape.chunk_log2) + block * length;
                inside.then_some(Place::Block { class, chunk, offset, length })
            }
            2 => {
                let (start, count) = (word as u32 & 0x7fff_ffff, (word >> 31) as u32 & 0x7fff_ffff);
                let fits = count > 0 && start.checked_add(count).is_some_and(|end| end <= shape.chunks);
                let offset = u64::from(start) << shape.chunk_log2;
                let length = u64::from(count) << shape.chunk_log2;
                fits.then_some(Place::Run { start, count, offset, length })
            }
            _ => None,
        }
    }

    fn chunk(&self, index: u32) -> Option<Chunk> {
        self.meta.chunk_word(index).map(|w| Chunk(w.load(SeqCst)))
    }

    fn swap_chunk(&self, index: u32, from: Chunk, to: Chunk) -> bool {
        self.meta.chunk_word(index).is_some_and(|w| w.compare_exchange(from.0, to.0, SeqCst, SeqCst).is_ok())
    }

    /// Claims `count` chunks in a row for a slot that is WRITING (mine) and tells the slot.
    pub(crate) fn claim_run(&self, index: u32, slot: &Slot, word: Word, count: u32) -> Option<Place> {
        let hint = self.lists().extent.take();
        let mut start = hint.filter(|h| self.try_run(*h, count, index, word));
        for warm in [true, false] {
            let end = if warm { self.meta.chunks_used() } else { self.meta.shape.chunks };
            let (mut at, mut run) = (0, 0);
            while start.is_none() && at < end {
                let usable = self.chunk(at).is_some_and(|c| c.kind() == CHUNK_FREE && (c.backed() || !warm));
                run = if usable { run + 1 } else { 0 };
                at += 1;
                if run == count {
                    let first = at - count;
                    if self.try_run(first, count, index, word) {
                        start = Some(first);
                    }
                    run = 0;
                }
            }
        }
        let start = start?;
        self.meta.header().chunks_used.0.fetch_max(start + count, SeqCst);
        crash_point!("extent: chunks claimed, slot not told");
        slot.memory.store(run_word(start, count), SeqCst);
        self.place(run_word(start, count))
    }

    fn try_run(&self, start: u32, count: u32, index: u32, word: Word) -> bool {
        if start.checked_add(count).is_none_or(|end| end > self.meta.shape.chunks) {
            return false;
        }
        let mut warm = 0;
        for i in start..start + count {
            let claimed = self.chunk(i).filter(|c| c.kind() == CHUNK_FREE).is_some_and(|c| {
                warm += u64::from(c.backed());
                self.swap_chunk(i, c, Chunk::new(EXTENT, word.generation(), index, c.backed()))
            });
            if !claimed {
                (start..i).for_each(|j| self.free_chunk(j, index));
                return false;
            }
            crash_point!("extent: some chunks claimed");
        }
        let total = &self.meta.header().warm.0;
        total.store(total.load(Relaxed).saturating_sub(warm), Relaxed);
        true
    }

    /// EXTENT of this slot to free; pages stay.
    fn free_chunk(&self, chunk: u32, slot: u32) {
        if let Some(c) = self.chunk(chunk).filter(|c| c.kind() == EXTENT && c.index() == slot) {
            self.swap_chunk(chunk, c, Chunk::new(CHUNK_FREE, 0, 0, c.backed()));
        }
    }

    /// Says that chunks of mine have pages now.
    pub(crate) fn set_backed(&self, start: u32, end: u32) {
        for i in start..end {
            if let Some(w) = self.meta.chunk_word(i) {
                w.fetch_or(1 << 59, SeqCst);
            }
        }
    }

    /// Free chunks that may keep their pages: what is above is given back.
    pub(crate) fn warm_limit(&self) -> u64 {
        u64::from(self.meta.shape.chunks) * 3 / 8
    }

    /// The extent of a slot that is FREEING (mine) goes back to the store, warm or with its pages to the
    /// system. Returns the class of the block that stays, if it is one.
    pub(crate) fn release_extent(&self, index: u32, slot: &Slot) -> Option<usize> {
        match self.place(slot.memory.load(SeqCst)) {
            Some(Place::Block { class, .. }) => return Some(class),
            Some(Place::Run { start, count, .. }) => self.release_chunks(index, start, count),
            _ => {}
        }
        crash_point!("free: chunks released, slot not told");
        slot.memory.store(0, SeqCst);
        crash_point!("free: memory gone, slot not free");
        None
    }

    pub(crate) fn release_chunks(&self, index: u32, start: u32, count: u32) {
        let warm = &self.meta.header().warm.0;
        if warm.load(Relaxed).saturating_add(u64::from(count)) > self.warm_limit() {
            self.cool(start, count, |c| c.kind() == EXTENT && c.index() == index);
        }
        let mut kept = 0;
        for i in start..start + count {
            kept += u64::from(self.chunk(i).is_some_and(|c| c.index() == index && c.backed()));
            self.free_chunk(i, index);
            if i == start {
                crash_point!("free: some chunks released");
            }
        }
        warm.fetch_add(kept, Relaxed);
        self.lists().extent = Some(start);
    }

    /// Gives the pages of chunks back to the system. The chunks must be mine.
    fn cool(&self, start: u32, count: u32, mine: impl Fn(Chunk) -> bool) {
        let log2 = self.meta.shape.chunk_log2;
        // First the word, then the pages: a chunk that says "backed" always has them.
        for i in start..start + count {
            if let Some(c) = self.chunk(i).filter(|c| mine(*c)) {
                self.swap_chunk(i, c, Chunk(c.0 & !(1 << 59)));
            }
        }
        let whole = (start..start + count).all(|i| self.chunk(i).is_some_and(&mine));
        if whole {
            let _ = sys::punch(&self.data, u64::from(start) << log2, u64::from(count) << log2);
        }
    }

    /// Makes new blocks of a class: claims a chunk, gives it pages, attaches its blocks to bare slots.
    /// False if there is no room. `blocks` is how many would be good to have.
    pub(crate) fn fill_slabs(&self, class: usize, blocks: u64) -> Result<bool, StoreError> {
        let per_chunk = self.meta.shape.chunk() / block_size(class);
        let mut any = false;
        for _ in 0..blocks.div_ceil(per_chunk).max(1) {
            let Some(chunk) = self.claim_slab(class)? else { break };
            let attached = self.attach_blocks(class, chunk, &mut (0..per_chunk))?;
            crash_point!("slab: filled, not finished");
            self.finish_slab(chunk, class, attached > 0);
            any |= attached > 0;
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
                if c.kind() != CHUNK_FREE || (warm && !c.backed()) || !self.swap_chunk(i, c, filling) {
                    continue;
                }
                crash_point!("slab: chunk claimed");
                self.meta.header().chunks_used.0.fetch_max(i + 1, SeqCst);
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

    /// Attaches these blocks of a chunk that is FILLING (mine); returns how many found a slot.
    pub(crate) fn attach_blocks(
        &self,
        class: usize,
        chunk: u32,
        blocks: &mut dyn Iterator<Item = u64>,
    ) -> Result<u64, StoreError> {
        let mut attached = 0;
        for block in blocks {
            let Some((index, word)) = self.claim_bare()? else { break };
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
        Ok(attached)
    }

    pub(crate) fn finish_slab(&self, chunk: u32, class: usize, used: bool) {
        if let Some(c) = self.chunk(chunk) {
            let kind = if used { SLAB } else { CHUNK_FREE };
            let detail = if used { class as u64 } else { 0 };
            self.swap_chunk(chunk, c, Chunk::new(kind, detail, 0, c.backed()));
        }
    }

    /// Claims the first of these slots that is free and has memory as wanted.
    fn claim_from(&self, index: u32, wanted: Option<usize>) -> Option<(u32, Word)> {
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
        let class = match self.place(slot.memory.load(SeqCst))? {
            Place::None => None,
            Place::Block { class, .. } => Some(class),
            Place::Run { .. } => Some(usize::MAX), // left by nobody: the reaper looks after it
        };
        if class == wanted {
            slot.home.store(self.me(), Relaxed);
            return Some((index, claimed));
        }
        slot.word.store(claimed.with(0, FREE).0, SeqCst);
        None
    }

    /// Claims a slot without memory; grows the table when there is none.
    pub(crate) fn claim_bare(&self) -> Result<Option<(u32, Word)>, StoreError> {
        loop {
            let next = self.lists().bare.pop();
            if let Some(claimed) = next.and_then(|i| self.claim_from(i, None)) {
                return Ok(Some(claimed));
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

    /// Claims a slot with a block of this class.
    pub(crate) fn claim_block(&self, class: usize) -> Result<Option<(u32, Word)>, StoreError> {
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
                        Some(Place::Block { class: c, .. }) => class == Some(c),
                        _ => false,
                    }
            })
        };
        (0..self.meta.slots_ready()).filter(fits).take(most).collect()
    }

    fn hints(&self, class: usize) -> impl Iterator<Item = &std::sync::atomic::AtomicU32> {
        let first = (class * crate::layout::HINTS) as u32;
        (first..first + crate::layout::HINTS as u32).filter_map(|i| self.meta.slot_hint(i))
    }

    /// Remembers a free slot where its next user will look: here if this process filled it, else where
    /// every process looks.
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

    pub(crate) fn no_space(&self, needed: u64, error: std::io::Error) -> StoreError {
        if matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) {
            return self.full(needed, "its file system has no room left");
        }
        StoreError::io("get memory for the store at", Some(self.place.clone()), error)
    }
}
