//! Classes by identity, and what `type` itself has of them. A metaclass of the program may compare, hash and answer for its
//! classes in its own way: none of its code runs here (`python/of_classes.py`).

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyString, PyType};
use std::ffi::CStr;

/// Whether classes of its metaclass are compared and hashed by identity.
fn is_plain(class: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: E5: a live class and its metaclass; their slots are read.
    unsafe {
        let of = |meta: *mut ffi::PyTypeObject| {
            ((*meta).tp_hash.map(|f| f as usize), (*meta).tp_richcompare.map(|f| f as usize))
        };
        let (meta, plain) = (ffi::Py_TYPE(class.cast()), &raw mut ffi::PyType_Type);
        meta == plain || of(meta) == of(plain)
    }
}

/// What a dict whose keys are classes has for this one.
pub(crate) fn find<'py>(
    dict: &Bound<'py, PyDict>,
    class: &Bound<'py, PyType>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if is_plain(class.as_type_ptr()) {
        return dict.get_item(class);
    }
    Ok(dict.iter().find(|(key, _)| key.is(class) || is_address_of(class, key)).map(|(_, value)| value))
}

fn is_address_of(class: &Bound<'_, PyType>, key: &Bound<'_, PyAny>) -> bool {
    key.extract::<usize>().is_ok_and(|address| address == class.as_ptr() as usize)
}

/// Under what a dict that `find` looks in has a class, which somebody keeps.
pub(crate) fn key<'py>(class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match class.cast::<PyType>() {
        Ok(kind) if !is_plain(kind.as_type_ptr()) => {
            Ok((class.as_ptr() as usize).into_pyobject(class.py())?.into_any())
        }
        _ => Ok(class.clone()),
    }
}

/// An attribute that all classes have, as `type` itself gives it.
pub(crate) fn own<'py>(
    class: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let kind = class.py().get_type::<PyType>();
    if class.get_type().is(&kind) {
        return class.getattr(name);
    }
    let names = kind.getattr(crate::text::intern!(class.py(), "__dict__"))?;
    names.get_item(name)?.call_method1(crate::text::intern!(class.py(), "__get__"), (class,))
}

/// An attribute of a function or class that says where it is defined; `None` if it has none.
pub(crate) fn said<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match object.cast::<PyType>() {
        Ok(class) => match own(class, name) {
            Err(e) if e.is_instance_of::<pyo3::exceptions::PyAttributeError>(object.py()) => Ok(None),
            found => found.map(Some),
        },
        Err(_) => object.getattr_opt(name),
    }
}

/// What the interpreter calls a class when it says what is wrong: with its module, if it was made in C.
fn name_in_c(class: &Bound<'_, PyType>) -> String {
    // SAFETY: E5: of a live class.
    unsafe { CStr::from_ptr((*class.as_type_ptr()).tp_name) }.to_string_lossy().into_owned()
}

/// As a Python function, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    Ok(vec![crate::finish::function(py, "name_in_c", |args| {
        Ok(name_in_c(args.get_item(0)?.cast::<PyType>().map_err(PyErr::from)?))
    })?])
}
