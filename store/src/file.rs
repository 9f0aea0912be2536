//! Snapshots as files.
use crate::error::StoreError;
use crate::snapshot::Snapshot;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;
impl Snapshot {
    pub fn save(&self, _path: &Path) -> Result<(), StoreError> {
        let error = |e| StoreError::io("write the snapshot to", Some(_path.to_path_buf()), e);
        std::fs::write(_path, self.to_bytes()).map_err(error)
    }
    pub fn load(path: &Path) -> Result<Snapshot, StoreError> {
        let error = |e| StoreError::io("open the snapshot file", Some(path.to_path_buf()), e);
        let file = File::open(path).map_err(error)?;
        // SAFETY: invariant S8.
        let bytes = unsafe { Mmap::map(&file).map_err(error)? };
        let s = Snapshot::of_file(bytes, file);
        s.region()?;
        Ok(s)
    }
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes().to_vec()
    }
}
