//! Classes whose objects are made while they are being filled: what a class has (`Money.ZERO`) may be made by its own
//! constructor, or given its state by its own `__setstate__`.
//!
//! Before that runs, a class gets those of its contents that are built by then. The encoder writes functions and the like
//! before all else that a class has, whatever their order was.

use super::decode::{Decoder, Node, Place, RUN};
use super::kept::has_intrinsic;
use super::Object;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use torpor_store::value::tag;
use torpor_store::Value;

/// An open node that makes a class which exists.
#[derive(Clone, Copy)]
pub(super) struct OpenClass {
    index: usize,
    slot: u32,
    /// How far its contents were built when it got them.
    filled: u32,
}

impl<'py> Decoder<'_, 'py> {
    /// Notes that what the innermost open node makes is there.
    pub(super) fn exists(&mut self, object: Object) {
        let index = self.open.len().wrapping_sub(1);
        let Some(top) = self.open.last_mut() else { return };
        top.object = object;
        if is_class(top) {
            let slot = top.slot;
            self.forget_classes();
            self.classes.push(OpenClass { index, slot, filled: 0 });
        }
    }

    /// Forgets the classes that are complete.
    fn forget_classes(&mut self) {
        while let Some(class) = self.classes.last() {
            if self.open.get(class.index).is_some_and(|node| node.slot == class.slot && is_class(node)) {
                break;
            }
            self.classes.pop();
        }
    }

    /// Before `callable` of a reduce node is called, if that may run code of the program.
    ///
    /// # Safety
    /// `callable` is live; the GIL is held.
    pub(super) unsafe fn fill_before_call(&mut self, v: Value, callable: Object) -> Result<(), Failure> {
        let node = self.region.values.get(v.low() as usize);
        self.forget_classes();
        if self.classes.is_empty() || node.is_some_and(|node| node.tag == tag::INTRINSIC) {
            return Ok(());
        }
        // SAFETY: E5: a type test.
        let may_be_programs = unsafe {
            ffi::PyType_Check(callable) == 0 && ffi::Py_TYPE(callable) != &raw mut ffi::PyCFunction_Type
                || ffi::PyType_Check(callable) != 0 && self.is_of_open_class(callable.cast())
        };
        if may_be_programs {
            self.fill_open_classes()?;
        }
        Ok(())
    }

    /// Before a method of an object's class is called.
    pub(super) fn fill_class_of(&mut self, object: &Bound<'py, PyAny>) -> Result<(), Failure> {
        self.forget_classes();
        if self.is_of_open_class(object.get_type_ptr()) {
            self.fill_open_classes()?;
        }
        Ok(())
    }

    /// Whether a class is being filled, or a base of it.
    fn is_of_open_class(&self, class: *mut ffi::PyTypeObject) -> bool {
        // SAFETY: E5, E7: what an open node has is live; its type is tested.
        let is_below =
            |node: &Node| unsafe { is_class(node) && ffi::PyType_IsSubtype(class, node.object.cast()) != 0 };
        self.classes.iter().filter_map(|open| self.open.get(open.index)).any(is_below)
    }

    fn fill_open_classes(&mut self) -> Result<(), Failure> {
        for at in 0..self.classes.len() {
            let OpenClass { index, slot, filled } = self.classes[at];
            let Some(node) = self.open.get(index).filter(|node| node.slot == slot && is_class(node)) else {
                continue;
            };
            let next = self.open.get(index + 2).map_or(0, |contents| contents.next);
            if next == filled
                || !has_intrinsic(self.region.values, self.region.values[slot as usize], &["make_class"])
            {
                continue;
            }
            self.classes[at].filled = next;
            // SAFETY: E7: live.
            let class = unsafe { Bound::from_borrowed_ptr(self.py, node.object) };
            if let Some((name, dict)) = index.checked_sub(1).and_then(|i| self.name_in_run(&self.open[i])) {
                dict.set_item(name, &class)?;
            }
            let Some(contents) = self.contents_so_far(index)? else { continue };
            self.runtime.engine.bind(self.py).getattr("fill_class_early")?.call1((class, contents))?;
        }
        Ok(())
    }

    /// The name under which a namespace is to have what is being built, and the namespace.
    fn name_in_run(&self, node: &Node) -> Option<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
        let Place::Parts(at) = node.place else { return None };
        let i = node.next.checked_sub(node.base + 1)? as usize;
        if node.kind != RUN || i % 2 == 0 {
            return None;
        }
        let name = *self.parts.get(at + i - 1)?;
        let dict = self.spaces.get(node.slot as usize)?.dict.0;
        // SAFETY: E7: what was built is live; NULL is none.
        unsafe {
            let name = Bound::from_borrowed_ptr_or_opt(self.py, name)?;
            Some((name, Bound::from_borrowed_ptr_or_opt(self.py, dict)?.cast_into().ok()?))
        }
    }

    /// What is built of the contents of the class that the open node `i` makes, if it is these that are being built.
    fn contents_so_far(&self, i: usize) -> PyResult<Option<Bound<'py, PyDict>>> {
        let (Some(state), Some(contents)) = (self.open.get(i + 1), self.open.get(i + 2)) else {
            return Ok(None);
        };
        let is_its = state.kind == tag::TUPLE
            && state.slot == self.open[i].base + 2
            && contents.kind == tag::DICT
            && contents.slot == state.base;
        let Place::Parts(at) = contents.place else { return Ok(None) };
        if !is_its {
            return Ok(None);
        }
        let so_far = PyDict::new(self.py);
        for pair in self.parts[at..at + (contents.end - contents.base) as usize].chunks_exact(2) {
            if pair.iter().all(|part| !part.is_null()) {
                // SAFETY: E7: what was built is live.
                unsafe {
                    let part = |i: usize| Bound::from_borrowed_ptr(self.py, pair[i]);
                    so_far.set_item(part(0), part(1))?;
                }
            }
        }
        Ok(Some(so_far))
    }
}

/// Whether a node makes a class, which is there and is being filled.
fn is_class(node: &Node) -> bool {
    // SAFETY: E7: what an open node has is live.
    node.kind == tag::OBJECT && !node.object.is_null() && unsafe { ffi::PyType_Check(node.object) != 0 }
}
