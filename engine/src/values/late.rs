//! Dicts and sets with keys that cannot be hashed yet: an object, or the class of one, that is still being filled
//! because a cycle came round through the container; objects of classes below them likewise. They get their items as soon as that is done; and iterators over
//! containers that hold them get their place when those have all their items.

use super::decode::{Decoder, Node, PASSED};
use super::encode::RUN;
use super::{Object, Strong};
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::value::tag;

/// The kind of an object whose state is a container without its items.
const STATE: u8 = 0xf0;

/// A container without its items, and these: keys and values in turn (also those of an OBJECT), or the items of a set.
/// An iterator without its place: the function that gives it to it, the parts, and what those wait for: the container, or
/// a class of theirs. Likewise an object without its state, which `__setstate__` gives to it.
pub(super) struct Late {
    kind: u8,
    object: Strong,
    items: Vec<Strong>,
    /// The items of an OBJECT are set below its class's methods.
    plain: bool,
}

impl Late {
    /// Its keys.
    fn keys(&self) -> impl Iterator<Item = Object> + '_ {
        self.items.iter().step_by(if self.kind == tag::SET { 1 } else { 2 }).map(|item| item.0)
    }
}

impl Decoder<'_, '_> {
    /// The objects that exist and are still being filled: those of the open nodes, and those that wait for their state.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = Object> + '_ {
        let being_filled = |node: &&Node| node.kind == tag::OBJECT && !node.object.is_null();
        let waiting = self.late.iter().filter(|one| one.kind == STATE).map(|one| one.object.0);
        self.open.iter().filter(being_filled).map(|node| node.object).chain(waiting)
    }

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
            self.late.push(Late { kind, object: Strong::borrowed(object), items, plain: false });
        }
        true
    }

    /// Likewise the items of an object: those of a set, pairs, or (DICT) keys and values in turn.
    pub(super) fn items_are_put_off(
        &mut self,
        kind: u8,
        object: &Bound<'_, PyAny>,
        plain: bool,
        given: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if self.unfinished().next().is_none() {
            return Ok(false);
        }
        let mut items = Vec::new();
        for item in given.try_iter()? {
            let item = item?;
            if kind != tag::OBJECT {
                items.push(Strong(item.into_ptr()));
            } else {
                items.push(Strong(item.get_item(0)?.into_ptr()));
                items.push(Strong(item.get_item(1)?.into_ptr()));
            }
        }
        // SAFETY: E5: a live object.
        let object = unsafe { Strong::borrowed(object.as_ptr()) };
        let kind = if kind == tag::DICT { tag::OBJECT } else { kind };
        let late = Late { kind, object, items, plain };
        // SAFETY: E7: what is late is held.
        let waits = late.keys().any(|key| unsafe { self.is_unfinished(key) });
        if waits {
            self.late.push(late);
        }
        Ok(waits)
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

    /// Whether an object, or something in a tuple, is of a class that is being filled.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn is_of_unfinished(&self, object: Object) -> bool {
        // SAFETY: (whole body) types are tested before use; a class has a tuple of its bases while it lives.
        unsafe {
            let class = ffi::Py_TYPE(object);
            if class == &raw mut ffi::PyTuple_Type {
                let items = 0..ffi::PyTuple_Size(object);
                return items.into_iter().any(|i| self.is_of_unfinished(ffi::PyTuple_GetItem(object, i)));
            }
            let mut classes = self.unfinished().filter(|open| ffi::PyType_Check(*open) != 0);
            classes.any(|open| ffi::PyType_IsSubtype(class, open.cast()) != 0)
        }
    }

    /// Puts off giving an iterator its place (`setter`, with these parts) if its container has not all its items yet.
    ///
    /// # Safety
    /// All are live; the GIL is held.
    pub(super) unsafe fn iterator_is_put_off(
        &mut self,
        object: Object,
        setter: Object,
        parts: Object,
    ) -> Result<bool, Failure> {
        let engine = self.runtime.engine.bind(self.py);
        let put_off = |late: &mut Vec<Late>, waits_for: Object| {
            // SAFETY: live, as the caller promises.
            let [object, setter, parts, waits_for] =
                [object, setter, parts, waits_for].map(|part| unsafe { Strong::borrowed(part) });
            let items = vec![setter, parts, waits_for];
            late.push(Late { kind: tag::ITERATOR, object, items, plain: false });
        };
        if engine.getattr("fill_iterator")?.as_ptr() == setter {
            // What it runs over is no iterator before its class has its methods.
            // SAFETY: as the caller promises.
            let waits = self.unfinished().next().is_some() && unsafe { self.is_of_unfinished(parts) };
            if waits {
                put_off(&mut self.late, parts);
            }
            return Ok(waits);
        }
        if engine.getattr("fill_attached")?.as_ptr() != setter {
            return Ok(false);
        }
        // SAFETY: (whole body) types are tested before use.
        unsafe {
            let first = |o: Object| match ffi::PyTuple_Check(o) != 0 && ffi::PyTuple_Size(o) > 0 {
                true => ffi::PyTuple_GetItem(o, 0),
                false => std::ptr::null_mut(),
            };
            let container = match first(parts) {
                tuple if !tuple.is_null() => first(tuple),
                none => none,
            };
            if container.is_null() || !self.is_without_items(container) {
                return Ok(false);
            }
            put_off(&mut self.late, container);
        }
        Ok(true)
    }

    /// Puts off giving an object its state if that is a container, or a tuple of containers, that has not all its items
    /// yet: something else holds it, and a cycle came round through it.
    ///
    /// # Safety
    /// Both are live; the GIL is held.
    pub(super) unsafe fn state_is_put_off(&mut self, object: Object, state: Object) -> Result<bool, Failure> {
        // SAFETY: (whole body) as the caller promises; types are tested before use.
        unsafe {
            // What only the object has, nothing can lead back to: two references are those of the walk.
            let is_open = |part: &Object| ffi::Py_REFCNT(*part) > 2 && self.is_without_items(*part);
            let container = match ffi::PyTuple_CheckExact(state) != 0 {
                true => (0..ffi::PyTuple_Size(state)).map(|i| ffi::PyTuple_GetItem(state, i)).find(is_open),
                false => Some(state).filter(is_open),
            };
            let Some(container) = container else { return Ok(false) };
            let setter = self.runtime.engine.bind(self.py).getattr("set_state")?;
            let items =
                [setter.as_ptr(), state, container].map(|part| Strong::borrowed(part)).into_iter().collect();
            self.late.push(Late { kind: STATE, object: Strong::borrowed(object), items, plain: false });
        }
        Ok(true)
    }

    /// Whether a container is still being filled, or waits for its items.
    fn is_without_items(&self, container: Object) -> bool {
        let mut late = self.late.iter().filter(|one| !matches!(one.kind, tag::ITERATOR | STATE));
        let is_open = |node: &Node| match node.kind {
            RUN => self.spaces.get(node.slot as usize).is_some_and(|space| space.dict.0 == container),
            PASSED => false,
            _ => node.object == container,
        };
        self.open.iter().any(is_open) || late.any(|one| one.object.0 == container)
    }

    fn is_ready(&self, one: &Late) -> bool {
        match (one.kind, one.items.get(2)) {
            (STATE, Some(awaited)) => !self.is_without_items(awaited.0),
            (tag::ITERATOR, Some(awaited)) => {
                // SAFETY: what is late is held.
                !self.is_without_items(awaited.0) && !unsafe { self.is_of_unfinished(awaited.0) }
            }
            (STATE | tag::ITERATOR, None) => true,
            // SAFETY: what is late is held.
            _ => unsafe { !one.keys().any(|key| self.is_unfinished(key)) },
        }
    }

    /// Gives their items to the containers that can have them by now, and their places to iterators. Runs the
    /// `__hash__` of keys.
    pub(super) fn fill_late(&mut self) -> Result<(), Failure> {
        while let Some(ready) = self.late.iter().position(|one| self.is_ready(one)) {
            let one = self.late.remove(ready);
            if let (tag::ITERATOR | STATE, [setter, parts, _]) = (one.kind, &one.items[..]) {
                // SAFETY: live objects.
                let made = unsafe {
                    ffi::PyObject_CallFunctionObjArgs(
                        setter.0,
                        one.object.0,
                        parts.0,
                        std::ptr::null_mut::<ffi::PyObject>(),
                    )
                };
                drop(Strong(self.own(made)?));
                continue;
            }
            let mut items = one.items.iter();
            while let Some(key) = items.next() {
                // SAFETY: live objects; nobody but the program has the container, and it is of that type.
                let failed = unsafe {
                    match one.kind {
                        tag::OBJECT => {
                            let object = Bound::from_borrowed_ptr(self.py, one.object.0);
                            let value = items.next().map_or(key.0, |value| value.0);
                            let (key, value) = (
                                Bound::from_borrowed_ptr(self.py, key.0),
                                Bound::from_borrowed_ptr(self.py, value),
                            );
                            self.set_pair(&object, one.plain, &key, &value)?;
                            false
                        }
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
        Ok(())
    }
}
