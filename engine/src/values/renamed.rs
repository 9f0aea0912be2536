//! Names under which the adopter finds what stays.
//!
//! Some modules call themselves otherwise than they are imported: `_pydecimal` says that it is `decimal`, so that pickle
//! finds what is in it there. What they define says so too, and is found under the name by which they are imported.

use super::encode::Encoder;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

impl<'py> Encoder<'py> {
    /// The modules that say `name` of themselves and stay, by the names under which they are imported, if those are others.
    fn renamed(&self, name: &Bound<'py, PyString>) -> Vec<(String, Bound<'py, PyDict>)> {
        let index = self.look_at_modules();
        if index.renamed.is_empty() {
            return Vec::new();
        }
        let numbers = index.renamed.clone();
        // SAFETY: E20: the GIL is held.
        let found = numbers.into_iter().filter_map(|number| unsafe { self.indexed_module(&index, number) });
        let found: Vec<_> = found.map(|(dict, key)| (key, dict)).collect();
        drop(index);
        let own = self.runtime.names.name.bind(self.py);
        let says_it = |dict: &Bound<'py, PyDict>| {
            let said = dict.get_item(own).ok().flatten();
            said.is_some_and(|said| said.is_exact_instance_of::<PyString>() && said.eq(name).unwrap_or(false))
        };
        let stays = |(key, dict): &(String, Bound<'py, PyDict>)| !self.policy.travels(key) && says_it(dict);
        found.into_iter().filter(stays).collect()
    }

    /// The name under which a module is imported that has this dict, and says `name` of itself.
    pub(super) fn renamed_with(
        &self,
        dict: &Bound<'py, PyDict>,
        name: &Bound<'py, PyString>,
    ) -> Option<String> {
        self.renamed(name).into_iter().find(|(_, own)| own.is(dict)).map(|(key, _)| key)
    }

    /// The name under which a module is imported that has `object` under `qualname`, and says `name` of itself.
    pub(super) fn renamed_that_has(
        &self,
        object: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        qualname: &Bound<'py, PyString>,
    ) -> PyResult<Option<String>> {
        if qualname.to_str()?.contains('<') {
            return Ok(None);
        }
        for (key, _) in self.renamed(name) {
            if self.is_found(object, PyString::new(self.py, &key).as_any(), qualname)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// "module:qualname" if `object` can be found by that name here and is not to travel by value.
    pub(super) fn name_of(
        &self,
        object: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
        qualname: &Bound<'py, PyAny>,
    ) -> PyResult<Option<String>> {
        let (Ok(said), Ok(qualname)) = (module.cast::<PyString>(), qualname.cast::<PyString>()) else {
            return Ok(None);
        };
        let (Ok(module_name), Ok(name)) = (said.to_str(), qualname.to_str()) else { return Ok(None) };
        if self.policy.travels(module_name) {
            return Ok(None);
        }
        if self.is_found(object, module, qualname)? {
            return Ok(Some([module_name, ":", name].concat()));
        }
        let other = self.renamed_that_has(object, said, qualname)?;
        Ok(other.map(|other| format!("{other}:{name}")))
    }

    /// "module:name" if the module that an object says it is of has it under another name than it says, and stays.
    pub(super) fn alias_of(
        &mut self,
        object: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
    ) -> PyResult<Option<String>> {
        let Ok(module_name) = module.extract::<String>() else { return Ok(None) };
        if self.policy.travels(&module_name) {
            return Ok(None);
        }
        let found = self.runtime.engine.bind(self.py).getattr("alias_in_module")?.call1((object, module))?;
        let Ok(name) = found.cast_into::<PyString>() else { return Ok(None) };
        // SAFETY: no code.
        if unsafe { self.is_made_later(object, module, name.as_any(), std::ptr::null_mut())? } {
            return Ok(None);
        }
        Ok(Some(format!("{module_name}:{}", super::text_of(name.as_any()))))
    }
}
