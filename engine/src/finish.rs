//! What finishers (`python/finish.py`) need of the interpreter: ending the loop of the frame that they
//! return to, and counting on an enumerate object.

use crate::code;
use crate::error::Failure;
use crate::frame::{self, InterpreterFrame, Owner};
use crate::runtime::{self, Runtime};
use crate::values::{Object, Strong};
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};
use pyo3::IntoPyObjectExt;
use std::sync::OnceLock;

/// The frame below the finisher that calls.
///
/// # Safety
/// E1, E2.
pub(crate) unsafe fn caller_of_finisher(runtime: &Runtime) -> Option<*mut InterpreterFrame> {
    // SAFETY: as the caller promises.
    unsafe {
        let finisher = frame::current_frame(ffi::PyThreadState_Get());
        if finisher.is_null() || (*finisher).f_globals != runtime.engine_globals {
            return None;
        }
        let (f, through_c) = (*finisher).caller();
        let waits = !f.is_null() && !through_c && matches!((*f).owner(), Owner::Thread | Owner::Generator);
        waits.then_some(f)
    }
}

/// The caller's FOR_ITER is exhausted: what the finisher returns now lands behind its loop.
fn loop_ends(py: Python<'_>) -> Result<Py<PyAny>, Failure> {
    let outside = || Failure::from(PySystemError::new_err("a loop was ended from outside of a loop"));
    let runtime = runtime::get(py)?;
    // SAFETY: (whole body) E1, E2: called by a finisher; the frame below it stands in a loop, waiting for it.
    unsafe {
        let f = caller_of_finisher(runtime).ok_or_else(outside)?;
        let code: Object = (*f).code().cast();
        let Some((_, start)) = code::opcode_at(code, (*f).instruction_index()) else { return Err(outside()) };
        let object = Bound::from_borrowed_ptr(py, code);
        let place: Option<(bool, u32, u32)> =
            runtime.engine.bind(py).getattr("loop_over")?.call1((object, start))?.extract()?;
        let Some((false, first, end)) = place else { return Err(outside()) };
        let Some(dropped) = (*f).end_loop(first, end) else {
            return Ok(py.None()); // END_FOR drops what is returned
        };
        drop(Strong(dropped));
        Ok(PyTuple::empty(py).try_iter()?.into_any().unbind())
    }
}

/// Where `en_index` is in an enumerate object (Objects/enumobject.c); check.rs tests it.
pub(crate) const ENUMERATE_INDEX: usize = 16;

/// An enumerate object has handed out an item.
fn count_on(enumerated: &Bound<'_, PyAny>) -> Result<(), Failure> {
    // SAFETY: E13: the type is exact.
    unsafe {
        if ffi::Py_TYPE(enumerated.as_ptr()) == &raw mut frame::PyEnum_Type {
            let index = enumerated.as_ptr().byte_add(ENUMERATE_INDEX).cast::<isize>();
            if *index < isize::MAX {
                *index += 1;
                return Ok(());
            }
        }
    }
    Err(PySystemError::new_err("an enumerate object cannot be counted on").into())
}

/// An iterator over calls or over items by index is exhausted: it lets go of what it runs over.
fn exhaust(iterator: &Bound<'_, PyAny>) -> Result<(), Failure> {
    let o = iterator.as_ptr();
    // SAFETY: E13: types are exact; two words lie behind the head: callable and sentinel, or index and sequence.
    unsafe {
        let words = o.byte_add(16).cast::<usize>();
        let take = |i: usize| drop(Strong(std::mem::replace(&mut *words.add(i), 0) as Object));
        let kind = ffi::Py_TYPE(o);
        if kind == &raw mut ffi::PyCallIter_Type {
            take(0);
            take(1);
        } else if kind == &raw mut ffi::PySeqIter_Type {
            take(1);
        } else if kind == &raw mut ffi::PyReversed_Type {
            words.cast::<isize>().write(-1);
            take(1);
        } else {
            return Err(PySystemError::new_err("an iterator of another kind cannot be exhausted").into());
        }
    }
    Ok(())
}

/// What the calling finisher returns lands where the instruction of the frame below would jump to.
fn jump_below(py: Python<'_>, unit: u32) -> Result<(), Failure> {
    let outside = || Failure::from(PySystemError::new_err("there is no frame that could jump"));
    let runtime = runtime::get(py)?;
    // SAFETY: (whole body) E1, E2: called by a finisher; the frame below it waits for it.
    unsafe {
        let f = caller_of_finisher(runtime).ok_or_else(outside)?;
        if unit as usize >= frame::code_length((*f).code()) {
            return Err(outside());
        }
        (*f).goes_on_at(unit);
    }
    Ok(())
}

/// Puts `stored` in the place of the mapping of names of the frame below the calling finisher, a class body's, which it
/// keeps for `stored_once`.
fn store_once(stored: &Bound<'_, PyAny>) -> Result<Py<PyAny>, Failure> {
    let runtime = runtime::get(stored.py())?;
    // SAFETY: (whole body) E1, E2: called by a finisher; the frame below it waits for it and owns its mapping.
    unsafe {
        let f = caller_of_finisher(runtime).filter(|f| !(**f).f_locals.is_null());
        let f = f.ok_or_else(|| PySystemError::new_err("there is no frame that stores a name"))?;
        stored.setattr("mapping", Bound::from_borrowed_ptr(stored.py(), (*f).f_locals))?;
        drop(Strong(std::mem::replace(&mut (*f).f_locals, stored.clone().into_ptr())));
    }
    Ok(stored.clone().unbind())
}

/// The mapping of names of the frame whose instruction called what calls this is again the one that `store_once` has put away.
fn stored_once(py: Python<'_>) -> Result<(), Failure> {
    let class = runtime::get(py)?.engine.bind(py).getattr("_Stored")?;
    // SAFETY: (whole body) E1, E2: the instruction has the stored object as its value, so that it lives for as long as
    // the instruction runs.
    unsafe {
        let method = frame::current_frame(ffi::PyThreadState_Get());
        let f = if method.is_null() { method } else { (*method).caller().0 };
        if f.is_null() || (*f).f_locals.is_null() || ffi::Py_TYPE((*f).f_locals) != class.as_ptr().cast() {
            return Err(PySystemError::new_err("no name was stored").into());
        }
        let mapping = Bound::from_borrowed_ptr(py, (*f).f_locals).getattr("mapping")?;
        drop(Strong(std::mem::replace(&mut (*f).f_locals, mapping.into_ptr())));
    }
    Ok(())
}

/// The type of functions under lru_cache, and which of its words is the function; check.rs finds it.
static CACHED: OnceLock<(usize, usize)> = OnceLock::new();

/// Compares the structs that are changed here with what they must hold.
pub(crate) fn self_test(py: Python<'_>) -> PyResult<Option<&'static str>> {
    if let Some(wrong) = annotations_test(py)? {
        return Ok(Some(wrong));
    }
    let functools = py.import("functools")?;
    let (end, tuple) = (PyTuple::new(py, [5])?, PyTuple::new(py, [7, 8, 9])?);
    let called = py.eval(c"iter", None, None)?.call1((py.get_type::<PyDict>(), end.clone()))?;
    let backwards = py.eval(c"reversed", None, None)?.call1((tuple.clone(),))?;
    // SAFETY: E13: this is its test. Types and sizes are compared before any word is, words before they are used.
    unsafe {
        let by_index = Bound::from_owned_ptr_or_err(py, ffi::PySeqIter_New(tuple.as_ptr()))?;
        by_index.call_method0("__next__")?;
        backwards.call_method0("__next__")?;
        let holds = |o: &Bound<'_, PyAny>, class: *mut ffi::PyTypeObject, words: [usize; 2]| {
            let at = o.as_ptr().cast::<usize>();
            ffi::Py_TYPE(o.as_ptr()) == class
                && (*class).tp_basicsize == 32
                && [*at.add(2), *at.add(3)] == words
        };
        let callable = py.get_type::<PyDict>().as_ptr() as usize;
        if !holds(&called, &raw mut ffi::PyCallIter_Type, [callable, end.as_ptr() as usize]) {
            return Ok(Some("an iterator over calls"));
        }
        for (o, class) in
            [(&by_index, &raw mut ffi::PySeqIter_Type), (&backwards, &raw mut ffi::PyReversed_Type)]
        {
            if !holds(o, class, [1, tuple.as_ptr() as usize]) {
                return Ok(Some("an iterator over items"));
            }
        }
        let class = functools.getattr("_lru_cache_wrapper")?;
        if ffi::PyType_Check(class.as_ptr()) != 0 {
            let function = py.eval(c"lambda x: x", None, None)?;
            let cached = functools.getattr("lru_cache")?.call1((4,))?.call1((function.clone(),))?;
            let class = class.as_ptr().cast::<ffi::PyTypeObject>();
            if ffi::Py_TYPE(cached.as_ptr()) != class {
                return Ok(Some("a function under lru_cache"));
            }
            let size = (*class).tp_basicsize as usize / size_of::<usize>();
            let words = std::slice::from_raw_parts(cached.as_ptr().cast::<Object>(), size);
            let places: Vec<usize> = (2..size).filter(|i| words[*i] == function.as_ptr()).collect();
            let [place] = places[..] else { return Ok(Some("a function under lru_cache")) };
            let _ = CACHED.set((class as usize, place));
            let given = (PyTuple::new(py, [3])?, PyDict::new(py), py.eval(c"lambda x: x + 1", None, None)?);
            let arguments =
                PyTuple::new(py, [cached.clone(), given.0.into_any(), given.1.into_any(), given.2])?;
            if remember(&arguments).is_err() || cached.call1((3,))?.extract::<i64>()? != 4 {
                return Ok(Some("what a function under lru_cache remembers"));
            }
            if cached.call1((5,))?.extract::<i64>()? != 5 {
                return Ok(Some("a function under lru_cache"));
            }
        }
    }
    Ok(None)
}

/// Which word of a function has its annotations; the self test finds it.
static ANNOTATIONS: OnceLock<usize> = OnceLock::new();

fn annotations_test(py: Python<'_>) -> PyResult<Option<&'static str>> {
    let function = py.eval(c"lambda x: x", None, None)?;
    let marker = PyDict::new(py);
    function.setattr("__annotations__", &marker)?;
    // SAFETY: E13: this is its test. The type is compared before its words are.
    unsafe {
        let class = ffi::Py_TYPE(function.as_ptr());
        if class != &raw mut ffi::PyFunction_Type {
            return Ok(Some("a function"));
        }
        let size = (*class).tp_basicsize as usize / size_of::<usize>();
        let words = std::slice::from_raw_parts(function.as_ptr().cast::<Object>(), size);
        let places: Vec<usize> = (2..size).filter(|i| words[*i] == marker.as_ptr()).collect();
        let [place] = places[..] else { return Ok(Some("a function's annotations")) };
        let _ = ANNOTATIONS.set(place);
    }
    Ok(None)
}

/// A function keeps the annotations that were computed for it.
fn keep_annotations(args: &Bound<'_, PyTuple>) -> Result<(), Failure> {
    let (function, made) = (args.get_item(0)?, args.get_item(1)?.cast_into::<PyDict>().map_err(PyErr::from)?);
    let Some(place) = ANNOTATIONS.get() else { return Ok(()) };
    // SAFETY: E13: the type is compared; the word is NULL or a reference that the function owns.
    unsafe {
        if ffi::Py_TYPE(function.as_ptr()) == &raw mut ffi::PyFunction_Type {
            let word = function.as_ptr().cast::<Object>().add(*place);
            let before = std::mem::replace(&mut *word, made.into_ptr());
            if !before.is_null() {
                drop(Strong(before));
            }
        }
    }
    Ok(())
}

/// Makes a function under lru_cache remember what `function` returns for these arguments.
fn remember(args: &Bound<'_, PyTuple>) -> Result<(), Failure> {
    let (wrapper, given) =
        (args.get_item(0)?, args.get_item(1)?.cast_into::<PyTuple>().map_err(PyErr::from)?);
    let (named, function) =
        (args.get_item(2)?.cast_into::<PyDict>().map_err(PyErr::from)?, args.get_item(3)?);
    let wrapped = wrapper.getattr("__wrapped__")?;
    // SAFETY: E13: the wrapper holds its function in one of its words; for the time of the call it holds ours
    // there, with a reference; that to its own is kept for it.
    unsafe {
        let Some(&(class, place)) = CACHED.get() else { return Ok(()) };
        let word = wrapper.as_ptr().cast::<Object>().add(place);
        if ffi::Py_TYPE(wrapper.as_ptr()) as usize != class || *word != wrapped.as_ptr() {
            return Ok(()); // another implementation, or another function: the next call computes it again
        }
        *word = function.clone().into_ptr();
        let result = wrapper.call(given, Some(&named));
        drop(Strong(std::mem::replace(&mut *word, wrapped.as_ptr())));
        result?;
    }
    Ok(())
}

/// `type.__new__(meta, name, bases, namespace)`, while what is listed, as (class, name, its own or None, another), has the
/// other in that place. No other thread sees that: nothing in between runs code of the program.
fn make_quietly(args: &Bound<'_, PyTuple>) -> Result<Py<PyAny>, Failure> {
    let class = args.py().get_type::<PyType>();
    let hooks: Vec<[Bound<'_, PyAny>; 4]> = args.get_item(0)?.extract()?;
    let (make, set) = (class.getattr("__new__")?, class.getattr("__setattr__")?);
    let delete = class.getattr("__delattr__")?;
    let mut done = Ok(());
    let mut changed = 0;
    for [owner, name, _, other] in &hooks {
        done = set.call1((owner, name, other)).map(drop);
        if done.is_err() {
            break;
        }
        changed += 1;
    }
    let made = done.and_then(|()| make.call1(args.get_slice(1, args.len())));
    for [owner, name, own, _] in &hooks[..changed] {
        match own.is_none() {
            true => delete.call1((owner, name))?,
            false => set.call1((owner, name, own))?,
        };
    }
    Ok(made?.unbind())
}

extern "C" {
    fn PyInstanceMethod_New(function: Object) -> Object; // Include/cpython/classobject.h
}

/// An `mro()` for a metaclass: these classes, and at that place the one that is being made.
fn order_as_it_was(args: &Bound<'_, PyTuple>) -> Result<Py<PyAny>, Failure> {
    let py = args.py();
    let order: Vec<Py<PyAny>> = args.get_item(0)?.extract()?;
    let place: isize = args.get_item(1)?.extract()?;
    let (_, mro) = function(py, "mro", move |args| {
        let mut all: Vec<Bound<'_, PyAny>> =
            order.iter().map(|class| class.bind(args.py()).clone()).collect();
        if let Some(place) = usize::try_from(place).ok().filter(|place| *place <= all.len()) {
            all.insert(place, args.get_item(0)?);
        }
        Ok(PyTuple::new(args.py(), all)?.unbind())
    })?;
    // SAFETY: E5: makes a method of the classes of that metaclass of a live function.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, PyInstanceMethod_New(mro.as_ptr())) }?.unbind())
}

/// A failure as an exception of a function of the engine's.
pub(crate) fn as_python(failure: Failure) -> PyErr {
    match failure {
        Failure::Python(e) => e,
        other => PySystemError::new_err(other.to_string()),
    }
}

/// A Python function of that name.
pub(crate) fn function<'py, T>(
    py: Python<'py>,
    name: &'static str,
    work: impl Fn(&Bound<'_, PyTuple>) -> Result<T, Failure> + Send + Sync + 'static,
) -> PyResult<(&'static str, Bound<'py, PyCFunction>)>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    let call = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<Py<PyAny>> {
        let result = work(args).map_err(as_python)?;
        result.into_py_any(args.py())
    };
    Ok((name, PyCFunction::new_closure(py, None, None, call)?))
}

/// These as Python functions, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    Ok(vec![
        function(py, "loop_ends", |args| loop_ends(args.py()))?,
        function(py, "jump_below", |args| jump_below(args.py(), args.get_item(0)?.extract()?))?,
        function(py, "store_once", |args| store_once(&args.get_item(0)?))?,
        function(py, "stored_once", |args| {
            stored_once(args.py())?;
            Ok(args.py().None())
        })?,
        function(py, "count_on", |args| count_on(&args.get_item(0)?))?,
        function(py, "exhaust", |args| exhaust(&args.get_item(0)?))?,
        function(py, "remember", remember)?,
        function(py, "make_quietly", make_quietly)?,
        function(py, "order_as_it_was", order_as_it_was)?,
        function(py, "keep_annotations", keep_annotations)?,
    ])
}
