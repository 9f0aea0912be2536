//! A slot of a frame: a local, or a place on the evaluation stack.
//!
//! What lies in its word differs between versions (`pointer.rs`, `stackref.rs`); this is what the rest of
//! the engine sees and gives.

use super::InterpreterFrame;
use pyo3::ffi::PyObject;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing: an unbound local, or a NULL on the evaluation stack.
    Empty,
    /// Read: borrowed from the frame. Written: a reference that the slot takes over.
    Object(*mut PyObject),
    /// An untyped number, where [`TAGGED_INTS`](super::TAGGED_INTS) says that slots can hold one.
    Int(i64),
}

impl Slot {
    /// The object in the slot; NULL if there is none.
    pub fn object(self) -> *mut PyObject {
        match self {
            Slot::Object(object) => object,
            Slot::Empty | Slot::Int(_) => std::ptr::null_mut(),
        }
    }
}

impl InterpreterFrame {
    /// What slot `i` holds.
    ///
    /// # Safety
    /// Invariant E2: the frame is live; `i` lies within its code's locals and evaluation stack, and
    /// below what the frame has used of it.
    #[inline(always)]
    pub unsafe fn slot(&self, i: usize) -> Slot {
        // SAFETY: as the caller promises.
        unsafe { (*self.localsplus.as_ptr().add(i)).load() }
    }

    /// Whether slot `i` holds an object to which it has no reference of its own: another slot has.
    ///
    /// # Safety
    /// As [`slot`](Self::slot); the object is live.
    #[inline(always)]
    pub unsafe fn borrows(&self, i: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { (*self.localsplus.as_ptr().add(i)).borrows() }
    }

    /// Fills slot `i`; a reference to an object is the slot's from here on. What lay in it is forgotten.
    ///
    /// # Safety
    /// The frame is being built: its memory is the caller's, and has room for slot `i`.
    #[inline(always)]
    pub unsafe fn set_slot(&mut self, i: usize, value: Slot) {
        // SAFETY: as the caller promises.
        unsafe { self.localsplus.as_mut_ptr().add(i).write(super::Word::store(value)) }
    }
}
