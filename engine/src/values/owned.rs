//! Objects that an imported module has under a name: the adopter's own module has them too.
//!
//! A list, tuple, dict, set or instance that is the value of a name of a module which does not travel is written as that
//! name. Which objects these are, an index of the modules' dicts knows. It is looked at when the first object is met
//! that somebody else than the graph holds; the dicts of modules that changed since are looked through again then.
//! What was captured is told by a hash (`content.rs`): an adopter whose object differs is warned.

use super::content::{content_of, kind_of};
use super::encode::Encoder;
use super::identity::Marks;
use super::protocol::{on_type, version_of, Protocol};
use super::{text_of, Object, Strong};
use crate::error::Failure;
use crate::frame::dicts;
use crate::gained::CLASSES_KEPT;
use crate::runtime::Runtime;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use rustc_hash::FxBuildHasher;
use torpor_store::region::Flags;
use torpor_store::value::{flag, tag};
use torpor_store::Value;

/// One module's dict when it was looked through last. A module that has several names has the first one here.
struct Indexed {
    name: Py<PyString>,
    dict: usize,
    /// Of the dict as it was then.
    stamp: u64,
    objects: Vec<usize>,
    /// Whether it may have locks under names.
    may_have_locks: bool,
    /// How many names it had when nobody had put anything there since it was imported; -1: not known.
    without_late_names: isize,
    /// The look that met it last.
    seen: u64,
}

/// Which modules have an object under a name.
#[derive(Default)]
pub(crate) struct ModuleIndex {
    modules: Vec<Option<Indexed>>,
    by_dict: HashMap<usize, u32, FxBuildHasher>,
    by_object: HashMap<usize, Vec<u32>, FxBuildHasher>,
    /// The module of what is told from its equals by identity alone, the last one of several.
    pub(crate) marks: Marks,
    /// Modules that call themselves otherwise (`renamed.rs`).
    pub(super) renamed: Vec<u32>,
    /// Of the dict of all modules.
    stamp: u64,
    /// How often the modules were looked through.
    look: u64,
    /// How often anything was found to have changed.
    pub(crate) changes: u64,
    /// How often that was a module which can be imported, or which modules there are.
    pub(crate) importable_changes: u64,
}

/// Whether an object of this type may be one that counts: not what is written by its name or as data anyway.
fn may_count(kind: *mut ffi::PyTypeObject) -> bool {
    let plain = [
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyFunction_Type,
        &raw mut ffi::PyType_Type,
        &raw mut ffi::PyModule_Type,
        &raw mut ffi::PyCFunction_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyFrozenSet_Type,
        &raw mut ffi::PyCode_Type,
    ];
    // SAFETY: None lives for ever.
    !plain.contains(&kind) && kind != unsafe { ffi::Py_TYPE(ffi::Py_None()) }
}

impl ModuleIndex {
    /// Looks through the dicts that changed since the last time, of modules that can be imported.
    ///
    /// # Safety
    /// The GIL is held. No Python code runs.
    pub(crate) unsafe fn look_again(&mut self, py: Python<'_>, runtime: &Runtime) {
        let changes = match dicts::changes() {
            None if self.look > 0 => return,
            changes => changes.unwrap_or_default(),
        };
        // SAFETY: (whole body) E20: dicts of live modules; no Python code runs.
        unsafe {
            let all = ffi::PyImport_GetModuleDict();
            if self.look == 0 || dicts::has_changed(all, self.stamp, &changes) {
                self.look_for_modules(py, runtime, all, &changes);
                return;
            }
            for number in 0..self.modules.len() {
                let Some(module) = &self.modules[number] else { continue };
                // As long as the dict of all modules is what it was, each module lives and has its dict.
                let dict = module.dict as Object;
                if dicts::has_changed(dict, module.stamp, &changes) {
                    let name = module.name.clone_ref(py);
                    self.note(runtime, number, name, dict);
                }
            }
        }
    }

    /// # Safety
    /// As [`look_again`](Self::look_again); `all` is the dict of all modules.
    unsafe fn look_for_modules(&mut self, py: Python<'_>, runtime: &Runtime, all: Object, changes: &[usize]) {
        self.look += 1;
        self.changes += 1;
        self.importable_changes += 1;
        // SAFETY: (whole body) E20: as the caller promises.
        unsafe {
            self.stamp = dicts::watch(all);
            let (mut at, mut name, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(all, &mut at, &mut name, &mut module) != 0 {
                if ffi::PyModule_Check(module) == 0 || ffi::Py_TYPE(name) != &raw mut ffi::PyUnicode_Type {
                    continue;
                }
                let dict = ffi::PyModule_GetDict(module);
                let number = match self.by_dict.get(&(dict as usize)) {
                    Some(number) => *number as usize,
                    None => {
                        let free = self.modules.iter().position(Option::is_none);
                        let number = free.unwrap_or_else(|| {
                            self.modules.push(None);
                            self.modules.len() - 1
                        });
                        self.by_dict.insert(dict as usize, number as u32);
                        number
                    }
                };
                let look = self.look;
                if let Some(known) = self.modules[number].as_mut() {
                    let same = known.name.as_ptr() == name;
                    if known.seen == look || same && !dicts::has_changed(dict, known.stamp, changes) {
                        known.seen = look;
                        continue;
                    }
                }
                let name = Bound::from_borrowed_ptr(py, name).cast_into_unchecked::<PyString>().unbind();
                self.note(runtime, number, name, dict);
            }
        }
        for number in 0..self.modules.len() {
            if self.modules[number].as_ref().is_some_and(|m| m.seen != self.look) {
                self.forget(number as u32);
                if let Some(module) = self.modules[number].take() {
                    self.by_dict.remove(&module.dict);
                }
            }
        }
    }

    /// Enters the objects of one module.
    ///
    /// # Safety
    /// As [`look_again`](Self::look_again); `dict` is that of a module that lives.
    unsafe fn note(&mut self, runtime: &Runtime, number: usize, name: Py<PyString>, dict: Object) {
        self.forget(number as u32);
        self.changes += 1;
        let mut objects = Vec::new();
        let mut may_have_locks;
        // SAFETY: (whole body) as the caller promises.
        let stamp = unsafe {
            let stamp = dicts::watch(dict);
            let spec = ffi::PyDict_GetItemWithError(dict, runtime.names.spec.as_ptr());
            // `__main__`, or a module that was made by the program, has none, and cannot be imported.
            let importable = !spec.is_null() && spec != ffi::Py_None();
            self.importable_changes += u64::from(importable);
            let said = ffi::PyDict_GetItemWithError(dict, runtime.names.name.as_ptr());
            let is_text = !said.is_null() && ffi::Py_TYPE(said) == &raw mut ffi::PyUnicode_Type;
            if importable && is_text && ffi::PyUnicode_Compare(said, name.as_ptr()) != 0 {
                self.renamed.push(number as u32);
            }
            may_have_locks = !importable;
            let (mut i, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while importable && ffi::PyDict_Next(dict, &mut i, &mut key, &mut value) != 0 {
                if may_count(ffi::Py_TYPE(value)) {
                    may_have_locks |= runtime.is_lock_class(ffi::Py_TYPE(value).cast());
                    objects.push(value as usize);
                    self.by_object.entry(value as usize).or_default().push(number as u32);
                } else {
                    self.marks.note(number as u32, name.as_ptr(), key, value);
                }
            }
            stamp
        };
        let made = Indexed {
            name,
            dict: dict as usize,
            stamp,
            objects,
            may_have_locks,
            without_late_names: -1,
            seen: self.look,
        };
        // The old one's name may go: a text, whose end runs nothing.
        drop(self.modules[number].replace(made));
    }

    /// Whether a module that can be imported has an object under a name, as far as it counts.
    pub(super) fn has_object(&self, object: Object) -> bool {
        self.by_object.contains_key(&(object as usize))
    }

    /// Whether it is the dict of a module.
    pub(super) fn has_dict(&mut self, dict: Object) -> bool {
        self.of_dict(dict).is_some()
    }

    fn of_dict(&mut self, dict: Object) -> Option<&mut Indexed> {
        let number = *self.by_dict.get(&(dict as usize))?;
        self.modules.get_mut(number as usize)?.as_mut()
    }

    /// Whether the module that has this dict has no locks under names.
    pub(super) fn is_without_locks(&mut self, dict: Object) -> bool {
        self.of_dict(dict).is_some_and(|module| !module.may_have_locks)
    }

    /// Whether nobody has put anything into the module that has this dict, of so many names.
    pub(super) fn is_without_late_names(&mut self, dict: Object, names: usize) -> bool {
        self.of_dict(dict).is_some_and(|module| module.without_late_names == names as isize)
    }

    pub(super) fn note_without_late_names(&mut self, dict: Object, names: usize) {
        if let Some(module) = self.of_dict(dict) {
            module.without_late_names = names as isize;
        }
    }

    /// Takes the objects of one module out.
    fn forget(&mut self, number: u32) {
        let Some(module) = &mut self.modules[number as usize] else { return };
        self.marks.forget(number);
        self.renamed.retain(|known| *known != number);
        for object in std::mem::take(&mut module.objects) {
            if let Some(numbers) = self.by_object.get_mut(&object) {
                numbers.retain(|n| *n != number);
                if numbers.is_empty() {
                    self.by_object.remove(&object);
                }
            }
        }
    }
}

/// Modules whose state is the process's, or goes with the stack: it is not compared. Neither are names with two underscores.
const OF_THE_PROCESS: &[&str] =
    &["sys", "os", "builtins", "random", "_frozen_importlib", "_frozen_importlib_external"];

impl<'py> Encoder<'py> {
    /// Writes `object` as the name that a module has it under, if one does that does not travel.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    #[inline]
    pub(super) unsafe fn owned(&mut self, object: &Strong, slot: u32) -> Result<bool, Failure> {
        // Its holder in the graph and we have it: nobody else can.
        // SAFETY: E5: live.
        if unsafe { ffi::Py_REFCNT(object.0) } <= 2 {
            return Ok(false);
        }
        // SAFETY: as the caller promises.
        unsafe { self.owned_by_module(object, slot) }
    }

    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn owned_by_module(&mut self, object: &Strong, slot: u32) -> Result<bool, Failure> {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let Some((module, name)) = self.owning_module(object.0, false)? else {
                self.note_named_in_state(object.0, slot)?;
                return Ok(false);
            };
            let any = Bound::from_borrowed_ptr(self.py, object.0);
            let text = format!("{module}:{name}");
            let compared = !name.starts_with("__") && !OF_THE_PROCESS.contains(&&*module);
            let content = match compared {
                true => content_of(self.py, self.runtime, object.0)?,
                false => 0,
            };
            self.out.push_bytes(&kind_of(&any)?.to_le_bytes());
            self.out.push_bytes(&content.to_le_bytes());
            let at = self.out.push_text(text.as_bytes());
            let flags = flag::HASHED | flag::STATE;
            self.set(slot, Value::new(tag::GLOBAL, flags, text.len() as u32, u64::from(at)));
            self.out.flags |= Flags::RUNS_CODE;
            self.note(Strong::borrowed(object.0), slot);
            Ok(true)
        }
    }

    /// The module that has an object, and the name; unless the object holds what is captured, functions of the module
    /// assign the name, or to import the module does not make it. Of modules that do not travel, or of those that do with
    /// their state.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn owning_module(
        &mut self,
        object: Object,
        of_state: bool,
    ) -> Result<Option<(String, String)>, Failure> {
        // SAFETY: as the caller promises.
        unsafe {
            let Some(found) = self.module_that_has(object, of_state)? else { return Ok(None) };
            let any = Bound::from_borrowed_ptr(self.py, object);
            let engine = self.runtime.engine.bind(self.py);
            let stays = engine.getattr("is_private")?.call1((&any,))?.is_truthy()?
                || engine.getattr("is_rebound")?.call1((&found.0, &found.1))?.is_truthy()?;
            if stays {
                return Ok(None);
            }
            let (module, name) = (PyString::new(self.py, &found.0), PyString::new(self.py, &found.1));
            if !of_state && self.is_made_later(&any, &module, &name, std::ptr::null_mut())? {
                return Ok(None);
            }
            Ok(Some(found))
        }
    }

    /// Whether to import a module does not make what it has under a name; of a function, only if its code is of no file.
    ///
    /// # Safety
    /// `code` is NULL or a live code object; the GIL is held.
    pub(super) unsafe fn is_made_later(
        &mut self,
        object: &Bound<'py, PyAny>,
        module: &Bound<'py, PyAny>,
        qualname: &Bound<'py, PyAny>,
        code: Object,
    ) -> PyResult<bool> {
        // SAFETY: as the caller promises.
        if let Some(code) = unsafe { Bound::from_borrowed_ptr_or_opt(self.py, code) } {
            let file = text_of(&code.getattr(crate::text::intern!(self.py, "co_filename"))?);
            if !file.starts_with('<') || file.starts_with("<frozen") {
                return Ok(false);
            }
        }
        let version = object.cast::<PyType>().map_or((0, 0), version_of);
        let engine = self.runtime.engine.bind(self.py);
        if version.1 != 0 && self.runtime.imported_classes.borrow().contains(&version) {
            return Ok(false);
        }
        let later = engine.getattr("is_made_later")?.call1((module, qualname))?.is_truthy()?;
        if !later && version.1 != 0 {
            let mut known = self.runtime.imported_classes.borrow_mut();
            if known.len() >= CLASSES_KEPT {
                known.clear();
            }
            known.insert(version);
        } else if later && !text_of(qualname).contains('.') {
            let object = Strong(object.clone().into_ptr());
            self.work.made_later.push((text_of(module), text_of(qualname), object));
        }
        Ok(later)
    }

    /// The dict of the module with that number in the index, and its name, if it is still the one that was looked through.
    ///
    /// # Safety
    /// The GIL is held.
    pub(super) unsafe fn indexed_module(
        &self,
        index: &ModuleIndex,
        number: u32,
    ) -> Option<(Bound<'py, PyDict>, String)> {
        let module = index.modules.get(number as usize)?.as_ref()?;
        let found = self.runtime.module_named(self.py, module.name.bind(self.py).as_any())?;
        let dict = found.cast_into::<pyo3::types::PyModule>().ok()?.dict();
        (dict.as_ptr() as usize == module.dict)
            .then(|| (dict, module.name.bind(self.py).to_string_lossy().into_owned()))
    }

    /// Looks at the modules once in a walk.
    pub(super) fn look_at_modules(&self) -> std::cell::RefMut<'py, ModuleIndex> {
        let mut index = self.runtime.module_index.borrow_mut();
        if !self.work.modules_seen.replace(true) {
            // SAFETY: E20: the GIL is held; no Python code runs.
            unsafe { index.look_again(self.py, self.runtime) };
        }
        index
    }

    /// (module, name): the module of its class before all others, else the one that was imported first.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn module_that_has(
        &mut self,
        object: Object,
        of_state: bool,
    ) -> Result<Option<(String, String)>, Failure> {
        let index = self.look_at_modules();
        let Some(numbers) = index.by_object.get(&(object as usize)) else { return Ok(None) };
        // SAFETY: (whole body) E20: live; a lookup of a text on a type or in a dict runs no code.
        unsafe {
            let any = Bound::from_borrowed_ptr(self.py, object);
            let own = on_type(&any.get_type(), crate::text::intern!(self.py, "__module__"));
            let own = own.filter(|own| ffi::Py_TYPE(own.as_ptr()) == &raw mut ffi::PyUnicode_Type);
            let mut best: Option<(bool, u32, String, String)> = None;
            for number in numbers {
                let Some(module) = &index.modules[*number as usize] else { continue };
                let name = module.name.bind(self.py);
                let text = name.to_string_lossy();
                let wanted = match of_state {
                    true => self.policy.state.contains(&*text),
                    false => !self.policy.travels(&text),
                };
                if !wanted || text.contains(':') {
                    continue;
                }
                let is_other = !own.as_ref().is_some_and(|own| own.eq(name).unwrap_or(false));
                if best.as_ref().is_some_and(|b| (b.0, b.1) <= (is_other, *number)) {
                    continue;
                }
                // The module is looked at again: it may have changed since.
                let Some(found) = self.runtime.module_named(self.py, name.as_any()) else { continue };
                if ffi::PyModule_Check(found.as_ptr()) == 0
                    || ffi::PyModule_GetDict(found.as_ptr()) as usize != module.dict
                {
                    continue;
                }
                let dict = Bound::from_borrowed_ptr(self.py, module.dict as Object);
                let dict = dict.cast_into::<PyDict>().map_err(PyErr::from)?;
                let mut names = dict.iter().filter(|(_, value)| value.as_ptr() == object);
                let plain =
                    |key: &Bound<'_, PyAny>| key.extract::<String>().ok().filter(|k| !k.contains(['.', ':']));
                if let Some(key) = names.find_map(|(key, _)| plain(&key)) {
                    best = Some((is_other, *number, text.into_owned(), key));
                }
            }
            Ok(best.map(|(_, _, module, name)| (module, name)))
        }
    }

    /// Whether an instance is one that code tells from others by identity, and not by what it contains.
    pub(super) fn has_identity(&self, class: &Bound<'py, PyType>, protocol: &Protocol<'py>) -> bool {
        match protocol {
            Protocol::NamedTuple
            | Protocol::Member
            | Protocol::ImportedMember
            | Protocol::Path
            | Protocol::Parts => false,
            Protocol::Default { .. } | Protocol::Set => true,
            // SAFETY: E5: slots of a live class.
            Protocol::Own(..) | Protocol::Below(..) => unsafe {
                let hash = (*class.as_type_ptr()).tp_hash.map(|f| f as usize);
                let object = &raw mut ffi::PyBaseObject_Type;
                hash.is_none()
                    || hash == (*object).tp_hash.map(|f| f as usize)
                    || hash == Some(ffi::PyObject_HashNotImplemented as *const () as usize)
            },
        }
    }
}
