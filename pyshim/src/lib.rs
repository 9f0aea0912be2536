//! The Python module `torpor._native`: a thin binding of the engine and the store.
//!
//! One file per step of the flow, as in the other crates. This crate converts arguments and results and
//! decides nothing: what Python alone decides is in `python/torpor/`, everything else in the engine.
#![forbid(unsafe_code)]

mod adopt;
mod capture;
mod errors;
mod frame;
mod region;
mod resume;
mod store;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use torpor_engine as engine;

/// Makes the frame of a Python function that calls `capture` or `dumps` invisible to captures.
#[pyfunction]
fn register_entry(function: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = function.py();
    engine::register_entry(py, function).map_err(|e| errors::raise(py, e))
}

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    engine::initialize(py).map_err(|e| PyImportError::new_err(e.to_string()))?;
    let names = py.import("torpor._errors")?;
    engine::set_warning_types(py, &names.getattr("CodeChanged")?, &names.getattr("StateIgnored")?);
    engine::set_opaque_type(py, &py.import("torpor._opaque")?.getattr("Opaque")?);
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("run", engine::run_function(py))?;
    m.add_class::<store::Store>()?;
    m.add_class::<region::Snapshot>()?;
    m.add_class::<frame::SnapshotFrame>()?;
    m.add_class::<resume::Continuation>()?;
    m.add_function(wrap_pyfunction!(register_entry, m)?)?;
    m.add_function(wrap_pyfunction!(capture::capture, m)?)?;
    m.add_function(wrap_pyfunction!(capture::dumps, m)?)?;
    m.add_function(wrap_pyfunction!(adopt::adopt, m)?)?;
    m.add_function(wrap_pyfunction!(adopt::loads, m)?)?;
    m.add_function(wrap_pyfunction!(adopt::load, m)?)?;
    Ok(())
}
