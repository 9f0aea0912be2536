//! Step "capture": from the registered Python wrappers (`_store.py`) into the engine.
//!
//! All arguments are positional. The options are all there, with their defaults, or none of them: a capture with
//! default options converts nothing.

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

/// `stack, exclude, keep_dead, state, by_value, externals, attach, on_uncapturable`.
type Options<'py> = (
    Option<usize>,
    Any<'py>,
    Option<bool>,
    Any<'py>,
    Any<'py>,
    Option<Any<'py>>,
    Option<Any<'py>>,
    Option<Any<'py>>,
);

fn options<'py>(target: Option<Any<'py>>, given_options: Option<Options<'py>>) -> CaptureOptions<'py> {
    let Some((stack, exclude, keep_dead, state, by_value, externals, attach, on_uncapturable)) =
        given_options
    else {
        return CaptureOptions { target, ..Default::default() };
    };
    CaptureOptions {
        target,
        stack,
        exclude: given(exclude),
        keep_dead,
        state: given_state(state),
        by_value: given(by_value),
        externals,
        attach,
        on_uncapturable,
    }
}

#[pyfunction]
pub fn capture<'py>(
    py: Python<'py>,
    store: Option<&Bound<'py, Store>>,
    target: Option<Any<'py>>,
    key: Option<&str>,
    options: Option<Options<'py>>,
) -> PyResult<Snapshot> {
    let options = self::options(target, options);
    let store = match store {
        Some(s) => s.get().open()?,
        None => default_store(py)?,
    };
    match engine::capture(py, &store, key, &options) {
        Ok(snapshot) => Ok(Snapshot::new(snapshot)),
        Err(e) => Err(errors::raise(py, e)),
    }
}

#[pyfunction]
pub fn dumps<'py>(
    py: Python<'py>,
    target: Option<Any<'py>>,
    options: Option<Options<'py>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let options = self::options(target, options);
    let snapshot = engine::capture_detached(py, &options).map_err(|e| errors::raise(py, e))?;
    Ok(PyBytes::new(py, &py.detach(|| snapshot.to_bytes())))
}
