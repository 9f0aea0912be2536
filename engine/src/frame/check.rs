//! The self test at import: does this interpreter lay its frames out as the version file says?
//!
//! A Python whose layouts differ is refused in one plain sentence before anything is captured. 3.13 and
//! later also say some of their offsets themselves (`_Py_DebugOffsets`), compared in `tests/layout.rs`.

use super::{code_length, code_units, current_frame, nlocalsplus, offset, Owner};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// Why this interpreter cannot be served, or `None`.
pub fn platform_refusal(py: Python<'_>) -> PyResult<Option<String>> {
    let sys = py.import("sys")?;
    let implementation: String = sys.getattr("implementation")?.getattr("name")?.extract()?;
    if implementation != "cpython" {
        return Ok(Some(format!("torpor needs CPython; this is {implementation}")));
    }
    let version = py.version_info();
    if u32::from(version.minor) != super::MINOR || version.major != 3 {
        return Ok(Some(format!(
            "this build of torpor is for CPython 3.{}; this is {}.{}",
            super::MINOR,
            version.major,
            version.minor
        )));
    }
    if let Ok(gil) = sys.getattr("_is_gil_enabled") {
        if !gil.call0()?.is_truthy()? {
            return Ok(Some("torpor needs a Python with the GIL; this is a free-threaded build".into()));
        }
    }
    // SAFETY: identifiers of live interpreters.
    let main = unsafe { ffi::PyInterpreterState_Get() == ffi::PyInterpreterState_Main() };
    if !main {
        return Ok(Some("torpor works in the main interpreter only; this is a sub-interpreter".into()));
    }
    Ok(None)
}

/// Compares numbers with what they must be read as.
fn numbers(py: Python<'_>) -> PyResult<Option<&'static str>> {
    for n in
        [0, 1, -1, 300, -300, 1 << 29, (1 << 30) - 1, 1 - (1 << 30), 1 << 30, -(1 << 30), i64::MAX, i64::MIN]
    {
        let object = n.into_pyobject(py)?;
        // SAFETY: this is the test that the struct is as it is read; the object is as large as one digit makes it.
        if unsafe { super::small_int(object.as_ptr()) } != Some(n) {
            return Ok(Some("an int"));
        }
    }
    let large = py.eval(c"1 << 63", None, None)?;
    // SAFETY: as above.
    let wrong = unsafe { super::small_int(large.as_ptr()) }.is_some();
    Ok(wrong.then_some("an int"))
}

/// Compares iterators that have moved with what their structs must hold now.
fn iterators(py: Python<'_>) -> PyResult<Option<&'static str>> {
    let eval = |text: &std::ffi::CStr| py.eval(text, None, None);
    let range = eval(c"iter(range(7, 100, 3))")?;
    let list = eval(c"iter([5, 6, 7])")?;
    let tuple = eval(c"iter((5, 6, 7))")?;
    let counted = eval(c"enumerate((5, 6, 7), 40)")?;
    for it in [&range, &list, &tuple, &counted] {
        it.call_method0("__next__")?;
        it.call_method0("__next__")?;
    }
    let kind = |o: &Bound<'_, PyAny>, class: *mut ffi::PyTypeObject| o.get_type().as_ptr() == class.cast();
    // SAFETY: this is the test that the structs are as the version file says; types are compared first.
    unsafe {
        let index = counted.as_ptr().byte_add(crate::finish::ENUMERATE_INDEX).cast::<isize>();
        if !kind(&counted, &raw mut super::PyEnum_Type) || *index != 42 {
            return Ok(Some("an enumerate object"));
        }
        if !kind(&range, &raw mut super::PyRangeIter_Type) || super::range_rest(range.as_ptr()) != (13, 3, 29)
        {
            return Ok(Some("a range iterator"));
        }
        for (it, class) in
            [(&list, &raw mut super::PyListIter_Type), (&tuple, &raw mut super::PyTupleIter_Type)]
        {
            let (sequence, index) = super::sequence_iterator(it.as_ptr());
            if !kind(it, class) || index != 2 || sequence.is_null() || ffi::PySequence_Size(sequence) != 3 {
                return Ok(Some("a list or tuple iterator"));
            }
        }
    }
    Ok(None)
}

/// Compares what asend() and athrow() give with what their structs must hold, before and after they are over.
fn steps(engine: &Bound<'_, PyModule>) -> PyResult<Option<&'static str>> {
    let made = engine.getattr("new_awaitables")?.call0()?;
    let mut wrong = None;
    for (i, object) in made.cast::<PyTuple>()?.iter().enumerate() {
        let referents = engine.getattr("gc")?.call_method1("get_referents", (&object,))?;
        let seen = || -> PyResult<Option<(i32, bool)>> {
            // SAFETY: this is the test of the struct: its words are compared with objects that are known.
            unsafe {
                if i > 1 || (*ffi::Py_TYPE(object.as_ptr())).tp_basicsize > 56 {
                    return Ok(None);
                }
                let (state, parts) = super::generator::step(object.as_ptr());
                let held: Vec<_> = parts.iter().filter(|p| !p.is_null()).map(|p| *p as usize).collect();
                let known: Vec<_> =
                    referents.try_iter()?.map(|r| r.map(|r| r.as_ptr() as usize)).collect::<PyResult<_>>()?;
                let first = ffi::Py_TYPE(parts[0]) == &raw mut ffi::PyAsyncGen_Type;
                Ok(Some((*state, held == known && first)))
            }
        };
        let before = seen()?;
        object.call_method0("close")?;
        let after = seen()?;
        let fits = matches!((before, after), (Some((0, true)), Some((2, true))));
        if i < 2 && !fits {
            wrong = Some("what an async generator's asend() or athrow() gives");
        }
    }
    Ok(wrong)
}

/// Calls the engine's `probe` and compares what is seen of its frame. `Some` says what differs.
pub fn self_test(py: Python<'_>, engine: &Bound<'_, PyModule>) -> PyResult<Option<&'static str>> {
    let probe = engine.getattr("probe")?;
    let marker = PyTuple::new(py, [1, 2, 3])?;
    let function = probe.clone().unbind();
    let globals = engine.dict().unbind();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Some("the probe was not called")));
    let result = seen.clone();
    let check = PyCFunction::new_closure(
        py,
        None,
        None,
        move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            let py = args.py();
            let marker = args.get_item(0)?;
            let found = look(py, function.bind(py), globals.bind(py), &marker);
            if let Ok(mut place) = result.lock() {
                *place = found;
            }
            PyResult::Ok(())
        },
    )?;
    probe.call1((check, marker))?;
    match seen.lock().map(|s| *s).unwrap_or(Some("the probe failed")) {
        None => Ok(numbers(py)?
            .or(iterators(py)?)
            .or(steps(engine)?)
            .or(crate::finish::self_test(py)?)
            .or(crate::values::weak::self_test(py)?)
            .or(crate::context::self_test(py)?)),
        found => Ok(found),
    }
}

fn look(
    py: Python<'_>,
    probe: &Bound<'_, PyAny>,
    globals: &Bound<'_, PyDict>,
    marker: &Bound<'_, PyAny>,
) -> Option<&'static str> {
    // SAFETY: this is the test of invariants E1 and E2. It reads through pointers that are right if the
    // layouts are; each is compared with an object that is known before it is followed.
    unsafe {
        let code = ffi::PyFunction_GetCode(probe.as_ptr());
        let object = code.cast::<ffi::PyCodeObject>();
        let thread = ffi::PyThreadState_Get();
        let f = current_frame(thread);
        if f.is_null() {
            return Some("the current frame");
        }
        if (*f).code().cast::<ffi::PyObject>() != code {
            return Some("a frame's code");
        }
        if (*f).function() != probe.as_ptr() {
            return Some("a frame's function");
        }
        if (*f).f_globals != globals.as_ptr() || !(*f).f_locals.is_null() {
            return Some("a frame's globals and locals");
        }
        if (*f).owner() != Owner::Thread {
            return Some("a frame's owner");
        }
        if nlocalsplus(object) != 3 {
            return Some("a code object's number of locals");
        }
        let held = super::Slot::Object(marker.as_ptr());
        if (*f).slot(1) != held || (*f).slot(2) != held {
            return Some("a frame's locals");
        }
        let at = (*f).instruction_index() as usize;
        if (*f).instruction() < code_units(object) || at >= code_length(object) {
            return Some("a frame's instruction");
        }
        let names = *code.byte_add(offset::CODE_LOCALSPLUS_NAMES).cast::<*mut ffi::PyObject>();
        let varnames = Bound::from_borrowed_ptr(py, code).getattr("co_varnames").ok();
        if ffi::Py_TYPE(names) != &raw mut ffi::PyTuple_Type
            || !varnames.is_some_and(|v| v.eq(Bound::from_borrowed_ptr(py, names)).unwrap_or(false))
        {
            return Some("a code object's names of locals");
        }
        let limit = ffi::Py_GetRecursionLimit();
        let remaining = *super::recursion_remaining(thread);
        if remaining <= 0 || remaining > limit {
            return Some("the thread's recursion count");
        }
        let items = marker.as_ptr().byte_add(offset::TUPLE_ITEMS).cast::<*mut ffi::PyObject>();
        if *items != ffi::PyTuple_GetItem(marker.as_ptr(), 0) {
            return Some("a tuple's items");
        }
        None
    }
}
