//! Generators that only pass an exception on: `throw()` was called of one that delegates, and the interpreter's C
//! code throws into what it delegates to.
//!
//! The frame of such a generator is linked into the stack as it was suspended. No evaluation loop runs it, and
//! what it handles is not among what the thread handles. It is stored as one that awaits: what it delegates to
//! gives it then what the C code would. If it handles an exception, it is stored as one that handles none, and a
//! finisher gives it that back.
//!
//! Where it delegates to something else than a generator, and while it is being closed, its frame is not even
//! linked. Then it travels as the suspended generator that it is, and a finisher does what the C code would have
//! done with what came of it.

use crate::code;
use crate::error::Failure;
use crate::found::{unsupported, Found};
use crate::frame::generator::State;
use crate::frame::{self, generator, InterpreterFrame, Owner, Slot};
use crate::plan;
use crate::runtime::{self, Runtime};
use crate::values::{Object, Strong};
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple};

/// Whether `f`, a frame of the running stack, is that of a generator that no evaluation loop runs: each that runs
/// has its word in the chain of what the thread handles.
///
/// # Safety
/// E1, E2.
pub(crate) unsafe fn is_only_linked(thread: *mut ffi::PyThreadState, f: *mut InterpreterFrame) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if (*f).owner() != Owner::Generator {
            return false;
        }
        let own = &raw const generator::fields(generator::owner_of(f)).handled;
        let mut item = *frame::handled(thread);
        while !item.is_null() {
            if std::ptr::eq(item, own) {
                return false;
            }
            item = (*item).previous;
        }
        true
    }
}

/// The SEND of the `yield from` or `await` in which a generator is suspended whose frame is `f`, and the depth of
/// the evaluation stack before it. `None` if it is not suspended in one.
///
/// # Safety
/// E1, E2.
unsafe fn delegates_at(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
) -> Result<Option<(u32, usize)>, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let code: Object = (*f).code().cast();
        let object = Bound::from_borrowed_ptr(py, code);
        let at =
            runtime.engine.bind(py).getattr("delegates_at")?.call1((object, (*f).instruction_index()))?;
        let Some(send) = at.extract::<Option<u32>>()? else { return Ok(None) };
        let Some(depth) = code::entry(runtime, code)?.depth_before(runtime, code, send)? else {
            return Ok(None);
        };
        // What is sent is not on its stack.
        let own = frame::nlocalsplus(code.cast()) + depth - 1;
        Ok(((*f).depth() == Some(own)).then_some((send, depth)))
    }
}

/// What a generator delegates to through which an exception is being thrown, or that is being closed: a tuple of
/// one, or of none for all others. Such a generator does not run, although it says so.
fn passes_to(generator: &Bound<'_, PyAny>) -> Result<Py<PyTuple>, Failure> {
    let (py, object) = (generator.py(), generator.as_ptr());
    // SAFETY: (whole body) E1, E18: the type is tested; that its frame is not run is tested.
    unsafe {
        let nothing = || Ok(PyTuple::empty(py).unbind());
        if !generator::is_generator_type(ffi::Py_TYPE(object)) {
            return nothing();
        }
        let fields = generator::fields(object);
        let f = fields.frame();
        if fields.state() != State::Running || !is_only_linked(ffi::PyThreadState_Get(), f) {
            return nothing();
        }
        match delegates_at(py, runtime::get(py)?, f)? {
            None => nothing(),
            Some((_, depth)) => {
                Ok(PyTuple::new(py, [Bound::from_borrowed_ptr(py, delegate(f, depth))])?.unbind())
            }
        }
    }
}

/// What the generator delegates to whose frame is `f`.
///
/// # Safety
/// E1, E18: `depth` is that of the evaluation stack before its SEND.
unsafe fn delegate(f: *mut InterpreterFrame, depth: usize) -> Object {
    // SAFETY: as the caller promises.
    unsafe { (*f).slot(frame::nlocalsplus((*f).code()) + place_of_delegate(depth)).object() }
}

/// From 3.15 on there is a place for an index between what is delegated to and what is sent.
fn place_of_delegate(depth: usize) -> usize {
    depth - if frame::MINOR >= 15 { 3 } else { 2 }
}

/// A suspended generator is done with what it delegates to. `ended`: that returned. True if the generator then goes
/// on with what is sent to it; else with what is thrown into it, and nothing else sees that.
fn let_go(generator: &Bound<'_, PyAny>, ended: bool) -> Result<bool, Failure> {
    let (py, object) = (generator.py(), generator.as_ptr());
    // SAFETY: (whole body) E1, E18: its type and state are tested; its frame is not run.
    unsafe {
        let known = match generator::is_generator_type(ffi::Py_TYPE(object)) {
            true if generator::fields(object).state() != State::Running => {
                delegates_at(py, runtime::get(py)?, generator::fields(object).frame())?
            }
            _ => None,
        };
        let Some((send, depth)) = known else {
            return Err(PySystemError::new_err("a generator that delegates to nothing was ended").into());
        };
        let f = generator::fields(object).frame();
        if ended && frame::GENERATORS_RUN_APART {
            let engine = runtime::get(py)?.engine.bind(py);
            let code = Bound::from_borrowed_ptr(py, (*f).code().cast());
            let (_, _, end): (u32, u32, u32) = engine.getattr("places")?.call1((code, send))?.extract()?;
            drop((*f).await_ends(end).map(Strong));
            return Ok(true);
        }
        let old = Strong(delegate(f, depth));
        let place = frame::nlocalsplus((*f).code()) + place_of_delegate(depth);
        (*f).set_slot(place, Slot::Object(ffi::Py_NewRef(ffi::Py_None())));
        drop(old);
        Ok(false)
    }
}

/// What a suspended generator handles.
fn handled_by(generator: &Bound<'_, PyAny>) -> Result<Py<PyAny>, Failure> {
    let (py, object) = (generator.py(), generator.as_ptr());
    // SAFETY: E1: its type is tested.
    unsafe {
        if generator::is_generator_type(ffi::Py_TYPE(object)) {
            let handled = generator::fields(object).handled.value;
            if !handled.is_null() {
                return Ok(Bound::from_borrowed_ptr(py, handled).unbind());
            }
        }
    }
    Ok(py.None())
}

/// A generator that runs, and handled nothing while what it delegates to was thrown into, handles this again.
fn handles(generator: &Bound<'_, PyAny>, handled: &Bound<'_, PyAny>) -> Result<(), Failure> {
    let object = generator.as_ptr();
    // SAFETY: (whole body) E1, E18: its type and state are tested, and that it handles nothing; what it is given is an
    // exception. The old word is None or NULL.
    unsafe {
        let fits = generator::is_generator_type(ffi::Py_TYPE(object))
            && generator::fields(object).state() == State::Running
            && ffi::PyExceptionInstance_Check(handled.as_ptr()) != 0;
        if fits {
            let word = &mut generator::fields(object).handled.value;
            if word.is_null() || *word == ffi::Py_None() {
                drop(Strong(std::mem::replace(word, ffi::Py_NewRef(handled.as_ptr()))));
                return Ok(());
            }
        }
    }
    Err(PySystemError::new_err("a generator that passes nothing on was given an exception to handle").into())
}

/// Notes the generator that `f`, a finisher, leaves suspended.
///
/// # Safety
/// E2: `f` was found in this very call.
pub(crate) unsafe fn note_passing(
    py: Python<'_>,
    runtime: &Runtime,
    f: &Found,
    passing: &mut Vec<usize>,
) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        if f.frame.is_null() {
            let function = Bound::from_borrowed_ptr(py, f.function);
            if runtime.engine.bind(py).getattr("PASSING")?.contains(function)? {
                passing.push(f.slot(0).object() as usize);
            }
        }
        Ok(())
    }
}

/// These as Python functions, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    Ok(vec![
        function(py, "passes_to", |args| passes_to(&args.get_item(0)?))?,
        function(py, "handled_by", |args| handled_by(&args.get_item(0)?))?,
        function(py, "handles", |args| {
            handles(&args.get_item(0)?, &args.get_item(1)?)?;
            Ok(args.py().None())
        })?,
        function(py, "let_go", |args| let_go(&args.get_item(0)?, args.get_item(1)?.extract()?))?,
    ])
}

/// Describes `f`, if all that it does is to pass an exception on to what runs `callee`. False if it does not.
///
/// # Safety
/// E1, E2.
pub(crate) unsafe fn passed_on(
    py: Python<'_>,
    runtime: &Runtime,
    thread: *mut ffi::PyThreadState,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    found: &mut Vec<Found>,
) -> Result<bool, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        if !is_only_linked(thread, f) {
            return Ok(false); // E18
        }
        let Some((send, depth)) = delegates_at(py, runtime, f)? else {
            return Err(unsupported(py, f, "it is linked into the stack and not run"));
        };
        let outer = generator::owner_of(f);
        let handled = generator::fields(outer).handled.value;
        let handles = !handled.is_null() && handled != ffi::Py_None();
        let proved =
            (*callee).owner() == Owner::Generator && generator::owner_of(callee) == delegate(f, depth);
        let thrown =
            plan::Thrown { send, outer, handled: if handles { handled } else { std::ptr::null_mut() } };
        plan::bridged(py, runtime, f, callee, proved.then_some("generator"), Some(thrown), found)?;
        if let Some(stored) = found.last_mut().filter(|_| handles) {
            stored.handled = Some(Strong(std::ptr::null_mut())); // nothing, until its finisher
        }
        Ok(true)
    }
}
