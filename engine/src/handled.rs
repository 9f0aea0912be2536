//! The exception that a frame is handling, seen from a callee.
//!
//! All frames on the data stack share one word. A handler that begins saves the word on its own
//! evaluation stack; so what the target handles is what the outermost handler below it saved.

use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::frame::{self, generator, HandledItem, InterpreterFrame, Owner};
use crate::runtime::Runtime;
use crate::values::{Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;

/// What the captured frames are handling, borrowed; NULL for nothing. Of a generator that is among them it may note
/// what that handles.
///
/// # Safety
/// Invariants E1, E2: the frames are on the running thread's stack.
pub(crate) unsafe fn handled_in(
    py: Python<'_>,
    runtime: &Runtime,
    thread: *mut ffi::PyThreadState,
    found: &mut [Found],
) -> Result<Object, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let target = found.iter().map(|f| f.frame).find(|f| !f.is_null()).unwrap_or(std::ptr::null_mut());
        let mut item = *frame::handled(thread);
        let mut saved = None;
        let mut f = frame::current_frame(thread);
        while !f.is_null() && f != target {
            match (*f).owner() {
                // It has a word of its own, unless it only passes an exception on to what it delegates to.
                Owner::Generator if is_of(item, generator::owner_of(f)) => {
                    saved = None;
                    item = (*item).previous;
                }
                Owner::Generator => {}
                // The wrappers of captures handle nothing.
                _ if runtime.entries.borrow().contains(&((*f).code() as usize)) => {}
                _ if (*f).has_function() => saved = saved_by(py, runtime, f)?.or(saved),
                _ => {}
            }
            f = (*f).caller().0;
        }
        let nothing = |value: Object| value.is_null() || value == ffi::Py_None();
        // Generators of the captured stack bring their own words; what lies above the stack shares the innermost one.
        for f in found.iter_mut() {
            let object = f.generator();
            if !object.is_null() && is_of(item, object) {
                f.handled = saved.take().map(|value| Strong::shared(value));
                item = (*item).previous;
            }
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

/// Whether `item` is a generator's own word.
///
/// # Safety
/// `object` is a live generator.
unsafe fn is_of(item: *mut HandledItem, object: Object) -> bool {
    // SAFETY: as the caller promises.
    std::ptr::eq(item, unsafe { &raw const generator::fields(object).handled })
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
