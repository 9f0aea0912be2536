//! Classes: by their name, or by value. Those that `type` itself makes, as in most programs, are taken apart as
//! `reduce_class` (`python/classes.py`) does it for all, which says what the parts are, but without its detours.

use super::encode::Encoder;
use super::protocol::version_of;
use super::{Object, Strong};
use crate::error::Failure;
use crate::gained::CLASSES_KEPT;
use crate::metaclass::own;
use crate::runtime::ClassName;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use std::rc::Rc;

/// What is done with something that a class has under a name.
enum Part {
    Contents,
    /// It is set when the class is made, and is no part of its contents.
    MadeBefore,
    /// It comes with every class.
    MadeAnyway,
    /// `reduce_class` has to look.
    Unknown,
}

impl Part {
    fn of(name: &str, value: &Bound<'_, PyAny>, has_slots: bool) -> Part {
        // SAFETY: E5: live.
        let kind = unsafe { ffi::Py_TYPE(value.as_ptr()) };
        let of_c = [
            &raw mut ffi::PyWrapperDescr_Type,
            &raw mut ffi::PyMethodDescr_Type,
            &raw mut ffi::PyClassMethodDescr_Type,
        ];
        match name {
            _ if of_c.contains(&kind) => Part::Unknown,
            "_abc_impl" | "__abstractmethods__" => Part::MadeAnyway,
            "__module__" | "__qualname__" if !value.is_none() => Part::MadeAnyway,
            "__orig_bases__" | "__slots__" if !value.is_none() => Part::MadeBefore,
            "__dict__" | "__weakref__" if kind == &raw mut ffi::PyGetSetDescr_Type => Part::MadeAnyway,
            "_fields_" => Part::Unknown,
            _ if has_slots && kind == &raw mut ffi::PyMemberDescr_Type => Part::MadeAnyway,
            _ => Part::Contents,
        }
    }
}

/// When what a class has is written: before all else that for which nothing has to be called, and which the rest may need
/// to be made, as methods; then the classes in it.
fn turn(value: &Bound<'_, PyAny>) -> u8 {
    // SAFETY: E5: live.
    let kind = unsafe { ffi::Py_TYPE(value.as_ptr()) };
    let needed = [
        &raw mut ffi::PyFunction_Type,
        &raw mut ffi::PyStaticMethod_Type,
        &raw mut ffi::PyClassMethod_Type,
        &raw mut ffi::PyProperty_Type,
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyMemberDescr_Type,
        &raw mut ffi::PyGetSetDescr_Type,
    ];
    match kind {
        _ if needed.contains(&kind) || value.is_none() => 0,
        _ if kind == &raw mut ffi::PyType_Type => 1,
        _ => 2,
    }
}

impl<'py> Encoder<'py> {
    /// # Safety
    /// `object` is a live class; the GIL is held.
    pub(super) unsafe fn class(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: live.
        let class = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        let version = version_of(class.cast::<PyType>().map_err(PyErr::from)?);
        if let Some(name) = self.known_class_name(&class, version)? {
            self.named_class(object, slot, &name);
            return Ok(());
        }
        let module = own(&class, crate::text::intern!(self.py, "__module__"));
        let qualname = own(&class, crate::text::intern!(self.py, "__qualname__"));
        if let (Ok(module), Ok(qualname)) = (module, qualname) {
            if let Some(name) = self.name_of(&class, &module, &qualname)? {
                let no_code = std::ptr::null_mut();
                let home = PyString::new(self.py, name.split(':').next().unwrap_or_default());
                // SAFETY: no code.
                if !is_heap(object.0) || !unsafe { self.is_made_later(&class, &home, &qualname, no_code)? } {
                    self.remember_class_name(version, &home, &qualname, &name)?;
                    self.named_class(object, slot, &name);
                    return Ok(());
                }
            }
            if let Some(name) = self.runtime.nameless_builtin(object.0) {
                self.global(object, slot, &name, None);
                return Ok(());
            }
            if let Some(name) = self.alias_of(&class, &module)? {
                self.global(object, slot, &name, None);
                return Ok(());
            }
            if !self.policy.travels(&super::text_of(&module)) {
                if let Some(base) = self.base_of_named(&class)? {
                    return self.reduced(object, slot, Ok(base));
                }
            }
        }
        if let Some(reducer) = self.runtime.dispatch_table.bind(self.py).get_item(class.get_type())? {
            return self.reduced(object, slot, reducer.call1((&class,)));
        }
        let class = class.cast_into::<PyType>().map_err(PyErr::from)?;
        let flags = self.named_in_state(&class)?;
        let reduced = match self.reduce_plain_class(&class).transpose() {
            Some(reduced) => reduced,
            None => self.runtime.engine.bind(self.py).getattr("reduce_class")?.call1((&class,)),
        };
        self.reduced_as(object, slot, reduced, flags)
    }

    /// "module:qualname" of a class that was found by it before, if its module has it there still.
    fn known_class_name(
        &self,
        class: &Bound<'py, PyAny>,
        version: (usize, u32),
    ) -> PyResult<Option<Rc<str>>> {
        let known = self.runtime.class_names.borrow().get(&version).cloned();
        let Some(known) = known.filter(|known| known.policy == self.policy.id) else { return Ok(None) };
        let (module, qualname) = (known.module.bind(self.py), known.qualname.bind(self.py));
        Ok(self.is_found(class, module.as_any(), qualname)?.then_some(known.full))
    }

    fn remember_class_name(
        &self,
        version: (usize, u32),
        module: &Bound<'py, PyString>,
        qualname: &Bound<'py, PyAny>,
        full: &str,
    ) -> PyResult<()> {
        if version.1 == 0 {
            return Ok(());
        }
        let qualname = qualname.cast::<PyString>()?.clone().unbind();
        let (module, qualname) = (Rc::new(module.clone().unbind()), Rc::new(qualname));
        let mut known = self.runtime.class_names.borrow_mut();
        if known.len() >= CLASSES_KEPT {
            known.clear(); // texts: their end runs nothing
        }
        known.insert(version, ClassName { module, qualname, full: full.into(), policy: self.policy.id });
        Ok(())
    }

    fn named_class(&mut self, class: Strong, slot: u32, name: &str) {
        if is_heap(class.0) {
            self.work.classes_met.push(class.0); // what is written is held
        }
        self.global(class, slot, name, None);
    }

    /// A class without a name from which one that has one, and stays, is derived: the base that the adopter's own has.
    fn base_of_named(&mut self, class: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let engine = self.runtime.engine.bind(self.py);
        for derived in engine.getattr("classes_below")?.call1((class,))?.try_iter()? {
            let (derived, index) = derived?.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
            let (module, name) = (
                own(&derived, crate::text::intern!(self.py, "__module__"))?,
                own(&derived, crate::text::intern!(self.py, "__qualname__"))?,
            );
            let stays = self.name_of(&derived, &module, &name)?.is_some();
            // SAFETY: no code.
            if stays && !unsafe { self.is_made_later(&derived, &module, &name, std::ptr::null_mut())? } {
                let arguments = (derived, index, own(class, crate::text::intern!(self.py, "__qualname__"))?)
                    .into_pyobject(self.py)?;
                return Ok(Some(
                    (engine.getattr("class_base")?, arguments).into_pyobject(self.py)?.into_any(),
                ));
            }
        }
        Ok(None)
    }

    /// What a class is taken apart into; `None` if `reduce_class` has to be asked.
    fn reduce_plain_class(&self, class: &Bound<'py, PyType>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.py;
        // SAFETY: E5: fields of a live class; one that a statement made has its namespace there.
        let names = unsafe {
            let fields = class.as_type_ptr();
            let made = ffi::Py_TPFLAGS_HEAPTYPE;
            if ffi::Py_TYPE(class.as_ptr()) != &raw mut ffi::PyType_Type
                || (*fields).tp_flags & (made | ffi::Py_TPFLAGS_IMMUTABLETYPE) != made
                || (*fields).tp_dict.is_null()
            {
                return Ok(None);
            }
            Bound::from_borrowed_ptr(py, (*fields).tp_dict).cast_into::<PyDict>()?
        };
        let made = PyDict::new(py);
        for name in ["__module__", "__qualname__"] {
            made.set_item(PyString::intern(py, name), class.getattr(name)?)?;
        }
        let names = names.copy()?; // of a class that threads have in common
        let has_slots =
            names.get_item(crate::text::intern!(py, "__slots__"))?.is_some_and(|slots| !slots.is_none());
        let (mut before, mut others, mut contents) = ([None, None], Vec::new(), Vec::new());
        for (place, (name, value)) in names.iter().enumerate() {
            let Ok(text) = name.cast::<PyString>() else { return Ok(None) };
            let Ok(text) = text.to_str() else { return Ok(None) };
            match Part::of(text, &value, has_slots) {
                Part::Contents => {
                    contents.push((turn(&value), place, name, value));
                    continue;
                }
                Part::Unknown => return Ok(None),
                Part::MadeBefore => before[usize::from(text == "__slots__")] = Some((name.clone(), value)),
                Part::MadeAnyway => {}
            }
            others.push((place, name));
        }
        if !contents.is_sorted_by_key(|(turn, ..)| *turn) {
            contents.sort_by_key(|(turn, ..)| *turn);
            let moved = contents.iter().filter(|(turn, ..)| *turn > 0);
            others.extend(moved.map(|(_, place, name, _)| (*place, name.clone())));
            others.sort_by_key(|(place, _)| *place);
        }
        let in_turn = PyDict::new(py);
        for (_, _, name, value) in contents {
            in_turn.set_item(name, value)?;
        }
        for (name, value) in before.into_iter().flatten() {
            made.set_item(name, value)?;
        }
        let engine = self.runtime.engine.bind(py);
        let named = class.getattr(crate::text::intern!(py, "__name__"))?;
        let bases = class.getattr(crate::text::intern!(py, "__bases__"))?;
        let origin = engine.getattr("origin_here")?.call1((class,))?;
        let arguments = (py.get_type::<PyType>(), named, bases, made, origin).into_pyobject(py)?;
        let mut places = Vec::with_capacity(2 * others.len());
        for (place, name) in others {
            places.extend([place.into_pyobject(py)?.into_any(), name]);
        }
        let others = PyTuple::new(py, places)?;
        let state = (in_turn, PyTuple::empty(py), self.registered_with(class)?, others).into_pyobject(py)?;
        let (make, fill) = (engine.getattr("make_class")?, engine.getattr("fill_class")?);
        Ok(Some((make, arguments, state, py.None(), py.None(), fill).into_pyobject(py)?.into_any()))
    }

    /// The abstract classes with which a class is registered; that they are none is asked anew after every registration.
    fn registered_with(&self, class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.runtime.engine.bind(self.py);
        let token: u64 = engine.getattr("registrations")?.call0()?.extract()?;
        let version = version_of(class);
        let known = self.runtime.unregistered.borrow().get(&version).copied();
        if version.1 != 0 && known == Some(token) {
            return Ok(PyTuple::empty(self.py).into_any());
        }
        let found = engine.getattr("_registered_with")?.call1((class,))?;
        if found.is_empty()? && version.1 != 0 {
            let mut known = self.runtime.unregistered.borrow_mut();
            if known.len() >= CLASSES_KEPT {
                known.clear();
            }
            known.insert(version, token);
        }
        Ok(found)
    }
}

/// Whether a class was made while the interpreter ran.
fn is_heap(class: Object) -> bool {
    // SAFETY: E5: a live class.
    unsafe { (*class.cast::<ffi::PyTypeObject>()).tp_flags & ffi::Py_TPFLAGS_HEAPTYPE != 0 }
}
