//! Functions that travelled keep an origin: a process that has one of that origin already finds it by that (`same.rs`).
//!
//! Classes and type parameters have origins too (`classes.py`). An origin is a number that says nothing: what it leads
//! to is compared with what was captured, so two things with one origin by chance are no more than two that differ.

use super::Object;
use crate::runtime::{self, Runtime};
use hashbrown::HashMap;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyList, PyTuple, PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxBuildHasher;
use std::hash::{BuildHasher, RandomState};

type Reference = Py<PyWeakrefReference>;

/// The functions of this process that were captured or adopted, and live.
#[derive(Default)]
pub(crate) struct Origins {
    by_address: HashMap<usize, (Reference, u32), FxBuildHasher>,
    /// Addresses by those of the references.
    addresses: HashMap<usize, usize, FxBuildHasher>,
    /// The first function of each origin.
    by_origin: HashMap<u32, Reference, FxBuildHasher>,
    random: RandomState,
    given: u64,
    /// What a reference calls when its function has gone.
    forget: Option<Py<PyCFunction>>,
}

impl Origins {
    /// Returns what is replaced, to be dropped when nothing is borrowed any more.
    fn enter(
        &mut self,
        py: Python<'_>,
        address: usize,
        reference: Reference,
        origin: u32,
    ) -> [Option<Reference>; 2] {
        let is_free = self.by_origin.get(&origin).is_none_or(|held| held.bind(py).upgrade().is_none());
        let replaced = is_free.then(|| self.by_origin.insert(origin, reference.clone_ref(py))).flatten();
        self.addresses.insert(reference.as_ptr() as usize, address);
        let old = self.by_address.insert(address, (reference, origin)).map(|(held, _)| held);
        if let Some(old) = &old {
            self.addresses.remove(&(old.as_ptr() as usize));
        }
        [replaced, old]
    }

    fn leave(&mut self, reference: usize) -> [Option<Reference>; 2] {
        let Some(address) = self.addresses.remove(&reference) else { return [None, None] };
        let Some((held, origin)) = self.by_address.remove(&address) else { return [None, None] };
        let is_first = self.by_origin.get(&origin).is_some_and(|first| first.is(&held));
        [is_first.then(|| self.by_origin.remove(&origin)).flatten(), Some(held)]
    }

    /// Another one each time, in forked processes too. Never 0.
    fn new_origin(&mut self) -> u32 {
        self.given += 1;
        (self.random.hash_one((self.given, std::process::id())) as u32).max(1)
    }
}

/// Called with a reference to a function that has gone.
fn forget(arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
    let reference = arguments.get_item(0)?;
    let Ok(runtime) = runtime::get(arguments.py()) else { return Ok(()) };
    // Nothing is borrowed where memory is given back; if it ever were, the reference would stay, and lead nowhere.
    let gone = runtime.origins.try_borrow_mut().map(|mut o| o.leave(reference.as_ptr() as usize));
    drop(gone);
    Ok(())
}

impl Runtime {
    /// The origin of a function; it gets one if it has none.
    ///
    /// # Safety
    /// `function` is a live function; the GIL is held.
    pub(super) unsafe fn origin_of(&self, py: Python<'_>, function: Object) -> PyResult<u32> {
        if let Some((held, origin)) = self.origins.borrow().by_address.get(&(function as usize)) {
            if held.bind(py).upgrade().is_some_and(|f| f.as_ptr() == function) {
                return Ok(*origin);
            }
        }
        let origin = self.origins.borrow_mut().new_origin();
        // SAFETY: as the caller promises.
        unsafe { self.enter_origin(py, function, origin)? };
        Ok(origin)
    }

    /// The origin of the function that lies at an address, if one that has an origin lives there.
    pub(super) fn known_origin(&self, py: Python<'_>, address: usize) -> Option<u32> {
        let origins = self.origins.borrow();
        let (held, origin) = origins.by_address.get(&address)?;
        let lives = held.bind(py).upgrade().is_some_and(|f| f.as_ptr() as usize == address);
        lives.then_some(*origin)
    }

    /// Notes that a function is of this origin.
    ///
    /// # Safety
    /// `function` is a live function; the GIL is held.
    pub(super) unsafe fn enter_origin(&self, py: Python<'_>, function: Object, origin: u32) -> PyResult<()> {
        // SAFETY: as the caller promises.
        let function = unsafe { Bound::from_borrowed_ptr(py, function) };
        let known = self.origins.borrow().forget.as_ref().map(|forget| forget.clone_ref(py));
        let forget = match known {
            Some(known) => known,
            None => {
                let made = PyCFunction::new_closure(py, None, None, |arguments, _| forget(arguments))?;
                self.origins.borrow_mut().forget = Some(made.clone().unbind());
                made.unbind()
            }
        };
        // Made before the table is borrowed: memory is asked for, which may run code.
        let reference = PyWeakrefReference::new_with(&function, forget.bind(py))?.unbind();
        let replaced = self.origins.borrow_mut().enter(py, function.as_ptr() as usize, reference, origin);
        drop(replaced);
        Ok(())
    }

    /// The living function of an origin.
    pub(super) fn living<'py>(&self, py: Python<'py>, origin: u32) -> Option<Bound<'py, PyAny>> {
        self.origins.borrow().by_origin.get(&origin)?.bind(py).upgrade()
    }

    /// Whether there may be any.
    pub(super) fn has_origins(&self) -> bool {
        !self.origins.borrow().by_origin.is_empty()
    }
}

/// The functions that were captured or adopted and live, for `python/main_module.py`.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    let living = crate::finish::function(py, "living_functions", |args| {
        let runtime = runtime::get(args.py())?;
        let all: Vec<_> = {
            let origins = runtime.origins.borrow();
            origins.by_address.values().filter_map(|(held, _)| held.bind(args.py()).upgrade()).collect()
        };
        Ok(PyList::new(args.py(), all)?.unbind())
    })?;
    Ok(vec![living])
}
