//! Step "adopt": from a key, a number, bytes or a file to a continuation.

use crate::errors;
use crate::region::Snapshot;
use crate::resume::Continuation;
use crate::store::default_store;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::path::PathBuf;
use std::time::Duration;
use torpor_engine as engine;
use torpor_store as store;

/// A timeout in seconds as Python gives it; `None` waits for ever.
pub fn duration(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    seconds.map(|s| Duration::try_from_secs_f64(if s < 0.0 { 0.0 } else { s })).transpose().map_err(|e| {
        pyo3::exceptions::PyValueError::new_err(format!("The timeout is not a number of seconds: {e}."))
    })
}

/// The snapshot under a key (text) or with a number; with a timeout, a key is waited for.
pub fn find(
    store: &store::Store,
    key_or_id: &Bound<'_, PyAny>,
    timeout: Option<f64>,
) -> PyResult<store::Snapshot> {
    let py = key_or_id.py();
    if let Ok(key) = key_or_id.cast::<PyString>() {
        let key = key.to_str()?;
        return match store.snapshot(key) {
            Err(store::StoreError::SnapshotNotFound { .. }) if timeout.is_some() => {
                let limit = duration(timeout)?;
                errors::interruptible(py, |interrupt| store.wait(key, None, limit, interrupt))
            }
            result => result.map_err(|e| errors::store(py, e)),
        };
    }
    let id: u64 = key_or_id.extract().map_err(|_| {
        PyTypeError::new_err("A snapshot is named by its key (text) or its number (a positive int).")
    })?;
    store.snapshot_by_id(id).map_err(|e| errors::store(py, e))
}

/// The continuation of the snapshot under a key or with a number.
pub fn adopted(
    store: &store::Store,
    key_or_id: &Bound<'_, PyAny>,
    timeout: Option<f64>,
    writable: bool,
    externals: Option<&Bound<'_, PyAny>>,
) -> PyResult<Continuation> {
    let py = key_or_id.py();
    if let (Ok(key), None) = (key_or_id.cast::<PyString>(), externals) {
        let identity = store.identity(key.to_str()?);
        match identity.and_then(|identity| engine::adopt_again(py, identity, writable)) {
            Some(Ok(inner)) => return Ok(Continuation::new(inner)),
            Some(Err(e)) => return Err(errors::raise(py, e)),
            None => {}
        }
    }
    build(py, &find(store, key_or_id, timeout)?, writable, externals)
}

/// Builds the continuation of a snapshot.
pub fn build(
    py: Python<'_>,
    snapshot: &store::Snapshot,
    writable: bool,
    externals: Option<&Bound<'_, PyAny>>,
) -> PyResult<Continuation> {
    match engine::adopt(py, snapshot, writable, externals) {
        Ok(inner) => Ok(Continuation::new(inner)),
        Err(e) => Err(errors::raise(py, e)),
    }
}

/// Store.adopt on the default store: a Continuation of the snapshot under a key or with a number.
#[pyfunction]
#[pyo3(signature = (key_or_id, *, timeout=None, writable=true, externals=None))]
pub fn adopt(
    py: Python<'_>,
    key_or_id: &Bound<'_, PyAny>,
    timeout: Option<f64>,
    writable: bool,
    externals: Option<&Bound<'_, PyAny>>,
) -> PyResult<Continuation> {
    adopted(&default_store(py)?, key_or_id, timeout, writable, externals)
}

/// A Continuation from the bytes that dumps or bytes(snapshot) gave.
///
/// buffer: any contiguous buffer of bytes; it is copied once, so it may go afterwards.
/// Raises CorruptSnapshot or VersionMismatch.
#[pyfunction]
#[pyo3(signature = (buffer, *, writable=true))]
pub fn loads(py: Python<'_>, buffer: &Bound<'_, PyAny>, writable: bool) -> PyResult<Continuation> {
    let snapshot = match buffer.cast::<PyBytes>() {
        Ok(bytes) => store::Snapshot::from_bytes(bytes.as_bytes()),
        Err(_) => store::Snapshot::from_bytes(&PyBuffer::<u8>::get(buffer)?.to_vec(py)?),
    };
    build(py, &snapshot.map_err(|e| errors::store(py, e))?, writable, None)
}

/// The snapshot in a file that save wrote; its arrays will be adopted from the mapped file.
///
/// verify: "graph" checks everything but the big buffers, in a time that does not depend on their
/// size; "full" reads the whole file. Raises OSError, CorruptSnapshot or VersionMismatch.
#[pyfunction]
#[pyo3(signature = (path, *, verify="graph"))]
pub fn load(py: Python<'_>, path: PathBuf, verify: &str) -> PyResult<Snapshot> {
    if !matches!(verify, "graph" | "full") {
        return Err(pyo3::exceptions::PyValueError::new_err(format!(
            "verify is {verify:?}; it can be \"graph\" or \"full\"."
        )));
    }
    let snapshot = py.detach(|| store::Snapshot::load(&path)).map_err(|e| errors::store(py, e))?;
    snapshot.region().map_err(|e| errors::region(py, e))?;
    if verify == "full" {
        py.detach(|| snapshot.verify_payload()).map_err(|e| errors::region(py, e))?;
    }
    Ok(Snapshot::new(snapshot))
}
