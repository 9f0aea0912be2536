//! Step "adopt": from a snapshot to a continuation, its locals.

use crate::gil::{guard, object, optional};
use pyo3::ffi::PyObject;
use std::ffi::c_char;
use torpor_capi_shared::arguments::{null, options as options_of, place, shared, text, Versioned};
use torpor_capi_shared::{Error, Fault, SnapshotHandle};
use torpor_engine as engine;

/// A live stack, waiting to be resumed. To be used with the GIL held.
pub struct ContinuationHandle(engine::Continuation);

impl ContinuationHandle {
    pub fn inner(&self) -> &engine::Continuation {
        &self.0
    }
}

/// How to adopt. All zero but `size` is the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct AdoptOptions {
    /// sizeof(torpor_adopt_options).
    pub size: usize,
    /// A dict {name: object} for what stayed behind at the capture. Borrowed for the call.
    pub externals: *mut PyObject,
    /// 0: arrays are private copy-on-write views, writing to them never changes the snapshot. 1: they are
    /// read-only views.
    pub read_only: i32,
    /// 0.
    pub reserved: i32,
}

// SAFETY: C4: integers and a pointer; zero is valid.
unsafe impl Versioned for AdoptOptions {
    const NAME: &'static str = "torpor_adopt_options";
    const FIRST: usize = 24;
}

/// Turns a snapshot into a live stack. Its arrays are not copied: they are views of the snapshot's
/// memory and keep it, also after torpor_snapshot_close. Runs code that the snapshot brings, as
/// unpickling does.
///
/// snapshot: any number of processes may adopt one, any number of times. options: NULL for the defaults.
/// out: to be freed with torpor_continuation_free; NULL on failure.
/// Returns: TORPOR_E_CORRUPT_SNAPSHOT, _VERSION_MISMATCH, _ADOPT, _PYTHON (code of the snapshot raised).
///
/// # Safety
/// C1, C2, C4, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_adopt(
    snapshot: *const SnapshotHandle,
    options: *const AdoptOptions,
    out: *mut *mut ContinuationHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C4, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let snapshot = shared(snapshot, "snapshot")?.snapshot();
            let options = options_of(options)?;
            if !matches!(options.read_only, 0 | 1) || options.reserved != 0 {
                return Err(Fault::argument("read_only can be 0 or 1, reserved must be 0").into());
            }
            let externals = optional(py, options.externals);
            let continuation = engine::adopt(py, snapshot, options.read_only == 0, externals.as_ref())?;
            out.write(Box::into_raw(Box::new(ContinuationHandle(continuation))));
            Ok(())
        })
    }
}

/// Frees a continuation, resumed or not. Dropping one that was not resumed runs nothing of the program:
/// no `finally`, no `__exit__`. The caller holds the GIL. NULL is allowed.
///
/// # Safety
/// C1, C6: the handle is not used again.
#[no_mangle]
pub unsafe extern "C" fn torpor_continuation_free(continuation: *mut ContinuationHandle) {
    if continuation.is_null() {
        return;
    }
    // SAFETY: C1, C6.
    unsafe {
        guard(std::ptr::null_mut(), |_| {
            drop(Box::from_raw(continuation));
            Ok(())
        });
    }
}

/// How many suspended calls a continuation has; none after it was resumed.
///
/// # Safety
/// C1, C2, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_continuation_frame_count(
    continuation: *const ContinuationHandle,
    out: *mut u64,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C6.
    unsafe {
        guard(error, |_| {
            let out = out.as_mut().ok_or_else(|| null("out"))?;
            *out = shared(continuation, "continuation")?.0.frame_count() as u64;
            Ok(())
        })
    }
}

/// The engine panics for no frame number; it names the valid ones.
fn number(frame: u64, continuation: &ContinuationHandle) -> Result<usize, Fault> {
    if continuation.0.is_resumed() {
        return Ok(0); // the engine says so
    }
    let count = continuation.0.frame_count();
    usize::try_from(frame).ok().filter(|n| *n < count).ok_or_else(|| {
        Fault::not_found(format!("there is no frame {frame}; the continuation has {count}, counted from 0"))
    })
}

/// A local of a suspended call.
///
/// frame: its number; 0 is the innermost. name: the local's name.
/// out: its value, a new reference; NULL on failure. Changing it changes what the resumed code sees.
/// Returns: TORPOR_E_NOT_FOUND if it is unbound or there is no such frame, _PYTHON with a KeyError set if
/// the code has no such local, _ALREADY_RESUMED.
///
/// # Safety
/// C1 to C3, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_continuation_get_local(
    continuation: *const ContinuationHandle,
    frame: u64,
    name: *const c_char,
    out: *mut *mut PyObject,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let (c, name) = (shared(continuation, "continuation")?, text(name, "name")?);
            let value = c.0.get_local(py, number(frame, c)?, name)?;
            let unbound = || Fault::not_found(format!("the local {name:?} of frame {frame} is unbound"));
            out.write(value.ok_or_else(unbound)?.into_ptr());
            Ok(())
        })
    }
}

/// Sets a local of a suspended call, before it is resumed.
///
/// frame: its number; 0 is the innermost. name: the local's name.
/// value: borrowed; NULL unbinds the local.
/// Returns: TORPOR_E_NOT_FOUND if there is no such frame, _PYTHON with a KeyError set if the code has no
/// such local, _ALREADY_RESUMED.
///
/// # Safety
/// C1 to C3, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_continuation_set_local(
    continuation: *mut ContinuationHandle,
    frame: u64,
    name: *const c_char,
    value: *mut PyObject,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C3, C6.
    unsafe {
        guard(error, |py| {
            let (c, name) = (shared(continuation, "continuation")?, text(name, "name")?);
            let value = match value.is_null() {
                true => None,
                false => Some(object(py, value, "value")?),
            };
            Ok(c.0.set_local(py, number(frame, c)?, name, value)?)
        })
    }
}
