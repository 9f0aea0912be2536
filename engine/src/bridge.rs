//! What a suspended frame waits for, and whether that can be rebuilt exactly.
//!
//! The rule: a frame is taken only if all that its instruction still has to do is to push the result
//! of the call. That is so for a call of a Python function that the interpreter runs in the same
//! evaluation loop, warm or cold. Everything else that reaches Python code (operators, attributes,
//! iteration, construction, C functions) is refused by name; a call that went through C is taken where
//! it is proved that the C code only passes the result on.

use crate::c_stack;
use crate::capture::{unsupported, Found};
use crate::code;
use crate::error::Failure;
use crate::frame::{self, InterpreterFrame, Owner};
use crate::runtime::Runtime;
use crate::values::Object;
use pyo3::ffi;
use pyo3::prelude::*;

/// Describes how `f` waits for `callee` (NULL: for the C function that asked for the capture).
///
/// # Safety
/// Invariants E1, E2: both are live frames of the running thread.
pub(crate) unsafe fn suspended(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    through_c: bool,
) -> Result<Found, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let frame = &*f;
        match frame.owner() {
            Owner::Thread => {}
            Owner::Generator => {
                return Err(unsupported(
                    py,
                    f,
                    "it runs as a generator or coroutine, which cannot be captured yet",
                ))
            }
            Owner::FrameObject | Owner::Entry => {
                return Err(unsupported(py, f, "its call is over"));
            }
        }
        let code: Object = frame.code().cast();
        if !frame.has_function() {
            return Err(not_a_plain_call(py, runtime, frame.caller().0, callee));
        }
        let entry = code::entry(runtime, code)?;
        let instr = frame.instruction_index();
        if callee.is_null() {
            return called_c(py, runtime, f, code, instr);
        }
        if through_c {
            return passed_through_c(py, runtime, f, callee, code, instr);
        }
        if !entry.stands_in_call(code, instr) {
            return Err(not_a_plain_call(py, runtime, f, callee));
        }
        let Some(depth) = frame.depth() else {
            return Err(unsupported(py, f, "its evaluation stack is not known at this instruction"));
        };
        Ok(Found { frame: f, code, instr, return_offset: frame.return_offset(), depth })
    }
}

unsafe fn name_of(py: Python<'_>, f: *mut InterpreterFrame) -> String {
    // SAFETY: a live frame with code, or NULL.
    unsafe {
        let Some(frame) = f.as_ref() else { return "a C function".into() };
        let code = Bound::from_borrowed_ptr(py, frame.code().cast::<ffi::PyObject>());
        code.getattr("co_qualname").map(|n| n.to_string()).unwrap_or_default()
    }
}

unsafe fn instruction_name(py: Python<'_>, runtime: &Runtime, code: Object, instr: u32) -> String {
    // SAFETY: live code.
    let op = unsafe { code::opcode_at(code, instr) }.map_or(0, |(op, _)| op);
    let names = runtime.engine.bind(py).getattr("dis").and_then(|d| d.getattr("opname"));
    names.and_then(|n| n.get_item(op)).map(|n| n.to_string()).unwrap_or_else(|_| format!("opcode {op}"))
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

/// A call of a Python function that went through C: taken if the C code is the call instruction's own.
unsafe fn passed_through_c(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    code: Object,
    instr: u32,
) -> Result<Found, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let refuse = || {
            let op = instruction_name(py, runtime, code, instr);
            let what = format!(
                "C code lies between it and {} (instruction {op}); only calls that stay in Python can be captured",
                name_of(py, callee)
            );
            unsupported(py, f, what)
        };
        // 3.11 runs f(*args, **kwargs) through C although nothing is left to do when it returns. The
        // callable lies under the arguments on the stack and is owned by it until the call is over.
        let at = code::opcode_at(code, instr)
            .filter(|(op, _)| frame::MINOR == 11 && *op == frame::CALL_FUNCTION_EX);
        let Some((_, start)) = at else { return Err(refuse()) };
        let Some((depth_after, next)) = depth_after(py, runtime, code, start)? else { return Err(refuse()) };
        let nlocals = frame::nlocalsplus(code.cast());
        let mut callable = *(*f).slots().add(nlocals + depth_after);
        if callable.is_null() {
            return Err(refuse());
        }
        if ffi::Py_TYPE(callable) == &raw mut frame::PyMethod_Type {
            callable = frame::PyMethod_Function(callable);
        }
        if callable != (*callee).f_funcobj {
            return Err(refuse());
        }
        Ok(Found { frame: f, code, instr: next - 1, return_offset: 0, depth: nlocals + depth_after - 1 })
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
        let Some((op, start)) = code::opcode_at(code, instr) else {
            return Err(refuse("its instruction cannot be read"));
        };
        if !frame::CALLS.contains(&op) {
            let name = instruction_name(py, runtime, code, instr);
            return Err(refuse(&format!(
                "it reached the C code that asked for the capture by {name}, not by a call"
            )));
        }
        let Some((depth_after, next)) = frame_call_end(py, runtime, code, start, op)? else {
            return Err(refuse("its evaluation stack is not known at this instruction"));
        };
        let nlocals = frame::nlocalsplus(code.cast());
        let result = nlocals + depth_after - 1;
        if !c_stack::called_by_instruction(py, runtime)? {
            return Err(refuse(
                "the capture was asked for by C code that its call instruction did not call itself; call \
                 torpor_capture from a C function that Python calls by its name",
            ));
        }
        // What is stored is the frame after the call: the unit before the next instruction on 3.11 and
        // 3.12, the call itself with its length as the way to go on 3.13 and later.
        let (instr, return_offset) = if frame::MINOR >= 13 { (start, next - start) } else { (next - 1, 0) };
        Ok(Found { frame: f, code, instr, return_offset, depth: result })
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
