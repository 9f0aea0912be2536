//! What is about to be stored: the parts of a snapshot while they are collected.
//!
//! Step "capture" of the flow. A [`SnapshotBuilder`] owns the graph (small, in ordinary memory that is
//! used again for the next capture) and *names* the big buffers; nothing is claimed in a store before
//! the whole graph is known, so a refusal leaves nothing behind and the size is exact. The store then
//! writes the graph and copies each buffer once, straight into its place
//! ([`Store::reserve`](crate::Store)).

use crate::error::StoreError;
use crate::frame::{Array, CodeRef, Extent, Frame, Run, Space, NONE};
use crate::region;
use crate::snapshot::Snapshot;
use crate::value::Value;
use std::marker::PhantomData;

/// Buffers of at least this many bytes lie outside of the graph, in extents of their own.
pub const FAR_BUFFER: usize = 16 << 10;
/// Text and bytes of at least this many bytes do so too.
pub const FAR_TEXT: usize = 64 << 10;
/// Extents up to this size carry a checksum from the start; larger ones get theirs in files.
pub const CHECKED_EXTENT: usize = 256 << 10;
/// A graph (everything but the extents) ends here.
pub const MAX_GRAPH: u64 = (1 << 31) - (1 << 20);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) start: *const u8,
    pub(crate) length: usize,
}

/// The parts of one snapshot. `'b` is how long the named buffers live.
///
/// The fields are public to the crates that know the format ([`FORMAT.md`]); programs use the methods
/// of [`Builder`](crate::build) instead.
#[derive(Debug, Default)]
pub struct SnapshotBuilder<'b> {
    pub frames: Vec<Frame>,
    pub values: Vec<Value>,
    pub data: Vec<u8>,
    pub codes: Vec<CodeRef>,
    pub spaces: Vec<Space>,
    pub runs: Vec<Run>,
    pub arrays: Vec<Array>,
    pub dims: Vec<i64>,
    /// Code records, each aligned to 8; see [`push_code`](Self::push_code).
    pub records: Vec<u8>,
    /// PY_VERSION_HEX of the interpreter, 0 for a snapshot made without Python.
    pub python: u32,
    /// [`region::Flags`].
    pub flags: u32,
    /// Shared numbers given out so far.
    pub shared: u32,
    /// Value index of the handled exception, or [`NONE`].
    pub handled: Option<u32>,
    pub(crate) buffers: Vec<Buffer>,
    /// The first so many buffers are what the host attached.
    attached: usize,
    lifetime: PhantomData<&'b [u8]>,
}

/// How much a [`SnapshotBuilder`] had of each part: see [`SnapshotBuilder::mark`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub frames: usize,
    pub values: usize,
    pub data: usize,
    pub records: usize,
    codes: usize,
    spaces: usize,
    runs: usize,
    arrays: usize,
    dims: usize,
    buffers: usize,
    attached: usize,
    flags: u32,
    shared: u32,
}

impl Mark {
    /// Whether there was a buffer or an array.
    pub fn has_buffers(&self) -> bool {
        self.buffers + self.arrays > 0
    }
}

impl<'b> SnapshotBuilder<'b> {
    pub fn new() -> Self {
        Self::default()
    }

    /// The parts of a snapshot that exists, its buffers in place: what is made of them is the same but for its number,
    /// its time and its process. Header and graph are checked, the buffers' checksums are not.
    pub fn copy_of(snapshot: &'b Snapshot) -> Result<Self, StoreError> {
        let region = snapshot.region()?;
        crate::graph::check(&region)?;
        let mut copy = SnapshotBuilder {
            frames: region.frames.to_vec(),
            values: region.values.to_vec(),
            data: region.data.to_vec(),
            codes: region.codes.to_vec(),
            spaces: region.spaces.to_vec(),
            runs: region.runs.to_vec(),
            arrays: region.arrays.to_vec(),
            dims: region.dims.to_vec(),
            records: region.records.to_vec(),
            python: region.python,
            flags: region.flags & !region::Flags::COMPLETE,
            shared: region.shared,
            handled: Some(region.handled).filter(|at| *at != NONE),
            ..Default::default()
        };
        for extent in region.extents {
            copy.add_buffer(snapshot.extent_bytes(extent)?);
        }
        Ok(copy)
    }

    /// Empties the builder and keeps its memory.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.values.clear();
        self.data.clear();
        self.codes.clear();
        self.spaces.clear();
        self.runs.clear();
        self.arrays.clear();
        self.dims.clear();
        self.records.clear();
        self.buffers.clear();
        self.attached = 0;
        self.flags = 0;
        self.shared = 0;
        self.handled = None;
    }

    /// How much there is of each part.
    pub fn mark(&self) -> Mark {
        Mark {
            frames: self.frames.len(),
            values: self.values.len(),
            data: self.data.len(),
            codes: self.codes.len(),
            spaces: self.spaces.len(),
            runs: self.runs.len(),
            arrays: self.arrays.len(),
            dims: self.dims.len(),
            records: self.records.len(),
            buffers: self.buffers.len(),
            attached: self.attached,
            flags: self.flags,
            shared: self.shared,
        }
    }

    /// Takes away what came after a mark. What was there before it stays, with what was written over it since.
    pub fn back_to(&mut self, mark: &Mark) {
        self.frames.truncate(mark.frames);
        self.values.truncate(mark.values);
        self.data.truncate(mark.data);
        self.codes.truncate(mark.codes);
        self.spaces.truncate(mark.spaces);
        self.runs.truncate(mark.runs);
        self.arrays.truncate(mark.arrays);
        self.dims.truncate(mark.dims);
        self.records.truncate(mark.records);
        self.buffers.truncate(mark.buffers);
        self.attached = mark.attached;
        self.flags = mark.flags;
        self.shared = mark.shared;
        self.handled = None;
    }

    /// Gives back memory beyond `bytes` for each part, as far as it is not in use: after a capture that was unusually large.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.values.shrink_to(bytes / size_of::<Value>());
        self.data.shrink_to(bytes);
        self.records.shrink_to(bytes);
    }

    /// Names a buffer that will be copied once, into an extent; returns the extent's index.
    pub fn add_buffer(&mut self, bytes: &'b [u8]) -> u32 {
        self.buffers.push(Buffer { start: bytes.as_ptr(), length: bytes.len() });
        (self.buffers.len() - 1) as u32
    }

    /// As [`add_buffer`](Self::add_buffer) for memory whose owner the borrow checker does not see.
    ///
    /// # Safety
    /// `start` must stay valid for reads of `length` bytes until the snapshot is published or the
    /// builder cleared. Other threads may write to it meanwhile: the copy is made byte by byte and no
    /// reference to it is formed.
    pub unsafe fn add_raw_buffer(&mut self, start: *const u8, length: usize) -> u32 {
        self.buffers.push(Buffer { start, length });
        (self.buffers.len() - 1) as u32
    }

    /// Says that all buffers so far are what the host attached: they are no memory of the program's objects.
    pub fn note_attached(&mut self) {
        self.attached = self.buffers.len();
    }

    /// As [`add_raw_buffer`](Self::add_raw_buffer); memory that the host attached as well is there once.
    ///
    /// # Safety
    /// As for that.
    pub unsafe fn add_array_buffer(&mut self, start: *const u8, length: usize) -> u32 {
        let attached = &self.buffers[..self.attached.min(self.buffers.len())];
        match attached.iter().position(|b| (b.start, b.length) == (start, length)) {
            Some(extent) => extent as u32,
            // SAFETY: as the caller promises.
            None => unsafe { self.add_raw_buffer(start, length) },
        }
    }

    /// Extents so far.
    pub fn buffer_count(&self) -> usize {
        self.buffers.len()
    }

    /// Bytes of all named buffers.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.length as u64).sum()
    }

    /// Appends bytes to `data` and returns their offset.
    #[inline]
    pub fn push_bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.data.len();
        self.data.extend_from_slice(bytes);
        at as u32
    }

    /// Appends text and a NUL to `data` and returns its offset.
    #[inline]
    pub fn push_text(&mut self, text: &[u8]) -> u32 {
        let at = self.data.len();
        self.data.reserve(text.len() + 1);
        self.data.extend_from_slice(text);
        self.data.push(0);
        at as u32
    }

    /// Appends a code object's record (a nested FlatBuffer `Code`, padded with zeros to a multiple of
    /// 8 bytes) with its content hash and its checksum ([`region::checksum`] of the padded record);
    /// returns its index in `codes`.
    pub fn push_code(&mut self, hash: u128, record: &[u8], checksum: u64) -> u32 {
        assert!(record.len() % 8 == 0, "a code record is padded to a multiple of 8 bytes");
        let offset = self.records.len() as u32;
        self.records.extend_from_slice(record);
        self.codes.push(CodeRef {
            hash_low: hash as u64,
            hash_high: (hash >> 64) as u64,
            offset,
            length: record.len() as u32,
            checksum,
        });
        (self.codes.len() - 1) as u32
    }

    /// Pads `data` to a multiple of `to`.
    pub fn align_data(&mut self, to: usize) {
        let n = self.data.len().next_multiple_of(to);
        self.data.resize(n, 0);
    }

    pub(crate) fn handled_index(&self) -> u32 {
        self.handled.unwrap_or(NONE)
    }

    /// Where everything will lie: see [`region::Plan`].
    pub fn plan(&self) -> region::Plan {
        region::Plan::new(self, &[])
    }

    /// The extents as they will stand in the region, checksums not yet filled in. Those of `handed` (sorted)
    /// are not copied, and come last.
    pub(crate) fn extents<'a>(
        &'a self,
        plan: &region::Plan,
        handed: &'a [u32],
    ) -> impl Iterator<Item = Extent> + 'a {
        let (mut near, mut far) = (plan.first_extent, plan.local_length);
        (0..).zip(&self.buffers).map(move |(i, b)| {
            let at = if handed.binary_search(&i).is_ok() { &mut far } else { &mut near };
            let e = Extent { offset: *at, length: b.length as u64, checksum: 0, flags: 0 };
            *at += (b.length as u64).next_multiple_of(region::PAGE);
            e
        })
    }
}

// SAFETY: invariant B1 (SAFETY.md): the named buffers are only ever read, through raw pointers, and
// outlive the builder's use; the pointers carry no thread affinity.
unsafe impl Send for SnapshotBuilder<'_> {}
