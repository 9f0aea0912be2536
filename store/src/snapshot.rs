//! A snapshot, held: its bytes stay where and as they are for as long as this value lives.
//!
//! Step "adopt" of the flow, as far as bytes go. The holder is a pin of a slot, a mapped file or a copy
//! of bytes. Nothing in the bytes is believed here; [`Snapshot::region`] checks them.

use crate::error::StoreError;
use crate::frame::Extent;
use crate::key::Kept;
use crate::memory::{CopyOnWrite, Memory, Private, Stitched};
use crate::region::{self, Region, RegionError};
use crate::store::Store;
use memmap2::Mmap;
use std::fs::File;
use std::sync::Arc;

/// A published snapshot of a store, a loaded file, or bytes. Cloning it is cheap; while any clone, or a
/// [`Mapping`] of it, lives, its memory is not used again.
#[derive(Clone)]
pub struct Snapshot {
    start: *const u8,
    length: u64,
    id: u64,
    key: Kept,
    holder: Holder,
}

#[derive(Clone)]
enum Holder {
    Slot(Pinned),
    File(Arc<(Mmap, File)>),
    Bytes(Arc<Mmap>),
}

/// One hold of a slot. Holds are counted in the attachment: nothing is allocated for one.
struct Pinned {
    store: Store,
    slot: u32,
    offset: u64,
    scattered: Option<Arc<Scattered>>,
}

impl Clone for Pinned {
    fn clone(&self) -> Pinned {
        // Held by `self`, so what is checked after a first pin needs no check. A forked child that got no entry in
        // the store has no pins, and gives none back.
        self.store.attachment().pin(self.slot);
        let (store, scattered) = (self.store.clone(), self.scattered.clone());
        Pinned { store, slot: self.slot, offset: self.offset, scattered }
    }
}

impl Drop for Pinned {
    #[inline]
    fn drop(&mut self) {
        self.store.attachment().unpin(self.slot);
    }
}

/// A region of which buffers of the store are parts: where they lie, and one view of them all.
pub(crate) struct Scattered {
    pub ranges: Vec<(u64, usize)>,
    pub view: Stitched,
}

// SAFETY: invariant S8: the bytes are read-only memory that stays as it is while the holder lives.
unsafe impl Send for Snapshot {}
// SAFETY: as above.
unsafe impl Sync for Snapshot {}

impl Snapshot {
    /// A slot that the caller has pinned; its place and length were checked.
    #[inline(always)]
    pub(crate) fn of_slot(
        store: Store,
        slot: u32,
        id: u64,
        offset: u64,
        length: u64,
        key: Kept,
        scattered: Option<Arc<Scattered>>,
    ) -> Snapshot {
        let start = match &scattered {
            Some(s) => s.view.start(),
            // SAFETY: invariant S7: the place lies inside the data file, which is mapped whole.
            None => unsafe { store.attachment().view.start().add(offset as usize) },
        };
        Snapshot { start, length, id, key, holder: Holder::Slot(Pinned { store, slot, offset, scattered }) }
    }

    pub(crate) fn of_file(bytes: Mmap, file: File) -> Snapshot {
        let (start, length) = (bytes.as_ptr(), bytes.len() as u64);
        Snapshot { start, length, id: 0, key: Kept::None, holder: Holder::File(Arc::new((bytes, file))) }
    }

    /// A copy of bytes that came from elsewhere; the header and graph are checked.
    ///
    /// ```
    /// use torpor_store::{Builder, Snapshot};
    /// let snapshot = Snapshot::from_bytes(&Builder::new().to_bytes()?)?;
    /// assert_eq!(snapshot.id(), 0);
    /// assert!(Snapshot::from_bytes(b"no snapshot").is_err());
    /// # Ok::<(), torpor_store::StoreError>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, StoreError> {
        let copy =
            Private::copy_of(bytes).map_err(|e| StoreError::io("get memory for a snapshot", None, e))?;
        let (start, length) = (copy.as_ptr(), bytes.len() as u64);
        let holder = Holder::Bytes(Arc::new(copy));
        let snapshot = Snapshot { start, length, id: 0, key: Kept::None, holder };
        snapshot.region()?;
        Ok(snapshot)
    }

    /// The number of the snapshot in its store, never used again; 0 for files and bytes.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The key under which it was published or found.
    pub fn key(&self) -> Option<String> {
        self.key.text()
    }

    /// The store that it lies in, if any.
    pub fn store(&self) -> Option<&Store> {
        match &self.holder {
            Holder::Slot(pinned) => Some(&pinned.store),
            _ => None,
        }
    }

    /// What no other snapshot has while this process lives: the number of its store here, and its own.
    /// `None` outside of stores.
    pub fn identity(&self) -> Option<(u64, u64)> {
        match &self.holder {
            Holder::Slot(pinned) => Some((pinned.store.attachment().serial, self.id)),
            _ => None,
        }
    }

    /// Bytes of the region, buffers included.
    pub fn nbytes(&self) -> u64 {
        self.length
    }

    /// The whole region, read-only.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: invariant S8.
        unsafe { std::slice::from_raw_parts(self.start, self.length as usize) }
    }

    /// The graph's bytes, not verified. They start at a multiple of 64.
    pub fn graph(&self) -> &[u8] {
        let all = self.bytes();
        match region::peek_graph_length(all, self.length) {
            Some(n) => &all[..n as usize],
            None => all,
        }
    }

    /// The region, its header and graph verified.
    pub fn region(&self) -> Result<Region<'_>, RegionError> {
        Region::verify(self.graph(), self.length)
    }

    /// The bytes of an extent.
    pub fn extent_bytes(&self, e: &Extent) -> Result<&[u8], RegionError> {
        let end = e.offset.checked_add(e.length).filter(|end| *end <= self.length);
        let end = end.ok_or(RegionError::Damaged("an extent lies outside of the region"))?;
        Ok(&self.bytes()[e.offset as usize..end as usize])
    }

    /// One view of the whole region: read-only, or private copy-on-write. Costs the same for a kilobyte
    /// and for gigabytes, except for bytes that lie in ordinary memory, which a writable view copies.
    pub fn map(&self, writable: bool) -> Result<Mapping, StoreError> {
        let length = self.length as usize;
        let io = |e| StoreError::io("map a snapshot", None, e);
        let (start, view) = match &self.holder {
            _ if !writable => (self.start.cast_mut(), View::Own),
            Holder::Slot(Pinned { store, scattered: Some(s), .. }) => {
                let data = &store.attachment().data_read_only;
                let view = Stitched::map(data, &s.ranges, true).map_err(io)?;
                (view.start(), View::Stitched(view))
            }
            Holder::Slot(Pinned { store, offset, .. }) => {
                let view = store.attachment().view_privately(*offset, length).map_err(io)?;
                (view.start(), View::OfSlot { view: Some(view), store: store.clone(), offset: *offset })
            }
            Holder::File(mapped) => {
                let view = CopyOnWrite::map(&mapped.1, 0, length).map_err(io)?;
                (view.start(), View::OfFile(view))
            }
            Holder::Bytes(bytes) => {
                let copy = Private::new(length).map_err(io)?;
                // SAFETY: both have `length` bytes at least, and one is new.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy.start(), length) };
                (copy.start(), View::Copy(copy))
            }
        };
        Ok(Mapping(Arc::new(MappingInner { start, length, view, _snapshot: self.clone() })))
    }

    /// Removes the snapshot from its store. Its key goes only if it still leads here. The memory is free
    /// when nobody holds it any more.
    pub fn remove(&self) -> Result<(), StoreError> {
        match &self.holder {
            Holder::Slot(pinned) => pinned.store.remove(pinned.slot, self.id),
            _ => Err(StoreError::Invalid {
                what: "this snapshot lies in no store; delete its file instead".to_string(),
            }),
        }
    }

    /// Checks what [`region`](Self::region) does not: the whole graph, every buffer that has a checksum, and
    /// that all padding is zero. In a file every buffer has one, so every byte is checked.
    pub fn verify_payload(&self) -> Result<(), RegionError> {
        let region = self.region()?;
        for e in region.extents {
            if e.flags & Extent::CHECKED != 0 && region::checksum(self.extent_bytes(e)?) != e.checksum {
                return Err(RegionError::Damaged("a buffer's checksum does not match its bytes"));
            }
        }
        crate::padding::check(&region, self.bytes())?;
        crate::graph::check(&region).map(|_| ())
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, bytes) = (self.id(), self.nbytes());
        f.debug_struct("Snapshot")
            .field("id", &id)
            .field("key", &self.key.text())
            .field("nbytes", &bytes)
            .finish()
    }
}

/// One view of a whole region. Byte 0 is the region's first. It holds the snapshot.
#[derive(Clone)]
pub struct Mapping(Arc<MappingInner>);

struct MappingInner {
    start: *mut u8,
    length: usize,
    view: View,
    _snapshot: Snapshot,
}

enum View {
    Own,
    OfSlot { view: Option<CopyOnWrite>, store: Store, offset: u64 },
    Stitched(#[allow(dead_code)] Stitched),
    OfFile(#[allow(dead_code)] CopyOnWrite),
    Copy(#[allow(dead_code)] Private),
}

impl Drop for MappingInner {
    fn drop(&mut self) {
        if let View::OfSlot { view, store, offset } = &mut self.view {
            if let Some(view) = view.take() {
                store.attachment().keep_view(*offset, self.length, view);
            }
        }
    }
}

// SAFETY: invariant S8: the view lives as long as the value; who writes through it synchronises.
unsafe impl Send for MappingInner {}
// SAFETY: as above.
unsafe impl Sync for MappingInner {}

impl Mapping {
    /// The region's first byte. Writing is allowed if the mapping was made writable, and a fault of the
    /// process otherwise.
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.start
    }

    /// Bytes of the region.
    #[allow(clippy::len_without_is_empty)] // no region is empty
    pub fn len(&self) -> usize {
        self.0.length
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping").field("start", &self.0.start).field("length", &self.0.length).finish()
    }
}
