//! Frames that stand at an instruction: stopped before it ran, by a callback of the interpreter's own.
//!
//! The rule: the C stack says from where in its evaluation loop the frame was left. The calls that the
//! loop makes for a line or instruction event come before the instruction does anything, so it can be
//! run from its start; likewise where the loop looks for signals, in the two instructions that do
//! nothing before. Their return addresses are learnt by being stopped in each of these ways. Any other
//! address (an instruction's own work, an exception, a return) is not a stop.
//!
//! The depth of the evaluation stack is a static fact of the bytecode, and where the frame has a
//! valid depth of its own the two must agree.

use crate::c_stack;
use crate::error::Failure;
use crate::found::{unsupported, Found};
use crate::frame::{self, InterpreterFrame, Owner};
use crate::runtime::Runtime;
use crate::values::Object;
use crate::watch;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use rustc_hash::FxBuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use torpor_store::frame::Frame;

/// What a return address in the evaluation loop says of the frame that runs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// The instruction has not begun.
    Any,
    /// It has not begun if it is one of those that only look for signals or report events.
    Restart,
    /// Neither: an event that comes after.
    Other,
}

static SITES: Mutex<HashMap<usize, Site, FxBuildHasher>> = Mutex::new(HashMap::with_hasher(FxBuildHasher));

/// Lessons that were held: one is enough, unless it was disturbed.
static EVENT_LESSONS: AtomicU32 = AtomicU32::new(0);
static TRACE_LESSONS: AtomicU32 = AtomicU32::new(0);
static BREAK_LESSONS: AtomicU32 = AtomicU32::new(0);
static LEARNING: AtomicBool = AtomicBool::new(false);
const MOST_LESSONS: u32 = 3;

fn known(address: usize) -> Option<Site> {
    SITES.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied()
}

fn learn_site(address: usize, site: Site) {
    let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    // A call that the compiler shares between kinds of stops says the least of them.
    let weaker = match (sites.get(&address), site) {
        (None, new) => new,
        (Some(old), new) if *old == new => new,
        (Some(Site::Other), _) | (_, Site::Other) => Site::Other,
        _ => Site::Restart,
    };
    sites.insert(address, weaker);
}

/// From where in its loop `f` was left.
///
/// # Safety
/// E1, E2; `f` is the innermost frame of its loop.
unsafe fn address_of(thread: *mut ffi::PyThreadState, f: *mut InterpreterFrame) -> Option<usize> {
    // SAFETY: as the caller promises.
    let marker = unsafe { frame::loop_of(thread, f) };
    if marker.is_null() {
        return None;
    }
    c_stack::return_address_at(marker)
}

/// How `f`, which called C code that runs Python code now, stands, if it is stopped at an instruction.
///
/// # Safety
/// E1, E2: `f` is a frame of the running thread, the innermost of its evaluation loop.
pub(crate) unsafe fn stopped(
    py: Python<'_>,
    runtime: &Runtime,
    thread: *mut ffi::PyThreadState,
    f: *mut InterpreterFrame,
) -> Result<Option<Found>, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        if !matches!((*f).owner(), Owner::Thread | Owner::Generator) || !(*f).has_function() {
            return Ok(None);
        }
        let Some(address) = address_of(thread, f) else { return Ok(None) };
        if known(address).is_none() {
            learn(py, runtime)?;
        }
        let site = match known(address) {
            None | Some(Site::Other) => return Ok(None),
            Some(site) => site,
        };
        let code: Object = (*f).code().cast();
        let unit = (*f).instruction_index();
        let Some((start, depth, restartable)) = stop_at(py, runtime, code, unit)? else {
            return Err(unsupported(py, f, "it cannot be begun again at this instruction"));
        };
        if site == Site::Restart && !restartable {
            return Err(unsupported(
                py,
                f,
                "it was stopped where it cannot be told whether its instruction has run; ask again, or use \
                 torpor.request()",
            ));
        }
        let depth = frame::nlocalsplus(code.cast()) + depth;
        if (*f).depth().is_some_and(|own| own != depth) {
            return Err(unsupported(py, f, "its evaluation stack is not what its instruction needs"));
        }
        let mut found = Found::live(f, start, 0, depth);
        found.flags |= Frame::AT_INSTRUCTION;
        Ok(Some(found))
    }
}

/// The first unit of the instruction at `unit`, the depth of the evaluation stack there, and whether it
/// is one that may be begun again.
fn stop_at(
    py: Python<'_>,
    runtime: &Runtime,
    code: Object,
    unit: u32,
) -> Result<Option<(u32, usize, bool)>, Failure> {
    // SAFETY: live code.
    let code = unsafe { Bound::from_borrowed_ptr(py, code) };
    Ok(runtime.engine.bind(py).getattr("stop_at")?.call1((code, unit))?.extract()?)
}

/// The depth of the evaluation stack where a frame of `code` may be begun again at `unit`.
pub(crate) fn depth_at(
    py: Python<'_>,
    runtime: &Runtime,
    code: Object,
    unit: u32,
) -> Result<Option<usize>, Failure> {
    Ok(stop_at(py, runtime, code, unit)?.filter(|(start, ..)| *start == unit).map(|(_, depth, _)| depth))
}

/// Is stopped in every way, so that the addresses become known.
#[cold]
pub(crate) fn learn(py: Python<'_>, runtime: &Runtime) -> Result<(), Failure> {
    // A signal handler may ask in the middle of a lesson.
    if LEARNING.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let engine = runtime.engine.bind(py);
    let learnt = (|| {
        if EVENT_LESSONS.fetch_add(1, Ordering::Relaxed) < MOST_LESSONS {
            engine.getattr("learn_events")?.call1((noter(py)?,))?;
        }
        if is_traced() && TRACE_LESSONS.fetch_add(1, Ordering::Relaxed) < MOST_LESSONS {
            engine.getattr("learn_traces")?.call1((noter(py)?,))?;
        }
        // Signals stop the main thread only, so this can be learnt there only.
        if BREAK_LESSONS.load(Ordering::Relaxed) < MOST_LESSONS
            && engine.getattr("learn_breaks")?.call1((noter(py)?,))?.is_truthy()?
        {
            BREAK_LESSONS.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })();
    LEARNING.store(false, Ordering::Relaxed);
    learnt
}

/// Whether the running thread has a trace function: compilers may give its lines a place of their own.
fn is_traced() -> bool {
    frame::TraceSlot::of_thread(watch::ident()).is_some_and(|slot| slot.get().0.is_some())
}

/// Learns, if that was never done.
pub(crate) fn prepare(py: Python<'_>, runtime: &Runtime) -> Result<(), Failure> {
    if EVENT_LESSONS.load(Ordering::Relaxed) > 0 {
        return Ok(());
    }
    learn(py, runtime)
}

/// `note(frame, kind)`: the frame object's frame is stopped in this way now.
fn noter(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    PyCFunction::new_closure(py, None, None, |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let (target, kind) = (args.get_item(0)?, args.get_item(1)?.extract::<u32>()?);
        let site = match kind {
            0 => Site::Any,
            1 => Site::Restart,
            _ => Site::Other,
        };
        // SAFETY: E1, E2: only the chain of the running thread is walked.
        unsafe {
            let thread = ffi::PyThreadState_Get();
            let mut f = frame::current_frame(thread);
            while !f.is_null() && (*f).frame_obj.cast::<ffi::PyObject>() != target.as_ptr() {
                f = (*f).caller().0;
            }
            if !f.is_null() {
                if let Some(address) = address_of(thread, f) {
                    learn_site(address, site);
                }
            }
        }
        PyResult::Ok(())
    })
}
