//! The exception that a frame is handling, seen from a callee.
//!
//! All frames on the data stack share one word. A handler that begins saves the word on its own
//! evaluation stack; so what the target handles is what the outermost handler below it saved.

use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::frame::{self, InterpreterFrame, Owner};
use crate::runtime::Runtime;
use crate::values::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::Frame;

/// What the captured frames are handling, borrowed; NULL for nothing.
///
/// # Safety
/// Invariants E1, E2: the frames are on the running thread's stack.
pub(crate) unsafe fn handled_in(
    py: Python<'_>,
    runtime: &Runtime,
    thread: *mut ffi::PyThreadState,
    found: &[Found],
) -> Result<Object, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let target = found.iter().map(|f| f.frame).find(|f| !f.is_null()).unwrap_or(std::ptr::null_mut());
        let mut item = *frame::handled(thread);
        let mut saved = None;
        let mut f = frame::current_frame(thread);
        while !f.is_null() && f != target {
            match (*f).owner() {
                Owner::Generator => {
                    // It has a word of its own.
                    saved = None;
                    if !item.is_null() {
                        item = (*item).previous;
                    }
                }
                // The wrappers of captures handle nothing.
                _ if runtime.entries.borrow().contains(&((*f).code() as usize)) => {}
                _ if (*f).has_function() => saved = saved_by(py, runtime, f)?.or(saved),
                _ => {}
            }
            f = (*f).caller().0;
        }
        let nothing = |value: Object| value.is_null() || value == ffi::Py_None();
        // Generators of the captured stack bring their own words.
        let generators = found.iter().filter(|f| f.flags & Frame::GENERATOR != 0).count();
        for _ in 0..generators {
            if !item.is_null() {
                item = (*item).previous;
            }
            saved = None;
        }
        if let Some(value) = saved.filter(|value| !nothing(*value)) {
            return Ok(value);
        }
        if saved.is_some() && !item.is_null() {
            item = (*item).previous;
        }
        while !item.is_null() && nothing((*item).value) {
            item = (*item).previous;
        }
        Ok(if item.is_null() { std::ptr::null_mut() } else { (*item).value })
    }
}

/// What the outermost handler in which `f` stands saved.
unsafe fn saved_by(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
) -> Result<Option<Object>, Failure> {
    // SAFETY: (whole body) E1, E2: a live frame; below the instruction that it waits in its stack is whole.
    unsafe {
        let code: Object = (*f).code().cast();
        let Some((_, start)) = code::opcode_at(code, (*f).instruction_index()) else { return Ok(None) };
        let object = Bound::from_borrowed_ptr(py, code);
        let place = runtime.engine.bind(py).getattr("handled_before")?.call1((object, start))?;
        let Some(place) = place.extract::<Option<usize>>()? else { return Ok(None) };
        Ok(Some((*f).slot(frame::nlocalsplus(code.cast()) + place).object()))
    }
}
