//! Step "frame" of the flow: live frames of the running interpreter.
//!
//! Owns every fact about CPython's frames. One file per version has the layout (`v3_*.rs`, all with
//! the same items); what they have in common is here. Nothing outside of `frame/` dereferences a
//! frame or names a version. It must never run Python code: a frame that is being looked at may not
//! move.

pub mod check;
pub mod datastack;
#[cfg_attr(Py_3_12, path = "dict_watch.rs")]
#[cfg_attr(not(Py_3_12), path = "dict_version.rs")]
pub mod dicts;
pub mod generator;
mod hidden;
#[cfg(Py_3_12)]
mod loops;
pub mod object;
mod slot;
#[cfg(Py_3_12)]
mod trace;

#[cfg(not(Py_3_14))]
#[path = "pointer.rs"]
mod word;
#[cfg(Py_3_14)]
#[path = "stackref.rs"]
mod word;

#[cfg(all(Py_3_11, not(Py_3_12)))]
#[path = "v3_11.rs"]
mod version;
#[cfg(all(Py_3_12, not(Py_3_13)))]
#[path = "v3_12.rs"]
mod version;
#[cfg(all(Py_3_13, not(Py_3_14)))]
#[path = "v3_13.rs"]
mod version;
#[cfg(all(Py_3_14, not(Py_3_15)))]
#[path = "v3_14.rs"]
mod version;
#[cfg(all(Py_3_15, not(Py_3_16)))]
#[path = "v3_15.rs"]
mod version;
#[cfg(any(not(Py_3_11), Py_3_16))]
compile_error!("torpor knows the frames of CPython 3.11 to 3.15; set PYO3_PYTHON to one of them");

pub use hidden::{hide, is_hidden};
#[cfg(Py_3_12)]
pub use loops::{loop_around, loop_of};
pub use slot::Slot;
#[cfg(Py_3_12)]
pub use trace::TraceSlot;
pub use version::offset;
pub use version::{
    current_frame, finish_entry, frame_words, generator_code, hold_code, is_instrumentation_stale, landing,
    place_after, place_before, place_over, range_rest, sequence_iterator, set_current_frame, text_is_plain,
    InterpreterFrame, CALLS, CALL_FUNCTION_EX, GENERATORS_RUN_APART, GENERATOR_STATES, HANDLER_IS_BEHIND,
    HEADER_WORDS, HIDING, ITERATOR_INDEX, MINOR, OWN_OFFSETS,
};
#[cfg(not(Py_3_12))]
pub use version::{loop_around, loop_of, TraceSlot};
use word::Word;
pub use word::{OWN_WORDS, TAGGED_INTS};

use pyo3::ffi::{PyCodeObject, PyInterpreterState, PyObject, PyThreadState};

/// What runs frames that C code calls.
pub type Evaluator =
    unsafe extern "C" fn(*mut PyThreadState, *mut InterpreterFrame, std::ffi::c_int) -> *mut PyObject;

extern "C" {
    /// A new reference to the bytecode as compiled, neither specialised nor instrumented.
    pub fn PyCode_GetCode(code: *mut PyCodeObject) -> *mut PyObject;
    /// Runs a frame in an evaluation loop of its own; with `throw` it begins with the exception that is set.
    pub fn _PyEval_EvalFrameDefault(
        thread: *mut PyThreadState,
        frame: *mut InterpreterFrame,
        throw: std::ffi::c_int,
    ) -> *mut PyObject;
    /// Sends to a generator, or begins it. Returns 1 with what it yields, 0 with what it returns, -1 with an exception.
    pub fn PyIter_Send(
        generator: *mut PyObject,
        value: *mut PyObject,
        result: *mut *mut PyObject,
    ) -> std::ffi::c_int;
    pub fn _PyInterpreterState_GetEvalFrameFunc(interpreter: *mut PyInterpreterState) -> Evaluator;
    pub fn _PyInterpreterState_SetEvalFrameFunc(interpreter: *mut PyInterpreterState, evaluator: Evaluator);
    pub fn PyMethod_Function(method: *mut PyObject) -> *mut PyObject;
    pub static mut PyEnum_Type: pyo3::ffi::PyTypeObject;
    pub static mut PyMethod_Type: pyo3::ffi::PyTypeObject;
    pub static mut PyRangeIter_Type: pyo3::ffi::PyTypeObject;
    pub static mut PyListIter_Type: pyo3::ffi::PyTypeObject;
    pub static mut PyTupleIter_Type: pyo3::ffi::PyTypeObject;
}

/// Who owns a frame's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The thread's data stack: an ordinary call.
    Thread,
    /// A generator, coroutine or async generator.
    Generator,
    /// A frame object whose call is over.
    FrameObject,
    /// The interpreter's own entry frame: a call from C.
    Entry,
}

impl InterpreterFrame {
    /// Where the frame stands, in code units from the start of its code.
    ///
    /// # Safety
    /// Invariant E2: the frame is live and has a code object.
    pub unsafe fn instruction_index(&self) -> u32 {
        // SAFETY: invariant E2.
        unsafe { self.instruction().offset_from(code_units(self.code())) as u32 }
    }

    /// Whether the frame has a function and globals (the trampoline under `__init__` has not).
    pub fn has_function(&self) -> bool {
        let function = self.function();
        // SAFETY: None is a static object.
        !function.is_null() && function != unsafe { pyo3::ffi::Py_None() }
    }
}

/// The live frame that a frame object shows.
///
/// # Safety
/// `object` is a live frame object whose call is not over.
pub unsafe fn frame_of(object: *mut PyObject) -> *mut InterpreterFrame {
    // SAFETY: invariant E1.
    unsafe { *object.byte_add(offset::FRAME_OBJECT_FRAME).cast() }
}

/// The value of an `int` that fits in 64 bits.
///
/// # Safety
/// `object` is a live exact `int`; the GIL is held.
#[inline(always)]
pub unsafe fn small_int(object: *mut PyObject) -> Option<i64> {
    // SAFETY: invariant E1: behind the header the count of digits with the sign, then the digits (longintrepr.h).
    unsafe {
        let count = *object.byte_add(16).cast::<isize>();
        let digit = i64::from(*object.byte_add(24).cast::<u32>());
        // At most one digit: the sign is in the count's own sign, or in its low bits (0: +, 1: zero, 2: -).
        if MINOR < 12 {
            if count.unsigned_abs() <= 1 {
                return Some(count as i64 * digit);
            }
        } else if count < 16 {
            return Some((1 - (count & 3) as i64) * digit);
        }
        let mut overflow = 0;
        let n = pyo3::ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow);
        (overflow == 0).then_some(n)
    }
}

/// As [`InterpreterFrame::caller`], for the stack of a suspended greenlet. From 3.12 on entry frames lie on the C
/// stack, which may be elsewhere while a greenlet is suspended; so greenlet leads `previous` around them, and
/// keeps what it was in the frame object. `None` if it did not.
///
/// # Safety
/// `frame` is a frame of a suspended greenlet.
pub unsafe fn suspended_caller(frame: *mut InterpreterFrame) -> Option<(*mut InterpreterFrame, bool)> {
    // SAFETY: invariant E1; E10.
    unsafe {
        if MINOR < 12 {
            return Some((*frame).caller());
        }
        let object = (*frame).frame_obj;
        if object.is_null() {
            return None;
        }
        let before = *object.byte_add(offset::FRAME_OBJECT_DATA).cast::<*mut InterpreterFrame>();
        let caller = (*frame).previous;
        Some((caller, before != caller))
    }
}

/// The code units of a code object as they run (specialised, instrumented).
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn code_units(code: *mut PyCodeObject) -> *mut u16 {
    // SAFETY: invariant E1.
    unsafe { code.byte_add(offset::CODE_ADAPTIVE).cast() }
}

/// How many code units a code object has.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn code_length(code: *mut PyCodeObject) -> usize {
    // SAFETY: code objects are variable-size objects counted in code units.
    unsafe { pyo3::ffi::Py_SIZE(code.cast()) as usize }
}

/// Slots of a code object's localsplus.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn nlocalsplus(code: *mut PyCodeObject) -> usize {
    // SAFETY: invariant E1.
    unsafe { *code.byte_add(offset::CODE_NLOCALSPLUS).cast::<i32>() as usize }
}

/// Slots of a frame of `code`: locals and evaluation stack.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn frame_slots(code: *mut PyCodeObject) -> usize {
    // SAFETY: as the caller promises.
    unsafe { nlocalsplus(code) + stack_size(code) }
}

/// `co_flags`.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn code_flags(code: *mut PyCodeObject) -> i32 {
    // SAFETY: invariant E1.
    unsafe { *code.byte_add(offset::CODE_FLAGS).cast::<i32>() }
}

/// Whether localsplus slot `slot` of `code` always holds a cell. (Variables of an inlined comprehension,
/// which are hidden, get theirs when it begins.)
///
/// # Safety
/// `code` is a live code object, `slot` one of its locals.
pub unsafe fn is_cell_slot(code: *mut PyCodeObject, slot: usize) -> bool {
    const HIDDEN: u8 = 0x10;
    const CELL_OR_FREE: u8 = 0xc0;
    // SAFETY: invariant E1: localspluskinds is a bytes object with a byte for each slot.
    unsafe {
        let kinds = *code.byte_add(offset::CODE_LOCALSPLUS_KINDS).cast::<*mut PyObject>();
        let kind = *pyo3::ffi::PyBytes_AsString(kinds).cast::<u8>().add(slot);
        kind & CELL_OR_FREE != 0 && kind & HIDDEN == 0
    }
}

/// Evaluation stack that a code object may use.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn stack_size(code: *mut PyCodeObject) -> usize {
    // SAFETY: invariant E1.
    unsafe { *code.byte_add(offset::CODE_STACKSIZE).cast::<i32>() as usize }
}

/// Where a frame of `code` that runs nowhere has to stand to count as begun: the interpreter shows no others.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn begun(code: *mut PyCodeObject) -> *mut u16 {
    // SAFETY: invariant E1: a code object has an instruction behind the first one that is traced.
    unsafe { code_units(code).add(*code.byte_add(offset::CODE_FIRST_TRACEABLE).cast::<i32>() as usize + 1) }
}

/// The interpreter's stack of handled exceptions: `_PyErr_StackItem`, the same in every version.
#[repr(C)]
pub struct HandledItem {
    pub value: *mut PyObject,
    pub previous: *mut HandledItem,
}

/// The word that points to the innermost handled exception of a thread.
///
/// # Safety
/// Invariant E1: `thread` is the running thread's state.
pub unsafe fn handled(thread: *mut PyThreadState) -> *mut *mut HandledItem {
    // SAFETY: invariant E1.
    unsafe { thread.byte_add(offset::THREAD_EXC_INFO).cast() }
}

/// How many Python calls the thread may still nest.
///
/// # Safety
/// Invariant E1: `thread` is the running thread's state.
pub unsafe fn recursion_remaining(thread: *mut PyThreadState) -> *mut i32 {
    // SAFETY: invariant E1.
    unsafe { thread.byte_add(offset::THREAD_RECURSION_REMAINING).cast() }
}
