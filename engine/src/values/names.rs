//! What a snapshot refers to by name or index: globals, modules, travelled namespaces, code objects.
//! Imports may run code here.

use super::content::{content_of, kind_of};
use super::decode::{Decoder, Place, PASSED, RUN};
use super::{Object, Strong};
use crate::code;
use crate::error::{AdoptError, Failure};
use crate::imports;
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyModule, PyString};
use torpor_store::frame::{Run, Space, NONE};
use torpor_store::value::{flag, tag};
use torpor_store::{Region, Value};

/// A namespace that travelled: its module object (for a named one) and its dict.
pub struct SpaceObject {
    pub(super) module: Option<Strong>,
    pub(super) dict: Strong,
    /// It is this process's own.
    pub(super) is_kept: bool,
    /// Its names in the order that it is to have in the end; empty: as they come.
    pub(super) order: Vec<Py<PyString>>,
}

impl SpaceObject {
    fn new(module: Option<Strong>, dict: Strong, is_kept: bool) -> SpaceObject {
        SpaceObject { module, dict, is_kept, order: Vec::new() }
    }
}

/// The name of the module that a namespace belongs to.
pub(super) fn name_of<'r>(region: &'r Region<'_>, space: &Space) -> Result<&'r str, Failure> {
    let name = region.bytes(space.name_offset, space.name_length)?;
    std::str::from_utf8(name).map_err(|_| Failure::corrupt("a module's name is not UTF-8"))
}

impl<'py> Decoder<'_, 'py> {
    /// The values of a namespace; what the host attached is passed over.
    pub(super) fn read_or_skip(&mut self, run: &Run) -> Result<(), Failure> {
        match self.region.spaces.get(run.space as usize) {
            Some(space) if space.flags & Space::REBOUND != 0 => self.check_rebound(run.first, run.count),
            Some(space) if space.flags & Space::ORDER != 0 => self.read_order(space.builtins, run),
            Some(space) if space.flags & Space::ATTACHMENTS != 0 => self.skip_run(run.first, run.count),
            _ => self.read_run(run.space, run.first, run.count),
        }
    }

    pub(super) fn read_run(&mut self, space: u32, first: u32, count: u32) -> Result<(), Failure> {
        if space as usize >= self.spaces.len() {
            return Err(Failure::corrupt("a namespace index is out of range"));
        }
        let n = u64::from(count) * 2;
        self.claim(first, n)?;
        if self.is_kept(space) {
            self.push(PASSED, first, n as u32, NONE, std::ptr::null_mut(), Place::Nowhere);
            self.sweep_passed(first, n as u32)?;
            return self.drain();
        }
        let at = self.parts_of(n as usize);
        let pending = self.sweep(first, n as u32, Place::Parts(at), RUN)?;
        self.push(RUN, first, n as u32, space, std::ptr::null_mut(), Place::Parts(at));
        if pending {
            self.fill_space(space as usize, at, n as usize)?; // with what is there already
        }
        self.drain()
    }

    /// Attached buffers are no objects of the program: their nodes are passed over.
    fn skip_run(&mut self, first: u32, count: u32) -> Result<(), Failure> {
        self.claim(first, u64::from(count) * 2)?;
        for i in 0..count {
            let v = self.region.values[(first + 2 * i + 1) as usize];
            let n = v.children().filter(|_| v.tag == tag::ARRAY);
            let n = n.ok_or_else(|| Failure::corrupt("an attachment is no array"))?;
            self.claim(v.low(), n)?;
        }
        Ok(())
    }

    pub(super) fn make_spaces(&mut self) -> Result<(), Failure> {
        let region = self.region;
        for space in region.spaces {
            let name = name_of(region, space)?;
            if space.flags & Space::SUBMODULE != 0 {
                let dict = Strong(PyDict::new(self.py).into_ptr());
                self.spaces.push(SpaceObject::new(None, dict, false));
                continue;
            }
            let is_state = space.flags & Space::STATE != 0 && !name.is_empty();
            if is_state {
                if let Some(own) = self.own_module(name)? {
                    self.spaces.push(own);
                    continue;
                }
            }
            let (module, dict) = if name.is_empty() || space.flags & Space::PLAIN != 0 {
                (None, PyDict::new(self.py))
            } else {
                let module = PyModule::new(self.py, name)?;
                let dict = module.dict();
                (Some(Strong(module.into_ptr())), dict)
            };
            let builtins = match &module {
                _ if space.flags & Space::NO_BUILTINS != 0 => PyDict::new(self.py).into_any(),
                // Whatever the adopter's __main__ is: travelled code that imports it gets its own.
                Some(module) if name == "__main__" && self.imports_main()? => {
                    // SAFETY: live.
                    let module = unsafe { Bound::from_borrowed_ptr(self.py, module.0) };
                    self.runtime.engine.bind(self.py).getattr("builtins_with_main")?.call1((module,))?
                }
                _ => self.import("builtins")?,
            };
            if space.flags & Space::WITHOUT_BUILTINS == 0 {
                dict.set_item("__builtins__", builtins)?;
            }
            if let Some(module) = module.as_ref().filter(|_| is_state) {
                // SAFETY: live.
                let module = unsafe { Bound::from_borrowed_ptr(self.py, module.0) };
                self.runtime.engine.bind(self.py).getattr("add_module")?.call1((name, &module))?;
                self.added.push((PyString::new(self.py, name).into_any().unbind(), module.unbind()));
            }
            if name == "__main__" && !self.runtime.main_answers.replace(true) {
                self.runtime.engine.bind(self.py).getattr("let_main_answer")?.call0()?;
            }
            self.spaces.push(SpaceObject::new(module, Strong(dict.into_ptr()), false));
        }
        let spaces = self.region.spaces.iter().zip(&self.spaces);
        for (space, made) in spaces.filter(|(space, _)| space.flags & Space::ORDER == 0) {
            let Some(builtins) = (space.builtins as usize).checked_sub(1) else { continue };
            if made.is_kept {
                continue;
            }
            let Some(own) = self.spaces.get(builtins) else {
                return Err(Failure::corrupt("the index of a namespace's builtins is out of range"));
            };
            // SAFETY: E5: live, held by `self.spaces`.
            let (dict, own) = unsafe {
                (
                    Bound::from_borrowed_ptr(self.py, made.dict.0),
                    Bound::from_borrowed_ptr(self.py, own.dict.0),
                )
            };
            dict.set_item(crate::text::intern!(self.py, "__builtins__"), own)?;
        }
        self.let_half_made_stand_in()?;
        for space in self.region.spaces.iter().filter(|s| s.flags & Space::SUBMODULE != 0) {
            self.import_submodule(name_of(region, space)?)?;
        }
        Ok(())
    }

    /// Takes the modules out again that the import system got: the rest could not be rebuilt.
    pub fn take_modules_back(&mut self) -> Result<(), Failure> {
        for module in std::mem::take(&mut self.added).into_iter().rev() {
            self.runtime.engine.bind(self.py).getattr("take_module")?.call1(module)?;
        }
        Ok(())
    }

    /// The module of that name that this process has imported: it keeps that.
    fn own_module(&self, name: &str) -> Result<Option<SpaceObject>, Failure> {
        let all = self.py.import("sys")?.getattr("modules")?;
        let Some(own) = all.get_item(name).ok() else { return Ok(None) };
        let Ok(own) = own.cast_into::<PyModule>() else {
            return Err(AdoptError::Missing(format!(
                "the snapshot brings the module '{name}' with its state, and sys.modules['{name}'] is no module here; \
                 adopt in a process that has none of that name, or capture without state= for it"
            ))
            .into());
        };
        let dict = Strong(own.dict().into_ptr());
        Ok(Some(SpaceObject::new(Some(Strong(own.into_ptr())), dict, true)))
    }

    fn imports_main(&mut self) -> Result<bool, Failure> {
        for index in 0..self.region.codes.len() {
            let code = Strong(self.code(index as u32)?);
            // SAFETY: a live code object.
            if unsafe { code::entry(self.runtime, code.0)? }.imports_main {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a namespace those of its values that are there, in the `n` parts from `at` on: names and values in turn. It
    /// gets each as soon as that is, because what is made next may run code that needs it, and all of them at the end,
    /// because that code may have changed some.
    pub(super) fn fill_space(&mut self, space: usize, at: usize, n: usize) -> Result<(), Failure> {
        let dict = self.spaces[space].dict.0;
        let plain = self.region.spaces.get(space).is_some_and(|s| s.flags & Space::PLAIN != 0);
        let builtins = crate::text::intern!(self.py, "__builtins__").clone();
        for i in (0..n).step_by(2) {
            let (key, value) = (self.parts[at + i], self.parts[at + i + 1]);
            if value.is_null() {
                continue;
            }
            // SAFETY: both are live; setting an item with a text key runs no code of the program.
            unsafe {
                if key.is_null() || ffi::Py_TYPE(key) != &raw mut ffi::PyUnicode_Type {
                    return Err(Failure::corrupt("a global's name is no text"));
                }
                // The order of the keys comes first, with None: functions need the builtins before these are known.
                if plain && value == ffi::Py_None() && key == builtins.as_ptr() {
                    let own =
                        Bound::from_borrowed_ptr(self.py, dict).cast_into::<PyDict>().map_err(PyErr::from)?;
                    if let Some(value) = own.get_item(&builtins)? {
                        own.del_item(&builtins)?;
                        own.set_item(&builtins, value)?;
                    }
                    continue;
                }
                if ffi::PyDict_SetItem(dict, key, value) != 0 {
                    return Err(PyErr::fetch(self.py).into());
                }
            }
        }
        Ok(())
    }

    /// Atoms that stand for something found by name or index.
    pub(super) fn name(&mut self, v: Value) -> Result<Object, Failure> {
        match v.tag {
            tag::GLOBAL => self.global(v),
            tag::MODULE | tag::MODULE_DICT => {
                let name = self.utf8(v)?;
                let module = self.import(name)?;
                if v.tag == tag::MODULE {
                    return Ok(module.into_ptr());
                }
                Ok(module.getattr("__dict__")?.into_ptr())
            }
            tag::SPACE | tag::SPACE_MODULE => {
                let space = self
                    .spaces
                    .get(v.low() as usize)
                    .ok_or_else(|| Failure::corrupt("a namespace index is out of range"))?;
                let object = match (v.tag, &space.module) {
                    (tag::SPACE, _) => space.dict.0,
                    (_, Some(module)) => module.0,
                    (_, None) => return Err(Failure::corrupt("a namespace without a name has no module")),
                };
                // SAFETY: live.
                Ok(unsafe { ffi::Py_NewRef(object) })
            }
            tag::CODE => self.code(v.low()),
            tag::INTRINSIC => {
                let number = v.low() as usize;
                let name = super::INTRINSICS
                    .get(number)
                    .ok_or_else(|| Failure::corrupt("a function of torpor's own has an unknown number"))?;
                Ok(self.runtime.engine.bind(self.py).getattr(name)?.into_ptr())
            }
            _ => Err(Failure::corrupt("a value has an unknown tag")),
        }
    }

    pub(super) fn utf8(&self, v: Value) -> Result<&str, Failure> {
        std::str::from_utf8(self.region.bytes(v.low(), v.len)?)
            .map_err(|_| Failure::corrupt("a name is not UTF-8"))
    }

    pub(super) fn import(&self, name: &str) -> Result<Bound<'py, PyAny>, Failure> {
        if let Some(found) = self.runtime.module_named(self.py, PyString::intern(self.py, name).as_any()) {
            self.wait_for_import_of(&found)?;
            return Ok(found);
        }
        match self.py.import(name) {
            Ok(module) => Ok(module.into_any()),
            Err(e) if !e.is_instance_of::<PyException>(self.py) => Err(e.into()), // an interrupt
            Err(e) => {
                let text = if self.stand_ins.is_empty() {
                    format!(
                        "the snapshot refers to module '{name}', which cannot be imported here: {e}; \
                         put it on sys.path, or capture with by_value=['{name}']"
                    )
                } else {
                    format!(
                        "the snapshot was taken in the middle of an import and refers to module '{name}', which cannot \
                         be imported here before that import is over: {e}; capture when it is"
                    )
                };
                Err(AdoptError::Missing(text).into())
            }
        }
    }

    /// Waits if another thread is about to import this module: what it is going to have may be missing.
    fn wait_for_import_of(&self, module: &Bound<'py, PyAny>) -> Result<(), Failure> {
        if imports::any_is_under_way(self.py, self.runtime) {
            self.runtime.engine.bind(self.py).getattr("wait_for_import_of")?.call1((module,))?;
        }
        Ok(())
    }

    fn global(&mut self, v: Value) -> Result<Object, Failure> {
        let text = self.region.bytes(v.low(), v.len)?;
        if let Some(name) = text.strip_prefix(b":") {
            return self.external(name);
        }
        let path = self
            .runtime
            .name_path(self.py, text)
            .ok_or_else(|| Failure::corrupt("a global's name has no module"))?;
        let module = path.module.bind(self.py);
        let mut object = match self.runtime.module_named(self.py, module.as_any()) {
            Some(found) => {
                self.wait_for_import_of(&found)?;
                found
            }
            None => self.import(module.to_str()?)?,
        };
        for part in &path.parts {
            object = self.attribute(&object, part.bind(self.py), text)?;
        }
        if v.flags & flag::HASHED != 0 {
            let at = v.low().checked_sub(16).ok_or_else(|| Failure::corrupt("a code hash is missing"))?;
            let hash = u128::from_le_bytes(self.region.bytes(at, 16)?.try_into().unwrap_or_default());
            if v.flags & flag::STATE != 0 {
                self.check_state(&object, hash as u64, (hash >> 64) as u64, text)?;
            } else {
                self.check_hash(&object, hash, text)?;
            }
        }
        Ok(object.into_ptr())
    }

    fn attribute(
        &self,
        owner: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        text: &[u8],
    ) -> Result<Bound<'py, PyAny>, Failure> {
        // SAFETY: a lookup of a text key in a module's dict runs no code.
        unsafe {
            let class = ffi::Py_TYPE(owner.as_ptr());
            if self.runtime.is_plain_module(class) {
                let found =
                    ffi::PyDict_GetItemWithError(ffi::PyModule_GetDict(owner.as_ptr()), name.as_ptr());
                if !found.is_null() {
                    return Ok(Bound::from_borrowed_ptr(self.py, found));
                }
                ffi::PyErr_Clear();
            }
        }
        // Not what the adopter's `__main__` only answers with.
        let found = match self.runtime.is_answering_main(owner.get_type().as_type_ptr()) {
            // SAFETY: E5: both are live.
            true => unsafe {
                let found = ffi::PyObject_GenericGetAttr(owner.as_ptr(), name.as_ptr());
                Bound::from_owned_ptr_or_err(self.py, found)
            },
            false => owner.getattr(name),
        };
        found.map_err(|e| {
            if !e.is_instance_of::<PyException>(self.py) {
                return Failure::from(e);
            }
            AdoptError::Missing(format!(
                "the snapshot refers to '{}', which does not exist here: there is no '{}'",
                String::from_utf8_lossy(text),
                super::text_of(name)
            ))
            .into()
        })
    }

    /// Whether what a module has here under a name is an object of the same class as the captured one; whether it
    /// contains the same, is told if it does not.
    fn check_state(
        &self,
        object: &Bound<'py, PyAny>,
        kind: u64,
        content: u64,
        name: &[u8],
    ) -> Result<(), Failure> {
        let name = String::from_utf8_lossy(name);
        let name = name.replacen(':', ".", 1);
        if kind_of(object)? != kind {
            let class = super::text_of(object.get_type().fully_qualified_name()?.as_any());
            return Err(AdoptError::Missing(format!(
                "the snapshot refers to the object '{name}', which is a {class} here and was of another class where it \
                 was captured; set it up before adopting, or capture with by_value=[{:?}]",
                name.rsplit_once('.').map_or("", |(module, _)| module)
            ))
            .into());
        }
        // SAFETY: live; the GIL is held.
        if content != 0 && unsafe { content_of(self.py, self.runtime, object.as_ptr())? } != content {
            self.runtime.warn_state_ignored(self.py, &name)?;
        }
        Ok(())
    }

    pub(super) fn check_hash(
        &self,
        object: &Bound<'py, PyAny>,
        hash: u128,
        name: &[u8],
    ) -> Result<(), Failure> {
        // SAFETY: exact function; its code is live.
        let same = unsafe {
            ffi::Py_TYPE(object.as_ptr()) == &raw mut ffi::PyFunction_Type
                && code::entry(self.runtime, ffi::PyFunction_GetCode(object.as_ptr()))?.hash == hash
        };
        if !same {
            self.runtime.warn_code_changed(self.py, &String::from_utf8_lossy(name))?;
        }
        Ok(())
    }

    /// The code object of `codes[index]`: one that this process has already, or the snapshot's.
    pub(crate) fn code(&mut self, index: u32) -> Result<Object, Failure> {
        let index = index as usize;
        if let Some(Some(code)) = self.codes.get(index) {
            // SAFETY: live.
            return Ok(unsafe { ffi::Py_NewRef(code.0) });
        }
        let reference =
            *self.region.codes.get(index).ok_or_else(|| Failure::corrupt("a code index is out of range"))?;
        let record = self.region.code_bytes(index as u32)?;
        let known = self.runtime.known_code(self.py, reference.hash(), record);
        let object = match known {
            Some(code) => code,
            None => {
                let fields = self.region.code(index as u32)?;
                let marshal = PyBytes::new(self.py, fields.marshal().bytes());
                let code = self
                    .py
                    .import("marshal")?
                    .getattr("loads")?
                    .call1((marshal,))
                    .map_err(|e| Failure::corrupt(format!("a code object cannot be read: {e}")))?;
                // SAFETY: the type is tested before the entry is made.
                unsafe {
                    if ffi::Py_TYPE(code.as_ptr()) != &raw mut ffi::PyCode_Type {
                        return Err(Failure::corrupt("a code record holds something else"));
                    }
                    if code::entry(self.runtime, code.as_ptr())?.hash != reference.hash() {
                        return Err(Failure::corrupt("a code object is not the one that its hash names"));
                    }
                }
                self.runtime.learn_code(self.py, reference.hash(), record, &code);
                code
            }
        };
        // SAFETY: live.
        self.codes[index] = Some(unsafe { Strong::borrowed(object.as_ptr()) });
        Ok(object.into_ptr())
    }
}
