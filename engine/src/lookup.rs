//! A lookup in a dict or set whose key was hashed by a method of the program: it is done again with the hash that is
//! known by now (`python/bridge/lookups.py`).

use crate::error::Failure;
use crate::values::Object;
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple};
use std::cell::RefCell;

/// What the key is told when it is asked for its hash.
enum Answer {
    Hash(ffi::Py_hash_t),
    Raise(PyErr),
}

/// A class whose hash function is ours until its key is asked.
struct Told {
    key: Object,
    class: *mut ffi::PyTypeObject,
    own: Option<ffi::hashfunc>,
    answer: Option<Answer>,
    /// The frame whose next instruction asks, if that is what does; key and class are held then.
    asker: Option<usize>,
}

/// Whether the instruction that asks is the one of that frame.
///
/// # Safety
/// The GIL is held.
unsafe fn asks(frame: usize) -> bool {
    // SAFETY: E2: the current frame lives while C code runs in it; the address is only compared.
    unsafe { crate::frame::current_frame(ffi::PyThreadState_Get()) as usize == frame }
}

thread_local! {
    /// Those of this thread, innermost last.
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

/// The hash function of a class that is told: of the key once, of every other object what it was.
unsafe extern "C" fn told(object: Object) -> ffi::Py_hash_t {
    // SAFETY: (whole body) E16: the interpreter hashes a live object of the class, or of one below it.
    unsafe {
        let answer = TOLD.with_borrow_mut(|all| {
            let at = all.iter().rposition(|one| one.key == object && one.answer.is_some())?;
            let one = &mut all[at];
            (*one.class).tp_hash = one.own;
            let Some(frame) = one.asker else { return one.answer.take() };
            let mut one = all.remove(at);
            ffi::Py_DECREF(one.key); // whoever asks has it, and it has its class
            ffi::Py_DECREF(one.class.cast());
            one.answer.take().filter(|_| asks(frame))
        });
        match answer {
            Some(Answer::Hash(hash)) => hash,
            Some(Answer::Raise(error)) => {
                Python::attach(|py| error.restore(py));
                -1
            }
            None => {
                let class = ffi::Py_TYPE(object);
                let now = (*class).tp_hash.filter(|now| *now as usize != told as *const () as usize);
                if let Some(now) = now {
                    return now(object); // it was not the instruction that asked
                }
                let own = TOLD.with_borrow(|all| {
                    let below = |one: &&Told| ffi::PyType_IsSubtype(class, one.class) != 0;
                    all.iter().rev().find(below).and_then(|one| one.own)
                });
                own.map_or_else(|| ffi::PyObject_HashNotImplemented(object), |own| own(object))
            }
        }
    }
}

/// `hash_told(key, hash, error, operation, arguments)`: what the operation gives, in which `key` is hashed first of all;
/// its hash is given, or the exception that its method raised.
fn hash_told(args: &Bound<'_, PyTuple>) -> Result<Py<PyAny>, Failure> {
    let (key, hash, error) = (args.get_item(0)?, args.get_item(1)?, args.get_item(2)?);
    let (operation, arguments) = (args.get_item(3)?, args.get_item(4)?);
    let arguments = arguments.cast_into::<PyTuple>().map_err(PyErr::from)?;
    let answer = match error.is_none() {
        true => Answer::Hash(hash.extract()?),
        false => Answer::Raise(PyErr::from_value(error)),
    };
    let kind = class_of(&key)?;
    // SAFETY: E16: a live class that the program made; its slot is what it was before when this returns.
    unsafe {
        let own = (*kind).tp_hash;
        TOLD.with_borrow_mut(|all| {
            all.push(Told { key: key.as_ptr(), class: kind, own, answer: Some(answer), asker: None })
        });
        (*kind).tp_hash = Some(told);
        let result = operation.call1(arguments);
        let left = TOLD.with_borrow_mut(Vec::pop);
        if left.is_some_and(|one| one.answer.is_some()) {
            (*kind).tp_hash = own; // it was not asked
        }
        Ok(result?.unbind())
    }
}

fn class_of(key: &Bound<'_, PyAny>) -> Result<*mut ffi::PyTypeObject, Failure> {
    let kind = key.get_type_ptr();
    // SAFETY: E16: a live class.
    if unsafe { ffi::PyType_HasFeature(kind, ffi::Py_TPFLAGS_HEAPTYPE) } == 0 {
        return Err(PySystemError::new_err("only a class of the program hashes by its own method").into());
    }
    Ok(kind)
}

/// `tell_hash(key, hash, error)`: the frame that the calling finisher returns to does its instruction once more, which
/// hashes `key` first of all; it is given the hash, or the exception.
fn tell_hash(args: &Bound<'_, PyTuple>) -> Result<Py<PyAny>, Failure> {
    let (key, hash, error) = (args.get_item(0)?, args.get_item(1)?, args.get_item(2)?);
    let answer = match error.is_none() {
        true => Answer::Hash(hash.extract()?),
        false => Answer::Raise(PyErr::from_value(error)),
    };
    let class = class_of(&key)?;
    // SAFETY: E16, E2: the calling frame and the one below it live; key and class are held until the key is asked.
    unsafe {
        let finisher = crate::frame::current_frame(ffi::PyThreadState_Get());
        let asker = Some((*finisher).caller().0 as usize);
        ffi::Py_INCREF(class.cast());
        let own = (*class).tp_hash;
        TOLD.with_borrow_mut(|all| {
            all.push(Told { key: key.clone().into_ptr(), class, own, answer: Some(answer), asker })
        });
        (*class).tp_hash = Some(told);
    }
    Ok(args.py().None())
}

/// These as Python functions, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    Ok(vec![
        crate::finish::function(py, "hash_told", hash_told)?,
        crate::finish::function(py, "tell_hash", tell_hash)?,
    ])
}
