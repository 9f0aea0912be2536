//! The C functions between two evaluation loops: which kinds of calls they can be.
//!
//! Before CPython 3.14 the operands of an instruction may be gone while C code that it called, or that runs
//! after that, calls Python code (destructors, callbacks, signal handlers). Whether the called function is
//! still running, only the C stack says: the start addresses of the functions in it, from one evaluation
//! loop to the next. They are learnt by making every kind of call, cold and warm; a sequence that was not
//! met in any lesson is refused.

use crate::error::Failure;
use crate::frame::{self, InterpreterFrame};
use crate::runtime::Runtime;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyList, PyTuple};
use rustc_hash::FxBuildHasher;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, PoisonError};

type Callback = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;

extern "C" {
    fn _Unwind_Backtrace(callback: Callback, argument: *mut c_void) -> c_int;
    fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
}

/// Start addresses of C functions, innermost first.
type Gap = Vec<usize>;

static KNOWN: Mutex<HashMap<Gap, Vec<String>, FxBuildHasher>> =
    Mutex::new(HashMap::with_hasher(FxBuildHasher));

/// More C functions than lie in the gaps that are looked at.
const MOST_FUNCTIONS: usize = 1 << 16;
/// A gap longer than this is no single call.
const LONGEST: usize = 24;

struct Search {
    wanted: usize,
    loops: usize,
    seen: usize,
    gap: Gap,
    complete: bool,
}

unsafe extern "C" fn visit(context: *mut c_void, argument: *mut c_void) -> c_int {
    const CONTINUE: c_int = 0;
    const STOP: c_int = 4;
    // SAFETY: the unwinder passes its context and our argument.
    unsafe {
        let search = &mut *argument.cast::<Search>();
        search.seen += 1;
        let start = _Unwind_GetRegionStart(context);
        if start == frame::_PyEval_EvalFrameDefault as *const () as usize {
            if search.loops > search.wanted {
                search.complete = true;
                return STOP;
            }
            search.loops += 1;
            return CONTINUE;
        }
        if search.loops > search.wanted {
            search.gap.push(start);
        }
        if search.seen > MOST_FUNCTIONS || search.gap.len() > LONGEST {
            return STOP;
        }
        CONTINUE
    }
}

/// The functions between evaluation loop `wanted`, counted from the innermost, and the next one.
fn gap(wanted: usize) -> Option<Gap> {
    let mut search = Search { wanted, loops: 0, seen: 0, gap: Vec::new(), complete: false };
    // SAFETY: the callback only reads.
    unsafe { _Unwind_Backtrace(visit, (&raw mut search).cast()) };
    search.complete.then_some(search.gap)
}

fn kinds_of(gap: &Gap) -> Option<Vec<String>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(gap).cloned()
}

/// The kinds of calls that the C code between `callee` and its caller can be.
///
/// # Safety
/// E1, E2: `callee` is on the running thread's stack, the innermost Python frame of that C code.
pub(crate) unsafe fn kinds_between<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    callee: *mut InterpreterFrame,
) -> Result<Bound<'py, PyList>, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let mut crossed = 0;
        let mut f = frame::current_frame(ffi::PyThreadState_Get());
        while !f.is_null() && f != callee {
            let (caller, through_c) = (*f).caller();
            crossed += usize::from(through_c);
            f = caller;
        }
        let Some(gap) = gap(crossed) else { return Ok(PyList::empty(py)) };
        let mut kinds = kinds_of(&gap);
        if kinds.is_none() && lesson_is_due(py, runtime)? {
            let lessons = runtime.kind_lessons.bind(py);
            runtime.engine.bind(py).getattr("learn_kinds")?.call1((lessons, noter(py)?))?;
            kinds = kinds_of(&gap);
            if kinds.is_none() {
                runtime.engine.bind(py).getattr("learn_nested")?.call1((noter(py)?,))?;
                kinds = kinds_of(&gap);
            }
        }
        Ok(PyList::new(py, kinds.unwrap_or_default())?)
    }
}

/// Tracers and profilers put functions of their own into calls: what was learnt without them does not hold.
fn lesson_is_due(py: Python<'_>, runtime: &Runtime) -> PyResult<bool> {
    runtime.engine.bind(py).getattr("lesson_due")?.call1((runtime.kind_lessons.bind(py),))?.is_truthy()
}

/// `note(kind)`, called by the Python function that C code of this kind called; `note(kind, n)`, called n evaluation
/// loops above that one.
fn noter(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    PyCFunction::new_closure(py, None, None, |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let kind: String = args.get_item(0)?.extract()?;
        let loops: usize = args.get_item(1).and_then(|n| n.extract()).unwrap_or(0);
        // SAFETY: E1, E2: the frame that called this is live.
        let through_c = unsafe {
            let f = frame::current_frame(ffi::PyThreadState_Get());
            !f.is_null() && (*f).caller().1
        };
        if through_c {
            if let Some(gap) = gap(loops) {
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
