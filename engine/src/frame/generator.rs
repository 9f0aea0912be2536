//! Generators, coroutines and async generators: objects that own the frame that they run.
//!
//! `_PyGenObject_HEAD` is the same in every version from the name on; where it begins and how a state is
//! numbered is in the version files. CPython's own constructors (`PyGen_New` and its like) are not used:
//! they abort in debug builds. Check on every Python.

use super::{code_flags, frame_slots, offset, HandledItem, InterpreterFrame, GENERATOR_STATES};
use pyo3::ffi::{self, PyObject, PyTypeObject};

/// The fields from the name on, up to the frame.
#[repr(C)]
pub struct Generator {
    pub name: *mut PyObject,
    pub qualname: *mut PyObject,
    pub handled: HandledItem,
    /// Of a coroutine where it was made, of an async generator its finalizer hook; or NULL.
    origin: *mut PyObject,
    hooks_inited: u8,
    pub closed: u8,
    pub iterated: u8,
    pub state: i8,
    _padding: u32,
    pub frame: InterpreterFrame,
}

/// What a generator is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Created,
    Suspended,
    /// Suspended in `yield from` or `await`.
    Delegating,
    Running,
    Finished,
}

const STATES: [State; 5] =
    [State::Created, State::Suspended, State::Delegating, State::Running, State::Finished];

const CO_GENERATOR: i32 = 0x20;
const CO_COROUTINE: i32 = 0x80;
const CO_ASYNC_GENERATOR: i32 = 0x200;

extern "C" {
    fn _PyObject_GC_NewVar(class: *mut PyTypeObject, n: isize) -> *mut PyObject;
}

pub use super::generator_code as code;

/// Whether `class` is one of the three kinds; none of them can be subclassed.
pub fn is_generator_type(class: *mut PyTypeObject) -> bool {
    class == &raw mut ffi::PyGen_Type
        || class == &raw mut ffi::PyCoro_Type
        || class == &raw mut ffi::PyAsyncGen_Type
}

/// The fields of a generator object.
///
/// # Safety
/// `object` is a live object of one of the three kinds.
pub unsafe fn fields<'a>(object: *mut PyObject) -> &'a mut Generator {
    // SAFETY: invariant E1.
    unsafe { &mut *object.byte_add(offset::GENERATOR_NAME).cast() }
}

/// The object that owns `frame`.
///
/// # Safety
/// `frame` is live and its owner is a generator.
pub unsafe fn owner_of(frame: *mut InterpreterFrame) -> *mut PyObject {
    // SAFETY: invariant E1: the frame lies inside of its generator.
    unsafe {
        frame.byte_sub(offset::GENERATOR_NAME + std::mem::offset_of!(Generator, frame)).cast::<PyObject>()
    }
}

impl Generator {
    pub fn state(&self) -> State {
        match GENERATOR_STATES.iter().position(|s| *s == self.state) {
            Some(i) => STATES[i],
            None => State::Finished, // completed, about to be cleared
        }
    }

    /// # Safety
    /// The frame is as the state says.
    pub unsafe fn set_state(&mut self, state: State) {
        let i = STATES.iter().position(|s| *s == state).unwrap_or(STATES.len() - 1);
        self.state = GENERATOR_STATES[i];
    }

    pub fn frame(&mut self) -> *mut InterpreterFrame {
        &mut self.frame
    }
}

/// A finished generator that will run `code`: its frame is empty, its state says that nobody may look at
/// it. Not yet tracked by the garbage collector. NULL with an exception if there is no memory, and
/// without one if `code` is of no such kind.
///
/// # Safety
/// `code` is a live code object, `name` a live text; the GIL is held.
pub unsafe fn new(code: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // SAFETY: (whole body) invariants E1 and E4: sizes are those of the type and the code.
    unsafe {
        let flags = code_flags(code.cast());
        let class = if flags & CO_COROUTINE != 0 {
            &raw mut ffi::PyCoro_Type
        } else if flags & CO_ASYNC_GENERATOR != 0 {
            &raw mut ffi::PyAsyncGen_Type
        } else if flags & CO_GENERATOR != 0 {
            &raw mut ffi::PyGen_Type
        } else {
            return std::ptr::null_mut();
        };
        let slots = frame_slots(code.cast());
        let object = _PyObject_GC_NewVar(class, slots as isize);
        if object.is_null() {
            return object;
        }
        let head = size_of::<PyObject>();
        let size = (*class).tp_basicsize as usize + slots * size_of::<usize>();
        std::ptr::write_bytes(object.cast::<u8>().add(head), 0, size - head);
        let generator = fields(object);
        generator.name = ffi::Py_NewRef(name);
        generator.qualname = ffi::Py_NewRef(name);
        generator.set_state(State::Finished);
        super::hold_code(object, code);
        object
    }
}

/// Empties the frame of a generator that must not run: returns its references, the code apart, which stays.
///
/// # Safety
/// `object` is a live generator whose frame was filled and is not running; its state says finished.
pub unsafe fn take_down(object: *mut PyObject) -> Vec<*mut PyObject> {
    // SAFETY: (whole body) E1: slots below the depth are the frame's own.
    unsafe {
        let f = &mut *fields(object).frame();
        let n = f.depth().unwrap_or(0);
        let mut taken: Vec<_> = (0..n).map(|i| f.slot(i).object()).collect();
        taken.push(super::object::hide_again(f));
        taken.push(std::mem::replace(&mut f.f_locals, std::ptr::null_mut()));
        taken.push(f.function());
        taken.push(f.code().cast());
        let code = super::generator_code(object);
        std::ptr::write_bytes(std::ptr::from_mut(f).cast::<usize>(), 0, super::HEADER_WORDS);
        if f.code().is_null() && super::generator_code(object).is_null() {
            super::hold_code(object, code);
        }
        taken
    }
}

/// The state of what asend(), athrow() or aclose() gave, and its parts: the generator, then what is sent or
/// thrown, or NULL.
///
/// # Safety
/// `object` is a live object of one of those two types.
pub unsafe fn step<'a>(object: *mut PyObject) -> (&'a mut i32, &'a mut [*mut PyObject]) {
    // SAFETY: invariant E1: between the head and the state, an int padded to a word, there are pointers only
    // (Objects/genobject.c; `check.rs` tests it).
    unsafe {
        let words = (*ffi::Py_TYPE(object)).tp_basicsize as usize / size_of::<usize>();
        let head = size_of::<PyObject>() / size_of::<usize>();
        let first = object.cast::<*mut PyObject>();
        let parts = std::slice::from_raw_parts_mut(first.add(head), words - head - 1);
        (&mut *first.add(words - 1).cast::<i32>(), parts)
    }
}
