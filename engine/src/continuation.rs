//! A continuation: an adopted stack that can be looked at, changed, and resumed once.
//!
//! Between the steps "adopt" and "resume".

use crate::error::{Failure, ResumeError};
use crate::frame;
use crate::runtime::Runtime;
use crate::stack::Stack;
use crate::values::{text_of, Object, Strong};
use pyo3::exceptions::PyKeyError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::Mutex;
use torpor_store::frame::FRAME_HEAD;

/// A live stack that can be looked at, changed, and resumed once.
pub struct Continuation {
    stack: Mutex<Option<Box<Stack>>>,
}

// SAFETY: invariant E5: the objects inside are used and dropped with the GIL held only.
unsafe impl Send for Continuation {}
// SAFETY: as above; the mutex orders threads that hold the GIL in turn.
unsafe impl Sync for Continuation {}

impl Continuation {
    /// Takes the stack out: from here on the continuation is used up.
    pub(crate) fn take(&self) -> Result<Box<Stack>, Failure> {
        let mut guard = self.lock();
        guard.take().ok_or(Failure::Resume(ResumeError::AlreadyResumed))
    }

    pub(crate) fn put_back(&self, stack: Box<Stack>) {
        *self.lock() = Some(stack);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<Stack>>> {
        self.stack.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Calls `f` with the stack and the place of frame `i` in it, counted as frames are shown.
    fn with<T>(
        &self,
        i: usize,
        f: impl FnOnce(&mut Stack, usize) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut guard = self.lock();
        let stack = guard.as_mut().ok_or(Failure::Resume(ResumeError::AlreadyResumed))?;
        let Some((place, _)) = stack.shown().nth(i) else {
            let n = stack.shown().count();
            return Err(ResumeError::Impossible(format!("there is no frame {i}: the stack has {n}")).into());
        };
        f(stack, place)
    }

    pub fn is_resumed(&self) -> bool {
        self.lock().is_none()
    }

    pub(crate) fn of(stack: Box<Stack>) -> Continuation {
        Continuation { stack: Mutex::new(Some(stack)) }
    }

    pub(crate) fn with_stack<T>(&self, f: impl FnOnce(&Stack) -> T) -> Option<T> {
        self.lock().as_deref().map(f)
    }

    pub fn frame_count(&self) -> usize {
        self.lock().as_ref().map_or(0, |s| s.shown().count())
    }

    pub fn frame_code(&self, py: Python<'_>, i: usize) -> Result<Py<PyAny>, Failure> {
        // SAFETY: the frame holds its code.
        self.with(i, |s, i| Ok(unsafe { Bound::from_borrowed_ptr(py, s.frames[i].code.0) }.unbind()))
    }

    pub fn frame_lineno(&self, _py: Python<'_>, i: usize) -> Result<i32, Failure> {
        self.with(i, |s, i| {
            let f = &s.frames[i];
            // SAFETY: a live code object; the offset was checked.
            Ok(unsafe { ffi::PyCode_Addr2Line(f.code.0.cast(), f.instr as i32 * 2) })
        })
    }

    /// Names of the locals that have a value.
    pub fn local_names(&self, py: Python<'_>, i: usize) -> Result<Vec<String>, Failure> {
        self.with(i, |s, i| {
            let mut names = Vec::new();
            for (slot, name) in slot_names(py, s.frames[i].code.0)?.into_iter().enumerate() {
                let value = s.values[s.frames[i].first + FRAME_HEAD as usize + slot];
                if !contents(value).is_null() {
                    names.push(name);
                }
            }
            if let Some(locals) = mapping(py, s, i) {
                for key in locals.keys().iter() {
                    let key: String = key.extract()?;
                    if !names.contains(&key) && key != "__builtins__" {
                        names.push(key);
                    }
                }
            }
            Ok(names)
        })
    }

    /// The value of a local; `None` if it has none. A name that the frame does not have is a KeyError.
    pub fn get_local(&self, py: Python<'_>, i: usize, name: &str) -> Result<Option<Py<PyAny>>, Failure> {
        self.with(i, |s, i| {
            if let Some(slot) = slot_of(py, s.frames[i].code.0, name)? {
                let value = contents(s.values[s.frames[i].first + FRAME_HEAD as usize + slot]);
                // SAFETY: NULL or live.
                return Ok(unsafe { Bound::from_borrowed_ptr_or_opt(py, value) }.map(Bound::unbind));
            }
            match mapping(py, s, i) {
                Some(locals) => match locals.get_item(name)? {
                    Some(value) => Ok(Some(value.unbind())),
                    None => Err(PyKeyError::new_err(name.to_owned()).into()),
                },
                None => Err(PyKeyError::new_err(name.to_owned()).into()),
            }
        })
    }

    /// Binds (or with `None` unbinds) a local before the continuation is resumed.
    pub fn set_local<'py>(
        &self,
        py: Python<'py>,
        i: usize,
        name: &str,
        value: Option<Bound<'py, PyAny>>,
    ) -> Result<(), Failure> {
        let old = self.with(i, |s, i| {
            if let Some(slot) = slot_of(py, s.frames[i].code.0, name)? {
                let at = s.frames[i].first + FRAME_HEAD as usize + slot;
                let place = s.values[at];
                // SAFETY: live or NULL; PyCell_Set takes its own reference.
                unsafe {
                    if is_cell(s.frames[i].code.0, slot)
                        && !place.is_null()
                        && ffi::Py_TYPE(place) == &raw mut ffi::PyCell_Type
                    {
                        let new = value.map_or(std::ptr::null_mut(), |v| v.as_ptr());
                        ffi::PyCell_Set(place, new);
                        return Ok(None);
                    }
                }
                if value.is_none() {
                    s.unbound.push((i, slot));
                }
                s.values[at] = value.map_or(std::ptr::null_mut(), Bound::into_ptr);
                return Ok(Some(Strong(place)));
            }
            match mapping(py, s, i) {
                Some(locals) => {
                    match value {
                        Some(value) => locals.set_item(name, value)?,
                        None => locals.del_item(name)?,
                    }
                    Ok(None)
                }
                None => Err(PyKeyError::new_err(name.to_owned()).into()),
            }
        })?;
        drop(old); // may run a destructor: the lock is released before
        Ok(())
    }

    /// Shows every object to Python's garbage collector.
    pub fn traverse(&self, visit: &mut dyn FnMut(&Py<PyAny>)) {
        let Ok(guard) = self.stack.try_lock() else { return };
        let Some(stack) = guard.as_ref() else { return };
        for value in stack.values.iter().chain([&stack.handled]) {
            if !value.is_null() {
                // SAFETY: Py<PyAny> is a non-null pointer to an object, which is what `value` is; it is
                // only borrowed for the call.
                visit(unsafe { &*std::ptr::from_ref(value).cast::<Py<PyAny>>() });
            }
        }
    }

    /// Drops everything: nothing of the program runs but destructors.
    pub fn clear(&self) {
        let stack = self.lock().take();
        drop(stack);
    }
}

/// Makes every frame that has an unbound local, which its code takes for bound, run code that checks.
///
/// # Errors
/// `ResumeError::Impossible` for a local whose reads cannot be checked on this version.
pub(crate) fn check_unbound(py: Python<'_>, runtime: &Runtime, stack: &mut Stack) -> Result<(), Failure> {
    for i in 0..stack.frames.len() {
        let f = &stack.frames[i];
        let names = slot_names(py, f.code.0)?;
        let open: Vec<&String> = stack
            .unbound
            .iter()
            .filter(|(frame, slot)| {
                *frame == i && stack.values[f.first + FRAME_HEAD as usize + slot].is_null()
            })
            .filter_map(|(_, slot)| names.get(*slot))
            .collect();
        if open.is_empty() {
            continue;
        }
        // SAFETY: live.
        let code = unsafe { Bound::from_borrowed_ptr(py, f.code.0) };
        let checked = runtime.engine.bind(py).getattr("checked_code")?.call1((
            &code,
            if f.after.is_some() { frame::landing(f.instr) } else { f.instr },
            open,
            f.at_instruction() || f.after.is_some(),
        ))?;
        // SAFETY: a type test; `checked` is live.
        if unsafe { ffi::Py_TYPE(checked.as_ptr()) != &raw mut ffi::PyCode_Type } {
            let (function, checked) = (text_of(&code.getattr("co_qualname")?), text_of(&checked));
            return Err(ResumeError::Impossible(format!(
                "local '{checked}' of {function} was left out and the code reads it; assign it before resuming"
            ))
            .into());
        }
        stack.frames[i].code = Strong(checked.into_ptr());
    }
    Ok(())
}

fn slot_names(py: Python<'_>, code: Object) -> Result<Vec<String>, Failure> {
    // SAFETY: E1: a live code object has such a tuple.
    let names = unsafe {
        let names = *code.byte_add(frame::offset::CODE_LOCALSPLUS_NAMES).cast::<Object>();
        Bound::from_borrowed_ptr(py, names)
    };
    Ok(names.cast::<PyTuple>().map_err(PyErr::from)?.iter().map(|n| text_of(&n)).collect())
}

fn slot_of(py: Python<'_>, code: Object, name: &str) -> Result<Option<usize>, Failure> {
    Ok(slot_names(py, code)?.iter().position(|n| n == name))
}

/// # Safety
/// `code` is live, `slot` in range.
unsafe fn is_cell(code: Object, slot: usize) -> bool {
    // SAFETY: E1.
    unsafe {
        let kinds = *code.byte_add(frame::offset::CODE_LOCALSPLUS_KINDS).cast::<Object>();
        *ffi::PyBytes_AsString(kinds).cast::<u8>().add(slot) & 0xc0 != 0
    }
}

/// What a slot shows: the contents of a cell, or the value itself. Borrowed, NULL if unbound.
fn contents(value: Object) -> Object {
    // SAFETY: NULL or live.
    unsafe {
        if value.is_null() || ffi::Py_TYPE(value) != &raw mut ffi::PyCell_Type {
            return value;
        }
        let inner = ffi::PyCell_Get(value);
        if !inner.is_null() {
            ffi::Py_DECREF(inner); // the cell keeps it
        }
        inner
    }
}

fn mapping<'py>(py: Python<'py>, s: &Stack, i: usize) -> Option<Bound<'py, PyDict>> {
    let locals = s.values[s.frames[i].first + 1];
    // SAFETY: NULL or live.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, locals) }?.cast_into::<PyDict>().ok()
}
