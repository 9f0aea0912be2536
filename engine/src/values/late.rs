//! Dicts and sets with keys that cannot be hashed yet: an object, or the class of one, that is still being filled
//! because a cycle came round through the container. They get their items as soon as that is done.

use super::decode::Decoder;
use super::{Object, Strong};
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::value::tag;

/// A container without its items, and these: keys and values in turn, or the items of a set.
pub(super) struct Late {
    kind: u8,
    object: Strong,
    items: Vec<Strong>,
}

impl Late {
    /// Its keys.
    fn keys(&self) -> impl Iterator<Item = Object> + '_ {
        self.items.iter().step_by(if self.kind == tag::DICT { 2 } else { 1 }).map(|item| item.0)
    }
}

impl Decoder<'_, '_> {
    /// Puts off the items of a dict or set if they cannot be hashed yet.
    ///
    /// # Safety
    /// `object` and the parts are live; the GIL is held.
    pub(super) unsafe fn is_put_off(&mut self, kind: u8, object: Object, at: usize, n: usize) -> bool {
        if self.unfinished().next().is_none() {
            return false;
        }
        let step = if kind == tag::DICT { 2 } else { 1 };
        // SAFETY: as the caller promises.
        unsafe {
            if !(0..n).step_by(step).any(|i| self.is_unfinished(self.parts[at + i])) {
                return false;
            }
            let items = self.parts[at..at + n].iter().map(|part| Strong::borrowed(*part)).collect();
            self.late.push(Late { kind, object: Strong::borrowed(object), items });
        }
        true
    }

    /// Whether a key, or something in a tuple that is one, is among the objects that are being filled, or of a class
    /// that is.
    ///
    /// # Safety
    /// `key` is live; the GIL is held.
    unsafe fn is_unfinished(&self, key: Object) -> bool {
        // SAFETY: (whole body) types are tested before use; a class has a tuple of its bases while it lives.
        unsafe {
            let class = ffi::Py_TYPE(key);
            if class == &raw mut ffi::PyUnicode_Type || class == &raw mut ffi::PyLong_Type {
                return false;
            }
            if class == &raw mut ffi::PyTuple_Type {
                let items = 0..ffi::PyTuple_Size(key);
                return items.into_iter().any(|i| self.is_unfinished(ffi::PyTuple_GetItem(key, i)));
            }
            self.unfinished().any(|open| {
                open == key || ffi::PyType_Check(open) != 0 && ffi::PyType_IsSubtype(class, open.cast()) != 0
            })
        }
    }

    /// Gives their items to the containers that can have them by now. Runs the `__hash__` of keys.
    pub(super) fn fill_late(&mut self) -> Result<(), Failure> {
        let mut waiting = std::mem::take(&mut self.late);
        while !waiting.is_empty() {
            // SAFETY: what is late is held.
            let ready =
                waiting.iter().position(|one| unsafe { !one.keys().any(|key| self.is_unfinished(key)) });
            let Some(ready) = ready else { break };
            let one = waiting.remove(ready);
            let mut items = one.items.iter();
            while let Some(key) = items.next() {
                // SAFETY: live objects; nobody but the program has the container, and it is of that type.
                let failed = unsafe {
                    match one.kind {
                        tag::DICT => match items.next() {
                            Some(value) => ffi::PyDict_SetItem(one.object.0, key.0, value.0) != 0,
                            None => false,
                        },
                        _ => ffi::PySet_Add(one.object.0, key.0) != 0,
                    }
                };
                if failed {
                    return Err(PyErr::fetch(self.py).into());
                }
            }
        }
        self.late.append(&mut waiting);
        Ok(())
    }
}
