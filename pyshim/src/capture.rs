//! Step "capture": from the registered Python wrappers (`_store.py`) into the engine.
//!
//! All arguments are positional and come with the wrappers' defaults, so that a capture with default
//! options converts nothing.

use crate::errors;
use crate::region::Snapshot;
use crate::store::{default_store, Store};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use torpor_engine::{self as engine, CaptureOptions};

type Any<'py> = Bound<'py, PyAny>;

/// `()` is the default of options that are collections.
fn given(value: Any<'_>) -> Option<Any<'_>> {
    match value.cast::<PyTuple>() {
        Ok(t) if t.is_empty() => None,
        _ => Some(value),
    }
}

/// `"main"` is the default of `state`.
fn given_state(value: Any<'_>) -> Option<Any<'_>> {
    match value.cast::<PyString>() {
        Ok(s) if s == "main" => None,
        _ => Some(value),
    }
}

#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn capture<'py>(
    py: Python<'py>,
    store: Option<&Bound<'py, Store>>,
    target: Option<Any<'py>>,
    key: Option<&str>,
    stack: Option<usize>,
    exclude: Any<'py>,
    keep_dead: Option<bool>,
    state: Any<'py>,
    by_value: Any<'py>,
    externals: Option<Any<'py>>,
    attach: Option<Any<'py>>,
    on_uncapturable: Option<Any<'py>>,
) -> PyResult<Snapshot> {
    let store = match store {
        Some(s) => s.get().open()?,
        None => default_store(py)?,
    };
    let options = CaptureOptions {
        target,
        stack,
        exclude: given(exclude),
        keep_dead,
        state: given_state(state),
        by_value: given(by_value),
        externals,
        attach,
        on_uncapturable,
    };
    match engine::capture(py, &store, key, &options) {
        Ok(snapshot) => Ok(Snapshot::new(snapshot)),
        Err(e) => Err(errors::raise(py, e)),
    }
}

#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn dumps<'py>(
    py: Python<'py>,
    target: Option<Any<'py>>,
    stack: Option<usize>,
    exclude: Any<'py>,
    keep_dead: Option<bool>,
    state: Any<'py>,
    by_value: Any<'py>,
    externals: Option<Any<'py>>,
    attach: Option<Any<'py>>,
    on_uncapturable: Option<Any<'py>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let options = CaptureOptions {
        target,
        stack,
        exclude: given(exclude),
        keep_dead,
        state: given_state(state),
        by_value: given(by_value),
        externals,
        attach,
        on_uncapturable,
    };
    let snapshot = engine::capture_detached(py, &options).map_err(|e| errors::raise(py, e))?;
    Ok(PyBytes::new(py, &py.detach(|| snapshot.to_bytes())))
}
