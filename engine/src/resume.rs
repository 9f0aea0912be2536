//! Step "resume" of the flow: an adopted stack runs on.
//!
//! A hidden Python function, `base`, calls `prepare`, which builds the saved frames on the data stack
//! above it, outer first; then it calls `hold`, whose frame comes above them; `hold` calls `splice`,
//! which makes the innermost saved frame `hold`'s caller. When `hold` returns, its value goes where the
//! captured call's result goes, and one evaluation loop runs on into the program, with CPython's own
//! returns, exceptions, tracebacks and recursion counts.
//!
//! Where generators run in loops of their own, `splice` links the frames up to the outermost generator and
//! `apart.rs` runs what lies above.
//!
//! An innermost frame that stands at an instruction waits for no value. `splice` runs it in a loop of its
//! own, as a callee of the frame outside of it, and `hold` returns what it returned; a generator's, what it
//! yields or returns next (`apart.rs`).

use crate::ambient;
use crate::apart;
use crate::context;
use crate::continuation::{check_unbound, Continuation};
use crate::error::{Failure, ResumeError};
use crate::frame::{self, HandledItem, InterpreterFrame, Owner, Slot};
use crate::imports;
use crate::instrument;
use crate::process_state;
use crate::rebuild::{build, build_segment, unbuild};
use crate::runtime::{self, Runtime};
use crate::spare::Spare;
use crate::stack::{Stack, Suspended};
use crate::values::{Object, Strong};
use pyo3::exceptions::{PyRecursionError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::ffi::c_int;

/// Python calls that must remain beyond the saved ones.
const SPARE_CALLS: i32 = 16;

/// A resume in the making: `base`, `hold` and the functions that they call share it by a capsule.
pub(crate) struct Pending {
    pub(crate) stack: Box<Stack>,
    /// Built frames, outer first; empty before `prepare` and after `splice`.
    pub(crate) built: Vec<*mut InterpreterFrame>,
    /// The frames below this number are still to be built.
    pub(crate) next: usize,
    /// The generator's frame of a segment that is not yet linked, or NULL.
    pub(crate) entry: *mut InterpreterFrame,
    /// The capsule by which this is shared, `hold` and `splice`: borrowed.
    pub(crate) capsule: Object,
    pub(crate) functions: [Object; 2],
    /// What the captured call returns, or raises: the program's alone from `splice` on.
    value: Strong,
    raise: bool,
    /// Where the innermost frame goes on, if it stands at an instruction.
    restart: Option<u32>,
    /// The topmost value of a generator that stands at an instruction, while it is sent to.
    pub(crate) top: Option<Slot>,
    started: bool,
    /// The word for the handled exception of frames that are no generators'.
    item: *mut HandledItem,
}

const CAPSULE: &std::ffi::CStr = c"torpor.pending";

impl Continuation {
    /// Runs to the end: the captured call returns `value` (None if not given). Returns what the
    /// outermost frame returns; an exception of the program is `Failure::Python`.
    pub fn resume<'py>(
        &self,
        py: Python<'py>,
        value: Option<Bound<'py, PyAny>>,
    ) -> Result<Py<PyAny>, Failure> {
        let stack = self.take()?;
        if value.is_some() && stack.frames.first().is_some_and(Suspended::at_instruction) {
            self.put_back(stack);
            return Err(ResumeError::Impossible(
                "the stack was captured at an instruction, where it waits for no value: resume it without one"
                    .into(),
            )
            .into());
        }
        if stack.target().is_some() {
            self.put_back(stack);
            return self.step(py, value.map(|v| Strong(v.into_ptr())), false);
        }
        let value = match value {
            Some(value) => value.into_ptr(),
            None if stack.is_greenlet() => PyTuple::empty(py).into_ptr(), // what a bare switch() gives
            None => py.None().into_ptr(),
        };
        self.go(py, stack, Strong(value), false)
    }

    /// As [`resume`](Self::resume), but the captured call raises `exc` (an exception or its class).
    pub fn throw<'py>(&self, py: Python<'py>, exc: Bound<'py, PyAny>) -> Result<Py<PyAny>, Failure> {
        // SAFETY: tests of a live object.
        let exc = unsafe {
            if ffi::PyExceptionInstance_Check(exc.as_ptr()) != 0 {
                exc
            } else if ffi::PyExceptionClass_Check(exc.as_ptr()) != 0 {
                exc.call0()?
            } else {
                return Err(PyTypeError::new_err("throw() takes an exception").into());
            }
        };
        if self.target_state().is_some() {
            return self.step(py, Some(Strong(exc.into_ptr())), true);
        }
        self.go(py, self.take()?, Strong(exc.into_ptr()), true)
    }

    fn go(
        &self,
        py: Python<'_>,
        mut stack: Box<Stack>,
        value: Strong,
        raise: bool,
    ) -> Result<Py<PyAny>, Failure> {
        let runtime = runtime::get(py)?;
        if !stack.unbound.is_empty() {
            if let Err(e) = check_unbound(py, runtime, &mut stack) {
                self.put_back(stack);
                return Err(e);
            }
        }
        if let Some(group) = stack.greenlets.take() {
            if let Err(e) = group.start(py, stack.is_greenlet()) {
                stack.greenlets = Some(group);
                self.put_back(stack);
                return Err(e);
            }
        }
        let more_depth = match process_state::more_depth(py, runtime, &stack) {
            Ok(depth) => depth,
            Err(e) => {
                self.put_back(stack);
                return Err(e.into());
            }
        };
        let restart = match stack.frames.first() {
            Some(f) if f.at_instruction() => match restart_unit(py, runtime, f, raise) {
                Ok(unit) => Some(unit),
                Err(e) => {
                    self.put_back(stack);
                    return Err(e);
                }
            },
            _ => None,
        };
        let bottom = match bottom(py, runtime) {
            Ok(bottom) => bottom,
            Err(e) => {
                self.put_back(stack);
                return Err(e.into());
            }
        };
        // SAFETY: (whole body) E1, E3: the GIL is held; `item` outlives the call that it is linked for. It does not
        // lie on the C stack, which a greenlet takes along.
        unsafe {
            let thread = ffi::PyThreadState_Get();
            // A generator that runs apart takes two more: its `hold`, and the call of `splice`.
            let needed = (stack.frames.len() + 2 * stack.below.len()) as i32 + SPARE_CALLS;
            if *frame::recursion_remaining(thread) + more_depth < needed {
                let n = stack.frames.len();
                self.put_back(stack);
                let text =
                    format!("resuming {n} frames exceeds the recursion limit; see sys.setrecursionlimit");
                return Err(PyRecursionError::new_err(text).into());
            }
            let mut spare = Spare::take(py, runtime)?;
            let begun = match imports::begin(py, runtime, &stack) {
                Ok(begun) => begun,
                Err(e) => {
                    spare.give_back(runtime);
                    self.put_back(stack);
                    return Err(e);
                }
            };
            stack.armed.clear(); // from here on they are the program's
            let handled = Strong(std::mem::replace(&mut stack.handled, std::ptr::null_mut()));
            let isolated = context::Isolated::enter(py, runtime, &stack)?;
            let entered = match ambient::Entered::enter(py, runtime, &stack) {
                Ok(entered) => entered,
                Err(e) => {
                    isolated.leave(runtime, false);
                    return Err(e.into());
                }
            };
            let state = match process_state::Entered::enter(py, runtime, &stack) {
                Ok(state) => state,
                Err(e) => {
                    let _ = entered.leave(py, runtime);
                    isolated.leave(runtime, false);
                    return Err(e.into());
                }
            };
            *spare.item = HandledItem { value: handled.release(), previous: *frame::handled(thread) };
            let mut pending = Pending {
                next: stack.frames.len(),
                stack,
                built: std::mem::take(&mut spare.built),
                entry: std::ptr::null_mut(),
                capsule: spare.capsule.as_ptr(),
                functions: [runtime.hold.as_ptr(), runtime.splice.as_ptr()],
                value,
                raise,
                restart,
                top: None,
                started: false,
                item: &raw mut *spare.item,
            };
            spare.point_to((&raw mut pending).cast(), CAPSULE);
            *frame::handled(thread) = pending.item;
            let arguments = [
                runtime.base.as_ptr(),
                pending.capsule,
                runtime.prepare.as_ptr(),
                runtime.hold.as_ptr(),
                runtime.splice.as_ptr(),
                runtime.undo.as_ptr(),
            ];
            let called = bottom.as_ref().map_or(runtime.base.as_ptr(), Bound::as_ptr);
            let arguments = &arguments[usize::from(bottom.is_none())..];
            let result =
                ffi::PyObject_Vectorcall(called, arguments.as_ptr(), arguments.len(), std::ptr::null_mut());
            *frame::handled(thread) = spare.item.previous;
            let left = state.leave(py, runtime).and(entered.leave(py, runtime));
            isolated.leave(runtime, left.is_ok() && result.is_null());
            runtime.outermost.borrow_mut().retain(|(_, one)| *one != pending.item as usize);
            let handled = Strong(std::mem::replace(&mut spare.item.value, std::ptr::null_mut()));
            // If nothing ran, a signal handler raised before; then `undo` has emptied it.
            debug_assert!(pending.built.is_empty());
            spare.built = std::mem::take(&mut pending.built);
            spare.give_back(runtime);
            let result = Bound::from_owned_ptr_or_err(py, result);
            left?;
            if let Some(begun) = begun.filter(|_| !pending.started) {
                imports::abandon(py, runtime, &begun)?;
            }
            drop(handled);
            drop(pending.value); // not delivered: destructors may run
            pending.stack.recycle(runtime);
            Ok(result?.unbind())
        }
    }
}

/// What is to call `base`, where a trace function wants a frame to be seen below it and none is there.
fn bottom<'py>(py: Python<'py>, runtime: &Runtime) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: the GIL is held; the frame is borrowed and only compared.
    if !frame::HIDING.traced || !unsafe { ffi::PyEval_GetFrame() }.is_null() {
        return Ok(None);
    }
    let sys = py.import("sys")?;
    if sys.call_method0("gettrace")?.is_none() && sys.call_method0("getprofile")?.is_none() {
        return Ok(None);
    }
    runtime.engine.bind(py).getattr("bottom").map(Some)
}

/// The pending resume behind a capsule; NULL with an exception for anything else.
unsafe fn pending<'a>(capsule: Object) -> Option<&'a mut Pending> {
    // SAFETY: only `go` makes capsules of this name, and they carry it only while `go` is active.
    unsafe { ffi::PyCapsule_GetPointer(capsule, CAPSULE.as_ptr()).cast::<Pending>().as_mut() }
}

/// Called by `base`: builds the saved frames above it.
unsafe extern "C" fn prepare(_: Object, capsule: Object) -> Object {
    // SAFETY: (whole body) E1, E3: the newest frame on the data stack is base's.
    unsafe {
        let Some(p) = pending(capsule) else { return std::ptr::null_mut() };
        let thread = ffi::PyThreadState_Get();
        if !build_segment(thread, p, frame::current_frame(thread)) {
            return std::ptr::null_mut();
        }
        if let Some(outermost) = context::outermost_within(&p.built).or(p.built.first().copied()) {
            note_outermost(outermost, p);
        }
        ffi::Py_NewRef(ffi::Py_None())
    }
}

impl Pending {
    /// The number of the innermost frame that is linked and not run: one that stands at an instruction is
    /// built by `splice`, above hold's.
    pub(crate) fn innermost(&self) -> usize {
        usize::from(self.restart.is_some())
    }

    /// Sets the exception that the captured call raises; false if it raises none.
    pub(crate) fn deliver_exception(&mut self) -> bool {
        if self.raise {
            let value = std::mem::replace(&mut self.value, Strong(std::ptr::null_mut()));
            // SAFETY: a live exception. The traceback that it gets keeps the frames: nobody else may keep it.
            unsafe { ffi::PyErr_SetObject(ffi::Py_TYPE(value.0).cast(), value.0) };
        }
        self.raise
    }
}

/// Called by `hold`: links the saved frames in, and delivers the value or the exception.
unsafe extern "C" fn splice(_: Object, capsule: Object) -> Object {
    // SAFETY: (whole body) E1, E3: the running frame is hold's, called by base's.
    unsafe {
        let Some(p) = pending(capsule) else { return std::ptr::null_mut() };
        let thread = ffi::PyThreadState_Get();
        let hold = frame::current_frame(thread);
        let innermost = p.built.last().copied();
        let entry = std::mem::replace(&mut p.entry, std::ptr::null_mut());
        if entry.is_null() && (p.started || innermost.is_none() && p.restart.is_none()) {
            PyTypeError::new_err("nothing was prepared").restore(Python::assume_attached());
            return std::ptr::null_mut();
        }
        if !entry.is_null() {
            (*entry).enter_for(hold);
            (*hold).previous = entry;
            *frame::recursion_remaining(thread) -= 1;
        }
        let base = (*hold).previous;
        if let Some(innermost) = innermost {
            (*hold).previous = innermost;
        }
        if !p.started {
            let py = Python::assume_attached();
            let codes = p.stack.frames.iter().map(|f| f.code.0);
            if let Err(e) = instrument::refresh(py, codes) {
                (*hold).previous = base; // as if nothing had been linked: `undo` takes the frames down
                e.restore(py);
                return std::ptr::null_mut();
            }
        }
        let entered = match runtime::get(Python::assume_attached()) {
            Ok(runtime) if context::enter_all(runtime, &p.built) => runtime,
            _ => {
                if p.started {
                    *frame::recursion_remaining(thread) -= p.built.len() as i32;
                    p.built.clear();
                } else {
                    (*hold).previous = base;
                }
                return std::ptr::null_mut();
            }
        };
        if p.next > p.innermost() {
            *frame::recursion_remaining(thread) -= p.built.len() as i32;
            p.built.clear();
            p.started = true;
            return apart::run_next(thread, hold, p);
        }
        let own = match p.restart {
            Some(_) => build(thread, p, 0),
            None => std::ptr::null_mut(),
        };
        if p.restart.is_some() && own.is_null() {
            if p.started {
                // What lies below has begun to run: the exception goes into it.
                *frame::recursion_remaining(thread) -= p.built.len() as i32;
                p.built.clear();
            } else {
                context::leave_all(entered, &p.built);
                (*hold).previous = base;
            }
            return std::ptr::null_mut();
        }
        if context::outermost_within(&p.built).is_none() && !p.started {
            note_outermost(own, p);
        }
        *frame::recursion_remaining(thread) -= p.built.len() as i32;
        p.built.clear();
        p.started = true;
        let Some(unit) = p.restart else {
            return match p.deliver_exception() {
                true => std::ptr::null_mut(),
                false => std::mem::replace(&mut p.value, Strong(std::ptr::null_mut())).release(),
            };
        };
        if let Err(e) = renew(thread, hold, own) {
            (p.raise, p.value) = (true, Strong(e.into_value(Python::assume_attached()).into_ptr()));
        }
        let units = frame::code_units((*own).code());
        (*own).set_next_instruction(units.add(unit as usize), p.raise);
        if (*own).owner() == Owner::Generator {
            return apart::run_stopped(thread, hold, own, p);
        }
        let raise = p.deliver_exception();
        evaluate(thread, hold, own, raise)
    }
}

/// Notes the outermost frame of a stack that is being resumed, with its word for the handled exception: the one within
/// its context, because a suspended greenlet does not show hidden frames.
///
/// # Safety
/// E1: the GIL is held.
unsafe fn note_outermost(f: *mut InterpreterFrame, p: &Pending) {
    // SAFETY: as the caller promises.
    if let Ok(runtime) = runtime::get(unsafe { Python::assume_attached() }) {
        runtime.outermost.borrow_mut().push((f as usize, p.item as usize));
    }
}

/// Of the outermost frame of a resumed stack: its word for the handled exception.
pub(crate) fn handled_below(runtime: &Runtime, f: *mut InterpreterFrame) -> Option<*mut HandledItem> {
    let outermost = runtime.outermost.borrow();
    outermost.iter().rev().find(|(one, _)| *one == f as usize).map(|(_, item)| *item as *mut HandledItem)
}

/// Brings the instrumentation of a frame's code up to date that will run in a loop of its own: linked meanwhile, as it
/// will be, because only of such frames it stays so (`instrument.rs`).
///
/// # Safety
/// E1, E3: `own` is built and lies above hold's frame.
unsafe fn renew(
    thread: *mut ffi::PyThreadState,
    hold: *mut InterpreterFrame,
    own: *mut InterpreterFrame,
) -> PyResult<()> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        (*own).previous = hold;
        frame::set_current_frame(thread, own);
        let renewed = instrument::refresh(Python::assume_attached(), std::iter::once((*own).code().cast()));
        frame::set_current_frame(thread, hold);
        renewed
    }
}

/// Runs a frame that stands at an instruction in a loop of its own, called by the frame outside of
/// hold's; hold returns what it returns.
unsafe fn evaluate(
    thread: *mut ffi::PyThreadState,
    hold: *mut InterpreterFrame,
    own: *mut InterpreterFrame,
    raise: bool,
) -> Object {
    // SAFETY: (whole body) E1, E3: `own` lies above hold's frame, which the outer loop still runs.
    unsafe {
        let result = apart::spliced_while(own, 0, || {
            frame::set_current_frame(thread, (*hold).previous);
            frame::_PyEval_EvalFrameDefault(thread, own, c_int::from(raise))
        });
        frame::finish_entry(thread, own);
        frame::set_current_frame(thread, hold);
        result
    }
}

/// Where the instruction pointer of a frame has to be that goes on at its instruction, or raises there.
fn restart_unit(py: Python<'_>, runtime: &Runtime, f: &Suspended, raise: bool) -> Result<u32, Failure> {
    if !(raise && frame::HANDLER_IS_BEHIND) {
        return Ok(f.instr);
    }
    // SAFETY: the frame holds its code.
    let code = unsafe { Bound::from_borrowed_ptr(py, f.code.0) };
    Ok(runtime.engine.bind(py).getattr("throw_unit")?.call1((code, f.instr))?.extract()?)
}

/// Called by `base` when something was raised: if the frames never ran, takes them down.
unsafe extern "C" fn undo(_: Object, capsule: Object) -> Object {
    // SAFETY: (whole body) E1, E3: hold's frame is gone, so the built frames are the newest.
    unsafe {
        let Some(p) = pending(capsule) else { return std::ptr::null_mut() };
        if !p.started {
            unbuild(ffi::PyThreadState_Get(), p);
        }
        ffi::Py_NewRef(ffi::Py_None())
    }
}

/// The three functions as Python objects.
pub fn functions(py: Python<'_>) -> PyResult<[Py<PyAny>; 3]> {
    let make = |name: &'static std::ffi::CStr, function: ffi::PyCFunction| -> PyResult<Py<PyAny>> {
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
            ml_flags: ffi::METH_O,
            ml_doc: std::ptr::null(),
        }));
        // SAFETY: the definition lives as long as the process.
        unsafe {
            let f = ffi::PyCFunction_NewEx(definition, std::ptr::null_mut(), std::ptr::null_mut());
            Ok(Bound::from_owned_ptr_or_err(py, f)?.unbind())
        }
    };
    Ok([make(c"prepare", prepare)?, make(c"splice", splice)?, make(c"undo", undo)?])
}

/// Calls `callable(*args, **kwargs)` as the outermost frame of a capture below it (`torpor.run`).
pub fn run<'py>(
    py: Python<'py>,
    callable: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> Result<Py<PyAny>, Failure> {
    let runtime = runtime::get(py)?;
    let mut all = vec![callable.clone()];
    all.extend(args.iter());
    Ok(runtime.run.bind(py).call(PyTuple::new(py, all)?, kwargs)?.unbind())
}
