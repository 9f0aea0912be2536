//! Weak references: one travels as a live one only if what it refers to is held by something else that travels.
//!
//! The walk cannot know that when it meets one. So the first walk of a capture writes them all as dead, and if any
//! of the objects was written elsewhere, another walk is made, which knows those.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::Failure;
use hashbrown::HashMap;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use rustc_hash::FxBuildHasher;

/// What weak references refer to, from all walks of one capture; and whether it is held by something else.
#[derive(Default)]
pub(crate) struct Referents(HashMap<usize, (Strong, bool), FxBuildHasher>);

impl<'py> Encoder<'py> {
    /// What a weak reference is reduced to.
    pub(super) fn weak_reference(
        &mut self,
        object: &Bound<'py, PyAny>,
    ) -> Result<PyResult<Bound<'py, PyAny>>, Failure> {
        let py = self.py;
        let engine = self.runtime.engine.bind(py);
        let mut referent = engine.getattr("weak_referent")?.call1((object,))?;
        if !referent.is_none() {
            let address = referent.as_ptr() as usize;
            let known = self.work.referents.0.get(&address).map(|(_, held)| *held);
            let held = match known {
                Some(held) => held,
                None => {
                    let held = self.is_kept_by_name(&referent)?;
                    let kept = Strong(referent.clone().into_ptr());
                    self.work.referents.0.insert(address, (kept, held));
                    held
                }
            };
            if !held {
                referent = py.None().into_bound(py);
            }
        }
        Ok(engine.getattr("reduce_weakref")?.call1((object, referent)))
    }

    /// Whether an adopter has it anyway: what a module has under a name that does not travel.
    fn is_kept_by_name(&mut self, object: &Bound<'py, PyAny>) -> Result<bool, Failure> {
        // SAFETY: type tests of a live object.
        let named = unsafe {
            let o: Object = object.as_ptr();
            ffi::PyType_Check(o) != 0 || ffi::PyFunction_Check(o) != 0 || ffi::PyCFunction_Check(o) != 0
        };
        if !named {
            let kind = object.get_type();
            // SAFETY: as above.
            return Ok(unsafe {
                ffi::PyModule_Check(object.as_ptr()) != 0
                    || (ffi::PySet_CheckExact(object.as_ptr()) != 0
                        || self.has_identity(&kind, &self.protocol(&kind)?))
                        && self.owning_module(object.as_ptr(), false)?.is_some()
            });
        }
        let of = |name: &str| object.getattr(name);
        let (Ok(module), Ok(name)) = (of("__module__"), of("__qualname__")) else { return Ok(false) };
        Ok(self.name_of(object, &module, &name)?.is_some())
    }

    /// After a walk: notes which of the objects were written, and asks for another walk if that is news.
    pub(crate) fn note_referents(&mut self) {
        let memo = &self.work.memo;
        for (address, (_, held)) in self.work.referents.0.iter_mut() {
            if !*held && memo.contains_key(address) {
                *held = true;
                self.work.greenlets.again = true;
            }
        }
    }
}

/// Where a buffer's first byte lies.
fn buffer_address(object: &Bound<'_, PyAny>) -> Result<usize, Failure> {
    // SAFETY: (whole body) E5: a buffer is released before its object can go; only its address is taken.
    unsafe {
        let mut buffer: ffi::Py_buffer = std::mem::zeroed();
        if ffi::PyObject_GetBuffer(object.as_ptr(), &mut buffer, ffi::PyBUF_FULL_RO) != 0 {
            return Err(PyErr::fetch(object.py()).into());
        }
        let address = buffer.buf as usize;
        ffi::PyBuffer_Release(&mut buffer);
        Ok(address)
    }
}

/// What a weak reference or proxy refers to, or None; and what it calls.
fn weak_word(object: &Bound<'_, PyAny>, word: usize) -> Result<Py<PyAny>, Failure> {
    let py = object.py();
    // SAFETY: E13: the type is tested; behind the head of a PyWeakReference lie what it refers to and its callback
    // (cpython/weakrefobject.h), NULL or None for none. What is being destroyed has no reference left.
    unsafe {
        if ffi::PyWeakref_Check(object.as_ptr()) == 0 {
            return Err(PyTypeError::new_err("this is no weak reference").into());
        }
        let found = *object.as_ptr().byte_add(16).cast::<Object>().add(word);
        if found.is_null() || ffi::Py_REFCNT(found) == 0 {
            return Ok(py.None());
        }
        Ok(Bound::from_borrowed_ptr(py, found).unbind())
    }
}

/// Compares the words of weak references with what they must hold.
pub(crate) fn self_test(py: Python<'_>) -> PyResult<Option<&'static str>> {
    let module = py.import("weakref")?;
    let (referent, callback) =
        (py.eval(c"set()", None, None)?, py.eval(c"lambda reference: None", None, None)?);
    for kind in ["ref", "proxy"] {
        let made = module.getattr(kind)?.call1((&referent, &callback))?;
        // SAFETY: E13: this is its test. The type is compared before its words are, and those are not followed.
        let fits = unsafe {
            let words = made.as_ptr().byte_add(16).cast::<Object>();
            ffi::PyWeakref_Check(made.as_ptr()) != 0
                && [*words, *words.add(1)] == [referent.as_ptr(), callback.as_ptr()]
        };
        if !fits {
            return Ok(Some("a weak reference"));
        }
    }
    Ok(None)
}

pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    Ok(vec![
        function(py, "buffer_address", |args| buffer_address(&args.get_item(0)?))?,
        function(py, "referent_of", |args| weak_word(&args.get_item(0)?, 0))?,
        function(py, "weak_callback", |args| weak_word(&args.get_item(0)?, 1))?,
    ])
}
