//! CPython 3.13: the layout of a frame and what is particular about it.
//!
//! Every version has one such file with the same items; `diff` two of them to see what a version
//! changed. Numbers come from the version's own headers and are compared with them by
//! `tests/layout.rs`; `check.rs` tests them again in the running interpreter. Check on every Python.

use super::Owner;
use pyo3::ffi::{self, PyASCIIObject, PyCodeObject, PyObject, PyThreadState, PyUnicode_IS_COMPACT_ASCII};
use std::mem::offset_of;

/// `_PyInterpreterFrame`, Include/internal/pycore_frame.h.
#[repr(C)]
pub struct InterpreterFrame {
    pub f_executable: *mut PyObject,
    pub previous: *mut InterpreterFrame,
    pub f_funcobj: *mut PyObject,
    pub f_globals: *mut PyObject,
    pub f_builtins: *mut PyObject,
    pub f_locals: *mut PyObject,
    pub frame_obj: *mut PyObject,
    pub instr_ptr: *mut u16,
    pub stacktop: i32,
    pub return_offset: u16,
    pub owner: u8,
    pub localsplus: [*mut PyObject; 1],
}

// The size and the ends of what was declared, at build time.
const _: () = assert!(
    size_of::<InterpreterFrame>() == 80
        && offset_of!(InterpreterFrame, owner) == 70
        && offset_of!(InterpreterFrame, localsplus) == 72
);

/// Offsets of fields in structs that are too large or too private to declare, in bytes.
pub mod offset {
    pub const THREAD_CURRENT_FRAME: usize = 72;
    pub const THREAD_RECURSION_REMAINING: usize = 44;
    pub const THREAD_EXC_INFO: usize = 120;
    pub const THREAD_DATASTACK: usize = 232;
    pub const CODE_FIRST_TRACEABLE: usize = 184;
    pub const CODE_NLOCALSPLUS: usize = 72;
    pub const CODE_STACKSIZE: usize = 64;
    pub const CODE_FRAMESIZE: usize = 76;
    pub const CODE_ADAPTIVE: usize = 200;
    pub const CODE_LOCALSPLUS_NAMES: usize = 96;
    pub const CODE_LOCALSPLUS_KINDS: usize = 104;
    pub const TUPLE_ITEMS: usize = 24;
}

/// What only this version has, for the comparison with its headers.
pub const OWN_OFFSETS: &[(&str, usize)] = &[
    ("frame.code", offset_of!(InterpreterFrame, f_executable)),
    ("frame.instruction", offset_of!(InterpreterFrame, instr_ptr)),
    ("frame.return_offset", offset_of!(InterpreterFrame, return_offset)),
    ("thread.current_frame", offset::THREAD_CURRENT_FRAME),
    ("code.framesize", offset::CODE_FRAMESIZE),
];

/// The minor version that this file describes.
pub const MINOR: u32 = 13;
/// Instructions that call a function and do nothing else with its result: CALL, CALL_KW, CALL_FUNCTION_EX.
pub const CALLS: &[u8] = &[53, 57, 54];
pub const CALL_FUNCTION_EX: u8 = 54;

/// Whether an exception that comes into a frame has its handler looked up one unit before the instruction.
pub const HANDLER_IS_BEHIND: bool = true;

/// A frame's header in pointers.
pub const HEADER_WORDS: usize = 9;

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

/// An address in the C frame of the evaluation loop that runs `frame`: every loop keeps an entry frame
/// there. NULL if there is none.
///
/// # Safety
/// Invariants E1, E2.
pub unsafe fn loop_of(_: *mut PyThreadState, frame: *mut InterpreterFrame) -> *const u8 {
    // SAFETY: E2: the chain of `previous` is live down to NULL.
    unsafe {
        let mut f = frame;
        while !f.is_null() && (*f).owner() != Owner::Entry {
            f = (*f).previous;
        }
        f.cast()
    }
}

/// The evaluation loop itself clears the frame that was passed to it.
///
/// # Safety
/// None: nothing is done.
pub unsafe fn finish_entry(_: *mut PyThreadState, _: *mut InterpreterFrame) {}

impl InterpreterFrame {
    pub fn code(&self) -> *mut PyCodeObject {
        self.f_executable.cast()
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

    /// Values in localsplus, locals included; `None` while the frame's own instruction runs in C.
    pub fn depth(&self) -> Option<usize> {
        usize::try_from(self.stacktop).ok()
    }

    /// Fills everything but the slots. `function` and `code` become references of the frame.
    ///
    /// # Safety
    /// The frame is being built: its memory is the caller's.
    pub unsafe fn start(&mut self, function: *mut PyObject, code: *mut PyObject, depth: usize, to: u32) {
        self.f_funcobj = function;
        self.f_executable = code;
        self.stacktop = depth as i32;
        self.return_offset = to as u16;
        self.owner = 0;
    }
}

/// Threads are watched with `sys.monitoring`: there is nothing to set.
pub struct TraceSlot(std::convert::Infallible);

impl TraceSlot {
    pub fn of_thread(_: u64) -> Option<TraceSlot> {
        None
    }

    pub fn get(&self) -> (Option<ffi::Py_tracefunc>, *mut PyObject) {
        match self.0 {}
    }

    pub fn set(&self, _: Option<ffi::Py_tracefunc>) -> bool {
        match self.0 {}
    }
}

/// Size of a frame of `code` on the data stack, in pointers.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn frame_words(code: *mut PyCodeObject) -> usize {
    // SAFETY: invariant E1.
    unsafe { *code.byte_add(offset::CODE_FRAMESIZE).cast::<i32>() as usize }
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
    // SAFETY: the caller passes an exact range iterator: `long start, step, len` (pycore_range.h).
    unsafe {
        let field = |i: usize| *iterator.byte_add(16 + 8 * i).cast::<i64>();
        (field(0), field(1), field(2))
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
