//! Where bytes live: the seam between the store's protocol and the operating system.
//!
//! The protocol works on anything that implements [`Memory`]: mapped files ([`Shared`]) in stores,
//! ordinary memory ([`Private`]) in tests and for snapshots from bytes, named segments of the
//! `shared_memory` crate ([`crate::segment`]).

use memmap2::{Mmap, MmapMut, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

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

fn mapped(start: *mut libc::c_void) -> io::Result<*mut u8> {
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(start.cast())
}

/// One run of addresses over several ranges of a file, each a multiple of 4096 bytes at a multiple of 4096.
pub struct Stitched {
    start: *mut u8,
    length: usize,
}

impl Stitched {
    /// Maps the ranges (offset and length), one behind the other: shared and read-only, or private copy-on-write.
    pub fn map(file: &File, ranges: &[(u64, usize)], writable: bool) -> io::Result<Stitched> {
        let length = ranges.iter().map(|r| r.1).sum();
        let anywhere = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: plain system call; the addresses are new.
        let start =
            mapped(unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, anywhere, -1, 0) })?;
        let whole = Stitched { start, length };
        let (protection, flags) = match writable {
            true => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_FIXED),
            false => (libc::PROT_READ, libc::MAP_SHARED | libc::MAP_FIXED),
        };
        let mut at = 0;
        for &(offset, length) in ranges {
            // SAFETY: invariant S14: the ranges fill the addresses reserved above, which nobody else has.
            mapped(unsafe {
                let to = whole.start.add(at).cast();
                libc::mmap(to, length, protection, flags, file.as_raw_fd(), offset as libc::off_t)
            })?;
            at += length;
        }
        Ok(whole)
    }
}

impl Drop for Stitched {
    fn drop(&mut self) {
        // SAFETY: invariant S14: this value's own addresses.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}
// SAFETY: a page-aligned mapping of that length, unmapped when dropped; who writes through it synchronises.
unsafe impl Send for Stitched {}
// SAFETY: as above.
unsafe impl Sync for Stitched {}
// SAFETY: as above. What the program may write is a matter of how it was mapped.
unsafe impl Memory for Stitched {
    fn start(&self) -> *mut u8 {
        self.start
    }
    fn len(&self) -> usize {
        self.length
    }
    fn is_writable(&self) -> bool {
        false
    }
}

/// A range of a file at an address of its own, which keeps its address when it stops being shared.
pub struct Window {
    start: *mut u8,
    length: usize,
    offset: u64,
    /// Where the page tables of the shared time went ([`part`](Self::part)).
    old: Option<*mut u8>,
}

/// What one page of page tables covers, and one huge page: these are moved as they are between addresses that are alike
/// below this.
const TABLE: usize = 2 << 20;

impl Window {
    /// Maps `length` bytes (a multiple of 4096) from `offset` (too) shared and writable.
    pub fn map(file: &File, offset: u64, length: usize) -> io::Result<Window> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let (fd, at) = (file.as_raw_fd(), offset as libc::off_t);
        // SAFETY: plain system call; the addresses are new.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, at) };
        Ok(Window { start: mapped(start)?, length, offset, old: None })
    }

    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// From now on what is written stays here: the range becomes a private copy-on-write view of the file as it is,
    /// at the same address. Other threads may read and write meanwhile.
    ///
    /// Dropping the page tables of the shared mapping would take most of the time that a copy takes. So they are moved
    /// aside, whole, to addresses that nobody knows, and go when the window does.
    pub fn part(&mut self, read_only: &File) -> io::Result<()> {
        let anywhere = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let move_flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED | libc::MREMAP_DONTUNMAP;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        let (fd, at) = (read_only.as_raw_fd(), self.offset as libc::off_t);
        // SAFETY: invariant S14: at every instant this value's addresses show the range; those that page tables are
        // moved to were reserved just before. A kernel that cannot move them (before 5.13) drops them.
        unsafe {
            let n = self.length;
            let reserved = if n < TABLE { n } else { n + TABLE };
            let aside = libc::mmap(std::ptr::null_mut(), reserved, libc::PROT_NONE, anywhere, -1, 0);
            if let Ok(aside) = mapped(aside) {
                let shift = (self.start as usize).wrapping_sub(aside as usize) % TABLE;
                let before = if n < TABLE { 0 } else { shift };
                let (to, behind) = (aside.add(before), reserved - n - before);
                if reserved > n {
                    libc::munmap(aside.cast(), before);
                    libc::munmap(to.add(n).cast(), behind);
                }
                libc::mremap(self.start.cast(), n, n, move_flags, to.cast::<libc::c_void>());
                if let Some(old) = self.old.replace(to) {
                    libc::munmap(old.cast(), n); // an earlier attempt went no further
                }
            }
            mapped(libc::mmap(self.start.cast(), self.length, protection, flags, fd, at))?;
        }
        Ok(())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: invariant S14: this value's own addresses, which nobody uses any more.
        unsafe {
            libc::munmap(self.start.cast(), self.length);
            if let Some(old) = self.old {
                libc::munmap(old.cast(), self.length);
            }
        }
    }
}
// SAFETY: mapped memory is not tied to a thread; who writes through it synchronises.
unsafe impl Send for Window {}
// SAFETY: as above.
unsafe impl Sync for Window {}
