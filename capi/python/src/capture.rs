//! Step "capture": the boundary for captures, and captures asked for by C.

use crate::gil::{guard, object, optional, Trouble};
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::ffi::c_char;
use torpor_capi_shared::arguments::{optional_text, options as options_of, place, shared, Versioned};
use torpor_capi_shared::{Error, Fault, SnapshotHandle, StoreHandle};
use torpor_engine as engine;

/// Locals that the code cannot read any more travel unless they cannot be captured.
pub const TORPOR_KEEP_DEAD_IF_POSSIBLE: i32 = 0;
/// Locals that the code cannot read any more travel always.
pub const TORPOR_KEEP_DEAD_ALWAYS: i32 = 1;
/// Locals that the code cannot read any more never travel.
pub const TORPOR_KEEP_DEAD_NEVER: i32 = 2;

/// What to capture, and how. All zero but `size` is the defaults. The objects are borrowed for the call;
/// they mean what the parameters of torpor.capture in Python mean.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CaptureOptions {
    /// sizeof(torpor_capture_options).
    pub size: usize,
    /// How many frames outward; 0: up to the nearest boundary.
    pub stack: u64,
    /// A frame object of this thread's stack; NULL: the Python function that called.
    pub target: *mut PyObject,
    /// Names or indices of locals that stay behind, or a dict {frame index: names}.
    pub exclude: *mut PyObject,
    /// Whose module-level data travels: "main", "none", a list of modules.
    pub state: *mut PyObject,
    /// Modules whose functions, classes and data travel whole.
    pub by_value: *mut PyObject,
    /// A dict {name: object} of what stays behind for the adopter's own.
    pub externals: *mut PyObject,
    /// A dict {name: buffer} of what belongs to the checkpoint and to no frame.
    pub attach: *mut PyObject,
    /// A callable (object, path) that may return a replacement.
    pub on_uncapturable: *mut PyObject,
    /// TORPOR_KEEP_DEAD_IF_POSSIBLE, _ALWAYS or _NEVER.
    pub keep_dead: i32,
    /// 0.
    pub reserved: i32,
}

// SAFETY: C4: integers and pointers; zero is valid.
unsafe impl Versioned for CaptureOptions {
    const NAME: &'static str = "torpor_capture_options";
    const FIRST: usize = 80;
}

/// Calls a function as the outermost frame of captures below it: a capture inside takes the stack up to
/// `callable` itself.
///
/// callable: what to call. args: a tuple, or NULL. kwargs: a dict, or NULL.
/// out: what it returned, a new reference; NULL on failure.
/// Returns: TORPOR_E_PYTHON, with the exception set, if it raised.
///
/// # Safety
/// C2, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_run(
    callable: *mut PyObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
    out: *mut *mut PyObject,
    error: *mut Error,
) -> i32 {
    // SAFETY: C2, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let callable = object(py, callable, "callable")?;
            let args = match optional(py, args) {
                None => PyTuple::empty(py),
                Some(args) => args.cast_into().map_err(|_| Fault::argument("args is not a tuple"))?,
            };
            let kwargs = match optional(py, kwargs) {
                None => None,
                Some(kwargs) => {
                    Some(kwargs.cast_into::<PyDict>().map_err(|_| Fault::argument("kwargs is not a dict"))?)
                }
            };
            let result = engine::run(py, &callable, &args, kwargs.as_ref())?;
            out.write(result.into_ptr());
            Ok(())
        })
    }
}

pub(crate) fn engine_options<'py>(
    py: Python<'py>,
    o: &CaptureOptions,
) -> Result<engine::CaptureOptions<'py>, Trouble> {
    let keep_dead = match o.keep_dead {
        TORPOR_KEEP_DEAD_IF_POSSIBLE => None,
        TORPOR_KEEP_DEAD_ALWAYS => Some(true),
        TORPOR_KEEP_DEAD_NEVER => Some(false),
        other => {
            let what = format!("keep_dead is {other}; it can be a TORPOR_KEEP_DEAD_ number");
            return Err(Fault::argument(what).into());
        }
    };
    if o.reserved != 0 {
        return Err(
            Fault::argument("reserved is not 0; set all of a torpor_capture_options to zero first").into()
        );
    }
    // SAFETY: C6: borrowed for the call.
    unsafe {
        Ok(engine::CaptureOptions {
            target: optional(py, o.target),
            stack: usize::try_from(o.stack).ok().filter(|n| *n != 0),
            exclude: optional(py, o.exclude),
            keep_dead,
            state: optional(py, o.state),
            by_value: optional(py, o.by_value),
            externals: optional(py, o.externals),
            attach: optional(py, o.attach),
            on_uncapturable: optional(py, o.on_uncapturable),
        })
    }
}

/// Captures the stack of the Python function that called: its whole stack up to the boundary, with all
/// that it reaches, into a store. To be called by a C function that Python calls, from that function
/// itself.
///
/// It returns once, here. In the adopter, the Python call of that C function returns what
/// torpor_resume is given, and the rest of the C function does not run.
///
/// store: where to. key: the name to publish it under, or NULL. options: NULL for the defaults.
/// out: the snapshot, to be closed with torpor_snapshot_close; NULL on failure.
/// Returns: TORPOR_E_UNSUPPORTED_FRAME, _UNCAPTURABLE_VALUE, _CAPTURE (nothing was written),
/// _STORE_FULL, _PYTHON.
/// If the process dies here: the snapshot is there as a whole, or not at all.
///
/// # Safety
/// C1 to C4, C6.
#[no_mangle]
pub unsafe extern "C" fn torpor_capture(
    store: *const StoreHandle,
    key: *const c_char,
    options: *const CaptureOptions,
    out: *mut *mut SnapshotHandle,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1 to C4, C6.
    unsafe {
        guard(error, |py| {
            place(out)?;
            let store = shared(store, "store")?.store();
            let key = optional_text(key, "key")?;
            let options = engine_options(py, &options_of(options)?)?;
            let snapshot = engine::capture(py, store, key, &options)?;
            out.write(SnapshotHandle::boxed(snapshot));
            Ok(())
        })
    }
}
