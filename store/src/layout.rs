//! The store's `meta` file: where each table lies and what a cell of it is.
//!
//! Owns the byte layout drawn in `schema/FORMAT.md` and the bounds check of every index. All cells are
//! atomics: any process of the user may change them at any time, so no reference to plain data in this
//! file is ever formed, and a number read from it is a claim to be checked.

use crate::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use crate::memory::Memory;

/// Version of this layout; part of the path, so that two versions live side by side.
pub const LAYOUT_VERSION: u32 = 3;
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"TORPORST");
/// Processes that can be attached at once: the bits of one row of [`Pins`].
pub const MAX_PROCESSES: u32 = 512;
/// Longest key in bytes.
pub const MAX_KEY: usize = 255;
pub(crate) const WAIT_WORDS: u32 = 256;
/// Size classes of small blocks, 512 bytes times a power of two.
pub(crate) const CLASSES: usize = 12;
pub(crate) const SMALLEST_BLOCK: u64 = 512;
/// Hints to free slots of one class that processes leave for each other.
pub(crate) const HINTS: usize = 16;
/// Bytes of a key that lie in its node.
pub(crate) const HEAD_TEXT: usize = 32;
/// Bytes for the rest of a key.
pub(crate) const KEY_CELL: usize = 256 - HEAD_TEXT;

/// The first 4096 bytes.
#[repr(C)]
pub(crate) struct Header {
    pub magic: AtomicU64,
    pub layout: AtomicU32,
    pub full: AtomicU32,
    pub fingerprint: AtomicU64,
    pub capacity: AtomicU64,
    pub chunk_log2: AtomicU32,
    pub slots_max: AtomicU32,
    pub chunks: AtomicU32,
    pub buckets: AtomicU32,
    pub created: AtomicU64,
    pub unique: AtomicU64,
    // Words that change, each on a cache line of its own.
    pub next_id: Line<AtomicU64>,
    pub destroyed: Line<AtomicU32>,
    pub slots_ready: Line<AtomicU32>,
    pub nodes_ready: Line<AtomicU32>,
    /// One past the highest chunk that was ever in use.
    pub chunks_used: Line<AtomicU32>,
    /// Free chunks that still have pages. A hint: kills make it drift, `gc` sets it right.
    pub warm: Line<AtomicU64>,
    /// Futex word: bit 0 somebody waits for room, the rest counts frees.
    pub room: Line<AtomicU32>,
}

#[repr(C, align(64))]
pub(crate) struct Line<T>(pub T);

/// One attached process; the byte of the same number in `locks` says whether it lives.
#[repr(C, align(64))]
pub(crate) struct Process {
    pub in_use: AtomicU32,
    pub pid: AtomicU32,
    pub since: AtomicU64,
}

/// One snapshot. `word` is the only authority ([`crate::slot`]); the rest is written by its owner
/// before `word` says PUBLISHED.
#[repr(C, align(64))]
pub(crate) struct Slot {
    pub word: AtomicU64,
    pub memory: AtomicU64,
    pub id: AtomicU64,
    pub length: AtomicU64,
    /// Node of the key plus one, 0 without a key.
    pub name: AtomicU32,
    /// The process that last filled the slot.
    pub home: AtomicU32,
    pub name_generation: AtomicU64,
    /// Of a buffer: the snapshot to which it was handed over ([`crate::buffer`]), 0 while there is none.
    pub part: AtomicU64,
    /// The first buffer of a snapshot plus one; of a buffer: the next one plus one. 0 at the end.
    pub next: AtomicU32,
}

/// Who holds a slot: one bit for each process.
#[repr(C, align(64))]
pub(crate) struct Pins(pub [AtomicU64; MAX_PROCESSES as usize / 64]);

/// One key. What `text` has no room for lies in the cell of the same number of the table `keys`: a key that is short
/// is found by looking at one cache line.
#[repr(C, align(64))]
pub(crate) struct Node {
    pub word: AtomicU64,
    pub hash: AtomicU64,
    pub generation: AtomicU64,
    /// The next node of the bucket plus one, 0 at the end.
    pub next: AtomicU32,
    pub length: AtomicU32,
    pub text: [AtomicU64; HEAD_TEXT / 8],
}

const _: () = assert!(size_of::<Header>() <= 4096 && size_of::<Slot>() == 64 && size_of::<Pins>() == 64);
const _: () = assert!(size_of::<Node>() == 64 && size_of::<Process>() == 64);

/// The numbers that fix where everything lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub capacity: u64,
    pub chunk_log2: u32,
    pub chunks: u32,
    pub slots_max: u32,
    pub buckets: u32,
}

/// Tables in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Header,
    Processes,
    Waits,
    Hints,
    Buckets,
    Chunks,
    Ids,
    Slots,
    Pins,
    Nodes,
    Keys,
    End,
}
const TABLES: usize = Table::End as usize;

impl Shape {
    /// The shape of a new store of `capacity` bytes.
    pub(crate) fn new(capacity: u64) -> Shape {
        let capacity = capacity.clamp(256 << 10, 1 << 46);
        let chunk_log2 = (capacity >> 16).next_power_of_two().trailing_zeros().clamp(14, 30);
        let chunks = (capacity >> chunk_log2) as u32;
        let most = (capacity >> 16).clamp(1 << 17, 1 << 20);
        let slots_max = (capacity >> 12).clamp(1 << 10, most).next_power_of_two() as u32;
        let capacity = u64::from(chunks) << chunk_log2;
        Shape { capacity, chunk_log2, chunks, slots_max, buckets: slots_max }
    }

    pub(crate) fn chunk(&self) -> u64 {
        1 << self.chunk_log2
    }

    /// Bytes of one cell of a table, and how many cells it has.
    fn cells(&self, table: usize) -> (u64, u64) {
        let slots = u64::from(self.slots_max);
        match table {
            0 => (4096, 1),
            1 => (64, u64::from(MAX_PROCESSES)),
            2 => (64, u64::from(WAIT_WORDS)),
            3 => (4, (CLASSES * HINTS) as u64),
            4 => (8, u64::from(self.buckets)),
            5 => (8, u64::from(self.chunks)),
            6 => (4, slots),
            7..=9 => (64, slots),
            10 => (KEY_CELL as u64, slots),
            _ => (0, 0),
        }
    }

    /// Where a table begins; `Table::End`: the length of the file.
    pub(crate) fn offset(&self, table: Table) -> u64 {
        (0..table as usize).map(|t| self.cells(t)).map(|(size, n)| (size * n).next_multiple_of(4096)).sum()
    }

    /// Distinguishes builds whose tables differ, whatever their version says.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut bytes = Vec::new();
        for table in 0..=TABLES {
            let (size, n) = self.cells(table);
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&n.to_le_bytes());
        }
        let words = [
            size_of::<Header>(),
            std::mem::offset_of!(Header, next_id),
            std::mem::offset_of!(Header, room),
            std::mem::offset_of!(Slot, name),
            std::mem::offset_of!(Slot, part),
            std::mem::offset_of!(Node, next),
            std::mem::offset_of!(Node, text),
            LAYOUT_VERSION as usize,
        ];
        words.iter().for_each(|w| bytes.extend_from_slice(&(*w as u64).to_le_bytes()));
        twox_hash::XxHash3_64::oneshot(&bytes)
    }
}

/// The mapped tables.
pub(crate) struct Meta {
    _memory: Box<dyn Memory>,
    base: *mut u8,
    pub shape: Shape,
    /// Where each table begins and how many cells it has.
    tables: [(*mut u8, u32); TABLES],
}

// SAFETY: invariant S1: everything behind `base` is reached as atomics only.
unsafe impl Send for Meta {}
// SAFETY: as above.
unsafe impl Sync for Meta {}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $cell:ty, $table:ident) => {
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name(&self, index: u32) -> Option<&$cell> {
            let (start, cells) = self.tables[Table::$table as usize];
            if index >= cells {
                return None;
            }
            // SAFETY: invariant S1: the cell lies inside its table, tables begin at pages, cells are
            // atomics of which every bit pattern is a value, and the mapping lives as long as `self`.
            Some(unsafe { &*start.cast::<$cell>().add(index as usize) })
        }
    };
}

impl Meta {
    /// Takes mapped memory as tables of this shape; `None` if it is too short.
    pub(crate) fn new(memory: Box<dyn Memory>, shape: Shape) -> Option<Meta> {
        if (memory.len() as u64) < shape.offset(Table::End) {
            return None;
        }
        let all = [
            Table::Header,
            Table::Processes,
            Table::Waits,
            Table::Hints,
            Table::Buckets,
            Table::Chunks,
            Table::Ids,
            Table::Slots,
            Table::Pins,
            Table::Nodes,
            Table::Keys,
        ];
        let base = memory.start();
        let tables = all.map(|table| {
            let cells = u32::try_from(shape.cells(table as usize).1).unwrap_or(0);
            // SAFETY: invariant S1: every table lies inside the memory, whose length was just checked.
            (unsafe { base.add(shape.offset(table) as usize) }, cells)
        });
        Some(Meta { base, _memory: memory, shape, tables })
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: invariant S1: the header is the first page of every meta file.
        unsafe { &*self.base.cast::<Header>() }
    }

    table!(process, Process, Processes);
    table!(wait_word, Line<AtomicU32>, Waits);
    table!(bucket, AtomicU64, Buckets);
    table!(chunk_word, AtomicU64, Chunks);
    table!(id_hint, AtomicU32, Ids);
    table!(slot, Slot, Slots);
    table!(pins, Pins, Pins);
    table!(node, Node, Nodes);
    table!(slot_hint, AtomicU32, Hints);
    table!(key_cell, [AtomicU64; KEY_CELL / 8], Keys);

    /// Slots whose memory exists. Never more than the table has, whatever the header says.
    #[inline(always)]
    pub(crate) fn slots_ready(&self) -> u32 {
        self.header().slots_ready.0.load(SeqCst).min(self.shape.slots_max)
    }

    /// Nodes whose memory exists.
    #[inline(always)]
    pub(crate) fn nodes_ready(&self) -> u32 {
        self.header().nodes_ready.0.load(SeqCst).min(self.shape.slots_max)
    }

    pub(crate) fn chunks_used(&self) -> u32 {
        self.header().chunks_used.0.load(SeqCst).min(self.shape.chunks)
    }

    /// Writes the header of a new store; `magic` last.
    pub(crate) fn format(&self, full: u32, created: u64, unique: u64) {
        let h = self.header();
        h.layout.store(LAYOUT_VERSION, SeqCst);
        h.full.store(full, SeqCst);
        h.fingerprint.store(self.shape.fingerprint(), SeqCst);
        h.capacity.store(self.shape.capacity, SeqCst);
        h.chunk_log2.store(self.shape.chunk_log2, SeqCst);
        h.slots_max.store(self.shape.slots_max, SeqCst);
        h.chunks.store(self.shape.chunks, SeqCst);
        h.buckets.store(self.shape.buckets, SeqCst);
        h.created.store(created, SeqCst);
        h.unique.store(unique, SeqCst);
        h.next_id.0.store(1, SeqCst);
        h.magic.store(MAGIC, SeqCst);
    }

    /// Reads the shape that a header claims; the error says what does not fit.
    pub(crate) fn read_shape(header: &[u8; 64]) -> Result<Shape, String> {
        let u32_at =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u64_at(0) != MAGIC {
            return Err("its meta file does not begin as a store's".to_string());
        }
        let shape = Shape::new(u64_at(24));
        let found = [u32_at(32), u32_at(36), u32_at(40), u32_at(44)];
        let fits = found == [shape.chunk_log2, shape.slots_max, shape.chunks, shape.buckets];
        if u32_at(8) != LAYOUT_VERSION || u64_at(16) != shape.fingerprint() || !fits {
            return Err(format!(
                "it was made by another build (layout {} with fingerprint {:016x}, this build has layout \
                 {LAYOUT_VERSION} with {:016x}); use that build, or destroy the store",
                u32_at(8),
                u64_at(16),
                shape.fingerprint()
            ));
        }
        Ok(shape)
    }
}
