//! The context (`contextvars`) that a stack runs in, and those that `Context.run` entered within it.
//!
//! Part of the steps "capture" and "resume". Each of them is held by a frame of torpor's own, `finish_context`, which
//! stands below the frames that run in it: the outermost one for the context of the whole stack, the others where
//! `Context.run` lay between two frames. On resume their contexts are entered, outermost first, before the innermost
//! frame runs on; each frame leaves its context when what it called has returned or raised. A context without
//! variables has no such frame: then the stack runs in a new one, so that its resumer's is never changed.

use crate::error::{CaptureError, Failure};
use crate::found::Found;
use crate::frame::{offset, InterpreterFrame};
use crate::plan;
use crate::runtime::Runtime;
use crate::stack::Stack;
use crate::values::{Object, Strong};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple};

/// The context of the running thread, borrowed; NULL if nothing asked for one yet.
///
/// # Safety
/// E1: `thread` is the running thread's state.
pub(crate) unsafe fn current(thread: *mut ffi::PyThreadState) -> Object {
    // SAFETY: as the caller promises.
    unsafe { *thread.byte_add(offset::THREAD_CONTEXT).cast() }
}

/// The context in which `context` was entered, borrowed; NULL if it was not, or in none.
///
/// # Safety
/// E13: `context` is a live context.
unsafe fn previous(context: Object) -> Object {
    // SAFETY: E13, as the caller promises: the first word behind the head (pycore_context.h).
    unsafe { *context.byte_add(size_of::<ffi::PyObject>()).cast() }
}

/// Whether a stack that runs in this context has to bring it along.
#[inline]
fn has_variables(context: Object) -> bool {
    // SAFETY: E5: NULL or a live context, which has a length.
    !context.is_null() && unsafe { ffi::PyMapping_Size(context) } > 0
}

/// Whether a frame of our own has yet to be told its context.
fn is_unknown(own: &Option<Strong>) -> bool {
    // SAFETY: None is a static object.
    own.as_ref().is_some_and(|own| own.0 == unsafe { ffi::Py_None() })
}

/// Puts the context of the whole stack below the frames that were found, which run in `context`.
///
/// # Safety
/// E1, E2: `found` was found in this very call; `context` is NULL or live, and where its frames are.
pub(crate) unsafe fn found_in(
    py: Python<'_>,
    runtime: &Runtime,
    found: &mut Vec<Found>,
    mut context: Object,
    also_empty: bool,
) -> Result<(), Failure> {
    let finisher = runtime.finish_context.as_ptr();
    // SAFETY: (whole body) as the caller promises; what is entered holds what it was entered in.
    unsafe {
        for f in found.iter_mut().filter(|f| f.function == finisher) {
            // What entered it is no operand of the frame below (`run_by_partial` in python/bridge/calls.py).
            if let Some(own) =
                f.own.first_mut().filter(|own| f.frame.is_null() && !context.is_null() && is_unknown(own))
            {
                *own = Some(Strong::borrowed(context));
            }
            if context.is_null() || f.slot(0).object() != context {
                return Err(CaptureError::Invalid(
                    "the frames run in another context than the one that Context.run entered for them; capture \
                     outside of the code that changed it"
                        .into(),
                )
                .into());
            }
            context = previous(context);
        }
        // The stack was resumed, and has it already.
        let has_it = found.last().is_some_and(|f| f.function == finisher);
        if has_it || !(has_variables(context) || also_empty && !context.is_null()) {
            return Ok(());
        }
        let arguments = PyTuple::new(py, [Bound::from_borrowed_ptr(py, context)])?;
        found.push(plan::finisher(py, runtime, runtime.finish_context.bind(py), &arguments, None)?);
        Ok(())
    }
}

/// Whether the context of the thread is the one in which the callee of `target` runs. C code between that and
/// `first`, the frame that asked, may have entered another.
///
/// # Safety
/// E1, E2: both are frames of the running thread's stack, `first` the inner one.
pub(crate) unsafe fn is_of(
    thread: *mut ffi::PyThreadState,
    first: *mut InterpreterFrame,
    target: *mut InterpreterFrame,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let context = current(thread);
        if context.is_null() || previous(context).is_null() {
            return true; // the thread's first: nothing was entered
        }
        let mut f = first;
        while !f.is_null() && f != target {
            let (caller, through_c) = (*f).caller();
            if through_c && caller != target {
                return false;
            }
            f = caller;
        }
        true
    }
}

fn is_finisher(runtime: &Runtime, function: Object) -> bool {
    // SAFETY: E5: a live function of the engine's own; its name is a text.
    unsafe {
        function == runtime.finish_context.as_ptr()
            || (*function.cast::<ffi::PyFunctionObject>()).func_globals == runtime.engine_globals
                && ffi::PyUnicode_Compare(
                    (*function.cast::<ffi::PyFunctionObject>()).func_name,
                    (*runtime.finish_context.as_ptr().cast::<ffi::PyFunctionObject>()).func_name,
                ) == 0
    }
}

/// The context that a built frame holds; `None` for other frames.
///
/// # Safety
/// E1, E3: the frame was built.
unsafe fn held(runtime: &Runtime, f: *mut InterpreterFrame) -> Option<Object> {
    // SAFETY: as the caller promises.
    unsafe {
        let is_one = (*f).f_globals == runtime.engine_globals && is_finisher(runtime, (*f).function());
        is_one.then(|| (*f).slot(0).object())
    }
}

/// The outermost of these frames that holds no context.
pub(crate) fn outermost_within(built: &[*mut InterpreterFrame]) -> Option<*mut InterpreterFrame> {
    // SAFETY: E1, E3: built frames.
    let runtime = crate::runtime::get(unsafe { Python::assume_attached() }).ok()?;
    // SAFETY: as above.
    built.iter().copied().find(|f| unsafe { held(runtime, *f) }.is_none())
}

/// Enters the contexts that these frames hold, outer first. False with an exception, none entered.
///
/// # Safety
/// E1, E3: the frames are built and do not run yet.
pub(crate) unsafe fn enter_all(runtime: &Runtime, built: &[*mut InterpreterFrame]) -> bool {
    // SAFETY: (whole body) as the caller promises; PyContext_Enter refuses what is no context.
    unsafe {
        for (i, f) in built.iter().enumerate() {
            let Some(context) = held(runtime, *f) else { continue };
            let entered = !context.is_null() && ffi::PyContext_Enter(context) == 0;
            if !entered {
                if ffi::PyErr_Occurred().is_null() {
                    PyTypeError::new_err("a frame has no context").restore(Python::assume_attached());
                }
                let raised = PyErr::fetch(Python::assume_attached());
                leave_all(runtime, &built[..i]);
                raised.restore(Python::assume_attached());
                return false;
            }
        }
        true
    }
}

/// Leaves the contexts that these frames hold, innermost first.
///
/// # Safety
/// As [`enter_all`], which entered them; nothing ran since.
pub(crate) unsafe fn leave_all(runtime: &Runtime, built: &[*mut InterpreterFrame]) {
    // SAFETY: as the caller promises.
    unsafe {
        for context in built.iter().rev().filter_map(|f| held(runtime, *f)) {
            if ffi::PyContext_Exit(context) != 0 {
                ffi::PyErr_Clear();
            }
        }
    }
}

/// A context of its own for a stack that brings none, entered; left when it is dropped.
pub(crate) struct Isolated(Option<Strong>);

impl Isolated {
    pub(crate) fn enter(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> PyResult<Isolated> {
        // SAFETY: (whole body) E5: the values of a stack are live; a new context can be entered.
        unsafe {
            let brings = stack.frames.last().is_some_and(|f| is_finisher(runtime, stack.values[f.first]));
            if brings {
                return Ok(Isolated(None));
            }
            let context = match runtime.spare_context.take() {
                Some(spare) => spare,
                None => Strong(Bound::from_owned_ptr_or_err(py, ffi::PyContext_New())?.into_ptr()),
            };
            if ffi::PyContext_Enter(context.0) != 0 {
                return Err(PyErr::fetch(py));
            }
            Ok(Isolated(Some(context)))
        }
    }

    /// Leaves it. An exception stays, if one is set.
    pub(crate) fn leave(self, runtime: &Runtime, is_set: bool) {
        let Some(context) = self.0 else { return };
        let mut raised = [std::ptr::null_mut(); 3];
        // SAFETY: E5: it was entered, and everything that was entered in it was left.
        let spare = unsafe {
            let [a, b, c] = &mut raised;
            if is_set {
                #[allow(deprecated)] // the successor is not in 3.11
                ffi::PyErr_Fetch(a, b, c);
            }
            let left = ffi::PyContext_Exit(context.0) == 0;
            if !left {
                ffi::PyErr_Clear();
            }
            // What nobody else has and nobody changed is as good as a new one.
            left && ffi::Py_REFCNT(context.0) == 1 && !has_variables(context.0)
        };
        if spare {
            runtime.spare_context.set(Some(context));
        } else {
            drop(context); // values may have destructors
        }
        if is_set {
            // SAFETY: E5: what was fetched.
            #[allow(deprecated)]
            unsafe {
                ffi::PyErr_Restore(raised[0], raised[1], raised[2]);
            }
        }
    }
}

/// Compares where a thread has its context, and a context the one before it, with what they must be.
pub(crate) fn self_test(py: Python<'_>) -> PyResult<Option<&'static str>> {
    // SAFETY: E1, E13: this is their test. Words are compared and not followed.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        let new = || Bound::from_owned_ptr_or_err(py, ffi::PyContext_New());
        let (one, two) = (new()?, new()?);
        let large = (*ffi::Py_TYPE(one.as_ptr())).tp_basicsize as usize >= 3 * size_of::<Object>();
        let before = current(thread);
        let mut fits = large;
        if ffi::PyContext_Enter(one.as_ptr()) != 0 {
            return Err(PyErr::fetch(py));
        }
        fits &= current(thread) == one.as_ptr();
        if ffi::PyContext_Enter(two.as_ptr()) == 0 {
            fits &= current(thread) == two.as_ptr() && large && previous(two.as_ptr()) == one.as_ptr();
            ffi::PyContext_Exit(two.as_ptr());
        } else {
            ffi::PyErr_Clear();
            fits = false;
        }
        ffi::PyContext_Exit(one.as_ptr());
        fits &= current(thread) == before && large && previous(one.as_ptr()).is_null();
        Ok((!fits).then_some("the context of a thread"))
    }
}

pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    Ok(vec![function(py, "leave_context", |args| {
        // SAFETY: E5: a live object; what is no context, or not the current one, is refused.
        match unsafe { ffi::PyContext_Exit(args.get_item(0)?.as_ptr()) } {
            0 => Ok(args.py().None()),
            _ => Err(PyErr::fetch(args.py()).into()),
        }
    })?])
}
