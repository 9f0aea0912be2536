//! Step "capture" of the flow: from the live stack to a graph that is ready to be stored.
//!
//! Walks outward from the frame that asked to the boundary, proves of every frame that it stands in a
//! call whose result is all that it waits for, and writes frames and values into a
//! [`SnapshotBuilder`]. A refusal happens here, before anything is claimed in a store.

use crate::bridge;

use crate::error::{CaptureError, Failure};
use crate::frame::{self, InterpreterFrame, Slot};
use crate::handled;
use crate::region;
use crate::runtime::{self, Runtime};
use crate::selection::{dead_locals, excluded, policy, target_frame};
use crate::stop;
use crate::values::encode::{Encoder, Work, ROOT};
use crate::values::path::RootNames;
use crate::values::{text_of, Object};
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::RefCell;
use torpor_store::frame::{Frame, FRAME_HEAD};
use torpor_store::value::{flag, tag};
use torpor_store::{Snapshot, SnapshotBuilder, Store, Value};

/// What a capture may be asked for; see the Python documentation of `Store.capture`.
#[derive(Default)]
pub struct CaptureOptions<'py> {
    pub target: Option<Bound<'py, PyAny>>,
    pub stack: Option<usize>,
    pub exclude: Option<Bound<'py, PyAny>>,
    pub keep_dead: Option<bool>,
    pub state: Option<Bound<'py, PyAny>>,
    pub by_value: Option<Bound<'py, PyAny>>,
    pub externals: Option<Bound<'py, PyAny>>,
    pub attach: Option<Bound<'py, PyAny>>,
    pub on_uncapturable: Option<Bound<'py, PyAny>>,
}

/// One frame of the stack that is captured.
pub(crate) struct Found {
    pub frame: *mut InterpreterFrame,
    pub code: Object,
    pub instr: u32,
    pub return_offset: u32,
    /// `Frame::AT_INSTRUCTION`, or nothing.
    pub flags: u32,
    /// Values on localsplus: locals and evaluation stack.
    pub depth: usize,
}

/// Memory that captures of one thread use again.
#[derive(Default)]
struct Scratch {
    builder: SnapshotBuilder<'static>,
    work: Work,
    found: Vec<Found>,
}

/// Bytes of memory that a thread keeps between captures, for each part of the graph.
const SCRATCH_TO_KEEP: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Option<Box<Scratch>>> = const { RefCell::new(None) };
}

/// Captures the stack below the calling Python frame and publishes it.
pub fn capture(
    py: Python<'_>,
    store: &Store,
    key: Option<&str>,
    options: &CaptureOptions<'_>,
) -> Result<Snapshot, Failure> {
    with_graph(py, options, |builder, work| region::publish(py, store, key, builder, work))
}

/// As [`capture`], into bytes of this process.
pub fn capture_detached(py: Python<'_>, options: &CaptureOptions<'_>) -> Result<Snapshot, Failure> {
    with_graph(py, options, |builder, _| region::detached(builder))
}

fn with_graph(
    py: Python<'_>,
    options: &CaptureOptions<'_>,
    store: impl FnOnce(&SnapshotBuilder<'static>, &Work) -> Result<Snapshot, Failure>,
) -> Result<Snapshot, Failure> {
    let runtime = runtime::get(py)?;
    // Taken out for the time of the capture: code of the program may capture again meanwhile.
    let mut scratch = SCRATCH.with(|s| s.borrow_mut().take()).unwrap_or_default();
    let result =
        write_graph(py, runtime, options, &mut scratch).and_then(|()| store(&scratch.builder, &scratch.work));
    scratch.builder.clear();
    scratch.builder.shrink_to(SCRATCH_TO_KEEP);
    scratch.found.clear();
    scratch.work.clear();
    SCRATCH.with(|s| *s.borrow_mut() = Some(scratch));
    result
}

fn write_graph(
    py: Python<'_>,
    runtime: &Runtime,
    options: &CaptureOptions<'_>,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    let policy = policy(options)?;
    let Scratch { builder, work, found } = scratch;
    // SAFETY: invariants E1, E2: the GIL is held and this thread's frames do not move while C code runs.
    let handled = unsafe { find_stack(py, runtime, options, found)? };
    let mut demands = Vec::new();
    // Locals that the code cannot read any more: left out if asked for, or if they cannot be captured.
    let mut dropped = Vec::new();
    if options.keep_dead == Some(false) {
        dropped = dead_locals(py, runtime, found)?;
    }
    for _ in 0..ATTEMPTS {
        builder.clear();
        work.clear();
        builder.python = runtime::python_hex();
        let mut encoder = Encoder::new(py, runtime, &policy, builder, work, &mut demands);
        // SAFETY: as above; values are referenced before anything else runs.
        let done = unsafe { write_stack(&mut encoder, found, handled, options, &dropped) };
        if let Err(e) = done {
            encoder.abandon();
            return Err(e);
        }
        if encoder.incomplete() {
            continue;
        }
        let refusals = encoder.take_refusals();
        if !refusals.is_empty() {
            if options.keep_dead.is_none() {
                let dead = dead_locals(py, runtime, found)?;
                let before = dropped.len();
                dropped.extend(refusals.iter().filter_map(|r| r.local).filter(|l| dead.contains(l)));
                dropped.sort_unstable();
                dropped.dedup();
                if dropped.len() > before {
                    continue;
                }
            }
            return Err(CaptureError::Uncapturable(refusals).into());
        }
        // The store checks the size as well; here it is told with the values.
        if builder.values.len() > LARGE || builder.data.len() > LARGE {
            builder.plan().check()?;
        }
        return Ok(());
    }
    Err(CaptureError::Invalid("the globals that the stack uses change with every look at them".into()).into())
}

/// Nodes, or bytes of text, from which on a graph could be too large.
const LARGE: usize = 1 << 20;
/// A walk is made again when it discovered globals too late, or values that need not travel.
const ATTEMPTS: usize = 64;

/// A refusal that names the frame.
///
/// # Safety
/// `f` is a live frame with a code object; the GIL is held.
pub(crate) unsafe fn unsupported(
    py: Python<'_>,
    f: *mut InterpreterFrame,
    what: impl Into<String>,
) -> Failure {
    // SAFETY: as the caller promises.
    unsafe {
        let code = (*f).code();
        let line = ffi::PyCode_Addr2Line(code, (*f).instruction_index() as i32 * 2);
        let code = Bound::from_borrowed_ptr(py, code.cast::<ffi::PyObject>());
        let text = |name: &str| code.getattr(name).map(|n| text_of(&n)).unwrap_or_default();
        CaptureError::UnsupportedFrame {
            function: text("co_qualname"),
            file: text("co_filename"),
            line,
            what: what.into(),
        }
        .into()
    }
}

/// Finds the frames to capture, innermost first, and the exception that they are handling.
///
/// # Safety
/// Invariants E1, E2: the GIL is held; called from C code that the innermost frame called.
unsafe fn find_stack(
    py: Python<'_>,
    runtime: &Runtime,
    options: &CaptureOptions<'_>,
    found: &mut Vec<Found>,
) -> Result<Object, Failure> {
    found.clear();
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        let mut callee = frame::current_frame(thread);
        if callee.is_null() {
            return Err(CaptureError::Invalid(
                "no Python function is running: there is nothing to capture".into(),
            )
            .into());
        }
        // The wrapper through which the capture was called is not part of it.
        let entries = runtime.entries.borrow();
        let entered = |f: *mut InterpreterFrame| entries.contains(&((*f).code() as usize));
        let mut direct = None;
        if entered(callee) {
            loop {
                let (caller, _) = (*callee).caller();
                if caller.is_null() || !entered(caller) {
                    break;
                }
                callee = caller;
            }
        } else {
            direct = Some(callee); // called from C: the frame's own instruction is the call
        }
        let first = match direct {
            Some(f) => f,
            None => (*callee).caller().0,
        };
        if first.is_null() {
            return Err(
                CaptureError::Invalid("the capture was not called from a Python function".into()).into()
            );
        }
        let (mut f, mut callee) = match &options.target {
            None => (first, if direct.is_some() { std::ptr::null_mut() } else { callee }),
            Some(target) => target_frame(target, first, callee, direct.is_some())?,
        };
        let limit = options.stack.unwrap_or(usize::MAX);
        if limit == 0 {
            return Err(CaptureError::Invalid("stack= counts frames and must be at least 1".into()).into());
        }
        let boundaries = runtime.boundaries.borrow();
        loop {
            let through_c = !callee.is_null() && (*callee).caller().1;
            let at_instruction = match &options.target {
                Some(_) if through_c && found.is_empty() => stop::stopped(py, runtime, thread, f)?,
                _ => None,
            };
            found.push(match at_instruction {
                Some(stopped) => stopped,
                None => bridge::suspended(py, runtime, f, callee, through_c)?,
            });
            if found.len() == limit || is_main_module(py, f) {
                break;
            }
            let (caller, _) = (*f).caller();
            if caller.is_null() || boundaries.contains(&((*caller).code() as usize)) {
                break;
            }
            if found.len() >= MAX_FRAMES {
                return Err(unsupported(py, f, format!("the stack has more than {MAX_FRAMES} frames")));
            }
            callee = f;
            f = caller;
        }
        handled::handled_in(py, runtime, thread, found[0].frame)
    }
}

/// More frames than any recursion limit that a resumed stack could have.
const MAX_FRAMES: usize = 200_000;

fn main_dict(py: Python<'_>) -> Object {
    // SAFETY: borrowed from the interpreter; only compared.
    unsafe {
        let name = pyo3::intern!(py, "__main__");
        let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), name.as_ptr());
        if module.is_null() || ffi::PyModule_Check(module) == 0 {
            return std::ptr::null_mut();
        }
        ffi::PyModule_GetDict(module)
    }
}

/// Whether `f` runs the `__main__` module itself.
///
/// # Safety
/// `f` is live.
unsafe fn is_main_module(py: Python<'_>, f: *mut InterpreterFrame) -> bool {
    // SAFETY: as the caller promises.
    unsafe { !(*f).f_locals.is_null() && (*f).f_locals == (*f).f_globals && (*f).f_locals == main_dict(py) }
}

/// Writes the frames and all that they reach.
///
/// # Safety
/// E1, E2: `found` was found in this very call; nothing returned to Python since.
unsafe fn write_stack(
    encoder: &mut Encoder<'_>,
    found: &[Found],
    handled: Object,
    options: &CaptureOptions<'_>,
    dropped: &[(usize, usize)],
) -> Result<(), Failure> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        // A function that is found by its name has the globals of an imported module. The first value of
        // its frame is written here, to look for it once.
        let mut named = std::mem::take(&mut encoder.work.named);
        named.clear();
        for f in found {
            let function = (*f.frame).function().cast::<ffi::PyFunctionObject>();
            let value = encoder.named_value(function)?;
            if value.is_none() {
                encoder.ask_for_globals((*f.frame).f_globals, f.code)?;
            }
            named.push(value);
        }
        encoder.write_spaces()?;
        let mut total = usize::from(!handled.is_null());
        for f in found {
            total += FRAME_HEAD as usize + f.depth;
        }
        let base = encoder.reserve(total)?;
        let mut at = base;
        for f in found {
            let nlocals = frame::nlocalsplus(f.code.cast());
            let names = RootNames {
                first: at,
                nlocals: nlocals as u32,
                nstack: (f.depth - nlocals) as u32,
                code: f.code,
            };
            encoder.add_root(names);
            let code = encoder.code_index(f.code)?;
            encoder.out.frames.push(Frame {
                code,
                instr: f.instr,
                return_offset: f.return_offset,
                flags: f.flags,
                first: at,
                nlocals: nlocals as u32,
                nstack: (f.depth - nlocals) as u32,
                reserved: 0,
            });
            at += FRAME_HEAD + f.depth as u32;
        }
        let excluded = excluded(encoder, found, options)?;
        // A borrowed object has more holders than references: it is given one more, so that the walk sees
        // that it is shared.
        for f in found {
            for i in 0..f.depth {
                if (*f.frame).borrows(i) {
                    encoder.keep((*f.frame).slot(i).object());
                }
            }
        }
        at = base;
        // The part of the run in which something is left to write.
        let (mut first, mut end) = (u32::MAX, 0);
        let mut pending = |slot: u32, left: bool| {
            if left {
                first = first.min(slot);
                end = slot + 1;
            }
        };
        for (number, f) in found.iter().enumerate() {
            match named[number] {
                Some(value) => encoder.out.values[at as usize] = value,
                None => pending(at, encoder.put((*f.frame).function(), at)?),
            }
            let locals = (*f.frame).f_locals;
            if !locals.is_null() {
                pending(at + 1, encoder.put(locals, at + 1)?);
            }
            for i in 0..f.depth {
                let place = at + FRAME_HEAD + i as u32;
                let value = match (*f.frame).slot(i) {
                    Slot::Object(value) if !dropped.contains(&(number, i)) => value,
                    Slot::Int(n) => {
                        encoder.out.values[place as usize] = Value::atom(tag::TAGGED_INT, n as u64);
                        continue;
                    }
                    _ => continue,
                };
                if excluded.contains(&(number, i)) {
                    encoder.out.values[place as usize].flags = flag::LEFT_OUT;
                } else {
                    pending(place, encoder.put(value, place)?);
                }
            }
            at += FRAME_HEAD + f.depth as u32;
        }
        encoder.work.named = named;
        if !handled.is_null() {
            encoder.out.handled = Some(at);
            pending(at, encoder.put(handled, at)?);
        }
        if end == 0 {
            return Ok(());
        }
        encoder.open(ROOT, first, end - first, u32::MAX, None);
        encoder.drain()
    }
}
