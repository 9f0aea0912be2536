//! The engine's Python module: its functions and constants, by name.

use hashbrown::HashMap;
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString};
use rustc_hash::FxBuildHasher;
use std::cell::RefCell;
use std::ops::Deref;

pub struct Engine {
    module: Py<PyModule>,
    /// The interned texts of names, by where the engine's code has them.
    names: RefCell<HashMap<(usize, usize), Py<PyString>, FxBuildHasher>>,
}

impl Engine {
    pub(crate) fn new(module: Py<PyModule>) -> Engine {
        Engine { module, names: RefCell::default() }
    }

    #[inline]
    pub(crate) fn bind<'a, 'py>(&'a self, py: Python<'py>) -> Parts<'a, 'py> {
        Parts { engine: self, module: self.module.bind(py) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Parts<'a, 'py> {
    engine: &'a Engine,
    module: &'a Bound<'py, PyModule>,
}

impl<'py> Parts<'_, 'py> {
    /// As `getattr` of a module, without its detours: what the engine has has no hooks.
    pub(crate) fn getattr(&self, name: &'static str) -> PyResult<Bound<'py, PyAny>> {
        let py = self.module.py();
        let place = (name.as_ptr() as usize, name.len());
        let known = self.engine.names.borrow().get(&place).map(|text| text.clone_ref(py));
        let text = known.unwrap_or_else(|| {
            let text = PyString::intern(py, name).unbind();
            self.engine.names.borrow_mut().insert(place, text.clone_ref(py));
            text
        });
        // SAFETY: E5: the dict of a live module; a lookup of a text there runs no code.
        let found = unsafe {
            let dict = ffi::PyModule_GetDict(self.module.as_ptr());
            Bound::from_borrowed_ptr_or_opt(py, ffi::PyDict_GetItemWithError(dict, text.as_ptr()))
        };
        found.ok_or_else(|| PyAttributeError::new_err(format!("the engine has no {name}")))
    }
}

impl<'py> Deref for Parts<'_, 'py> {
    type Target = Bound<'py, PyModule>;

    fn deref(&self) -> &Bound<'py, PyModule> {
        self.module
    }
}
