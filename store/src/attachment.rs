//! One process's part in one store: its mappings, its lock byte, its private counts.
//!
//! All handles of a store in a process share one attachment (found by device and inode of `meta`). Two
//! copies of this library in one process attach as two processes. What is shared between processes is
//! in [`crate::layout`]; what is here dies with the process and nothing has to be cleaned up for it.

use crate::atomic::{AtomicU32, AtomicU64};
use crate::buffer::Buffers;
use crate::error::StoreError;
use crate::layout::{Meta, CLASSES, MAX_PROCESSES};
use crate::memory::{CopyOnWrite, Memory, Private, ReadOnly, Shared};
use crate::sys::{self, crash_point};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

pub(crate) struct Attachment {
    pub meta: Meta,
    pub name: String,
    /// The directory given by the user.
    pub dir: PathBuf,
    /// The store's own directory.
    pub place: PathBuf,
    /// Device and inode of `meta`.
    pub identity: (u64, u64),
    /// Tells this attachment from all others that the process had.
    pub serial: u64,
    pub meta_file: File,
    pub data: File,
    pub data_read_only: File,
    pub view: ReadOnly,
    writable: OnceLock<Shared>,
    me: AtomicU32,
    pub pid: AtomicU32,
    /// Pins of this process for each slot.
    counts: Private,
    /// Chunks whose pages are in this process's page table, one byte each.
    entered: Private,
    lists: Mutex<Lists>,
    /// Memory of the store that this process works in. Locked before `lock` and `lists`.
    buffers: Mutex<Buffers>,
    /// The slot freed last of each class, plus one: found without a lock. A hint like the lists; two
    /// threads may lose one or use it twice.
    hot: [AtomicU32; CLASSES],
    /// The open file description that holds this process's byte. Also the in-process lock of the reaper.
    lock: Mutex<File>,
}

/// What this process believes to be free: hints, each checked by a compare-and-swap when used. Last in,
/// first out, because that memory is warm.
#[derive(Default)]
pub(crate) struct Lists {
    pub blocks: [Vec<u32>; CLASSES],
    pub bare: Vec<u32>,
    pub nodes: Vec<u32>,
    /// Where an extent was freed last.
    pub extent: Option<u32>,
    pub cursor: u32,
    /// The private view that was given up last, reset, with its place in the data file. It pins nothing: whoever
    /// takes it has pinned a snapshot that lies there.
    pub view: Option<(u64, usize, CopyOnWrite)>,
}

static SERIAL: AtomicU64 = AtomicU64::new(1);
static ATTACHED: Mutex<Vec<Weak<Attachment>>> = Mutex::new(Vec::new());

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table of attachments, locked.
pub(crate) fn attached() -> MutexGuard<'static, Vec<Weak<Attachment>>> {
    lock(&ATTACHED)
}

/// The files of a store that was opened and checked.
pub(crate) struct Opened {
    pub meta: Meta,
    pub meta_file: File,
    pub data: File,
    pub data_read_only: File,
    pub locks: File,
    pub identity: (u64, u64),
    pub place: PathBuf,
}

impl Attachment {
    /// Joins the store as a new process. The caller holds the table of attachments.
    pub(crate) fn join(name: &str, dir: PathBuf, opened: Opened) -> Result<Arc<Attachment>, StoreError> {
        let Opened { meta, meta_file, data, data_read_only, locks, identity, place } = opened;
        let io = |e| StoreError::io("map the store at", Some(place.clone()), e);
        let view = ReadOnly::map(&data_read_only, meta.shape.capacity as usize).map_err(io)?;
        let counts = Private::new(meta.shape.slots_max as usize * 4).map_err(io)?;
        let entered = Private::new(meta.shape.chunks as usize).map_err(io)?;
        let attachment = Attachment {
            meta,
            name: name.to_string(),
            dir,
            identity,
            serial: SERIAL.fetch_add(1, Relaxed),
            meta_file,
            data,
            data_read_only,
            view,
            writable: OnceLock::new(),
            me: AtomicU32::new(MAX_PROCESSES),
            pid: AtomicU32::new(std::process::id()),
            counts,
            entered,
            lists: Mutex::new(Lists::default()),
            buffers: Mutex::new(Buffers::default()),
            hot: Default::default(),
            lock: Mutex::new(locks),
            place,
        };
        attachment.take_entry(&attachment.lock_file())?;
        attachment.reap_all();
        crate::fork::install();
        Ok(Arc::new(attachment))
    }

    /// Locks a free byte through `file` and enters it; reaps the entry's dead predecessor first.
    pub(crate) fn take_entry(&self, file: &File) -> Result<u32, StoreError> {
        for index in 0..MAX_PROCESSES {
            let io = |e| StoreError::io("lock a byte of", Some(self.place.join("locks")), e);
            if !sys::lock_byte(file, index).map_err(io)? {
                continue;
            }
            let Some(entry) = self.meta.process(index) else { break };
            if self.me() == MAX_PROCESSES {
                self.set_me(index); // whatever the reaping below begins is begun in this name
            }
            if entry.in_use.load(SeqCst) != 0 {
                self.reap(index, file);
            }
            crash_point!("attach: locked, not entered");
            entry.pid.store(std::process::id(), SeqCst);
            entry.since.store(sys::coarse_time(), SeqCst);
            entry.in_use.store(1, SeqCst);
            return Ok(index);
        }
        let what =
            format!("{MAX_PROCESSES} processes are attached to the store {:?}, that is the limit", self.name);
        Err(StoreError::Invalid { what })
    }

    /// This process's index.
    #[inline(always)]
    pub(crate) fn me(&self) -> u32 {
        self.me.load(Relaxed)
    }

    pub(crate) fn set_me(&self, me: u32) {
        self.me.store(me, SeqCst);
    }

    #[inline(always)]
    pub(crate) fn count(&self, slot: u32) -> Option<&AtomicU32> {
        if slot as usize * 4 + 4 > self.counts.len() {
            return None;
        }
        // SAFETY: invariant S1: in bounds, zeroed, atomics, mapped as long as `self`.
        Some(unsafe { &*self.counts.start().cast::<AtomicU32>().add(slot as usize) })
    }

    /// Whether a chunk's pages are known to be in this process's page table.
    pub(crate) fn entered(&self, chunk: u32) -> Option<&AtomicU8> {
        if chunk as usize >= self.entered.len() {
            return None;
        }
        // SAFETY: invariant S1, as above.
        Some(unsafe { &*self.entered.start().cast::<AtomicU8>().add(chunk as usize) })
    }

    #[inline(always)]
    pub(crate) fn hot(&self, class: usize) -> &AtomicU32 {
        &self.hot[class % CLASSES]
    }

    pub(crate) fn lists(&self) -> MutexGuard<'_, Lists> {
        lock(&self.lists)
    }

    pub(crate) fn buffers(&self) -> MutexGuard<'_, Buffers> {
        lock(&self.buffers)
    }

    /// The lock file of this process; whoever holds the guard may reap.
    pub(crate) fn lock_file(&self) -> MutexGuard<'_, File> {
        lock(&self.lock)
    }

    /// The data file, mapped to be written; mapped on first use, consumers never do.
    #[inline(always)]
    pub(crate) fn writable(&self) -> Result<*mut u8, StoreError> {
        match self.writable.get() {
            Some(m) => Ok(m.start()),
            None => self.map_to_write(),
        }
    }

    #[cold]
    fn map_to_write(&self) -> Result<*mut u8, StoreError> {
        let m = Shared::map(&self.data, self.meta.shape.capacity as usize)
            .map_err(|e| StoreError::io("map the data of", Some(self.place.clone()), e))?;
        Ok(self.writable.get_or_init(|| m).start())
    }

    /// A private view of a range of the data file that belongs to a pinned snapshot.
    pub(crate) fn view_privately(&self, offset: u64, length: usize) -> std::io::Result<CopyOnWrite> {
        let spare = self.lists().view.take_if(|(at, n, _)| (*at, *n) == (offset, length));
        if let Some((_, _, view)) = spare {
            return Ok(view);
        }
        CopyOnWrite::map(&self.data_read_only, offset, length)
    }

    /// Takes back such a view: mapping and unmapping cost more than all the rest of adopting the next time.
    pub(crate) fn keep_view(&self, offset: u64, length: usize, view: CopyOnWrite) {
        // SAFETY: invariant S8: the mapping that gave the view's memory out is being dropped.
        if unsafe { view.reset() }.is_ok() {
            let old = self.lists().view.replace((offset, length, view));
            drop(old); // unmapped when the lock is free again
        }
    }

    #[inline(always)]
    pub(crate) fn is_destroyed(&self) -> bool {
        self.meta.header().destroyed.0.load(SeqCst) != 0
    }

    #[inline(always)]
    pub(crate) fn alive(&self) -> Result<(), StoreError> {
        if self.is_destroyed() {
            return Err(self.not_found(true));
        }
        Ok(())
    }

    #[cold]
    pub(crate) fn not_found(&self, destroyed: bool) -> StoreError {
        StoreError::NotFound { name: self.name.clone(), dir: self.dir.clone(), destroyed }
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { path: self.place.clone(), what: what.into() }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // No handle is left, so no pin is left: the entry can be given to the next process at once. The
        // lock goes when the file is closed, after this.
        if let Some(entry) = self.meta.process(self.me()) {
            entry.in_use.store(0, SeqCst);
        }
    }
}
