//! Where bytes live: the seam between the store's protocol and the operating system.
//!
//! The protocol works on anything that implements [`Memory`]: mapped files ([`Shared`]) in stores,
//! ordinary memory ([`Private`]) in tests and for snapshots from bytes, named segments of the
//! `shared_memory` crate ([`crate::segment`]).

use memmap2::{Mmap, MmapMut, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;

/// A run of bytes that does not move as long as the value lives.
///
/// # Safety
/// `start()` must be aligned to 4096 and valid for `len()` bytes: for reads always, for writes if
/// `is_writable()`.
pub unsafe trait Memory: Send + Sync {
    fn start(&self) -> *mut u8;
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn is_writable(&self) -> bool;
}

/// A file mapped shared and writable.
pub struct Shared(MmapRaw);

impl Shared {
    /// Maps the first `length` bytes.
    pub fn map(file: &File, length: usize) -> io::Result<Shared> {
        MmapOptions::new().len(length).map_raw(file).map(Shared)
    }
}
// SAFETY: a page-aligned mapping of that length, unmapped when dropped.
unsafe impl Memory for Shared {
    fn start(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn is_writable(&self) -> bool {
        true
    }
}

/// A file mapped shared and read-only. Writing through it is a fault of the process, whatever its bugs.
pub struct ReadOnly(MmapRaw);

impl ReadOnly {
    /// Maps the first `length` bytes.
    pub fn map(file: &File, length: usize) -> io::Result<ReadOnly> {
        MmapOptions::new().len(length).map_raw_read_only(file).map(ReadOnly)
    }
}
// SAFETY: a page-aligned mapping of that length, unmapped when dropped.
unsafe impl Memory for ReadOnly {
    fn start(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn is_writable(&self) -> bool {
        false
    }
}

/// A private copy-on-write view of a range of a file that was opened for reading only.
pub struct CopyOnWrite {
    view: MmapRaw,
}

impl CopyOnWrite {
    /// Maps `length` bytes from `offset`. Costs the same for a page and for gigabytes.
    pub fn map(file: &File, offset: u64, length: usize) -> io::Result<CopyOnWrite> {
        // SAFETY: invariant S8: the range belongs to a snapshot that stays pinned (or to a saved file)
        // for the life of the view, so nobody writes to it; it is handed out as a raw pointer.
        let view = unsafe { MmapOptions::new().offset(offset).len(length).map_copy(file)? };
        Ok(CopyOnWrite { view: view.into() })
    }

    pub fn start(&self) -> *mut u8 {
        self.view.as_mut_ptr()
    }

    /// Makes the view as if it had just been mapped: what was written through it is gone.
    ///
    /// # Safety
    /// Nobody uses the view's memory.
    pub unsafe fn reset(&self) -> io::Result<()> {
        // SAFETY: as the caller promises: the pages are private, and show the file again when touched next.
        unsafe { self.view.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) }
    }
}

/// Zeroed ordinary memory, page-aligned.
pub struct Private(MmapRaw);

impl Private {
    pub fn new(length: usize) -> io::Result<Private> {
        MmapMut::map_anon(length.max(1)).map(|m| Private(m.into()))
    }

    /// A copy of `bytes`, not writable.
    pub fn copy_of(bytes: &[u8]) -> io::Result<Mmap> {
        let mut m = MmapMut::map_anon(bytes.len().max(1))?;
        m[..bytes.len()].copy_from_slice(bytes);
        m.make_read_only()
    }
}
// SAFETY: a page-aligned mapping of that length, unmapped when dropped.
unsafe impl Memory for Private {
    fn start(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn is_writable(&self) -> bool {
        true
    }
}
