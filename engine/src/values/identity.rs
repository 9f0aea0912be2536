//! What code tells from others by identity alone, and what the adopter's own module has too: texts that a module has under
//! a name (`argparse.SUPPRESS`), and objects without contents that a class of a module has under one.
//!
//! The index of modules' objects (`owned.rs`) knows which these are.

use super::decode::Decoder;
use super::encode::Encoder;
use super::Object;
use crate::error::Failure;
use crate::frame::text_is_plain;
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;
use torpor_store::Value;

/// The numbers of the modules that have such an object, in the index of modules.
#[derive(Default)]
pub(crate) struct Marks {
    texts: HashMap<usize, u32, FxBuildHasher>,
    /// Objects that classes of the module have.
    of_classes: HashMap<usize, u32, FxBuildHasher>,
}

impl Marks {
    /// Looks at what the module has under a name.
    ///
    /// # Safety
    /// Live objects; the GIL is held.
    pub(super) unsafe fn note(&mut self, number: u32, module: Object, name: Object, value: Object) {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            if is_text_of_its_own(name, value) {
                self.texts.insert(value as usize, number);
            }
            if !is_class_of(value, module) {
                return;
            }
            let dict = (*value.cast::<ffi::PyTypeObject>()).tp_dict;
            let (mut at, mut name, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            while ffi::PyDict_Next(dict, &raw mut at, &raw mut name, &raw mut value) != 0 {
                if may_be_mark(value) {
                    self.of_classes.insert(value as usize, number);
                }
            }
        }
    }

    pub(super) fn forget(&mut self, number: u32) {
        self.texts.retain(|_, of| *of != number);
        self.of_classes.retain(|_, of| *of != number);
    }

    /// Whether a module has this text.
    pub(crate) fn has_text(&self, text: Object) -> bool {
        self.texts.contains_key(&(text as usize))
    }
}

/// Whether a value of a module's dict is a text that is told from its equals: not interned, and no documentation.
unsafe fn is_text_of_its_own(name: Object, value: Object) -> bool {
    // SAFETY: (whole body) E5: live, and of the type that is tested first.
    unsafe {
        let texts = [name, value].iter().all(|o| ffi::Py_TYPE(*o) == &raw mut ffi::PyUnicode_Type);
        let under = |i| ffi::PyUnicode_ReadChar(name, i) == u32::from(b'_');
        texts
            && ffi::PyUnicode_GET_LENGTH(value) > 1
            && !text_is_plain(value).1
            && !(ffi::PyUnicode_GET_LENGTH(name) > 1 && under(0) && under(1))
    }
}

/// Whether a value is a class that a statement of the module made.
unsafe fn is_class_of(value: Object, module: Object) -> bool {
    // SAFETY: (whole body) E5: live, and of the type that is tested first.
    unsafe {
        if ffi::PyType_Check(value) == 0 {
            return false;
        }
        let class = value.cast::<ffi::PyTypeObject>();
        if (*class).tp_flags & ffi::Py_TPFLAGS_HEAPTYPE == 0 || (*class).tp_dict.is_null() {
            return false;
        }
        let own = ffi::PyDict_GetItemString((*class).tp_dict, c"__module__".as_ptr());
        !own.is_null()
            && ffi::Py_TYPE(own) == &raw mut ffi::PyUnicode_Type
            && ffi::PyUnicode_Compare(own, module) == 0
    }
}

/// Whether a value of a class's dict may be an object without contents: one of object itself, or of a class that a
/// statement made, and no descriptor.
unsafe fn may_be_mark(value: Object) -> bool {
    // SAFETY: (whole body) E5: live.
    unsafe {
        let kind = ffi::Py_TYPE(value);
        let made = (*kind).tp_flags & ffi::Py_TPFLAGS_HEAPTYPE != 0;
        (made || kind == &raw mut ffi::PyBaseObject_Type)
            && (*kind).tp_descr_get.is_none()
            && ffi::PyType_Check(value) == 0
            && ffi::PyModule_Check(value) == 0
    }
}

/// The name under which a dict has an object.
fn name_in(dict: &Bound<'_, PyDict>, object: Object) -> Option<String> {
    let mut names = dict.iter().filter(|(_, value)| value.as_ptr() == object);
    names.find_map(|(name, _)| {
        let name: String = name.extract().ok()?;
        Some(name).filter(|name| !name.contains([':', '.']))
    })
}

impl<'py> Encoder<'py> {
    /// "module:name" of a text that a module which stays has under a name.
    ///
    /// # Safety
    /// A live exact `str`; the GIL is held.
    pub(super) unsafe fn home_of_text(&mut self, text: Object) -> Option<String> {
        let index = self.look_at_modules();
        let number = *index.marks.texts.get(&(text as usize))?;
        // SAFETY: E20: the GIL is held.
        let (dict, module) = unsafe { self.indexed_module(&index, number)? };
        if self.policy.travels(&module) {
            return None;
        }
        let full = format!("{module}:{}", name_in(&dict, text)?);
        u16::try_from(full.len()).is_ok().then_some(full)
    }

    /// Whether a class of a module has an object under a name, as far as that tells it.
    pub(super) fn is_mark(&self, object: Object) -> bool {
        self.look_at_modules().marks.of_classes.contains_key(&(object as usize))
    }

    /// An object without contents by its class and name, if a class has it that the adopter imports.
    pub(super) fn mark_of_class(
        &mut self,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let index = self.look_at_modules();
        let Some(number) = index.marks.of_classes.get(&(object.as_ptr() as usize)).copied() else {
            return Ok(None);
        };
        // SAFETY: E20: the GIL is held.
        let found = unsafe { self.indexed_module(&index, number) };
        drop(index); // code of the program may run
        let Some((dict, module)) = found.filter(|(_, module)| !self.policy.travels(module)) else {
            return Ok(None);
        };
        let made = self.runtime.engine.bind(self.py).getattr("mark_of_class")?;
        let place = made.call1((object, dict.values(), module))?;
        Ok(Some(place).filter(|place| !place.is_none()))
    }
}

impl Decoder<'_, '_> {
    /// The text that a module has here under the name of one that was captured, if it says the same.
    pub(super) fn text_at_home(&self, v: Value, text: Object) -> Result<Option<Object>, Failure> {
        let at = u64::from(v.low()) + u64::from(v.len) + 1;
        let at = u32::try_from(at).map_err(|_| Failure::corrupt("a text's home lies outside of the data"))?;
        let home = std::str::from_utf8(self.region.bytes(at, u32::from(v.small))?)
            .map_err(|_| Failure::corrupt("a name is not UTF-8"))?;
        let Some((module, name)) = home.split_once(':') else { return Ok(None) };
        let module = match self.py.import(module) {
            Ok(module) => module,
            Err(e) if e.is_instance_of::<PyException>(self.py) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let Some(found) = module.dict().get_item(name)? else { return Ok(None) };
        // SAFETY: E5: live; both are exact texts when they are compared.
        unsafe {
            let same = ffi::Py_TYPE(found.as_ptr()) == &raw mut ffi::PyUnicode_Type
                && ffi::PyUnicode_Compare(found.as_ptr(), text) == 0;
            Ok(same.then(|| found.into_ptr()))
        }
    }
}
