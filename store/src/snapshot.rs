//! A published snapshot, held: its bytes stay as they are for as long as this value lives.
use crate::error::StoreError;
use crate::frame::Extent;
use crate::region::{self, Region, RegionError};
use crate::store::Store;
use memmap2::{Mmap, MmapMut, MmapOptions, MmapRaw};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

#[derive(Clone)]
pub struct Snapshot(Arc<Inner>);

pub(crate) struct Inner {
    pub id: u64,
    pub key: Option<String>,
    pub store: Option<Store>,
    pub bytes: Mmap,
    pub file: Option<File>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("id", &self.id()).field("nbytes", &self.nbytes()).finish()
    }
}

impl Snapshot {
    pub(crate) fn new(inner: Inner) -> Snapshot {
        Snapshot(Arc::new(inner))
    }
    pub fn id(&self) -> u64 {
        self.0.id
    }
    pub fn key(&self) -> Option<String> {
        self.0.key.clone()
    }
    pub fn store(&self) -> Option<&Store> {
        self.0.store.as_ref()
    }
    pub fn nbytes(&self) -> u64 {
        self.0.bytes.len() as u64
    }
    pub fn graph(&self) -> &[u8] {
        let all = &self.0.bytes[..];
        match region::peek_graph_length(all, all.len() as u64) {
            Some(n) => &all[..n as usize],
            None => all,
        }
    }
    pub fn region(&self) -> Result<Region<'_>, RegionError> {
        Region::verify(self.graph(), self.nbytes())
    }
    pub fn extent_bytes(&self, e: &Extent) -> Result<&[u8], RegionError> {
        let end = e.offset.checked_add(e.length).ok_or(RegionError::Damaged("an extent is too long"))?;
        self.0
            .bytes
            .get(e.offset as usize..end as usize)
            .ok_or(RegionError::Damaged("an extent lies outside of the region"))
    }
    pub fn map(&self, writable: bool) -> Result<Mapping, StoreError> {
        let error = |e| StoreError::io("map the snapshot", None, e);
        if !writable {
            return Ok(Mapping(Arc::new(MappingInner {
                start: self.0.bytes.as_ptr() as *mut u8,
                length: self.0.bytes.len(),
                _view: None,
                _snapshot: self.clone(),
            })));
        }
        let view: MmapMut = match &self.0.file {
            // SAFETY: the file is immutable once it has its name.
            Some(file) => unsafe { MmapOptions::new().map_copy(file).map_err(error)? },
            None => {
                let mut m = MmapMut::map_anon(self.0.bytes.len().max(1)).map_err(error)?;
                m[..self.0.bytes.len()].copy_from_slice(&self.0.bytes);
                m
            }
        };
        let view = MmapRaw::from(view);
        Ok(Mapping(Arc::new(MappingInner {
            start: view.as_mut_ptr(),
            length: view.len(),
            _view: Some(view),
            _snapshot: self.clone(),
        })))
    }
    pub fn remove(&self) -> Result<(), StoreError> {
        match &self.0.store {
            Some(store) => store.remove(self),
            None => Err(StoreError::Invalid {
                what: "this snapshot is in no store; delete its file instead".to_string(),
            }),
        }
    }
    pub fn save(&self, path: &Path) -> Result<(), StoreError> {
        let error = |e| StoreError::io("write the snapshot to", Some(path.to_path_buf()), e);
        let temporary = path.with_extension("torpor-part");
        let mut file = File::create(&temporary).map_err(error)?;
        file.write_all(&self.to_bytes()).map_err(error)?;
        file.sync_data().map_err(error)?;
        std::fs::rename(&temporary, path).map_err(error)
    }
    pub fn load(path: &Path) -> Result<Snapshot, StoreError> {
        let error = |e| StoreError::io("open the snapshot file", Some(path.to_path_buf()), e);
        let file = File::open(path).map_err(error)?;
        // SAFETY: nobody is supposed to change a saved file; a change can damage values, not memory.
        let bytes = unsafe { Mmap::map(&file).map_err(error)? };
        let s = Snapshot::new(Inner { id: 0, key: None, store: None, bytes, file: Some(file) });
        s.region()?;
        Ok(s)
    }
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, StoreError> {
        let mut m = MmapMut::map_anon(bytes.len().max(1))
            .map_err(|e| StoreError::io("get memory for the snapshot", None, e))?;
        m[..bytes.len()].copy_from_slice(bytes);
        let bytes = m.make_read_only().map_err(|e| StoreError::io("protect the snapshot", None, e))?;
        let s = Snapshot::new(Inner { id: 0, key: None, store: None, bytes, file: None });
        s.region()?;
        Ok(s)
    }
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.bytes.to_vec()
    }
    pub fn verify_payload(&self) -> Result<(), RegionError> {
        let region = self.region()?;
        for e in region.extents {
            if e.flags & Extent::CHECKED != 0 && region::checksum(self.extent_bytes(e)?) != e.checksum {
                return Err(RegionError::Damaged("a buffer's checksum does not match its bytes"));
            }
        }
        Ok(())
    }
}

/// One view of a whole region. Byte 0 is the region's start. It holds the snapshot.
#[derive(Clone)]
pub struct Mapping(Arc<MappingInner>);
struct MappingInner {
    start: *mut u8,
    length: usize,
    _view: Option<MmapRaw>,
    _snapshot: Snapshot,
}
// SAFETY: the pointer is valid as long as the value lives; who writes through it synchronises.
unsafe impl Send for MappingInner {}
// SAFETY: as above.
unsafe impl Sync for MappingInner {}
impl Mapping {
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.start
    }
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.length
    }
}
impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping").field("start", &self.0.start).field("length", &self.0.length).finish()
    }
}
