//! Stores: opening, counting, clean-up, waiting, listing.

use crate::arguments::{
    fill, optional_path, optional_text, options as options_of, place, shared, text, Versioned,
};
use crate::error::{guard, quiet, Error, Fault};
use crate::snapshot::SnapshotHandle;
use std::ffi::c_char;
use std::time::Duration;
use torpor_store::{Full, OpenOptions, Store};

/// A store, opened by this process. Any number of threads may use one at the same time.
pub struct StoreHandle(Store);

impl StoreHandle {
    pub fn store(&self) -> &Store {
        &self.0
    }
}

/// A capture that finds no room fails with TORPOR_E_STORE_FULL.
pub const TORPOR_FULL_ERROR: i32 = 0;
/// A capture that finds no room waits until there is some, or full_timeout_ms are over.
pub const TORPOR_FULL_WAIT: i32 = 1;
/// A capture that finds no room drops the snapshot under its key, if nobody holds it.
pub const TORPOR_FULL_DROP: i32 = 2;

/// How to open a store. All zero but `size` is the defaults: attach, or create if there is none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StoreOptions {
    /// sizeof(torpor_store_options).
    pub size: usize,
    /// Where stores live; NULL: the environment variable TORPOR_DIR, else shared memory.
    pub dir: *const c_char,
    /// The most bytes that snapshots may take together; 0: the smaller of 4 GiB and half of what is
    /// free. Ignored when the store exists.
    pub capacity: u64,
    /// 1: an error if there is no such store. 0: create it.
    pub attach_only: i32,
    /// TORPOR_FULL_ERROR, TORPOR_FULL_WAIT or TORPOR_FULL_DROP. Ignored when the store exists.
    pub full: i32,
    /// Milliseconds that TORPOR_FULL_WAIT waits before it fails with TORPOR_E_STORE_FULL; 0: for ever. Ignored when
    /// the store exists.
    pub full_timeout_ms: u64,
}

// SAFETY: C4: integers and a pointer; zero is valid.
unsafe impl Versioned for StoreOptions {
    const NAME: &'static str = "torpor_store_options";
    const FIRST: usize = 32;
}

/// A store as it is now. Other processes work on while it is counted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StoreStats {
    /// The limit in bytes.
    pub capacity: u64,
    /// Bytes of snapshots and buffers, being written or published.
    pub used: u64,
    /// Bytes kept warm for the next snapshots.
    pub cached: u64,
    /// Bytes of the store's own tables.
    pub overhead: u64,
    /// Published snapshots.
    pub snapshots: u64,
    /// Keys that lead to a snapshot.
    pub keys: u64,
    /// Attached processes; dead ones count until they are cleaned up.
    pub processes: u64,
    /// Pairs of a process and a snapshot that it holds.
    pub pins: u64,
    /// Replaced or removed snapshots that somebody still holds.
    pub retired: u64,
    /// Memory that programs work in (arrays that live in the store), and such that was handed over to snapshots.
    pub buffers: u64,
    /// Snapshots and buffers in any state.
    pub slots: u64,
}

// SAFETY: C4: integers.
unsafe impl Versioned for StoreStats {
    const NAME: &'static str = "torpor_stats";
    const FIRST: usize = 72;
}

/// What a clean-up brought back.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Reclaimed {
    /// Dead processes.
    pub processes: u64,
    /// Half-written and left-over snapshots.
    pub snapshots: u64,
    /// Pins of dead processes.
    pub pins: u64,
    /// Bytes of memory.
    pub bytes: u64,
}

// SAFETY: C4: integers.
unsafe impl Versioned for Reclaimed {
    const NAME: &'static str = "torpor_reclaimed";
    const FIRST: usize = 32;
}

fn open(name: &str, options: &StoreOptions, dir: Option<std::path::PathBuf>) -> Result<Store, Fault> {
    let full = match options.full {
        TORPOR_FULL_ERROR => Full::Error,
        TORPOR_FULL_WAIT => Full::Wait,
        TORPOR_FULL_DROP => Full::Drop,
        other => return Err(Fault::argument(format!("full is {other}; it can be a TORPOR_FULL_ number"))),
    };
    let create = match options.attach_only {
        0 => true,
        1 => false,
        other => return Err(Fault::argument(format!("attach_only is {other}; it can be 0 or 1"))),
    };
    let capacity = (options.capacity != 0).then_some(options.capacity);
    let full_timeout = (options.full_timeout_ms != 0).then(|| Duration::from_millis(options.full_timeout_ms));
    Ok(Store::open(name, &OpenOptions { create, capacity, full, full_timeout, dir })?)
}

/// Opens a store, or creates it.
///
/// name: 1 to 255 bytes of UTF-8; NULL is "default", the one that Python uses if none is named.
/// options: NULL for the defaults.
/// out: the store, to be closed with torpor_store_close; NULL on failure.
/// Returns: TORPOR_E_STORE_NOT_FOUND (attach_only), _STORE_FOREIGN, _STORE_CORRUPT, _IO,
/// _INVALID_ARGUMENT.
/// If the process dies here: a store half created is completed or cleaned up by the next opener.
///
/// # Safety
/// C1 to C4.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_open(
    name: *const c_char,
    options: *const StoreOptions,
    out: *mut *mut StoreHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C4, as the header demands.
    unsafe {
        guard(error, || {
            place(out)?;
            let name = optional_text(name, "name")?.unwrap_or("default");
            let options = options_of(options)?;
            let store = open(name, &options, optional_path(options.dir))?;
            out.write(Box::into_raw(Box::new(StoreHandle(store))));
            Ok(())
        })
    }
}

/// Closes a store. Snapshots that were opened from it stay valid. NULL is allowed.
///
/// # Safety
/// C1: the handle is not used again.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_close(store: *mut StoreHandle) {
    if !store.is_null() {
        // SAFETY: C1.
        quiet(|| drop(unsafe { Box::from_raw(store) }));
    }
}

/// Ends a store for everybody: its name goes at once, its memory when the last process has let go of it.
/// The handle must still be closed; its other functions return TORPOR_E_STORE_NOT_FOUND from now on.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_destroy(store: *const StoreHandle, error: *mut Error) -> i32 {
    // SAFETY: C1, C2.
    unsafe { guard(error, || Ok(shared(store, "store")?.0.destroy()?)) }
}

/// Counts what is in a store.
///
/// out: where to; out_size: sizeof(torpor_stats), so that the struct can grow.
///
/// # Safety
/// C1, C2, C4.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_stats(
    store: *const StoreHandle,
    out: *mut StoreStats,
    out_size: usize,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C4.
    unsafe {
        guard(error, || {
            let s = shared(store, "store")?.0.stats()?;
            let stats = StoreStats {
                capacity: s.capacity,
                used: s.used,
                cached: s.cached,
                overhead: s.overhead,
                snapshots: s.snapshots,
                keys: s.keys,
                processes: s.processes,
                pins: s.pins,
                retired: s.retired,
                buffers: s.buffers,
                slots: s.slots,
            };
            fill(out, out_size, &stats)
        })
    }
}

/// Brings back what dead processes left, and nothing else. Stores clean up by themselves when they are
/// opened and when there is no room; nobody has to call this.
///
/// out: what was brought back, or NULL; out_size: sizeof(torpor_reclaimed).
///
/// # Safety
/// C1, C2, C4.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_gc(
    store: *const StoreHandle,
    out: *mut Reclaimed,
    out_size: usize,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C4.
    unsafe {
        guard(error, || {
            let store = shared(store, "store")?;
            if !out.is_null() {
                let nothing = Reclaimed { processes: 0, snapshots: 0, pins: 0, bytes: 0 };
                fill(out, out_size, &nothing)?;
            }
            let r = store.0.gc()?;
            let back =
                Reclaimed { processes: r.processes, snapshots: r.snapshots, pins: r.pins, bytes: r.bytes };
            if out.is_null() {
                return Ok(());
            }
            fill(out, out_size, &back)
        })
    }
}

/// Waits until a key leads to a snapshot, or to a newer one than `after`.
///
/// key: what to wait for. after: the id of a snapshot, or 0 for any.
/// timeout_ms: milliseconds; 0 only looks, a negative number waits for ever.
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
/// Returns: TORPOR_E_TIMEOUT, _STORE_NOT_FOUND (destroyed meanwhile), _INVALID_ARGUMENT.
/// A program with Python in it should release the GIL around the call.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_wait(
    store: *const StoreHandle,
    key: *const c_char,
    after: u64,
    timeout_ms: i64,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe {
        guard(error, || {
            place(out)?;
            let (store, key) = (shared(store, "store")?, text(key, "key")?);
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            let found = store.0.wait(key, (after != 0).then_some(after), timeout, &mut || false)?;
            out.write(SnapshotHandle::boxed(found));
            Ok(())
        })
    }
}
