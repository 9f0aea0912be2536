//! Memory for payloads: chunks of the data file, each with one atomic word that says whose it is.
//!
//! An extent is a run of chunks that carry the number of their slot. A slab is one chunk cut into equal
//! blocks, each attached to a slot for good: a small snapshot claims a free slot whose block fits and
//! needs no allocator at all. Nothing here is owned by nobody for longer than a scan: a chunk belongs to
//! a slot whose `memory` covers it, or to a process that is about to say so. Invariants S7 and S9.

use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::layout::{Slot, CLASSES, SMALLEST_BLOCK};
use crate::slot::Word;
use crate::sys::{self, crash_point};
use std::fs::File;
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

/// One of the equal blocks of a slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub class: usize,
    pub chunk: u32,
    pub offset: u64,
    pub length: u64,
}

/// The memory that belongs to a slot, checked against the store's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    None,
    Block(Block),
    Run { start: u32, count: u32, offset: u64, length: u64 },
}

impl Place {
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Place::None => 0,
            Place::Block(Block { offset, .. }) | Place::Run { offset, .. } => *offset,
        }
    }
    pub(crate) fn length(&self) -> u64 {
        match self {
            Place::None => 0,
            Place::Block(Block { length, .. }) | Place::Run { length, .. } => *length,
        }
    }
}

pub(crate) fn block_word(class: usize, chunk: u32, block: u64) -> u64 {
    1 << 62 | (class as u64) << 56 | block << 32 | u64::from(chunk)
}

fn run_word(start: u32, count: u32) -> u64 {
    2 << 62 | u64::from(count) << 31 | u64::from(start)
}

pub(crate) fn block_size(class: usize) -> u64 {
    SMALLEST_BLOCK << class
}

/// The class of block for a region, or `None` if it gets an extent.
#[inline]
pub(crate) fn class_for(length: u64, chunk: u64) -> Option<usize> {
    let class = (length.max(1) - 1) / SMALLEST_BLOCK;
    let class = (u64::BITS - class.leading_zeros()) as usize;
    (class < CLASSES && block_size(class) <= chunk / 2).then_some(class)
}

impl Attachment {
    /// The block that a slot's memory word says, or `None` if it says something else, or what cannot be true.
    #[inline(always)]
    pub(crate) fn block(&self, word: u64) -> Option<Block> {
        let shape = &self.meta.shape;
        let (class, chunk) = ((word >> 56) as usize ^ 1 << 6, word as u32);
        let block = word >> 32 & 0xff_ffff;
        if class >= CLASSES || chunk >= shape.chunks {
            return None;
        }
        let length = block_size(class);
        let inside = (block + 1) * length <= shape.chunk();
        let offset = (u64::from(chunk) << shape.chunk_log2) + block * length;
        inside.then_some(Block { class, chunk, offset, length })
    }

    /// What a slot's memory word says, or `None` if it cannot be true.
    #[inline(always)]
    pub(crate) fn place(&self, word: u64) -> Option<Place> {
        let shape = &self.meta.shape;
        match word >> 62 {
            0 => Some(Place::None),
            1 => self.block(word).map(Place::Block),
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

    pub(crate) fn chunk(&self, index: u32) -> Option<Chunk> {
        self.meta.chunk_word(index).map(|w| Chunk(w.load(SeqCst)))
    }

    pub(crate) fn swap_chunk(&self, index: u32, from: Chunk, to: Chunk) -> bool {
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
        crash_point!("extent: chunks claimed, slot not told");
        slot.memory.store(run_word(start, count), SeqCst);
        self.place(run_word(start, count))
    }

    fn try_run(&self, start: u32, count: u32, index: u32, word: Word) -> bool {
        if start.checked_add(count).is_none_or(|end| end > self.meta.shape.chunks) {
            return false;
        }
        // First, so that a reaper looks at them whenever we may die.
        self.meta.header().chunks_used.0.fetch_max(start + count, SeqCst);
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
    #[inline(always)]
    pub(crate) fn release_extent(&self, index: u32, slot: &Slot) -> Option<usize> {
        let memory = slot.memory.load(SeqCst);
        match self.block(memory) {
            Some(block) => Some(block.class),
            None => {
                self.release_run(index, slot, self.place(memory));
                None
            }
        }
    }

    #[inline(never)]
    fn release_run(&self, index: u32, slot: &Slot, place: Option<Place>) {
        if let Some(Place::Run { start, count, .. }) = place {
            self.release_chunks(index, start, count);
        }
        crash_point!("free: chunks released, slot not told");
        slot.memory.store(0, SeqCst);
        crash_point!("free: memory gone, slot not free");
    }

    pub(crate) fn release_chunks(&self, index: u32, start: u32, count: u32) {
        let warm = &self.meta.header().warm.0;
        self.punch_half_written(index, start, count);
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

    /// Chunks that do not say that they have pages may have some all the same: their writer died, or the file system was
    /// full, before they had all.
    fn punch_half_written(&self, index: u32, start: u32, count: u32) {
        let log2 = self.meta.shape.chunk_log2;
        let cold = |i: &u32| {
            let chunk = self.chunk(*i);
            chunk.is_some_and(|c| c.kind() == EXTENT && c.index() == index && !c.backed())
        };
        let mut at = start;
        while let Some(from) = (at..start + count).find(cold) {
            at = (from..start + count).find(|i| !cold(i)).unwrap_or(start + count);
            let _ = sys::punch(&self.data, u64::from(from) << log2, u64::from(at - from) << log2);
        }
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

    /// Gives pages to chunks of mine. If the file system has no room, free chunks give theirs back first.
    pub(crate) fn allocate(&self, at: u64, length: u64) -> Result<(), StoreError> {
        self.allocate_in(&self.data, at, length)
    }

    /// The same for a part of either file.
    pub(crate) fn allocate_in(&self, file: &File, at: u64, length: u64) -> Result<(), StoreError> {
        let full = |e: &std::io::Error| e.raw_os_error() == Some(libc::ENOSPC);
        let mut done = sys::allocate(file, at, length);
        if done.as_ref().is_err_and(full) {
            self.cool_all();
            done = sys::allocate(file, at, length);
        }
        done.map_err(|e| self.no_space(length, e))
    }

    pub(crate) fn no_space(&self, needed: u64, error: std::io::Error) -> StoreError {
        if matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) {
            return self.full(needed, "its file system has no room left");
        }
        StoreError::io("get memory for the store at", Some(self.place.clone()), error)
    }
}
