//! What asend(), athrow() and aclose() of an async generator give, and the frame that awaits it: what
//! `python/awaitables.py` needs of the interpreter.

use crate::code;
use crate::error::Failure;
use crate::finish::caller_of_finisher;
use crate::frame::generator;
use crate::runtime;
use crate::values::{Object, Strong};
use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple, PyType};

/// Their states: not begun, begun, over.
const OVER: i32 = 2;

fn is_step(py: Python<'_>, class: &Bound<'_, PyAny>) -> Result<bool, Failure> {
    let engine = runtime::get(py)?.engine.bind(py);
    Ok(class.is(&engine.getattr("ASEND")?) || class.is(&engine.getattr("ATHROW")?))
}

fn no_step() -> Failure {
    PyTypeError::new_err("this is nothing that an async generator gave").into()
}

/// (state, parts): each part a tuple of one object, or of none.
fn parts(awaitable: &Bound<'_, PyAny>) -> Result<(i32, Py<PyTuple>), Failure> {
    let py = awaitable.py();
    if !is_step(py, awaitable.get_type().as_any())? {
        return Err(no_step());
    }
    // SAFETY: E1: the type was compared.
    let (state, parts) = unsafe { generator::step(awaitable.as_ptr()) };
    let wrap = |part: &Object| match part.is_null() {
        true => Ok(PyTuple::empty(py)),
        // SAFETY: a part is NULL or live.
        false => PyTuple::new(py, [unsafe { Bound::from_borrowed_ptr(py, *part) }]),
    };
    let parts: Vec<_> = parts.iter().map(wrap).collect::<PyResult<_>>()?;
    Ok((*state, PyTuple::new(py, parts)?.unbind()))
}

/// A new one with these parts.
fn new(class: &Bound<'_, PyAny>, state: i32, given: &Bound<'_, PyTuple>) -> Result<Py<PyAny>, Failure> {
    let py = class.py();
    let throws = class.is(&runtime::get(py)?.engine.bind(py).getattr("ATHROW")?);
    if !is_step(py, class)? || !(0..=OVER).contains(&state) {
        return Err(no_step());
    }
    let given = given.iter().map(|part| Ok(part.cast_into::<PyTuple>()?)).collect::<PyResult<Vec<_>>>();
    let given = given.map_err(|_| no_step())?;
    // SAFETY: (whole body) E1: its types were compared; what the interpreter relies on is checked: an async
    // generator first, and a tuple of arguments where athrow() keeps one.
    unsafe {
        let object = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class.as_ptr().cast(), 0))?;
        let (own_state, parts) = generator::step(object.as_ptr());
        let is_async = |part: &Bound<'_, PyAny>| ffi::Py_TYPE(part.as_ptr()) == &raw mut ffi::PyAsyncGen_Type;
        let fits = given.len() == parts.len()
            && given.iter().all(|part| part.len() <= 1)
            && given.first().and_then(|p| p.get_item(0).ok()).is_some_and(|g| is_async(&g))
            && (!throws
                || parts.len() != 2
                || given[1].get_item(0).map_or(true, |a| a.is_exact_instance_of::<PyTuple>()));
        *own_state = OVER;
        if !fits {
            return Err(no_step());
        }
        for (part, given) in parts.iter_mut().zip(&given) {
            if let Ok(value) = given.get_item(0) {
                *part = value.into_ptr();
            }
        }
        *own_state = state;
        Ok(object.unbind())
    }
}

/// Its generator yielded, returned or raised: it is over, and the generator free. `closed`: for good.
fn end(awaitable: &Bound<'_, PyAny>, closed: bool) -> Result<(), Failure> {
    if !is_step(awaitable.py(), awaitable.get_type().as_any())? {
        return Err(no_step());
    }
    // SAFETY: E1: the type was compared; its first part is an async generator for as long as it lives.
    unsafe {
        let (state, parts) = generator::step(awaitable.as_ptr());
        *state = OVER;
        let fields = generator::fields(parts[0]);
        fields.iterated = 0;
        if closed {
            fields.closed = 1;
        }
    }
    Ok(())
}

/// Where the frame below the calling finisher, which awaits, goes on: it got one step, or the result.
fn step(py: Python<'_>, ended: bool) -> Result<(), Failure> {
    let outside = || Failure::from(PySystemError::new_err("an await was ended from outside of an await"));
    let runtime = runtime::get(py)?;
    // SAFETY: (whole body) E1, E2: called by a finisher; the frame below it stands in an await.
    unsafe {
        let f = caller_of_finisher(runtime).ok_or_else(outside)?;
        let code: Object = (*f).code().cast();
        let Some((_, start)) = code::opcode_at(code, (*f).instruction_index()) else { return Err(outside()) };
        let object = Bound::from_borrowed_ptr(py, code);
        let engine = runtime.engine.bind(py);
        let known: Option<(bool, u32, u32)> =
            engine.getattr("loop_over")?.call1((&object, start))?.extract()?;
        let (_, next, _): (u32, u32, u32) = engine.getattr("places")?.call1((&object, start))?.extract()?;
        match known {
            Some((true, _, end)) if ended => drop((*f).await_ends(end).map(Strong)),
            Some((true, ..)) => (*f).await_yields(next),
            _ => return Err(outside()),
        }
        Ok(())
    }
}

/// The four as Python functions, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    Ok(vec![
        function(py, "awaitable_parts", |args| {
            Ok(parts(&args.get_item(0)?)?.into_pyobject(args.py())?.into_any().unbind())
        })?,
        function(py, "new_awaitable", |args| {
            let class = args.get_item(0)?.cast_into::<PyType>().map_err(PyErr::from)?;
            let given = args.get_item(2)?.cast_into::<PyTuple>().map_err(PyErr::from)?;
            new(class.as_any(), args.get_item(1)?.extract()?, &given)
        })?,
        function(py, "end_step", |args| {
            end(&args.get_item(0)?, args.get_item(1)?.extract()?)?;
            Ok(args.py().None())
        })?,
        function(py, "await_step", |args| {
            step(args.py(), args.get_item(0)?.extract()?)?;
            Ok(args.py().None())
        })?,
    ])
}
