//! What a stack needs of its thread that runs an event loop of asyncio: the loop as the running one, the current task,
//! the hooks of async generators. Policy is in `python/loops.py`.
//!
//! Part of the steps "capture" and "resume". A stack that contains the frame which runs a loop brings them, held by a
//! frame of torpor's own below it, `finish_asyncio`. They are put in place when it is resumed; whatever the resuming
//! thread had is put back when it has ended.

use crate::error::Failure;
use crate::found::Found;
use crate::frame::Slot;
use crate::imports;
use crate::plan;
use crate::runtime::Runtime;
use crate::stack::Stack;
use crate::values::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyFloat, PyTuple};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};
use std::time::Instant;
use torpor_store::frame::FRAME_HEAD;

/// How many modules there were when they were looked at last, and whether asyncio was one of them.
static MODULES: AtomicIsize = AtomicIsize::new(-1);
static ASYNCIO: AtomicBool = AtomicBool::new(false);
thread_local! {
    /// Whether this thread's adopt has rebuilt loops that are not open yet.
    static ASLEEP: Cell<bool> = const { Cell::new(false) };
}

/// Notes what was imported since the last capture. True if asyncio is there.
pub(crate) fn look(py: Python<'_>, runtime: &Runtime) -> Result<bool, Failure> {
    // SAFETY: E5: the dict of all modules, borrowed.
    let size = unsafe { ffi::PyDict_Size(ffi::PyImport_GetModuleDict()) };
    if MODULES.load(Relaxed) != size {
        let there = runtime.engine.bind(py).getattr("learn_late_kinds")?.call0()?.is_truthy()?;
        ASYNCIO.store(there, Relaxed);
        MODULES.store(size, Relaxed); // last: another thread relies on it
    }
    Ok(ASYNCIO.load(Relaxed))
}

/// Puts the loop that these frames run below them.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
pub(crate) unsafe fn found_in(
    py: Python<'_>,
    runtime: &Runtime,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    if !look(py, runtime)? {
        return Ok(());
    }
    let engine = runtime.engine.bind(py);
    let space = engine.getattr("loop_space")?.call0()?;
    let finisher = runtime.finish_asyncio.bind(py);
    // SAFETY: (whole body) as the caller promises; a loop is the first local of what runs it.
    unsafe {
        // What an earlier resume left there may have another task by now.
        found.retain(|f| f.function != finisher.as_ptr());
        let mut held = None;
        for f in found.iter().filter(|f| f.depth > 0 && imports::is_of(f.function, space.as_ptr())) {
            let function = Bound::from_borrowed_ptr(py, f.function);
            if engine.getattr("runs_loop")?.call1((function,))?.is_truthy()? {
                held = Some(f.slot(0));
                break;
            }
        }
        let Some(Slot::Object(held)) = held else { return Ok(()) };
        let held = Bound::from_borrowed_ptr(py, held);
        let state = engine.getattr("loop_state")?.call1((held,))?.cast_into::<PyTuple>();
        let one = plan::finisher(py, runtime, finisher, &state.map_err(PyErr::from)?, None)?;
        let context = runtime.finish_context.as_ptr();
        let at = found.len() - usize::from(found.last().is_some_and(|f| f.function == context));
        found.insert(at, one);
        Ok(())
    }
}

/// What a stack brings: the arguments of `finish_asyncio`.
fn brought<'py>(py: Python<'py>, runtime: &Runtime, stack: &Stack) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let finisher = runtime.finish_asyncio.as_ptr();
    // One of the three outermost: the process's state and a context may lie below it.
    let mut outer = stack.frames.iter().rev().take(3);
    let Some(f) = outer.find(|f| stack.values[f.first] == finisher) else { return Ok(None) };
    let arguments = (0..3).map(|i| {
        let value: Object = stack.values[f.first + FRAME_HEAD as usize + i];
        // SAFETY: E5: the values of a stack are NULL or live.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, value) }.unwrap_or_else(|| py.None().into_bound(py))
    });
    Ok(Some(PyTuple::new(py, arguments.collect::<Vec<_>>())?))
}

/// A stack was adopted: opens the loops that came with it, but the one that it runs.
pub(crate) fn adopted(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> PyResult<()> {
    if !ASLEEP.take() {
        return Ok(());
    }
    let running = brought(py, runtime, stack)?.map(|arguments| arguments.get_item(0)).transpose()?;
    runtime.engine.bind(py).getattr("wake_loops")?.call1((running,)).map(drop)
}

/// What the resuming thread had, while a stack has its place.
pub(crate) struct Entered(Option<Py<PyAny>>);

impl Entered {
    /// Puts in place what the stack brings, if it brings anything.
    pub(crate) fn enter(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> PyResult<Entered> {
        let Some(arguments) = brought(py, runtime, stack)? else { return Ok(Entered(None)) };
        let own = runtime.engine.bind(py).getattr("enter_loop")?.call1(arguments)?;
        Ok(Entered(Some(own.unbind())))
    }

    /// Puts back what was there. An exception that is set stays.
    pub(crate) fn leave(self, py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
        let Some(own) = self.0 else { return Ok(()) };
        let raised = PyErr::take(py);
        let left = runtime.engine.bind(py).getattr("leave_loop").and_then(|leave| leave.call1((own,)));
        if let Some(raised) = raised {
            raised.restore(py);
        }
        left.map(drop)
    }
}

/// A clock that shows `now` when it is asked first, and goes on from there.
fn clock(py: Python<'_>, now: f64) -> PyResult<Bound<'_, PyCFunction>> {
    let first = std::sync::OnceLock::new();
    PyCFunction::new_closure(
        py,
        Some(c"time"),
        None,
        move |args: &Bound<'_, PyTuple>, _| -> PyResult<Py<PyFloat>> {
            let passed = first.get_or_init(Instant::now).elapsed().as_secs_f64();
            Ok(PyFloat::new(args.py(), now + passed).unbind())
        },
    )
}

/// A function of C like `function`, bound to `to`.
fn bind_again(function: &Bound<'_, PyAny>, to: &Bound<'_, PyAny>) -> Result<Py<PyAny>, Failure> {
    let refuse =
        || pyo3::exceptions::PyTypeError::new_err("no function that the interpreter binds to such an object");
    // SAFETY: E23: the type is exact; both are bound to objects of C's own class of tasks, or below that.
    unsafe {
        if ffi::Py_TYPE(function.as_ptr()) != &raw mut ffi::PyCFunction_Type {
            return Err(refuse().into());
        }
        let known = function.as_ptr().cast::<ffi::PyCFunctionObject>();
        let task = function.getattr("__self__")?.get_type();
        if ffi::PyType_IsSubtype(ffi::Py_TYPE(to.as_ptr()), task.as_type_ptr()) == 0
            || !(*known).m_module.is_null()
        {
            return Err(refuse().into());
        }
        let made = ffi::PyCFunction_NewEx((*known).m_ml, to.as_ptr(), std::ptr::null_mut());
        Ok(Bound::from_owned_ptr_or_err(to.py(), made)?.unbind())
    }
}

/// The dict of an object whose class shows none.
fn dict_of(object: &Bound<'_, PyAny>) -> Result<Py<PyAny>, Failure> {
    // SAFETY: E5: a live object; one whose class has no place for a dict is refused by the interpreter.
    unsafe {
        let dict = ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut());
        Ok(Bound::from_owned_ptr_or_err(object.py(), dict)?.unbind())
    }
}

pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    Ok(vec![
        function(py, "loops_are_asleep", |args| {
            ASLEEP.set(true);
            Ok(args.py().None())
        })?,
        function(py, "dict_of", |args| dict_of(&args.get_item(0)?))?,
        function(py, "bind_again", |args| bind_again(&args.get_item(0)?, &args.get_item(1)?))?,
        function(py, "loop_clock", |args| {
            Ok(clock(args.py(), args.get_item(0)?.extract()?)?.into_any().unbind())
        })?,
    ])
}
