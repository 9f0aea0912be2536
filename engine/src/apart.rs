//! Generators of the stack where the interpreter runs each in an evaluation loop of its own (CPython 3.11).
//!
//! There the stack is cut below each generator's frame. `splice` links one such segment; if another one lies
//! above it, the interpreter itself sends to its generator: states, handled exceptions and the clearing of
//! frames are CPython's own. For the length of that one step a hook is what evaluates frames: it builds the
//! segment's other frames above the generator's and runs a second `hold` frame there, whose `splice` makes
//! the generator's frame the one that its loop was entered with. What the generator yields or returns then
//! goes to the frame below as the instruction that stands there would have it.

use crate::code;
use crate::error::Failure;
use crate::frame::{self, datastack, generator, Evaluator, InterpreterFrame, Slot};
use crate::rebuild;
use crate::resume::Pending;
use crate::runtime::Runtime;
use crate::stack::Stack;
use crate::values::{Object, Strong};
use pyo3::exceptions::{PyMemoryError, PySystemError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use torpor_store::frame::Frame;

thread_local! {
    /// The outermost frames of loops that `splice` runs at present, innermost last, each with the return
    /// offset of the frame below it where that does not keep it itself.
    static SPLICED: RefCell<Vec<(usize, u32)>> = const { RefCell::new(Vec::new()) };
}

/// Whether `f` is the outermost frame of a loop that `splice` runs, called by C code that only passes its
/// result on; and the return offset of the frame below.
pub(crate) fn spliced(f: *mut InterpreterFrame) -> Option<u32> {
    SPLICED.with(|s| s.borrow().iter().rev().find(|(own, _)| *own == f as usize).map(|(_, offset)| *offset))
}

/// Calls `run`, which runs `own` in such a loop.
pub(crate) fn spliced_while<T>(own: *mut InterpreterFrame, offset: u32, run: impl FnOnce() -> T) -> T {
    SPLICED.with(|s| s.borrow_mut().push((own as usize, offset)));
    let result = run();
    SPLICED.with(|s| s.borrow_mut().retain(|(f, _)| *f != own as usize)); // greenlets end in any order
    result
}

/// What becomes of the frame below a generator that returned.
#[derive(Clone, Copy)]
enum Ending {
    /// Its loop is over: FOR_ITER at the first unit, the end of the loop.
    Loop(u32, u32),
    /// It awaited the result, and goes on at this unit.
    Await(u32),
    /// It goes on behind this unit, with the result on its stack.
    Behind(u32),
}

/// The frame below one generator of the stack.
#[derive(Clone, Copy)]
pub(crate) struct Below {
    /// The number of the generator's frame.
    generator: usize,
    ending: Ending,
    /// What that frame has as its return offset, which is nowhere in the frame itself.
    return_offset: u32,
}

/// What every generator's frame returns to; checks that those frames stand in loops over generators.
pub(crate) fn below(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> Result<Vec<Below>, Failure> {
    let mut all = Vec::new();
    if !frame::GENERATORS_RUN_APART {
        return Ok(all);
    }
    for (i, f) in stack.frames.iter().enumerate() {
        if f.flags & Frame::GENERATOR == 0 || f.flags & Frame::SUSPENDED != 0 {
            continue;
        }
        let wrong = || Failure::corrupt("a running generator is not in a loop or an await");
        if f.at_instruction() {
            return Err(wrong());
        }
        let lower = stack.frames.get(i + 1).ok_or_else(wrong)?;
        // SAFETY: E1: the frame holds its code.
        let known: Option<(bool, u32, u32)> = unsafe {
            code::check_place(runtime, lower.code.0, frame::landing(lower.instr), lower.nstack + 1)?;
            let code = Bound::from_borrowed_ptr(py, lower.code.0);
            runtime.engine.bind(py).getattr("loop_over")?.call1((code, lower.instr))?.extract()?
        };
        let (awaits, first, end) = known.ok_or_else(wrong)?;
        let ending = match lower.return_offset {
            0 if awaits => Ending::Await(end),
            0 => Ending::Loop(first, end),
            offset => Ending::Behind(lower.instr + offset),
        };
        all.push(Below { generator: i, ending, return_offset: lower.return_offset });
    }
    Ok(all)
}

thread_local! {
    /// The resume whose next segment is about to be run, and what evaluated frames before.
    static NEXT: Cell<Option<(*mut Pending, Evaluator)>> = const { Cell::new(None) };
}

unsafe fn set_evaluator(evaluator: Evaluator) {
    // SAFETY: E5, E11: the GIL is held.
    unsafe { frame::_PyInterpreterState_SetEvalFrameFunc(ffi::PyInterpreterState_Get(), evaluator) }
}

/// Runs the next segment, which lies above `hold`'s caller. Returns what `hold` has to return to it.
///
/// # Safety
/// E1, E3: `hold` is the running frame; everything below it is linked.
pub(crate) unsafe fn run_next(
    thread: *mut ffi::PyThreadState,
    hold: *mut InterpreterFrame,
    p: &mut Pending,
) -> Object {
    // SAFETY: (whole body) E1, E3, E11.
    unsafe {
        let py = Python::assume_attached();
        let number = p.next - 1;
        let lower = (*hold).previous;
        let Some(below) = p.stack.below.iter().find(|b| b.generator == number).copied() else {
            PySystemError::new_err("a generator has no frame below it").restore(py);
            return std::ptr::null_mut();
        };
        let own = rebuild::build(thread, p, number);
        p.next = number;
        let object = Strong::borrowed(generator::owner_of(own));
        let evaluator = frame::_PyInterpreterState_GetEvalFrameFunc(ffi::PyInterpreterState_Get());
        NEXT.set(Some((&raw mut *p, evaluator)));
        set_evaluator(evaluate_segment);
        let mut result = std::ptr::null_mut();
        let status = spliced_while(own, below.return_offset, || {
            frame::set_current_frame(thread, lower);
            let status = frame::PyIter_Send(object.0, ffi::Py_None(), &raw mut result);
            frame::set_current_frame(thread, hold);
            status
        });
        if NEXT.take().is_some() {
            set_evaluator(evaluator); // it was refused, and the hook never called
        }
        drop(object);
        match status {
            0 => end(py, lower, below.ending, Strong(result)),
            _ => result,
        }
    }
}

/// The generator above `lower` returned `result`: what `hold` has to return to it then.
unsafe fn end(py: Python<'_>, lower: *mut InterpreterFrame, ending: Ending, result: Strong) -> Object {
    // SAFETY: (whole body) E2: it stands in the loop or await that was looked at when it was adopted.
    unsafe {
        match ending {
            Ending::Behind(unit) => {
                (*lower).set_instruction(frame::code_units((*lower).code()).add(unit as usize));
                result.release()
            }
            Ending::Await(end) => {
                drop((*lower).await_ends(end).map(Strong));
                result.release()
            }
            Ending::Loop(first, end) => {
                let nothing = match PyTuple::empty(py).try_iter() {
                    Ok(nothing) => nothing.into_ptr(),
                    Err(e) => {
                        e.restore(py);
                        return std::ptr::null_mut();
                    }
                };
                drop((*lower).end_loop(first, end).map(Strong));
                nothing
            }
        }
    }
}

/// What the interpreter calls to run the generator of the next segment.
unsafe extern "C" fn evaluate_segment(
    thread: *mut ffi::PyThreadState,
    own: *mut InterpreterFrame,
    throw: c_int,
) -> Object {
    // SAFETY: (whole body) E1, E3, E11: called by `run_next` through the interpreter, before anything else.
    unsafe {
        let Some((pending, evaluator)) = NEXT.take() else {
            return frame::_PyEval_EvalFrameDefault(thread, own, throw);
        };
        set_evaluator(evaluator);
        let p = &mut *pending;
        // The frame waits for what it called; what was sent is taken off again.
        if let Some(depth) = (*own).depth().and_then(|n| n.checked_sub(1)) {
            drop(Strong((*own).slot(depth).object()));
            (*own).set_depth(depth);
        }
        if !rebuild::build_segment(thread, p, own) {
            return std::ptr::null_mut();
        }
        let hold = new_hold(thread, p);
        if hold.is_null() {
            rebuild::unbuild(thread, p);
            return hold.cast();
        }
        p.entry = own;
        let result = frame::_PyEval_EvalFrameDefault(thread, hold, 0);
        if !p.entry.is_null() {
            // The recursion limit: `hold` never ran.
            p.entry = std::ptr::null_mut();
            frame::finish_entry(thread, hold);
            rebuild::unbuild(thread, p);
        }
        result
    }
}

/// A frame of `hold` that has begun already: nothing looks for signals before it calls `splice`. NULL with an
/// exception.
unsafe fn new_hold(thread: *mut ffi::PyThreadState, p: &Pending) -> *mut InterpreterFrame {
    // SAFETY: (whole body) E1, E3: a function of the engine's own, with two parameters.
    unsafe {
        let [function, splice] = p.functions;
        let code = ffi::PyFunction_GetCode(function).cast::<ffi::PyCodeObject>();
        let words = frame::frame_words(code);
        let hold = datastack::push(thread, words);
        if hold.is_null() {
            PyMemoryError::new_err("no memory for the frames to resume").restore(Python::assume_attached());
            return hold;
        }
        std::ptr::write_bytes(hold.cast::<Object>(), 0, words);
        let fields = function.cast::<ffi::PyFunctionObject>();
        (*hold).f_globals = (*fields).func_globals;
        (*hold).f_builtins = (*fields).func_builtins;
        (*hold).start(ffi::Py_NewRef(function), ffi::Py_NewRef(code.cast()), 0);
        (*hold).set_slot(0, Slot::Object(ffi::Py_NewRef(p.capsule)));
        (*hold).set_slot(1, Slot::Object(ffi::Py_NewRef(splice)));
        (*hold).set_depth(frame::nlocalsplus(code));
        (*hold).set_instruction(frame::code_units(code)); // its RESUME is behind it
        hold
    }
}
