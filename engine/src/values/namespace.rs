//! Dicts that are met as values and are the globals of functions: of modules, and of the program's own.
//!
//! One of a module that stays is named. One that travels is a namespace of the snapshot (`space.rs`); if it is no
//! module's, the program has it in its hands: it comes back with its own items, in their order.

use super::decode::Decoder;
use super::encode::{Encoder, RUN};
use super::name_set::interned;
use super::Strong;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use torpor_store::frame::{Run, Space};
use torpor_store::value::{flag, tag};
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

    /// Writes a name as a text that is no object of the program.
    pub(super) fn name_text(&mut self, name: &str, slot: u32) {
        let at = self.out.push_text(name.as_bytes());
        let ascii = if name.is_ascii() { flag::ASCII } else { 0 };
        self.set(slot, Value::new(tag::TEXT, ascii, name.len() as u32, u64::from(at)));
    }

    /// Writes the names of a module's namespace that goes as a whole, in their order: it gets its values by their kinds.
    pub(super) fn write_order_of(&mut self, space: u32, dict: &Bound<'py, PyDict>) -> Result<(), Failure> {
        self.work.spaces[space as usize].ordered = true;
        let keys: Vec<_> = dict.keys().iter().filter_map(|key| interned(&key)).collect();
        let keys: Vec<_> = keys.iter().filter_map(|key| key.to_str().ok()).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let number = self.nameless_space(Space::ORDER);
        self.out.spaces[number as usize].builtins = space + 1;
        let first = self.reserve(2 * keys.len())?;
        self.out.runs.push(Run { space: number, first, count: keys.len() as u32, reserved: 0 });
        for (i, name) in (0..).zip(keys) {
            self.name_text(name, first + 2 * i);
            self.set(first + 2 * i + 1, Value::NONE);
        }
        Ok(())
    }
}

impl Decoder<'_, '_> {
    /// Notes the names of the namespace `of - 1` in their order.
    pub(super) fn read_order(&mut self, of: u32, run: &Run) -> Result<(), Failure> {
        self.claim(run.first, u64::from(run.count) * 2)?;
        let mut names = Vec::new();
        for i in 0..run.count {
            let at = (run.first + 2 * i) as usize;
            let name = self.region.values[at];
            if name.tag != tag::TEXT
                || name.flags & flag::FAR != 0
                || self.region.values[at + 1].tag != tag::NONE
            {
                return Err(Failure::corrupt("a name in the order of a namespace is no text"));
            }
            names.push(PyString::intern(self.py, self.utf8(name)?).unbind());
        }
        let space = (of as usize).checked_sub(1).and_then(|of| self.spaces.get_mut(of));
        space.ok_or_else(|| Failure::corrupt("the number of an ordered namespace is out of range"))?.order =
            names;
        Ok(())
    }

    /// Gives the namespaces of modules the order that they had; all is rebuilt.
    pub(crate) fn put_in_order(&mut self) -> Result<(), Failure> {
        for space in self.spaces.iter().filter(|space| !space.is_kept && !space.order.is_empty()) {
            // SAFETY: E5: live, held by `self.spaces`, and a dict: it was made as one or is a module's.
            let dict =
                unsafe { Bound::from_borrowed_ptr(self.py, space.dict.0).cast_into_unchecked::<PyDict>() };
            let all = dict.copy()?; // holds the values
            dict.clear();
            for name in &space.order {
                if let Some(value) = all.get_item(name)? {
                    dict.set_item(name, value)?;
                }
            }
            for (name, value) in all.iter() {
                if !dict.contains(&name)? {
                    dict.set_item(name, value)?;
                }
            }
        }
        Ok(())
    }
}
