//! Frame objects: what Python shows of a frame. One that an adopter makes shows a frame of its own, which never runs,
//! until its stack is resumed; then it shows the frame that runs.

use super::{begun, frame_of, frame_words, nlocalsplus, offset, InterpreterFrame, Owner, Slot};
use pyo3::ffi::{self, PyObject};

/// The memory in a frame object for a frame whose call is over.
///
/// # Safety
/// `object` is a live frame object.
unsafe fn own_frame(object: *mut PyObject) -> *mut InterpreterFrame {
    // SAFETY: invariant E1.
    unsafe { object.byte_add(offset::FRAME_OBJECT_DATA).cast() }
}

/// Whether a frame object shows a frame that runs nowhere.
///
/// # Safety
/// `object` is a live frame object.
pub unsafe fn shows_its_own(object: *mut PyObject) -> bool {
    // SAFETY: invariant E1.
    unsafe { frame_of(object) == own_frame(object) }
}

/// Has a frame object show `frame`, which takes the reference over. Returns the references of the frame that it
/// showed before.
///
/// # Safety
/// Invariant E25: `object` shows its own frame, of the same code as `frame`, which has no frame object.
pub unsafe fn show(object: *mut PyObject, frame: *mut InterpreterFrame) -> Vec<*mut PyObject> {
    // SAFETY: (whole body) E1, E25; a frame that has run nowhere has its locals in its slots and nothing else.
    unsafe {
        ffi::PyObject_GC_UnTrack(object.cast()); // as one whose frame runs: its values are the frame's
        let own = &mut *own_frame(object);
        let code = own.code();
        let slots = own.depth().unwrap_or(0).min(nlocalsplus(code));
        let mut taken: Vec<_> = (0..slots).map(|i| own.slot(i).object()).collect();
        taken.extend([own.f_locals, own.function(), code.cast()]);
        std::ptr::write_bytes(std::ptr::from_mut(own).cast::<usize>(), 0, frame_words(code));
        *object.byte_add(offset::FRAME_OBJECT_FRAME).cast() = frame;
        (*frame).frame_obj = object.cast();
        taken
    }
}

/// Takes a frame's object away: it shows a frame of its own again. Returns the object; NULL if there is none.
///
/// # Safety
/// The frame is taken down, and has not run since its object was made to [`show`] it; its function and code are live.
pub unsafe fn hide_again(frame: *mut InterpreterFrame) -> *mut PyObject {
    // SAFETY: (whole body) E1, E25: the object has the memory of a frame of this code.
    unsafe {
        let object = std::mem::replace(&mut (*frame).frame_obj, std::ptr::null_mut()).cast::<PyObject>();
        if object.is_null() {
            return object;
        }
        let own = own_frame(object);
        let code = (*frame).code();
        (*own).f_globals = (*frame).f_globals;
        (*own).f_builtins = (*frame).f_builtins;
        (*own).start(ffi::Py_NewRef((*frame).function()), ffi::Py_NewRef(code.cast()), 0);
        let locals = nlocalsplus(code);
        for i in 0..locals {
            (*own).set_slot(i, Slot::Empty);
        }
        (*own).set_depth(locals);
        (*own).set_instruction(begun(code));
        (*own).belong_to_object();
        *object.byte_add(offset::FRAME_OBJECT_FRAME).cast() = own;
        ffi::PyObject_GC_Track(object.cast());
        object
    }
}

/// Who owns what a frame object shows.
///
/// # Safety
/// `object` is a live frame object.
pub unsafe fn owner(object: *mut PyObject) -> Owner {
    // SAFETY: invariant E1.
    unsafe { (*frame_of(object)).owner() }
}
