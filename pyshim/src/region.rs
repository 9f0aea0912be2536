//! Step "region": a snapshot as Python sees it, read in place.

use crate::adopt;
use crate::errors;
use crate::frame::SnapshotFrame;
use crate::resume::Continuation;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::path::{Path, PathBuf};
use torpor_engine as engine;
use torpor_store as store;

/// An immutable snapshot of a stack: in a store, in a file, or in this process's memory.
///
/// The object pins the snapshot: its bytes stay while it lives, whatever happens to the key or the store.
#[pyclass(module = "torpor._native", frozen, weakref)]
pub struct Snapshot {
    state: State,
}

enum State {
    Held(store::Snapshot),
    /// The object travelled inside another snapshot, and what it stood for was freed meanwhile.
    Gone {
        store: String,
        dir: PathBuf,
        id: u64,
    },
}

impl Snapshot {
    pub fn new(inner: store::Snapshot) -> Self {
        Snapshot { state: State::Held(inner) }
    }

    pub(crate) fn held(&self, py: Python<'_>) -> PyResult<&store::Snapshot> {
        match &self.state {
            State::Held(snapshot) => Ok(snapshot),
            State::Gone { store, id, .. } => {
                let what =
                    format!("{id}: it was freed before this object came back from a snapshot of its own");
                Err(errors::store(py, store::StoreError::SnapshotNotFound { store: store.clone(), what }))
            }
        }
    }

    fn region(&self, py: Python<'_>) -> PyResult<store::Region<'_>> {
        self.held(py)?.region().map_err(|e| errors::region(py, e))
    }

    /// What names it for ever: the store's directory and name, and the number. None outside of stores.
    fn place(&self) -> Option<(&str, &Path, u64)> {
        match &self.state {
            State::Held(s) => s.store().map(|home| (home.name(), home.dir(), s.id())),
            State::Gone { store, dir, id } => Some((store, dir, *id)),
        }
    }
}

#[pymethods]
impl Snapshot {
    /// The snapshot's number, never used again in its store; 0 for one that is in no store.
    #[getter]
    pub(crate) fn id(&self) -> u64 {
        match &self.state {
            State::Held(snapshot) => snapshot.id(),
            State::Gone { id, .. } => *id,
        }
    }

    /// The key that it was published under, or None.
    #[getter]
    fn key(&self) -> Option<String> {
        match &self.state {
            State::Held(snapshot) => snapshot.key(),
            State::Gone { .. } => None,
        }
    }

    /// Length of the region in bytes: the graph and every array.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.held(py)?.nbytes())
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
        let frames = self.held(py)?.frames().map_err(|e| errors::store(py, e))?;
        let frames = frames.into_iter().map(|f| Py::new(py, SnapshotFrame::from(f)));
        PyTuple::new(py, frames.collect::<PyResult<Vec<_>>>()?)
    }

    /// One local of one frame, without building the stack and without running any code of it.
    ///
    /// Arrays come as read-only views of the snapshot; what only a reducer could rebuild comes as
    /// Opaque. Raises KeyError for a name that the frame does not have, IndexError for a frame.
    #[pyo3(signature = (name, frame=0))]
    fn read(&self, py: Python<'_>, name: &str, frame: usize) -> PyResult<Py<PyAny>> {
        let count = self.region(py)?.shown_frames().count();
        if frame >= count {
            return Err(PyIndexError::new_err(format!(
                "The snapshot has {count} frames; there is no frame {frame}."
            )));
        }
        engine::read(py, self.held(py)?, frame, name).map_err(|e| errors::raise(py, e))
    }

    /// Every array that the locals hold, as read-only views, by path: {"frames[0].locals['u']": array}.
    fn arrays<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("torpor._frame")?.getattr("arrays")?.call1((slf,))
    }

    /// A buffer that was attached to the capture (`attach=`): a read-only memoryview of the snapshot's memory.
    ///
    /// It has the format and the shape that the buffer had. Raises KeyError.
    fn attachment<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        engine::attachment(py, self.held(py)?, name).map_err(|e| errors::raise(py, e))
    }

    /// The names of the buffers that were attached to the capture.
    #[getter]
    fn attachments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let graph = self.held(py)?.open_graph().map_err(|e| errors::store(py, e))?;
        PyTuple::new(py, graph.attachments())
    }

    /// What memoryview(snapshot) shows.
    fn _view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        engine::region_view(py, self.held(py)?).map_err(|e| errors::raise(py, e))
    }

    /// The whole region, read-only: one self-contained run of bytes, to be sent as it is. Nothing is copied.
    fn __buffer__<'py>(&self, py: Python<'py>, _flags: i32) -> PyResult<Bound<'py, PyAny>> {
        self._view(py)
    }

    /// Checks every byte: the graph, and the checksums of the buffers where there are any.
    ///
    /// Raises CorruptSnapshot. Takes as long as reading the snapshot's memory does.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let snapshot = self.held(py)?;
        py.detach(|| snapshot.verify_payload()).map_err(|e| errors::region(py, e))
    }

    /// A Continuation of it. writable: arrays are private copy-on-write views, else read-only ones.
    #[pyo3(signature = (*, writable=true, externals=None))]
    fn adopt(
        &self,
        py: Python<'_>,
        writable: bool,
        externals: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Continuation> {
        adopt::build(py, self.held(py)?, writable, externals)
    }

    /// Writes it to a file, whole or not at all; the file is on the disk when this returns.
    ///
    /// background: a thread writes it while the program runs on; returns a handle with .wait(timeout) and .done.
    #[pyo3(signature = (path, *, background=false))]
    fn save<'py>(
        slf: &Bound<'py, Self>,
        path: PathBuf,
        background: bool,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let snapshot = slf.get().held(py)?;
        if background {
            return py.import("torpor._saving")?.getattr("Saving")?.call1((slf, path)).map(Some);
        }
        py.detach(|| snapshot.save(&path)).map_err(|e| errors::store(py, e))?;
        Ok(None)
    }

    /// Takes it out of its store, and drops its key if that still names this snapshot.
    ///
    /// The memory is freed when nobody holds it any more.
    fn remove(&self, py: Python<'_>) -> PyResult<()> {
        match self.held(py)?.remove() {
            Err(store::StoreError::SnapshotNotFound { .. }) => Ok(()), // another one took its key, or it was removed
            result => result.map_err(|e| errors::store(py, e)),
        }
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let snapshot = self.held(py)?;
        Ok(PyBytes::new(py, &py.detach(|| snapshot.to_bytes())))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Snapshot>() else { return false };
        let other = other.get();
        std::ptr::eq(self, other) || self.place().is_some_and(|place| Some(place) == other.place())
    }

    fn __hash__(&self) -> u64 {
        self.place().map_or(self as *const Self as u64 >> 4, |(_, _, id)| id)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Some((name, dir, id)) = self.place() else {
            return Err(PyTypeError::new_err(
                "A snapshot that is in no store cannot travel; save it to a file, or send bytes(snapshot).",
            ));
        };
        let attach = py.get_type::<Snapshot>().getattr("_attach")?;
        (attach, (name, dir.as_os_str(), id)).into_pyobject(py).map(|t| t.into_any())
    }

    /// The snapshot that travelled inside another one, by its store and number.
    #[staticmethod]
    fn _attach(py: Python<'_>, name: String, dir: PathBuf, id: u64) -> PyResult<Snapshot> {
        let options = store::OpenOptions { create: false, dir: Some(dir.clone()), ..Default::default() };
        match store::Store::open(&name, &options).and_then(|home| home.snapshot_by_id(id)) {
            Ok(snapshot) => Ok(Snapshot::new(snapshot)),
            Err(store::StoreError::SnapshotNotFound { .. } | store::StoreError::NotFound { .. }) => {
                Ok(Snapshot { state: State::Gone { store: name, dir, id } })
            }
            Err(e) => Err(errors::store(py, e)),
        }
    }

    fn __repr__(&self) -> String {
        match &self.state {
            State::Held(s) => {
                let key = s.key().map(|k| format!(" {k:?}")).unwrap_or_default();
                format!("<torpor.Snapshot {}{key}, {} bytes>", s.id(), s.nbytes())
            }
            State::Gone { id, .. } => format!("<torpor.Snapshot {id}, gone>"),
        }
    }
}
