//! CPython 3.15: the layout of a frame and what is particular about it.
//!
//! Every version has one such file with the same items; `diff` two of them to see what a version
//! changed. Numbers come from the version's own headers and are compared with them by
//! `tests/layout.rs`; `check.rs` tests them again in the running interpreter. Check on every Python.

use super::hidden::Hiding;
use super::{Owner, Slot, Word};
use pyo3::ffi::{PyCodeObject, PyObject, PyThreadState};
use std::mem::offset_of;

/// `_PyInterpreterFrame`, Include/internal/pycore_interpframe_structs.h.
#[repr(C)]
pub struct InterpreterFrame {
    f_executable: Word,
    pub previous: *mut InterpreterFrame,
    f_funcobj: Word,
    pub f_globals: *mut PyObject,
    pub f_builtins: *mut PyObject,
    pub f_locals: *mut PyObject,
    pub frame_obj: *mut PyObject,
    instr_ptr: *mut u16,
    stackpointer: *mut Word,
    return_offset: u16,
    owner: u8,
    visited: u8,
    pub(super) localsplus: [Word; 1],
}

// The size and the ends of what was declared, at build time.
const _: () = assert!(
    size_of::<InterpreterFrame>() == 88
        && offset_of!(InterpreterFrame, owner) == 74
        && offset_of!(InterpreterFrame, localsplus) == 80
);

/// Offsets of fields in structs that are too large or too private to declare, in bytes.
pub mod offset {
    pub const THREAD_EVAL_BREAKER: usize = 24;
    pub const THREAD_CURRENT_FRAME: usize = 72;
    pub const THREAD_RECURSION_REMAINING: usize = 52;
    pub const THREAD_EXC_INFO: usize = 144;
    pub const THREAD_DATASTACK: usize = 256;
    pub const THREAD_CONTEXT: usize = 232;
    pub const THREAD_ID: usize = 176;
    pub const THREAD_TRACE_FUNCTION: usize = 112;
    pub const THREAD_TRACE_OBJECT: usize = 128;
    pub const CODE_FIRST_TRACEABLE: usize = 192;
    pub const CODE_NLOCALSPLUS: usize = 72;
    pub const CODE_FLAGS: usize = 48;
    pub const CODE_STACKSIZE: usize = 64;
    pub const CODE_FRAMESIZE: usize = 76;
    pub const CODE_ADAPTIVE: usize = 208;
    pub const CODE_LOCALSPLUS_NAMES: usize = 96;
    pub const CODE_LOCALSPLUS_KINDS: usize = 104;
    pub const CODE_INSTRUMENTATION_VERSION: usize = 168;
    pub const CODE_MONITORING: usize = 176;
    pub const TUPLE_ITEMS: usize = 32;
    pub const GENERATOR_NAME: usize = 24;
    pub const FRAME_OBJECT_FRAME: usize = 24;
    pub const FRAME_OBJECT_DATA: usize = 72;
    pub const TEXT_STATE: usize = 32;
    /// Bits of a text's state: compact and ASCII; interned.
    pub const TEXT_PLAIN: u32 = 0x60;
    pub const TEXT_INTERNED: u32 = 3;
}

/// Private fields and what only this version has, for the comparison with its headers.
pub const OWN_OFFSETS: &[(&str, usize)] = &[
    ("thread.thread_id", offset::THREAD_ID),
    ("thread.c_tracefunc", offset::THREAD_TRACE_FUNCTION),
    ("thread.c_traceobj", offset::THREAD_TRACE_OBJECT),
    ("frame.function", offset_of!(InterpreterFrame, f_funcobj)),
    ("frame.stackpointer", offset_of!(InterpreterFrame, stackpointer)),
    ("frame.owner", offset_of!(InterpreterFrame, owner)),
    ("frame.localsplus", offset_of!(InterpreterFrame, localsplus)),
    ("frame.code", offset_of!(InterpreterFrame, f_executable)),
    ("frame.instruction", offset_of!(InterpreterFrame, instr_ptr)),
    ("frame.return_offset", offset_of!(InterpreterFrame, return_offset)),
    ("thread.eval_breaker", offset::THREAD_EVAL_BREAKER),
    ("thread.current_frame", offset::THREAD_CURRENT_FRAME),
    ("code.framesize", offset::CODE_FRAMESIZE),
    ("frame_object.f_frame", offset::FRAME_OBJECT_FRAME),
    ("frame_object.data", offset::FRAME_OBJECT_DATA),
    ("code.instrumentation_version", offset::CODE_INSTRUMENTATION_VERSION),
    ("code.monitoring", offset::CODE_MONITORING),
    ("text.state", offset::TEXT_STATE),
    ("text.plain", offset::TEXT_PLAIN as usize),
    ("text.interned", offset::TEXT_INTERNED as usize),
];

/// The minor version that this file describes.
pub const MINOR: u32 = 15;
/// Instructions that call a function and do nothing else with its result: CALL, CALL_KW, CALL_FUNCTION_EX.
pub const CALLS: &[u8] = &[50, 53, 4];
pub const CALL_FUNCTION_EX: u8 = 4;

/// How a generator's states are numbered: created, suspended, delegating, running, cleared.
pub const GENERATOR_STATES: [i8; 5] = [0, 1, 2, 4, 5];
/// Whether a generator that is called from C or from Python always runs in an evaluation loop of its own.
pub const GENERATORS_RUN_APART: bool = false;
/// Whether an exception that comes into a frame has its handler looked up one unit before the instruction.
pub const HANDLER_IS_BEHIND: bool = true;
/// How tools are kept from hearing of hidden frames.
pub const HIDING: Hiding = Hiding { flag: 0x200_0000, record: Some(offset::CODE_MONITORING), traced: false };
/// A frame's header in pointers.
pub const HEADER_WORDS: usize = 10;

/// The innermost frame of the running thread, NULL if no Python code runs.
///
/// # Safety
/// Invariant E1: `thread` is the running thread's state.
pub unsafe fn current_frame(thread: *mut PyThreadState) -> *mut InterpreterFrame {
    // SAFETY: invariant E1: `thread` is the running thread's state, the offsets are this version's.
    unsafe { *thread.byte_add(offset::THREAD_CURRENT_FRAME).cast() }
}

/// Makes `frame` the innermost frame of the running thread.
///
/// # Safety
/// As for [`current_frame`]; the evaluation loop that runs expects `frame`.
pub unsafe fn set_current_frame(thread: *mut PyThreadState, frame: *mut InterpreterFrame) {
    // SAFETY: as in `current_frame`.
    unsafe { *thread.byte_add(offset::THREAD_CURRENT_FRAME).cast() = frame }
}

/// The evaluation loop itself clears the frame that was passed to it.
///
/// # Safety
/// None: nothing is done.
pub unsafe fn finish_entry(_: *mut PyThreadState, _: *mut InterpreterFrame) {}

impl InterpreterFrame {
    pub fn code(&self) -> *mut PyCodeObject {
        self.f_executable.object().cast()
    }

    /// The function that the frame runs; NULL or None where it has none.
    pub fn function(&self) -> *mut PyObject {
        self.f_funcobj.object()
    }

    pub fn owner(&self) -> Owner {
        match self.owner {
            0 => Owner::Thread,
            1 => Owner::Generator,
            2 => Owner::FrameObject,
            _ => Owner::Entry,
        }
    }

    /// The frame that called this one, and whether C code lies between them: every entry into the
    /// evaluation loop from C puts a frame of its own, without code, in between.
    pub fn caller(&self) -> (*mut InterpreterFrame, bool) {
        let mut frame = self.previous;
        let mut through_c = false;
        // SAFETY: invariant E2: the chain of `previous` is live down to NULL.
        while let Some(f) = unsafe { frame.as_ref() } {
            if f.owner() != Owner::Entry {
                break;
            }
            through_c = true;
            frame = f.previous;
        }
        (frame, through_c)
    }

    /// Where the frame stands: the instruction that runs, or is about to.
    ///
    /// # Safety
    /// Invariant E2: the frame is live.
    pub unsafe fn instruction(&self) -> *mut u16 {
        self.instr_ptr
    }

    /// # Safety
    /// `at` is a unit of the frame's code.
    pub unsafe fn set_instruction(&mut self, at: *mut u16) {
        self.instr_ptr = at;
    }

    /// Makes the frame stand at the instruction that it runs next, or at which it raises.
    ///
    /// # Safety
    /// `at` is a unit of the frame's code.
    pub unsafe fn set_next_instruction(&mut self, at: *mut u16, _raise: bool) {
        self.instr_ptr = at;
    }

    /// Code units that a callee's return skips.
    pub fn return_offset(&self) -> u32 {
        u32::from(self.return_offset)
    }

    /// Values in localsplus, locals included. While the frame's own instruction runs in C, what that
    /// instruction works on is among them. `None` while the evaluation loop itself has the frame.
    pub fn depth(&self) -> Option<usize> {
        if self.stackpointer.is_null() {
            return None;
        }
        // SAFETY: invariant E2: the pointer lies in this frame's slots.
        usize::try_from(unsafe { self.stackpointer.offset_from(self.localsplus.as_ptr()) }).ok()
    }

    /// # Safety
    /// The frame is being built; `depth` slots are filled.
    pub unsafe fn set_depth(&mut self, depth: usize) {
        // SAFETY: as the caller promises, the slots are there.
        self.stackpointer = unsafe { self.localsplus.as_mut_ptr().add(depth) };
    }

    /// Fills everything but the slots and their number. `function` and `code` become references of the frame.
    ///
    /// # Safety
    /// The frame is being built: its memory is the caller's.
    pub unsafe fn start(&mut self, function: *mut PyObject, code: *mut PyObject, to: u32) {
        // SAFETY: both are live, and the frame takes the references over.
        unsafe {
            self.f_funcobj = Word::store(Slot::Object(function));
            self.f_executable = Word::store(Slot::Object(code));
        }
        self.return_offset = to as u16;
        self.owner = 0;
        self.visited = 0;
    }

    /// The loop whose FOR_ITER is at `start` is over: what is returned to this frame lands at `end`. Returns the
    /// iterator, where it has to be taken off and the instruction executed again on an empty one.
    ///
    /// # Safety
    /// E2: the frame waits in that instruction, its iterator on top of its stack.
    pub unsafe fn end_loop(&mut self, _start: u32, end: u32) -> Option<*mut PyObject> {
        // SAFETY: as the caller promises.
        self.return_offset = (end - unsafe { self.instruction_index() }) as u16;
        None
    }

    /// What is returned to this frame next is what its SEND got from one step: it goes on at `next`.
    ///
    /// # Safety
    /// E2: the frame waits in that instruction, what it awaits on top of its stack.
    pub unsafe fn await_yields(&mut self, next: u32) {
        // SAFETY: as the caller promises.
        self.return_offset = (next - unsafe { self.instruction_index() }) as u16;
    }

    /// What is returned to this frame next is the result of what its SEND awaits: it goes on at `end`. Returns
    /// what has to be dropped.
    ///
    /// # Safety
    /// As for [`await_yields`](Self::await_yields).
    pub unsafe fn await_ends(&mut self, end: u32) -> Option<*mut PyObject> {
        // SAFETY: as the caller promises.
        unsafe { self.goes_on_at(end) };
        None
    }

    /// What is returned to this frame next lands at `unit`.
    ///
    /// # Safety
    /// E2: the frame waits for a call, and its evaluation stack is as it has to be there, but for the result.
    pub unsafe fn goes_on_at(&mut self, unit: u32) {
        // SAFETY: as the caller promises.
        self.return_offset = (unit - unsafe { self.instruction_index() }) as u16;
    }

    /// Takes the place of `other`, the frame with which an evaluation loop was entered: it leaves with this one.
    /// The loop itself has a frame of its own below.
    ///
    /// # Safety
    /// E2: `other` runs in that loop; this frame is linked outside of it.
    pub unsafe fn enter_for(&mut self, other: *mut InterpreterFrame) {
        // SAFETY: as the caller promises.
        self.previous = unsafe { (*other).previous };
    }

    /// The frame lies in a generator, coroutine or async generator.
    ///
    /// # Safety
    /// It does.
    pub unsafe fn belong_to_generator(&mut self) {
        self.owner = 1;
    }

    /// The frame lies in a frame object.
    ///
    /// # Safety
    /// It does.
    pub unsafe fn belong_to_object(&mut self) {
        self.owner = 2;
    }
}

/// The code unit at which a frame goes on that stands at `instr`: a returned or sent value is on its stack.
pub fn landing(instr: u32) -> u32 {
    instr
}

/// Where a frame stands (instruction, return offset) that goes on at `next`, after its instruction at `start`.
pub fn place_after(start: u32, next: u32) -> (u32, u32) {
    (start, next - start)
}

/// Where a frame stands whose loop or await over a running generator, at `start`, goes on at `next` with what
/// is yielded and at `end` with what is returned.
pub fn place_over(start: u32, _next: u32, end: u32) -> (u32, u32) {
    (start, end - start)
}

/// The instruction at which a frame stands whose instruction at `start` is executed once a result is pushed.
pub fn place_before(start: u32) -> u32 {
    start
}

/// Makes a new generator the owner of a reference to `code`, which it runs.
///
/// # Safety
/// `generator` is being made; `code` is a live code object.
pub unsafe fn hold_code(generator: *mut PyObject, code: *mut PyObject) {
    // SAFETY: invariant E1: the frame inside of it has the code, before and after it ran.
    unsafe {
        let code = pyo3::ffi::Py_NewRef(code);
        (*super::generator::fields(generator).frame()).f_executable = Word::store(Slot::Object(code));
    }
}

/// The code that a generator runs, or ran.
///
/// # Safety
/// `generator` is a live generator, coroutine or async generator.
pub unsafe fn generator_code(generator: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { (*super::generator::fields(generator).frame()).code().cast() }
}

/// Size of a frame of `code` on the data stack, in pointers.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn frame_words(code: *mut PyCodeObject) -> usize {
    // SAFETY: invariant E1.
    unsafe { *code.byte_add(offset::CODE_FRAMESIZE).cast::<i32>() as usize }
}

/// Whether the code's instrumentation is not what tools ask for now. The interpreter compares the same two
/// numbers when it enters a function.
///
/// # Safety
/// Invariant E1: `thread` is the running thread's state, `code` a live code object.
pub unsafe fn is_instrumentation_stale(thread: *mut PyThreadState, code: *mut PyCodeObject) -> bool {
    // SAFETY: invariant E1.
    unsafe {
        // The low byte has the flags of the eval breaker.
        let wanted = *thread.byte_add(offset::THREAD_EVAL_BREAKER).cast::<usize>() & !0xff;
        wanted != *code.byte_add(offset::CODE_INSTRUMENTATION_VERSION).cast::<usize>()
    }
}

/// Whether a text object's characters lie behind its header as ASCII, and whether it is interned.
#[inline(always)]
/// # Safety
/// `text` is a live exact `str`.
pub unsafe fn text_is_plain(text: *mut PyObject) -> (bool, bool) {
    // SAFETY: the caller passes an exact `str`; invariant E1.
    let state = unsafe { *text.byte_add(offset::TEXT_STATE).cast::<u32>() };
    (state & offset::TEXT_PLAIN == offset::TEXT_PLAIN, state & offset::TEXT_INTERNED != 0)
}

/// What a range iterator has left: first value, step, number of values.
///
/// # Safety
/// `iterator` is a live exact range iterator.
pub unsafe fn range_rest(iterator: *mut PyObject) -> (i64, i64, i64) {
    // SAFETY: the caller passes an exact range iterator: `long start, step, len` (pycore_range.h).
    unsafe {
        let field = |i: usize| *iterator.byte_add(16 + 8 * i).cast::<i64>();
        (field(0), field(1), field(2))
    }
}

/// Where a list or tuple iterator has its position.
pub const ITERATOR_INDEX: usize = 16;

/// The container that a list or tuple iterator runs over (NULL when it is exhausted), and its position.
///
/// # Safety
/// `iterator` is a live exact list or tuple iterator.
pub unsafe fn sequence_iterator(iterator: *mut PyObject) -> (*mut PyObject, isize) {
    // SAFETY: the caller passes an exact list or tuple iterator: `Py_ssize_t it_index; it_seq`.
    unsafe {
        (*iterator.byte_add(24).cast::<*mut PyObject>(), *iterator.byte_add(ITERATOR_INDEX).cast::<isize>())
    }
}
