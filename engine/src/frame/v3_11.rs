//! CPython 3.11: the layout of a frame and what is particular about it.
//!
//! Every version has one such file with the same items; `diff` two of them to see what a version
//! changed. Numbers come from the version's own headers and are compared with them by
//! `tests/layout.rs`; `check.rs` tests them again in the running interpreter. Check on every Python.

use super::hidden::Hiding;
use super::{Owner, Word};
use pyo3::ffi::{self, PyASCIIObject, PyCodeObject, PyObject, PyThreadState, PyUnicode_IS_COMPACT_ASCII};
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
    pub const CFRAME_PREVIOUS: usize = 16;
    pub const FRAME_OBJECT_BACK: usize = 16;
    pub const FRAME_OBJECT_FRAME: usize = 24;
    pub const FRAME_OBJECT_DATA: usize = 48;
    pub const THREAD_ID: usize = 152;
    pub const THREAD_TRACE_FUNCTION: usize = 72;
    pub const THREAD_TRACE_OBJECT: usize = 88;
    pub const THREAD_RECURSION_REMAINING: usize = 32;
    pub const THREAD_EXC_INFO: usize = 120;
    pub const THREAD_DATASTACK: usize = 296;
    pub const THREAD_CONTEXT: usize = 224;
    pub const CODE_FIRST_TRACEABLE: usize = 168;
    pub const CODE_NLOCALSPLUS: usize = 76;
    pub const CODE_FLAGS: usize = 48;
    pub const CODE_STACKSIZE: usize = 68;
    pub const CODE_ADAPTIVE: usize = 184;
    pub const CODE_LOCALSPLUS_NAMES: usize = 96;
    pub const CODE_LOCALSPLUS_KINDS: usize = 104;
    pub const TUPLE_ITEMS: usize = 24;
    pub const GENERATOR_NAME: usize = 32;
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
    ("cframe.previous", offset::CFRAME_PREVIOUS),
    ("frame_object.f_back", offset::FRAME_OBJECT_BACK),
    ("frame_object.f_frame", offset::FRAME_OBJECT_FRAME),
    ("frame_object.data", offset::FRAME_OBJECT_DATA),
    ("thread.thread_id", offset::THREAD_ID),
    ("thread.c_tracefunc", offset::THREAD_TRACE_FUNCTION),
    ("thread.c_traceobj", offset::THREAD_TRACE_OBJECT),
];

/// The minor version that this file describes.
pub const MINOR: u32 = 11;
/// Instructions that call a function and do nothing else with its result: PRECALL, CALL, CALL_FUNCTION_EX.
pub const CALLS: &[u8] = &[166, 171, 142];
pub const CALL_FUNCTION_EX: u8 = 142;

/// How a generator's states are numbered: created, suspended, delegating, running, cleared.
pub const GENERATOR_STATES: [i8; 5] = [-2, -1, -1, 0, 4];
/// Whether a generator that is called from C or from Python always runs in an evaluation loop of its own.
pub const GENERATORS_RUN_APART: bool = true;
/// Whether an exception that comes into a frame has its handler looked up one unit before the instruction.
pub const HANDLER_IS_BEHIND: bool = false;
/// How tools are kept from hearing of hidden frames.
pub const HIDING: Hiding = Hiding { flag: 0, record: None, traced: false };
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

/// Makes `frame` the innermost frame of the running thread.
///
/// # Safety
/// As for [`current_frame`]; the evaluation loop that runs expects `frame`.
pub unsafe fn set_current_frame(thread: *mut PyThreadState, frame: *mut InterpreterFrame) {
    // SAFETY: as in `current_frame`.
    unsafe {
        let cframe = *thread.byte_add(offset::THREAD_CFRAME).cast::<*mut u8>();
        *cframe.add(offset::CFRAME_CURRENT_FRAME).cast() = frame;
    }
}

/// An address in the C frame of the evaluation loop that runs `frame`: every loop keeps a `_PyCFrame` there.
/// NULL if `frame` is not on the thread's stack.
///
/// # Safety
/// Invariants E1, E2.
pub unsafe fn loop_of(thread: *mut PyThreadState, frame: *mut InterpreterFrame) -> *const u8 {
    // SAFETY: E1, E2: the chains of frames and of loops end together.
    unsafe {
        let mut cframe = *thread.byte_add(offset::THREAD_CFRAME).cast::<*const u8>();
        let mut f = current_frame(thread);
        while f != frame {
            if f.is_null() {
                return std::ptr::null();
            }
            if (*f).is_entry {
                cframe = *cframe.add(offset::CFRAME_PREVIOUS).cast();
            }
            f = (*f).previous;
        }
        cframe
    }
}

/// The loop around the one that has `place` in its C frame, as `loop_of` names them; the innermost one if `place` is NULL.
/// NULL if there is none: the last of the chain is no loop's, it lies in the thread state.
///
/// # Safety
/// Invariants E1, E2.
pub unsafe fn loop_around(thread: *mut PyThreadState, place: *const u8) -> *const u8 {
    // SAFETY: E2: `place` is the `_PyCFrame` of a loop that runs.
    unsafe {
        let previous = |cframe: *const u8| *cframe.add(offset::CFRAME_PREVIOUS).cast::<*const u8>();
        let cframe = match place.is_null() {
            true => *thread.byte_add(offset::THREAD_CFRAME).cast::<*const u8>(),
            false => previous(place),
        };
        if cframe.is_null() || previous(cframe).is_null() {
            return std::ptr::null();
        }
        cframe
    }
}

/// What the C caller of an evaluation loop does with the frame that it passed, once the loop returned:
/// a frame object that is used elsewhere takes the values over, otherwise they go.
///
/// # Safety
/// E1, E3: `frame` has run to its end in a loop of its own; the current frame is its caller.
pub unsafe fn finish_entry(thread: *mut PyThreadState, frame: *mut InterpreterFrame) {
    // SAFETY: (whole body) E1: as `_PyFrame_Clear` and `take_ownership` in CPython's frame.c.
    unsafe {
        let object = std::mem::replace(&mut (*frame).frame_obj, std::ptr::null_mut());
        let slots = usize::try_from((*frame).stacktop).unwrap_or(0);
        if !object.is_null() && ffi::Py_REFCNT(object) > 1 {
            (*frame).frame_obj = object; // so that its caller is found
            let back = ffi::PyFrame_GetBack(object.cast());
            (*frame).frame_obj = std::ptr::null_mut();
            let own = object.byte_add(offset::FRAME_OBJECT_DATA).cast::<InterpreterFrame>();
            let bytes = offset_of!(InterpreterFrame, localsplus) + slots * size_of::<*mut PyObject>();
            std::ptr::copy_nonoverlapping(frame.cast::<u8>(), own.cast::<u8>(), bytes);
            (*own).owner = 2;
            (*own).previous = std::ptr::null_mut();
            *object.byte_add(offset::FRAME_OBJECT_FRAME).cast() = own;
            *object.byte_add(offset::FRAME_OBJECT_BACK).cast() = back;
            if ffi::PyObject_GC_IsTracked(object) == 0 {
                ffi::PyObject_GC_Track(object.cast());
            }
            ffi::Py_DECREF(object);
        } else {
            ffi::Py_XDECREF(object);
            for i in 0..slots {
                ffi::Py_XDECREF((*frame).slot(i).object());
            }
            ffi::Py_XDECREF((*frame).f_locals);
            ffi::Py_DECREF((*frame).f_funcobj);
            ffi::Py_DECREF((*frame).f_code);
        }
        super::datastack::pop(thread, frame);
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

    /// Makes the frame stand at the instruction that it runs next, or at which it raises.
    ///
    /// # Safety
    /// `at` is a unit of the frame's code.
    pub unsafe fn set_next_instruction(&mut self, at: *mut u16, raise: bool) {
        self.prev_instr = if raise { at } else { at.wrapping_sub(1) };
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

    /// The loop whose FOR_ITER is at `start` is over: what is returned to this frame lands at `end`. Returns the
    /// iterator, where it has to be taken off and the instruction executed again on an empty one.
    ///
    /// # Safety
    /// E2: the frame waits in that instruction, its iterator on top of its stack.
    pub unsafe fn end_loop(&mut self, start: u32, _end: u32) -> Option<*mut PyObject> {
        // SAFETY: as the caller promises.
        unsafe {
            let top = self.stacktop - 1;
            let iterator = self.slot(top as usize).object();
            self.stacktop = top;
            self.prev_instr = super::code_units(self.code()).add(start as usize).sub(1);
            Some(iterator)
        }
    }

    /// What is returned to this frame next is what its SEND got from one step: it goes on at `next`.
    ///
    /// # Safety
    /// E2: the frame waits in that instruction, what it awaits on top of its stack.
    pub unsafe fn await_yields(&mut self, _next: u32) {}

    /// What is returned to this frame next is the result of what its SEND awaits: it goes on at `end`. Returns
    /// what has to be dropped.
    ///
    /// # Safety
    /// As for [`await_yields`](Self::await_yields).
    pub unsafe fn await_ends(&mut self, end: u32) -> Option<*mut PyObject> {
        // SAFETY: as the caller promises.
        unsafe {
            let top = self.stacktop - 1;
            let awaited = self.slot(top as usize).object();
            self.stacktop = top;
            self.goes_on_at(end);
            Some(awaited)
        }
    }

    /// What is returned to this frame next lands at `unit`.
    ///
    /// # Safety
    /// E2: the frame waits for a call, and its evaluation stack is as it has to be there, but for the result.
    pub unsafe fn goes_on_at(&mut self, unit: u32) {
        // SAFETY: as the caller promises.
        self.prev_instr = unsafe { super::code_units(self.code()).add(unit as usize).sub(1) };
    }

    /// Takes the place of `other`, the frame with which an evaluation loop was entered: it leaves with this one.
    ///
    /// # Safety
    /// E2: `other` runs in that loop; this frame is linked outside of it.
    pub unsafe fn enter_for(&mut self, other: *mut InterpreterFrame) {
        // SAFETY: as the caller promises.
        unsafe {
            self.previous = (*other).previous;
            self.is_entry = true;
            (*other).is_entry = false;
        }
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
    instr + 1
}

/// Where a frame stands (instruction, return offset) that goes on at `next`, after its instruction at `start`.
pub fn place_after(_start: u32, next: u32) -> (u32, u32) {
    (next - 1, 0)
}

/// Where a frame stands whose loop or await over a running generator, at `start`, goes on at `next` with what
/// is yielded and at `end` with what is returned. Here the second is brought about when it returns, and `end` is
/// 0 where that is the instruction's own end.
pub fn place_over(_start: u32, next: u32, end: u32) -> (u32, u32) {
    (next - 1, if end == 0 { 0 } else { end - next })
}

/// The instruction at which a frame stands whose instruction at `start` is executed once a result is pushed.
pub fn place_before(start: u32) -> u32 {
    start - 1
}

/// Makes a new generator the owner of a reference to `code`, which it runs.
///
/// # Safety
/// `generator` is being made; `code` is a live code object.
pub unsafe fn hold_code(generator: *mut PyObject, code: *mut PyObject) {
    // SAFETY: invariant E1: `gi_code` stands two pointers before the name.
    unsafe {
        *generator.byte_add(offset::GENERATOR_NAME - 16).cast() = pyo3::ffi::Py_NewRef(code);
    }
}

/// The code that a generator runs, or ran.
///
/// # Safety
/// `generator` is a live generator, coroutine or async generator.
pub unsafe fn generator_code(generator: *mut PyObject) -> *mut PyObject {
    // SAFETY: as above.
    unsafe { *generator.byte_add(offset::GENERATOR_NAME - 16).cast() }
}

extern "C" {
    fn _PyEval_SetTrace(
        thread: *mut PyThreadState,
        function: Option<ffi::Py_tracefunc>,
        argument: *mut PyObject,
    ) -> std::ffi::c_int;
}

/// The trace function of the thread with this identifier; `None` if there is no such thread. (Of later versions: see
/// `trace.rs`.)
pub struct TraceSlot(*mut PyThreadState);

impl TraceSlot {
    pub fn of_thread(ident: u64) -> Option<TraceSlot> {
        // SAFETY: E1, E5: the list of threads does not change while the GIL is held.
        unsafe {
            let mut thread = ffi::PyInterpreterState_ThreadHead(ffi::PyInterpreterState_Get());
            while !thread.is_null() && *thread.byte_add(offset::THREAD_ID).cast::<u64>() != ident {
                thread = ffi::PyThreadState_Next(thread);
            }
            (!thread.is_null()).then_some(TraceSlot(thread))
        }
    }

    /// The function, and its argument, borrowed.
    pub fn get(&self) -> (Option<ffi::Py_tracefunc>, *mut PyObject) {
        // SAFETY: E1.
        unsafe {
            (
                *self.0.byte_add(offset::THREAD_TRACE_FUNCTION).cast::<Option<ffi::Py_tracefunc>>(),
                *self.0.byte_add(offset::THREAD_TRACE_OBJECT).cast::<*mut PyObject>(),
            )
        }
    }

    /// Sets another function with the same argument, so that sys.gettrace() gives what it gave. False
    /// with an exception.
    pub fn set(&self, function: Option<ffi::Py_tracefunc>) -> bool {
        // SAFETY: E1, E5; the argument is kept alive while its old place lets go of it.
        unsafe {
            let argument = self.get().1;
            ffi::Py_XINCREF(argument);
            let status = _PyEval_SetTrace(self.0, function, argument);
            ffi::Py_XDECREF(argument);
            status == 0
        }
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
