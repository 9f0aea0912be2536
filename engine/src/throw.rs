//! Generators that only pass an exception on: `throw()` was called of one that delegates, and the interpreter's C
//! code throws into what it delegates to.
//!
//! The frame of such a generator is linked into the stack as it was suspended. No evaluation loop runs it, and
//! what it handles is not among what the thread handles. It is stored as one that awaits: what it delegates to
//! gives it then what the C code would.

use crate::code;
use crate::error::Failure;
use crate::found::{unsupported, Found};
use crate::frame::{self, generator, InterpreterFrame, Owner};
use crate::plan;
use crate::runtime::Runtime;
use crate::values::Object;
use pyo3::ffi;
use pyo3::prelude::*;

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
        let at = runtime.engine.bind(py).getattr("delegates_at")?.call1((object, (*f).instruction_index()))?;
        let Some(send) = at.extract::<Option<u32>>()? else { return Ok(None) };
        let Some(depth) = code::entry(runtime, code)?.depth_before(runtime, code, send)? else {
            return Ok(None);
        };
        // What is sent is not on its stack.
        let own = frame::nlocalsplus(code.cast()) + depth - 1;
        Ok(((*f).depth() == Some(own)).then_some((send, depth)))
    }
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
            return Ok(false);
        }
        let Some((send, depth)) = delegates_at(py, runtime, f)? else {
            return Err(unsupported(py, f, "it is linked into the stack and not run"));
        };
        let handles = generator::fields(generator::owner_of(f)).handled.value;
        if !handles.is_null() && handles != ffi::Py_None() {
            let what = "it handles an exception and passes on another one, which was thrown into it: what it delegates \
                        to would see the first";
            return Err(unsupported(py, f, what));
        }
        // From 3.15 on there is a place for an index between what it delegates to and what is sent.
        let place = depth - if frame::MINOR >= 15 { 3 } else { 2 };
        let inner = (*f).slot(frame::nlocalsplus((*f).code()) + place).object();
        let proved = (*callee).owner() == Owner::Generator && generator::owner_of(callee) == inner;
        plan::bridged(py, runtime, f, callee, proved.then_some("generator"), Some(send), found)?;
        Ok(true)
    }
}
