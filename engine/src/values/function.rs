//! Functions: by their name and a hash of their code, or by value with their closure, defaults and annotations.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
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
            if let Some(value) = self.named_value(f)? {
                self.set(slot, value); // found by name each time: one object without being noted
                return Ok(());
            }
            if let Some(name) = self.function_name(f)? {
                let entry = code::entry(self.runtime, code)?;
                self.remember_name(f, entry, &name);
                self.global(object, slot, &name, Some(entry.hash));
                return Ok(());
            }
            if (*f).func_closure.is_null() && !(*f).func_module.is_null() {
                let module = Bound::from_borrowed_ptr(self.py, (*f).func_module);
                let function = Bound::from_borrowed_ptr(self.py, object.0);
                if let Some(name) = self.alias_of(&function, &module)? {
                    let hash = code::entry(self.runtime, code)?.hash;
                    self.global(object, slot, &name, Some(hash));
                    return Ok(());
                }
            }
            if let Some(reduced) = self.behind(f)? {
                return self.reduced(object, slot, Ok(reduced));
            }
            let usual = (*self.runtime.base.as_ptr().cast::<ffi::PyFunctionObject>()).vectorcall;
            if (*f).vectorcall.map(|call| call as usize) != usual.map(|call| call as usize) {
                self.refuse(
                    slot,
                    "a function that an extension has given another way of being called (PyFunction_SetVectorcall) \
                     cannot be captured"
                        .into(),
                );
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
            self.check_builtins(f, slot)?;
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
                (*f).func_dict,
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

/// The annotations, in a pair with the type parameters of a function that has some.
///
/// # Safety
/// `f` is a live function; the GIL is held.
unsafe fn with_type_parameters<'py>(
    py: Python<'py>,
    f: *mut ffi::PyFunctionObject,
    annotations: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    // SAFETY: live.
    let function = unsafe { Bound::from_borrowed_ptr(py, f.cast()) };
    match function.getattr_opt(crate::text::intern!(py, "__type_params__"))? {
        Some(given) if !given.is_empty()? => {
            Ok(Some(PyTuple::new(py, [annotations, Some(given)])?.into_any()))
        }
        _ => Ok(annotations),
    }
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
            let function = Bound::from_borrowed_ptr(py, f.cast());
            let annotate = function.getattr_opt(crate::text::intern!(py, "__annotate__"))?;
            return Ok(annotate.filter(|a| !a.is_none()));
        }
        // The field may hold them in a compact form, which this call changes into a dict.
        let annotations = ffi::PyFunction_GetAnnotations(f.cast());
        if annotations.is_null() && !ffi::PyErr_Occurred().is_null() {
            return Err(PyErr::fetch(py));
        }
        Ok(Bound::from_borrowed_ptr_or_opt(py, annotations))
    }
}
