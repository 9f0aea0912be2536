//! Instances of classes that leave it to object how they are taken apart: by `__dict__` and slots.
//!
//! As `object.__reduce_ex__` does it, which would leave a `__slotnames__` in the class: a program that goes through the
//! namespace of one of its classes while it is captured would see that change.

use super::Object;
use crate::runtime::Runtime;
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rustc_hash::FxBuildHasher;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What is known of a class until it changes.
pub(crate) struct Layout {
    slots: Vec<Py<PyString>>,
    /// Its instances have no parts but `__dict__`, slots and weak references.
    is_whole: bool,
}

/// Layouts by the address of the class and the tag of its version, which no other class and no other version ever has.
pub(crate) type Layouts = RefCell<HashMap<(usize, u32), Rc<Layout>, FxBuildHasher>>;

/// How many layouts are kept.
const KEPT: usize = 1024;

fn layout(runtime: &Runtime, object: &Bound<'_, PyAny>) -> PyResult<Rc<Layout>> {
    let py = object.py();
    let class = object.get_type_ptr();
    // SAFETY: E5: fields of a live class.
    let key = unsafe { (class as usize, (*class).tp_version_tag) };
    if key.1 != 0 {
        if let Some(known) = runtime.layouts.borrow().get(&key) {
            return Ok(known.clone());
        }
    }
    let slots: Vec<Py<PyString>> =
        runtime.engine.bind(py).getattr("slot_names")?.call1((object.get_type(),))?.extract()?;
    // SAFETY: E5: as above.
    let is_whole = unsafe {
        let word = size_of::<Object>() as isize;
        let size = ffi::PyBaseObject_Type.tp_basicsize
            + if (*class).tp_dictoffset > 0 { word } else { 0 }
            + if (*class).tp_weaklistoffset > 0 { word } else { 0 }
            + slots.len() as isize * word;
        (*class).tp_itemsize == 0 && (*class).tp_basicsize <= size && (*class).tp_new.is_some()
    };
    let made = Rc::new(Layout { slots, is_whole });
    // SAFETY: E5: as above; what was just asked may have given the class its tag.
    let tag = unsafe { (*class).tp_version_tag };
    if tag != 0 {
        let mut layouts = runtime.layouts.borrow_mut();
        if layouts.len() >= KEPT {
            layouts.clear();
        }
        layouts.insert((class as usize, tag), made.clone());
    }
    Ok(made)
}

/// Whether an object has no parts but `__dict__`, slots and weak references.
pub(super) fn is_whole(runtime: &Runtime, object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(layout(runtime, object)?.is_whole)
}

/// What `object.__reduce_ex__(5)` gives for an instance of a class without `__getnewargs__` or `__getstate__` of its own,
/// whose attributes and items can be looked at. None if that would refuse it.
pub(super) fn reduce<'py>(
    runtime: &Runtime,
    object: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let class = object.get_type();
    let layout = layout(runtime, object)?;
    // SAFETY: E5: tests of a live class.
    let (listed, mapped) = unsafe {
        let kind = class.as_type_ptr();
        (
            ffi::PyType_FastSubclass(kind, ffi::Py_TPFLAGS_LIST_SUBCLASS) != 0,
            ffi::PyType_FastSubclass(kind, ffi::Py_TPFLAGS_DICT_SUBCLASS) != 0,
        )
    };
    if !(layout.is_whole || listed || mapped) {
        return Ok(None);
    }
    let items = if listed { Some(object.try_iter()?.into_any()) } else { None };
    let pairs = if mapped {
        let pairs = py.get_type::<PyDict>().getattr(crate::text::intern!(py, "items"))?.call1((object,))?;
        Some(pairs.try_iter()?.into_any())
    } else {
        None
    };
    let state = state(object, &layout)?;
    let none = || py.None().into_bound(py);
    let parts = [
        runtime.newobj.bind(py).clone(),
        PyTuple::new(py, [class])?.into_any(),
        state.unwrap_or_else(none),
        items.unwrap_or_else(none),
        pairs.unwrap_or_else(none),
    ];
    Ok(Some(PyTuple::new(py, parts)?.into_any()))
}

fn state<'py>(object: &Bound<'py, PyAny>, layout: &Layout) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let mut state = None;
    // SAFETY: E5: a live object; one whose class has a place for a dict gives it.
    if unsafe { (*object.get_type_ptr()).tp_dictoffset } != 0 {
        // SAFETY: E5: as above.
        let dict = unsafe {
            Bound::from_owned_ptr_or_err(
                py,
                ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()),
            )?
        };
        // An empty one matters if somebody else has it: more than the object and we.
        // SAFETY: E5: live.
        let held = unsafe { ffi::Py_REFCNT(dict.as_ptr()) } > 2;
        if held || !dict.cast::<PyDict>().is_ok_and(|dict| dict.is_empty()) {
            state = Some(dict);
        }
    }
    if layout.slots.is_empty() {
        return Ok(state);
    }
    let values = PyDict::new(py);
    for name in &layout.slots {
        match object.getattr(name.bind(py)) {
            Ok(value) => values.set_item(name, value)?,
            Err(e) if e.is_instance_of::<PyAttributeError>(py) => {}
            Err(e) => return Err(e),
        }
    }
    if values.is_empty() {
        return Ok(state);
    }
    let dict = state.unwrap_or_else(|| py.None().into_bound(py));
    Ok(Some(PyTuple::new(py, [dict, values.into_any()])?.into_any()))
}
