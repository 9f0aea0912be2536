//! The evaluation loops of a thread, from CPython 3.12 on: by the entry frames that they keep in their C frames.

use super::{current_frame, InterpreterFrame, Owner};
use pyo3::ffi::PyThreadState;

/// An address in the C frame of the evaluation loop that runs `frame`: every loop keeps an entry frame
/// there. NULL if there is none.
///
/// # Safety
/// Invariants E1, E2.
pub unsafe fn loop_of(_: *mut PyThreadState, frame: *mut InterpreterFrame) -> *const u8 {
    // SAFETY: E2: the chain of `previous` is live down to NULL.
    unsafe {
        let mut f = frame;
        while !f.is_null() && (*f).owner() != Owner::Entry {
            f = (*f).previous;
        }
        f.cast()
    }
}

/// The loop around the one that has `place` in its C frame, as `loop_of` names them; the innermost one if `place` is NULL.
/// NULL if there is none.
///
/// # Safety
/// Invariants E1, E2.
pub unsafe fn loop_around(thread: *mut PyThreadState, place: *const u8) -> *const u8 {
    // SAFETY: E2: `place` is the entry frame of a loop that runs.
    unsafe {
        let f = if place.is_null() {
            current_frame(thread)
        } else {
            (*place.cast::<InterpreterFrame>()).previous
        };
        loop_of(thread, f)
    }
}
