//! Objects of libraries in the middle of an operation: a captured frame runs a method of theirs.
//!
//! What a `__getstate__` leaves out an object at rest does not need: a parser where it is, a cookie jar the lock that its
//! method holds. An object at work is taken with all that it has; by its `__getstate__` only if a part cannot travel.
//! Objects of the program's own classes are taken by their hooks in any case.

use super::encode::{Encoder, Open};
use super::instance;
use super::protocol::{on_type, Protocol};
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use crate::found::Found;
use pyo3::ffi;
use pyo3::prelude::*;

/// For all walks of one capture.
#[derive(Default)]
pub(crate) struct AtWork {
    objects: Vec<Strong>,
    /// Those of them that have a part which cannot travel.
    by_hooks: Vec<usize>,
}

impl Encoder<'_> {
    /// Notes the object of a method of a library's that a frame runs.
    ///
    /// # Safety
    /// E1, E2: `f` was found in this very call.
    pub(crate) unsafe fn note_at_work(&mut self, f: &Found) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let entry = code::entry(self.runtime, f.code)?;
            if !entry.takes_arguments {
                return Ok(());
            }
            let function = f.function.cast::<ffi::PyFunctionObject>();
            let module = Bound::from_borrowed_ptr_or_opt(self.py, (*function).func_module);
            let is_of_library = match (entry.is_of_library.get(), module) {
                (Some(known), _) => known,
                (None, Some(module)) => self.is_library(&module)?,
                (None, None) => false,
            };
            entry.is_of_library.set(Some(is_of_library));
            if !is_of_library {
                return Ok(());
            }
            let mut object: Object = f.slot(0).object();
            if !object.is_null() && ffi::Py_TYPE(object) == &raw mut ffi::PyCell_Type {
                object = ffi::PyCell_Get(object); // a new reference, or NULL
                drop(Strong(object)); // the cell has it
            }
            let is_instance = !object.is_null()
                && (*ffi::Py_TYPE(object)).tp_flags & ffi::Py_TPFLAGS_HEAPTYPE != 0
                && ffi::PyType_Check(object) == 0;
            if is_instance && self.work.at_work.objects.iter().all(|known| known.0 != object) {
                self.work.at_work.objects.push(Strong::borrowed(object));
            }
        }
        Ok(())
    }

    fn is_library(&self, module: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.runtime.engine.bind(self.py).getattr("is_library")?.call1((module,))?.is_truthy()
    }

    /// How an object at work is taken apart, if the program's own hooks would take it apart otherwise.
    pub(super) fn protocol_at_work<'py>(
        &self,
        object: &Bound<'py, PyAny>,
        protocol: Protocol<'py>,
    ) -> PyResult<Protocol<'py>> {
        let at_work = &self.work.at_work;
        let address = object.as_ptr();
        if at_work.objects.iter().all(|known| known.0 != address)
            || at_work.by_hooks.contains(&(address as usize))
        {
            return Ok(protocol);
        }
        let forgets = matches!(protocol, Protocol::Default { arguments: false, own_state: false, .. });
        let class = object.get_type();
        let module = on_type(&class, pyo3::intern!(self.py, "__module__"));
        let is_librarys = match module.filter(|_| forgets) {
            Some(module) => self.is_library(&module)?,
            None => false,
        };
        match is_librarys && instance::is_whole(self.runtime, object)? {
            true => Ok(Protocol::Parts),
            false => Ok(protocol),
        }
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
        let mut found: Vec<(usize, Object)> = Vec::new();
        for object in at_work.objects.iter().map(|known| known.0) {
            if !at_work.by_hooks.contains(&(object as usize)) {
                found.extend(place(object).map(|at| (at, object)));
            }
        }
        found.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (_, object) in found {
            // SAFETY: E5: held.
            let class = unsafe { Bound::from_borrowed_ptr(self.py, object) }.get_type();
            let has_hook = Protocol::of(&class)
                .is_ok_and(|protocol| matches!(protocol, Protocol::Default { own_state: false, .. }));
            if has_hook {
                self.work.at_work.by_hooks.push(object as usize);
                self.work.walk_again = true;
                return true;
            }
        }
        false
    }
}
