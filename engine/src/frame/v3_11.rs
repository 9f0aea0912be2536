//! CPython 3.11: the layout of a frame and what is particular about it.
//!
//! Every version has one such file with the same items; `diff` two of them to see what a version
//! changed. Numbers come from the version's own headers and are compared with them by
//! `tests/layout.rs`; `check.rs` tests them again in the running interpreter. Check on every Python.

use super::{Owner, Word};
use pyo3::ffi::{PyASCIIObject, PyCodeObject, PyObject, PyThreadState, PyUnicode_IS_COMPACT_ASCII};
use std::mem::offset_of;

/// `_PyInterpreterFrame`, Include/internal/pycore_frame.h.
#[repr(C)]
pub struct InterpreterFrame {
    f_funcobj: *mut PyObject,
    pub f_globals: *mut PyObject,
    pub f_builtins: *mut PyObject,
    pub f_locals: *mut PyObject,
    f_code: *mut PyObject,
    pub frame_obj: *mut PyObject,
    pub previous: *mut InterpreterFrame,
    prev_instr: *mut u16,
    stacktop: i32,
    is_entry: bool,
    owner: u8,
    pub(super) localsplus: [Word; 1],
}

// The size and the ends of what was declared, at build time.
const _: () = assert!(
    size_of::<InterpreterFrame>() == 80
        && offset_of!(InterpreterFrame, owner) == 69
        && offset_of!(InterpreterFrame, localsplus) == 72
);

/// Offsets of fields in structs that are too large or too private to declare, in bytes.
pub mod offset {
    pub const THREAD_CFRAME: usize = 56;
    pub const CFRAME_CURRENT_FRAME: usize = 8;
    pub const THREAD_RECURSION_REMAINING: usize = 32;
    pub const THREAD_EXC_INFO: usize = 120;
    pub const THREAD_DATASTACK: usize = 296;
    pub const CODE_FIRST_TRACEABLE: usize = 168;
    pub const CODE_NLOCALSPLUS: usize = 76;
    pub const CODE_STACKSIZE: usize = 68;
    pub const CODE_ADAPTIVE: usize = 184;
    pub const CODE_LOCALSPLUS_NAMES: usize = 96;
    pub const CODE_LOCALSPLUS_KINDS: usize = 104;
    pub const TUPLE_ITEMS: usize = 24;
}

/// Private fields and what only this version has, for the comparison with its headers.
pub const OWN_OFFSETS: &[(&str, usize)] = &[
    ("frame.function", offset_of!(InterpreterFrame, f_funcobj)),
    ("frame.stacktop", offset_of!(InterpreterFrame, stacktop)),
    ("frame.owner", offset_of!(InterpreterFrame, owner)),
    ("frame.localsplus", offset_of!(InterpreterFrame, localsplus)),
    ("frame.code", offset_of!(InterpreterFrame, f_code)),
    ("frame.instruction", offset_of!(InterpreterFrame, prev_instr)),
    ("frame.is_entry", offset_of!(InterpreterFrame, is_entry)),
    ("thread.cframe", offset::THREAD_CFRAME),
    ("cframe.current_frame", offset::CFRAME_CURRENT_FRAME),
];

/// The minor version that this file describes.
pub const MINOR: u32 = 11;
/// Instructions that call a function and do nothing else with its result: PRECALL, CALL, CALL_FUNCTION_EX.
pub const CALLS: &[u8] = &[166, 171, 142];
pub const CALL_FUNCTION_EX: u8 = 142;

/// A frame's header in pointers.
pub const HEADER_WORDS: usize = 9;

/// The innermost frame of the running thread, NULL if no Python code runs.
///
/// # Safety
/// Invariant E1: `thread` is the running thread's state.
pub unsafe fn current_frame(thread: *mut PyThreadState) -> *mut InterpreterFrame {
    // SAFETY: invariant E1: `thread` is the running thread's state, the offsets are this version's.
    unsafe {
        let cframe = *thread.byte_add(offset::THREAD_CFRAME).cast::<*mut u8>();
        *cframe.add(offset::CFRAME_CURRENT_FRAME).cast()
    }
}

impl InterpreterFrame {
    pub fn code(&self) -> *mut PyCodeObject {
        self.f_code.cast()
    }

    /// The function that the frame runs; NULL or None where it has none.
    pub fn function(&self) -> *mut PyObject {
        self.f_funcobj
    }

    pub fn owner(&self) -> Owner {
        match self.owner {
            0 => Owner::Thread,
            1 => Owner::Generator,
            2 => Owner::FrameObject,
            _ => Owner::Entry,
        }
    }

    /// The frame that called this one, and whether C code lies between them.
    pub fn caller(&self) -> (*mut InterpreterFrame, bool) {
        (self.previous, self.is_entry)
    }

    /// Where the frame stands: the code unit before the next instruction.
    ///
    /// # Safety
    /// Invariant E2: the frame is live.
    pub unsafe fn instruction(&self) -> *mut u16 {
        self.prev_instr
    }

    /// # Safety
    /// `at` is a unit of the frame's code.
    pub unsafe fn set_instruction(&mut self, at: *mut u16) {
        self.prev_instr = at;
    }

    /// 3.11 has no such field: a callee returns to the unit after `prev_instr`.
    pub fn return_offset(&self) -> u32 {
        0
    }

    /// Values in localsplus, locals included; `None` while the frame's own instruction runs in C.
    pub fn depth(&self) -> Option<usize> {
        usize::try_from(self.stacktop).ok()
    }

    /// # Safety
    /// The frame is being built; `depth` slots are filled.
    pub unsafe fn set_depth(&mut self, depth: usize) {
        self.stacktop = depth as i32;
    }

    /// Fills everything but the slots and their number. `function` and `code` become references of the frame.
    ///
    /// # Safety
    /// The frame is being built: its memory is the caller's.
    pub unsafe fn start(&mut self, function: *mut PyObject, code: *mut PyObject, _return: u32) {
        self.f_funcobj = function;
        self.f_code = code;
        self.is_entry = false;
        self.owner = 0;
    }
}

/// Size of a frame of `code` on the data stack, in pointers.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn frame_words(code: *mut PyCodeObject) -> usize {
    // SAFETY: invariant E1.
    unsafe {
        let locals = *code.byte_add(offset::CODE_NLOCALSPLUS).cast::<i32>();
        let stack = *code.byte_add(offset::CODE_STACKSIZE).cast::<i32>();
        (locals + stack) as usize + HEADER_WORDS
    }
}

/// Whether the code's instrumentation is not what tools ask for now: 3.11 has none.
///
/// # Safety
/// None; unsafe where code can be instrumented.
pub unsafe fn is_instrumentation_stale(_thread: *mut PyThreadState, _code: *mut PyCodeObject) -> bool {
    false
}

/// Whether a text object's characters lie behind its header as ASCII, and whether it is interned.
#[inline(always)]
/// # Safety
/// `text` is a live exact `str`.
pub unsafe fn text_is_plain(text: *mut PyObject) -> (bool, bool) {
    // SAFETY: the caller passes an exact `str`.
    unsafe { (PyUnicode_IS_COMPACT_ASCII(text) != 0, (*text.cast::<PyASCIIObject>()).interned() != 0) }
}

/// What a range iterator has left: first value, step, number of values.
///
/// # Safety
/// `iterator` is a live exact range iterator.
pub unsafe fn range_rest(iterator: *mut PyObject) -> (i64, i64, i64) {
    // SAFETY: the caller passes an exact range iterator: `long index, start, step, len` (rangeobject.c).
    unsafe {
        let field = |i: usize| *iterator.byte_add(16 + 8 * i).cast::<i64>();
        (field(1).wrapping_add(field(0).wrapping_mul(field(2))), field(2), field(3) - field(0))
    }
}

/// The container that a list or tuple iterator runs over (NULL when it is exhausted), and its position.
///
/// # Safety
/// `iterator` is a live exact list or tuple iterator.
pub unsafe fn sequence_iterator(iterator: *mut PyObject) -> (*mut PyObject, isize) {
    // SAFETY: the caller passes an exact list or tuple iterator: `Py_ssize_t it_index; it_seq`.
    unsafe { (*iterator.byte_add(24).cast::<*mut PyObject>(), *iterator.byte_add(16).cast::<isize>()) }
}
