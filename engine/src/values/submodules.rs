//! Modules that code gets at through their package: after `import xml.dom.minidom` it says `xml.dom`.
//!
//! What travels has the package, by its name, and the adopter that imports it has no more of it than it imports itself.
//! So the modules of packages that were met, and whose names the code mentions that travels, are named too. They are
//! imported before anything is built.

use super::decode::Decoder;
use super::encode::Encoder;
use super::{text_of, Strong};
use crate::code;
use crate::error::Failure;
use crate::gained::Made;
use crate::runtime::Runtime;
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyTuple};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use torpor_store::frame::Space;

/// A module of a package: the names of both.
pub(crate) type Submodule = (String, String);

/// Those that were imported when somebody looked, by the last part of their names.
#[derive(Default)]
pub(crate) struct Submodules {
    /// How many modules there were when they were looked through.
    modules: isize,
    by_name: HashMap<String, Vec<Submodule>, FxBuildHasher>,
}

impl Submodules {
    fn look(py: Python<'_>, modules: isize) -> PyResult<Submodules> {
        let mut looked = Submodules { modules, ..Submodules::default() };
        let all = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
        for (name, module) in all.iter() {
            let full = text_of(&name);
            let Some((package, last)) = full.rsplit_once('.') else { continue };
            let found = all.get_item(package)?.and_then(|found| found.cast_into::<PyModule>().ok());
            let has_it = found.and_then(|p| p.dict().get_item(last).ok()?).is_some_and(|own| own.is(&module));
            if has_it {
                let entry = (package.to_owned(), full.clone());
                looked.by_name.entry(last.to_owned()).or_default().push(entry);
            }
        }
        Ok(looked)
    }
}

/// Those whose names a code object mentions, with how many modules there were.
pub(crate) type Mentioned = (isize, Rc<[Submodule]>);

fn mentioned(
    py: Python<'_>,
    runtime: &Runtime,
    code: &Bound<'_, PyAny>,
    modules: isize,
) -> PyResult<Rc<[Submodule]>> {
    let names = runtime.engine.bind(py).getattr("names_in")?.call1((code,))?.cast_into::<PyTuple>()?;
    if runtime.submodules.borrow().modules != modules {
        let looked = Submodules::look(py, modules)?; // a collection may run code
        *runtime.submodules.borrow_mut() = looked;
    }
    let known = runtime.submodules.borrow();
    let found = names.iter_borrowed().filter_map(|name| known.by_name.get(&text_of(&name))).flatten();
    Ok(found.cloned().collect())
}

impl Encoder<'_> {
    /// After a walk: names the modules of packages that it has met.
    pub(crate) fn write_submodules(&mut self) -> Result<(), Failure> {
        if self.work.packages.is_empty() {
            return Ok(());
        }
        // SAFETY: E5: the dict of all modules, borrowed.
        let modules = unsafe { ffi::PyDict_Size(ffi::PyImport_GetModuleDict()) };
        let mut candidates = BTreeSet::new();
        for code in &self.work.codes {
            // SAFETY: E5: a code object that the walk has written is held.
            let (entry, code) =
                unsafe { (code::entry(self.runtime, code.0)?, Bound::from_borrowed_ptr(self.py, code.0)) };
            let cached = entry.submodules.borrow().clone().filter(|(of, _)| *of == modules);
            let found = match cached {
                Some((_, found)) => found,
                None => {
                    let found = mentioned(self.py, self.runtime, &code, modules)?;
                    *entry.submodules.borrow_mut() = Some((modules, Rc::clone(&found)));
                    found
                }
            };
            candidates.extend(found.iter().cloned());
        }
        // In their order a package comes before what is in its modules.
        for (package, full) in candidates {
            if self.work.packages.contains(&package) && !self.policy.travels(&full) {
                let name_offset = self.out.push_text(full.as_bytes());
                let space = Space { name_offset, name_length: full.len() as u32, ..Space::default() };
                self.out.spaces.push(Space { flags: Space::SUBMODULE, ..space });
                self.work.packages.insert(full);
            }
        }
        Ok(())
    }

    /// After a walk: notes what somebody has put into modules that it has met, under names that the code mentions which
    /// travels. The adopter that imports such a module has nothing there; it gets it for as long as the stack runs.
    pub(crate) fn note_late_names(&mut self) -> Result<(), Failure> {
        if self.out.spaces.is_empty() {
            return Ok(()); // no code travels
        }
        let engine = self.runtime.engine.bind(self.py);
        let mut found = Vec::new();
        for dict in self.work.module_locks.namespaces() {
            let dict = dict.bind(self.py).clone().cast_into::<PyDict>().map_err(PyErr::from)?;
            if self.look_at_modules().is_without_late_names(dict.as_ptr(), dict.len()) {
                continue;
            }
            let late = engine.getattr("late_names")?.call1((&dict,))?.cast_into::<PyTuple>();
            let late = late.map_err(PyErr::from)?;
            if late.is_empty() {
                self.look_at_modules().note_without_late_names(dict.as_ptr(), dict.len());
            }
            for name in late.iter() {
                let mut mentioned = false;
                for code in &self.work.codes {
                    // SAFETY: E5: as above.
                    let code = unsafe { Bound::from_borrowed_ptr(self.py, code.0) };
                    mentioned |= engine.getattr("names_in")?.call1((code,))?.contains(&name)?;
                }
                let module = text_of(&dict.as_any().get_item(crate::text::intern!(self.py, "__name__"))?);
                if let Some(object) =
                    dict.get_item(&name)?.filter(|_| mentioned && !self.policy.travels(&module))
                {
                    let (name, object) = (text_of(&name), Strong(object.into_ptr()));
                    found.push(Made { module, name, object, is_filled: false });
                }
            }
        }
        let known = &self.work.made_later;
        found.retain(|made| known.iter().all(|(m, n, _)| (m, n) != (&made.module, &made.name)));
        self.work.made_when_used.extend(found);
        Ok(())
    }

    /// Notes a module that stays, if it is a package.
    pub(super) fn note_package(&mut self, module: &Bound<'_, PyModule>, name: &str) -> PyResult<()> {
        if module.dict().contains(crate::text::intern!(self.py, "__path__"))? {
            self.work.packages.insert(name.to_owned());
        }
        Ok(())
    }
}

impl Decoder<'_, '_> {
    /// Imports a module that the package has where the snapshot was taken. One of another version may have none.
    pub(super) fn import_submodule(&self, name: &str) -> Result<(), Failure> {
        match self.py.import(name) {
            Err(e) if !e.is_instance_of::<PyException>(self.py) => Err(e.into()),
            _ => Ok(()),
        }
    }
}
