//! A snapshot, held: opening, closing, what it is.

use crate::arguments::{fill, optional_text, place, shared, Versioned};
use crate::error::{guard, quiet, Error, Fault};
use crate::frame::Described;
use crate::store::StoreHandle;
use std::collections::{HashMap, HashSet};
use std::ffi::{c_char, CString};
use std::sync::{Mutex, OnceLock, PoisonError};
use torpor_store::{Graph, Snapshot};

/// A snapshot, held: its memory is not used again while this is open. Any number of threads may use one
/// at the same time.
pub struct SnapshotHandle {
    snapshot: Snapshot,
    /// Made on first use, when the whole graph is checked.
    graph: OnceLock<Graph>,
    frames: Mutex<HashMap<usize, Box<Described>>>,
    texts: Mutex<HashSet<CString>>,
}

impl SnapshotHandle {
    pub fn boxed(snapshot: Snapshot) -> *mut SnapshotHandle {
        Box::into_raw(Box::new(SnapshotHandle {
            snapshot,
            graph: OnceLock::new(),
            frames: Mutex::default(),
            texts: Mutex::default(),
        }))
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The checked graph.
    pub fn graph(&self) -> Result<&Graph, Fault> {
        if let Some(graph) = self.graph.get() {
            return Ok(graph);
        }
        let graph = self.snapshot.open_graph()?;
        Ok(self.graph.get_or_init(|| graph))
    }

    /// A copy of `text` that ends with NUL and lives until the handle is closed.
    pub fn keep(&self, text: &str) -> *const c_char {
        // A NUL can only come from a damaged snapshot; C would see the text end there.
        let text = CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = texts.get(&text) {
            return kept.as_ptr();
        }
        let pointer = text.as_ptr();
        texts.insert(text);
        pointer
    }

    /// What C sees of a frame, made once.
    pub fn described(&self, frame: usize) -> Result<*const Described, Fault> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = frames.get(&frame) {
            return Ok(std::ptr::from_ref(&**made));
        }
        let info = self.graph()?.frame_info(frame)?;
        let made = Box::new(Described::new(self, &info));
        let pointer = std::ptr::from_ref(&*made);
        frames.insert(frame, made);
        Ok(pointer)
    }
}

/// What a snapshot is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SnapshotInfo {
    /// Its number in the store, never used again; 0 for files and bytes.
    pub id: u64,
    /// The key under which it was published or found, NULL without one. Lives until the snapshot is
    /// closed.
    pub key: *const c_char,
    /// Bytes of its region, arrays included.
    pub nbytes: u64,
    /// When it was captured, in nanoseconds since 1970.
    pub created: u64,
    /// The process that captured it.
    pub pid: u32,
    /// PY_VERSION_HEX of the Python that captured it, 0 if none did.
    pub python: u32,
    /// How many frames it has.
    pub frames: u64,
}

// SAFETY: C4: integers and a pointer.
unsafe impl Versioned for SnapshotInfo {
    const NAME: &'static str = "torpor_info";
    const FIRST: usize = 48;
}

/// Opens a snapshot by its key or by its number.
///
/// key: the snapshot last published under it. NULL: go by id.
/// id: the snapshot's number; must be 0 if there is a key.
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure. It may be open any number
/// of times, in any number of processes.
/// Returns: TORPOR_E_SNAPSHOT_NOT_FOUND, _STORE_NOT_FOUND (destroyed), _INVALID_ARGUMENT.
/// If the process dies here: nothing is left, the system knows who holds what.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_open(
    store: *const StoreHandle,
    key: *const c_char,
    id: u64,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe {
        guard(error, || {
            place(out)?;
            let store = shared(store, "store")?.store();
            let found = match (optional_text(key, "key")?, id) {
                (Some(key), 0) => store.snapshot(key)?,
                (None, id) if id != 0 => store.snapshot_by_id(id)?,
                (Some(_), _) => {
                    return Err(Fault::argument("both a key and an id are given; id must be 0 then"))
                }
                (None, _) => return Err(Fault::argument("neither a key nor an id is given")),
            };
            out.write(SnapshotHandle::boxed(found));
            Ok(())
        })
    }
}

/// Closes a snapshot. Everything that was borrowed from it is gone: values, arrays, texts. What Python
/// adopted from it stays. NULL is allowed.
///
/// # Safety
/// C1: neither the handle nor what was borrowed from it is used again.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_close(snapshot: *mut SnapshotHandle) {
    if !snapshot.is_null() {
        // SAFETY: C1.
        quiet(|| drop(unsafe { Box::from_raw(snapshot) }));
    }
}

/// Removes a snapshot from its store; its key goes only if it still leads here. This handle stays valid
/// and must still be closed; the memory is free when nobody holds the snapshot any more.
///
/// Returns: TORPOR_E_SNAPSHOT_NOT_FOUND if it was removed already, _INVALID_ARGUMENT for a file or bytes.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_remove(snapshot: *const SnapshotHandle, error: *mut Error) -> i32 {
    // SAFETY: C1, C2.
    unsafe { guard(error, || Ok(shared(snapshot, "snapshot")?.snapshot.remove()?)) }
}

/// Says what a snapshot is.
///
/// out: where to; out_size: sizeof(torpor_info), so that the struct can grow.
/// Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH (a format this library does not read).
///
/// # Safety
/// C1, C2, C4.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_info(
    snapshot: *const SnapshotHandle,
    out: *mut SnapshotInfo,
    out_size: usize,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C4.
    unsafe {
        guard(error, || {
            let handle = shared(snapshot, "snapshot")?;
            let region = handle.snapshot.region()?; // not the whole graph: listing a store is cheap
            let key = handle.snapshot.key();
            let info = SnapshotInfo {
                id: handle.snapshot.id(),
                key: key.map_or(std::ptr::null(), |key| handle.keep(&key)),
                nbytes: handle.snapshot.nbytes(),
                created: region.created,
                pid: region.pid,
                python: region.python,
                frames: region.frames.len() as u64,
            };
            fill(out, out_size, &info)
        })
    }
}
