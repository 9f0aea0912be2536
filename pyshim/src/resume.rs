//! Step "resume": the continuation.

use crate::errors;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, PyTraverseError, PyVisit};
use torpor_engine as engine;

/// An argument that may be left out, where leaving it out is not the same as None.
pub struct Given<'py>(Option<Bound<'py, PyAny>>);

impl<'a, 'py> FromPyObject<'a, 'py> for Given<'py> {
    type Error = PyErr;
    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Given(Some(value.to_owned())))
    }
}

/// What a greenlet runs that resumes a stack: waits in switch() like the greenlet that was captured, as one that was never
/// started would not see what is thrown to it, then goes on with what it was given.
///
/// No Python function: where it is called no frame is there, and trace functions are told of what hidden functions let
/// through.
#[pyfunction]
pub fn run_in_greenlet(
    switch: Bound<'_, PyAny>,
    continuation: PyRef<'_, Continuation>,
) -> PyResult<Py<PyAny>> {
    let py = switch.py();
    let given = switch.call0();
    drop(switch);
    let resumed = match given {
        Err(thrown) => continuation.inner.throw(py, thrown.into_bound_py_any(py)?),
        Ok(value) if value.cast_exact::<PyTuple>().is_ok_and(|t| t.is_empty()) => {
            continuation.inner.resume(py, None)
        }
        Ok(value) => continuation.inner.resume(py, Some(value)),
    };
    resumed.map_err(|e| errors::raise(py, e))
}

/// A stack that was adopted and has not run yet. It runs once: adopt the snapshot again for another run.
///
/// Dropping it runs nothing of the program: no finally, no __exit__.
#[pyclass(module = "torpor._native", frozen, weakref)]
pub struct Continuation {
    inner: engine::Continuation,
}

impl Continuation {
    pub fn new(inner: engine::Continuation) -> Self {
        Continuation { inner }
    }
}

#[pymethods]
impl Continuation {
    /// Lets the stack run to its end and returns what its outermost frame returns.
    ///
    /// value is what the suspended call gives in it. An exception that leaves the stack leaves resume.
    /// Of a generator or coroutine that was captured it is one send(value).
    /// Raises AlreadyResumed the second time.
    #[pyo3(signature = (value=Given(None)), text_signature = "($self, value=None)")]
    fn resume(&self, py: Python<'_>, value: Given<'_>) -> PyResult<Py<PyAny>> {
        self.inner.resume(py, value.0).map_err(|e| errors::raise(py, e))
    }

    /// Lets the stack run on with an exception raised in the suspended call.
    ///
    /// exc: an exception instance, or an exception class that is called without arguments.
    fn throw(&self, py: Python<'_>, exc: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.inner.throw(py, exc).map_err(|e| errors::raise(py, e))
    }

    /// The generator, coroutine or async generator that was captured, suspended as it was.
    ///
    /// Asking for it uses the continuation up, as resume does: the second time raises AlreadyResumed.
    /// Raises ResumeError if a running stack was captured.
    #[getter]
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.inner.object(py).map_err(|e| errors::raise(py, e))
    }

    /// A greenlet that resumes the stack when it is switched to, with what is switched or thrown to it.
    ///
    /// Its parent is the current greenlet. Uses the continuation up, as resume does.
    fn greenlet<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let make = py.import("torpor._greenlet")?.getattr("make")?;
        let moved = self.inner.moved().map_err(|e| errors::raise(py, e))?;
        make.call1((Continuation::new(moved),))
    }

    fn _own_greenlet<'py>(&self, body: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.own_greenlet(body).map_err(|e| errors::raise(body.py(), e))
    }

    /// Whether it has been resumed (or thrown into) already.
    #[getter]
    fn resumed(&self) -> bool {
        self.inner.is_resumed()
    }

    /// The frames, innermost first: each with code, lineno and locals (a mapping that can be assigned to).
    #[getter]
    fn frames<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("torpor._frame")?.getattr("frames")?.call1((slf,))
    }

    fn _frame_count(&self) -> usize {
        self.inner.frame_count()
    }

    fn _frame_code(&self, py: Python<'_>, index: usize) -> PyResult<Py<PyAny>> {
        self.inner.frame_code(py, index).map_err(|e| errors::raise(py, e))
    }

    fn _frame_lineno(&self, py: Python<'_>, index: usize) -> PyResult<i32> {
        self.inner.frame_lineno(py, index).map_err(|e| errors::raise(py, e))
    }

    fn _local_names(&self, py: Python<'_>, index: usize) -> PyResult<Vec<String>> {
        self.inner.local_names(py, index).map_err(|e| errors::raise(py, e))
    }

    fn _get_local(&self, py: Python<'_>, index: usize, name: &str) -> PyResult<Py<PyAny>> {
        match self.inner.get_local(py, index, name) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(PyKeyError::new_err(name.to_owned())),
            Err(e) => Err(errors::raise(py, e)),
        }
    }

    fn _set_local(&self, py: Python<'_>, index: usize, name: &str, value: Bound<'_, PyAny>) -> PyResult<()> {
        self.inner.set_local(py, index, name, Some(value)).map_err(|e| errors::raise(py, e))
    }

    fn _del_local(&self, py: Python<'_>, index: usize, name: &str) -> PyResult<()> {
        self._get_local(py, index, name)?;
        self.inner.set_local(py, index, name, None).map_err(|e| errors::raise(py, e))
    }

    fn __repr__(&self) -> String {
        let state = if self.inner.is_resumed() { "resumed" } else { "suspended" };
        format!("<torpor.Continuation of {} frames, {state}>", self.inner.frame_count())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = Ok(());
        self.inner.traverse(&mut |object| {
            if result.is_ok() {
                result = visit.call(object);
            }
        });
        result
    }

    fn __clear__(&self) {
        self.inner.clear();
    }
}
