//! Line events of one thread, where `sys.monitoring` does not report them: on CPython 3.11, which has none, and where
//! all of its tools are taken.
//!
//! A C trace function stands before the one that the thread has, with the same argument: it reports lines
//! and passes every event on, so that a debugger or a coverage tool goes on working and sys.gettrace()
//! gives what it gave.

use crate::error::Failure;
use crate::frame::TraceSlot;
use crate::{instrument, runtime};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

struct Watched {
    /// The function that the thread had.
    former: Option<ffi::Py_tracefunc>,
    callback: Py<PyAny>,
}

static WATCHED: Mutex<Option<HashMap<u64, Watched>>> = Mutex::new(None);

/// Runs `f` with the table. No Python code may run in it, and nothing may be dropped.
fn with<T>(f: impl FnOnce(&mut HashMap<u64, Watched>) -> T) -> T {
    f(WATCHED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// The identifier of the running thread.
pub(crate) fn ident() -> u64 {
    // SAFETY: no requirements.
    unsafe { libc::pthread_self() as u64 }
}

extern "C" fn watch(
    argument: *mut ffi::PyObject,
    frame: *mut ffi::PyFrameObject,
    what: c_int,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: the interpreter calls trace functions with the GIL held.
    let py = unsafe { Python::assume_attached() };
    let Some((former, callback)) = with(|w| w.get(&ident()).map(|w| (w.former, w.callback.clone_ref(py))))
    else {
        // The thread is watched no more, or never was: others were set along with one (`frame/trace.rs`).
        if let Some(slot) = TraceSlot::of_thread(ident()).filter(|slot| is_watch(slot.get().0)) {
            if !slot.set(None) {
                return -1;
            }
        }
        return 0;
    };
    if what == ffi::PyTrace_LINE {
        // SAFETY: the frame that is traced, live.
        let frame = unsafe { Bound::from_borrowed_ptr(py, frame.cast()) };
        if let Err(e) = callback.call1(py, (frame,)) {
            e.restore(py);
            return -1;
        }
    }
    match former {
        // SAFETY: the thread's own function, with the argument that it was set with.
        Some(former) => unsafe { former(argument, frame, what, value) },
        None => 0,
    }
}

fn is_watch(function: Option<ffi::Py_tracefunc>) -> bool {
    function.is_some_and(|f| f as usize == watch as *const () as usize)
}

/// Calls `callback(frame)` at each line of the thread from now on; again if somebody else's function was
/// set since. False if there is no such thread.
pub fn start(py: Python<'_>, thread: u64, callback: &Bound<'_, PyAny>) -> Result<bool, Failure> {
    let Some(slot) = TraceSlot::of_thread(thread) else { return Ok(false) };
    let mut former = slot.get().0;
    if is_watch(former) {
        if with(|w| w.contains_key(&thread)) {
            return Ok(true);
        }
        former = None; // it was about to take itself off
    }
    let old = with(|w| w.insert(thread, Watched { former, callback: callback.clone().unbind() }));
    drop(old);
    instrument::settle(py)?;
    if !slot.set(Some(watch)) {
        return Err(PyErr::fetch(py).into());
    }
    Ok(true)
}

/// Gives the thread back the function that it had.
pub fn stop(py: Python<'_>, thread: u64) -> Result<(), Failure> {
    let Some(watched) = with(|w| w.remove(&thread)) else { return Ok(()) };
    if let Some(slot) = TraceSlot::of_thread(thread) {
        instrument::settle(py)?;
        if is_watch(slot.get().0) && !slot.set(watched.former) {
            return Err(PyErr::fetch(py).into());
        }
    }
    Ok(())
}

/// The module with what is in `python/requests.py`.
pub fn requests(py: Python<'_>) -> Result<Py<PyAny>, Failure> {
    Ok(runtime::get(py)?.engine.bind(py).as_any().clone().unbind())
}

pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    Ok(vec![
        function(py, "watch_thread", |args| {
            start(args.py(), args.get_item(0)?.extract()?, &args.get_item(1)?)
        })?,
        function(py, "unwatch_thread", |args| {
            stop(args.py(), args.get_item(0)?.extract()?)?;
            Ok(args.py().None())
        })?,
    ])
}
