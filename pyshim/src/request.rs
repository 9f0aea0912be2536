//! Step "capture", asked for from outside: what `_request.py` cannot do in Python.

use crate::errors;
use pyo3::prelude::*;
use torpor_engine as engine;

/// Makes known how the interpreter stops frames, before the first stop.
#[pyfunction]
pub fn learn_stops(py: Python<'_>) -> PyResult<()> {
    engine::learn_stops(py).map_err(|e| errors::raise(py, e))
}

/// Calls callback(frame) at each line of the thread, in front of the trace function that it has.
///
/// False if there is no such thread, or where sys.monitoring does the same.
#[pyfunction]
pub fn watch(thread: u64, callback: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = callback.py();
    engine::watch::start(py, thread, callback).map_err(|e| errors::raise(py, e))
}

/// Ends what watch() began.
#[pyfunction]
pub fn unwatch(py: Python<'_>, thread: u64) -> PyResult<()> {
    engine::watch::stop(py, thread).map_err(|e| errors::raise(py, e))
}
