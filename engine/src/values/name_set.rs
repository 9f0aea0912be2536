//! Names of a namespace. Each is interned, so that they are told apart by their addresses.

use crate::frame::text_is_plain;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxBuildHasher;
use std::collections::HashSet;

/// The interned text that says what a key says; `None` for keys that are no text, or that UTF-8 cannot write.
pub(super) fn interned<'py>(key: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
    let name = key.cast::<PyString>().ok()?;
    let text = name.to_str().ok()?;
    // SAFETY: E5: live, and of the exact type when it is looked at. A key of the program's is left as it is.
    let is_interned = unsafe {
        ffi::Py_TYPE(key.as_ptr()) == &raw mut ffi::PyUnicode_Type && text_is_plain(key.as_ptr()).1
    };
    Some(if is_interned { name.clone() } else { PyString::intern(key.py(), text) })
}

/// A set of interned names, in the order in which they came.
#[derive(Default)]
pub(super) struct NameSet {
    names: Vec<Py<PyString>>,
    known: HashSet<usize, FxBuildHasher>,
}

impl NameSet {
    pub(super) fn insert(&mut self, name: &Bound<'_, PyString>) {
        if self.known.insert(name.as_ptr() as usize) {
            self.names.push(name.clone().unbind());
        }
    }

    pub(super) fn contains(&self, name: &Py<PyString>) -> bool {
        self.known.contains(&(name.as_ptr() as usize))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Py<PyString>> {
        self.names.iter()
    }
}
