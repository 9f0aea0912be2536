//! Generators of the stack where the interpreter runs each in an evaluation loop of its own (CPython 3.11).
//!
//! There the stack is cut below each generator's frame. `splice` links one such segment; if another one lies
//! above it, the interpreter itself sends to its generator: states, handled exceptions and the clearing of
//! frames are CPython's own. For the length of that one step a hook is what evaluates frames: it builds the
//! segment's other frames above the generator's and runs a second `hold` frame there, whose `splice` makes
//! the generator's frame the one that its loop was entered with. What the generator yields or returns then
//! goes to the frame below as the instruction that stands there would have it.
//!
//! A generator that was stopped at an instruction runs in such a loop in every version, for its one step: what
//! it yields lands elsewhere than what it returns, and which of both came is seen when the loop has ended.

use crate::code;
use crate::error::Failure;
use crate::frame::generator::State;
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
    /// It goes on as it was built.
    Built,
}

/// The frame below one generator of the stack.
#[derive(Clone, Copy)]
pub(crate) struct Below {
    /// The number of the generator's frame.
    generator: usize,
    ending: Ending,
    /// Where that frame goes on with what is yielded.
    next: u32,
    /// What that frame has as its return offset, which is nowhere in the frame itself.
    return_offset: u32,
}

/// What the frames of generators return to that run in loops of their own; checks that the frames below stand in
/// loops over generators.
pub(crate) fn below(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> Result<Vec<Below>, Failure> {
    let mut all = Vec::new();
    let engine = runtime.engine.bind(py);
    for (i, f) in stack.frames.iter().enumerate() {
        let running = f.flags & Frame::GENERATOR != 0 && f.flags & Frame::SUSPENDED == 0;
        if !running || !frame::GENERATORS_RUN_APART && !f.at_instruction() {
            continue;
        }
        let wrong = || Failure::corrupt("a running generator is not in a loop or an await");
        let lower = stack.frames.get(i + 1).ok_or_else(wrong)?;
        // SAFETY: E1: the frames hold their code.
        let (known, next): (Option<(bool, u32, u32)>, u32) = unsafe {
            let (_, start) = code::opcode_at(lower.code.0, lower.instr).ok_or_else(wrong)?;
            let code = Bound::from_borrowed_ptr(py, lower.code.0);
            let known = engine.getattr("loop_over")?.call1((&code, start))?.extract()?;
            let (_, next, _): (u32, u32, u32) = engine.getattr("places")?.call1((&code, start))?.extract()?;
            code::check_place(runtime, lower.code.0, next, lower.nstack + 1)?;
            if frame::GENERATORS_RUN_APART {
                code::check_place(runtime, lower.code.0, frame::landing(lower.instr), lower.nstack + 1)?;
                // It is sent to, which takes a place on its stack.
                if frame::stack_size(f.code.0.cast()) == 0 {
                    return Err(wrong());
                }
            }
            (known, next)
        };
        let (awaits, first, end) = known.ok_or_else(wrong)?;
        let ending = match lower.return_offset {
            _ if !frame::GENERATORS_RUN_APART => Ending::Built,
            0 if awaits => Ending::Await(end),
            0 => Ending::Loop(first, end),
            offset => Ending::Behind(lower.instr + offset),
        };
        all.push(Below { generator: i, ending, next, return_offset: lower.return_offset });
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

/// The frame below the generator of frame `number`; `None` with an exception.
fn below_of(py: Python<'_>, p: &Pending, number: usize) -> Option<Below> {
    let below = p.stack.below.iter().find(|b| b.generator == number).copied();
    if below.is_none() {
        PySystemError::new_err("a generator has no frame below it").restore(py);
    }
    below
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
        let Some(below) = below_of(py, p, number) else { return std::ptr::null_mut() };
        let own = rebuild::build(thread, p, number);
        p.next = number;
        send(thread, hold, own, p, below, evaluate_segment)
    }
}

/// Sends to the generator whose frame is `own`; `hook` is what evaluates it. Returns as [`run_next`].
unsafe fn send(
    thread: *mut ffi::PyThreadState,
    hold: *mut InterpreterFrame,
    own: *mut InterpreterFrame,
    p: &mut Pending,
    below: Below,
    hook: Evaluator,
) -> Object {
    // SAFETY: (whole body) E1, E3, E11.
    unsafe {
        let lower = (*hold).previous;
        let object = Strong::borrowed(generator::owner_of(own));
        let evaluator = frame::_PyInterpreterState_GetEvalFrameFunc(ffi::PyInterpreterState_Get());
        NEXT.set(Some((&raw mut *p, evaluator)));
        set_evaluator(hook);
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
            0 => end(Python::assume_attached(), lower, below.ending, Strong(result)),
            _ => result,
        }
    }
}

/// Lets the generator whose frame is `own`, which stands at an instruction, run for one step. Returns what `hold`
/// has to return to the frame below.
///
/// # Safety
/// E1, E3: `hold` is the running frame; everything below it is linked; `own` is built and is the innermost.
pub(crate) unsafe fn run_stopped(
    thread: *mut ffi::PyThreadState,
    hold: *mut InterpreterFrame,
    own: *mut InterpreterFrame,
    p: &mut Pending,
) -> Object {
    // SAFETY: (whole body) E1, E3, E11.
    unsafe {
        let Some(below) = below_of(Python::assume_attached(), p, 0) else { return std::ptr::null_mut() };
        if frame::GENERATORS_RUN_APART {
            // What is sent takes the place of the topmost value, for there may be no other.
            let depth = (*own).depth().unwrap_or(0);
            if depth > frame::nlocalsplus((*own).code()) {
                p.top = Some((*own).slot(depth - 1));
                (*own).set_depth(depth - 1);
            }
            return send(thread, hold, own, p, below, evaluate_stopped);
        }
        let lower = (*hold).previous;
        let object = Strong::borrowed(generator::owner_of(own));
        let raise = p.deliver_exception();
        let result = spliced_while(own, 0, || {
            frame::set_current_frame(thread, lower);
            let result = frame::_PyEval_EvalFrameDefault(thread, own, c_int::from(raise));
            frame::set_current_frame(thread, hold);
            result
        });
        if matches!(generator::fields(object.0).state(), State::Suspended | State::Delegating) {
            (*lower).await_yields(below.next);
        }
        result
    }
}

/// The generator above `lower` returned `result`: what `hold` has to return to it then.
unsafe fn end(py: Python<'_>, lower: *mut InterpreterFrame, ending: Ending, result: Strong) -> Object {
    // SAFETY: (whole body) E2: it stands in the loop or await that was looked at when it was adopted.
    unsafe {
        match ending {
            Ending::Built => result.release(),
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

/// What the interpreter calls to run a generator that was stopped at an instruction.
unsafe extern "C" fn evaluate_stopped(
    thread: *mut ffi::PyThreadState,
    own: *mut InterpreterFrame,
    throw: c_int,
) -> Object {
    // SAFETY: (whole body) E1, E3, E11: called by `send` through the interpreter, before anything else.
    unsafe {
        let Some((pending, evaluator)) = NEXT.take() else {
            return frame::_PyEval_EvalFrameDefault(thread, own, throw);
        };
        set_evaluator(evaluator);
        let p = &mut *pending;
        if let Some(place) = (*own).depth().and_then(|n| n.checked_sub(1)) {
            drop(Strong((*own).slot(place).object()));
            match p.top.take() {
                Some(top) => (*own).set_slot(place, top),
                None => (*own).set_depth(place),
            }
        }
        let raise = p.deliver_exception();
        frame::_PyEval_EvalFrameDefault(thread, own, c_int::from(raise))
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
