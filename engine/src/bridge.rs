//! What a suspended frame waits for, and whether that can be rebuilt exactly.
//!
//! The rule: a frame is taken if all that its instruction still has to do is to push the result of the
//! call. That is so for a call of a Python function that the interpreter runs in the same evaluation loop,
//! warm or cold. Where C code lies between two frames (operators, attributes, iteration, construction,
//! builtin functions), `plan.rs` proves what it will do with the result and finds what does that on resume;
//! everything else is refused by name.

use crate::apart;
use crate::c_stack;
use crate::code;
use crate::error::Failure;
use crate::found::{unsupported, Found};
use crate::frame::{self, InterpreterFrame, Owner};
use crate::plan;
use crate::runtime::Runtime;
use crate::values::{text_of, Object};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::Frame;

/// Describes how `f` waits for `callee` (NULL: for the C function that asked for the capture), and what
/// finishes the work of C code between the two; innermost first.
///
/// # Safety
/// Invariants E1, E2: both are live frames of the running thread.
pub(crate) unsafe fn suspended(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    through_c: bool,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let frame = &*f;
        if matches!(frame.owner(), Owner::FrameObject | Owner::Entry) {
            return Err(unsupported(py, f, "its call is over"));
        }
        let code: Object = frame.code().cast();
        if !frame.has_function() {
            // The trampoline under an `__init__`: it checks the result and returns the object.
            return found.try_push(plan::construction(py, runtime, f));
        }
        let entry = code::entry(runtime, code)?;
        let instr = frame.instruction_index();
        // What `splice` runs in a loop of its own is a callee like any other: its result is pushed here.
        let spliced = apart::spliced(callee);
        let through_c = through_c && spliced.is_none();
        if callee.is_null() {
            return found.try_push(called_c(py, runtime, f, code, instr));
        }
        // A generator in such a loop: the frame below it stands in its FOR_ITER or SEND, as it was built.
        let apart = spliced.filter(|_| frame::GENERATORS_RUN_APART && (*callee).owner() == Owner::Generator);
        let before = found.len();
        if through_c {
            let at = code::opcode_at(code, instr).filter(|(op, _)| *op == frame::CALL_FUNCTION_EX);
            match passed_through_c(py, runtime, f, callee, code, at)? {
                Some(passed) => found.push(passed),
                None => plan::bridged(py, runtime, f, callee, None, None, found)?,
            }
        } else if entry.stands_in_call(code, instr)
            || apart.is_some()
            // Below a finisher of an earlier capture the frame stands as it was built.
            || (*callee).has_function() && (*callee).f_globals == runtime.engine_globals
            || plan::only_pushes_the_result(py, runtime, f, callee)?
        {
            let Some(depth) = frame.depth() else {
                return Err(unsupported(py, f, "its evaluation stack is not known at this instruction"));
            };
            found.push(Found::live(f, instr, apart.unwrap_or_else(|| frame.return_offset()), depth));
        } else {
            return Err(not_a_plain_call(py, runtime, f, callee));
        }
        let in_engine = frame.f_globals == runtime.engine_globals;
        for one in &mut found[before..] {
            if in_engine {
                one.flags |= Frame::HIDDEN; // a finisher of an earlier capture, running again
            }
        }
        Ok(())
    }
}

trait TryPush {
    fn try_push(&mut self, one: Result<Found, Failure>) -> Result<(), Failure>;
}

impl TryPush for Vec<Found> {
    fn try_push(&mut self, one: Result<Found, Failure>) -> Result<(), Failure> {
        self.push(one?);
        Ok(())
    }
}

pub(crate) unsafe fn name_of(py: Python<'_>, f: *mut InterpreterFrame) -> String {
    // SAFETY: a live frame with code, or NULL.
    unsafe {
        let Some(frame) = f.as_ref() else { return "a C function".into() };
        let code = Bound::from_borrowed_ptr(py, frame.code().cast::<ffi::PyObject>());
        code.getattr("co_qualname").map(|n| text_of(&n)).unwrap_or_default()
    }
}

pub(crate) unsafe fn instruction_name(py: Python<'_>, runtime: &Runtime, code: Object, instr: u32) -> String {
    // SAFETY: live code.
    let op = unsafe { code::opcode_at(code, instr) }.map_or(0, |(op, _)| op);
    let names = runtime.engine.bind(py).getattr("dis").and_then(|d| d.getattr("opname"));
    names.and_then(|n| n.get_item(op)).map(|n| text_of(&n)).unwrap_or_else(|_| format!("opcode {op}"))
}

/// The refusal for a frame that reached Python code by something else than a call.
unsafe fn not_a_plain_call(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
) -> Failure {
    // SAFETY: live frames.
    unsafe {
        let callee = name_of(py, callee);
        if f.is_null() || !(*f).has_function() {
            return Failure::Platform("a frame without a function lies outermost".into());
        }
        let op = instruction_name(py, runtime, (*f).code().cast(), (*f).instruction_index());
        let how = if frame::CALLS
            .contains(&code::opcode_at((*f).code().cast(), (*f).instruction_index()).map_or(0, |o| o.0))
        {
            format!("it reached {callee} by constructing an object ({op})")
        } else {
            format!("it reached {callee} by {op}, not by a call")
        };
        unsupported(py, f, format!("{how}; such frames cannot be captured yet"))
    }
}

/// A call of a Python function that went through C: `Some` if the C code is the call instruction's own.
unsafe fn passed_through_c(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    code: Object,
    at: Option<(u8, u32)>,
) -> Result<Option<Found>, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        // f(*args, **kwargs) goes through C, always on 3.11 and for bound methods (or under a tracer) on
        // later versions too, although nothing is left to do when it returns. The callable lies where
        // the result will, or one above it beside a NULL, and is owned by the stack until the call is
        // over. Then arguments are released, which may run destructors and weak references' callbacks
        // while the slot is stale: those are told apart by what they are.
        let Some((_, start)) = at else { return Ok(None) };
        let Some((depth_after, next)) = depth_after(py, runtime, code, start)? else { return Ok(None) };
        if releases_arguments(py, callee) {
            return Ok(None);
        }
        let result = frame::nlocalsplus(code.cast()) + depth_after - 1;
        let called = (*callee).function();
        let calls = |mut callable: Object| {
            if !callable.is_null() && ffi::Py_TYPE(callable) == &raw mut frame::PyMethod_Type {
                callable = frame::PyMethod_Function(callable);
            }
            callable == called
        };
        let place = if frame::MINOR >= 13 { result } else { result + 1 };
        if !calls((*f).slot(place).object()) {
            return Ok(None);
        }
        Ok(Some(after_call(f, start, next, result)))
    }
}

/// A frame as it stands once its call is over: what a call that went through C is stored as. On 3.11 and
/// 3.12 it is the unit before the next instruction, on 3.13 and later the call itself with its length.
///
/// # Safety
/// E2: `f` is live.
unsafe fn after_call(f: *mut InterpreterFrame, start: u32, next: u32, depth: usize) -> Found {
    let (instr, return_offset) = frame::place_after(start, next);
    // SAFETY: as the caller promises.
    unsafe { Found::live(f, instr, return_offset, depth) }
}

/// Whether `callee` is of the kind that runs when objects go: a destructor, or a callback of a weak
/// reference (which is its first argument).
unsafe fn releases_arguments(py: Python<'_>, callee: *mut InterpreterFrame) -> bool {
    // SAFETY: a live frame with a function; its first slots are objects or NULL.
    unsafe {
        let code = (*callee).code();
        let name = Bound::from_borrowed_ptr(py, code.cast::<ffi::PyObject>()).getattr("co_name");
        let destructor = name.is_ok_and(|n| n.eq("__del__").unwrap_or(true));
        let arguments = frame::nlocalsplus(code).min(2);
        destructor
            || (0..arguments).any(|i| {
                let argument = (*callee).slot(i).object();
                !argument.is_null() && ffi::PyWeakref_Check(argument) != 0
            })
    }
}

/// The depth of the evaluation stack after the instruction at `unit`, and the unit after it.
unsafe fn depth_after(
    py: Python<'_>,
    runtime: &Runtime,
    code: Object,
    unit: u32,
) -> Result<Option<(usize, u32)>, Failure> {
    // SAFETY: live code.
    let code = unsafe { Bound::from_borrowed_ptr(py, code) };
    Ok(runtime.engine.bind(py).getattr("depth_after")?.call1((code, unit))?.extract()?)
}

/// The frame called a C function, which asked for the capture through the C interface.
unsafe fn called_c(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    code: Object,
    instr: u32,
) -> Result<Found, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let refuse = |what: &str| unsupported(py, f, what);
        let (start, next, result) = call_of(py, runtime, f, code, instr)?;
        if !c_stack::called_by_instruction(py, runtime)? {
            return Err(refuse(
                "the capture was asked for by C code that its call instruction did not call itself; call \
                 torpor_capture from a C function that Python calls by its name",
            ));
        }
        Ok(after_call(f, start, next, result))
    }
}

/// The call of a C function in which a frame stands: the instruction, the next one, and the slot for the result.
unsafe fn call_of(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    code: Object,
    instr: u32,
) -> Result<(u32, u32, usize), Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let Some((op, start)) = code::opcode_at(code, instr) else {
            return Err(unsupported(py, f, "its instruction cannot be read"));
        };
        if !frame::CALLS.contains(&op) {
            let name = instruction_name(py, runtime, code, instr);
            let what = format!("it reached the C code in which it waits by {name}, not by a call");
            return Err(unsupported(py, f, what));
        }
        let Some((depth_after, next)) = frame_call_end(py, runtime, code, start, op)?.filter(|(d, _)| *d > 0)
        else {
            return Err(unsupported(py, f, "its evaluation stack is not known at this instruction"));
        };
        Ok((start, next, frame::nlocalsplus(code.cast()) + depth_after - 1))
    }
}

/// The frame called a C function that lets another greenlet run: `is_switch` tells such functions.
///
/// # Safety
/// E1: `f` is the innermost frame of a suspended greenlet.
pub(crate) unsafe fn in_switch(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    is_switch: impl Fn(Object, bool) -> bool,
) -> Result<Found, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let code: Object = (*f).code().cast();
        let (start, next, result) = call_of(py, runtime, f, code, (*f).instruction_index())?;
        // The callable is the lowest of the operands, or lies above a NULL. Before 3.14 a callable that returned
        // already may be gone while its slot is not: it is only looked at if a local holds it too.
        let mut callable = (*f).slot(result).object();
        if callable.is_null() {
            callable = (*f).slot(result + 1).object();
        }
        let nlocals = frame::nlocalsplus(code.cast());
        let alive = (*f).depth().is_some() || (0..nlocals).any(|i| (*f).slot(i).object() == callable);
        if callable.is_null() || !is_switch(callable, alive) {
            return Err(unsupported(
                py,
                f,
                "it was left in C code that its call instruction did not call as greenlet.switch or throw",
            ));
        }
        Ok(after_call(f, start, next, result))
    }
}

/// Describes a frame of a suspended greenlet that called `callee`; see [`suspended`].
///
/// # Safety
/// E1: both are frames of one suspended greenlet.
pub(crate) unsafe fn suspended_in_greenlet(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    through_c: bool,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        if through_c && !plan::OPERANDS_ARE_VALID {
            let code: Object = (*f).code().cast();
            let instr = (*f).instruction_index();
            let at = code::opcode_at(code, instr).filter(|(op, _)| *op == frame::CALL_FUNCTION_EX);
            let passed = match (*f).has_function() {
                true => passed_through_c(py, runtime, f, callee, code, at)?,
                false => None,
            };
            let Some(passed) = passed else {
                if (*f).has_function() {
                    if let kind @ Some(_) = plan::runs_generator(py, runtime, f, callee)? {
                        return plan::bridged(py, runtime, f, callee, kind, None, found);
                    }
                }
                let what = format!(
                    "C code lies between it and {} (instruction {}): what that does with the result cannot be rebuilt \
                     for a suspended greenlet",
                    name_of(py, callee),
                    instruction_name(py, runtime, code, instr)
                );
                return Err(unsupported(py, f, what));
            };
            found.push(passed);
            return Ok(());
        }
        suspended(py, runtime, f, callee, through_c, found)
    }
}

/// Depth and place after a call instruction; on 3.11 a call is two instructions, PRECALL and CALL.
unsafe fn frame_call_end(
    py: Python<'_>,
    runtime: &Runtime,
    code: Object,
    start: u32,
    op: u8,
) -> Result<Option<(usize, u32)>, Failure> {
    // SAFETY: live code.
    unsafe {
        if frame::MINOR == 11 && op == frame::CALLS[0] {
            let Some((_, call)) = depth_after(py, runtime, code, start)? else { return Ok(None) };
            return depth_after(py, runtime, code, call);
        }
        depth_after(py, runtime, code, start)
    }
}
