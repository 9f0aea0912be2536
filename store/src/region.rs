//! The region: one snapshot as bytes, the same in shared memory, in a file and on the wire.
//!
//! Step "region" of the flow. A region is a FlatBuffer (`schema/snapshot.fbs`) followed by
//! page-aligned extents. This module owns where everything lies ([`Plan`], [`write_graph`]) and what
//! is checked before a byte of it is believed ([`Region::verify`]). It never follows an index into the
//! graph: that is done, with the same distrust, by whoever walks it.

use crate::capture::{SnapshotBuilder, CHECKED_EXTENT, MAX_GRAPH};
pub use crate::error::RegionError;
use crate::frame::{Array, CodeRef, Extent, Frame, Run, Space};
pub use crate::plan::Plan;
use crate::value::Value;
use torpor_schema as schema;
pub use torpor_schema::FORMAT_VERSION;
use twox_hash::XxHash3_64;

/// Extents start at multiples of this many bytes.
pub const PAGE: u64 = 4096;

/// Bits of the table's `flags`.
pub struct Flags;
impl Flags {
    /// Adopting runs code that the snapshot brings (reduce nodes, imports).
    pub const RUNS_CODE: u32 = 1;
    /// The graph part was checked when it was written by this build; set in every snapshot.
    pub const COMPLETE: u32 = 2;
}

// The prelude: what stands before the first vector. It is the same in every snapshot but for the
// words that `write_graph` patches. Offsets in bytes from the start of the region.
pub(crate) const PRELUDE: usize = 156; // TABLE + 4 + the fields, then 4 (mod 8)
const VTABLE: usize = 8;
const TABLE: usize = 52; // VTABLE + 4 + 2 * FIELDS
const FIELDS: usize = 20;
mod at {
    pub const FORMAT: usize = 56;
    pub const PYTHON: usize = 60;
    pub const FLAGS: usize = 64;
    pub const SHARED: usize = 68;
    pub const CHECKSUM: usize = 72;
    pub const GRAPH_LENGTH: usize = 80;
    pub const REGION_LENGTH: usize = 88;
    pub const CREATED: usize = 96;
    pub const PID: usize = 104;
    pub const HANDLED: usize = 108;
    pub const VECTORS: usize = 112; // ten u32 offsets, in the schema's order
}

const fn prelude() -> [u8; PRELUDE] {
    const fn put(mut b: [u8; PRELUDE], at: usize, v: u32, n: usize) -> [u8; PRELUDE] {
        let bytes = v.to_le_bytes();
        let mut i = 0;
        while i < n {
            b[at + i] = bytes[i];
            i += 1;
        }
        b
    }
    let mut b = [0u8; PRELUDE];
    b = put(b, 0, TABLE as u32, 4);
    b = put(b, 4, u32::from_le_bytes(*b"TRPR"), 4);
    b = put(b, VTABLE, (4 + 2 * FIELDS) as u32, 2);
    b = put(b, VTABLE + 2, (at::VECTORS + 10 * 4 - TABLE) as u32, 2);
    let fields = [
        at::FORMAT,
        at::PYTHON,
        at::FLAGS,
        at::SHARED,
        at::CHECKSUM,
        at::GRAPH_LENGTH,
        at::REGION_LENGTH,
        at::CREATED,
        at::PID,
        at::HANDLED,
    ];
    let mut i = 0;
    while i < FIELDS {
        let offset = if i < fields.len() { fields[i] } else { at::VECTORS + 4 * (i - fields.len()) };
        b = put(b, VTABLE + 4 + 2 * i, (offset - TABLE) as u32, 2);
        i += 1;
    }
    b = put(b, TABLE, (TABLE - VTABLE) as u32, 4);
    b = put(b, at::FORMAT, FORMAT_VERSION, 4);
    b
}
static TEMPLATE: [u8; PRELUDE] = prelude();

/// Writes the graph part of `b` to `out`, which has `plan.graph_length` bytes; `checksums` are those
/// of the extents whose bytes are already known (0: not computed).
///
/// # Safety
/// `out` must be valid for writes of `plan.graph_length` bytes, aligned to 8, and written by nobody
/// else; `plan` must be `b.plan()`, taken since the last change of `b`.
pub unsafe fn write_graph(b: &SnapshotBuilder<'_>, plan: &Plan, out: *mut u8, created: u64, pid: u32) {
    // SAFETY: as this function's contract says.
    unsafe { write_graph_without(b, plan, &[], out, created, pid) }
}

/// As [`write_graph`], of a snapshot to which the buffers `handed` (sorted) are handed over.
///
/// # Safety
/// As [`write_graph`]; the plan was made with the same `handed`.
pub(crate) unsafe fn write_graph_without(
    b: &SnapshotBuilder<'_>,
    plan: &Plan,
    handed: &[u32],
    out: *mut u8,
    created: u64,
    pid: u32,
) {
    // SAFETY: (whole function) invariant R1: every write ends at or before plan.graph_length, because
    // the plan was made from the same vectors in the same order.
    unsafe {
        let put32 = |at: usize, v: u32| out.add(at).cast::<u32>().write_unaligned(v.to_le());
        let put64 = |at: usize, v: u64| out.add(at).cast::<u64>().write_unaligned(v.to_le());
        // Words of 8 bytes, because they are read as such for the checksum at once: bytes that were just written are
        // there only for reads that fit what was written. The template's words behind the format are all replaced.
        let put32x2 = |at: usize, low: u32, high: u32| put64(at, u64::from(low) | u64::from(high) << 32);
        std::ptr::copy_nonoverlapping(TEMPLATE.as_ptr(), out, at::FORMAT);
        put32x2(at::FORMAT, FORMAT_VERSION, b.python);
        put32x2(at::FLAGS, b.flags | Flags::COMPLETE, b.shared);
        put64(at::CHECKSUM, 0);
        put64(at::GRAPH_LENGTH, plan.graph_length);
        put64(at::REGION_LENGTH, plan.region_length);
        put64(at::CREATED, created);
        put32x2(at::PID, pid, b.handled_index());
        put32(PRELUDE - 4, 0);
        for (i, pair) in plan.vectors.chunks_exact(2).enumerate() {
            let field = at::VECTORS + 8 * i;
            put32x2(field, (pair[0] as usize - field) as u32, (pair[1] as usize - field - 4) as u32);
        }
        // Nothing lies between two vectors but zeros up to a multiple of 8, and the next one's length.
        let put = |at: usize, start: *const u8, bytes: usize, count: usize| {
            put32(at, count as u32);
            let end = at + 4 + bytes;
            let stop = (end.next_multiple_of(8) + 4).min(plan.graph_length as usize);
            if bytes >= 12 {
                // At most 11 bytes: zeros first, the elements over them.
                put64(stop - 8, 0);
                put32(stop - 12, 0);
                std::ptr::copy_nonoverlapping(start, out.add(at + 4), bytes);
            } else {
                std::ptr::copy_nonoverlapping(start, out.add(at + 4), bytes);
                for i in end..stop {
                    out.add(i).write(0);
                }
            }
        };
        macro_rules! vector {
            ($i:expr, $v:expr) => {
                let at = plan.vectors[$i] as usize;
                match $v.len() {
                    0 if $i == 9 => put32(at, 0), // the graph ends here
                    0 => put64(at, 0),
                    n => put(at, $v.as_ptr().cast(), size_of_val(&$v[..]), n),
                }
            };
        }
        vector!(0, b.frames);
        vector!(1, b.values);
        vector!(2, b.data);
        vector!(3, b.codes);
        vector!(4, b.spaces);
        vector!(5, b.runs);
        if b.buffers.is_empty() {
            put64(plan.vectors[6] as usize, 0);
        } else {
            let extents: Vec<Extent> = b.extents(plan, handed).collect();
            vector!(6, extents);
        }
        vector!(7, b.arrays);
        vector!(8, b.dims);
        vector!(9, b.records);
    }
}

/// Copies one of the builder's buffers to its place and notes its checksum in the graph if it is small.
///
/// # Safety
/// `region` must be valid for writes of `plan.region_length` bytes, its graph part written by
/// [`write_graph`] with the same builder and plan.
pub unsafe fn write_buffer(b: &SnapshotBuilder<'_>, plan: &Plan, region: *mut u8, index: usize) {
    // SAFETY: by this function's contract: the extent lies inside the region (R1), the source is valid
    // for its length (B1); they cannot overlap, the destination is fresh.
    let copied = unsafe {
        write_buffer_by(b, plan, region, index, |source, length, offset| {
            std::ptr::copy_nonoverlapping(source, region.add(offset as usize), length);
            Ok(())
        })
    };
    debug_assert!(copied.is_ok());
}

/// As [`write_buffer`], with the copying left to `copy(source, length, offset in the region)`.
///
/// # Safety
/// As [`write_buffer`]; `copy` must have written all the bytes when it returns `Ok`.
pub(crate) unsafe fn write_buffer_by(
    b: &SnapshotBuilder<'_>,
    plan: &Plan,
    region: *mut u8,
    index: usize,
    copy: impl FnOnce(*const u8, usize, u64) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let buffer = b.buffers[index];
    let entry = plan.vectors[6] as usize + 4 + index * size_of::<Extent>();
    // SAFETY: invariants R1 and B1: the extent lies inside the region by construction of the plan.
    unsafe {
        let e = region.add(entry).cast::<Extent>();
        let offset = (*e).offset;
        copy(buffer.start, buffer.length, offset)?;
        let to = region.add(offset as usize);
        let end = (buffer.length as u64).next_multiple_of(PAGE) as usize;
        std::ptr::write_bytes(to.add(buffer.length), 0, end - buffer.length);
        if buffer.length <= CHECKED_EXTENT {
            (*e).checksum = checksum(std::slice::from_raw_parts(to, buffer.length));
            (*e).flags |= Extent::CHECKED;
        }
    }
    Ok(())
}

/// Writes the graph's checksum; call after every other word of the graph is final.
///
/// # Safety
/// As [`write_graph`].
pub unsafe fn seal(plan: &Plan, region: *mut u8) {
    // SAFETY: invariant R1.
    unsafe {
        let graph = std::slice::from_raw_parts(region, plan.graph_length as usize);
        let sum = graph_checksum(graph).unwrap_or_default();
        region.add(at::CHECKSUM).cast::<u64>().write_unaligned(sum.to_le());
    }
}

/// xxh3-64 of a graph up to the code records (which have checksums of their own, known from one capture
/// to the next), its checksum word left out. `None` if the graph does not say where they begin.
pub(crate) fn graph_checksum(graph: &[u8]) -> Option<u64> {
    let field = at::VECTORS + 4 * 9;
    let records = u32::from_le_bytes(graph.get(field..field + 4)?.try_into().ok()?) as usize + field + 4;
    // In two parts, not seeded: a seed costs more than hashing the few words before the checksum does.
    let head = checksum(graph.get(..at::CHECKSUM)?);
    Some(checksum(graph.get(at::CHECKSUM + 8..records)?) ^ head.rotate_left(32))
}

/// Makes the checksum of a graph fit its bytes, whatever they are: for tests and fuzzers.
#[doc(hidden)]
pub fn reseal(bytes: &mut [u8]) {
    let Some(length) = peek_graph_length(bytes, bytes.len() as u64) else { return };
    if let Some(sum) = graph_checksum(&bytes[..length as usize]) {
        bytes[at::CHECKSUM..at::CHECKSUM + 8].copy_from_slice(&sum.to_le_bytes());
    }
}

/// A copy of a region's graph in which every extent has its checksum.
pub(crate) fn sealed_graph(region: &Region<'_>, all: &[u8]) -> Result<Vec<u8>, RegionError> {
    let mut graph = region.graph.to_vec();
    // The extents were taken from inside of the graph by `verify`.
    let first = (region.extents.as_ptr() as usize).wrapping_sub(region.graph.as_ptr() as usize);
    for (i, e) in region.extents.iter().enumerate().filter(|(_, e)| e.flags & Extent::CHECKED == 0) {
        let (at, end) = (e.offset as usize, (e.offset + e.length) as usize);
        let bytes = all.get(at..end).ok_or(RegionError::Damaged("an extent lies outside of the region"))?;
        let entry = first + i * size_of::<Extent>();
        let words = [checksum(bytes).to_le_bytes(), (e.flags | Extent::CHECKED).to_le_bytes()].concat();
        let place = graph.get_mut(entry + 16..entry + 32);
        place.ok_or(RegionError::Damaged("the extents lie outside of the graph"))?.copy_from_slice(&words);
    }
    let sum = graph_checksum(&graph).unwrap_or_default();
    graph[at::CHECKSUM..at::CHECKSUM + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(graph)
}

/// xxh3-64 of any number of bytes, by the widest registers that this processor has.
pub fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// A snapshot's bytes, checked: the FlatBuffer is well-formed, the checksum holds, every vector lies
/// inside of it and every extent inside the region. The graph's indices are *not* checked here.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    graph: &'a [u8],
    pub python: u32,
    pub flags: u32,
    pub shared: u32,
    pub created: u64,
    pub pid: u32,
    pub handled: u32,
    pub region_length: u64,
    pub frames: &'a [Frame],
    pub values: &'a [Value],
    pub data: &'a [u8],
    pub codes: &'a [CodeRef],
    pub spaces: &'a [Space],
    pub runs: &'a [Run],
    pub extents: &'a [Extent],
    pub arrays: &'a [Array],
    pub dims: &'a [i64],
    pub records: &'a [u8],
}

/// The graph's length as its header says, before anything is checked; `None` if that cannot be right
/// for a region of `available` bytes.
pub fn peek_graph_length(head: &[u8], available: u64) -> Option<u64> {
    let word = head.get(at::GRAPH_LENGTH..at::GRAPH_LENGTH + 8)?;
    let n = u64::from_le_bytes(word.try_into().ok()?);
    (n >= PRELUDE as u64 && n <= available && n <= MAX_GRAPH).then_some(n)
}

impl<'a> Region<'a> {
    /// Checks `graph`, the first part of a region that has `region_length` bytes in all.
    ///
    /// `graph` must start at an address that is a multiple of 8 (an error otherwise) and may be longer
    /// than the graph.
    pub fn verify(graph: &'a [u8], region_length: u64) -> Result<Region<'a>, RegionError> {
        let bad = RegionError::Damaged;
        if graph.len() < 8 || graph.get(4..8) != Some(b"TRPR".as_slice()) {
            return Err(RegionError::NotASnapshot { length: graph.len() as u64 });
        }
        if graph.as_ptr() as usize % 8 != 0 {
            return Err(bad("the region does not start at a multiple of 8 bytes"));
        }
        if graph.len() < PRELUDE || graph[..TABLE] != TEMPLATE[..TABLE] {
            return Err(bad("the header is not the one of this format"));
        }
        let head: &[u8; PRELUDE] = match graph.first_chunk() {
            Some(head) => head,
            None => return Err(bad("the header is cut off")),
        };
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let format = word(at::FORMAT);
        if format != FORMAT_VERSION {
            return Err(RegionError::OtherFormat { found: format });
        }
        let length = peek_graph_length(graph, graph.len() as u64)
            .ok_or_else(|| bad("the graph's length does not fit the region"))?;
        let graph = &graph[..length as usize];
        let stored = u64::from(word(at::CHECKSUM)) | u64::from(word(at::CHECKSUM + 4)) << 32;
        let fits = graph_checksum(graph).is_some_and(|sum| sum == stored);
        if !fits {
            return Err(bad("the graph's checksum does not match its bytes"));
        }
        // The table's own words, at the places that the template fixes. Each vector is looked up and
        // bounded here; nothing else of the FlatBuffer is ever followed. (That flatbuffers' verifier
        // agrees is a test: it takes longer than building a small snapshot's objects.)
        let word64 = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let full_length = word64(at::REGION_LENGTH);
        if full_length > region_length || full_length < length {
            return Err(RegionError::Truncated { expected: full_length, found: region_length });
        }
        let mut next = 0;
        let mut vector = |size: usize| -> Result<&'a [u8], RegionError> {
            let field = at::VECTORS + 4 * next;
            next += 1;
            let at = field + word(field) as usize;
            let count = match graph.get(at..).and_then(|g| g.first_chunk::<4>()) {
                Some(count) => u32::from_le_bytes(*count) as usize,
                None => return Err(bad("a vector lies outside of the graph")),
            };
            graph
                .get(at + 4..)
                .and_then(|g| g.get(..count.checked_mul(size)?))
                .ok_or_else(|| bad("a vector ends outside of the graph"))
        };
        macro_rules! typed_vector {
            ($type:ty) => {
                typed::<$type>(vector(size_of::<$type>())?).ok_or_else(|| bad("a vector is not aligned"))?
            };
        }
        let region = Region {
            graph,
            python: word(at::PYTHON),
            flags: word(at::FLAGS),
            shared: word(at::SHARED),
            created: word64(at::CREATED),
            pid: word(at::PID),
            handled: word(at::HANDLED),
            region_length: full_length,
            frames: typed_vector!(Frame),
            values: typed_vector!(Value),
            data: vector(1)?,
            codes: typed_vector!(CodeRef),
            spaces: typed_vector!(Space),
            runs: typed_vector!(Run),
            extents: typed_vector!(Extent),
            arrays: typed_vector!(Array),
            dims: typed_vector!(i64),
            records: vector(1)?,
        };
        for e in region.extents {
            let inside = e.offset % PAGE == 0
                && e.offset >= length
                && e.offset.checked_add(e.length).is_some_and(|end| end <= region.region_length);
            if !inside {
                return Err(bad("an extent lies outside of the region"));
            }
        }
        if region.shared as usize > region.values.len() {
            return Err(bad("more shared numbers than values"));
        }
        Ok(region)
    }

    /// The FlatBuffer's bytes.
    pub fn graph(&self) -> &'a [u8] {
        self.graph
    }

    /// The bytes of the record of `codes[index]`, as they lie there.
    pub fn code_bytes(&self, index: u32) -> Result<&'a [u8], RegionError> {
        let bad = RegionError::Damaged;
        let c = self.codes.get(index as usize).ok_or_else(|| bad("a code index is out of range"))?;
        self.records
            .get(c.offset as usize..)
            .and_then(|r| r.get(..c.length as usize))
            .ok_or_else(|| bad("a code record lies outside of the records"))
    }

    /// The frames of the program: those of torpor's own are left out.
    pub fn shown_frames(&self) -> impl Iterator<Item = &Frame> + '_ {
        self.frames.iter().filter(|f| f.flags & Frame::HIDDEN == 0)
    }

    /// The record of `codes[index]`, checksum and FlatBuffer verified.
    pub fn code(&self, index: u32) -> Result<schema::Code<'a>, RegionError> {
        let bad = RegionError::Damaged;
        let bytes = self.code_bytes(index)?;
        if self.codes[index as usize].checksum != checksum(bytes) {
            return Err(bad("a code record's checksum does not match its bytes"));
        }
        if bytes.as_ptr() as usize % 8 != 0 {
            return Err(bad("a code record is not aligned"));
        }
        let options = flatbuffers::VerifierOptions { max_depth: 8, max_tables: 16, ..Default::default() };
        flatbuffers::root_with_opts::<schema::Code<'_>>(&options, bytes)
            .map_err(|_| bad("a code record is malformed"))
    }

    /// `len` bytes of `data` from `offset`.
    #[inline]
    pub fn bytes(&self, offset: u32, len: u32) -> Result<&'a [u8], RegionError> {
        self.data
            .get(offset as usize..)
            .and_then(|d| d.get(..len as usize))
            .ok_or(RegionError::Damaged("a text or bytes value lies outside of the data"))
    }
}

/// Sees `bytes` as a slice of `T`; `None` if the address or length does not fit.
fn typed<T: Plain>(bytes: &[u8]) -> Option<&[T]> {
    if bytes.is_empty() {
        return Some(&[]);
    }
    if bytes.as_ptr() as usize % align_of::<T>() != 0 || bytes.len() % size_of::<T>() != 0 {
        return None;
    }
    // SAFETY: invariant R2: T is plain data (every bit pattern is a value, no padding is read), aligned
    // and in bounds as just checked.
    Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) })
}

/// Types of which every bit pattern is a value.
///
/// # Safety
/// `#[repr(C)]`, integers only, no padding.
unsafe trait Plain: Copy {}
macro_rules! plain {
    ($($t:ty),*) => { $(
        // SAFETY: invariant R2: repr(C) structs of integers whose sizes add up (checked in frame.rs and value.rs).
        unsafe impl Plain for $t {}
    )* };
}
plain!(Value, Frame, CodeRef, Space, Run, Extent, Array, i64);
