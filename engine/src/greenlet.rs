//! Suspended greenlets as the target of a capture.
//!
//! Part of the step "capture". A greenlet takes its C stack along when it is suspended, so nothing can be learnt
//! from that: its frames are taken if they need no such proof. The innermost one stands in its call of
//! `greenlet.switch` (or `throw`), whose result is what the greenlet is resumed with.

use crate::bridge;
use crate::context;
use crate::error::{CaptureError, Failure};
use crate::found::{is_main_module, unsupported, Found, MAX_FRAMES};
use crate::frame::generator;
use crate::frame::{self, InterpreterFrame, Owner};
use crate::resume;
use crate::runtime::{self, Runtime};
use crate::targets;
use crate::values::{text_of, Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};
use torpor_store::frame::Frame;

/// The first release that leads a suspended greenlet's frames around the C stack.
const OLDEST: (u32, u32, u32) = (3, 0, 3);

/// Finds the frames of a suspended greenlet, innermost first, and the exception that they handle. `None` if the
/// target is no greenlet.
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
    // Whoever has a greenlet has imported the package.
    let Some(module) = runtime.module_named(py, crate::text::intern!(py, "greenlet").as_any()) else {
        return Ok(None);
    };
    let Ok(class) = module.getattr("greenlet") else { return Ok(None) };
    if !target.is_instance(&class)? {
        return Ok(None);
    }
    let getter = |name: &str| class.getattr(name)?.call_method1("__get__", (target,));
    let refuse = |what: &str| -> Failure {
        let function = target.get_type().qualname().map(|n| text_of(n.as_any())).unwrap_or_default();
        CaptureError::UnsupportedFrame { function, file: "-".into(), line: 0, what: what.into() }.into()
    };
    if frame::MINOR >= 12 && version_of(&module) < OLDEST {
        return Err(refuse(
            "this release of greenlet hides the frames of suspended greenlets; 3.0.3 and later do not",
        ));
    }
    let top = getter("gr_frame")?;
    let current = module.getattr("getcurrent")?.call0()?;
    if top.is_none() {
        return Err(refuse(if getter("dead")?.is_truthy()? {
            "the greenlet is finished: nothing is left to resume"
        } else if !target.is_truthy()? {
            "the greenlet has not started: it has no frames yet"
        } else if !target.is(&current) && main_of(target)?.is(&main_of(&current)?) {
            // It waits below frames that nobody sees.
            "the greenlet holds an adopted stack that was not resumed yet: its snapshot can be adopted again"
        } else {
            "the greenlet is running: it is a target while it is suspended; without target= the running stack is \
             captured"
        }));
    }
    if !main_of(target)?.is(&main_of(&current)?) {
        return Err(refuse("the greenlet belongs to another thread, which alone can capture it"));
    }
    // SAFETY: (whole body) E10: the frames of a suspended greenlet stay as they are while the GIL is held.
    unsafe {
        let mut f = frame::frame_of(top.as_ptr());
        let mut innermost =
            bridge::in_switch(py, runtime, f, |callable, alive| is_switch(&class, callable, alive))?;
        innermost.flags |= Frame::GREENLET;
        innermost.keeper = Some(Strong::borrowed(target.as_ptr()));
        targets::check_locals(py, f)?;
        found.push(innermost);
        let mut shown = 1;
        let (outer, item) = loop {
            let Some((caller, through_c)) = frame::suspended_caller(f) else {
                return Err(unsupported(py, f, "its caller is not known"));
            };
            let item = resume::handled_below(runtime, f);
            let last = Some(shown) == limit || is_main_module(py, f);
            let boundary =
                |f: *mut InterpreterFrame| runtime.boundaries.borrow().contains(&((*f).code() as usize));
            if item.is_some() || caller.is_null() || last || boundary(caller) {
                break (caller, item);
            }
            if found.len() >= MAX_FRAMES {
                return Err(unsupported(py, f, format!("the stack has more than {MAX_FRAMES} frames")));
            }
            bridge::suspended_in_greenlet(py, runtime, caller, f, through_c, found)?;
            targets::check_locals(py, caller)?;
            shown += usize::from(found.last().is_some_and(Found::is_shown));
            f = caller;
        };
        let handled = match item {
            Some(item) if !is_nothing((*item).value) => Strong::shared((*item).value),
            _ => Strong::shared(handled_outside(runtime, target, outer)?),
        };
        targets::end_at_generator(py, runtime, found)?;
        let own = getter("gr_context")?;
        let context = if own.is_none() { std::ptr::null_mut() } else { own.as_ptr() };
        context::found_in(py, runtime, found, context, true)?;
        Ok(Some(handled))
    }
}

/// Whether the greenlet still stands with the frames that were found.
///
/// # Safety
/// E1: the GIL is held.
pub(crate) unsafe fn is_at(target: &Bound<'_, PyAny>, found: &[Found]) -> Result<bool, Failure> {
    let py = target.py();
    let module = runtime::get(py)?.module_named(py, crate::text::intern!(py, "greenlet").as_any());
    let Some(class) = module.map(|m| m.getattr("greenlet")).transpose()? else { return Ok(false) };
    let top = class.getattr("gr_frame")?.call_method1("__get__", (target,))?;
    if top.is_none() {
        return Ok(false);
    }
    // SAFETY: (whole body) E10.
    unsafe {
        let mut f = frame::frame_of(top.as_ptr());
        for one in found.iter().filter(|one| !one.frame.is_null()) {
            if f != one.frame || (*f).instruction_index() != one.unit {
                return Ok(false);
            }
            f = frame::suspended_caller(f).map_or(std::ptr::null_mut(), |(caller, _)| caller);
        }
    }
    Ok(true)
}

/// The greenlet in which a greenlet's thread began.
fn main_of<'py>(greenlet: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let mut greenlet = greenlet.clone();
    loop {
        let parent = greenlet.getattr("parent")?;
        if parent.is_none() {
            return Ok(greenlet);
        }
        greenlet = parent;
    }
}

fn version_of(module: &Bound<'_, PyAny>) -> (u32, u32, u32) {
    let text = module.getattr("__version__").map(|v| text_of(&v)).unwrap_or_default();
    let mut numbers = text.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// Whether `callable` switches between greenlets; it is only looked at if it is `alive`.
fn is_switch(class: &Bound<'_, PyAny>, callable: Object, alive: bool) -> bool {
    ["switch", "throw"].into_iter().any(|name| {
        let Ok(method) = class.getattr(name) else { return false };
        if method.as_ptr() == callable {
            return true;
        }
        // SAFETY: types are tested; a method descriptor's definition lives as long as its class.
        unsafe {
            if !alive || ffi::PyCFunction_Check(callable) == 0 {
                return false;
            }
            let owner = ffi::PyCFunction_GetSelf(callable);
            let py = class.py();
            if owner.is_null() || !Bound::from_borrowed_ptr(py, owner).is_instance(class).unwrap_or(false) {
                return false;
            }
            let bound = method.call_method1("__get__", (Bound::from_borrowed_ptr(py, owner),));
            bound.is_ok_and(|b| {
                ffi::PyCFunction_Check(b.as_ptr()) != 0
                    && ffi::PyCFunction_GetFunction(b.as_ptr()).map(|f| f as usize)
                        == ffi::PyCFunction_GetFunction(callable).map(|f| f as usize)
            })
        }
    })
}

unsafe extern "C" fn note(object: Object, held: *mut c_void) -> c_int {
    // SAFETY: `handled_outside` passes its vector.
    unsafe { (*held.cast::<Vec<Object>>()).push(object) };
    0
}

fn is_nothing(value: Object) -> bool {
    // SAFETY: None is a static object; only compared.
    value.is_null() || value == unsafe { ffi::Py_None() }
}

/// The exception that frames see as handled which a boundary, outside of which lies `f`, separates from the rest of
/// their greenlet; borrowed from it, NULL for none.
///
/// # Safety
/// As for [`find`].
unsafe fn handled_outside(
    runtime: &Runtime,
    target: &Bound<'_, PyAny>,
    mut f: *mut InterpreterFrame,
) -> Result<Object, Failure> {
    // SAFETY: (whole body) E10.
    unsafe {
        while !f.is_null() {
            if let Some(item) = resume::handled_below(runtime, f).filter(|item| !is_nothing((**item).value)) {
                return Ok((*item).value);
            }
            if (*f).owner() == Owner::Generator {
                let value = generator::fields(generator::owner_of(f)).handled.value;
                if !is_nothing(value) {
                    return Ok(value);
                }
            }
            f = frame::suspended_caller(f).map_or(std::ptr::null_mut(), |(caller, _)| caller);
        }
        // The greenlet's own word is a private field. The garbage collector is shown it before the context
        // and frames, and it is the only exception among what comes before.
        let mut held: Vec<Object> = Vec::new();
        if let Some(traverse) = (*ffi::Py_TYPE(target.as_ptr())).tp_traverse {
            traverse(target.as_ptr(), note, (&raw mut held).cast());
        }
        let ends = |o: Object| {
            let class = ffi::Py_TYPE(o);
            class == &raw mut ffi::PyFrame_Type || class == &raw mut ffi::PyContext_Type
        };
        let before = held.into_iter().take_while(|o| !ends(*o));
        let handled: Vec<Object> = before.filter(|o| ffi::PyExceptionInstance_Check(*o) != 0).collect();
        match handled[..] {
            [] => Ok(std::ptr::null_mut()),
            [one] => Ok(one),
            _ => Err(CaptureError::Invalid(
                "the exception that the greenlet handles cannot be told from others that it holds".into(),
            )
            .into()),
        }
    }
}
