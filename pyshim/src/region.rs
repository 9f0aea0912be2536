//! Step "region": a snapshot as Python sees it, read in place.

use crate::adopt;
use crate::errors;
use crate::frame::SnapshotFrame;
use crate::resume::Continuation;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::path::PathBuf;
use torpor_engine as engine;
use torpor_store as store;

/// An immutable snapshot of a stack: in a store, in a file, or in this process's memory.
///
/// The object pins the snapshot: its bytes stay while it lives, whatever happens to the key or the store.
#[pyclass(module = "torpor._native", frozen, weakref)]
pub struct Snapshot {
    inner: store::Snapshot,
}

impl Snapshot {
    pub fn new(inner: store::Snapshot) -> Self {
        Snapshot { inner }
    }

    fn region(&self, py: Python<'_>) -> PyResult<store::Region<'_>> {
        self.inner.region().map_err(|e| errors::region(py, e))
    }
}

#[pymethods]
impl Snapshot {
    /// The snapshot's number, never used again in its store; 0 for one that is in no store.
    #[getter]
    fn id(&self) -> u64 {
        self.inner.id()
    }

    /// The key that it was published under, or None.
    #[getter]
    fn key(&self) -> Option<String> {
        self.inner.key()
    }

    /// Length of the region in bytes: the graph and every array.
    #[getter]
    fn nbytes(&self) -> u64 {
        self.inner.nbytes()
    }

    /// When it was captured, in seconds since 1970-01-01 UTC.
    #[getter]
    fn created(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.region(py)?.created as f64 / 1e9)
    }

    /// The process that captured it.
    #[getter]
    fn pid(&self, py: Python<'_>) -> PyResult<u32> {
        Ok(self.region(py)?.pid)
    }

    /// The version of the Python that captured it, such as "3.13.0"; None if no Python did.
    #[getter]
    fn python(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let hex = self.region(py)?.python;
        let text = || format!("{}.{}.{}", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff);
        Ok((hex != 0).then(text))
    }

    /// The frames, innermost first: each with function, qualname, module, filename, lineno, locals_names.
    #[getter]
    fn frames<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let frames = self.inner.frames().map_err(|e| errors::region(py, e))?;
        PyTuple::new(py, frames.into_iter().map(SnapshotFrame::from).map(|f| Py::new(py, f)).collect::<PyResult<Vec<_>>>()?)
    }

    /// One local of one frame, without building the stack and without running any code of it.
    ///
    /// Arrays come as read-only views of the snapshot; what only a reducer could rebuild comes as
    /// Opaque. Raises KeyError for a name that the frame does not have, IndexError for a frame.
    #[pyo3(signature = (name, frame=0))]
    fn read(&self, py: Python<'_>, name: &str, frame: usize) -> PyResult<Py<PyAny>> {
        let count = self.region(py)?.frames.len();
        if frame >= count {
            return Err(PyIndexError::new_err(format!("The snapshot has {count} frames; there is no frame {frame}.")));
        }
        engine::read(py, &self.inner, frame, name).map_err(|e| errors::raise(py, e))
    }

    /// Every array that the locals hold, as read-only views, by path: {"frames[0].locals['u']": array}.
    fn arrays<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("torpor._frame")?.getattr("arrays")?.call1((slf,))
    }

    /// Checks every byte: the graph, and the checksums of the buffers where there are any.
    ///
    /// Raises CorruptSnapshot. Takes as long as reading the snapshot's memory does.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.verify_payload()).map_err(|e| errors::region(py, e))
    }

    /// A Continuation of it. writable: arrays are private copy-on-write views, else read-only ones.
    #[pyo3(signature = (*, writable=true, externals=None))]
    fn adopt(
        &self,
        py: Python<'_>,
        writable: bool,
        externals: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Continuation> {
        adopt::build(py, &self.inner, writable, externals)
    }

    /// Writes it to a file, whole or not at all; the file is on the disk when this returns.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.inner.save(&path)).map_err(|e| errors::store(py, e))
    }

    /// Takes it out of its store, and drops its key if that still names this snapshot.
    ///
    /// The memory is freed when nobody holds it any more.
    fn remove(&self, py: Python<'_>) -> PyResult<()> {
        self.inner.remove().map_err(|e| errors::store(py, e))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.inner.to_bytes()))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Snapshot>() else { return false };
        let (a, b) = (&self.inner, &other.get().inner);
        match (a.store(), b.store()) {
            (Some(x), Some(y)) => a.id() == b.id() && x.name() == y.name() && x.dir() == y.dir(),
            _ => std::ptr::eq(self, other.get()),
        }
    }

    fn __hash__(&self) -> u64 {
        match self.inner.store() {
            Some(_) => self.inner.id(),
            None => self as *const Self as u64 >> 4,
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Some(home) = self.inner.store() else {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "A snapshot that is in no store cannot travel; save it to a file, or send bytes(snapshot).",
            ));
        };
        let attach = py.import("torpor._store")?.getattr("_attach_snapshot")?;
        (attach, (home.name(), home.dir().as_os_str(), self.inner.id())).into_pyobject(py).map(|t| t.into_any())
    }

    fn __repr__(&self) -> String {
        let key = self.inner.key().map(|k| format!(" {k:?}")).unwrap_or_default();
        format!("<torpor.Snapshot {}{key}, {} bytes>", self.inner.id(), self.inner.nbytes())
    }
}
