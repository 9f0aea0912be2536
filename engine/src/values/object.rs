//! Objects that are no builtin data: code, classes, modules, cells, and everything that
//! says itself how it is rebuilt (`__reduce_ex__`). The program's code may run here.

use super::content::kind_of;
use super::encode::Encoder;
use super::protocol::Protocol;
use super::{dict_items, Object, Strong};
use crate::code;
use crate::error::{tried, Failure};
use crate::frame;
use crate::metaclass::{find, key};
use pyo3::exceptions::{PyAttributeError, PyException, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use torpor_store::region::Flags;
use torpor_store::value::{flag, tag, OBJECT_CHILDREN};
use torpor_store::Value;

impl<'py> Encoder<'py> {
    /// Writes an object of any other kind.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn object(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let o = object.0;
        // SAFETY: (whole body) `o` is live.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            if kind == &raw mut ffi::PyFunction_Type {
                return self.function(object, slot);
            }
            if kind == &raw mut ffi::PyCell_Type {
                return self.cell(object, slot);
            }
            if frame::generator::is_generator_type(kind) {
                return self.generator(object, slot);
            }
            if ffi::PyType_Check(o) != 0 {
                return self.class(object, slot);
            }
            if ffi::PyModule_Check(o) != 0 {
                return self.module(object, slot);
            }
            if kind == &raw mut ffi::PyCode_Type {
                let index = self.code_index(o)?;
                self.set(slot, Value::atom(tag::CODE, u64::from(index)));
                self.note(object, slot);
                return Ok(());
            }
            if kind == &raw mut ffi::PyFrame_Type {
                return self.frame_object(object, slot);
            }
            if self.runtime.is_ndarray(kind) && self.array(&object, slot)? {
                return Ok(());
            }
            if self.direct(&object, slot)? {
                return Ok(());
            }
            if let Some(protocol) = self.known_way(o) {
                return self.by_protocol(object, slot, protocol);
            }
            self.reduce(object, slot)
        }
    }

    /// The index of a code object's record, written on the first use.
    ///
    /// # Safety
    /// `code` is a live code object; the GIL is held.
    pub unsafe fn code_index(&mut self, code: Object) -> Result<u32, Failure> {
        // SAFETY: as the caller promises.
        let entry = unsafe { code::entry(self.runtime, code)? };
        let (capture, index) = entry.written.get();
        if capture == self.work.number {
            return Ok(index);
        }
        let index = self.out.push_code(entry.hash, &entry.record, entry.checksum);
        entry.written.set((self.work.number, index));
        // SAFETY: as the caller promises.
        self.work.codes.push(unsafe { Strong::borrowed(code) });
        Ok(index)
    }

    pub(super) fn global(&mut self, object: Strong, slot: u32, name: &str, hash: Option<u128>) {
        let mut flags = 0;
        if let Some(hash) = hash {
            flags = flag::HASHED;
            self.out.push_bytes(&hash.to_le_bytes());
        }
        let at = self.out.push_text(name.as_bytes());
        self.set(slot, Value::new(tag::GLOBAL, flags, name.len() as u32, u64::from(at)));
        self.out.flags |= Flags::RUNS_CODE;
        self.note(object, slot);
    }

    /// Writes the namespace of a class as what it is, by its class.
    pub(super) fn class_dict(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let Some(class) = self.work.class_dicts.get(&(object.0 as usize)) else { return Ok(()) };
        // SAFETY: live while it is in the map.
        let class = unsafe { Bound::from_borrowed_ptr(self.py, class.0) };
        let made = self.runtime.engine.bind(self.py).getattr("class_namespace")?;
        let reduced = PyTuple::new(self.py, [made, PyTuple::new(self.py, [class])?.into_any()]);
        self.reduced(object, slot, reduced.map(Bound::into_any))
    }

    /// # Safety
    /// `object` is a live cell; the GIL is held.
    unsafe fn cell(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let base = self.reserve(1)?;
        self.set(slot, Value::new(tag::CELL, 0, 1, u64::from(base)));
        // SAFETY: a live cell; NULL without an exception if it is empty.
        let contents = unsafe { ffi::PyCell_Get(object.0) };
        let empty = contents.is_null() || self.work.empty_cells.contains(&(object.0 as usize));
        self.note(object, slot);
        if !contents.is_null() {
            let contents = Strong(contents);
            // SAFETY: live.
            if !empty && unsafe { self.put(contents.0, base)? } {
                self.open(tag::CELL, base, 1, slot, None);
            }
        }
        Ok(())
    }

    /// Asks the object how it is rebuilt and writes the answer.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn reduce(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: live.
        let any = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        let kind = any.get_type();
        let reducers = self.runtime.reducers.bind(self.py);
        if (kind.is(self.runtime.module_lock.bind(self.py))
            || kind.is(self.runtime.import_lock_context.bind(self.py)))
            && self.work.import_locks.iter().all(|lock| lock.0 != object.0)
        {
            self.refuse(slot, "it is the lock of an import that is not under way in this stack".into());
            return Ok(());
        }
        // SAFETY: live.
        let reduced = if unsafe { ffi::PyExceptionInstance_Check(object.0) } != 0 {
            let made = self.runtime.engine.bind(self.py).getattr("reduce_exception")?;
            made.call1((&any, self.is_being_made(object.0)))
        // SAFETY: live.
        } else if unsafe { ffi::PyTraceBack_Check(object.0) } != 0 {
            self.traceback_entry(&any)
        } else if let Some(reduced) = self.of_context(&any)? {
            // SAFETY: live.
            unsafe { self.note_named_in_state(object.0, slot)? };
            reduced
        } else if let Some(place) = self.place_in_class(&any)? {
            Ok(place)
        } else if let Some(reducer) = find(reducers, &kind)? {
            let stateful = self.runtime.engine.bind(self.py).getattr("STATEFUL")?;
            // SAFETY: live.
            if stateful.contains(key(&kind)?)? && unsafe { self.owned(&object, slot)? } {
                return Ok(());
            }
            reducer.call1((&any,)).and_then(|parts| self.attached(parts))
        } else if let Some(reducer) = find(self.runtime.dispatch_table.bind(self.py), &kind)? {
            reducer.call1((&any,))
        } else if let Some(reduced) = self.of_array(&any)? {
            reduced
        // SAFETY: live.
        } else if unsafe { ffi::PyWeakref_Check(object.0) } != 0 {
            self.weak_reference(&any)?
        } else if self.runtime.is_thread(any.get_type_ptr()) {
            self.runtime.engine.bind(self.py).getattr("reduce_thread")?.call1((&any,))
        } else if is_greenlet(&any) {
            match self.greenlet(&any, slot)? {
                Some(reduced) => reduced,
                None => return Ok(()),
            }
        } else {
            let protocol = self.protocol(&kind)?;
            self.note_way(&kind, &protocol)?;
            return self.by_protocol(object, slot, protocol);
        };
        self.reduced(object, slot, reduced)
    }

    /// Writes an object of whose class nothing is known but its protocol.
    pub(super) fn by_protocol(
        &mut self,
        object: Strong,
        slot: u32,
        protocol: Protocol<'py>,
    ) -> Result<(), Failure> {
        // SAFETY: E5: live.
        let any = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        let kind = any.get_type();
        // SAFETY: live.
        if self.has_identity(&kind, &protocol) && unsafe { self.owned(&object, slot)? } {
            return Ok(());
        }
        if matches!(protocol, Protocol::Member) && self.named_in_state(&kind)? != 0 {
            self.work.named_in_state.push((slot, kind_of(&any)? as u16));
        }
        if matches!(protocol, Protocol::Default { .. }) {
            if let Some(place) = self.mark_of_class(&any)? {
                return self.reduced(object, slot, Ok(place));
            }
        }
        let protocol = self.protocol_at_work(&any, protocol)?;
        let reduced = protocol.reduce(self.runtime, &any);
        if reduced.as_ref().is_ok_and(|parts| self.is_looked_up_in_open_class(&any, parts)) {
            let why = "it is looked up in its class when it is rebuilt, and its class, which travels, does not have it yet \
                       then; define the class in a module that the adopter imports";
            self.refuse(slot, why.into());
            return Ok(());
        }
        if reduced.as_ref().is_err_and(|e| e.is_instance_of::<PyException>(self.py)) {
            let known = self.runtime.engine.bind(self.py).getattr("reduce_of_library")?.call1((&any,));
            if known.as_ref().is_ok_and(|known| !known.is_none()) {
                return self.reduced(object, slot, known);
            }
            // SAFETY: E5: live. Of what cannot be taken apart, a name is left if a module has it under one.
            if unsafe { self.owned(&object, slot)? } {
                return Ok(());
            }
            if known.is_err() {
                return self.reduced(object, slot, known);
            }
            let is_unset = |e: &PyErr| e.is_instance_of::<PyAttributeError>(self.py);
            if reduced.as_ref().is_err_and(is_unset) {
                let parts = self.runtime.engine.bind(self.py).getattr("reduce_unfinished")?.call1((&any,));
                if let Some(parts) = tried(self.py, parts)?.filter(|parts| !parts.is_none()) {
                    return self.reduced(object, slot, Ok(parts));
                }
            }
        }
        self.reduced_as(object, slot, reduced, protocol.flags())
    }

    /// A property or wrapped method that a class of the adopter's has: its class and name.
    fn place_in_class(&self, object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let engine = self.runtime.engine.bind(self.py);
        if find(self.runtime.class_members.bind(self.py), &object.get_type())?.is_none() {
            return Ok(None);
        }
        let found = engine.getattr("place_in_class")?.call1((object,))?;
        let Ok((module, class, name)) = found.extract::<(String, Bound<'_, PyAny>, Bound<'_, PyAny>)>()
        else {
            return Ok(None);
        };
        if self.policy.travels(&module) {
            return Ok(None);
        }
        let made = engine.getattr("class_member")?;
        Ok(Some((made, (class, name)).into_pyobject(self.py)?.into_any()))
    }

    /// An iterator over a set or deque is made when the container is whole: one that the container leads to, or one
    /// of its items, cannot.
    fn attached(&mut self, parts: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.note_flushed()?;
        let engine = self.runtime.engine.bind(self.py);
        let Ok(pair) = parts.cast::<PyTuple>() else { return Ok(parts) };
        let made = pair.get_item(0)?;
        let of_set = made.is(engine.getattr("make_set_iterator")?);
        if !of_set && !made.is(engine.getattr("make_deque_iterator")?) {
            return Ok(parts);
        }
        let container = pair.get_item(1)?.get_item(0)?;
        let is_open = |o: Object| {
            let written = self.known(o);
            written.is_some_and(|slot| self.work.open.iter().any(|node| node.slot == slot))
        };
        let mut unfinished = is_open(container.as_ptr());
        if of_set && !unfinished {
            for part in engine.getattr("key_parts")?.call1((container,))?.try_iter()? {
                unfinished |= is_open(part?.as_ptr());
            }
        }
        if unfinished {
            return Err(PyTypeError::new_err(
                "what it iterates over leads back to it; hold the iterator outside of its container",
            ));
        }
        Ok(parts)
    }

    /// Whether it is the type parameter of something that travels.
    fn is_of_what_travels(&self, parts: &Bound<'py, PyAny>) -> bool {
        let owner = parts.get_item(1).and_then(|arguments| arguments.get_item(0));
        let module = owner.and_then(|owner| owner.getattr(crate::text::intern!(self.py, "__module__")));
        let is_parameter = |parts: &Bound<'py, PyAny>| {
            let made = self.runtime.engine.bind(self.py).getattr("type_parameter_of");
            matches!((parts.get_item(0), made), (Ok(callable), Ok(made)) if callable.is(&made))
        };
        is_parameter(parts) && module.map_or(true, |module| self.policy.travels(&super::text_of(&module)))
    }

    pub(super) fn reduced(
        &mut self,
        object: Strong,
        slot: u32,
        reduced: PyResult<Bound<'py, PyAny>>,
    ) -> Result<(), Failure> {
        self.reduced_as(object, slot, reduced, 0)
    }

    pub(super) fn reduced_as(
        &mut self,
        object: Strong,
        slot: u32,
        reduced: PyResult<Bound<'py, PyAny>>,
        flags: u8,
    ) -> Result<(), Failure> {
        // SAFETY: live.
        let any = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        let kind = any.get_type();
        let reduced = match reduced {
            Ok(r) => r,
            Err(e) => return self.will_not(&kind, slot, e),
        };
        if let Ok(name) = reduced.cast::<PyString>() {
            let module = self.module_of_global(&any, name)?;
            match module {
                Some(full) => self.global(object, slot, &full, None),
                None => {
                    // SAFETY: live.
                    unsafe { self.note_named_in_state(object.0, slot)? };
                    let engine = self.runtime.engine.bind(self.py);
                    let ask = |stays: bool| engine.getattr("reduce_nameless")?.call1((&any, stays));
                    let mut made = ask(true);
                    if made.as_ref().is_ok_and(|made| self.is_of_what_travels(made)) {
                        made = ask(false);
                    }
                    if made.as_ref().map_or(true, |made| !made.is_none()) {
                        return self.reduced(object, slot, made);
                    }
                    let name = super::text_of(name);
                    self.refuse(slot, format!("'{name}' is not found in any module by that name"));
                }
            }
            return Ok(());
        }
        let (Ok(parts), n) = (reduced.cast::<PyTuple>(), reduced.len().unwrap_or(0)) else {
            self.refuse(slot, "__reduce_ex__ returned neither a text nor a tuple".into());
            return Ok(());
        };
        if !(2..=6).contains(&n) || !parts.get_item(1)?.is_instance_of::<PyTuple>() {
            self.refuse(slot, "__reduce_ex__ returned a tuple that is no (callable, arguments, ...)".into());
            return Ok(());
        }
        // What they iterate over may be the program's, and not whole.
        let mut lists = [None, None];
        let mut in_turn = 0;
        for (i, list) in lists.iter_mut().enumerate().take(n.saturating_sub(3)) {
            let items = parts.get_item(3 + i)?;
            if i == 1 && !items.is_none() {
                // SAFETY: live.
                if let Some(all) = unsafe { dict_items::in_turn(&any, &items)? } {
                    in_turn = flag::IN_TURN;
                    *list = Some(all.into_any());
                    continue;
                }
            }
            if !items.is_none() {
                // SAFETY: live; the list is a new reference.
                let made =
                    unsafe { Bound::from_owned_ptr_or_err(self.py, ffi::PySequence_List(items.as_ptr())) };
                match made {
                    Ok(made) => *list = Some(made),
                    Err(e) => return self.will_not(&kind, slot, e),
                }
            }
        }
        let times = self.work.constructing.entry(object.0 as usize).or_insert(0);
        *times += 1;
        if *times > 3 {
            self.refuse(slot, "its constructor's arguments contain the object itself".into());
            return Ok(());
        }
        self.out.flags |= Flags::RUNS_CODE;
        let base = self.reserve(OBJECT_CHILDREN as usize)?;
        let new = parts.get_item(0)?.is(self.runtime.newobj.bind(self.py));
        self.set(
            slot,
            Value::new(
                tag::OBJECT,
                in_turn | if new { flag::NEW | flags } else { flags & flag::NAMED },
                OBJECT_CHILDREN,
                u64::from(base),
            ),
        );
        for i in 0..OBJECT_CHILDREN as usize {
            let child = base + i as u32;
            let part = if i < n { Some(parts.get_item(i)?) } else { None };
            match part {
                None => self.set(child, Value::NONE),
                Some(_) if i == 0 && new => self.set(child, Value::NONE),
                Some(p) if p.is_none() => self.set(child, Value::NONE),
                Some(_) if i == 3 || i == 4 => {
                    if let Some(list) = &lists[i - 3] {
                        // SAFETY: live.
                        unsafe { self.put(list.as_ptr(), child)? };
                    }
                }
                // SAFETY: live.
                Some(p) => unsafe {
                    self.put(p.as_ptr(), child)?;
                },
            }
        }
        self.work.keep.push(Strong(reduced.into_ptr()));
        self.open(tag::OBJECT, base, OBJECT_CHILDREN, slot, Some(object));
        Ok(())
    }
}

/// Whether an object's class is greenlet or below it; the package is not imported for the question.
fn is_greenlet(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: live types' names, down the chain of bases.
    unsafe {
        let mut class = object.get_type_ptr();
        while !class.is_null() {
            if std::ffi::CStr::from_ptr((*class).tp_name) == c"greenlet.greenlet" {
                return true;
            }
            class = (*class).tp_base;
        }
        false
    }
}
