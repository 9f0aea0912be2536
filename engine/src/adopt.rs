//! Step "adopt" of the flow: from a snapshot to a live [`Continuation`].
//!
//! The region is verified before a byte of it is believed, the graph is rebuilt, and every frame is
//! checked against the code object that it will run: sizes, instruction, cells. Nothing runs yet.

use crate::ambient;
use crate::continuation::Continuation;
use crate::error::{AdoptError, Failure};
use crate::frame;
use crate::frame::generator::State;
use crate::runtime::{self, Runtime};
use crate::stack::Stack;
use crate::values::decode::Decoder;
use crate::values::{Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::Cell;
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

/// Adopts `snapshot`: rebuilds its frames and values. Runs code that the snapshot brings, as
/// unpickling does; arrays are views of the snapshot's memory.
pub fn adopt<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    writable: bool,
    externals: Option<&Bound<'py, PyAny>>,
) -> Result<Continuation, Failure> {
    let runtime = runtime::get(py)?;
    if snapshot.nbytes() > PRIVATE_COPY as u64 && snapshot.graph().len() > PRIVATE_COPY {
        return build(py, runtime, Some(snapshot), &snapshot.region()?, writable, externals);
    }
    // Taken out while it is used: code of the program may adopt again meanwhile.
    let mut copy = COPY.take().unwrap_or_default();
    let built = copy
        .region(snapshot)
        .and_then(|region| build(py, runtime, Some(snapshot), &region, writable, externals));
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
    let built = known.map(|region| build(py, runtime::get(py)?, None, &region, writable, None));
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
    externals: Option<&Bound<'_, PyAny>>,
) -> Result<Continuation, Failure> {
    let running = runtime::python_hex();
    if region.python >> 16 != running >> 16 {
        return Err(AdoptError::Version { found: region.python, running }.into());
    }
    if region.frames.is_empty() {
        return Err(Failure::corrupt("it has no frames"));
    }
    let mut decoder = Decoder::new(py, runtime, snapshot, region, writable);
    decoder.externals = externals.cloned();
    let built = build_stack(py, runtime, region, &mut decoder);
    let taken = decoder.take_stand_ins();
    if built.is_err() {
        decoder.take_modules_back()?;
    }
    taken?;
    Ok(Continuation::of(built?))
}

/// The stack of what `decoder` reads, checked.
fn build_stack(
    py: Python<'_>,
    runtime: &Runtime,
    region: &Region<'_>,
    decoder: &mut Decoder<'_, '_>,
) -> Result<Box<Stack>, Failure> {
    let spare = runtime.spare_stacks.borrow_mut().pop();
    let mut stack = spare.unwrap_or_default();
    decoder.codes = std::mem::take(&mut stack.codes);
    stack.values = decoder.decode(std::mem::take(&mut stack.values))?;
    decoder.put_in_order()?;
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
                true => state_of_generator(decoder, number as u64, &stack.values[first..])?,
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
    decoder.place_frames(&mut stack)?;
    stack.greenlets = decoder.arm_greenlets()?;
    decoder.codes.clear();
    stack.codes = std::mem::take(&mut decoder.codes);
    ambient::adopted(py, runtime, &stack)?;
    Ok(stack)
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
