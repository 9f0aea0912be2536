//! Objects that an imported module has under a name: the adopter's own module has them too.
//!
//! A list, dict, set or instance that is the value of a name of a module which does not travel is written as that
//! name. Which objects these are, an index of the modules' dicts knows; they are looked through once per capture, when
//! the first object is met that somebody else than the graph holds, and made anew for the modules that changed.
//! What was captured is told by a hash (`content.rs`): an adopter whose object differs is warned.

use super::content::{content_of, kind_of};
use super::encode::Encoder;
use super::protocol::{on_type, Protocol};
use super::{Object, Strong};
use crate::error::Failure;
use crate::runtime::Runtime;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use rustc_hash::FxBuildHasher;
use torpor_store::region::Flags;
use torpor_store::value::{flag, tag};
use torpor_store::Value;

/// One module's dict when it was looked through last.
struct Indexed {
    name: Py<PyString>,
    dict: usize,
    /// Of the addresses of its names and values.
    sum: u64,
    objects: Vec<usize>,
    /// The look that met it last.
    seen: u64,
}

/// Which modules have an object under a name.
#[derive(Default)]
pub(crate) struct ModuleIndex {
    modules: Vec<Option<Indexed>>,
    by_dict: HashMap<usize, u32, FxBuildHasher>,
    by_object: HashMap<usize, Vec<u32>, FxBuildHasher>,
    /// How often the dicts were looked through.
    look: u64,
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
        &raw mut ffi::PyTuple_Type,
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
    /// Looks through the dicts of all modules that can be imported.
    ///
    /// # Safety
    /// The GIL is held. No Python code runs.
    unsafe fn look_again(&mut self, py: Python<'_>, runtime: &Runtime) {
        self.look += 1;
        // SAFETY: (whole body) E20: dicts of live modules; between two PyDict_Next no Python code runs.
        unsafe {
            let modules = ffi::PyImport_GetModuleDict();
            let (mut at, mut name, mut module) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(modules, &mut at, &mut name, &mut module) != 0 {
                if ffi::PyModule_Check(module) == 0 || ffi::Py_TYPE(name) != &raw mut ffi::PyUnicode_Type {
                    continue;
                }
                let dict = ffi::PyModule_GetDict(module);
                let spec = ffi::PyDict_GetItemWithError(dict, runtime.names.spec.as_ptr());
                if spec.is_null() || spec == ffi::Py_None() {
                    continue; // `__main__`, or one that was made here
                }
                let (mut i, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
                let mut sum = 0u64;
                while ffi::PyDict_Next(dict, &mut i, &mut key, &mut value) != 0 {
                    sum = (sum.rotate_left(5) ^ key as u64 ^ (value as u64).rotate_left(32))
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
                }
                self.note(py, name, dict, sum);
            }
        }
        let gone: Vec<u32> = (0..self.modules.len() as u32)
            .filter(|i| self.modules[*i as usize].as_ref().is_some_and(|m| m.seen != self.look))
            .collect();
        for number in gone {
            self.forget(number);
            if let Some(module) = self.modules[number as usize].take() {
                self.by_dict.remove(&module.dict);
            }
        }
    }

    /// Enters the objects of one module, if it is not as it was.
    ///
    /// # Safety
    /// As [`look_again`](Self::look_again).
    unsafe fn note(&mut self, py: Python<'_>, name: Object, dict: Object, sum: u64) {
        let look = self.look;
        let number = match self.by_dict.get(&(dict as usize)) {
            Some(number) => *number,
            None => {
                let number = self.modules.iter().position(Option::is_none).unwrap_or(self.modules.len());
                if number == self.modules.len() {
                    self.modules.push(None);
                }
                self.by_dict.insert(dict as usize, number as u32);
                number as u32
            }
        };
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            if let Some(known) = self.modules[number as usize].as_mut() {
                // A module that has several names has the first one here.
                if known.seen == look || known.sum == sum && known.name.as_ptr() == name {
                    known.seen = look;
                    return;
                }
            }
            self.forget(number);
            let mut objects = Vec::new();
            let (mut i, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(dict, &mut i, &mut key, &mut value) != 0 {
                if may_count(ffi::Py_TYPE(value)) {
                    objects.push(value as usize);
                    self.by_object.entry(value as usize).or_default().push(number);
                }
            }
            let name = Bound::from_borrowed_ptr(py, name).cast_into_unchecked::<PyString>().unbind();
            let made = Indexed { name, dict: dict as usize, sum, objects, seen: look };
            drop(self.modules[number as usize].replace(made));
        }
    }

    /// Takes the objects of one module out.
    fn forget(&mut self, number: u32) {
        let Some(module) = &mut self.modules[number as usize] else { return };
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

/// Modules whose state is the process's: it is not compared. Neither are names with two underscores.
const OF_THE_PROCESS: &[&str] = &["sys", "os", "builtins", "_frozen_importlib", "_frozen_importlib_external"];

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
            let Some((module, name)) = self.owning_module(object.0)? else { return Ok(false) };
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

    /// The module that has an object, and the name, unless the object holds what is captured.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn owning_module(
        &mut self,
        object: Object,
    ) -> Result<Option<(String, String)>, Failure> {
        // SAFETY: as the caller promises.
        unsafe {
            let Some(found) = self.module_that_has(object)? else { return Ok(None) };
            let any = Bound::from_borrowed_ptr(self.py, object);
            let private = self.runtime.engine.bind(self.py).getattr("is_private")?.call1((any,))?;
            Ok(Some(found).filter(|_| !private.is_truthy().unwrap_or(true)))
        }
    }

    /// (module, name): the module of its class before all others, else the one that was imported first.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn module_that_has(&mut self, object: Object) -> Result<Option<(String, String)>, Failure> {
        let mut index = self.runtime.module_index.borrow_mut();
        if !std::mem::replace(&mut self.work.modules_seen, true) {
            // SAFETY: as the caller promises.
            unsafe { index.look_again(self.py, self.runtime) };
        }
        let Some(numbers) = index.by_object.get(&(object as usize)) else { return Ok(None) };
        // SAFETY: (whole body) E20: live; a lookup of a text on a type or in a dict runs no code.
        unsafe {
            let any = Bound::from_borrowed_ptr(self.py, object);
            let own = on_type(&any.get_type(), pyo3::intern!(self.py, "__module__"));
            let own = own.filter(|own| ffi::Py_TYPE(own.as_ptr()) == &raw mut ffi::PyUnicode_Type);
            let mut best: Option<(bool, u32, String, String)> = None;
            for number in numbers {
                let Some(module) = &index.modules[*number as usize] else { continue };
                let name = module.name.bind(self.py);
                let text = name.to_string_lossy();
                if self.policy.travels(&text) || text.contains(':') {
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
            Protocol::NamedTuple | Protocol::Member => false,
            Protocol::Default { .. } => true,
            // SAFETY: E5: slots of a live class.
            Protocol::Own(..) => unsafe {
                let hash = (*class.as_type_ptr()).tp_hash.map(|f| f as usize);
                let object = &raw mut ffi::PyBaseObject_Type;
                hash.is_none()
                    || hash == (*object).tp_hash.map(|f| f as usize)
                    || hash == Some(ffi::PyObject_HashNotImplemented as *const () as usize)
            },
        }
    }
}
