//! A snapshot as bytes: in memory, in files.

use crate::arguments::{null, optional_path, place, shared, text};
use crate::array::ArrayView;
use crate::error::{guard, Error, Fault};
use crate::snapshot::SnapshotHandle;
use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use torpor_store::Snapshot;

/// # Safety
/// C3.
unsafe fn file(path: *const c_char) -> Result<PathBuf, Fault> {
    // SAFETY: C3.
    unsafe { optional_path(path) }.ok_or_else(|| null("path"))
}

/// Writes a snapshot to a file, with checksums over everything. The file appears under its name when it
/// is complete and on the disk, replacing one that is there.
///
/// Returns: TORPOR_E_IO.
/// If the process dies here: the old file is there, or the new one.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_save(
    snapshot: *const SnapshotHandle,
    path: *const c_char,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe { guard(error, || Ok(shared(snapshot, "snapshot")?.snapshot().save(&file(path)?)?)) }
}

/// Opens a snapshot from a file. The file is mapped, not read: arrays stay in it, and it must not be
/// written to while the snapshot is open.
///
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
/// Returns: TORPOR_E_IO, _CORRUPT_SNAPSHOT, _VERSION_MISMATCH.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_load(
    path: *const c_char,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe {
        guard(error, || {
            place(out)?;
            let snapshot = Snapshot::load(&file(path)?)?;
            snapshot.region()?;
            out.write(SnapshotHandle::boxed(snapshot));
            Ok(())
        })
    }
}

/// The snapshot as one run of bytes that stands for itself: to be sent as it is, and to be opened with
/// torpor_snapshot_from_bytes.
///
/// out: the first byte, borrowed until the snapshot is closed; read-only.
/// out_length: how many.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_bytes(
    snapshot: *const SnapshotHandle,
    out: *mut *const c_void,
    out_length: *mut usize,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            if out.is_null() || out_length.is_null() {
                return Err(null(if out.is_null() { "out" } else { "out_length" }));
            }
            out.write(std::ptr::null());
            out_length.write(0);
            let bytes = shared(snapshot, "snapshot")?.snapshot().bytes();
            out.write(bytes.as_ptr().cast());
            out_length.write(bytes.len());
            Ok(())
        })
    }
}

/// Opens a snapshot from bytes, which are copied and checked.
///
/// data, length: what torpor_snapshot_bytes, bytes(snapshot) or torpor.dumps in Python gave.
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
/// Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_from_bytes(
    data: *const c_void,
    length: usize,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe {
        guard(error, || {
            place(out)?;
            if data.is_null() {
                return Err(null("data"));
            }
            if length > isize::MAX as usize {
                return Err(Fault::argument(format!("length is {length}, which no buffer can have")));
            }
            let snapshot = Snapshot::from_bytes(std::slice::from_raw_parts(data.cast(), length))?;
            out.write(SnapshotHandle::boxed(snapshot));
            Ok(())
        })
    }
}

/// A buffer that was attached to the capture: it belongs to the checkpoint and to no frame.
///
/// name: what it was attached as. out: its memory and shape, borrowed until the snapshot is closed.
/// Returns: TORPOR_E_NOT_FOUND.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_attachment(
    snapshot: *const SnapshotHandle,
    name: *const c_char,
    out: *mut ArrayView,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe {
        guard(error, || {
            if out.is_null() {
                return Err(null("out"));
            }
            out.write(ArrayView::default());
            let (handle, name) = (shared(snapshot, "snapshot")?, text(name, "name")?);
            let node = handle.graph()?.attachment(name);
            let a = node.as_ref().and_then(|n| n.array());
            let a = a.ok_or_else(|| Fault::not_found(format!("the snapshot has no attachment {name:?}")))?;
            out.write(ArrayView::of(handle, &a));
            Ok(())
        })
    }
}
