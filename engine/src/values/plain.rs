//! Plain values: containers of the language and iterators over them, with atoms in them. To write them takes no code of
//! the program and asks no module, so they can be written anew where all that stands before them is as it was
//! (`rewalk.rs`). Anything else asks for a walk of everything.

use super::encode::{forget, Encoder, Work};
use super::{Object, Strong};
use crate::error::Failure;
use crate::frame::{self, offset};
use pyo3::ffi;
use torpor_store::value::tag;
use torpor_store::Value;

/// Whether sets are plain: to iterate over one makes an object, which may start the garbage collector of CPython 3.11, and
/// that the program's code.
const SETS: bool = cfg!(Py_3_12);

/// Whether a node is one of a plain value.
pub(crate) fn is_plain(node: &Value) -> bool {
    let is_set = matches!(node.tag, tag::SET | tag::FROZENSET);
    SETS && is_set
        || matches!(
            node.tag,
            tag::NULL
                | tag::NONE
                | tag::FALSE
                | tag::TRUE
                | tag::ELLIPSIS
                | tag::NOT_IMPLEMENTED
                | tag::TAGGED_INT
                | tag::INT
                | tag::BIG_INT
                | tag::FLOAT
                | tag::COMPLEX
                | tag::TEXT
                | tag::BYTES
                | tag::BYTEARRAY
                | tag::TUPLE
                | tag::LIST
                | tag::DICT
                | tag::RANGE
                | tag::SLICE
                | tag::ITERATOR
                | tag::REF
                | tag::ALIAS
        )
}

impl Encoder<'_> {
    /// Writes one object that was not met before, if it is plain.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn visit_plain(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let o = object.0;
        // SAFETY: (whole body) `o` is live and of the type that was just tested; the GIL is held.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            if kind == &raw mut ffi::PyTuple_Type {
                if ffi::Py_SIZE(o) == 0 || !self.is_owned(o) {
                    let items = o.byte_add(offset::TUPLE_ITEMS).cast::<Object>();
                    return self.sequence(object, slot, tag::TUPLE, items, ffi::Py_SIZE(o) as usize);
                }
            } else if kind == &raw mut ffi::PyList_Type {
                if !self.is_owned(o) {
                    let items = (*o.cast::<ffi::PyListObject>()).ob_item;
                    return self.sequence(object, slot, tag::LIST, items, ffi::Py_SIZE(o) as usize);
                }
            } else if kind == &raw mut ffi::PyDict_Type {
                if !self.is_owned(o) && !self.may_be_namespace(o) {
                    return self.dict_items(object, slot);
                }
            } else if SETS && kind == &raw mut ffi::PySet_Type {
                if !self.is_owned(o) {
                    return self.set_of(object, slot, tag::SET);
                }
            } else if SETS && kind == &raw mut ffi::PyFrozenSet_Type {
                return self.set_of(object, slot, tag::FROZENSET);
            } else if kind == &raw mut ffi::PySlice_Type || kind == &raw mut ffi::PyRange_Type {
                return self.three(object, slot);
            } else if kind == &raw mut frame::PyRangeIter_Type {
                return self.range_iterator(object, slot);
            } else if kind == &raw mut frame::PyListIter_Type || kind == &raw mut frame::PyTupleIter_Type {
                let (sequence, index) = frame::sequence_iterator(o);
                if !sequence.is_null() && !self.is_owned(sequence) {
                    return self.iterator_over(object, slot, sequence, index as u64);
                }
            } else if kind == &raw mut ffi::PyFunction_Type && self.work.by_value.contains(&(o as usize)) {
                return self.function(object, slot); // a frame's own, which is as it was
            }
        }
        self.work.walk_again = true;
        self.set(slot, Value::NONE);
        Ok(())
    }

    /// Whether somebody else than the graph holds an object, and a module may have it under a name.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn is_owned(&self, object: Object) -> bool {
        // SAFETY: as the caller promises.
        unsafe { ffi::Py_REFCNT(object) > 1 && self.look_at_modules().has_object(object) }
    }

    /// Whether a dict is one of a module that travels, or looks like one of a module.
    ///
    /// # Safety
    /// `dict` is a live dict; the GIL is held. A lookup of an interned text runs no code.
    unsafe fn may_be_namespace(&self, dict: Object) -> bool {
        // SAFETY: as the caller promises.
        unsafe {
            if self.space_index(dict).is_some() {
                return true;
            }
            if ffi::PyDict_Size(dict) < 4 {
                return false;
            }
            let name = ffi::PyDict_GetItemWithError(dict, self.runtime.names.name.as_ptr());
            if name.is_null() {
                ffi::PyErr_Clear();
            }
            !name.is_null()
        }
    }

    /// Whether a walk of plain values has met nothing else.
    pub(crate) fn is_plain_so_far(&self) -> bool {
        let (work, out) = (&self.work, &self.out);
        !work.walk_again && work.refusals.is_empty() && work.ids.maybe.is_empty() && out.buffer_count() == 0
    }
}

impl Work {
    /// Whether a walk has met nothing that a capture which is like it would have to ask again, beside locks of modules and what
    /// these have gained.
    pub(crate) fn is_plain(&self) -> bool {
        self.has_met_nothing() && self.rebound.is_empty() && !self.ids.of_all
    }

    /// Forgets what a walk of plain values has left; run with the GIL held.
    pub(crate) fn clear_values(&mut self) {
        forget(&mut self.memo);
        self.open.clear();
        self.codes.clear();
        self.by_value.clear();
        self.walk_again = false;
        self.values_only = false;
        self.keep.clear();
    }
}
