//! Step "capture", asked for from outside: what `_request.py` cannot do in Python.

use crate::errors;
use pyo3::prelude::*;
use torpor_engine as engine;

/// Makes known how the interpreter stops frames, before the first stop.
#[pyfunction]
pub fn learn_stops(py: Python<'_>) -> PyResult<()> {
    engine::learn_stops(py).map_err(|e| errors::raise(py, e))
}

/// The engine's part: which threads are watched, and when one tries.
#[pyfunction]
pub fn requests(py: Python<'_>) -> PyResult<Py<PyAny>> {
    engine::watch::requests(py).map_err(|e| errors::raise(py, e))
}
