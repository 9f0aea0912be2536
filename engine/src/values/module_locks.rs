//! Locks that modules which stay have under names. Code may take and give back such a lock by its name, and then the
//! frames do not hold it themselves: another process's lock is free, and giving it back would fail there.
//!
//! A lock that the frames hold as a value (`with lock:`, `self.lock`) travels in its state and is none of these.

use super::encode::Encoder;
use super::{text_of, Object, Strong};
use crate::error::{Failure, Refusal};
use crate::gained::package_of;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple};
use std::collections::BTreeSet;

/// The classes of locks, in this order in `Runtime::locks`.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lock,
    RLock,
    Condition,
}

const KINDS: [Kind; 3] = [Kind::Lock, Kind::RLock, Kind::Condition];

const GLOBALS: &str = ".f_globals";

/// A module that stays, and who told of it.
pub(super) struct Met {
    dict: Py<PyAny>,
    path: String,
    /// Whether a frame that travels runs code of it.
    is_of_frame: bool,
}

struct Named {
    name: Strong,
    lock: Strong,
    kind: Kind,
    /// Index of its module.
    module: usize,
}

/// What a walk has met; in the encoder's memory.
#[derive(Default)]
pub(crate) struct ModuleLocks {
    modules: Vec<Met>,
    named: Vec<Named>,
    /// Code objects of frames that travel.
    codes: Vec<Strong>,
}

impl ModuleLocks {
    pub(crate) fn clear(&mut self) {
        self.modules.clear();
        self.named.clear();
        self.codes.clear();
    }

    pub(super) fn count(&self) -> usize {
        self.modules.len()
    }

    /// The first of the modules that were met, as before any frame was.
    pub(super) fn take(&mut self, count: usize) -> Vec<Met> {
        let mut first = std::mem::take(&mut self.modules);
        first.truncate(count);
        first.iter_mut().for_each(|met| met.is_of_frame = false);
        first
    }

    /// What [`take`](Self::take) gave.
    pub(super) fn give(&mut self, first: Vec<Met>) {
        self.modules = first;
    }

    /// The packages of modules whose code runs in frames that travel.
    pub(crate) fn packages(&self, py: Python<'_>) -> BTreeSet<String> {
        let name = |met: &Met| {
            let name = met.dict.bind(py).get_item(crate::text::intern!(py, "__name__")).ok()?;
            Some(package_of(&text_of(&name)).to_owned())
        };
        self.modules.iter().filter(|met| met.is_of_frame).filter_map(name).collect()
    }

    /// The namespaces of the modules.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &Py<PyAny>> {
        self.modules.iter().map(|met| &met.dict)
    }

    /// Whether the walk has met no lock: one would have to be asked again at every capture.
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Looks through a module that stays and may have locks; whether it has some that were not met before.
    ///
    /// # Safety
    /// `dict` is a live dict; the GIL is held.
    unsafe fn meet(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        dict: Object,
        is_of_frame: bool,
        may_have: bool,
    ) -> bool {
        if let Some(met) = self.modules.iter_mut().find(|m| m.dict.as_ptr() == dict) {
            met.is_of_frame |= is_of_frame;
            return false;
        }
        let (module, before) = (self.modules.len(), self.named.len());
        // SAFETY: (whole body) E5: what the dict holds is live; nothing runs while it is looked through.
        unsafe {
            self.modules.push(Met {
                dict: Bound::from_borrowed_ptr(py, dict).unbind(),
                path: String::new(),
                is_of_frame,
            });
            let (mut at, mut name, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while may_have && ffi::PyDict_Next(dict, &raw mut at, &raw mut name, &raw mut value) != 0 {
                let class = ffi::Py_TYPE(value);
                let Some(i) = runtime.locks.iter().position(|known| known.as_ptr() == class.cast()) else {
                    continue;
                };
                let (name, lock) = (Strong::borrowed(name), Strong::borrowed(value));
                self.named.push(Named { name, lock, kind: KINDS[i], module });
            }
        }
        self.named.len() > before
    }

    /// Notes the code of a frame that travels.
    ///
    /// # Safety
    /// `code` is a live code object; the GIL is held.
    pub(crate) unsafe fn meet_code(&mut self, code: Object) {
        if self.codes.iter().all(|known| known.0 != code) {
            // SAFETY: as the caller promises.
            self.codes.push(unsafe { Strong::borrowed(code) });
        }
    }

    /// Whether a frame that travels speaks of a lock of this module, or of a function of the module that does.
    fn is_mentioned(&self, dict: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = dict.py();
        for code in &self.codes {
            // SAFETY: live: it is held.
            let code = unsafe { Bound::from_borrowed_ptr(py, code.0) };
            let names = code.getattr(crate::text::intern!(py, "co_names"))?;
            if names.contains(name)? {
                return Ok(true);
            }
            for spoken in names.try_iter()? {
                let found = dict.cast::<PyDict>()?.get_item(spoken?)?;
                let Some(found) = found.filter(|f| f.is_exact_instance_of::<PyFunction>()) else { continue };
                let inner = found.getattr(crate::text::intern!(py, "__code__"))?;
                if inner.getattr(crate::text::intern!(py, "co_names"))?.contains(name)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Whether the thread that captures may have taken a lock.
fn is_taken(py: Python<'_>, kind: Kind, lock: &Bound<'_, PyAny>) -> PyResult<bool> {
    match kind {
        Kind::Lock => lock.call_method0(crate::text::intern!(py, "locked"))?.is_truthy(),
        Kind::RLock => lock.call_method0(crate::text::intern!(py, "_is_owned"))?.is_truthy(),
        Kind::Condition => {
            let inner = lock.getattr(crate::text::intern!(py, "_lock"))?;
            match inner.hasattr(crate::text::intern!(py, "_is_owned"))? {
                true => is_taken(py, Kind::RLock, &inner),
                false => is_taken(py, Kind::Lock, &inner),
            }
        }
    }
}

impl Encoder<'_> {
    /// Notes a module that stays; `path` says where, when that is of interest.
    ///
    /// # Safety
    /// `dict` is a live dict; the GIL is held.
    pub(super) unsafe fn note_module_met(
        &mut self,
        dict: Object,
        is_of_frame: bool,
        path: impl FnOnce(&Self) -> String,
    ) {
        let may_have = !self.look_at_modules().is_without_locks(dict);
        // SAFETY: as the caller promises.
        if unsafe { self.work.module_locks.meet(self.py, self.runtime, dict, is_of_frame, may_have) } {
            let path = path(self);
            if let Some(met) = self.work.module_locks.modules.last_mut() {
                met.path = path;
            }
        }
    }

    /// Notes the module of a frame that travels, if the module stays.
    ///
    /// # Safety
    /// `globals` is a live dict, `code` a live code object; the GIL is held.
    pub(crate) unsafe fn note_frame_of_module(
        &mut self,
        globals: Object,
        code: Object,
        stays: bool,
        slot: u32,
    ) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            self.work.module_locks.meet_code(code);
            if stays {
                let dict =
                    Bound::from_borrowed_ptr(self.py, globals).cast_into::<PyDict>().map_err(PyErr::from)?;
                self.note_module_met(globals, true, |e| e.path_of_globals(slot));
                self.note_made_when_used(&dict, code)?;
                // Modules that the code speaks of: nothing else of such a frame's globals is walked.
                let names = Bound::from_borrowed_ptr(self.py, code)
                    .getattr(crate::text::intern!(self.py, "co_names"))?;
                for name in names.cast_into::<PyTuple>().map_err(PyErr::from)?.iter_borrowed() {
                    let found = ffi::PyDict_GetItemWithError(globals, name.as_ptr());
                    if !found.is_null() && ffi::PyModule_Check(found) != 0 {
                        let path = |e: &Self| format!("{}['{}']", e.path_of_globals(slot), text_of(&name));
                        self.note_module_met(ffi::PyModule_GetDict(found), false, path);
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses locks that are held by their names only: nothing that was written holds them. Run when the walk is over.
    pub(crate) fn refuse_held_locks(&mut self) -> Result<(), Failure> {
        let met = std::mem::take(&mut self.work.module_locks);
        for named in &met.named {
            // SAFETY: live: `met` holds them.
            let (lock, name) = unsafe {
                (
                    Bound::from_borrowed_ptr(self.py, named.lock.0),
                    Bound::from_borrowed_ptr(self.py, named.name.0),
                )
            };
            if self.known(lock.as_ptr()).is_some() || !is_taken(self.py, named.kind, &lock)? {
                continue;
            }
            let module = &met.modules[named.module];
            // A lock does not say who has taken it: the frames' thread if it is the only one, or if they speak of it.
            let dict = module.dict.bind(self.py).clone();
            if named.kind != Kind::RLock && !met.is_mentioned(&dict, &name)? {
                let alone = self.runtime.engine.bind(self.py).getattr("is_only_thread")?;
                if !module.is_of_frame || !alone.call0()?.is_truthy()? {
                    continue;
                }
            }
            let owner = dict.get_item(PyString::intern(self.py, "__name__"))?;
            let (owner, name) = (text_of(&owner), text_of(&name));
            let path = match module.path.strip_suffix(GLOBALS) {
                Some(_) => format!("{}['{name}']", module.path),
                None => format!("{}.{name}", module.path),
            };
            let reason = format!(
                "the lock {owner}.{name} is held, and where the frames go on it would not be; capture when it is free"
            );
            self.work.refusals.push(Refusal { path, reason, local: None });
        }
        self.work.module_locks = met;
        Ok(())
    }

    /// The globals of the frame at `slot`, or of the generator there, in words.
    fn path_of_globals(&self, slot: u32) -> String {
        let frame = match self.work.open.is_empty() {
            true => self.root_name(slot).trim_end_matches(".function").to_owned(),
            false => format!("{}.gi_frame", self.path_of(slot)),
        };
        frame + GLOBALS
    }
}
