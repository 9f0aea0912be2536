//! The one map from Rust errors to Python exceptions.
//!
//! It goes by status number, so that Python and C tell errors apart in the same way. The classes are in
//! `python/torpor/_errors.py`.

use pyo3::exceptions::{PyRuntimeError, PyTimeoutError};
use pyo3::prelude::*;
use torpor_engine::{CaptureError, Failure};
use torpor_store::{status, RegionError, StoreError};

fn class_name(code: i32, errno: i32) -> &'static str {
    match code {
        status::IO => match errno {
            ENOENT => "FileMissing",
            EACCES | EPERM => "FileForbidden",
            _ => "FileError",
        },
        status::INVALID_ARGUMENT => "InvalidArgument",
        status::NO_MEMORY => "OutOfMemory",
        status::STORE_NOT_FOUND => "StoreNotFound",
        status::STORE_FULL => "StoreFull",
        status::STORE_CORRUPT => "StoreCorrupt",
        status::UNSUPPORTED_FRAME => "UnsupportedFrame",
        status::UNCAPTURABLE_VALUE => "UncapturableValue",
        status::SNAPSHOT_NOT_FOUND => "SnapshotNotFound",
        status::CORRUPT_SNAPSHOT => "CorruptSnapshot",
        status::VERSION_MISMATCH => "VersionMismatch",
        status::ALREADY_RESUMED => "AlreadyResumed",
        100..=199 => "StoreError",
        200..=299 => "CaptureError",
        300..=399 => "AdoptError",
        400..=499 => "ResumeError",
        _ => "TorporError",
    }
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EACCES: i32 = 13;

fn exception<'py>(py: Python<'py>, code: i32, errno: i32, message: &str) -> PyResult<Bound<'py, PyAny>> {
    let value = py.import("torpor._errors")?.getattr(class_name(code, errno))?.call1((message,))?;
    value.setattr("status", code)?;
    if errno != 0 {
        value.setattr("errno", errno)?;
    }
    Ok(value)
}

/// A refusal is data too, not only text: what stands where.
fn describe(value: &Bound<'_, PyAny>, error: &CaptureError) -> PyResult<()> {
    match error {
        CaptureError::UnsupportedFrame { function, file, line, what } => {
            value.setattr("function", function)?;
            value.setattr("filename", file)?;
            value.setattr("lineno", line)?;
            value.setattr("what", what)
        }
        CaptureError::Uncapturable(all) => {
            let pairs: Vec<_> = all.iter().map(|r| (&r.path, &r.reason)).collect();
            value.setattr("refusals", pairs)
        }
        _ => Ok(()),
    }
}

/// An engine's failure as a Python exception; an exception of the program comes back as it is.
pub fn raise(py: Python<'_>, failure: Failure) -> PyErr {
    match failure {
        Failure::Python(e) => e,
        Failure::Store(e) => store(py, e),
        other => exception(py, other.status(), 0, &other.to_string())
            .and_then(|value| {
                if let Failure::Capture(error) = &other {
                    describe(&value, error)?;
                }
                Ok(PyErr::from_value(value))
            })
            .unwrap_or_else(|e| e),
    }
}

/// A store's error as a Python exception.
pub fn store(py: Python<'_>, error: StoreError) -> PyErr {
    match error.status() {
        status::TIMEOUT => PyTimeoutError::new_err(error.to_string()),
        code => exception(py, code, error.errno(), &error.to_string())
            .map(PyErr::from_value)
            .unwrap_or_else(|e| e),
    }
}

/// A damaged region as a Python exception.
pub fn region(py: Python<'_>, error: RegionError) -> PyErr {
    store(py, StoreError::Region(error))
}

/// Runs something long without the GIL; Ctrl-C and other signal handlers interrupt it through the
/// closure that it gets.
pub fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut dyn FnMut() -> bool) -> Result<T, StoreError> + Send,
) -> PyResult<T> {
    let mut raised = None;
    let result = py.detach(|| {
        work(&mut || match Python::attach(|py| py.check_signals()) {
            Ok(()) => false,
            Err(e) => {
                raised = Some(e);
                true
            }
        })
    });
    match (raised, result) {
        (Some(e), _) => Err(e),
        (None, Ok(value)) => Ok(value),
        (None, Err(e)) => Err(store(py, e)),
    }
}

/// The store object was closed before.
pub fn closed() -> PyErr {
    PyRuntimeError::new_err(
        "This Store object has been closed; open the store again with torpor.Store(name).",
    )
}
