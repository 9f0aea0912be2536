//! Words of a frame up to CPython 3.13: plain pointers, each with a reference of its own.

use super::Slot;
use pyo3::ffi::PyObject;

/// One slot as it lies in memory.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Word(*mut PyObject);

/// Whether a slot can hold a number that is no object.
pub const TAGGED_INTS: bool = false;

/// For the comparison with the headers: nothing here is particular.
pub const OWN_WORDS: &[(&str, usize)] = &[];

impl Word {
    #[inline(always)]
    pub fn load(self) -> Slot {
        if self.0.is_null() {
            Slot::Empty
        } else {
            Slot::Object(self.0)
        }
    }

    /// # Safety
    /// None; unsafe where words carry tags.
    #[inline(always)]
    pub unsafe fn borrows(self) -> bool {
        false
    }

    /// # Safety
    /// An object is live. A number is not stored: frames that have one are refused when adopted.
    #[inline(always)]
    pub unsafe fn store(value: Slot) -> Word {
        Word(value.object())
    }
}
