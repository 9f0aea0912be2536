//! Snapshots as files: the same bytes as in memory, with a checksum over every one of them.
//!
//! A file appears under its name whole and on the disk, or not at all. Loading maps it: header and graph
//! are checked, the buffers when they are asked for ([`Snapshot::verify_payload`]).

use crate::error::StoreError;
use crate::region::{self, RegionError};
use crate::snapshot::Snapshot;
use memmap2::Mmap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name beside `path` that nobody else uses.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let n = NEXT.fetch_add(1, Relaxed);
    path.with_file_name(format!(".{name}.{}-{n}.part", std::process::id()))
}

impl Snapshot {
    /// Writes the snapshot to a file: under a temporary name in the same directory first, then to the
    /// disk, then renamed. If the process dies before the end, the temporary file stays behind and
    /// whatever was under the name is still there.
    pub fn save(&self, path: &Path) -> Result<(), StoreError> {
        let region = self.region()?;
        let graph = region::sealed_graph(&region, self.bytes())?;
        let part = temporary(path);
        let io = |what: &'static str| {
            let path = path.to_path_buf();
            move |e: io::Error| StoreError::io(what, Some(path), e)
        };
        let written = || -> io::Result<()> {
            let file = File::options().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all_at(&graph, 0)?;
            let rest = self.bytes().get(graph.len()..).unwrap_or(&[]);
            file.write_all_at(rest, graph.len() as u64)?;
            file.sync_data()?;
            fs::rename(&part, path)
        };
        written().map_err(|e| {
            let _ = fs::remove_file(&part);
            io("write the snapshot to")(e)
        })?;
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir).and_then(|d| d.sync_all()).map_err(io("make permanent"))
    }

    /// Maps a saved snapshot. Costs the same for a kilobyte and for gigabytes.
    pub fn load(path: &Path) -> Result<Snapshot, StoreError> {
        let io = |e| StoreError::io("open the snapshot file", Some(path.to_path_buf()), e);
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(StoreError::Invalid { what: format!("{} is no regular file", path.display()) });
        }
        if metadata.len() == 0 {
            return Err(RegionError::NotASnapshot { length: 0 }.into());
        }
        // SAFETY: invariant S8: a saved file is replaced, never changed. Who cuts it off all the same
        // while it is mapped takes this process with it, as for every mapped file.
        let bytes = unsafe { Mmap::map(&file).map_err(io)? };
        let snapshot = Snapshot::of_file(bytes, file);
        if snapshot.region()?.region_length != metadata.len() {
            return Err(RegionError::Damaged("the file is longer than its region").into());
        }
        Ok(snapshot)
    }

    /// One self-contained region with all checksums, to be sent or stored as it is.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut all = self.bytes().to_vec();
        let sealed = self.region().and_then(|r| region::sealed_graph(&r, self.bytes()));
        if let Ok(graph) = sealed {
            all[..graph.len()].copy_from_slice(&graph);
        }
        all
    }
}
