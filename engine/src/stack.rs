//! The stack of an adopted snapshot before it runs: its frames and their values, checked against the code that
//! they will run.
//!
//! Part of the step "adopt".

use crate::apart;
use crate::code;
use crate::error::Failure;
use crate::frame;
use crate::frame::generator::State;
use crate::runtime::Runtime;
use crate::stop;
use crate::values::generator;
use crate::values::greenlet::Group;
use crate::values::{Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::{Frame, FRAME_HEAD};

/// One frame of a continuation: where its values begin, and where it stands.
pub(crate) struct Suspended {
    pub code: Strong,
    pub first: usize,
    pub nlocals: usize,
    pub nstack: usize,
    pub instr: u32,
    pub return_offset: u32,
    /// Flags of the saved frame.
    pub flags: u32,
    /// Of a suspended generator: the state that it gets back.
    pub after: Option<State>,
}

impl Suspended {
    /// Whether it stands at its instruction and is not waiting for a value.
    pub fn at_instruction(&self) -> bool {
        self.flags & Frame::AT_INSTRUCTION != 0
    }
}

/// The stack of an adopted snapshot, not yet running.
pub(crate) struct Stack {
    /// Innermost first.
    pub frames: Vec<Suspended>,
    /// All frames' values: function, mapping of locals, localsplus, evaluation stack.
    pub values: Vec<Object>,
    /// The exception that is being handled, or NULL.
    pub handled: Object,
    /// (frame, slot) of locals that the code takes for bound and that are not, unless assigned since.
    pub unbound: Vec<(usize, usize)>,
    /// Suspended generators that came with it.
    pub armed: Vec<Py<PyAny>>,
    /// (frame, slot, number) of untyped numbers on evaluation stacks; `values` has NULL there.
    pub numbers: Vec<(usize, usize, i64)>,
    /// What generators return to, where they run in loops of their own.
    pub below: Vec<apart::Below>,
    /// Suspended greenlets that came with it.
    pub greenlets: Option<Group>,
    /// Frame objects that came with it, each with the number of the frame that it will show.
    pub objects: Vec<(usize, Strong)>,
    /// Memory for the next decoder's code objects.
    pub codes: Vec<Option<Strong>>,
}

impl Stack {
    pub fn new(values: Vec<Object>, handled: Object) -> Stack {
        Stack {
            frames: Vec::new(),
            values,
            handled,
            unbound: Vec::new(),
            armed: Vec::new(),
            numbers: Vec::new(),
            below: Vec::new(),
            greenlets: None,
            objects: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// Adds a frame, whose values are there, after having checked it. `after`: see [`Suspended`].
    ///
    /// # Safety
    /// The GIL is held, the values are NULL or live, `code` is a code object; a generator's frame has its generator.
    pub unsafe fn push_frame(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        saved: &Frame,
        first: usize,
        code: Strong,
        after: Option<State>,
    ) -> Result<(), Failure> {
        let number = self.frames.len();
        if saved.flags & !Frame::ALL_FLAGS != 0 {
            return Err(Failure::corrupt("a frame has flags that this version does not know"));
        }
        let n = (FRAME_HEAD + saved.nlocals + saved.nstack) as usize;
        let values = &mut self.values[first..first + n];
        // SAFETY: as the caller promises.
        let code = unsafe {
            let code = if saved.flags & Frame::GENERATOR == 0 {
                code_to_run(py, runtime, code, values)?
            } else {
                generator_code(py, runtime, code, values)?
            };
            check_frame(py, runtime, saved, code.0, values)?;
            code
        };
        let suspended = saved.flags & Frame::SUSPENDED != 0;
        let others = Frame::AT_INSTRUCTION | Frame::HIDDEN | Frame::GREENLET;
        if saved.flags & (Frame::AT_INSTRUCTION | Frame::GREENLET) != 0 && number != 0
            || suspended && saved.flags & others != 0
            || suspended != after.is_some()
        {
            return Err(Failure::corrupt("a frame has flags that it cannot have"));
        }
        self.frames.push(Suspended {
            code,
            first,
            nlocals: saved.nlocals as usize,
            nstack: saved.nstack as usize,
            instr: saved.instr,
            return_offset: saved.return_offset,
            flags: saved.flags,
            after,
        });
        Ok(())
    }

    /// Checks what concerns all frames together.
    pub fn complete(&mut self, py: Python<'_>, runtime: &Runtime) -> Result<(), Failure> {
        // SAFETY: NULL or live.
        if !self.handled.is_null() && unsafe { ffi::PyExceptionInstance_Check(self.handled) } == 0 {
            return Err(Failure::corrupt("what is handled is no exception"));
        }
        if self.frames.iter().all(|f| f.flags & (Frame::GENERATOR | Frame::SUSPENDED) == 0) {
            return Ok(());
        }
        self.check_generators()?;
        self.check_suspended()?;
        self.below = apart::below(py, runtime, self)?;
        Ok(())
    }

    /// The program's own frames, innermost first, with their places.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (usize, &Suspended)> {
        self.frames.iter().enumerate().filter(|(_, f)| f.flags & Frame::HIDDEN == 0)
    }

    /// A running generator lives because the frame that runs it holds it: checked, because the evaluation
    /// loop relies on it.
    fn check_generators(&self) -> Result<(), Failure> {
        for (i, f) in self.frames.iter().enumerate() {
            if f.flags & Frame::GENERATOR == 0 || f.flags & Frame::SUSPENDED != 0 {
                continue;
            }
            let held = self.frames.get(i + 1).is_some_and(|outer| {
                let first = outer.first + FRAME_HEAD as usize + outer.nlocals;
                self.values[first..first + outer.nstack].contains(&self.values[f.first + 1])
            });
            if !held {
                return Err(Failure::corrupt("a running generator is not held by the frame that runs it"));
            }
        }
        Ok(())
    }
}

impl Default for Stack {
    fn default() -> Self {
        Stack::new(Vec::new(), std::ptr::null_mut())
    }
}

/// Stacks whose memory is kept for the next ones, and values of a stack that is no large one.
const SPARES: usize = 16;
const SPARE_VALUES: usize = 4096;

impl Stack {
    /// Keeps the memory of a stack that is used up. May run destructors.
    pub(crate) fn recycle(mut self: Box<Self>, runtime: &Runtime) {
        self.empty();
        let mut spares = runtime.spare_stacks.borrow_mut();
        if spares.len() < SPARES && self.values.capacity() <= SPARE_VALUES {
            spares.push(self);
        }
    }

    fn empty(&mut self) {
        // What is dropped unresumed runs nothing of the program: not what generators have still to do either.
        let disarmed = match self.armed.is_empty() {
            true => None,
            false => Some(generator::disarm(std::mem::take(&mut self.armed))),
        };
        for value in self.values.drain(..) {
            drop(Strong(value));
        }
        drop(Strong(std::mem::replace(&mut self.handled, std::ptr::null_mut())));
        if let Some(disarmed) = disarmed {
            disarmed.rearm();
        }
        self.frames.clear();
        self.unbound.clear();
        self.numbers.clear();
        self.below.clear();
        self.objects.clear();
        self.greenlets = None;
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.empty();
    }
}

/// The code object that a frame runs: its function's own where that is the one that was captured.
///
/// # Safety
/// `values` are the frame's, NULL or live; the GIL is held.
unsafe fn code_to_run(
    py: Python<'_>,
    runtime: &Runtime,
    code: Strong,
    values: &mut [Object],
) -> Result<Strong, Failure> {
    // SAFETY: (whole body) types are tested before use.
    unsafe {
        let function = values[0];
        code::check_function(py, function, code.0)?;
        let own = ffi::PyFunction_GetCode(function);
        if own == code.0 {
            return Ok(code);
        }
        if code::entry(runtime, own)?.hash == code::entry(runtime, code.0)?.hash {
            return Ok(Strong::borrowed(own));
        }
        // The function changed since (a warning was given): the captured code runs, as a function of its own.
        let copy = runtime
            .engine
            .bind(py)
            .getattr("with_code")?
            .call1((Bound::from_borrowed_ptr(py, function), Bound::from_borrowed_ptr(py, code.0)))?;
        values[0] = copy.into_ptr();
        drop(Strong(function));
        Ok(code)
    }
}

/// The code object of the generator to which a frame belongs.
///
/// # Safety
/// As [`code_to_run`]; the second value is a generator.
unsafe fn generator_code(
    py: Python<'_>,
    runtime: &Runtime,
    code: Strong,
    values: &[Object],
) -> Result<Strong, Failure> {
    // SAFETY: (whole body) types are tested before use; E4 for the generator, which a decoder made.
    unsafe {
        code::check_function(py, values[0], code.0)?;
        let own = frame::generator_code(values[1]);
        if own != code.0 && code::entry(runtime, own)?.hash != code::entry(runtime, code.0)?.hash {
            return Err(Failure::corrupt("a generator's frame has other code than its generator"));
        }
        Ok(Strong::borrowed(own))
    }
}

/// Checks that a frame can run: what it has must fit the code that it runs.
///
/// # Safety
/// `values` are the frame's, NULL or live; `code` is live; the GIL is held.
unsafe fn check_frame(
    py: Python<'_>,
    runtime: &Runtime,
    saved: &Frame,
    code: Object,
    values: &[Object],
) -> Result<(), Failure> {
    let bad = Failure::corrupt;
    // SAFETY: (whole body) types are tested before use; E1 for the code object's fields.
    unsafe {
        let object = code.cast::<ffi::PyCodeObject>();
        let length = frame::code_length(object) as u64;
        if frame::nlocalsplus(object) != saved.nlocals as usize {
            return Err(bad("a frame has not as many locals as its code"));
        }
        let at_instruction = saved.flags & Frame::AT_INSTRUCTION != 0;
        let room = frame::stack_size(object).max(1) - usize::from(!at_instruction); // for the call's result
        if saved.nstack as usize > room {
            return Err(bad("a frame's evaluation stack is larger than its code allows"));
        }
        let end = u64::from(saved.instr) + u64::from(saved.return_offset);
        if u64::from(saved.instr) >= length || end >= length || saved.return_offset > u32::from(u16::MAX) {
            return Err(bad("a frame stands outside of its code"));
        }
        // What stands in a call is known to be right; every other place is checked against the bytecode.
        let generator = saved.flags & Frame::GENERATOR != 0;
        let hidden = saved.flags & Frame::HIDDEN != 0;
        if at_instruction {
            let depth = stop::depth_at(py, runtime, code, saved.instr)?;
            if depth != Some(saved.nstack as usize) || saved.return_offset != 0 {
                return Err(bad(
                    "a frame does not stand at an instruction with which this interpreter can begin",
                ));
            }
        } else if generator || hidden || !code::entry(runtime, code)?.stands_in_call(code, saved.instr) {
            let unit = frame::landing(saved.instr) + saved.return_offset;
            code::check_place(runtime, code, unit, saved.nstack as usize + 1)?;
        }
        let locals = values[1];
        if !generator && !locals.is_null() && ffi::PyMapping_Check(locals) == 0 {
            return Err(bad("a frame's locals are no mapping"));
        }
        code::check_cells(runtime, code, saved.instr, &values[FRAME_HEAD as usize..])
    }
}
