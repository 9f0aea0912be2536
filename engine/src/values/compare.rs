//! Whether a function or class of this process is as it was captured (`same.rs`): it is compared with its node, and what
//! it reaches with the nodes of that.

use super::decode::Decoder;
use super::kept::{has_intrinsic, Look};
use super::same::Assigned;
use super::Object;
use crate::code;
use crate::error::Failure;
use crate::frame;
use hashbrown::{HashMap, HashSet};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBytes, PyCFunction, PyDict, PyFloat, PyFunction, PyInt, PyModule, PySet, PyString, PyTuple, PyType,
};
use torpor_store::value::{flag, tag};
use torpor_store::Value;

/// The place of a function's parts among its children, see `FUNCTION_CHILDREN`.
const GLOBALS: usize = 0;
pub(super) const CODE: usize = 1;
const DEFAULTS: usize = 6;
const KEYWORD_DEFAULTS: usize = 7;
const CLOSURE: usize = 8;
const ATTRIBUTES: usize = 9;

/// A node, and what is to be compared with it.
pub(super) type Pair<'py> = (u32, Bound<'py, PyAny>);

/// A class of this process: what it contains, its bases, what is registered with it.
type Parts<'py> = (Bound<'py, PyDict>, Bound<'py, PyTuple>, Bound<'py, PyTuple>);

/// All that a comparison needs.
pub(super) struct Compared<'l, 'a, 'py> {
    pub(super) look: &'l Look<'a>,
    /// What this process has of the origin of a node.
    pub(super) living: &'l HashMap<u32, Bound<'py, PyAny>>,
    pub(super) assigned: &'l Assigned,
    /// Where the values of a namespace's names stand.
    pub(super) names: &'l HashMap<(u32, &'a str), u32>,
    /// Namespaces that are values, too.
    pub(super) shown: &'l HashSet<u32>,
    /// Living functions and classes that have to be the same too, by node.
    pub(super) needs: Vec<u32>,
    /// Tuples that others hold too, by node: they are to hold those of this process.
    pub(super) tuples: Vec<Pair<'py>>,
    pub(super) contents: Option<Bound<'py, PyDict>>,
    /// It uses variables of functions around it.
    pub(super) uses_cells: bool,
    /// It uses what a module of this process has under names, or functions of that have as variables: these may assign something else.
    pub(super) uses_module: bool,
    pub(super) open: Vec<Pair<'py>>,
}

impl<'a, 'py> Decoder<'a, 'py> {
    /// Whether a function, class or type parameter is as it was captured; but for those that `compared` then needs.
    pub(super) fn is_same(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        slot: u32,
        object: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let v = compared.look.at(slot);
        let right = match v.tag {
            tag::FUNCTION => self.is_same_function(compared, v, object)?,
            _ if has_intrinsic(self.region.values, v, &["make_in_module"]) => {
                self.pair_parameter(compared, v, object)?
            }
            _ => self.is_same_class(compared, slot, object)?,
        };
        if !right {
            return Ok(false);
        }
        let mut seen = HashSet::new();
        while let Some((slot, object)) = compared.open.pop() {
            let meant = compared.look.meant(slot);
            if seen.insert((meant, object.as_ptr() as usize)) && !self.is_equal(compared, meant, &object)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_same_function(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        v: Value,
        object: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let look = compared.look;
        let Ok(function) = object.cast_exact::<PyFunction>() else { return Ok(false) };
        let own = function.getattr("__code__")?;
        // SAFETY: a live code object.
        let entry = unsafe { code::entry(self.runtime, own.as_ptr())? };
        let code = self.region.codes.get(look.at(look.child(v, CODE)).low() as usize);
        if code.is_none_or(|code| code.hash() != entry.hash) {
            return Ok(false);
        }
        let part = |i: usize| look.child(v, i);
        let attributes =
            [(DEFAULTS, "__defaults__"), (KEYWORD_DEFAULTS, "__kwdefaults__"), (ATTRIBUTES, "__dict__")];
        for (child, name) in attributes {
            let value = function.getattr(name)?;
            let node = look.at(look.meant(part(child)));
            match value.cast::<PyDict>() {
                Ok(dict) if dict.is_empty() && node.tag == tag::NULL => {}
                Ok(dict) => {
                    if node.tag != tag::DICT || !self.pair_items(compared, node, dict)? {
                        return Ok(false);
                    }
                }
                Err(_) if node.tag == tag::NULL || value.is_none() => {
                    if node.tag != tag::NULL || !value.is_none() {
                        return Ok(false);
                    }
                }
                Err(_) => compared.open.push((part(child), value)),
            }
        }
        if !self.pair_closure(compared, look.at(look.meant(part(CLOSURE))), function, &own)? {
            return Ok(false);
        }
        let globals = function.getattr("__globals__")?.cast_into::<PyDict>().map_err(PyErr::from)?;
        let names = entry.global_names(self.py, self.runtime, &own)?;
        let space = look.at(part(GLOBALS));
        match space.tag {
            tag::MODULE_DICT => {
                let name = PyString::new(self.py, self.utf8(space)?);
                let module = self.runtime.module_named(self.py, name.as_any());
                Ok(module.is_some_and(|m| m.cast::<PyModule>().is_ok_and(|m| m.dict().is(&globals))))
            }
            tag::SPACE if compared.shown.contains(&space.low()) => Ok(false),
            tag::SPACE => self.pair_globals(compared, space.low(), &globals, &names),
            _ => Ok(false),
        }
    }

    fn pair_items(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        node: Value,
        dict: &Bound<'py, PyDict>,
    ) -> Result<bool, Failure> {
        if node.len as usize != dict.len() {
            return Ok(false);
        }
        for key in compared.look.children(node).step_by(2) {
            let Some(value) = self.text_at(compared.look, key)?.map(|name| dict.get_item(name)) else {
                return Ok(false);
            };
            let Some(value) = value? else { return Ok(false) };
            compared.open.push((key + 1, value));
        }
        Ok(true)
    }

    fn pair_closure(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        node: Value,
        function: &Bound<'py, PyFunction>,
        code: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let Ok(cells) = function.getattr("__closure__")?.cast_into::<PyTuple>() else {
            return Ok(node.tag == tag::NULL);
        };
        let names = code.getattr("co_freevars")?;
        if node.tag != tag::TUPLE || node.len as usize != cells.len() {
            return Ok(false);
        }
        for (i, cell) in cells.iter().enumerate() {
            let node = compared.look.at(compared.look.meant(compared.look.child(node, i)));
            let name: String = names.get_item(i)?.extract()?;
            if node.tag != tag::CELL || name != "__class__" && compared.assigned.cells.contains(&name) {
                return Ok(false);
            }
            let contents = compared.look.child(node, 0);
            // SAFETY: the type of a closure's items; NULL without an exception if it is empty.
            let found = unsafe { Bound::from_owned_ptr_or_opt(self.py, ffi::PyCell_Get(cell.as_ptr())) };
            compared.uses_cells |= !matches!(&*name, "__class__" | "__classdict__");
            match found {
                // A guard of reprlib: what is being shown at this moment.
                Some(found) if name == "repr_running" && is_empty_set(&found) => {
                    if compared.look.at(compared.look.meant(contents)).len != 0 {
                        return Ok(false);
                    }
                }
                Some(found) => compared.open.push((contents, found)),
                // The cell of a class that is being made is filled without any code.
                None if name != "__class__" && compared.look.at(contents).tag == tag::NULL => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The globals that a function of a namespace uses.
    fn pair_globals(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        space: u32,
        globals: &Bound<'py, PyDict>,
        names: &Bound<'py, PyTuple>,
    ) -> Result<bool, Failure> {
        let is_module = |name: Bound<'py, PyAny>| {
            let module = self.runtime.module_named(self.py, &name);
            module.is_some_and(|m| m.cast::<PyModule>().is_ok_and(|m| m.dict().is(globals)))
        };
        let is_module = globals.get_item(self.runtime.names.name.bind(self.py))?.is_some_and(is_module);
        compared.uses_module |= is_module && compared.uses_cells;
        for name in names.iter() {
            let text = super::text_of(&name);
            let node = compared.names.get(&(space, text.as_str())).copied();
            match (node, globals.get_item(&name)?) {
                // SAFETY: E5: the interpreter's own dict, a text key.
                (None, None) if unsafe { is_in(self.runtime.builtins, &name) } => {}
                (Some(node), Some(value)) => {
                    let is_unit = compared.living.contains_key(&compared.look.meant(node));
                    let may_change = compared.assigned.module.contains(&text) && !is_unit;
                    if may_change || compared.assigned.globals.contains(&text) {
                        return Ok(false);
                    }
                    let tag = compared.look.at(compared.look.meant(node)).tag;
                    let stays = matches!(tag, tag::GLOBAL | tag::MODULE | tag::INTRINSIC);
                    compared.uses_module |= is_module && !stays;
                    compared.open.push((node, value));
                }
                _ => return Ok(false), // all of them, or one that is yet to be made
            }
        }
        Ok(true)
    }

    pub(super) fn dict_of_contents(&self, look: &Look<'a>, slot: u32) -> Value {
        look.at(look.meant(look.child(look.at(look.child(look.at(slot), 2)), 0)))
    }

    fn is_same_class(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        slot: u32,
        class: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let look = compared.look;
        if class.cast::<PyType>().is_err() {
            return Ok(false);
        }
        let engine = self.runtime.engine.bind(self.py);
        let (contents, bases, registered): Parts<'py> =
            engine.getattr("parts_of_class")?.call1((class,))?.extract()?;
        let v = look.at(slot);
        let (arguments, state) = (look.at(look.child(v, 1)), look.at(look.child(v, 2)));
        let (node, registry) = (self.dict_of_contents(look, slot), look.at(look.meant(look.child(state, 1))));
        if node.tag != tag::DICT
            || node.len as usize != contents.len()
            || registry.tag != tag::TUPLE // an abstract class that was only being made
            || registry.len as usize != registered.len()
        {
            return Ok(false);
        }
        compared.open.push((look.child(arguments, 0), class.get_type().into_any()));
        compared.open.push((look.child(arguments, 2), bases.into_any()));
        let made = look.meant(look.child(arguments, 3));
        if !self.needs_below(compared, made) || !self.needs_below(compared, look.child(state, 1)) {
            return Ok(false);
        }
        let belongs = engine.getattr("belongs_to_class")?;
        for key in look.children(node).step_by(2) {
            let Some(name) = self.text_at(look, key)? else { return Ok(false) };
            let Some(value) = contents.get_item(name)? else { return Ok(false) };
            let meant = look.meant(key + 1);
            let is_made_with_it = name.len() > 2 && name.starts_with('_') && name.ends_with('_');
            let is_other = || -> PyResult<bool> {
                let is_atom = look.at(meant).is_atom();
                Ok(!is_made_with_it && (is_atom || !belongs.call1((class, name, &value))?.is_truthy()?))
            };
            match name {
                "__annotate__" | "__annotate_func__" | "__classdictcell__" => continue,
                "__subclasshook__" => return Ok(false), // what it said is kept in a cache
                _ if compared.assigned.attributes.contains(name) => return Ok(false),
                _ => {}
            }
            let is_known = compared.living.contains_key(&meant)
                || look.at(meant).tag == tag::FUNCTION
                || is_wrapper(&value);
            if is_known || is_other()? {
                compared.open.push((meant, value));
            } else if !self.needs_below(compared, meant) {
                return Ok(false);
            }
        }
        compared.contents = Some(contents);
        Ok(true)
    }

    /// What is not compared itself refers to functions and classes: these have to be the same. False if one cannot be.
    fn needs_below(&self, compared: &mut Compared<'_, 'a, 'py>, slot: u32) -> bool {
        let (look, values) = (compared.look, self.region.values);
        let (mut open, mut seen) = (vec![slot], HashSet::new());
        while let Some(slot) = open.pop() {
            let meant = look.meant(slot);
            if compared.living.contains_key(&meant) {
                compared.needs.push(meant);
                continue;
            }
            let v = look.at(meant);
            if v.tag == tag::FUNCTION || has_intrinsic(values, v, &["make_class", "make_in_module"]) {
                return false;
            }
            if seen.insert(meant) {
                open.extend(look.children(v));
            }
        }
        true
    }

    /// What a type parameter may stand for.
    fn pair_parameter(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        v: Value,
        parameter: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let look = compared.look;
        let arguments = look.at(look.child(v, 1));
        let given = look.at(look.meant(look.child(arguments, 2)));
        if given.len > 1 {
            let constraints = parameter.getattr("__constraints__")?;
            for (i, node) in look.children(given).skip(1).enumerate() {
                compared.open.push((node, constraints.get_item(i)?));
            }
        }
        let options = look.at(look.meant(look.child(arguments, 3)));
        for key in look.children(options).step_by(2).filter(|_| options.tag == tag::DICT) {
            match self.text_at(look, key)? {
                Some("bound") => compared.open.push((key + 1, parameter.getattr("__bound__")?)),
                Some("default") => compared.open.push((key + 1, parameter.getattr("__default__")?)),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Whether a value is what a node says, and cannot change.
    fn is_equal(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        slot: u32,
        object: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let look = compared.look;
        if let Some(living) = compared.living.get(&slot) {
            compared.needs.push(slot);
            return Ok(living.is(object));
        }
        let v = look.at(slot);
        let o = object.as_ptr();
        // SAFETY: E5: the singletons of the interpreter.
        let is_singleton = unsafe {
            [
                (tag::NONE, ffi::Py_None()),
                (tag::TRUE, ffi::Py_True()),
                (tag::FALSE, ffi::Py_False()),
                (tag::ELLIPSIS, ffi::Py_Ellipsis()),
                (tag::NOT_IMPLEMENTED, ffi::Py_NotImplemented()),
            ]
            .contains(&(v.tag, o))
        };
        Ok(match v.tag {
            _ if is_singleton => true,
            tag::INT => {
                // SAFETY: the type is tested.
                object.cast_exact::<PyInt>().is_ok() && unsafe { frame::small_int(o) } == Some(v.data as i64)
            }
            tag::FLOAT => object.cast_exact::<PyFloat>().is_ok_and(|f| f.value().to_bits() == v.data),
            tag::TEXT => match object.cast_exact::<PyString>().map(|text| text.to_str()) {
                Ok(Ok(text)) => text.as_bytes() == self.payload(v)?,
                _ => false,
            },
            tag::BYTES => match object.cast_exact::<PyBytes>() {
                Ok(bytes) => bytes.as_bytes() == self.payload(v)?,
                Err(_) => false,
            },
            tag::GLOBAL => self.is_under_name(v, object)?,
            tag::MODULE => {
                let name = PyString::new(self.py, self.utf8(v)?);
                self.runtime.module_named(self.py, name.as_any()).is_some_and(|m| m.is(object))
            }
            tag::INTRINSIC => {
                let name = super::INTRINSICS.get(v.low() as usize).copied().unwrap_or_default();
                self.runtime.engine.bind(self.py).getattr_opt(name)?.is_some_and(|own| own.is(object))
            }
            tag::TUPLE if v.flags & flag::RECURSIVE == 0 => match object.cast_exact::<PyTuple>() {
                Ok(items) if items.len() == v.len as usize => {
                    compared.open.extend(look.children(v).zip(items.iter()));
                    if v.shared() != 0 {
                        compared.tuples.push((look.meant(slot), object.clone()));
                    }
                    true
                }
                _ => false,
            },
            tag::OBJECT if v.flags & flag::RECURSIVE == 0 => return self.pair_wrapped(compared, v, object),
            _ => false,
        })
    }

    /// What wraps functions in classes: properties, methods of classes.
    fn pair_wrapped(
        &self,
        compared: &mut Compared<'_, 'a, 'py>,
        v: Value,
        object: &Bound<'py, PyAny>,
    ) -> Result<bool, Failure> {
        let look = compared.look;
        let name = super::text_of(object.get_type().fully_qualified_name()?.as_any());
        let arguments = look.at(look.child(v, 1));
        if has_intrinsic(self.region.values, v, &["class_namespace"]) {
            let class = look.meant(look.child(arguments, 0));
            let Some(living) = compared.living.get(&class) else { return Ok(false) };
            compared.needs.push(class);
            let own = self.runtime.engine.bind(self.py).getattr("class_namespace")?.call1((living,))?;
            return Ok(own.is(object));
        }
        let parts: &[&str] = match &*name {
            "property" => &["fget", "fset", "fdel"],
            "staticmethod" | "classmethod" => &["__func__"],
            "builtin_function_or_method" => {
                // A method of a builtin class: (what finds it, (the class, its name)).
                let name = self.text_at(look, look.child(arguments, 1))?;
                if arguments.tag != tag::TUPLE || name != Some(&super::text_of(&object.getattr("__name__")?))
                {
                    return Ok(false);
                }
                compared.open.push((look.child(arguments, 0), object.getattr("__self__")?));
                return Ok(true);
            }
            "functools.cached_property" => {
                let state = look.at(look.child(v, 2));
                for key in look.children(state).step_by(2).filter(|_| state.tag == tag::DICT) {
                    if self.text_at(look, key)? == Some("func") {
                        compared.open.push((key + 1, object.getattr("func")?));
                        compared.open.push((look.child(arguments, 0), object.get_type().into_any()));
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            _ => return Ok(false),
        };
        compared.open.push((look.child(v, 0), object.get_type().into_any()));
        for (i, part) in parts.iter().enumerate() {
            compared.open.push((look.child(arguments, i), object.getattr(*part)?));
        }
        Ok(true)
    }

    /// Whether a value is what the module, which is imported here, has under the name of a node.
    fn is_under_name(&self, v: Value, object: &Bound<'py, PyAny>) -> Result<bool, Failure> {
        let Some(path) = self.runtime.name_path(self.py, self.region.bytes(v.low(), v.len)?) else {
            return Ok(false);
        };
        let mut found = match self.runtime.module_named(self.py, path.module.bind(self.py).as_any()) {
            Some(module) => module,
            None => return Ok(false),
        };
        for part in &path.parts {
            match found.getattr_opt(part.bind(self.py))? {
                Some(next) => found = next,
                None => return Ok(false),
            }
        }
        Ok(found.is(object) || object.cast::<PyCFunction>().is_ok_and(|_| found.eq(object).unwrap_or(false)))
    }
}

/// Whether it is a property or a wrapped method.
fn is_wrapper(object: &Bound<'_, PyAny>) -> bool {
    let kinds =
        [&raw mut ffi::PyProperty_Type, &raw mut ffi::PyClassMethod_Type, &raw mut ffi::PyStaticMethod_Type];
    // SAFETY: E5: a live object; the interpreter's own types.
    kinds.iter().any(|kind| unsafe { ffi::PyObject_TypeCheck(object.as_ptr(), *kind) } != 0)
}

fn is_empty_set(object: &Bound<'_, PyAny>) -> bool {
    object.cast_exact::<PySet>().is_ok_and(|set| set.is_empty())
}

/// # Safety
/// `dict` is a live dict, `name` a text; the GIL is held.
unsafe fn is_in(dict: Object, name: &Bound<'_, PyAny>) -> bool {
    // SAFETY: as the caller promises; texts are compared without code of the program.
    unsafe { ffi::PyDict_Contains(dict, name.as_ptr()) == 1 }
}
