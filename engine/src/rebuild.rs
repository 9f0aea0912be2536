//! Frames of an adopted stack, built where the interpreter runs them: on the thread's data stack, or in their
//! generators; and taken down again.
//!
//! Part of the step "resume".

use crate::frame::generator::{self, State};
use crate::frame::{self, datastack, InterpreterFrame, Owner, Slot};
use crate::resume::Pending;
use crate::stack::Stack;
use crate::values::{Object, Strong};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::{Frame, FRAME_HEAD};

/// Builds the frames of the next segment above `outer`: up to the next generator where those run apart, else
/// all. False with an exception, nothing built.
///
/// # Safety
/// E1, E3: nothing lies above `outer` on the data stack that ends before these frames.
pub(crate) unsafe fn build_segment(
    thread: *mut ffi::PyThreadState,
    p: &mut Pending,
    outer: *mut InterpreterFrame,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let mut previous = outer;
        while p.next > p.innermost() {
            let i = p.next - 1;
            if frame::GENERATORS_RUN_APART && p.stack.frames[i].flags & Frame::GENERATOR != 0 {
                break;
            }
            let built = build(thread, p, i);
            if built.is_null() {
                unbuild(thread, p);
                return false;
            }
            (*built).previous = previous;
            previous = built;
            p.built.push(built);
            p.next = i;
        }
        true
    }
}

/// Frame `i` of the stack, on the data stack or in its generator; NULL with an exception.
///
/// # Safety
/// E1, E3.
pub(crate) unsafe fn build(
    thread: *mut ffi::PyThreadState,
    p: &mut Pending,
    i: usize,
) -> *mut InterpreterFrame {
    // SAFETY: E1, E3.
    unsafe {
        let f = &p.stack.frames[i];
        let words = frame::frame_words(f.code.0.cast());
        let built = if f.flags & Frame::GENERATOR == 0 {
            datastack::push(thread, words)
        } else {
            generator::fields(p.stack.values[f.first + 1]).frame()
        };
        if built.is_null() {
            PyMemoryError::new_err("no memory for the frames to resume").restore(Python::assume_attached());
        } else if let Some(generator) = fill(built, &mut p.stack, i) {
            start_generator(thread, generator);
        }
        built
    }
}

/// Lets a generator whose frame was filled run as part of the stack; it owns itself for that time, as one
/// that is being iterated is owned by the frame below it.
unsafe fn start_generator(thread: *mut ffi::PyThreadState, object: Strong) {
    // SAFETY: (whole body) E1, E3: frames are started outermost first, so that its handled exception comes
    // on top of those of the frames below.
    unsafe {
        let generator = generator::fields(object.0);
        if frame::GENERATORS_RUN_APART {
            generator.set_state(State::Suspended); // it is sent to
            return;
        }
        generator.set_state(State::Running);
        generator.handled.previous = *frame::handled(thread);
        *frame::handled(thread) = &mut generator.handled;
    }
}

/// Moves frame `i` of the stack into `built`. Returns the generator that it belongs to.
///
/// # Safety
/// E1: `built` has room for a frame of the code, of which locals and stack are a part (checked when the snapshot
/// was adopted); a generator's has its code.
pub(crate) unsafe fn fill(built: *mut InterpreterFrame, stack: &mut Stack, i: usize) -> Option<Strong> {
    // SAFETY: as the caller promises.
    unsafe {
        let f = &stack.frames[i];
        let words = frame::frame_words(f.code.0.cast());
        let in_generator = f.flags & Frame::GENERATOR != 0;
        // A generator's frame has its code already.
        let held = in_generator.then(|| Strong((*built).code().cast()));
        std::ptr::write_bytes(built.cast::<Object>(), 0, words);
        let values = &mut stack.values[f.first..f.first + FRAME_HEAD as usize + f.nlocals + f.nstack];
        let mut take = |k: usize| std::mem::replace(&mut values[k], std::ptr::null_mut());
        let function = take(0);
        let (locals, generator) = match in_generator {
            false => (take(1), None),
            true => (std::ptr::null_mut(), Some(Strong(take(1)))),
        };
        let n = f.nlocals + f.nstack;
        for k in 0..n {
            let value = take(FRAME_HEAD as usize + k);
            (*built).set_slot(k, if value.is_null() { Slot::Empty } else { Slot::Object(value) });
        }
        for (_, k, number) in stack.numbers.iter().filter(|(frame, ..)| *frame == i) {
            (*built).set_slot(*k, Slot::Int(*number));
        }
        let fields = function.cast::<ffi::PyFunctionObject>();
        (*built).f_globals = (*fields).func_globals;
        (*built).f_builtins = (*fields).func_builtins;
        (*built).f_locals = locals;
        (*built).start(function, ffi::Py_NewRef(f.code.0), f.return_offset);
        (*built).set_depth(n);
        let units = frame::code_units(f.code.0.cast());
        (*built).set_instruction(units.add(f.instr as usize));
        if in_generator {
            (*built).belong_to_generator();
        }
        let mut dropped = Vec::new();
        if let Some(k) = stack.objects.iter().position(|(number, _)| *number == i) {
            dropped = frame::object::show(stack.objects.swap_remove(k).1.release(), built);
        }
        drop(held);
        drop(dropped.into_iter().map(Strong).collect::<Vec<_>>()); // a code object and its function: no destructors
        generator
    }
}

/// Takes built frames down again, innermost first; their references are dropped.
///
/// # Safety
/// E1, E3.
pub(crate) unsafe fn unbuild(thread: *mut ffi::PyThreadState, p: &mut Pending) {
    // SAFETY: E3: nothing lies above them on the data stack.
    unsafe {
        let mut dropped = Vec::new();
        while let Some(f) = p.built.pop() {
            let frame = &mut *f;
            dropped.push(Strong(frame::object::hide_again(f)));
            if frame.owner() == Owner::Generator {
                let object = generator::owner_of(f);
                let fields = generator::fields(object);
                *frame::handled(thread) = fields.handled.previous;
                fields.handled.previous = std::ptr::null_mut();
                fields.set_state(State::Finished);
                dropped.extend(generator::take_down(object).into_iter().map(Strong));
                continue;
            }
            let n = frame.depth().unwrap_or(0);
            for k in 0..n {
                dropped.push(Strong(frame.slot(k).object()));
            }
            dropped.push(Strong(frame.f_locals));
            dropped.push(Strong(frame.function()));
            dropped.push(Strong(frame.code().cast()));
            datastack::pop(thread, f);
        }
        drop(dropped); // destructors may run Python code: only when the data stack is clean
    }
}
