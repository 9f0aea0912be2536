//! What importable modules and classes have gained while they ran, for what travels: thread-locals, entries of weak
//! containers, attributes of classes. Policy is in `python/gained.py`.
//!
//! Part of the step "capture". A walk tells which packages' code runs in what travels, which classes it has, and which
//! objects; what those have is written by another walk, held by `finish_state` (`process_state.rs`).

use crate::runtime::Runtime;
use crate::values::protocol::version_of;
use crate::values::{text_of, Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeSet, HashSet};

/// A thread-local or weak container that a module has under a name.
pub(crate) struct Place {
    found: Py<PyAny>,
    module: String,
    /// Of the module: asked at every capture.
    package: String,
    name: Py<PyAny>,
    is_weak: bool,
}

/// The outermost package of a module.
pub(crate) fn package_of(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// What a module has made when it was first used, in place of None, or filled, a dict that was empty.
pub(crate) struct Made {
    pub module: String,
    pub name: String,
    pub object: Strong,
    pub is_filled: bool,
}

/// What a walk has met.
pub(crate) struct Met<'a> {
    /// Packages whose code runs in frames and generators that travel.
    pub packages: BTreeSet<String>,
    /// Classes that the adopter has.
    pub classes: &'a [Object],
    /// What was put into modules after they were imported: (module, name, object).
    pub made_later: &'a [(String, String, Strong)],
    pub made_when_used: &'a [Made],
    /// Whether an object travels.
    pub travels: &'a dyn Fn(Object) -> bool,
}

/// How many classes are remembered.
pub(crate) const CLASSES_KEPT: usize = 4096;

type Set<T> = HashSet<T, FxBuildHasher>;

/// What comes with one capture.
#[derive(Default)]
pub(crate) struct Noted {
    entries: Vec<Py<PyAny>>,
    /// What was asked for it.
    asked: Set<(usize, usize)>,
    /// Whether there are places to look at.
    looks: bool,
    /// What modules have made when it was first used: "module:name", the object and its entry.
    made_when_used: Vec<(String, Py<PyAny>, Py<PyAny>)>,
    /// Whether the filters of warnings come too.
    pub(crate) warnings: bool,
}

impl Noted {
    /// Whether a capture that is like this one has to ask again.
    pub(crate) fn has_looked(&self) -> bool {
        self.looks || !self.entries.is_empty()
    }

    pub(crate) fn entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, &self.entries)
    }

    /// What comes for an adopter that has None in its place: "module:name" and the object.
    pub(crate) fn brought(&self, py: Python<'_>) -> PyResult<Vec<(String, Py<PyAny>)>> {
        let mut brought = Vec::new();
        for (name, made, entry) in &self.made_when_used {
            if !entry.bind(py).getattr("left_out")?.is_truthy()? {
                brought.push((name.clone(), made.clone_ref(py)));
            }
        }
        Ok(brought)
    }
}

/// What this process has.
#[derive(Default)]
pub(crate) struct Gained {
    places: Vec<Place>,
    /// Classes that have gained nothing, with the tags of their versions.
    plain: Set<(usize, u32)>,
}

impl Gained {
    /// What modules have.
    pub(crate) fn look(py: Python<'_>, engine: &Bound<'_, PyModule>) -> PyResult<Vec<Place>> {
        let local = engine.getattr("THREAD_LOCAL")?;
        let weak: Vec<Bound<'_, PyAny>> = engine.getattr("WEAK_CONTAINERS")?.extract()?;
        let mut places = Vec::new();
        // SAFETY: (whole body) E5: the dict of all modules, and what it holds, is live; nothing runs while it is looked
        // through.
        unsafe {
            let modules = ffi::PyImport_GetModuleDict();
            let (mut at, mut key, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(modules, &raw mut at, &raw mut key, &raw mut module) != 0 {
                if ffi::PyModule_Check(module) == 0 || ffi::PyUnicode_Check(key) == 0 {
                    continue;
                }
                let dict = ffi::PyModule_GetDict(module);
                let (mut at, mut name, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
                while ffi::PyDict_Next(dict, &raw mut at, &raw mut name, &raw mut value) != 0 {
                    let class: Object = ffi::Py_TYPE(value).cast();
                    let is_weak = weak.iter().any(|w| w.as_ptr() == class);
                    if is_weak || class == local.as_ptr() {
                        let found = Bound::from_borrowed_ptr(py, value).unbind();
                        let name = Bound::from_borrowed_ptr(py, name).unbind();
                        let module = text_of(&Bound::from_borrowed_ptr(py, key));
                        let package = package_of(&module).to_owned();
                        places.push(Place { found, module, package, name, is_weak });
                    }
                }
            }
        }
        // What threads and the event loop have there, the engine knows better.
        let own = ["__main__", "__mp_main__", "threading", "asyncio", "weakref", "torpor"];
        places.retain(|place| !own.contains(&&*place.package));
        Ok(places)
    }

    /// Modules were imported. Returns what was known before, to be let go of where code may run.
    pub(crate) fn replace(&mut self, places: Vec<Place>) -> Vec<Place> {
        std::mem::replace(&mut self.places, places)
    }
}

/// Notes what the things that a walk has met have gained; whether it is more than was known.
pub(crate) fn more(py: Python<'_>, runtime: &Runtime, met: &Met<'_>, noted: &mut Noted) -> PyResult<bool> {
    let engine = runtime.engine.bind(py);
    let watch = &runtime.process_state;
    let places: Vec<(Bound<'_, PyAny>, String, Py<PyAny>, bool)> = {
        let gained = &watch.borrow().gained;
        let all = if met.packages.is_empty() { &[][..] } else { &gained.places[..] };
        let places = all.iter().filter(|place| met.packages.contains(&place.package));
        let places: Vec<_> = places
            .map(|p| (p.found.bind(py).clone(), p.module.clone(), p.name.clone_ref(py), p.is_weak))
            .collect();
        noted.looks |= !places.is_empty();
        places
    };
    let asked = &mut noted.asked;
    let mut is_new = |owner: Object, part: Object| asked.insert((owner as usize, part as usize));
    let mut new: Vec<Py<PyAny>> = Vec::new();
    for (found, module, name, is_weak) in places {
        if is_weak {
            let all = engine.getattr("entries_of_weak")?.call1((&found, module, name))?;
            for (anchor, entry) in all.extract::<Vec<(Bound<'_, PyAny>, Py<PyAny>)>>()? {
                if (met.travels)(anchor.as_ptr()) && is_new(found.as_ptr(), anchor.as_ptr()) {
                    new.push(entry);
                }
            }
        } else if is_new(found.as_ptr(), std::ptr::null_mut()) {
            new.extend(
                engine.getattr("gained_by_thread")?.call1((found, module, name))?.extract::<Vec<_>>()?,
            );
        }
    }
    for class in met.classes {
        // SAFETY: E5: a class that the walk has noted is live.
        let object = unsafe { Bound::from_borrowed_ptr(py, *class) };
        let version = version_of(object.cast::<PyType>()?);
        let tag = version.1;
        let is_plain = tag != 0 && watch.borrow().gained.plain.contains(&version);
        if is_plain || !is_new(*class, std::ptr::null_mut()) {
            continue;
        }
        let entries: Vec<Py<PyAny>> = engine.getattr("gained_by_class")?.call1((object,))?.extract()?;
        if entries.is_empty() && tag != 0 {
            let plain = &mut watch.borrow_mut().gained.plain;
            if plain.len() >= CLASSES_KEPT {
                plain.clear();
            }
            plain.insert(version);
        }
        new.extend(entries);
    }
    for (module, name, object) in met.made_later {
        if is_new(object.0, std::ptr::null_mut()) {
            // SAFETY: E5: held.
            let object = unsafe { Bound::from_borrowed_ptr(py, object.0) };
            new.push(engine.getattr("gained_by_module")?.call1((module, name, object))?.unbind());
        }
    }
    for Made { module, name, object, is_filled } in met.made_when_used {
        // SAFETY: E5: held.
        let object = unsafe { Bound::from_borrowed_ptr(py, object.0) };
        let full = format!("{module}:{name}");
        if *is_filled {
            if is_new(object.as_ptr(), std::ptr::null_mut()) {
                new.push(engine.getattr("filled_when_used")?.call1((module, name, object))?.unbind());
            }
        } else if noted.made_when_used.iter().all(|(known, ..)| *known != full) {
            let entry = engine.getattr("made_by_module")?.call1((module, name, &object))?.unbind();
            noted.made_when_used.push((full, object.unbind(), entry.clone_ref(py)));
            new.push(entry);
        }
    }
    let is_more = !new.is_empty();
    noted.entries.extend(new);
    Ok(is_more)
}
