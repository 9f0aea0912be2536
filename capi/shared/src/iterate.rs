//! Going through the snapshots of a store.

use crate::arguments::{null, place, shared};
use crate::error::{guard, quiet, Error};
use crate::snapshot::SnapshotHandle;
use crate::store::StoreHandle;
use torpor_store::Snapshot;

/// Snapshots of a store, one after the other. One thread at a time may use it.
pub struct SnapshotIterator(std::vec::IntoIter<Snapshot>);

/// Begins to go through all snapshots of a store, with a key or without, oldest first. What is published
/// meanwhile is not part of it; until it is freed it holds what it has not given out yet.
///
/// out: to be freed with torpor_iterator_free; NULL on failure.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_store_iterate(
    store: *const StoreHandle,
    out: *mut *mut SnapshotIterator,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            place(out)?;
            let all = shared(store, "store")?.store().snapshots()?;
            out.write(Box::into_raw(Box::new(SnapshotIterator(all.into_iter()))));
            Ok(())
        })
    }
}

/// The next snapshot.
///
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL, with TORPOR_OK, after the last.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_iterator_next(
    iterator: *mut SnapshotIterator,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            place(out)?;
            let iterator = iterator.as_mut().ok_or_else(|| null("iterator"))?;
            if let Some(snapshot) = iterator.0.next() {
                out.write(SnapshotHandle::boxed(snapshot));
            }
            Ok(())
        })
    }
}

/// Ends an iteration. NULL is allowed.
///
/// # Safety
/// C1: the iterator is not used again.
#[no_mangle]
pub unsafe extern "C" fn torpor_iterator_free(iterator: *mut SnapshotIterator) {
    if !iterator.is_null() {
        // SAFETY: C1.
        quiet(|| drop(unsafe { Box::from_raw(iterator) }));
    }
}
