//! Objects that are being made: their `__init__`, `__new__` or `__setstate__` runs in the captured stack.
//!
//! Where their class says that a call makes them (`__reduce__`, `__getnewargs__`), it is this call, which is not over: with
//! what they have so far another one may fail, or make something else. They are taken with all that they have; by their
//! hooks only if a part cannot travel. A `__getstate__` is asked as ever: it says what there is to bring.

use super::encode::Encoder;
use super::protocol::Protocol;
use super::Object;
use crate::code::{self, Makes};
use crate::error::Failure;
use crate::found::Found;
use crate::frame;
use pyo3::ffi;
use pyo3::prelude::*;

impl Encoder<'_> {
    /// Notes what a frame is making.
    ///
    /// # Safety
    /// E1, E2: `f` was found in this very call.
    pub(crate) unsafe fn note_making(&mut self, f: &Found) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let makes = code::entry(self.runtime, f.code)?.makes;
            let nlocals = frame::nlocalsplus(f.code.cast()).min(f.depth);
            if nlocals == 0 {
                return Ok(());
            }
            let first = local(f, 0);
            if makes == Makes::Nothing {
                self.work.at_work.called_on.push((first as usize, f.function as usize));
                return Ok(());
            }
            let unfinished = &mut self.work.at_work.unfinished;
            if makes == Makes::FirstArgument {
                unfinished.insert(first as usize);
                return Ok(());
            }
            for i in 1..nlocals {
                let object = local(f, i);
                if !object.is_null() && ffi::Py_TYPE(object).cast() == first {
                    unfinished.insert(object as usize);
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_being_made(&self, object: Object) -> bool {
        let at_work = &self.work.at_work;
        let runs_on_it = |(first, function): &(usize, usize)| {
            // SAFETY: E5: an object that is being written is live; other addresses are only compared.
            *first == object as usize && unsafe { is_method_that_makes(object, *function as Object) }
        };
        at_work.unfinished.contains(&(object as usize)) || at_work.called_on.iter().any(runs_on_it)
    }

    /// Whether an object is being made, and its class would have it made by another call.
    pub(super) fn is_made_again(&self, object: &Bound<'_, PyAny>, protocol: &Protocol<'_>) -> bool {
        matches!(
            protocol,
            Protocol::Own(..) | Protocol::Below(..) | Protocol::Default { arguments: true, .. }
        ) && self.is_being_made(object.as_ptr())
    }
}

/// Whether the object's class or a base has that function as its `__init__` or `__setstate__`, whatever it is called itself.
///
/// # Safety
/// `object` is live; the GIL is held.
unsafe fn is_method_that_makes(object: Object, function: Object) -> bool {
    // SAFETY: (whole body) as the caller promises: so are the classes and, of those that statements made, their namespaces.
    unsafe {
        let order = (*ffi::Py_TYPE(object)).tp_mro;
        let classes = (0..if order.is_null() { 0 } else { ffi::PyTuple_Size(order) })
            .map(|i| ffi::PyTuple_GetItem(order, i).cast::<ffi::PyTypeObject>());
        classes.into_iter().filter(|class| (**class).tp_flags & ffi::Py_TPFLAGS_HEAPTYPE != 0).any(|class| {
            [c"__init__", c"__setstate__"]
                .iter()
                .any(|name| ffi::PyDict_GetItemString((*class).tp_dict, name.as_ptr()) == function)
        })
    }
}

/// What a local holds, in its cell or not; NULL if it is unbound.
///
/// # Safety
/// E2; `i` is below the depth.
unsafe fn local(f: &Found, i: usize) -> Object {
    // SAFETY: (whole body) as the caller promises; a cell is live while its frame is.
    unsafe {
        let object = f.slot(i).object();
        if object.is_null() || ffi::Py_TYPE(object) != &raw mut ffi::PyCell_Type {
            return object;
        }
        let contents = ffi::PyCell_Get(object);
        ffi::Py_XDECREF(contents); // the cell has one
        contents
    }
}
