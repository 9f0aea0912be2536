//! The suspended calls of a snapshot, and their locals.

use crate::arguments::{fill, null, shared, text, Versioned};
use crate::error::{guard, Error, Fault};
use crate::snapshot::SnapshotHandle;
use crate::value::Value;
use std::ffi::c_char;
use torpor_store::FrameInfo;

/// A suspended call. All texts live until the snapshot is closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FrameView {
    /// The function's name.
    pub function: *const c_char,
    /// Its qualified name, as "Solver.step".
    pub qualname: *const c_char,
    /// The module that it belongs to; "" if the snapshot does not say.
    pub module: *const c_char,
    /// The file of its source.
    pub filename: *const c_char,
    /// The line where its source begins.
    pub firstlineno: i32,
    /// The line at which it is suspended.
    pub lineno: i32,
    /// Names of its bound locals; local_count of them.
    pub local_names: *const *const c_char,
    /// How many locals are bound.
    pub local_count: u64,
}

// SAFETY: C4: integers and pointers.
unsafe impl Versioned for FrameView {
    const NAME: &'static str = "torpor_frame";
    const FIRST: usize = 56;
}

/// A frame's description with the table that it points to.
pub struct Described {
    view: FrameView,
    names: Vec<*const c_char>,
}

// SAFETY: C5: the pointers are to texts that the handle keeps unchanged until it is closed.
unsafe impl Send for Described {}

impl Described {
    pub fn new(handle: &SnapshotHandle, info: &FrameInfo) -> Described {
        let names: Vec<_> = info.local_names.iter().map(|name| handle.keep(name)).collect();
        let view = FrameView {
            function: handle.keep(&info.function),
            qualname: handle.keep(&info.qualname),
            module: handle.keep(&info.module),
            filename: handle.keep(&info.filename),
            firstlineno: info.firstlineno,
            lineno: info.lineno,
            local_names: names.as_ptr(),
            local_count: names.len() as u64,
        };
        Described { view, names }
    }
}

/// A frame's number, checked.
fn number(handle: &SnapshotHandle, frame: u64) -> Result<usize, Fault> {
    let count = handle.graph()?.frame_count();
    usize::try_from(frame).ok().filter(|n| *n < count).ok_or_else(|| {
        Fault::not_found(format!("there is no frame {frame}; the snapshot has {count}, counted from 0"))
    })
}

/// How many suspended calls a snapshot has.
///
/// Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_frame_count(
    snapshot: *const SnapshotHandle,
    out: *mut u64,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            let out = out.as_mut().ok_or_else(|| null("out"))?;
            *out = 0;
            *out = shared(snapshot, "snapshot")?.graph()?.frame_count() as u64;
            Ok(())
        })
    }
}

/// Describes a suspended call.
///
/// frame: its number; 0 is the innermost.
/// out: where to; out_size: sizeof(torpor_frame), so that the struct can grow.
/// Returns: TORPOR_E_NOT_FOUND, _CORRUPT_SNAPSHOT, _VERSION_MISMATCH.
///
/// # Safety
/// C1, C2, C4.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_frame_info(
    snapshot: *const SnapshotHandle,
    frame: u64,
    out: *mut FrameView,
    out_size: usize,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C4; C5: what `described` returns lives as long as the handle.
    unsafe {
        guard(error, || {
            let handle = shared(snapshot, "snapshot")?;
            let described = &*handle.described(number(handle, frame)?)?;
            debug_assert_eq!(described.view.local_count, described.names.len() as u64);
            fill(out, out_size, &described.view)
        })
    }
}

/// Reads a local of a suspended call. Nothing of the snapshot is run.
///
/// frame: its number; 0 is the innermost. name: the local's name.
/// out: the value, borrowed until the snapshot is closed.
/// Returns: TORPOR_E_NOT_FOUND if the frame has no such local or it is unbound, _CORRUPT_SNAPSHOT,
/// _VERSION_MISMATCH.
///
/// # Safety
/// C1 to C3.
#[no_mangle]
pub unsafe extern "C" fn torpor_snapshot_local(
    snapshot: *const SnapshotHandle,
    frame: u64,
    name: *const c_char,
    out: *mut Value,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3.
    unsafe {
        guard(error, || {
            if out.is_null() {
                return Err(null("out"));
            }
            out.write(Value::default());
            let (handle, name) = (shared(snapshot, "snapshot")?, text(name, "name")?);
            let frame = number(handle, frame)?;
            match handle.graph()?.local(frame, name)? {
                Some(node) => out.write(Value::of(handle, &node)),
                None => {
                    let info = handle.graph()?.frame_info(frame)?;
                    let (function, names) = (info.qualname, info.local_names.join(", "));
                    let bound = if names.is_empty() { "nothing".to_string() } else { names };
                    return Err(Fault::not_found(format!(
                        "{function} (frame {frame}) has no bound local {name:?}; bound are: {bound}"
                    )));
                }
            }
            Ok(())
        })
    }
}
