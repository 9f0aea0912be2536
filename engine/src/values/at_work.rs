//! Objects of libraries while code of their package runs in the captured stack.
//!
//! What a `__getstate__` leaves out an object at rest does not need: a parser where it is, a cookie jar the lock that its
//! method holds, a document whom to tell of faults. An object at work is taken with all that it has; by its `__getstate__`
//! only if a part cannot travel. Objects of the program's own classes are taken by their hooks in any case.

use super::encode::{Encoder, Open};
use super::instance;
use super::protocol::{on_type, Protocol};
use super::{text_of, Object, Strong};
use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::gained::package_of;
use pyo3::ffi;
use pyo3::prelude::*;
use std::collections::HashSet;

/// For all walks of one capture.
#[derive(Default)]
pub(crate) struct AtWork {
    /// The packages of libraries whose code runs.
    packages: Vec<String>,
    /// Objects that methods of theirs, which run, are making (`unfinished.rs`).
    pub(super) unfinished: HashSet<usize>,
    /// What other functions that run have as their first local, and the functions.
    pub(super) called_on: Vec<(usize, usize)>,
    /// Objects that were taken with all that they have.
    taken: Vec<Strong>,
    /// Objects that have a part which cannot travel.
    by_hooks: HashSet<usize>,
}

impl Encoder<'_> {
    /// Notes the package whose code a frame runs, of a module that stays, if it is a library.
    ///
    /// # Safety
    /// E1, E2: `f` was found in this very call.
    pub(crate) unsafe fn note_at_work(&mut self, f: &Found) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let entry = code::entry(self.runtime, f.code)?;
            let function = f.function.cast::<ffi::PyFunctionObject>();
            let Some(module) = Bound::from_borrowed_ptr_or_opt(self.py, (*function).func_module) else {
                return Ok(());
            };
            let is_of_library = match entry.is_of_library.get() {
                Some(known) => known,
                None => self.is_library(&module)?,
            };
            entry.is_of_library.set(Some(is_of_library));
            if is_of_library {
                let module = text_of(&module);
                let package = package_of(&module);
                if self.work.at_work.packages.iter().all(|known| known != package) {
                    self.work.at_work.packages.push(package.to_owned());
                }
            }
        }
        Ok(())
    }

    fn is_library(&self, module: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.runtime.engine.bind(self.py).getattr("is_library")?.call1((module,))?.is_truthy()
    }

    /// How an object at work is taken apart, if its class's `__getstate__` would leave something out; likewise one that is
    /// being made, if its class would have it made by another call.
    pub(super) fn protocol_at_work<'py>(
        &mut self,
        object: &Bound<'py, PyAny>,
        protocol: Protocol<'py>,
    ) -> PyResult<Protocol<'py>> {
        let address = object.as_ptr() as usize;
        if self.work.at_work.by_hooks.contains(&address) {
            return Ok(protocol);
        }
        if self.is_made_again(object, &protocol) {
            let Some(below) = Protocol::below(self.runtime, object)? else { return Ok(protocol) };
            // SAFETY: E5: live.
            self.work.at_work.taken.push(unsafe { Strong::borrowed(object.as_ptr()) });
            return Ok(below);
        }
        if !matches!(protocol, Protocol::Default { arguments: false, own_state: false, .. }) {
            return Ok(protocol);
        }
        let module = on_type(&object.get_type(), crate::text::intern!(object.py(), "__module__"));
        let package = module.as_ref().map(|module| package_of(&text_of(module)).to_owned());
        let runs = package.is_some_and(|package| self.work.at_work.packages.contains(&package));
        let is_librarys = match module.filter(|_| runs) {
            Some(module) => self.is_library(&module)?,
            None => false,
        };
        if !is_librarys || !instance::is_whole(self.runtime, object)? {
            return Ok(protocol);
        }
        // SAFETY: E5: live.
        self.work.at_work.taken.push(unsafe { Strong::borrowed(object.as_ptr()) });
        Ok(Protocol::Parts)
    }

    /// Something cannot travel: if it is a part of an object at work, another walk is made that asks its hooks.
    pub(super) fn ask_hooks(&mut self) -> bool {
        let place = |object: Object| {
            let slot = self.known(object);
            let is_its = |node: &Open| {
                Some(node.slot) == slot || node.object.as_ref().is_some_and(|own| own.0 == object)
            };
            self.work.open.iter().rposition(is_its)
        };
        let at_work = &self.work.at_work;
        let objects = at_work.taken.iter().map(|known| known.0);
        let objects = objects.filter(|object| !at_work.by_hooks.contains(&(*object as usize)));
        let innermost = objects.filter_map(|object| Some((place(object)?, object))).max_by_key(|(at, _)| *at);
        let Some((_, object)) = innermost else { return false };
        self.work.at_work.by_hooks.insert(object as usize);
        self.work.walk_again = true;
        true
    }
}
