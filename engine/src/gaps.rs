//! The C functions between two evaluation loops: which kinds of calls they can be.
//!
//! Before CPython 3.14 the operands of an instruction may be gone while C code that it called, or that runs
//! after that, calls Python code (destructors, callbacks, signal handlers). Whether the called function is
//! still running, only the C stack says: the start addresses of the functions in it, from one evaluation
//! loop to the next. They are learnt by making every kind of call, cold and warm, a part of them at a time, until what
//! is known shows what an instruction did; a sequence that was not met in any lesson is refused.
//!
//! From 3.14 on that is asked where the interpreter has taken its operands away: of the set that a display makes.
//!
//! Iterators that step each other can be nested as deep as one likes. Their sequences are taken for what they are made
//! of: from the innermost to the outermost, each function must have been called by the next one in some lesson about
//! iterators, and the outermost by an evaluation loop in a lesson of the kind. In such a sequence nothing else can
//! have happened than steps: whatever runs destructors, callbacks or handlers is a function that no lesson met.

use crate::frame::{self, InterpreterFrame};
use crate::plan::OPERANDS_ARE_VALID;
use crate::runtime::Runtime;
use crate::throw;
use hashbrown::{HashMap, HashSet};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use rustc_hash::FxBuildHasher;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, PoisonError};

type Callback = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;

extern "C" {
    fn _Unwind_Backtrace(callback: Callback, argument: *mut c_void) -> c_int;
    fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

/// Start addresses of C functions, innermost first.
pub(crate) type Gap = Vec<usize>;

static KNOWN: Mutex<HashMap<Gap, Vec<String>, FxBuildHasher>> =
    Mutex::new(HashMap::with_hasher(FxBuildHasher));

/// What lessons about iterators met.
struct Steps {
    /// A function, and the one that called it; 0 stands for the inner evaluation loop.
    calls: HashSet<(usize, usize), FxBuildHasher>,
    /// The kinds of calls in which an evaluation loop called a function.
    ends: HashMap<usize, Vec<String>, FxBuildHasher>,
}

static STEPS: Mutex<Steps> = Mutex::new(Steps {
    calls: HashSet::with_hasher(FxBuildHasher),
    ends: HashMap::with_hasher(FxBuildHasher),
});

/// A gap longer than this is no single call.
const LONGEST: usize = 96;

struct Between {
    /// Places in the C frames of the two loops.
    inner: usize,
    outer: usize,
    gap: Gap,
    complete: bool,
}

unsafe extern "C" fn visit_between(context: *mut c_void, argument: *mut c_void) -> c_int {
    // SAFETY: the unwinder passes its context and our argument.
    unsafe {
        let search = &mut *argument.cast::<Between>();
        // The unwinder's CFA of a frame is where the frame that it called ended: the stack grows down.
        let called = _Unwind_GetCFA(context);
        if called > search.outer {
            search.gap.pop(); // the outer loop itself
            search.complete = true;
            return 4;
        }
        if called > search.inner {
            search.gap.push(_Unwind_GetRegionStart(context));
        }
        if search.gap.len() > LONGEST {
            return 4;
        }
        0
    }
}

/// The functions between two evaluation loops, by places in their C frames: wherever the compiler put the parts of the
/// loop. `None` if there is no such pair.
fn between(inner: *const u8, outer: *const u8) -> Option<Gap> {
    if inner.is_null() || outer <= inner {
        return None;
    }
    let mut search =
        Between { inner: inner as usize, outer: outer as usize, gap: Vec::new(), complete: false };
    // SAFETY: the callback only reads.
    unsafe { _Unwind_Backtrace(visit_between, (&raw mut search).cast()) };
    search.complete.then_some(search.gap)
}

/// The functions between evaluation loop `wanted`, counted from the innermost, and the next one.
///
/// # Safety
/// E1.
unsafe fn gap(wanted: usize) -> Option<Gap> {
    // SAFETY: E1, E2: the loops of the running thread, while it runs this.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        let around = |place| Some(frame::loop_around(thread, place)).filter(|place| !place.is_null());
        let loops = std::iter::successors(around(std::ptr::null()), |place| around(*place));
        let mut loops = loops.skip(wanted);
        between(loops.next()?, loops.next()?)
    }
}

/// The functions between the evaluation loop of `callee` and that of its caller.
///
/// # Safety
/// E1, E2: `callee` is on the running thread's stack, and entered from C.
unsafe fn gap_below(callee: *mut InterpreterFrame) -> Option<Gap> {
    // SAFETY: as the caller promises.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        between(frame::loop_of(thread, callee), frame::loop_of(thread, (*callee).caller().0))
    }
}

fn kinds_of(gap: &Gap) -> Option<Vec<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(gap).cloned()
}

/// Each function of a gap with the one that called it, the outermost aside.
fn calls_in(gap: &Gap) -> impl Iterator<Item = (usize, usize)> + '_ {
    std::iter::once(0).chain(gap.iter().copied()).zip(gap.iter().copied())
}

/// The kinds of a gap that is made of steps only.
fn kinds_of_steps(gap: &Gap) -> Option<Vec<String>> {
    let steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
    let ends = steps.ends.get(gap.last()?)?;
    calls_in(gap).all(|call| steps.calls.contains(&call)).then(|| ends.clone())
}

/// Takes a gap for what it is made of, if its kind is one of iterators that step each other.
fn note_steps(gap: &Gap, kind: &str) {
    let Some(last) = gap.last() else { return };
    let mut steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
    steps.calls.extend(calls_in(gap));
    let kinds = steps.ends.entry(*last).or_default();
    if !kinds.iter().any(|known| known == kind) {
        kinds.push(kind.to_owned());
    }
}

/// The C code between `callee` and its caller; `None` if that is not to be told.
///
/// # Safety
/// E1, E2: `callee` is on the running thread's stack, the innermost Python frame of that C code.
pub(crate) unsafe fn below(callee: *mut InterpreterFrame) -> Option<Gap> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        if OPERANDS_ARE_VALID {
            return gap_below(callee);
        }
        let mut crossed = 0;
        let thread = ffi::PyThreadState_Get();
        let mut f = frame::current_frame(thread);
        while !f.is_null() && f != callee {
            let (caller, through_c) = (*f).caller();
            crossed += usize::from(through_c && !throw::is_only_linked(thread, f));
            f = caller;
        }
        // It lies in the C code that runs what it delegates to.
        if !f.is_null() && throw::is_only_linked(thread, f) {
            crossed = crossed.saturating_sub(1);
        }
        gap(crossed)
    }
}

/// Which kinds of calls it can be, as far as the lessons that were held say.
pub(crate) fn kinds(gap: &Gap) -> Vec<String> {
    kinds_of(gap).or_else(|| kinds_of_steps(gap)).unwrap_or_default()
}

/// Holds more lessons, those that an instruction of this name is likely to need first; false if there are none.
///
/// Tracers and profilers put functions of their own into calls: what was learnt without them does not hold.
pub(crate) fn learn(py: Python<'_>, runtime: &Runtime, op: &str) -> PyResult<bool> {
    let learn = runtime.engine.bind(py).getattr("learn_next")?;
    learn.call1((runtime.kind_lessons.bind(py), noter(py)?, op))?.is_truthy()
}

/// `note(kind)`, called by the Python function that C code of this kind called; `note(kind, n)`, called n evaluation
/// loops above that one; `note(kind, 0, True)`, by iterators that step each other.
fn noter(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    PyCFunction::new_closure(py, None, None, |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let kind: String = args.get_item(0)?.extract()?;
        let loops: usize = args.get_item(1).and_then(|n| n.extract()).unwrap_or(0);
        let of_steps = args.len() > 2 && args.get_item(2)?.is_truthy()?;
        // SAFETY: E1, E2: the frame that called this is live.
        unsafe {
            let f = frame::current_frame(ffi::PyThreadState_Get());
            let through_c = !f.is_null() && (*f).caller().1;
            let gap = match OPERANDS_ARE_VALID {
                true if through_c && loops == 0 => gap_below(f),
                false if through_c => gap(loops),
                _ => None,
            };
            if let Some(gap) = gap {
                if of_steps {
                    note_steps(&gap, &kind);
                }
                let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
                let kinds = known.entry(gap).or_default();
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
        PyResult::Ok(())
    })
}
