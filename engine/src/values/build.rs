//! Rebuilding what is no builtin data: arrays, reduce nodes; and completing containers.
//! The program's code may run here.

use super::decode::Decoder;
use super::protocol::{builtin_base, method};
use super::{Object, Strong};
use crate::error::{AdoptError, Failure};
use crate::frame;
use crate::memory;
use crate::runtime::Runtime;
use crate::views;
use numpy::npyffi::{NPY_ARRAY_F_CONTIGUOUS, NPY_ARRAY_WRITEABLE};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use torpor_store::frame::{Array, NONE};
use torpor_store::value::{flag, tag};
use torpor_store::Value;

impl<'py> Decoder<'_, 'py> {
    /// Callable and arguments of a reduce node are there: makes the object.
    pub(super) fn create(&mut self, v: Value, at: usize) -> Result<Object, Failure> {
        let (callable, arguments) = (self.parts[at], self.parts[at + 1]);
        // SAFETY: (whole body) types are tested before use.
        unsafe {
            if arguments.is_null() || ffi::PyTuple_Check(arguments) == 0 {
                return Err(Failure::corrupt("a reduce node has no arguments"));
            }
            if v.flags & flag::NEW == 0 {
                if callable.is_null() || ffi::PyCallable_Check(callable) == 0 {
                    return Err(Failure::corrupt("a reduce node has no callable"));
                }
                self.fill_before_call(v, callable)?;
                let object = self.own(ffi::PyObject_CallObject(callable, arguments))?;
                self.note_greenlet(callable, object, None);
                return Ok(object);
            }
            let n = ffi::PyTuple_Size(arguments);
            if n < 1 || ffi::PyType_Check(ffi::PyTuple_GetItem(arguments, 0)) == 0 {
                return Err(Failure::corrupt("a reduce node has no class"));
            }
            let class = ffi::PyTuple_GetItem(arguments, 0).cast::<ffi::PyTypeObject>();
            let rest = Strong(self.own(ffi::PyTuple_GetSlice(arguments, 1, n))?);
            let mut base = class;
            if v.flags & flag::PLAIN != 0 {
                base = builtin_base(self.py, self.runtime, class, |c| (*c).tp_new.map(|f| f as usize));
            } else {
                self.fill_before_call(v, class.cast())?;
            }
            let Some(new) = (*base).tp_new else {
                return Err(Failure::corrupt("a class cannot be instantiated"));
            };
            self.own(new(class, rest.0, std::ptr::null_mut()))
        }
    }

    /// Makes or completes the object of a node whose children are in `parts[at..]`.
    pub(super) fn complete(
        &mut self,
        kind: u8,
        v: Value,
        object: Object,
        at: usize,
        n: usize,
    ) -> Result<Object, Failure> {
        let py = self.py;
        // SAFETY: a container's parts are live.
        if matches!(kind, tag::DICT | tag::SET) && unsafe { self.is_put_off(kind, object, at, n) } {
            return Ok(object);
        }
        let part = |i: usize| self.parts[at + i];
        // SAFETY: (whole body) parts are live (or NULL where that is tested).
        unsafe {
            match kind {
                tag::LIST => {
                    let items = PyList::empty(py);
                    for i in 0..n {
                        items.append(Bound::from_borrowed_ptr(py, part(i)))?;
                    }
                    let size = ffi::PyList_Size(object);
                    if ffi::PyList_SetSlice(object, size, size, items.as_ptr()) != 0 {
                        return Err(PyErr::fetch(py).into());
                    }
                }
                tag::DICT => {
                    for i in (0..n).step_by(2) {
                        if ffi::PyDict_SetItem(object, part(i), part(i + 1)) != 0 {
                            return Err(PyErr::fetch(py).into());
                        }
                    }
                }
                tag::SET => {
                    for i in 0..n {
                        if ffi::PySet_Add(object, part(i)) != 0 {
                            return Err(PyErr::fetch(py).into());
                        }
                    }
                }
                tag::FROZENSET => {
                    let items = PyTuple::new(py, (0..n).map(|i| Bound::from_borrowed_ptr(py, part(i))))?;
                    return self.own(ffi::PyFrozenSet_New(items.as_ptr()));
                }
                tag::SLICE => return self.own(ffi::PySlice_New(part(0), part(1), part(2))),
                tag::RANGE => return self.range(at),
                tag::ITERATOR if n == 3 => {
                    let range = Strong(self.range(at)?);
                    return self.own(ffi::PyObject_GetIter(range.0));
                }
                tag::ITERATOR => return self.sequence_iterator(part(0), part(1)),
                tag::CELL => {
                    if !part(0).is_null() && ffi::PyCell_Set(object, part(0)) != 0 {
                        return Err(PyErr::fetch(py).into());
                    }
                }
                tag::FUNCTION => self.end_function(object, at)?,
                tag::GENERATOR => self.end_generator(object, v, at)?,
                tag::ARRAY => return self.array(at),
                tag::OBJECT => self.fill_object(object, v, at)?,
                _ => return Err(Failure::corrupt("a value has an unknown tag")),
            }
        }
        Ok(object)
    }

    fn range(&self, at: usize) -> Result<Object, Failure> {
        let range: *mut ffi::PyObject = (&raw mut ffi::PyRange_Type).cast();
        // SAFETY: three live arguments.
        unsafe {
            let args = self.parts.as_ptr().add(at);
            self.own(ffi::PyObject_Vectorcall(range, args, 3, std::ptr::null_mut()))
        }
    }

    fn sequence_iterator(&self, sequence: Object, index: Object) -> Result<Object, Failure> {
        // SAFETY: live objects; the type is tested, so that the iterator is of the kind that has a position.
        unsafe {
            // Those of list and tuple themselves, whatever `__iter__` a subclass has.
            let kind = if ffi::PyList_Check(sequence) != 0 {
                &raw mut ffi::PyList_Type
            } else if ffi::PyTuple_Check(sequence) != 0 {
                &raw mut ffi::PyTuple_Type
            } else {
                return Err(Failure::corrupt("an iterator runs over something else than a list or tuple"));
            };
            let Some(iter) = (*kind).tp_iter else {
                return Err(Failure::corrupt("a sequence cannot be iterated"));
            };
            let iterator = Bound::from_owned_ptr_or_err(self.py, iter(sequence))?;
            let index: isize = Bound::from_borrowed_ptr(self.py, index).extract()?;
            let made = ffi::Py_TYPE(iterator.as_ptr());
            let known = made == &raw mut frame::PyListIter_Type || made == &raw mut frame::PyTupleIter_Type;
            if index < 0 || !known {
                return Err(Failure::corrupt("an iterator's position is none"));
            }
            // Not by its __setstate__: a list that leads back to its iterator has no items yet.
            *iterator.as_ptr().byte_add(frame::ITERATOR_INDEX).cast::<isize>() = index;
            Ok(iterator.into_ptr())
        }
    }

    fn fill_object(&mut self, object: Object, v: Value, at: usize) -> Result<(), Failure> {
        // SAFETY: (whole body) live objects; NULL cannot occur in a reduce node.
        unsafe {
            let py = self.py;
            let o = Bound::from_borrowed_ptr(py, object);
            let part = |i: usize| Bound::from_borrowed_ptr(py, self.parts[at + i]);
            let (state, items, pairs, setter) = (part(2), part(3), part(4), part(5));
            if !items.is_none() {
                self.fill_items(&o, v, &items)?;
            }
            if !pairs.is_none() {
                self.fill_pairs(&o, v, &pairs)?;
            }
            if !setter.is_none() {
                if self.iterator_is_put_off(object, setter.as_ptr(), state.as_ptr())? {
                    return Ok(());
                }
                setter.call1((&o, &state))?;
                let (setter, state) = (setter.as_ptr(), state.clone());
                self.note_greenlet(setter, object, Some(&state));
                return Ok(());
            }
            if state.is_none() {
                return Ok(());
            }
            self.fill_class_of(&o)?;
            let setstate = method(&o, crate::text::intern!(py, "__setstate__"))?;
            // What it has as its attributes may get its items later.
            let is_read = setstate.is_some() || v.flags & flag::OWN_STATE == 0;
            if is_read && self.state_is_put_off(object, state.as_ptr())? {
                return Ok(());
            }
            if let Some(setstate) = setstate {
                setstate.call1((&state,))?;
                return Ok(());
            }
            fill_state(self.runtime, &o, v, state)
        }
    }

    fn fill_items(
        &mut self,
        o: &Bound<'py, PyAny>,
        v: Value,
        items: &Bound<'py, PyAny>,
    ) -> Result<(), Failure> {
        // SAFETY: E5: the type is tested.
        unsafe {
            if v.flags & flag::PLAIN != 0 && ffi::PySet_Check(o.as_ptr()) != 0 {
                if self.items_are_put_off(tag::SET, o, true, items)? {
                    return Ok(());
                }
                for item in items.try_iter()? {
                    if ffi::PySet_Add(o.as_ptr(), item?.as_ptr()) != 0 {
                        return Err(PyErr::fetch(self.py).into());
                    }
                }
                return Ok(());
            }
            if v.flags & flag::PLAIN != 0 && ffi::PyList_Check(o.as_ptr()) != 0 {
                let size = ffi::PyList_Size(o.as_ptr());
                if ffi::PyList_SetSlice(o.as_ptr(), size, size, items.as_ptr()) != 0 {
                    return Err(PyErr::fetch(self.py).into());
                }
                return Ok(());
            }
        }
        match o.getattr_opt(crate::text::intern!(self.py, "extend"))? {
            Some(extend) => {
                extend.call1((items,))?;
            }
            None => {
                for item in items.try_iter()? {
                    o.call_method1(crate::text::intern!(self.py, "append"), (item?,))?;
                }
            }
        }
        Ok(())
    }

    fn fill_pairs(
        &mut self,
        o: &Bound<'py, PyAny>,
        v: Value,
        pairs: &Bound<'py, PyAny>,
    ) -> Result<(), Failure> {
        let plain = v.flags & flag::PLAIN != 0;
        if v.flags & flag::IN_TURN != 0 {
            return self.fill_in_turn(o, plain, pairs);
        }
        if self.items_are_put_off(tag::OBJECT, o, plain, pairs)? {
            return Ok(());
        }
        for pair in pairs.try_iter()? {
            let pair = pair?;
            self.set_pair(o, plain, &pair.get_item(0)?, &pair.get_item(1)?)?;
        }
        Ok(())
    }

    fn fill_in_turn(
        &mut self,
        o: &Bound<'py, PyAny>,
        plain: bool,
        items: &Bound<'py, PyAny>,
    ) -> Result<(), Failure> {
        let items = items.cast_exact::<PyList>().ok().filter(|items| items.len() % 2 == 0);
        let items = items.ok_or_else(|| Failure::corrupt("an object has a key without a value"))?;
        if self.items_are_put_off(tag::DICT, o, plain, items)? {
            return Ok(());
        }
        let mut all = items.iter();
        while let (Some(key), Some(value)) = (all.next(), all.next()) {
            self.set_pair(o, plain, &key, &value)?;
        }
        Ok(())
    }

    /// Sets an item of an object; a plain one's by the nearest base that no class statement made.
    pub(super) fn set_pair(
        &self,
        o: &Bound<'py, PyAny>,
        plain: bool,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> Result<(), Failure> {
        let of = |class: *mut ffi::PyTypeObject| {
            // SAFETY: E5: a live class.
            unsafe { (*class).tp_as_mapping.as_ref().and_then(|m| m.mp_ass_subscript) }
        };
        if plain {
            // SAFETY: E5: slots of a live class, called with an object of it and live arguments.
            unsafe {
                let class = ffi::Py_TYPE(o.as_ptr());
                let base = builtin_base(self.py, self.runtime, class, |c| of(c).map(|f| f as usize));
                if let Some(set) = of(base) {
                    if set(o.as_ptr(), key.as_ptr(), value.as_ptr()) != 0 {
                        return Err(PyErr::fetch(self.py).into());
                    }
                    return Ok(());
                }
            }
        }
        Ok(o.set_item(key, value)?)
    }

    fn array(&mut self, at: usize) -> Result<Object, Failure> {
        let bad = Failure::corrupt;
        // SAFETY: the part is live.
        let index: u32 = unsafe { Bound::from_borrowed_ptr(self.py, self.parts[at + 2]) }
            .extract()
            .map_err(|_| bad("an array has no index"))?;
        let a =
            *self.region.arrays.get(index as usize).ok_or_else(|| bad("an array index is out of range"))?;
        let ndim = a.ndim as usize;
        if ndim > 64 {
            return Err(bad("an array has more than 64 dimensions"));
        }
        let dims = self
            .region
            .dims
            .get(a.shape as usize..)
            .and_then(|d| d.get(..2 * ndim))
            .ok_or_else(|| bad("an array's shape lies outside of the dimensions"))?;
        let (shape, strides) = dims.split_at(ndim);
        // SAFETY: the part is live.
        let dtype = unsafe { Bound::from_borrowed_ptr(self.py, self.parts[at + 1]) };
        let descr = self.runtime.dtype(self.py, &dtype)?;
        let itemsize: usize = descr.getattr(crate::text::intern!(self.py, "itemsize"))?.extract()?;
        let of_objects = descr.getattr(crate::text::intern!(self.py, "hasobject"))?.is_truthy()?;
        if itemsize != a.itemsize as usize || of_objects && a.flags & Array::VIEW == 0 {
            return Err(bad("an array's element type is not as its size says"));
        }
        let mut elements = 1usize;
        for n in shape {
            let n = usize::try_from(*n).map_err(|_| bad("an array has a negative dimension"))?;
            elements = elements.checked_mul(n).ok_or_else(|| bad("an array is too large"))?;
        }
        let nbytes = elements.checked_mul(itemsize).ok_or_else(|| bad("an array is too large"))?;
        let mut flags = if a.flags & Array::READ_ONLY == 0 { NPY_ARRAY_WRITEABLE } else { 0 };
        if a.flags & Array::VIEW != 0 {
            // SAFETY: the part is live.
            let owner = unsafe { Bound::from_borrowed_ptr(self.py, self.parts[at]) };
            return views::view(&descr, shape, strides, a.offset as i64, &owner, flags);
        }
        if nbytes as u64 != a.nbytes {
            return Err(bad("an array's shape does not fit its bytes"));
        }
        if a.flags & Array::FORTRAN != 0 {
            flags |= NPY_ARRAY_F_CONTIGUOUS;
        }
        if a.extent == NONE {
            let offset = u32::try_from(a.offset).map_err(|_| bad("an array lies outside of the data"))?;
            let bytes = self.region.bytes(offset, nbytes as u32)?;
            return memory::small(self.py, &descr, shape, bytes, flags);
        }
        let extent = *self
            .region
            .extents
            .get(a.extent as usize)
            .ok_or_else(|| bad("an extent index is out of range"))?;
        if extent.length != a.nbytes || a.offset != 0 {
            return Err(bad("an array does not fit its extent"));
        }
        if self.mapping.is_none() {
            let mapping = self.snapshot()?.map(self.writable)?;
            self.memory = Some(Strong(memory::handler(self.py, mapping.clone())?.into_ptr()));
            self.mapping = Some(mapping);
        }
        let (Some(mapping), Some(handler)) = (&self.mapping, &self.memory) else {
            return Err(bad("an array has no memory"));
        };
        if !self.writable {
            flags &= !NPY_ARRAY_WRITEABLE;
        }
        // SAFETY: the handler is live.
        let handler = unsafe { Bound::from_borrowed_ptr(self.py, handler.0) };
        memory::adopted(self.py, &descr, shape, mapping, extent.offset, extent.length, flags, &handler)
    }
}

/// Gives an object the state that it had: its attributes, then its slots.
fn fill_state<'py>(
    runtime: &Runtime,
    o: &Bound<'py, PyAny>,
    v: Value,
    state: Bound<'py, PyAny>,
) -> Result<(), Failure> {
    let py = o.py();
    let own = v.flags & flag::OWN_STATE != 0;
    let (mut state, mut slots) = (state, None);
    if let Ok(both) = state.clone().cast_into::<PyTuple>() {
        if both.len() == 2 {
            state = both.get_item(0)?;
            slots = Some(both.get_item(1)?);
        }
    }
    // SAFETY: (whole block) E5: live objects, types tested; what the generic functions return is tested.
    unsafe {
        if let Ok(attributes) = state.cast::<PyDict>() {
            // More than the node (or the pair) and we have it: it stays one object with the instance's.
            if own && ffi::PyDict_CheckExact(state.as_ptr()) != 0 && ffi::Py_REFCNT(state.as_ptr()) > 2 {
                // By the class's descriptor: only that one takes the values over that lie in the object.
                let name = crate::text::intern!(py, "__dict__");
                if ffi::PyObject_GenericSetAttr(o.as_ptr(), name.as_ptr(), state.as_ptr()) != 0 {
                    return Err(PyErr::fetch(py).into());
                }
            } else {
                let target = if own {
                    let dict = ffi::PyObject_GenericGetDict(o.as_ptr(), std::ptr::null_mut());
                    Bound::from_owned_ptr_or_err(py, dict)?
                } else {
                    o.getattr(crate::text::intern!(py, "__dict__"))?
                };
                let target = target.cast::<PyDict>().map_err(PyErr::from)?;
                for (key, value) in attributes.iter() {
                    let mut key = key.into_ptr();
                    if ffi::Py_TYPE(key) == &raw mut ffi::PyUnicode_Type {
                        ffi::PyUnicode_InternInPlace(&mut key);
                    }
                    target.set_item(Bound::from_owned_ptr(py, key), value)?;
                }
            }
        }
        if let Some(slots) = slots.filter(|s| !s.is_none()) {
            let slots = slots.cast_into::<PyDict>().map_err(PyErr::from)?;
            for (key, value) in slots.iter() {
                let key = key.cast::<PyString>().map_err(PyErr::from)?;
                if !own {
                    o.setattr(key, value)?;
                } else if key.to_string_lossy().contains('.') {
                    let member = runtime.engine.bind(py).getattr("hidden_slot")?;
                    let member = member.call1((o.get_type(), key)).or_else(|e| {
                        let why = super::text_of(e.value(py).str()?.as_any());
                        Err(Failure::from(AdoptError::Missing(why)))
                    })?;
                    member.call_method1("__set__", (o, value))?;
                } else if ffi::PyObject_GenericSetAttr(o.as_ptr(), key.as_ptr(), value.as_ptr()) != 0 {
                    return Err(PyErr::fetch(py).into());
                }
            }
        }
    }
    Ok(())
}
