//! The frames of a rebuilt greenlet, from its lists (`greenlet.rs`), and how it runs on.

use super::decode::Decoder;
use super::{Object, Strong};
use crate::continuation::Continuation;
use crate::error::Failure;
use crate::frame::generator;
use crate::runtime;
use crate::stack::Stack;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyCFunction, PyDict, PyInt, PyList, PyTuple};
use torpor_store::frame::Frame;

/// A stack from its lists, checked as one from a snapshot is.
pub(super) fn stack_of(
    py: Python<'_>,
    lists: &Bound<'_, PyList>,
    decoder: Option<&Decoder<'_, '_>>,
) -> Result<Box<Stack>, Failure> {
    let bad = |_: PyErr| Failure::corrupt("a greenlet's frames are not as they have to be");
    let list = |o: Bound<'_, PyAny>| o.cast_into::<PyList>().map_err(|e| bad(e.into())).map(Bound::unbind);
    let runtime = runtime::get(py)?;
    let given = |o: Bound<'_, PyAny>| -> Result<Object, Failure> {
        let wrapped = list(o)?.into_bound(py);
        match wrapped.len() {
            0 => Ok(std::ptr::null_mut()),
            _ => Ok(wrapped.get_item(0).map_err(bad)?.into_ptr()),
        }
    };
    let mut stack = Box::new(Stack::new(Vec::new(), std::ptr::null_mut()));
    stack.handled = given(lists.get_item(0).map_err(bad)?)?;
    for (i, lists) in lists.iter().enumerate().skip(1) {
        let frame = list(lists)?.into_bound(py);
        let part = |i: usize| frame.get_item(i).map_err(bad);
        let (instr, return_offset, flags) = part(3)?.extract().map_err(bad)?;
        let code = Strong(part(2)?.into_ptr());
        // SAFETY: (whole body) live objects, whose types are tested.
        unsafe {
            if ffi::Py_TYPE(code.0) != &raw mut ffi::PyCode_Type {
                return Err(Failure::corrupt("a greenlet's frame has no code"));
            }
            let nlocals = crate::frame::nlocalsplus(code.0.cast());
            let slots = list(part(5)?)?.into_bound(py);
            let first = stack.values.len();
            stack.values.push(part(1)?.into_ptr());
            stack.values.push(given(part(4)?)?);
            for (k, slot) in slots.iter().enumerate() {
                if slot.is_instance_of::<PyInt>() && !slot.is_instance_of::<PyBool>() {
                    let n: i64 = slot.extract().map_err(bad)?;
                    let number = crate::adopt::untyped_number(n, k >= nlocals)?;
                    stack.numbers.push((i - 1, k, number));
                    stack.values.push(std::ptr::null_mut());
                } else {
                    stack.values.push(given(slot)?);
                }
            }
            let nstack = slots.len().checked_sub(nlocals);
            let nstack =
                nstack.ok_or_else(|| Failure::corrupt("a frame has not as many locals as its code"))?;
            let saved = Frame {
                code: 0,
                instr,
                return_offset,
                flags,
                first: first as u32,
                nlocals: nlocals as u32,
                nstack: nstack as u32,
                reserved: 0,
            };
            if saved.flags & Frame::GENERATOR != 0 {
                check_generator(stack.values[first + 1], &stack, part(0)?.extract().map_err(bad)?, decoder)?;
            }
            stack.push_frame(py, runtime, &saved, first, code, None)?;
        }
    }
    if stack.frames.is_empty() {
        return Err(Failure::corrupt("a greenlet has no frames"));
    }
    stack.complete(py, runtime)?;
    Ok(stack)
}

/// A generator that ran in a greenlet is finished until the greenlet runs, and belongs to one frame.
///
/// # Safety
/// `object` is NULL or live.
unsafe fn check_generator(
    object: Object,
    stack: &Stack,
    number: u64,
    decoder: Option<&Decoder<'_, '_>>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) types are tested before use; E4.
    unsafe {
        let finished = !object.is_null()
            && generator::is_generator_type(ffi::Py_TYPE(object))
            && generator::fields(object).state() == generator::State::Finished;
        let twice = stack
            .frames
            .iter()
            .any(|f| f.flags & Frame::GENERATOR != 0 && stack.values[f.first + 1] == object);
        let known = decoder.is_none_or(|d| {
            let mut of_object = d.running.iter().filter(|g| g.object == object as usize);
            matches!((of_object.next(), of_object.next()), (Some(g), None) if g.frame == number && g.after.is_none())
        });
        match finished && !twice && known {
            true => Ok(()),
            false => Err(Failure::corrupt("a greenlet's frame has no generator")),
        }
    }
}

/// Runs the frames of `lists` on in the current greenlet. The lists are emptied: from here on the frames hold what they
/// held, and so is `given`, a list of what the innermost call returns or raises.
fn resume(lists: Bound<'_, PyList>, given: &Bound<'_, PyList>, raises: bool) -> Result<Py<PyAny>, Failure> {
    let py = lists.py();
    let stack = stack_of(py, &lists, None)?;
    for frame in lists.iter().skip(1) {
        let _ = frame.get_item(5).and_then(|slots| slots.call_method0("clear"));
        frame.call_method0("clear")?;
    }
    lists.call_method0("clear")?;
    drop(lists);
    let continuation = Continuation::of(stack);
    let value = given.call_method0("pop")?; // nobody else is to keep it
    match raises {
        true => continuation.throw(py, value),
        false => continuation.resume(py, Some(value)),
    }
}

/// `run_greenlet(prepared, *args, **kwargs)`: what a greenlet runs that was rebuilt as a suspended one. No Python function:
/// where it is called no frame is there, and trace functions are told of what hidden functions let through.
fn run(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> Result<Py<PyAny>, Failure> {
    let py = args.py();
    let begin = runtime::get(py)?.engine.bind(py).getattr("begin_greenlet")?;
    let (stack, given, raises): (Bound<'_, PyList>, Bound<'_, PyList>, bool) =
        begin.call(args, kwargs)?.extract()?;
    resume(stack, &given, raises)
}

pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    let run = |args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>| {
        run(args, kwargs).map_err(crate::finish::as_python)
    };
    Ok(vec![("run_greenlet", PyCFunction::new_closure(py, None, None, run)?)])
}
