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
mod request;
mod resume;
mod store;

use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use torpor_engine as engine;

/// Makes the frame of a Python function that calls `capture` or `dumps` invisible to captures.
#[pyfunction]
fn register_entry(function: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = function.py();
    engine::register_entry(py, function).map_err(|e| errors::raise(py, e))
}

/// Says that objects of exactly this class are taken apart into what never changes.
#[pyfunction]
fn register_unchanging(class: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = class.py();
    engine::register_unchanging(py, class).map_err(|e| errors::raise(py, e))
}

/// Adds a reducer: how objects of exactly this class travel.
///
/// reduce(object) returns what __reduce_ex__ may return: a callable and its arguments, and optionally
/// state and items. It goes before the class's own __reduce_ex__, in this process only.
#[pyfunction]
#[pyo3(signature = (r#type, reduce))]
fn register(r#type: &Bound<'_, PyAny>, reduce: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = reduce.py();
    if !r#type.is_instance_of::<PyType>() || !reduce.is_callable() {
        return Err(PyTypeError::new_err("register takes a class and a function of one argument."));
    }
    engine::register_reducer(py, r#type, reduce).map_err(|e| errors::raise(py, e))
}

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    engine::initialize(py).map_err(|e| PyImportError::new_err(e.to_string()))?;
    let names = py.import("torpor._errors")?;
    let opaque = py.import("torpor._opaque")?.getattr("Opaque")?;
    engine::set_warning_types(py, &names.getattr("CodeChanged")?, &names.getattr("StateIgnored")?)
        .and_then(|()| engine::set_opaque_type(py, &opaque))
        .map_err(|e| errors::raise(py, e))?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add("run", engine::run_function(py).map_err(|e| errors::raise(py, e))?)?;
    m.add_class::<store::Store>()?;
    m.add_class::<region::Snapshot>()?;
    engine::make_exporter(&py.get_type::<region::Snapshot>());
    m.add_class::<frame::SnapshotFrame>()?;
    m.add_class::<resume::Continuation>()?;
    m.add_function(wrap_pyfunction!(register, m)?)?;
    m.add_function(wrap_pyfunction!(register_entry, m)?)?;
    m.add_function(wrap_pyfunction!(register_unchanging, m)?)?;
    m.add_function(wrap_pyfunction!(resume::run_in_greenlet, m)?)?;
    m.add_function(wrap_pyfunction!(capture::capture, m)?)?;
    m.add_function(wrap_pyfunction!(capture::dumps, m)?)?;
    m.add("live_locals", engine::live_locals(py).map_err(|e| errors::raise(py, e))?)?;
    m.add_function(wrap_pyfunction!(request::learn_stops, m)?)?;
    m.add_function(wrap_pyfunction!(request::requests, m)?)?;
    m.add_function(wrap_pyfunction!(adopt::adopt, m)?)?;
    m.add_function(wrap_pyfunction!(adopt::loads, m)?)?;
    m.add_function(wrap_pyfunction!(adopt::load, m)?)?;
    Ok(())
}
