//! Where everything of a region will lie, known before a byte of it is written.

use crate::capture::{SnapshotBuilder, MAX_GRAPH};
use crate::error::RegionError;
use crate::frame::Extent;
use crate::region::{PAGE, PRELUDE};

/// Where each part of a snapshot will lie. All offsets in bytes from the start of the region.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub(crate) vectors: [u64; 10],
    /// Bytes of the FlatBuffer.
    pub graph_length: u64,
    /// Where the first extent begins (a multiple of [`PAGE`]).
    pub first_extent: u64,
    /// Bytes up to the first extent that is handed over and not copied.
    pub local_length: u64,
    /// Bytes of everything.
    pub region_length: u64,
}

impl Plan {
    /// `handed`: the buffers, sorted, that are not copied ([`crate::buffer`]).
    #[inline(always)]
    pub(crate) fn new(b: &SnapshotBuilder<'_>, handed: &[u32]) -> Plan {
        let sizes = [
            size_of_val(&b.frames[..]),
            size_of_val(&b.values[..]),
            b.data.len(),
            size_of_val(&b.codes[..]),
            size_of_val(&b.spaces[..]),
            size_of_val(&b.runs[..]),
            b.buffers.len() * size_of::<Extent>(),
            size_of_val(&b.arrays[..]),
            size_of_val(&b.dims[..]),
            b.records.len(),
        ];
        let mut vectors = [0u64; 10];
        let mut at = PRELUDE as u64; // ≡ 4 (mod 8), so that elements, after the length word, are aligned
        for (v, size) in vectors.iter_mut().zip(sizes) {
            *v = at;
            at += 8 + (size as u64).next_multiple_of(8);
        }
        let graph_length = at - 4;
        let first_extent = graph_length.next_multiple_of(PAGE);
        if b.buffers.is_empty() {
            let region_length = graph_length;
            return Plan { vectors, graph_length, first_extent, local_length: region_length, region_length };
        }
        let padded =
            |i: u32| b.buffers.get(i as usize).map_or(0, |x| (x.length as u64).next_multiple_of(PAGE));
        let extents: u64 = (0..b.buffers.len() as u32).map(padded).sum();
        let far: u64 = handed.iter().map(|i| padded(*i)).sum();
        let region_length = first_extent + extents;
        Plan { vectors, graph_length, first_extent, local_length: region_length - far, region_length }
    }

    /// A graph has to end below 2 GiB: FlatBuffers' offsets are 32 bits.
    pub fn check(&self) -> Result<(), RegionError> {
        if self.graph_length > MAX_GRAPH {
            return Err(RegionError::TooBig { bytes: self.graph_length });
        }
        Ok(())
    }
}
