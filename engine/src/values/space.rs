//! Module namespaces that travel by value: `__main__` (and modules named by `by_value`).
//!
//! What travels of a namespace is what captured code uses: the names that the bytecode of its
//! functions and classes mentions, closed over what those reach. The namespace's dict is one object in
//! the graph, so two functions of one module share it. Namespaces are written before the frames: when
//! an object's reconstruction runs the program's code, the globals that it needs are there.

use super::encode::{Encoder, RUN};
use super::function::functions_of;
use super::module_class::has_own_class;
use super::name_set::{interned, NameSet};
use super::order::{in_order_of, Part};
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyModule, PyString, PyType};
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;
use torpor_store::frame::{Run, Space};
use torpor_store::value::tag;
use torpor_store::Value;

/// What is known of one travelling namespace during a capture.
pub struct SpaceState {
    dict: Py<PyAny>,
    /// Names already written (in this attempt).
    pub(super) written: NameSet,
    /// Its keys were written in their order before any value.
    pub(super) ordered: bool,
}

/// What a capture needs of one namespace. It outlives an attempt: when the walk discovers a name after
/// the namespace was written, the walk is made again with the name known from the start.
pub struct Demand {
    dict: Py<PyAny>,
    pub(super) name: String,
    names: NameSet,
    /// Code whose names were asked for.
    codes: HashMap<usize, Py<PyAny>, FxBuildHasher>,
    whole: bool,
    /// It is a value of the program too, and no module's: it comes back with these items only, in their order.
    pub(super) is_value: bool,
    /// A module object that has it travels.
    has_module: bool,
    /// Some of its keys are no texts.
    pub(super) other_keys: bool,
}

impl SpaceState {
    pub(super) fn dict(&self) -> Object {
        self.dict.as_ptr()
    }
}

impl Demand {
    /// The values of the names that are asked for.
    pub(super) fn each_value(&self, py: Python<'_>, mut look: impl FnMut(&Bound<'_, PyAny>)) {
        let Ok(dict) = self.dict.bind(py).cast::<PyDict>() else { return };
        for name in self.names.iter() {
            if let Ok(Some(value)) = dict.get_item(name) {
                look(&value);
            }
        }
    }

    pub(super) fn dict(&self) -> Object {
        self.dict.as_ptr()
    }

    pub(super) fn is_plain(&self) -> bool {
        self.is_value && !self.has_module
    }
}

/// Names that every module has of its own; but for the first, one that is to be the adopter's keeps what it has.
const OWN: &[&str] = &["__builtins__", "__loader__", "__spec__"];

impl<'py> Encoder<'py> {
    pub(super) fn name_atom(&mut self, kind: u8, name: &str, slot: u32) {
        let at = self.out.push_text(name.as_bytes());
        self.set(slot, Value::new(kind, 0, name.len() as u32, u64::from(at)));
        self.out.flags |= torpor_store::region::Flags::RUNS_CODE;
    }

    /// # Safety
    /// `object` is a live module; the GIL is held.
    pub(super) unsafe fn module(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: live.
        let module = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        let module = module.cast_into::<PyModule>().map_err(PyErr::from)?;
        let mut name = match module.name() {
            Ok(name) => name.to_string_lossy().into_owned(),
            Err(_) => String::new(),
        };
        let mut registered = self
            .runtime
            .module_named(self.py, PyString::new(self.py, &name).as_any())
            .is_some_and(|found| found.is(&module));
        if !registered && !self.policy.travels(&name) {
            if let Some(other) = self.renamed_with(&module.dict(), &PyString::new(self.py, &name)) {
                (name, registered) = (other, true);
            }
        }
        if registered && !self.policy.travels(&name) {
            self.name_atom(tag::MODULE, &name, slot);
            self.note_package(&module, &name)?;
            // SAFETY: a live module's dict.
            unsafe { self.note_module_met(module.dict().as_ptr(), false, |e| e.path_of(slot)) };
        } else if name.is_empty() {
            self.refuse(slot, "a module without a name cannot be captured".into());
            return Ok(());
        // SAFETY: a live module.
        } else if !unsafe { ffi::PyModule_GetDef(module.as_ptr()) }.is_null() {
            let what =
                "made by machine code, and the import system does not have it (or not yet) under its name";
            self.refuse(slot, format!("the module '{name}' is {what}: it cannot be captured"));
            return Ok(());
        } else {
            let dict = module.dict();
            let index = self.space(&dict, &name)?;
            let demand = self.demand_of(&dict, &name);
            self.work.walk_again |= self.demands[demand].is_plain();
            self.demands[demand].has_module = true;
            self.demand_all(&dict)?;
            if has_own_class(self.runtime, &module) {
                return self.classed_module(&module, index, object, slot);
            }
            self.set(slot, Value::atom(tag::SPACE_MODULE, u64::from(index)));
        }
        self.note(object, slot);
        Ok(())
    }

    /// Writes the globals of a function at `slot`, and asks for the names that `code` uses.
    ///
    /// # Safety
    /// `globals` is a live dict, `code` a live code object; the GIL is held.
    pub(super) unsafe fn globals(&mut self, globals: Object, code: Object, slot: u32) -> Result<(), Failure> {
        // SAFETY: live.
        if unsafe { ffi::Py_TYPE(globals) != &raw mut ffi::PyDict_Type } {
            // SAFETY: live.
            let dict = unsafe { Bound::from_borrowed_ptr(self.py, globals) };
            let class = super::text_of(dict.get_type().fully_qualified_name()?.as_any());
            self.refuse(
                slot,
                format!("the globals of a function are an object of the class {class}; run its code with a plain dict"),
            );
            return Ok(());
        }
        if let Some(index) = self.space_index(globals) {
            let known = self.demands.iter().find(|d| d.dict() == globals);
            if known.is_some_and(|d| d.codes.contains_key(&(code as usize))) {
                self.set(slot, Value::atom(tag::SPACE, u64::from(index)));
                return Ok(());
            }
        }
        // SAFETY: live.
        let (dict, code) =
            unsafe { (Bound::from_borrowed_ptr(self.py, globals), Bound::from_borrowed_ptr(self.py, code)) };
        let dict = dict.cast_into::<PyDict>().map_err(PyErr::from)?;
        match self.travelling(&dict)? {
            Err(module) => self.name_atom(tag::MODULE_DICT, &module, slot),
            Ok(name) => {
                let index = self.space(&dict, &name)?;
                self.demand(vec![(dict, code)])?;
                self.set(slot, Value::atom(tag::SPACE, u64::from(index)));
            }
        }
        Ok(())
    }

    /// `Ok(name)` if the dict travels (by policy, or because no module of that name has it), else the
    /// name of its module.
    pub(super) fn travelling(&self, dict: &Bound<'py, PyDict>) -> PyResult<Result<String, String>> {
        let Some(found) = dict.get_item(self.runtime.names.name.bind(self.py))? else {
            return Ok(Ok(String::new()));
        };
        let Ok(found) = found.cast_into::<PyString>() else { return Ok(Ok(String::new())) };
        let name = found.to_string_lossy().into_owned();
        if self.policy.travels(&name) {
            return Ok(Ok(name));
        }
        let plain = match found.as_any().is_exact_instance_of::<PyString>() {
            true => found,
            false => PyString::new(self.py, &name),
        };
        let module = self.runtime.module_named(self.py, plain.as_any());
        let own = module.and_then(|m| m.cast_into::<PyModule>().ok()).is_some_and(|m| m.dict().is(dict));
        if own {
            return Ok(Err(name));
        }
        Ok(self.renamed_with(dict, &plain).map_or(Ok(name), Err))
    }

    /// Whether a namespace is that of a module that stays.
    ///
    /// # Safety
    /// `globals` is a live dict; the GIL is held.
    pub(super) unsafe fn stays(&self, globals: Object) -> Result<bool, Failure> {
        // SAFETY: as the caller promises.
        let dict = unsafe { Bound::from_borrowed_ptr(self.py, globals) };
        Ok(self.travelling(&dict.cast_into::<PyDict>().map_err(PyErr::from)?)?.is_err())
    }

    pub(super) fn space_index(&self, dict: Object) -> Option<u32> {
        self.work.spaces.iter().position(|s| s.dict() == dict).map(|i| i as u32)
    }

    /// The index of a travelling namespace, entered on first use.
    pub(super) fn space(&mut self, dict: &Bound<'py, PyDict>, name: &str) -> Result<u32, Failure> {
        if let Some(index) = self.space_index(dict.as_ptr()) {
            return Ok(index);
        }
        let offset = self.out.push_text(name.as_bytes());
        let demand = self.demand_of(dict, name);
        if self.known(dict.as_ptr()).is_some() {
            // It was written as any other dict before a function was met that has it.
            self.demands[demand].is_value = true;
            self.demands[demand].whole = false;
            self.work.walk_again = true;
        }
        let mut flags = if self.demands[demand].is_plain() { Space::PLAIN } else { 0 };
        if self.policy.state.contains(name) {
            flags |= Space::STATE;
        }
        if self.policy.half_made.iter().any(|m| m == name) {
            flags |= Space::HALF_MADE;
        }
        self.out.spaces.push(Space {
            name_offset: offset,
            name_length: name.len() as u32,
            flags,
            builtins: 0,
        });
        let held = dict.clone().into_any().unbind();
        self.work.spaces.push(SpaceState { dict: held, written: NameSet::default(), ordered: false });
        let index = (self.work.spaces.len() - 1) as u32;
        self.note_builtins(index, dict)?;
        if self.policy.state.contains(name) {
            self.demand_all(dict)?;
            self.demand_package(name)?;
        }
        Ok(index)
    }

    /// Enters a namespace that is no module's and holds no values of the program.
    pub(crate) fn nameless_space(&mut self, flags: u32) -> u32 {
        self.out.spaces.push(Space { flags, ..Space::default() });
        let dict = self.py.None();
        self.work.spaces.push(SpaceState { dict, written: NameSet::default(), ordered: false });
        (self.work.spaces.len() - 1) as u32
    }

    pub(super) fn demand_of(&mut self, dict: &Bound<'py, PyDict>, name: &str) -> usize {
        if let Some(i) = self.demands.iter().position(|d| d.dict() == dict.as_ptr()) {
            return i;
        }
        self.demands.push(Demand {
            dict: dict.clone().into_any().unbind(),
            name: name.to_owned(),
            names: NameSet::default(),
            codes: HashMap::default(),
            whole: false,
            is_value: false,
            has_module: false,
            other_keys: false,
        });
        self.demands.len() - 1
    }

    /// A module of a package goes with the package: the import system has it as an attribute of that.
    fn demand_package(&mut self, module: &str) -> Result<(), Failure> {
        let Some((package, _)) = module.rsplit_once('.') else { return Ok(()) };
        let found = self.runtime.module_named(self.py, PyString::new(self.py, package).as_any());
        let found = found.and_then(|m| m.cast_into::<PyModule>().ok());
        if let Some(found) = found.filter(|_| self.policy.state.contains(package)) {
            self.demand_of(&found.dict(), package);
        }
        Ok(())
    }

    pub(super) fn demand_all(&mut self, dict: &Bound<'py, PyDict>) -> Result<(), Failure> {
        let i = self.demand_of(dict, "");
        if !std::mem::replace(&mut self.demands[i].whole, true) {
            let names: Vec<_> = dict.keys().iter().filter_map(|key| interned(&key)).collect();
            self.demands[i].other_keys = names.len() < dict.len();
            let code = self.new_names(dict, names)?;
            self.demand(code)?;
        }
        Ok(())
    }

    /// Asks for every global that `code`, running in namespace `dict`, can reach by name.
    fn demand(&mut self, mut work: Vec<(Bound<'py, PyDict>, Bound<'py, PyAny>)>) -> Result<(), Failure> {
        while let Some((dict, code)) = work.pop() {
            let known = self.demands.iter().find(|d| d.dict() == dict.as_ptr());
            if known.is_some_and(|d| d.codes.contains_key(&(code.as_ptr() as usize))) {
                continue;
            }
            // SAFETY: a live code object.
            let entry = unsafe { code::entry(self.runtime, code.as_ptr())? };
            let names = entry.global_names(self.py, self.runtime, &code)?;
            if names.len() == 1
                && names.get_item(0)?.cast::<PyString>().map_err(PyErr::from)?.to_str()? == "*"
            {
                self.demand_all(&dict)?;
                continue;
            }
            work.extend(self.new_names(&dict, names.iter().filter_map(|name| interned(&name)))?);
            let i = self.demand_of(&dict, "");
            self.demands[i].codes.insert(code.as_ptr() as usize, code.unbind());
        }
        Ok(())
    }

    /// Enters names; returns the code that their values bring along.
    #[allow(clippy::type_complexity)]
    fn new_names(
        &mut self,
        dict: &Bound<'py, PyDict>,
        names: impl IntoIterator<Item = Bound<'py, PyString>>,
    ) -> Result<Vec<(Bound<'py, PyDict>, Bound<'py, PyAny>)>, Failure> {
        let mut found = Vec::new();
        let module = self.travelling(dict)?.unwrap_or_default();
        let i = self.demand_of(dict, &module);
        let own = if self.policy.is_module_itself(&module) { &OWN[..1] } else { OWN };
        for name in names {
            if self.demands[i].names.contains(name.as_unbound()) || own.contains(&name.to_str()?) {
                continue;
            }
            let Some(value) = dict.get_item(&name)? else { continue };
            self.demands[i].names.insert(&name);
            self.code_behind(&value, &mut found)?;
        }
        Ok(found)
    }

    /// The functions that come along with `value` when it travels by value.
    fn code_behind(
        &self,
        value: &Bound<'py, PyAny>,
        found: &mut Vec<(Bound<'py, PyDict>, Bound<'py, PyAny>)>,
    ) -> Result<(), Failure> {
        let mut function = |f: &Bound<'py, PyAny>| -> PyResult<()> {
            let globals = f.getattr(crate::text::intern!(self.py, "__globals__"))?.cast_into::<PyDict>()?;
            if self.travelling(&globals)?.is_ok() {
                found.push((globals, f.getattr(crate::text::intern!(self.py, "__code__"))?));
            }
            Ok(())
        };
        if value.is_instance_of::<PyFunction>() {
            function(value)?;
            return Ok(());
        }
        let class = match value.cast::<PyType>() {
            Ok(class) => class.clone(),
            Err(_) => value.get_type(),
        };
        for base in class.mro().iter_borrowed() {
            // SAFETY: E5: a live class.
            if unsafe { (*base.as_ptr().cast::<ffi::PyTypeObject>()).tp_flags } & ffi::Py_TPFLAGS_HEAPTYPE
                == 0
            {
                continue; // of the interpreter's own
            }
            let module = crate::metaclass::own(&base, crate::text::intern!(self.py, "__module__"));
            if module.is_ok_and(|module| module.extract::<&str>().is_ok_and(|m| self.policy.travels(m))) {
                for f in functions_of(&base.to_owned().cast_into::<PyType>().map_err(PyErr::from)?)? {
                    function(&f)?;
                }
            }
        }
        Ok(())
    }

    /// Writes every namespace that is asked for so far: what is rebuilt without any code of the program first, then
    /// functions, classes and modules, so that they are there when other values are rebuilt; each in the order in which
    /// the program made them, for one may be rebuilt by code that needs those before it.
    pub fn write_spaces(&mut self) -> Result<(), Failure> {
        let mut i = 0;
        while i < self.demands.len() {
            let dict = self.demands[i].dict.bind(self.py).clone();
            let dict = dict.cast_into::<PyDict>().map_err(PyErr::from)?;
            let name = self.demands[i].name.clone();
            self.space(&dict, &name)?; // may ask for more
            i += 1;
        }
        self.write_first()?;
        for part in [Part::Plain, Part::Definitions, Part::Rest] {
            for i in 0..self.demands.len() {
                self.write_run(i, part)?;
            }
        }
        self.write_orders()?;
        self.write_classed_modules()?;
        self.mark_named_in_state();
        Ok(())
    }

    fn write_run(&mut self, demand: usize, part: Part) -> Result<(), Failure> {
        let dict = self.demands[demand].dict.bind(self.py).clone();
        let dict = dict.cast_into::<PyDict>().map_err(PyErr::from)?;
        let Some(space) = self.space_index(dict.as_ptr()) else { return Ok(()) };
        let (plain, whole) = (self.demands[demand].is_plain(), self.demands[demand].whole);
        if plain && whole && !self.work.spaces[space as usize].ordered {
            self.write_order(space, &dict)?;
        }
        let state = &mut self.work.spaces[space as usize];
        let mut pairs = Vec::new();
        let mut look = |name: &Py<PyString>| -> PyResult<()> {
            if state.written.contains(name) {
                return Ok(());
            }
            let name = name.bind(self.py);
            let is_of = |value: &Bound<'_, PyAny>| part == Part::Rest || Part::of(value) == part;
            if let Some(value) = dict.get_item(name)?.filter(is_of) {
                state.written.insert(name);
                pairs.push((name.clone(), value));
            }
            Ok(())
        };
        match plain && whole {
            true => {
                dict.keys().iter().filter_map(|key| interned(&key)).try_for_each(|n| look(n.as_unbound()))?
            }
            false => self.demands[demand].names.iter().try_for_each(look)?,
        }
        if pairs.is_empty() {
            return Ok(());
        }
        if part != Part::Plain {
            in_order_of(&dict, &mut pairs);
        }
        let first = self.reserve(2 * pairs.len())?;
        self.out.runs.push(Run { space, first, count: pairs.len() as u32, reserved: 0 });
        for (i, (name, value)) in pairs.iter().enumerate() {
            // SAFETY: live.
            unsafe {
                self.put(name.as_ptr(), first + 2 * i as u32)?;
                self.put(value.as_ptr(), first + 2 * i as u32 + 1)?;
            }
        }
        self.open(RUN, first, 2 * pairs.len() as u32, space, None);
        self.drain()
    }

    /// Writes in which order modules that go as a whole have their names.
    fn write_orders(&mut self) -> Result<(), Failure> {
        for i in 0..self.demands.len() {
            let demand = &self.demands[i];
            let Some(space) = self.space_index(demand.dict()).filter(|_| demand.whole) else { continue };
            if !self.work.spaces[space as usize].ordered {
                let dict = demand.dict.bind(self.py).clone().cast_into::<PyDict>().map_err(PyErr::from)?;
                self.write_order_of(space, &dict)?;
            }
        }
        Ok(())
    }

    /// Whether names were asked for after their namespace was written: the walk has to be made again.
    pub fn incomplete(&self) -> bool {
        self.work.greenlets.again
            || self.work.walk_again
            || self.demands.iter().any(|d| match self.space_index(d.dict()) {
                None => true,
                Some(i) => {
                    let written = &self.work.spaces[i as usize].written;
                    let unordered = d.whole && !self.work.spaces[i as usize].ordered;
                    unordered || d.names.iter().any(|n| !written.contains(n) && (!d.is_plain() || d.whole))
                }
            })
    }
}

impl<'py> Encoder<'py> {
    /// Asks for the globals that a captured frame uses, if they travel; whether they do.
    ///
    /// # Safety
    /// `globals` is a live dict, `code` a live code object; the GIL is held.
    pub unsafe fn ask_for_globals(&mut self, globals: Object, code: Object) -> Result<bool, Failure> {
        // SAFETY: live.
        let (dict, code) =
            unsafe { (Bound::from_borrowed_ptr(self.py, globals), Bound::from_borrowed_ptr(self.py, code)) };
        let dict = dict.cast_into::<PyDict>().map_err(PyErr::from)?;
        if let Ok(name) = self.travelling(&dict)? {
            self.demand_of(&dict, &name);
            self.demand(vec![(dict, code)])?;
            return Ok(true);
        }
        Ok(false)
    }
}
