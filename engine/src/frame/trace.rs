//! The trace function of a thread, from CPython 3.12 on, where no function sets that of one other thread.
//!
//! A thread that has a function gets another by a write to its state: how many threads are traced stays the same, and
//! so do the events that the interpreter reports. For one that has none, the function is set in all threads, and those
//! that had one get it back. In the others it stays until it is called: it has to take itself off.

use super::offset;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PyObject, PyThreadState};
use pyo3::Python;

extern "C" {
    fn PyEval_SetTraceAllThreads(function: Option<ffi::Py_tracefunc>, argument: *mut PyObject);
}

pub struct TraceSlot(*mut PyThreadState);

fn threads() -> Vec<*mut PyThreadState> {
    let mut all = Vec::new();
    // SAFETY: E1, E5: the list of threads does not change while the GIL is held.
    unsafe {
        let mut thread = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
        while !thread.is_null() {
            all.push(thread);
            thread = ffi::PyThreadState_Next(thread);
        }
    }
    all
}

impl TraceSlot {
    /// `None` if there is no thread with this identifier.
    pub fn of_thread(ident: u64) -> Option<TraceSlot> {
        // SAFETY: E1, E5: threads stay while the GIL is held.
        let is = |thread: &*mut PyThreadState| unsafe {
            *thread.byte_add(offset::THREAD_ID).cast::<u64>() == ident
        };
        threads().into_iter().find(is).map(TraceSlot)
    }

    fn function(&self) -> *mut Option<ffi::Py_tracefunc> {
        // SAFETY: E1.
        unsafe { self.0.byte_add(offset::THREAD_TRACE_FUNCTION).cast() }
    }

    fn object(&self) -> *mut *mut PyObject {
        // SAFETY: E1.
        unsafe { self.0.byte_add(offset::THREAD_TRACE_OBJECT).cast() }
    }

    /// The function, and its argument, borrowed.
    pub fn get(&self) -> (Option<ffi::Py_tracefunc>, *mut PyObject) {
        // SAFETY: E1: the thread is live.
        unsafe { (*self.function(), *self.object()) }
    }

    /// Sets another function with the same argument, so that sys.gettrace() gives what it gave. False with an
    /// exception. None for another thread than the running one takes effect when that is traced the next time.
    pub fn set(&self, function: Option<ffi::Py_tracefunc>) -> bool {
        // SAFETY: (whole body) E1, E5, E17; arguments are held while their old places let go of them.
        unsafe {
            let (former, object) = self.get();
            if former.is_some() == function.is_some() {
                *self.function() = function;
                return true;
            }
            if self.0 == ffi::PyThreadState_Get() {
                ffi::Py_XINCREF(object);
                ffi::PyEval_SetTrace(function, object);
                ffi::Py_XDECREF(object);
            } else if function.is_some() {
                self.set_in_all(function);
            } else {
                return true;
            }
            let still = threads().contains(&self.0);
            let done = still && self.get().0.map(|f| f as usize) == function.map(|f| f as usize);
            if !done {
                let text =
                    "the thread's trace function cannot be set: it has ended, or an audit hook refused it";
                PyRuntimeError::new_err(text).restore(Python::assume_attached());
            }
            done
        }
    }

    /// # Safety
    /// E1, E5, E17.
    unsafe fn set_in_all(&self, function: Option<ffi::Py_tracefunc>) {
        // SAFETY: (whole body) as the caller promises. Audit hooks may run meanwhile, so that threads end: only those
        // that are still there are written to.
        unsafe {
            let former: Vec<_> = threads().into_iter().map(|t| (t, TraceSlot(t).get())).collect();
            for (_, (_, object)) in &former {
                ffi::Py_XINCREF(*object);
            }
            PyEval_SetTraceAllThreads(function, std::ptr::null_mut());
            let now = threads();
            for (thread, (own, object)) in former {
                let slot = TraceSlot(thread);
                let replaced = now.contains(&thread)
                    && slot.get().0.map(|f| f as usize) == function.map(|f| f as usize)
                    && slot.get().1.is_null();
                if own.is_some() && replaced {
                    *slot.object() = object;
                    *slot.function() = own;
                } else {
                    ffi::Py_XDECREF(object);
                }
            }
        }
    }
}
