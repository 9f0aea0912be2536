//! Imports that are under way in a stack: what importlib's frames hold of the process.
//!
//! Part of the steps "capture" and "resume". The frames of importlib are ordinary ones. Beside them there are locks,
//! and modules that are half made: these travel by value, and the adopter's import system has both from the moment
//! when the stack is resumed. What the frames mean is known in `python/imports.py`.

use crate::error::{Failure, ResumeError};
use crate::found::{unsupported, Found};
use crate::frame::{self, Slot};
use crate::runtime::Runtime;
use crate::stack::Stack;
use crate::values::{text_of, Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
#[cfg(not(Py_3_12))]
use pyo3::types::PyDict;
use pyo3::types::{PyList, PyString, PyTuple};
use torpor_store::frame::FRAME_HEAD;

/// Whether a function is one of importlib's frozen modules'.
///
/// # Safety
/// E2: `function` is a live function, or NULL.
#[inline]
unsafe fn is_importlibs(runtime: &Runtime, function: Object) -> bool {
    // SAFETY: as the caller promises.
    unsafe { runtime.import_spaces.iter().any(|space| is_of(function, *space)) }
}

/// Whether a function has this namespace as its globals.
///
/// # Safety
/// E2: `function` is a live function, or NULL.
#[inline]
pub(crate) unsafe fn is_of(function: Object, space: Object) -> bool {
    // SAFETY: as the caller promises.
    unsafe { !function.is_null() && (*function.cast::<ffi::PyFunctionObject>()).func_globals == space }
}

/// (code, values of its locals, values of its evaluation stack) of one frame.
pub(crate) fn described<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    code: Object,
    values: impl Iterator<Item = Object>,
    nlocals: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    let empty = runtime.engine.bind(py).getattr("EMPTY")?;
    // SAFETY: E2: live objects, or NULL.
    let object =
        |o: Object| unsafe { Bound::from_borrowed_ptr_or_opt(py, o) }.unwrap_or_else(|| empty.clone());
    let mut values: Vec<_> = values.map(object).collect();
    let stack = PyList::new(py, values.split_off(nlocals))?;
    PyTuple::new(py, [object(code), PyList::new(py, values)?.into_any(), stack.into_any()])
}

/// Modules whose own code is among the frames and whose import is under way, wherever its frames are.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
unsafe fn half_made(py: Python<'_>, runtime: &Runtime, found: &[Found]) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let mut last = std::ptr::null_mut();
    // SAFETY: (whole body) E2: live frames; lookups of text keys, and of an attribute of an exact ModuleSpec, run no code.
    unsafe {
        for f in found.iter().filter(|f| f.is_shown()) {
            let globals = (*f.function.cast::<ffi::PyFunctionObject>()).func_globals;
            if std::mem::replace(&mut last, globals) == globals {
                continue;
            }
            let spec = ffi::PyDict_GetItemWithError(globals, runtime.names.spec.as_ptr());
            if spec.is_null() || ffi::Py_TYPE(spec) != runtime.module_spec.as_ptr().cast() {
                continue;
            }
            let spec = Bound::from_borrowed_ptr(py, spec);
            let begun = spec.getattr_opt(crate::text::intern!(py, "_initializing"))?;
            if begun.is_none_or(|begun| begun.as_ptr() != ffi::Py_True()) {
                continue;
            }
            let name = spec.getattr(crate::text::intern!(py, "name"))?;
            let module = runtime.module_named(py, &name).filter(|m| ffi::PyModule_Check(m.as_ptr()) != 0);
            if module.is_some_and(|m| ffi::PyModule_GetDict(m.as_ptr()) == globals) {
                names.push(text_of(&name));
            }
        }
    }
    Ok(names)
}

/// Refuses to capture in the middle of the import of a package that has loaded extension modules of its own.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
unsafe fn refuse_loaded_parts(
    py: Python<'_>,
    runtime: &Runtime,
    found: &[Found],
    half_made: &[String],
) -> Result<(), Failure> {
    let outermost = found.iter().rfind(|f| f.is_shown()).filter(|_| !half_made.is_empty());
    let Some(f) = outermost else { return Ok(()) };
    let why = runtime.engine.bind(py).getattr("loaded_parts")?.call1((half_made,))?;
    match why.is_none() {
        true => Ok(()),
        // SAFETY: as the caller promises.
        false => Err(unsafe { unsupported(py, f.frame, text_of(&why)) }),
    }
}

/// The modules whose import is under way in the frames that are captured, and the locks that these hold.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
pub(crate) unsafe fn under_way(
    py: Python<'_>,
    runtime: &Runtime,
    found: &[Found],
) -> Result<(Vec<String>, Vec<Strong>), Failure> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        let half_made = half_made(py, runtime, found)?;
        if !found.iter().any(|f| f.is_shown() && is_importlibs(runtime, f.function)) {
            refuse_loaded_parts(py, runtime, found, &half_made)?;
            return Ok((half_made, Vec::new()));
        }
        let frames = PyList::empty(py);
        for f in found.iter().filter(|f| f.is_shown()) {
            let slots = (0..f.depth).map(|i| match f.slot(i) {
                Slot::Object(object) => object,
                _ => std::ptr::null_mut(),
            });
            let nlocals = frame::nlocalsplus(f.code.cast());
            frames.append(described(py, runtime, f.code, slots, nlocals)?)?;
        }
        let answer = runtime.engine.bind(py).getattr("imports_in")?.call1((frames,))?;
        if answer.is_instance_of::<PyString>() {
            let outermost = found.iter().find(|f| f.is_shown() && is_importlibs(runtime, f.function));
            let Some(f) = outermost else { return Ok(Default::default()) };
            return Err(unsupported(py, f.frame, text_of(&answer)));
        }
        let (mut names, locks): (Vec<String>, Bound<'_, PyList>) = answer.extract()?;
        names.extend(half_made);
        names.sort_unstable();
        names.dedup();
        refuse_loaded_parts(py, runtime, found, &names)?;
        Ok((names, locks.iter().map(|lock| Strong(lock.into_ptr())).collect()))
    }
}

/// Whether any thread imports anything, or may do so: the import system has locks of modules then only.
pub(crate) fn any_is_under_way(py: Python<'_>, runtime: &Runtime) -> bool {
    // SAFETY: E5: the namespace of importlib, which lives as long as the interpreter; borrowed.
    unsafe {
        let name = crate::text::intern!(py, "_module_locks");
        let locks = ffi::PyDict_GetItemWithError(runtime.import_spaces[0], name.as_ptr());
        !locks.is_null() && ffi::PyDict_Check(locks) != 0 && ffi::PyDict_Size(locks) > 0
    }
}

/// Gives the import system what the frames of `stack` need, which is about to run. What undoes it, if there is
/// anything.
///
/// # Errors
/// `ResumeError::Impossible` if this process has imported one of the modules meanwhile.
pub(crate) fn begin(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> Result<Option<Py<PyAny>>, Failure> {
    // SAFETY: E5: a continuation holds its values; the first of a frame is its function.
    let is_importlibs = |i: usize| unsafe { is_importlibs(runtime, stack.values[i]) };
    if !stack.frames.iter().any(|f| is_importlibs(f.first)) {
        return Ok(None);
    }
    let frames = PyList::empty(py);
    for (_, f) in stack.shown() {
        let first = f.first + FRAME_HEAD as usize;
        let slots = stack.values[first..first + f.nlocals + f.nstack].iter().copied();
        frames.append(described(py, runtime, f.code.0, slots, f.nlocals)?)?;
    }
    let undo = runtime.engine.bind(py).getattr("begin_imports")?.call1((frames,))?;
    if undo.is_instance_of::<PyString>() {
        return Err(ResumeError::Impossible(text_of(&undo)).into());
    }
    Ok(Some(undo.unbind()))
}

/// Takes back what `begin` did.
pub(crate) fn abandon(py: Python<'_>, runtime: &Runtime, undo: &Py<PyAny>) -> PyResult<()> {
    runtime.engine.bind(py).getattr("abandon_imports")?.call1((undo,)).map(drop)
}

/// For which module's lock this thread is about to wait, as the import system of CPython 3.11 has noted it: one for each
/// thread, forgotten by any other import in it. A capture in its middle may import, and so may the program's reducers.
#[cfg(not(Py_3_12))]
pub(crate) fn waits_for<'py>(py: Python<'py>, runtime: &Runtime) -> PyResult<Option<[Bound<'py, PyAny>; 3]>> {
    // SAFETY: E5: the namespace of a module that is never unloaded.
    let space =
        unsafe { Bound::from_borrowed_ptr(py, runtime.import_spaces[0]).cast_into_unchecked::<PyDict>() };
    let Some(all) = space.get_item(crate::text::intern!(py, "_blocking_on"))? else { return Ok(None) };
    if all.len()? == 0 {
        return Ok(None);
    }
    // SAFETY: it only tells a number.
    let thread = unsafe { ffi::PyThread_get_thread_ident() }.into_pyobject(py)?.into_any();
    Ok(all.cast::<PyDict>()?.get_item(&thread)?.map(|lock| [all, thread, lock]))
}
