//! In what order the values of a namespace are written: one may be rebuilt by code of the program, which needs others.
//!
//! The program made them in the order in which the namespace has them, so that is the order within each part.

use super::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;

/// Which of the values of a namespace are written in one go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Rebuilt without any code of the program.
    Plain,
    /// Functions, classes and modules.
    Definitions,
    Rest,
}

impl Part {
    pub(super) fn of(value: &Bound<'_, PyAny>) -> Part {
        // SAFETY: E5: live, and of the type that is tested first.
        unsafe {
            let o = value.as_ptr();
            if ffi::PyFunction_Check(o) != 0 || ffi::PyType_Check(o) != 0 || ffi::PyModule_Check(o) != 0 {
                return Part::Definitions;
            }
            let is_builtin = ffi::Py_TYPE(o) == &raw mut ffi::PyCFunction_Type;
            let of = if is_builtin { ffi::PyCFunction_GetSelf(o) } else { o };
            let is_plain = of.is_null() || ffi::PyModule_Check(of) != 0 || is_plain(of);
            if is_plain {
                Part::Plain
            } else {
                Part::Rest
            }
        }
    }
}

/// Containers with more items than this are not looked through.
const MOST: isize = 1000;

/// Whether an object holds no others but those that hold none: a text, a number, a compiled pattern, a container of such.
///
/// # Safety
/// It is live; the GIL is held.
unsafe fn is_plain(object: Object) -> bool {
    // SAFETY: (whole body) as the caller promises; items of live containers are live, and no code runs meanwhile.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        if kind == &raw mut ffi::PyTuple_Type || kind == &raw mut ffi::PyList_Type {
            let is_tuple = kind == &raw mut ffi::PyTuple_Type;
            let n = ffi::Py_SIZE(object);
            let item = |i| match is_tuple {
                true => ffi::PyTuple_GetItem(object, i),
                false => ffi::PyList_GetItem(object, i),
            };
            return n <= MOST && (0..n).all(|i| is_atom(item(i)));
        }
        if kind == &raw mut ffi::PyDict_Type {
            let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            let mut plain = ffi::PyDict_Size(object) <= MOST;
            while plain && ffi::PyDict_Next(object, &raw mut at, &raw mut key, &raw mut value) != 0 {
                plain = is_atom(key) && is_atom(value);
            }
            return plain;
        }
        kind == &raw mut ffi::PySet_Type && ffi::PySet_Size(object) == 0 || is_atom(object)
    }
}

/// # Safety
/// As [`is_plain`].
unsafe fn is_atom(object: Object) -> bool {
    let atoms = [
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyComplex_Type,
    ];
    // SAFETY: as the caller promises.
    unsafe {
        if object.is_null() {
            return false;
        }
        let kind = ffi::Py_TYPE(object);
        atoms.contains(&kind)
            || object == ffi::Py_None()
            || std::ffi::CStr::from_ptr((*kind).tp_name) == c"re.Pattern"
    }
}

/// Sorts names by their places in a dict.
pub(super) fn in_order_of<'py>(
    dict: &Bound<'py, PyDict>,
    pairs: &mut Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>,
) {
    if pairs.len() < 2 {
        return;
    }
    let mut places: HashMap<Object, usize, FxBuildHasher> =
        pairs.iter().map(|(name, _)| (name.as_ptr(), usize::MAX)).collect();
    let (mut at, mut name, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
    let mut place = 0;
    // SAFETY: E5: a live dict that does not change meanwhile; no code of the program runs.
    while unsafe { ffi::PyDict_Next(dict.as_ptr(), &raw mut at, &raw mut name, &raw mut value) } != 0 {
        if let Some(known) = places.get_mut(&name) {
            *known = place;
        }
        place += 1;
    }
    pairs.sort_by_key(|(name, _)| places[&name.as_ptr()]);
}
