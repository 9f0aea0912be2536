//! Words of a frame from CPython 3.14 on: `_PyStackRef`, Include/internal/pycore_stackref.h, with the GIL.
//!
//! The low bits are a tag. 00: an object and a reference to it. 01: an object without a reference, because
//! it is immortal or because another slot keeps it alive; 01 alone is NULL. 11: a number.

use super::Slot;
use pyo3::ffi::PyObject;

/// `_PyStackRef`.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Word(usize);

/// Whether a slot can hold a number that is no object.
pub const TAGGED_INTS: bool = true;

const UNCOUNTED: usize = 1;
const NUMBER: usize = 3;
/// `PyObject.ob_flags`, and the flag that immortal objects have from birth: the tag of references to them.
const OBJECT_FLAGS: usize = 6;

/// For the comparison with the headers: NULL, the number 1, and where the flags lie.
pub const OWN_WORDS: &[(&str, usize)] =
    &[("stackref.null", UNCOUNTED), ("stackref.number", 1 << 2 | NUMBER), ("object.flags", OBJECT_FLAGS)];

impl Word {
    #[inline(always)]
    pub fn load(self) -> Slot {
        if self.0 & NUMBER == NUMBER {
            Slot::Int(self.0 as i64 >> 2)
        } else if self.0 | UNCOUNTED == UNCOUNTED {
            Slot::Empty
        } else {
            Slot::Object(self.object())
        }
    }

    /// Whether it is an object that is kept alive by somebody else's reference.
    ///
    /// # Safety
    /// The object, if it is one, is live.
    #[inline(always)]
    pub unsafe fn borrows(self) -> bool {
        // SAFETY: as the caller promises.
        self.0 & NUMBER == UNCOUNTED && self.0 != UNCOUNTED && unsafe { immortal(self.object()) == 0 }
    }

    /// As `PyStackRef_FromPyObjectSteal` and `PyStackRef_TagInt` do it.
    ///
    /// # Safety
    /// An object is live, and the caller's reference to it goes over to the word.
    #[inline(always)]
    pub unsafe fn store(value: Slot) -> Word {
        match value {
            Slot::Empty => Word(UNCOUNTED),
            // SAFETY: as the caller promises.
            Slot::Object(object) => unsafe { Word(object as usize | immortal(object)) },
            Slot::Int(n) => Word((n as usize) << 2 | NUMBER),
        }
    }

    /// The object of a word that is no number; NULL for NULL.
    pub fn object(self) -> *mut PyObject {
        (self.0 & !UNCOUNTED) as *mut PyObject
    }
}

/// The tag of references to `object`: 1 if it is immortal.
///
/// # Safety
/// `object` is live.
#[inline(always)]
unsafe fn immortal(object: *mut PyObject) -> usize {
    // SAFETY: invariant E1: the flags lie in the upper half of the word in which 3.13 counts references.
    usize::from(unsafe { *object.byte_add(OBJECT_FLAGS).cast::<u16>() }) & UNCOUNTED
}
