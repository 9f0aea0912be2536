//! Functions: by their name and a hash of their code, or by value with their closure, defaults and annotations; written and
//! rebuilt.

use super::decode::Decoder;
use super::encode::Encoder;
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple, PyType};
use torpor_store::region::Flags;
use torpor_store::value::{tag, FUNCTION_CHILDREN};
use torpor_store::Value;

impl<'py> Encoder<'py> {
    /// # Safety
    /// `object` is a live Python function; the GIL is held.
    pub(super) unsafe fn function(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let f = object.0.cast::<ffi::PyFunctionObject>();
        // SAFETY: (whole body) the fields of a live function; borrowed from it while `object` holds it.
        unsafe {
            if (*f).func_globals == self.runtime.engine_globals {
                if let Some(number) = self.runtime.intrinsic_number(object.0) {
                    self.set(slot, Value::atom(tag::INTRINSIC, u64::from(number)));
                    return Ok(());
                }
            }
            let code = (*f).func_code;
            // It went by value in a capture that was like this one.
            let is_known = self.work.by_value.contains(&(object.0 as usize));
            if !is_known && self.function_elsewhere(&object, slot)? {
                return Ok(());
            }
            let base = self.reserve(FUNCTION_CHILDREN as usize)?;
            let flags = self.named_in_state(&Bound::from_borrowed_ptr(self.py, object.0))?;
            self.set(slot, Value::new(tag::FUNCTION, flags, FUNCTION_CHILDREN, u64::from(base)));
            self.out.flags |= Flags::RUNS_CODE;
            self.globals((*f).func_globals, code, base)?;
            if self.out.values[base as usize].tag == tag::MODULE_DICT {
                let dict = Bound::from_borrowed_ptr(self.py, (*f).func_globals);
                self.note_made_when_used(&dict.cast_into().map_err(PyErr::from)?, code)?;
            }
            if !is_known {
                self.check_builtins(f, slot)?;
            }
            let index = self.code_index(code)?;
            let origin = self.runtime.origin_of(self.py, object.0)?;
            self.set(base + 1, Value { len: origin, ..Value::atom(tag::CODE, u64::from(index)) });
            if code::entry(self.runtime, code)?.class_scope {
                self.note_class_scope(object.0)?;
            }
            let annotations = with_type_parameters(self.py, f, annotations(self.py, f)?)?;
            let parts = [
                (*f).func_name,
                (*f).func_qualname,
                (*f).func_module,
                (*f).func_doc,
                (*f).func_defaults,
                (*f).func_kwdefaults,
                (*f).func_closure,
                attributes_of(f),
                annotations.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr),
            ];
            self.note(object, slot);
            if let Some(made) = &annotations {
                self.keep(made.as_ptr());
            }
            let mut pending = false;
            for (i, part) in parts.into_iter().enumerate() {
                let child = base + 2 + i as u32;
                if part.is_null() {
                    self.set(child, Value::NULL);
                } else {
                    pending |= self.put(part, child)?;
                }
            }
            if pending {
                self.open(tag::FUNCTION, base, FUNCTION_CHILDREN, slot, None);
            }
        }
        Ok(())
    }

    /// Writes a function that is not written with all that it has: one that has a name, or stands for another object. Or
    /// refuses it. Whether it did.
    ///
    /// # Safety
    /// `object` is a live Python function; the GIL is held.
    unsafe fn function_elsewhere(&mut self, object: &Strong, slot: u32) -> Result<bool, Failure> {
        let f = object.0.cast::<ffi::PyFunctionObject>();
        // SAFETY: (whole body) as in `function`.
        unsafe {
            let code = (*f).func_code;
            if let Some(value) = self.named_value(f)? {
                self.set(slot, value); // found by name each time: one object without being noted
                self.work.by_name.push(Strong::borrowed(object.0));
                return Ok(true);
            }
            if let Some(name) = self.function_name(f)? {
                let entry = code::entry(self.runtime, code)?;
                self.remember_name(f, entry, &name);
                self.global(Strong::borrowed(object.0), slot, &name, Some(entry.hash));
                return Ok(true);
            }
            if (*f).func_closure.is_null() && !(*f).func_module.is_null() {
                let module = Bound::from_borrowed_ptr(self.py, (*f).func_module);
                let function = Bound::from_borrowed_ptr(self.py, object.0);
                if let Some(name) = self.alias_of(&function, &module)? {
                    let hash = code::entry(self.runtime, code)?.hash;
                    self.global(Strong::borrowed(object.0), slot, &name, Some(hash));
                    return Ok(true);
                }
            }
            if let Some(reduced) = self.behind(f)? {
                self.reduced(Strong::borrowed(object.0), slot, Ok(reduced))?;
                return Ok(true);
            }
            let usual = (*self.runtime.base.as_ptr().cast::<ffi::PyFunctionObject>()).vectorcall;
            if (*f).vectorcall.map(|call| call as usize) != usual.map(|call| call as usize) {
                self.refuse(
                    slot,
                    "a function that an extension has given another way of being called (PyFunction_SetVectorcall) \
                     cannot be captured"
                        .into(),
                );
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes whose namespace a function made in a class body looks names up in: it is not to be copied.
    ///
    /// # Safety
    /// `function` is a live function; the GIL is held.
    unsafe fn note_class_scope(&mut self, function: Object) -> Result<(), Failure> {
        // SAFETY: live.
        let function = unsafe { Bound::from_borrowed_ptr(self.py, function) };
        let found = self.runtime.engine.bind(self.py).getattr("class_scope")?.call1((function,))?;
        if let Ok(found) = found.cast::<PyTuple>() {
            let (dict, class) = (found.get_item(0)?, found.get_item(1)?);
            self.work.class_dicts.insert(dict.as_ptr() as usize, Strong(class.into_ptr()));
            self.work.keep.push(Strong(dict.into_ptr()));
        }
        Ok(())
    }

    /// "module:qualname" of a function that is found by name in its own globals, the common case, or
    /// anywhere else.
    ///
    /// # Safety
    /// `f` is a live function; the GIL is held.
    pub(super) unsafe fn function_name(&mut self, f: *mut ffi::PyFunctionObject) -> PyResult<Option<String>> {
        // SAFETY: fields of a live function.
        unsafe {
            if (*f).func_module.is_null() {
                return Ok(None);
            }
            let object = Bound::from_borrowed_ptr(self.py, f.cast());
            let module = Bound::from_borrowed_ptr(self.py, (*f).func_module);
            let qualname = Bound::from_borrowed_ptr(self.py, (*f).func_qualname);
            let Some(name) = self.name_of(&object, &module, &qualname)? else { return Ok(None) };
            let home = PyString::new(self.py, name.split(':').next().unwrap_or_default());
            let is_late = self.is_made_later(&object, &home, &qualname, (*f).func_code)?;
            Ok(Some(name).filter(|_| !is_late))
        }
    }
}

/// The Python functions that a class which a statement made defines itself: as methods, behind properties, and behind
/// what has one as its `func` (`cached_property`, `partialmethod`).
pub(super) fn functions_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = class.py();
    let mut found = Vec::new();
    // SAFETY: E5: a live class has its namespace in this field, unless it is one of the interpreter's own.
    let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, (*class.as_type_ptr()).tp_dict) };
    let Some(names) = names else { return Ok(found) };
    // The values are held before any of them is asked for anything.
    for value in names.cast_into::<PyDict>()?.values() {
        // SAFETY: E5: live, and of the type that is tested first.
        let is = |kind: *mut ffi::PyTypeObject| unsafe {
            ffi::PyType_IsSubtype(ffi::Py_TYPE(value.as_ptr()), kind) != 0
        };
        if value.is_instance_of::<PyFunction>() {
            found.push(value);
        } else if is(&raw mut ffi::PyStaticMethod_Type) || is(&raw mut ffi::PyClassMethod_Type) {
            let inner = value.getattr(crate::text::intern!(py, "__func__"))?;
            found.extend(behind_descriptor(inner)?);
        } else if !is_without_attributes(&value) {
            found.extend(behind_descriptor(value)?);
        }
    }
    Ok(found)
}

fn behind_descriptor<'py>(value: Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = value.py();
    if value.is_instance_of::<PyFunction>() {
        return Ok(vec![value]);
    }
    let mut found = Vec::new();
    // SAFETY: E5: live.
    if unsafe { ffi::PyType_IsSubtype(ffi::Py_TYPE(value.as_ptr()), &raw mut ffi::PyProperty_Type) } != 0 {
        for name in ["fget", "fset", "fdel"] {
            found.push(value.getattr(name)?);
        }
    } else {
        found.extend(value.getattr_opt(crate::text::intern!(py, "func"))?);
    }
    found.retain(|function| function.is_instance_of::<PyFunction>());
    Ok(found)
}

/// Whether a value of a class's namespace is of a type that has no `func`.
fn is_without_attributes(value: &Bound<'_, PyAny>) -> bool {
    let plain = [
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyTuple_Type,
        &raw mut ffi::PyDict_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyGetSetDescr_Type,
        &raw mut ffi::PyMemberDescr_Type,
        &raw mut ffi::PyMethodDescr_Type,
    ];
    // SAFETY: E5: live.
    value.is_none() || plain.contains(&unsafe { ffi::Py_TYPE(value.as_ptr()) })
}

/// The attributes of a function, NULL if it has none: to look for them makes it an empty dict, which nobody else has.
///
/// # Safety
/// `f` is a live function; the GIL is held.
pub(super) unsafe fn attributes_of(f: *const ffi::PyFunctionObject) -> Object {
    // SAFETY: as the caller promises.
    unsafe {
        let dict = (*f).func_dict;
        let is_unused = !dict.is_null()
            && ffi::Py_TYPE(dict) == &raw mut ffi::PyDict_Type
            && ffi::PyDict_Size(dict) == 0
            && ffi::Py_REFCNT(dict) == 1;
        if is_unused {
            std::ptr::null_mut()
        } else {
            dict
        }
    }
}

/// The annotations, in a pair with the type parameters of a function that has some.
///
/// # Safety
/// `f` is a live function; the GIL is held.
unsafe fn with_type_parameters<'py>(
    py: Python<'py>,
    f: *mut ffi::PyFunctionObject,
    annotations: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    #[cfg(Py_3_12)]
    // SAFETY: E5: a field of a live function: NULL or a tuple.
    unsafe {
        let given = (*f).func_typeparams;
        if !given.is_null() && ffi::PyObject_Size(given) > 0 {
            let given = Some(Bound::from_borrowed_ptr(py, given));
            return Ok(Some(PyTuple::new(py, [annotations, given])?.into_any()));
        }
    }
    #[cfg(not(Py_3_12))]
    let _ = (py, f);
    Ok(annotations)
}

/// The annotations of a function, or, from 3.14 on and if nobody asked for them yet, the function that
/// makes them: asking would run code of the program.
///
/// # Safety
/// `f` is a live function; the GIL is held.
unsafe fn annotations<'py>(
    py: Python<'py>,
    f: *mut ffi::PyFunctionObject,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: fields of a live function.
    unsafe {
        if (*f).func_annotations.is_null() {
            #[cfg(Py_3_14)]
            let annotate = Bound::from_borrowed_ptr_or_opt(py, (*f).func_annotate).filter(|a| !a.is_none());
            #[cfg(not(Py_3_14))]
            let annotate = None;
            return Ok(annotate);
        }
        // The field may hold them in a compact form, which this call changes into a dict.
        let annotations = ffi::PyFunction_GetAnnotations(f.cast());
        if annotations.is_null() && !ffi::PyErr_Occurred().is_null() {
            return Err(PyErr::fetch(py));
        }
        Ok(Bound::from_borrowed_ptr_or_opt(py, annotations))
    }
}

/// Puts an object into a field that holds another one, or nothing.
///
/// # Safety
/// E7: both are live, or the field is NULL; the GIL is held.
unsafe fn replace(field: &mut Object, object: Object) {
    // SAFETY: as the caller promises.
    let old = std::mem::replace(field, unsafe { ffi::Py_NewRef(object) });
    // SAFETY: the field's own reference.
    unsafe { ffi::Py_XDECREF(old) };
}

impl Decoder<'_, '_> {
    /// Makes a function from its globals and code, complete enough to be called: cells of its closure
    /// are empty until its own are there.
    pub(super) fn begin_function(&mut self, at: usize) -> Result<Object, Failure> {
        let (globals, code) = (self.parts[at], self.parts[at + 1]);
        // SAFETY: (whole body) types are tested before use.
        unsafe {
            if globals.is_null() || ffi::PyDict_Check(globals) == 0 {
                return Err(Failure::corrupt("a function has no globals"));
            }
            if code.is_null() || ffi::Py_TYPE(code) != &raw mut ffi::PyCode_Type {
                return Err(Failure::corrupt("a function has no code"));
            }
            let function = Strong(self.own(ffi::PyFunction_New(code, globals))?);
            let free = free_variables(self.py, code)?;
            if free > 0 {
                let mut cells = Vec::new();
                for _ in 0..free {
                    cells.push(Bound::from_owned_ptr_or_err(self.py, ffi::PyCell_New(std::ptr::null_mut()))?);
                }
                let cells = PyTuple::new(self.py, cells)?;
                if ffi::PyFunction_SetClosure(function.0, cells.as_ptr()) != 0 {
                    return Err(PyErr::fetch(self.py).into());
                }
            }
            Ok(function.release())
        }
    }

    pub(super) fn end_function(&mut self, function: Object, at: usize) -> Result<(), Failure> {
        let part = |i: usize| self.parts[at + i];
        // SAFETY: (whole body) the function is live; parts are live or NULL, and type-tested.
        unsafe {
            let py = self.py;
            let text = |o: Object| !o.is_null() && ffi::PyUnicode_Check(o) != 0;
            if !text(part(2)) || !text(part(3)) {
                return Err(Failure::corrupt("a function has no name"));
            }
            let fields = &mut *function.cast::<ffi::PyFunctionObject>();
            let or_none = |o: Object| if o.is_null() { ffi::Py_None() } else { o };
            // What their setters do: names are texts, the others may be anything.
            replace(&mut fields.func_name, part(2));
            replace(&mut fields.func_qualname, part(3));
            replace(&mut fields.func_module, or_none(part(4)));
            replace(&mut fields.func_doc, or_none(part(5)));
            let f = Bound::from_borrowed_ptr(py, function);
            let set =
                |name: &str, o: Object| -> PyResult<()> { f.setattr(name, Bound::from_borrowed_ptr(py, o)) };
            for (i, name) in [(6, "__defaults__"), (7, "__kwdefaults__"), (9, "__dict__")] {
                if !part(i).is_null() {
                    set(name, part(i))?;
                }
            }
            if !part(10).is_null() {
                let mut annotations = part(10);
                if ffi::PyTuple_Check(annotations) != 0 {
                    if ffi::PyTuple_Size(annotations) != 2 {
                        return Err(Failure::corrupt("a function's annotations are not as they have to be"));
                    }
                    set("__type_params__", ffi::PyTuple_GetItem(annotations, 1))?;
                    annotations = ffi::PyTuple_GetItem(annotations, 0);
                }
                if ffi::PyFunction_Check(annotations) != 0 {
                    set("__annotate__", annotations)?;
                } else if annotations != ffi::Py_None() {
                    set("__annotations__", annotations)?;
                }
            }
            let free = free_variables(py, part(1))?;
            if free > 0 {
                let closure = part(8);
                let right = !closure.is_null()
                    && ffi::PyTuple_Check(closure) != 0
                    && ffi::PyTuple_Size(closure) as usize == free
                    && (0..free).all(|i| {
                        ffi::Py_TYPE(ffi::PyTuple_GetItem(closure, i as isize)) == &raw mut ffi::PyCell_Type
                    });
                if !right {
                    return Err(Failure::corrupt("a function's closure does not fit its code"));
                }
                if ffi::PyFunction_SetClosure(function, closure) != 0 {
                    return Err(PyErr::fetch(py).into());
                }
            }
        }
        Ok(())
    }
}

fn free_variables(py: Python<'_>, code: Object) -> PyResult<usize> {
    // SAFETY: a live code object.
    let code = unsafe { Bound::from_borrowed_ptr(py, code) };
    code.getattr(crate::text::intern!(py, "co_freevars"))?.len()
}
