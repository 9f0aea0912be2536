//! The bytes of a region that mean nothing: all are zero, so that a check of everything misses no byte.

use crate::frame::Extent;
use crate::region::{Region, RegionError};

/// Whether everything outside of these ranges, which may come in any order, is zero.
fn is_zero_between(bytes: &[u8], mut ranges: Vec<(u64, u64)>) -> bool {
    ranges.sort_unstable();
    let mut at = 0;
    let end = bytes.len() as u64;
    for (from, to) in ranges.into_iter().chain([(end, end)]) {
        let gap = bytes.get(at as usize..from.clamp(at, end) as usize).unwrap_or(&[]);
        if gap.iter().any(|b| *b != 0) {
            return false;
        }
        at = at.max(to.min(end));
    }
    true
}

/// Checks the bytes that no checksum covers: those between code records, and around the extents.
pub(crate) fn check(region: &Region<'_>, all: &[u8]) -> Result<(), RegionError> {
    let records =
        region.codes.iter().map(|c| (u64::from(c.offset), u64::from(c.offset) + u64::from(c.length)));
    let graph = region.graph();
    let behind =
        (region.records.as_ptr() as usize).wrapping_sub(graph.as_ptr() as usize) + region.records.len();
    let extents = region.extents.iter().map(|e: &Extent| (e.offset, e.offset.saturating_add(e.length)));
    let good = is_zero_between(region.records, records.collect())
        && graph.get(behind..).is_none_or(|rest| rest.iter().all(|b| *b == 0))
        && is_zero_between(all, extents.chain([(0, graph.len() as u64)]).collect());
    match good {
        true => Ok(()),
        false => Err(RegionError::Damaged("there is something in its padding")),
    }
}
