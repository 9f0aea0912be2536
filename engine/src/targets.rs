//! Suspended objects as the target of a capture: generators, coroutines, async generators (greenlets have a module
//! of their own).
//!
//! Part of the step "capture". The stack is then the generator with those to which it delegates, from the
//! innermost outward. None of their code runs, neither now nor when the snapshot is adopted.

use crate::error::{CaptureError, Failure};
use crate::found::{unsupported, Found, MAX_FRAMES};
use crate::frame::generator::{self, State};
use crate::frame::{self, InterpreterFrame};
use crate::greenlet;
use crate::plan;
use crate::runtime::Runtime;
use crate::values::{text_of, Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use torpor_store::frame::Frame;

const CO_OPTIMIZED: i32 = 1;

/// Finds the frames of a target that is no frame of the running stack, and the exception that they handle.
/// `None` for other targets.
///
/// # Safety
/// E1, E2: the GIL is held.
pub(crate) unsafe fn find(
    py: Python<'_>,
    runtime: &Runtime,
    target: &Bound<'_, PyAny>,
    limit: Option<usize>,
    found: &mut Vec<Found>,
) -> Result<Option<Strong>, Failure> {
    // SAFETY: (whole body) types are tested before use.
    unsafe {
        let class = ffi::Py_TYPE(target.as_ptr());
        if generator::is_generator_type(class) {
            delegates(py, target.clone(), limit, found)?;
            return Ok(Some(Strong(std::ptr::null_mut())));
        }
        if class == &raw mut ffi::PyFrame_Type {
            let owner = Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetGenerator(target.as_ptr().cast()));
            if let Some(owner) = owner.filter(|o| is_suspended(o.as_ptr())) {
                delegates(py, owner, limit, found)?;
                return Ok(Some(Strong(std::ptr::null_mut())));
            }
        }
        greenlet::find(py, runtime, target, limit, found)
    }
}

/// Refuses to look at frames of a target that somebody (another thread, a signal handler) let run since they were
/// found.
///
/// # Safety
/// E1: the GIL is held, and was not always.
pub(crate) unsafe fn check_unmoved(py: Python<'_>, found: &[Found]) -> Result<(), Failure> {
    // SAFETY: (whole body) what keeps a frame is held; a frame is only looked at if its keeper still has it.
    unsafe {
        let Some((first, keeper)) = found.first().and_then(|f| Some((f, f.keeper.as_ref()?))) else {
            return Ok(());
        };
        let unmoved = if first.is_suspended() {
            found.iter().all(|f| {
                let same = |f: &Found| {
                    (*f.frame).instruction_index() == f.unit && (*f.frame).depth() == Some(f.depth)
                };
                f.keeper.as_ref().is_some_and(|keeper| is_suspended(keeper.0)) && same(f)
            })
        } else {
            greenlet::is_at(&Bound::from_borrowed_ptr(py, keeper.0), found)?
        };
        match unmoved {
            true => Ok(()),
            false => Err(CaptureError::Invalid("target= was resumed while it was captured".into()).into()),
        }
    }
}

/// # Safety
/// `object` is a live object.
unsafe fn is_suspended(object: Object) -> bool {
    // SAFETY: the type is tested.
    unsafe {
        generator::is_generator_type(ffi::Py_TYPE(object))
            && matches!(
                generator::fields(object).state(),
                State::Created | State::Suspended | State::Delegating
            )
    }
}

/// The generator and those to which it delegates, innermost first; `limit` counts from the target inward.
unsafe fn delegates(
    py: Python<'_>,
    target: Bound<'_, PyAny>,
    limit: Option<usize>,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) E2: generators that do not run keep their frames; each is held by the one outside
    // of it, and the target by the caller.
    unsafe {
        let name = |object: &Bound<'_, PyAny>| text_of(&object.clone());
        let fields = generator::fields(target.as_ptr());
        match fields.state() {
            State::Running => {
                return Err(unsupported(
                    py,
                    fields.frame(),
                    "it is running: a generator or coroutine is a target while it is suspended; without target= the \
                     running stack is captured",
                ));
            }
            State::Finished => {
                let code = Bound::from_borrowed_ptr(py, generator::code(target.as_ptr()));
                return Err(CaptureError::UnsupportedFrame {
                    function: name(&Bound::from_borrowed_ptr(py, fields.qualname)),
                    file: name(&code.getattr("co_filename")?),
                    line: code.getattr("co_firstlineno")?.extract()?,
                    what: "it is exhausted or closed: nothing is left to resume".into(),
                }
                .into());
            }
            _ => {}
        }
        let mut chain = vec![target];
        while chain.len() < limit.unwrap_or(MAX_FRAMES) {
            let Some(inner) = chain.last().map(delegate).transpose()?.flatten() else { break };
            if !is_suspended(inner.as_ptr()) || chain.iter().any(|outer| outer.is(&inner)) {
                break; // it travels as a value
            }
            chain.push(inner);
        }
        for one in chain.iter().rev() {
            let f = generator::fields(one.as_ptr()).frame();
            check_locals(py, f)?;
            found.push(Found::suspended(one.as_ptr()));
        }
        Ok(())
    }
}

/// What a suspended generator of any kind waits for.
fn delegate<'py>(object: &Bound<'py, PyAny>) -> Result<Option<Bound<'py, PyAny>>, Failure> {
    let class = object.get_type_ptr();
    let name = if class == &raw mut ffi::PyGen_Type {
        "gi_yieldfrom"
    } else if class == &raw mut ffi::PyCoro_Type {
        "cr_await"
    } else {
        "ag_await"
    };
    let inner = object.getattr(name)?;
    Ok((!inner.is_none()).then_some(inner))
}

/// Refuses the frame of a generator whose locals are a mapping (compiled for a top-level await): the place of
/// the mapping is the generator's.
///
/// # Safety
/// E2: `f` is live.
pub(crate) unsafe fn check_locals(py: Python<'_>, f: *mut InterpreterFrame) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        if (*f).f_locals.is_null() || frame::code_flags((*f).code()) & CO_OPTIMIZED != 0 {
            return Ok(());
        }
        Err(unsupported(
            py,
            f,
            "it is the coroutine of a module-level await, whose variables are those of the module",
        ))
    }
}

/// A stack that ends with a running generator has no caller to which that yields: resuming it is then one
/// send, which gives the next value that it yields.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
pub(crate) unsafe fn end_at_generator(
    py: Python<'_>,
    runtime: &Runtime,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        let Some(outermost) = found.last().filter(|f| f.flags & Frame::GENERATOR != 0) else { return Ok(()) };
        let (object, f) = (outermost.generator(), outermost.frame);
        let refuse = |what: &str| Err(unsupported(py, f, what));
        if ffi::Py_TYPE(object) == &raw mut ffi::PyAsyncGen_Type {
            return refuse(
                "the captured stack ends at an async generator; stack= has to include the coroutine that iterates it",
            );
        }
        let send = runtime.engine.bind(py).getattr("finish_send")?;
        found.push(plan::finisher(py, runtime, &send, &PyTuple::empty(py), Some(object))?);
        Ok(())
    }
}
