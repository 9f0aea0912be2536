//! Dicts that are met as values and are the globals of functions: of modules, and of the program's own.
//!
//! One of a module that stays is named. One that travels is a namespace of the snapshot (`space.rs`); if it is no
//! module's, the program has it in its hands: it comes back with its own items, in their order.

use super::encode::{Encoder, RUN};
use super::name_set::interned;
use super::Strong;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use torpor_store::frame::Run;
use torpor_store::value::tag;
use torpor_store::Value;

impl<'py> Encoder<'py> {
    /// If `object` is the dict of a module, writes it as such.
    ///
    /// # Safety
    /// `object` is a live dict; the GIL is held.
    pub(super) unsafe fn namespace(&mut self, object: &Strong, slot: u32) -> Result<bool, Failure> {
        if let Some(index) = self.space_index(object.0) {
            // SAFETY: live.
            let dict = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
            let dict = dict.cast_into::<PyDict>().map_err(PyErr::from)?;
            self.note_value(&dict);
            self.demand_all(&dict)?;
            if self.has_other_keys(&dict, slot) {
                return Ok(true);
            }
            self.set(slot, Value::atom(tag::SPACE, u64::from(index)));
            return Ok(true);
        }
        // SAFETY: (whole body) a live dict; lookups of an interned str run no Python code.
        unsafe {
            if ffi::PyDict_Size(object.0) < 4 {
                return Ok(false);
            }
            let name = ffi::PyDict_GetItemWithError(object.0, self.runtime.names.name.as_ptr());
            if name.is_null() || ffi::Py_TYPE(name) != &raw mut ffi::PyUnicode_Type {
                ffi::PyErr_Clear();
                return Ok(false);
            }
            let name = Bound::from_borrowed_ptr(self.py, name);
            let said = name.cast::<PyString>().map_err(PyErr::from)?;
            let own = self.runtime.module_named(self.py, &name).filter(|module| {
                ffi::PyModule_Check(module.as_ptr()) != 0
                    && ffi::PyModule_GetDict(module.as_ptr()) == object.0
            });
            let dict = Bound::from_borrowed_ptr(self.py, object.0).cast_into_unchecked::<PyDict>();
            let found = match own {
                Some(_) => Some(said.to_string_lossy().into_owned()),
                None => self.renamed_with(&dict, said),
            };
            let Some(text) = found else { return Ok(false) };
            let strong = Strong::borrowed(object.0);
            if self.policy.travels(&text) {
                let index = self.space(&dict, &text)?;
                self.demand_all(&dict)?;
                if self.has_other_keys(&dict, slot) {
                    return Ok(true);
                }
                self.set(slot, Value::atom(tag::SPACE, u64::from(index)));
            } else {
                self.name_atom(tag::MODULE_DICT, &text, slot);
            }
            self.note(strong, slot);
        }
        Ok(true)
    }

    /// Refuses a namespace that is a value and has keys that are no names: those would stay behind.
    fn has_other_keys(&mut self, dict: &Bound<'py, PyDict>, slot: u32) -> bool {
        let demand = self.demand_of(dict, "");
        if self.demands[demand].other_keys {
            let what = "a dict that is the globals of a function has keys that are no texts; use another dict for those";
            self.refuse(slot, what.into());
        }
        self.demands[demand].other_keys
    }

    /// Notes that a namespace is a value of the program; one of a module that travels is that module's all the same.
    pub(super) fn note_value(&mut self, dict: &Bound<'py, PyDict>) {
        let demand = self.demand_of(dict, "");
        if !self.policy.travels(&self.demands[demand].name) {
            let was_plain = self.demands[demand].is_plain();
            self.demands[demand].is_value = true;
            self.work.walk_again |= self.demands[demand].is_plain() && !was_plain;
        }
    }

    /// Writes the keys of a namespace, so that it has them in their order from the start.
    pub(super) fn write_order(&mut self, space: u32, dict: &Bound<'py, PyDict>) -> Result<(), Failure> {
        let state = &mut self.work.spaces[space as usize];
        state.ordered = true;
        self.work.walk_again |= !state.written.is_empty();
        let keys: Vec<_> = dict.keys().iter().filter_map(|key| interned(&key)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let first = self.reserve(2 * keys.len())?;
        self.out.runs.push(Run { space, first, count: keys.len() as u32, reserved: 0 });
        for (i, name) in keys.iter().enumerate() {
            // SAFETY: live.
            unsafe { self.put(name.as_ptr(), first + 2 * i as u32)? };
            self.set(first + 2 * i as u32 + 1, Value::NONE);
        }
        self.open(RUN, first, 2 * keys.len() as u32, space, None);
        self.drain()
    }
}
