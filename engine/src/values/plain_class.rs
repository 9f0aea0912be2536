//! Classes that travel by value and that `type` itself makes: taken apart as `reduce_class` (`python/classes.py`) does,
//! which says what the parts are, but without its detours. There are few programs without one.

use super::encode::Encoder;
use super::protocol::version_of;
use crate::gained::CLASSES_KEPT;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

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

impl<'py> Encoder<'py> {
    /// What a class is taken apart into; `None` if `reduce_class` has to be asked.
    pub(super) fn reduce_plain_class(
        &self,
        class: &Bound<'py, PyType>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
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
        let contents = names.copy()?; // of a class that threads have in common
        let has_slots =
            contents.get_item(crate::text::intern!(py, "__slots__"))?.is_some_and(|slots| !slots.is_none());
        let mut before = [None, None];
        for (name, value) in names.copy()?.iter() {
            let Ok(text) = name.cast::<PyString>() else { return Ok(None) };
            let Ok(text) = text.to_str() else { return Ok(None) };
            match Part::of(text, &value, has_slots) {
                Part::Contents => continue,
                Part::Unknown => return Ok(None),
                Part::MadeBefore => before[usize::from(text == "__slots__")] = Some((name.clone(), value)),
                Part::MadeAnyway => {}
            }
            contents.del_item(&name)?;
        }
        for (name, value) in before.into_iter().flatten() {
            made.set_item(name, value)?;
        }
        let engine = self.runtime.engine.bind(py);
        let named = class.getattr(crate::text::intern!(py, "__name__"))?;
        let bases = class.getattr(crate::text::intern!(py, "__bases__"))?;
        let origin = engine.getattr("origin_here")?.call1((class,))?;
        let arguments = (py.get_type::<PyType>(), named, bases, made, origin).into_pyobject(py)?;
        let state = (contents, PyTuple::empty(py), self.registered_with(class)?).into_pyobject(py)?;
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
