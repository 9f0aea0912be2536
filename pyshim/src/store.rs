//! The store: the native part of `torpor.Store`, whose Python part is `_store.py`.

use crate::adopt;
use crate::errors;
use crate::region::Snapshot;
use crate::resume::Continuation;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use torpor_engine as engine;
use torpor_store as store;

/// The default store, and the TORPOR_DIR that it was opened with.
static DEFAULT: Mutex<Option<(Option<OsString>, store::Store)>> = Mutex::new(None);

/// The store of `torpor.capture` and `torpor.adopt`; opened by the first call, and again when
/// TORPOR_DIR has changed or the store was destroyed.
pub fn default_store(py: Python<'_>) -> PyResult<store::Store> {
    let dir = std::env::var_os("TORPOR_DIR");
    let mut slot = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, store)) = &*slot {
        if *of == dir && !store.is_destroyed() {
            return Ok(store.clone());
        }
    }
    let store =
        store::Store::open("default", &store::OpenOptions::default()).map_err(|e| errors::store(py, e))?;
    *slot = Some((dir, store.clone()));
    Ok(store)
}

#[pyclass(module = "torpor._native", frozen, subclass, weakref)]
pub struct Store {
    inner: Mutex<Option<store::Store>>,
    name: String,
    dir: PathBuf,
    /// Opened with dir=..., so that a copy that travels goes there too.
    placed: bool,
}

impl Store {
    /// The store behind the object, unless it was closed.
    pub fn open(&self) -> PyResult<store::Store> {
        match &*self.inner.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(store) => Ok(store.clone()),
            None => Err(errors::closed()),
        }
    }
}

#[pymethods]
impl Store {
    #[new]
    #[allow(clippy::too_many_arguments)] // one for each of the options, and what the Python part knows
    fn new(
        py: Python<'_>,
        name: &str,
        create: bool,
        capacity: Option<u64>,
        full: &str,
        full_timeout: Option<f64>,
        dir: Option<PathBuf>,
        travelled: bool,
    ) -> PyResult<Self> {
        let full = match full {
            "error" => store::Full::Error,
            "wait" => store::Full::Wait,
            "drop" => store::Full::Drop,
            _ => {
                return Err(pyo3::exceptions::PyValueError::new_err(format!(
                    "full is {full:?}; it can be \"error\", \"wait\" or \"drop\"."
                )))
            }
        };
        let (placed, full_timeout) = (dir.is_some(), adopt::duration(full_timeout)?);
        let options = store::OpenOptions { create, capacity, full, full_timeout, dir };
        let inner = match travelled.then(|| store::Store::opened(name, options.dir.as_deref())).flatten() {
            Some(open) => open,
            None => store::Store::open(name, &options).map_err(|e| errors::store(py, e))?,
        };
        let (name, dir) = (inner.name().to_owned(), inner.dir().to_owned());
        Ok(Store { inner: Mutex::new(Some(inner)), name, dir, placed })
    }

    /// The store's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// The directory in which the store lives.
    #[getter]
    fn dir(&self) -> &OsStr {
        self.dir.as_os_str()
    }

    /// The store's own directory, which belongs to this user alone.
    fn _place(&self) -> PyResult<PathBuf> {
        Ok(self.open()?.place().to_owned())
    }

    /// The store's limit in bytes.
    #[getter]
    fn capacity(&self) -> PyResult<u64> {
        Ok(self.open()?.capacity())
    }

    /// Whether close() was called on this object.
    #[getter]
    fn closed(&self) -> bool {
        self.open().is_err()
    }

    /// A Continuation of the snapshot under a key (text) or with a number.
    ///
    /// timeout: seconds to wait for the key; None does not wait. writable: arrays are private
    /// copy-on-write views of the snapshot, else read-only views; either way nothing is copied.
    /// Raises SnapshotNotFound (a KeyError), TimeoutError, CorruptSnapshot, VersionMismatch.
    #[pyo3(signature = (key_or_id, *, timeout=None, writable=true, externals=None))]
    fn adopt(
        &self,
        key_or_id: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        writable: bool,
        externals: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Continuation> {
        adopt::adopted(&self.open()?, key_or_id, timeout, writable, externals)
    }

    /// Waits until a snapshot is published under the key: any, or one newer than `after`.
    ///
    /// after: a Snapshot or its number. timeout: seconds, None waits for ever. Raises TimeoutError.
    #[pyo3(signature = (key, *, after=None, timeout=None))]
    fn wait(
        &self,
        py: Python<'_>,
        key: &str,
        after: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<Snapshot> {
        let after = after.map(|a| match a.cast::<Snapshot>() {
            Ok(snapshot) => Ok(snapshot.get().id()),
            Err(_) => a.extract::<u64>(),
        });
        let (store, after, limit) = (self.open()?, after.transpose()?, adopt::duration(timeout)?);
        // What is there already needs no waiting, and giving the GIL away costs more than looking.
        if let Some(found) = store.spin(key, after, Duration::ZERO).map_err(|e| errors::store(py, e))? {
            return Ok(Snapshot::new(found));
        }
        errors::interruptible(py, |interrupt| store.wait(key, after, limit, interrupt)).map(Snapshot::new)
    }

    /// Publishes a copy of a snapshot of another store, of a file or of bytes, under a key if one is given.
    ///
    /// Runs none of its code; header and graph are checked, its buffers by Snapshot.verify(). Raises CorruptSnapshot,
    /// StoreFull.
    #[pyo3(signature = (snapshot, key=None))]
    fn insert(
        &self,
        py: Python<'_>,
        snapshot: &Bound<'_, Snapshot>,
        key: Option<&str>,
    ) -> PyResult<Snapshot> {
        let (store, held) = (self.open()?, snapshot.get().held(py)?.clone());
        errors::interruptible(py, |interrupt| store.insert(&held, key, interrupt)).map(Snapshot::new)
    }

    /// A numpy array in the store's own memory. The shape is checked against the dtype by the caller.
    fn _array<'py>(
        &self,
        shape: Vec<i64>,
        dtype: &Bound<'py, PyAny>,
        nbytes: usize,
        fortran: bool,
        hand_over: bool,
        zeroed: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = dtype.py();
        let store = self.open()?;
        let on_capture = if hand_over { store::OnCapture::HandOver } else { store::OnCapture::Copy };
        let buffer =
            errors::interruptible(py, |interrupt| store.buffer(nbytes, zeroed, on_capture, interrupt))?;
        engine::memory::in_buffer(py, dtype, &shape, fortran, buffer).map_err(|e| errors::raise(py, e))
    }

    /// All snapshots, with a key or without, oldest first.
    fn snapshots(&self, py: Python<'_>) -> PyResult<Vec<Snapshot>> {
        let found = self.open()?.snapshots().map_err(|e| errors::store(py, e))?;
        Ok(found.into_iter().map(Snapshot::new).collect())
    }

    /// All keys.
    fn keys(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.open()?.keys().map_err(|e| errors::store(py, e))
    }

    fn __getitem__(&self, py: Python<'_>, key: &str) -> PyResult<Snapshot> {
        self.open()?.snapshot(key).map(Snapshot::new).map_err(|e| errors::store(py, e))
    }

    fn __delitem__(&self, py: Python<'_>, key: &str) -> PyResult<()> {
        self.open()?.delete(key).map_err(|e| errors::store(py, e))
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let store = self.open()?;
        Ok(key.extract::<&str>().is_ok_and(|key| store.contains(key)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.keys(py)?.len())
    }

    fn _by_id(&self, py: Python<'_>, id: u64) -> PyResult<Snapshot> {
        self.open()?.snapshot_by_id(id).map(Snapshot::new).map_err(|e| errors::store(py, e))
    }

    fn _stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let s = self.open()?.stats().map_err(|e| errors::store(py, e))?;
        let d = PyDict::new(py);
        d.set_item("capacity", s.capacity)?;
        d.set_item("used", s.used)?;
        let rest = [
            ("cached", s.cached),
            ("overhead", s.overhead),
            ("snapshots", s.snapshots),
            ("keys", s.keys),
            ("retired", s.retired),
            ("buffers", s.buffers),
            ("processes", s.processes),
            ("pins", s.pins),
            ("slots", s.slots),
        ];
        rest.iter().try_for_each(|(name, n)| d.set_item(name, n))?;
        Ok(d)
    }

    fn _gc<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let store = self.open()?;
        let r = py.detach(|| store.gc()).map_err(|e| errors::store(py, e))?;
        let d = PyDict::new(py);
        d.set_item("processes", r.processes)?;
        d.set_item("snapshots", r.snapshots)?;
        d.set_item("pins", r.pins)?;
        d.set_item("bytes", r.bytes)?;
        Ok(d)
    }

    /// Lets go of the store. Snapshots, continuations and arrays that came from it stay valid.
    fn close(&self) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Removes the store for everybody: other handles then raise StoreNotFound; arrays stay valid.
    fn destroy(&self, py: Python<'_>) -> PyResult<()> {
        let store = self.open()?;
        py.detach(|| store.destroy()).map_err(|e| errors::store(py, e))
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, _exc: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static ATTACH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let attach = ATTACH.import(py, "torpor._store", "_attach")?;
        let dir = self.placed.then(|| self.dir());
        (attach, (&self.name, dir)).into_pyobject(py).map(|t| t.into_any())
    }

    fn __repr__(&self) -> String {
        format!("<torpor.Store {:?} in {}>", self.name, self.dir.display())
    }
}
