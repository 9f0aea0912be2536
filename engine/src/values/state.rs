//! What modules that travel with their state have under names, marked where it is written: an adopter that has imported
//! such a module keeps its own, and takes what that has under the same name (`kept.rs`).

use super::content::kind_of;
use super::encode::Encoder;
use super::Object;
use crate::error::Failure;
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use torpor_store::value::{flag, tag};

impl<'py> Encoder<'py> {
    /// Whether a module has `object` under this name, or path of names.
    pub(super) fn is_found(
        &self,
        object: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
        qualname: &Bound<'py, PyString>,
    ) -> PyResult<bool> {
        let Some(mut found) = self.runtime.module_named(self.py, module) else { return Ok(false) };
        // What nearly always is so.
        // SAFETY: E5: the dict of a live module; a lookup of an exact text there runs no code.
        unsafe {
            let class = ffi::Py_TYPE(found.as_ptr());
            if self.runtime.is_plain_module(class)
                && ffi::Py_TYPE(qualname.as_ptr()) == &raw mut ffi::PyUnicode_Type
                && ffi::PyDict_GetItemWithError(ffi::PyModule_GetDict(found.as_ptr()), qualname.as_ptr())
                    == object.as_ptr()
            {
                return Ok(true);
            }
            if self.runtime.is_answering_main(class) {
                return Ok(false); // it answers for what the adopter does not have
            }
        }
        for part in qualname.to_str()?.split('.') {
            found = match found.getattr(part) {
                Ok(attribute) => attribute,
                Err(e) if e.is_instance_of::<PyException>(self.py) => return Ok(false),
                Err(e) => return Err(e), // Ctrl-C while a module's __getattr__ ran
            };
        }
        Ok(found.is(object))
    }

    /// NAMED, if a module that travels with its state has this function or class under its own name.
    pub(super) fn named_in_state(&self, object: &Bound<'py, PyAny>) -> PyResult<u8> {
        if self.policy.state.is_empty() {
            return Ok(0);
        }
        let module = crate::metaclass::said(object, crate::text::intern!(self.py, "__module__"))?;
        let qualname = crate::metaclass::said(object, crate::text::intern!(self.py, "__qualname__"))?;
        let (Some(module), Some(qualname)) = (module, qualname) else { return Ok(0) };
        let (Ok(name), Ok(qualname)) = (module.cast::<PyString>(), qualname.cast::<PyString>()) else {
            return Ok(0);
        };
        let named = self.policy.state.contains(&*name.to_string_lossy())
            && self.is_found(object, &module, qualname)?;
        Ok(if named { flag::NAMED } else { 0 })
    }

    /// Notes an object that is about to be written at `slot`, if a module that travels with its state has it under a
    /// name.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn note_named_in_state(&mut self, object: Object, slot: u32) -> Result<(), Failure> {
        // SAFETY: as the caller promises.
        unsafe {
            if !self.policy.state.is_empty() && self.owning_module(object, true)?.is_some() {
                let kind = kind_of(&Bound::from_borrowed_ptr(self.py, object))? as u16;
                self.work.named_in_state.push((slot, kind));
            }
        }
        Ok(())
    }

    /// Marks the nodes of what was noted, which are written by now, with the kinds of the objects. Every module is
    /// written before the frames, and what it has under names with it.
    pub(super) fn mark_named_in_state(&mut self) {
        for (slot, kind) in std::mem::take(&mut self.work.named_in_state) {
            let v = &mut self.out.values[slot as usize];
            if matches!(v.tag, tag::LIST | tag::DICT | tag::SET | tag::OBJECT)
                && v.flags & flag::RECURSIVE == 0
            {
                (v.flags, v.small) = (v.flags | flag::NAMED, kind);
            }
        }
    }
}
