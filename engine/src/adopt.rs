//! Step "adopt" of the flow: from a snapshot to a live [`Continuation`].
//!
//! The region is verified before a byte of it is believed, the graph is rebuilt, and every frame is
//! checked against the code object that it will run: sizes, instruction, cells. Nothing runs yet.

use crate::apart;
use crate::code;
use crate::error::{AdoptError, Failure, ResumeError};
use crate::frame;
use crate::frame::generator::State;
use crate::runtime::{self, Runtime};
use crate::stop;
use crate::values::decode::Decoder;
use crate::values::generator;
use crate::values::greenlet::Group;
use crate::values::{text_of, Object, Strong};
use pyo3::exceptions::PyKeyError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::cell::Cell;
use std::sync::Mutex;
use torpor_store::frame::{Frame, FRAME_HEAD};
use torpor_store::value::{flag, tag};
use torpor_store::{Region, Snapshot, Value};

/// Graphs up to this size are verified and read in a private copy: nobody can change them meanwhile.
const PRIVATE_COPY: usize = 64 << 10;

thread_local! {
    /// The graph that was adopted last: one that is adopted again and again is checked once, and its memory
    /// serves for the next one.
    static COPY: Cell<Option<Box<PrivateCopy>>> = const { Cell::new(None) };
}

/// A private copy of a graph.
#[derive(Default)]
struct PrivateCopy {
    words: Vec<u64>,
    /// Which snapshot it is of, once it is verified: the store's number in this process, and its own. No other
    /// one will ever have them, and no snapshot changes.
    of: Option<(u64, u64)>,
    /// What `words` hold, taken apart.
    region: Option<Region<'static>>,
}

impl PrivateCopy {
    /// The graph of this snapshot, verified.
    fn region(&mut self, snapshot: &Snapshot) -> Result<Region<'_>, Failure> {
        let of = snapshot.identity();
        if let Some(region) = self.region.filter(|_| of.is_some() && of == self.of) {
            return Ok(region);
        }
        (self.of, self.region) = (None, None);
        let shared = snapshot.graph();
        let words = shared.len().div_ceil(8);
        self.words.clear();
        self.words.reserve(words);
        // SAFETY: invariant E15: the vector has room for the bytes; every bit pattern is a u64; the region is gone
        // before the words are written the next time.
        let graph: &'static [u8] = unsafe {
            std::ptr::copy_nonoverlapping(
                shared.as_ptr(),
                self.words.as_mut_ptr().cast::<u8>(),
                shared.len(),
            );
            self.words.set_len(words);
            std::slice::from_raw_parts(self.words.as_ptr().cast::<u8>(), shared.len())
        };
        let region = Region::verify(graph, snapshot.nbytes())?;
        (self.of, self.region) = (of, Some(region));
        Ok(region)
    }
}

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
                generator_code(runtime, code, values)?
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
    fn shown(&self) -> impl Iterator<Item = (usize, &Suspended)> {
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
        let disarmed = generator::disarm(std::mem::take(&mut self.armed));
        for value in self.values.drain(..) {
            drop(Strong(value));
        }
        drop(Strong(std::mem::replace(&mut self.handled, std::ptr::null_mut())));
        disarmed.rearm();
        self.frames.clear();
        self.unbound.clear();
        self.numbers.clear();
        self.below.clear();
        self.greenlets = None;
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.empty();
    }
}

/// A live stack that can be looked at, changed, and resumed once.
pub struct Continuation {
    stack: Mutex<Option<Box<Stack>>>,
}

// SAFETY: invariant E5: the objects inside are used and dropped with the GIL held only.
unsafe impl Send for Continuation {}
// SAFETY: as above; the mutex orders threads that hold the GIL in turn.
unsafe impl Sync for Continuation {}

/// Adopts `snapshot`: rebuilds its frames and values. Runs code that the snapshot brings, as
/// unpickling does; arrays are views of the snapshot's memory.
pub fn adopt<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    writable: bool,
    externals: Option<&Bound<'py, PyAny>>,
) -> Result<Continuation, Failure> {
    if externals.is_some_and(|e| e.len().unwrap_or(1) > 0) {
        return Err(AdoptError::Missing("externals= is not supported yet".into()).into());
    }
    let runtime = runtime::get(py)?;
    if snapshot.nbytes() > PRIVATE_COPY as u64 && snapshot.graph().len() > PRIVATE_COPY {
        return build(py, runtime, Some(snapshot), &snapshot.region()?, writable);
    }
    // Taken out while it is used: code of the program may adopt again meanwhile.
    let mut copy = COPY.take().unwrap_or_default();
    let built =
        copy.region(snapshot).and_then(|region| build(py, runtime, Some(snapshot), &region, writable));
    COPY.set(Some(copy));
    built
}

/// As [`adopt`], for the snapshot that this thread adopted last: if `identity` is its, and its values need nothing
/// but the private copy. `None` otherwise.
pub fn adopt_again(
    py: Python<'_>,
    identity: (u64, u64),
    writable: bool,
) -> Option<Result<Continuation, Failure>> {
    let copy = COPY.take()?;
    let known = copy.region.filter(|region| copy.of == Some(identity) && region.extents.is_empty());
    let built = known.map(|region| build(py, runtime::get(py)?, None, &region, writable));
    COPY.set(Some(copy));
    built
}

/// Rebuilds the stack of a verified region; the snapshot is needed if that has extents.
fn build(
    py: Python<'_>,
    runtime: &Runtime,
    snapshot: Option<&Snapshot>,
    region: &Region<'_>,
    writable: bool,
) -> Result<Continuation, Failure> {
    let running = runtime::python_hex();
    if region.python >> 16 != running >> 16 {
        return Err(AdoptError::Version { found: region.python, running }.into());
    }
    if region.frames.is_empty() {
        return Err(Failure::corrupt("it has no frames"));
    }
    let mut decoder = Decoder::new(py, runtime, snapshot, region, writable);
    let spare = runtime.spare_stacks.borrow_mut().pop();
    let mut stack = spare.unwrap_or_default();
    stack.values = decoder.decode(std::mem::take(&mut stack.values))?;
    if region.handled != torpor_store::frame::NONE {
        stack.handled = stack.values.pop().unwrap_or(std::ptr::null_mut());
    }
    stack.armed = std::mem::take(&mut decoder.armed);
    let mut first = 0;
    for (number, saved) in region.frames.iter().enumerate() {
        let code = Strong(decoder.code(saved.code)?);
        let n = (FRAME_HEAD + saved.nlocals + saved.nstack) as usize;
        let generator = saved.flags & Frame::GENERATOR != 0;
        // SAFETY: the GIL is held, the values are live.
        unsafe {
            let after = match generator {
                true => state_of_generator(&decoder, number as u64, &stack.values[first..])?,
                false => None,
            };
            stack.push_frame(py, runtime, saved, first, code, after)?;
        }
        for slot in 0..if decoder.marked { saved.nlocals + saved.nstack } else { 0 } {
            let v = region.values[(saved.first + FRAME_HEAD + slot) as usize];
            if v.tag == tag::NULL && v.flags & flag::LEFT_OUT != 0 && slot < saved.nlocals {
                stack.unbound.push((number, slot as usize));
            } else if v.tag == tag::TAGGED_INT {
                stack.numbers.push((number, slot as usize, untyped(v, slot >= saved.nlocals)?));
            }
        }
        first += n;
    }
    stack.complete(py, runtime)?;
    stack.greenlets = decoder.arm_greenlets()?;
    Ok(Continuation::of(stack))
}

/// An untyped number: where this version has them, on the evaluation stack, with the two bits of its tag
/// to spare.
pub(crate) fn untyped(v: Value, on_stack: bool) -> Result<i64, Failure> {
    untyped_number(v.data as i64, on_stack)
}

pub(crate) fn untyped_number(n: i64, on_stack: bool) -> Result<i64, Failure> {
    if !frame::TAGGED_INTS || !on_stack || n << 2 >> 2 != n {
        return Err(Failure::corrupt("a frame has an untyped number where none can be"));
    }
    Ok(n)
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
        if function.is_null() || ffi::Py_TYPE(function) != &raw mut ffi::PyFunction_Type {
            return Err(Failure::corrupt("a frame has no function"));
        }
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

/// The state that the generator to which frame `number` belongs gets back, if it is a suspended one.
///
/// # Safety
/// As [`code_to_run`].
unsafe fn state_of_generator(
    decoder: &Decoder<'_, '_>,
    number: u64,
    values: &[Object],
) -> Result<Option<State>, Failure> {
    let object = values[1];
    let mut of_object = decoder.running.iter().filter(|g| g.object == object as usize);
    let after = match (of_object.next(), of_object.next()) {
        (Some(g), None) if g.frame == number && !object.is_null() => g.after,
        _ => return Err(Failure::corrupt("a generator's frame has no generator")),
    };
    if after.is_some_and(|s| matches!(s, State::Running | State::Finished)) {
        return Err(Failure::corrupt("a generator's frame has a state that it cannot have"));
    }
    Ok(after)
}

/// The code object of the generator to which a frame belongs.
///
/// # Safety
/// As [`code_to_run`]; the second value is a generator.
unsafe fn generator_code(runtime: &Runtime, code: Strong, values: &[Object]) -> Result<Strong, Failure> {
    // SAFETY: (whole body) types are tested before use; E4 for the generator, which a decoder made.
    unsafe {
        let (function, object) = (values[0], values[1]);
        if function.is_null() || ffi::Py_TYPE(function) != &raw mut ffi::PyFunction_Type {
            return Err(Failure::corrupt("a generator's frame has no function"));
        }
        let own = frame::generator_code(object);
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
                return Err(bad("a frame does not stand at an instruction"));
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

impl Continuation {
    /// Takes the stack out: from here on the continuation is used up.
    pub(crate) fn take(&self) -> Result<Box<Stack>, Failure> {
        let mut guard = self.lock();
        guard.take().ok_or(Failure::Resume(ResumeError::AlreadyResumed))
    }

    pub(crate) fn put_back(&self, stack: Box<Stack>) {
        *self.lock() = Some(stack);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<Stack>>> {
        self.stack.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Calls `f` with the stack and the place of frame `i` in it, counted as frames are shown.
    fn with<T>(
        &self,
        i: usize,
        f: impl FnOnce(&mut Stack, usize) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut guard = self.lock();
        let stack = guard.as_mut().ok_or(Failure::Resume(ResumeError::AlreadyResumed))?;
        let Some((place, _)) = stack.shown().nth(i) else {
            let n = stack.shown().count();
            return Err(ResumeError::Impossible(format!("there is no frame {i}: the stack has {n}")).into());
        };
        f(stack, place)
    }

    pub fn is_resumed(&self) -> bool {
        self.lock().is_none()
    }

    pub(crate) fn of(stack: Box<Stack>) -> Continuation {
        Continuation { stack: Mutex::new(Some(stack)) }
    }

    pub(crate) fn with_stack<T>(&self, f: impl FnOnce(&Stack) -> T) -> Option<T> {
        self.lock().as_deref().map(f)
    }

    pub fn frame_count(&self) -> usize {
        self.lock().as_ref().map_or(0, |s| s.shown().count())
    }

    pub fn frame_code(&self, py: Python<'_>, i: usize) -> Result<Py<PyAny>, Failure> {
        // SAFETY: the frame holds its code.
        self.with(i, |s, i| Ok(unsafe { Bound::from_borrowed_ptr(py, s.frames[i].code.0) }.unbind()))
    }

    pub fn frame_lineno(&self, _py: Python<'_>, i: usize) -> Result<i32, Failure> {
        self.with(i, |s, i| {
            let f = &s.frames[i];
            // SAFETY: a live code object; the offset was checked.
            Ok(unsafe { ffi::PyCode_Addr2Line(f.code.0.cast(), f.instr as i32 * 2) })
        })
    }

    /// Names of the locals that have a value.
    pub fn local_names(&self, py: Python<'_>, i: usize) -> Result<Vec<String>, Failure> {
        self.with(i, |s, i| {
            let mut names = Vec::new();
            for (slot, name) in slot_names(py, s.frames[i].code.0)?.into_iter().enumerate() {
                let value = s.values[s.frames[i].first + FRAME_HEAD as usize + slot];
                if !contents(value).is_null() {
                    names.push(name);
                }
            }
            if let Some(locals) = mapping(py, s, i) {
                for key in locals.keys().iter() {
                    let key: String = key.extract()?;
                    if !names.contains(&key) && key != "__builtins__" {
                        names.push(key);
                    }
                }
            }
            Ok(names)
        })
    }

    /// The value of a local; `None` if it has none. A name that the frame does not have is a KeyError.
    pub fn get_local(&self, py: Python<'_>, i: usize, name: &str) -> Result<Option<Py<PyAny>>, Failure> {
        self.with(i, |s, i| {
            if let Some(slot) = slot_of(py, s.frames[i].code.0, name)? {
                let value = contents(s.values[s.frames[i].first + FRAME_HEAD as usize + slot]);
                // SAFETY: NULL or live.
                return Ok(unsafe { Bound::from_borrowed_ptr_or_opt(py, value) }.map(Bound::unbind));
            }
            match mapping(py, s, i) {
                Some(locals) => match locals.get_item(name)? {
                    Some(value) => Ok(Some(value.unbind())),
                    None => Err(PyKeyError::new_err(name.to_owned()).into()),
                },
                None => Err(PyKeyError::new_err(name.to_owned()).into()),
            }
        })
    }

    /// Binds (or with `None` unbinds) a local before the continuation is resumed.
    pub fn set_local<'py>(
        &self,
        py: Python<'py>,
        i: usize,
        name: &str,
        value: Option<Bound<'py, PyAny>>,
    ) -> Result<(), Failure> {
        let old = self.with(i, |s, i| {
            if let Some(slot) = slot_of(py, s.frames[i].code.0, name)? {
                let at = s.frames[i].first + FRAME_HEAD as usize + slot;
                let place = s.values[at];
                // SAFETY: live or NULL; PyCell_Set takes its own reference.
                unsafe {
                    if is_cell(s.frames[i].code.0, slot)
                        && !place.is_null()
                        && ffi::Py_TYPE(place) == &raw mut ffi::PyCell_Type
                    {
                        let new = value.map_or(std::ptr::null_mut(), |v| v.as_ptr());
                        ffi::PyCell_Set(place, new);
                        return Ok(None);
                    }
                }
                if value.is_none() {
                    s.unbound.push((i, slot));
                }
                s.values[at] = value.map_or(std::ptr::null_mut(), Bound::into_ptr);
                return Ok(Some(Strong(place)));
            }
            match mapping(py, s, i) {
                Some(locals) => {
                    match value {
                        Some(value) => locals.set_item(name, value)?,
                        None => locals.del_item(name)?,
                    }
                    Ok(None)
                }
                None => Err(PyKeyError::new_err(name.to_owned()).into()),
            }
        })?;
        drop(old); // may run a destructor: the lock is released before
        Ok(())
    }

    /// Shows every object to Python's garbage collector.
    pub fn traverse(&self, visit: &mut dyn FnMut(&Py<PyAny>)) {
        let Ok(guard) = self.stack.try_lock() else { return };
        let Some(stack) = guard.as_ref() else { return };
        for value in stack.values.iter().chain([&stack.handled]) {
            if !value.is_null() {
                // SAFETY: Py<PyAny> is a non-null pointer to an object, which is what `value` is; it is
                // only borrowed for the call.
                visit(unsafe { &*std::ptr::from_ref(value).cast::<Py<PyAny>>() });
            }
        }
    }

    /// Drops everything: nothing of the program runs but destructors.
    pub fn clear(&self) {
        let stack = self.lock().take();
        drop(stack);
    }
}

/// Makes every frame that has an unbound local, which its code takes for bound, run code that checks.
///
/// # Errors
/// `ResumeError::Impossible` for a local whose reads cannot be checked on this version.
pub(crate) fn check_unbound(py: Python<'_>, runtime: &Runtime, stack: &mut Stack) -> Result<(), Failure> {
    for i in 0..stack.frames.len() {
        let f = &stack.frames[i];
        let names = slot_names(py, f.code.0)?;
        let open: Vec<&String> = stack
            .unbound
            .iter()
            .filter(|(frame, slot)| {
                *frame == i && stack.values[f.first + FRAME_HEAD as usize + slot].is_null()
            })
            .filter_map(|(_, slot)| names.get(*slot))
            .collect();
        if open.is_empty() {
            continue;
        }
        // SAFETY: live.
        let code = unsafe { Bound::from_borrowed_ptr(py, f.code.0) };
        let checked = runtime.engine.bind(py).getattr("checked_code")?.call1((
            &code,
            if f.after.is_some() { frame::landing(f.instr) } else { f.instr },
            open,
            f.at_instruction() || f.after.is_some(),
        ))?;
        // SAFETY: a type test; `checked` is live.
        if unsafe { ffi::Py_TYPE(checked.as_ptr()) != &raw mut ffi::PyCode_Type } {
            let (function, checked) = (text_of(&code.getattr("co_qualname")?), text_of(&checked));
            return Err(ResumeError::Impossible(format!(
                "local '{checked}' of {function} was left out and the code reads it; assign it before resuming"
            ))
            .into());
        }
        stack.frames[i].code = Strong(checked.into_ptr());
    }
    Ok(())
}

fn slot_names(py: Python<'_>, code: Object) -> Result<Vec<String>, Failure> {
    // SAFETY: E1: a live code object has such a tuple.
    let names = unsafe {
        let names = *code.byte_add(frame::offset::CODE_LOCALSPLUS_NAMES).cast::<Object>();
        Bound::from_borrowed_ptr(py, names)
    };
    Ok(names.cast::<PyTuple>().map_err(PyErr::from)?.iter().map(|n| text_of(&n)).collect())
}

fn slot_of(py: Python<'_>, code: Object, name: &str) -> Result<Option<usize>, Failure> {
    Ok(slot_names(py, code)?.iter().position(|n| n == name))
}

/// # Safety
/// `code` is live, `slot` in range.
unsafe fn is_cell(code: Object, slot: usize) -> bool {
    // SAFETY: E1.
    unsafe {
        let kinds = *code.byte_add(frame::offset::CODE_LOCALSPLUS_KINDS).cast::<Object>();
        *ffi::PyBytes_AsString(kinds).cast::<u8>().add(slot) & 0xc0 != 0
    }
}

/// What a slot shows: the contents of a cell, or the value itself. Borrowed, NULL if unbound.
fn contents(value: Object) -> Object {
    // SAFETY: NULL or live.
    unsafe {
        if value.is_null() || ffi::Py_TYPE(value) != &raw mut ffi::PyCell_Type {
            return value;
        }
        let inner = ffi::PyCell_Get(value);
        if !inner.is_null() {
            ffi::Py_DECREF(inner); // the cell keeps it
        }
        inner
    }
}

fn mapping<'py>(py: Python<'py>, s: &Stack, i: usize) -> Option<Bound<'py, PyDict>> {
    let locals = s.values[s.frames[i].first + 1];
    // SAFETY: NULL or live.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, locals) }?.cast_into::<PyDict>().ok()
}

unsafe extern "C" fn new_frame(_: Object, arguments: Object) -> Object {
    // SAFETY: a METH_VARARGS function gets a tuple; the types in it are tested.
    unsafe {
        let (code, globals) = (ffi::PyTuple_GetItem(arguments, 0), ffi::PyTuple_GetItem(arguments, 1));
        if code.is_null() || globals.is_null() {
            return std::ptr::null_mut();
        }
        if ffi::Py_TYPE(code) != &raw mut ffi::PyCode_Type || ffi::PyDict_Check(globals) == 0 {
            pyo3::exceptions::PyTypeError::new_err("new_frame(code, globals)")
                .restore(Python::assume_attached());
            return std::ptr::null_mut();
        }
        ffi::PyFrame_New(ffi::PyThreadState_Get(), code.cast(), globals, std::ptr::null_mut()).cast()
    }
}

/// A function that makes a frame object that never ran: what a rebuilt traceback entry shows.
pub fn frame_maker(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"new_frame".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: new_frame },
        ml_flags: ffi::METH_VARARGS,
        ml_doc: std::ptr::null(),
    }));
    // SAFETY: the definition lives as long as the process.
    unsafe {
        let f = ffi::PyCFunction_NewEx(definition, std::ptr::null_mut(), std::ptr::null_mut());
        Ok(Bound::from_owned_ptr_or_err(py, f)?.unbind())
    }
}
