//! Step "resume": an adopted stack runs on.

use crate::adopt::ContinuationHandle;
use crate::gil::{guard, object, optional};
use pyo3::ffi::PyObject;
use torpor_capi_shared::arguments::{place, shared};
use torpor_capi_shared::Error;

/// Runs a continuation to its end: the captured call returns `value`. It can be done once; adopt the
/// snapshot again for another run.
///
/// value: borrowed; NULL is None.
/// out: what the outermost frame returned, a new reference; NULL on failure.
/// Returns: TORPOR_E_PYTHON, with the exception set, if the program raised; _ALREADY_RESUMED, _RESUME.
///
/// # Safety
/// C1, C2, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_resume(
    continuation: *mut ContinuationHandle,
    value: *mut PyObject,
    out: *mut *mut PyObject,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let result = shared(continuation, "continuation")?.inner().resume(py, optional(py, value))?;
            out.write(result.into_ptr());
            Ok(())
        })
    }
}

/// As torpor_resume, but the captured call raises.
///
/// exception: an exception or its class; borrowed.
/// out: what the outermost frame returned, a new reference; NULL on failure.
/// Returns: TORPOR_E_PYTHON, with the exception set, if the program raised it on; _ALREADY_RESUMED,
/// _RESUME.
///
/// # Safety
/// C1, C2, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_throw(
    continuation: *mut ContinuationHandle,
    exception: *mut PyObject,
    out: *mut *mut PyObject,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let exception = object(py, exception, "exception")?;
            let result = shared(continuation, "continuation")?.inner().throw(py, exception)?;
            out.write(result.into_ptr());
            Ok(())
        })
    }
}
