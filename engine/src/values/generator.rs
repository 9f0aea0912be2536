//! Generators, coroutines and async generators as values: a frame with what surrounds it.
//!
//! A suspended one brings the slots of its frame. A running one belongs to a frame of the captured
//! stack, which brings them; until that stack is resumed it is a finished generator.

use super::decode::Decoder;
use super::encode::Encoder;
use super::keyed::{self, Keyed};
use super::{text_of, Object, Strong};
use crate::adopt::untyped;
use crate::code;
use crate::error::Failure;
use crate::frame::generator::{self, State};
use crate::frame::{self, Slot};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;
use torpor_store::value::generator as bits;
use torpor_store::value::{tag, GENERATOR_HEAD};
use torpor_store::Value;

const HEAD: usize = GENERATOR_HEAD as usize;

fn number_of(state: State) -> u16 {
    match state {
        State::Created => bits::CREATED,
        State::Suspended => bits::SUSPENDED,
        State::Delegating => bits::DELEGATING,
        State::Running => bits::RUNNING,
        State::Finished => bits::FINISHED,
    }
}

fn state_of(small: u16) -> Option<State> {
    Some(match small & bits::STATE {
        bits::CREATED => State::Created,
        bits::SUSPENDED => State::Suspended,
        bits::DELEGATING => State::Delegating,
        bits::RUNNING => State::Running,
        bits::FINISHED => State::Finished,
        _ => return None,
    })
}

impl<'py> Encoder<'py> {
    /// Writes a generator of any of the three kinds.
    ///
    /// # Safety
    /// `object` is one; the GIL is held.
    pub(super) unsafe fn generator(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let o = object.0;
        // SAFETY: (whole body) E1, E2: a generator that does not run keeps its frame as it is.
        unsafe {
            let fields = generator::fields(o);
            let state = match self.work.passing.contains(&(o as usize)) {
                true => State::Delegating,
                false => fields.state(),
            };
            let f = &*fields.frame();
            let in_greenlet = self.work.greenlets.generators.get(&(o as usize)).copied();
            let running = self.work.running.iter().position(|g| *g == o as usize).map(|n| n as u64);
            let running = running.or(in_greenlet);
            // The frame that stands in the stack brings the slots.
            let node_state = if running.is_some() { State::Running } else { state };
            if state == State::Running && running.is_none() {
                let name = text_of(&Bound::from_borrowed_ptr(self.py, fields.qualname));
                self.refuse(
                    slot,
                    format!(
                        "'{name}' is running and not part of the captured stack: a generator or coroutine \
                         travels suspended"
                    ),
                );
                return Ok(());
            }
            let depth = match node_state {
                State::Running | State::Finished => 0,
                _ => f.depth().unwrap_or(0),
            };
            let mut ids = Vec::new();
            if depth > 0 && code::entry(self.runtime, generator::code(o))?.keyed_by_id {
                let slots = (0..depth).map(|i| f.slot(i));
                let frame = self.keyed_frame(f.function(), generator::code(o), slots)?;
                match self.note_keyed(PyList::new(self.py, [frame])?)? {
                    Keyed::Known(held) => ids = held,
                    Keyed::Refused(_, what) => {
                        self.refuse(slot, what);
                        return Ok(());
                    }
                }
            }
            let base = self.reserve(HEAD + depth)?;
            let mut small = number_of(node_state);
            if node_state != state && in_greenlet.is_none() {
                small |= (number_of(state) + 1) << bits::AFTER_SHIFT;
            }
            // Other generators have these fields and do not set them.
            if ffi::Py_TYPE(o) == &raw mut ffi::PyAsyncGen_Type {
                small |= if fields.closed != 0 { bits::CLOSED } else { 0 };
                small |= if fields.iterated != 0 { bits::ITERATED } else { 0 };
            }
            let node =
                Value { small, ..Value::new(tag::GENERATOR, 0, (HEAD + depth) as u32, u64::from(base)) };
            self.set(slot, node);
            self.out.flags |= torpor_store::region::Flags::RUNS_CODE;
            self.note(object, slot);
            let code = Bound::from_borrowed_ptr(self.py, generator::code(o));
            let index = self.code_index(code.as_ptr())?;
            self.set(base + 1, Value::atom(tag::CODE, u64::from(index)));
            let mut pending = self.put(fields.name, base + 2)?;
            pending |= self.put(fields.qualname, base + 3)?;
            let stands = self.work.handled.iter().find(|(of, _)| *of == o as usize);
            let handled = stands.map_or(fields.handled.value, |(_, handled)| *handled as Object);
            if !handled.is_null() && handled != ffi::Py_None() {
                pending |= self.put(handled, base + 4)?;
            }
            self.set(base + 7, Value::NONE);
            if state == State::Finished {
                self.set(base, Value::NONE);
                self.set(base + 6, Value::atom(tag::INT, 0));
            } else {
                let function = f.function();
                let globals = ffi::PyFunction_GetGlobals(function);
                let stays = self.stays(globals)?;
                self.note_frame_of_module(globals, code.as_ptr(), stays, slot)?;
                pending |= self.put(function, base)?;
                if !f.f_locals.is_null() {
                    pending |= self.put(f.f_locals, base + 5)?;
                }
                let place = u64::from(f.instruction_index()) | u64::from(f.return_offset()) << 32;
                self.set(base + 6, Value::atom(tag::INT, place & 0xffff_ffff_ffff));
            }
            if let Some(number) = running {
                self.set(base + 7, Value::atom(tag::INT, number));
            }
            for i in 0..depth {
                let place = base + (HEAD + i) as u32;
                match f.slot(i) {
                    Slot::Object(value) => {
                        pending |= self.put(keyed::written(&ids, 0, i, value), place)?;
                    }
                    Slot::Int(n) => self.set(place, Value::atom(tag::TAGGED_INT, n as u64)),
                    Slot::Empty => {}
                }
            }
            if pending {
                self.open(tag::GENERATOR, base, (HEAD + depth) as u32, slot, None);
            }
        }
        Ok(())
    }
}

/// A generator of the stack: its frame brings its slots.
pub(crate) struct RunningGenerator {
    /// The number of its frame.
    pub frame: u64,
    pub object: usize,
    /// The state that it gets back with its frame, if that is a suspended one.
    pub after: Option<State>,
}

fn bad(what: &str) -> Failure {
    Failure::corrupt(format!("a generator {what}"))
}

impl Decoder<'_, '_> {
    /// Makes the object, once its code is there: finished, so that nobody can run it yet.
    pub(super) fn begin_generator(&mut self, at: usize) -> Result<Object, Failure> {
        let (function, mut code) = (self.parts[at], self.parts[at + 1]);
        // SAFETY: (whole body) the type is tested before the code is used.
        unsafe {
            if code.is_null() || ffi::Py_TYPE(code) != &raw mut ffi::PyCode_Type {
                return Err(bad("has no code"));
            }
            // The function's own code object where it is the same code.
            if !function.is_null() && ffi::Py_TYPE(function) == &raw mut ffi::PyFunction_Type {
                let own = ffi::PyFunction_GetCode(function);
                let hash = code::entry(self.runtime, code)?.hash;
                if own != code && code::entry(self.runtime, own)?.hash == hash {
                    code = own;
                }
            }
            let name =
                Bound::from_borrowed_ptr(self.py, code).getattr(crate::text::intern!(self.py, "co_name"))?;
            let object = generator::new(code, name.as_ptr());
            if object.is_null() {
                return Err(match PyErr::take(self.py) {
                    Some(e) => e.into(),
                    None => bad("has the code of a plain function"),
                });
            }
            ffi::PyObject_GC_Track(object.cast());
            Ok(object)
        }
    }

    /// All its parts are there: fills the frame in and lets it be run.
    pub(super) fn end_generator(&mut self, object: Object, v: Value, at: usize) -> Result<(), Failure> {
        let n = v.len as usize - HEAD;
        let state = state_of(v.small).ok_or_else(|| bad("has an unknown state"))?;
        // SAFETY: (whole body) types are tested before use; E1, E4.
        unsafe {
            let py = self.py;
            let part = |i: usize| self.parts[at + i];
            let is_text = |o: Object| !o.is_null() && ffi::PyUnicode_Check(o) != 0;
            if !is_text(part(2)) || !is_text(part(3)) {
                return Err(bad("has no name"));
            }
            let fields = generator::fields(object);
            let names = [
                std::mem::replace(&mut fields.name, ffi::Py_NewRef(part(2))),
                std::mem::replace(&mut fields.qualname, ffi::Py_NewRef(part(3))),
            ];
            drop(names.map(Strong));
            let handled = part(4);
            if !handled.is_null() {
                if ffi::PyExceptionInstance_Check(handled) == 0 {
                    return Err(bad("handles something that is no exception"));
                }
                fields.handled.value = ffi::Py_NewRef(handled);
            }
            fields.closed = u8::from(v.small & bits::CLOSED != 0);
            fields.iterated = u8::from(v.small & bits::ITERATED != 0);
            if state == State::Finished {
                return if n == 0 { Ok(()) } else { Err(bad("is finished and has slots")) };
            }
            if state == State::Running {
                let number = self.region.values[v.low() as usize + 7];
                if n != 0 || number.tag != tag::INT {
                    return Err(bad("is running outside of the stack"));
                }
                let after = match v.small >> bits::AFTER_SHIFT {
                    0 => None,
                    n => state_of(n - 1),
                };
                self.running.push(RunningGenerator { frame: number.data, object: object as usize, after });
                return Ok(());
            }
            let code = generator::code(object);
            let place = self.region.values[v.low() as usize + 6];
            let (instr, offset) = (place.data as u32, (place.data >> 32) as u32);
            if place.tag != tag::INT || offset > u32::from(u16::MAX) {
                return Err(bad("has no place in its code"));
            }
            let function = part(0);
            code::check_function(self.py, function, code)?;
            if !part(5).is_null() && ffi::PyMapping_Check(part(5)) == 0 {
                return Err(bad("has locals that are no mapping"));
            }
            let nlocals = frame::nlocalsplus(code.cast());
            if n < nlocals {
                return Err(bad("has not as many locals as its code"));
            }
            code::check_place(self.runtime, code, frame::landing(instr), n - nlocals + 1)?;
            if state != State::Created {
                code::check_cells(self.runtime, code, instr, &self.parts[at + HEAD..at + HEAD + n])?;
            }
            for i in 0..n {
                let slot = self.region.values[v.low() as usize + HEAD + i];
                if slot.tag == tag::TAGGED_INT {
                    untyped(slot, i >= nlocals)?;
                }
            }
            let f = &mut *fields.frame();
            let globals = function.cast::<ffi::PyFunctionObject>();
            f.f_globals = (*globals).func_globals;
            f.f_builtins = (*globals).func_builtins;
            f.f_locals = part(5);
            ffi::Py_XINCREF(f.f_locals);
            let held = f.code();
            f.start(ffi::Py_NewRef(function), ffi::Py_NewRef(code), offset);
            drop(Strong(held.cast()));
            f.belong_to_generator();
            for i in 0..n {
                let tagged = self.region.values[v.low() as usize + HEAD + i];
                let value = std::mem::replace(&mut self.parts[at + HEAD + i], std::ptr::null_mut());
                f.set_slot(
                    i,
                    match tagged.tag {
                        tag::TAGGED_INT => Slot::Int(tagged.data as i64),
                        _ if value.is_null() => Slot::Empty,
                        _ => Slot::Object(value),
                    },
                );
            }
            f.set_depth(n);
            f.set_instruction(frame::code_units(code.cast()).add(instr as usize));
            fields.set_state(state);
            self.armed.push(Bound::from_borrowed_ptr(py, object).unbind());
        }
        Ok(())
    }
}

/// Suspended generators of a stack that is dropped unresumed, for as long as that takes.
pub(crate) struct Disarmed(Vec<(Py<PyAny>, State)>);

/// Makes generators pass for finished, so that dropping them runs nothing of theirs.
pub(crate) fn disarm(armed: Vec<Py<PyAny>>) -> Disarmed {
    let mut disarmed = Vec::with_capacity(armed.len());
    for object in armed {
        // SAFETY: E4: generators that a decoder made.
        unsafe {
            let fields = generator::fields(object.as_ptr());
            let state = fields.state();
            if matches!(state, State::Created | State::Suspended | State::Delegating) {
                fields.set_state(State::Finished);
                disarmed.push((object, state));
            }
        }
    }
    Disarmed(disarmed)
}

impl Disarmed {
    /// Those that nobody else holds go, with what they hold; the others are as they were.
    pub(crate) fn rearm(mut self) {
        loop {
            // SAFETY: (whole body) E5: the GIL is held; E4 for the frames.
            let ours = |(object, _): &(Py<PyAny>, State)| unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 };
            let Some(i) = self.0.iter().position(ours) else { break };
            let (object, _) = self.0.swap_remove(i);
            // SAFETY: as above: it passes for finished, and nobody else has it.
            let taken = unsafe { generator::take_down(object.as_ptr()) };
            drop(taken.into_iter().map(Strong).collect::<Vec<_>>());
        }
        for (object, state) in self.0 {
            // SAFETY: as above: the frame is as it was.
            unsafe { generator::fields(object.as_ptr()).set_state(state) };
        }
    }
}
