//! What every function of `torpor_python.h` has in common: the interpreter is the right one, the GIL is
//! held, and a Python exception is left set only with `TORPOR_E_PYTHON`.

use pyo3::ffi;
use pyo3::prelude::*;
use std::panic::{catch_unwind, AssertUnwindSafe};
use torpor_capi_shared::{status, Error, Fault};
use torpor_engine::Failure;
use torpor_store::StoreError;

/// A failure on its way to C.
pub enum Trouble {
    Fault(Fault),
    Engine(Failure),
}

impl From<Fault> for Trouble {
    fn from(e: Fault) -> Trouble {
        Trouble::Fault(e)
    }
}
impl From<Failure> for Trouble {
    fn from(e: Failure) -> Trouble {
        Trouble::Engine(e)
    }
}
impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Trouble {
        Trouble::Fault(e.into())
    }
}
impl From<PyErr> for Trouble {
    fn from(e: PyErr) -> Trouble {
        Trouble::Engine(Failure::Python(e))
    }
}

/// The interpreter that this process runs, if this library can work in it now.
fn check() -> Result<(), Fault> {
    let wanted = env!("TORPOR_PYTHON_MINOR");
    // SAFETY: C6: these may be called and read at any time, without the GIL and before Py_Initialize.
    let (version, initialized, held) =
        unsafe { (ffi::Py_Version as u32, ffi::Py_IsInitialized() != 0, ffi::PyGILState_Check() != 0) };
    let (major, minor) = (version >> 24, version >> 16 & 255);
    if major != 3 || minor.to_string() != wanted {
        return Err(Fault::new(
            status::TORPOR_E_UNSUPPORTED_PLATFORM,
            format!(
                "this is libtorpor-3.{wanted}, the process runs Python {major}.{minor}; \
                 link libtorpor-{major}.{minor} instead"
            ),
        ));
    }
    if !initialized {
        return Err(Fault::argument("Python does not run in this process; call Py_Initialize first"));
    }
    if !held {
        return Err(Fault::argument(
            "the calling thread does not hold the GIL; call PyGILState_Ensure first",
        ));
    }
    Ok(())
}

/// Runs the body of a C function with the interpreter; its failure becomes the status that is returned.
///
/// # Safety
/// C2: `error` is NULL or points to a `torpor_error` that nobody else uses.
pub unsafe fn guard(error: *mut Error, body: impl FnOnce(Python<'_>) -> Result<(), Trouble>) -> i32 {
    let work = || {
        check()?;
        // The GIL is held already: this only hands out the token.
        Python::attach(|py| {
            body(py).map_err(|trouble| match trouble {
                Trouble::Fault(fault) => fault,
                Trouble::Engine(Failure::Python(exception)) => raised(py, exception),
                Trouble::Engine(Failure::Store(e)) => e.into(),
                Trouble::Engine(other) => Fault::new(other.status(), other.to_string()),
            })
        })
    };
    let fault = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return status::TORPOR_OK,
        Ok(Err(fault)) => fault,
        Err(payload) => Fault::panicked(payload),
    };
    // SAFETY: as the caller promises.
    unsafe { fault.report(error) }
}

/// Leaves the exception set, and says what it is.
fn raised(py: Python<'_>, exception: PyErr) -> Fault {
    let message = exception.to_string();
    exception.restore(py);
    Fault::new(status::TORPOR_E_PYTHON, message)
}

/// An object that must be there.
///
/// # Safety
/// C6: `object` is NULL or a live object of the running interpreter.
pub unsafe fn object<'py>(
    py: Python<'py>,
    object: *mut ffi::PyObject,
    name: &str,
) -> Result<Bound<'py, PyAny>, Fault> {
    // SAFETY: C6.
    unsafe { optional(py, object) }.ok_or_else(|| torpor_capi_shared::arguments::null(name))
}

/// An object, or NULL.
///
/// # Safety
/// C6: `object` is NULL or a live object of the running interpreter.
pub unsafe fn optional(py: Python<'_>, object: *mut ffi::PyObject) -> Option<Bound<'_, PyAny>> {
    // SAFETY: C6.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, object) }
}
