//! What resumes need besides their stacks, kept from one to the next.
//!
//! Part of the step "resume".

use crate::frame::{HandledItem, InterpreterFrame};
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_void;

/// The name of a capsule whose resume is over.
const DONE: &std::ffi::CStr = c"torpor.done";

/// What a resume needs besides its stack: used again by the next one.
pub(crate) struct Spare {
    pub(crate) capsule: Py<PyAny>,
    pub(crate) item: Box<HandledItem>,
    pub(crate) built: Vec<*mut InterpreterFrame>,
}

/// Resumes that can be under way at a time without new memory, and frames of a stack that is no deep one.
const SPARES: usize = 16;
const SPARE_FRAMES: usize = 1024;

impl Spare {
    pub(crate) fn take(py: Python<'_>, runtime: &Runtime) -> PyResult<Spare> {
        if let Some(spare) = runtime.spares.borrow_mut().pop() {
            return Ok(spare);
        }
        let item = Box::new(HandledItem { value: std::ptr::null_mut(), previous: std::ptr::null_mut() });
        // SAFETY: a capsule needs some pointer; nobody asks for one of this name.
        let capsule = unsafe {
            let some = std::ptr::NonNull::<c_void>::dangling().as_ptr();
            Bound::from_owned_ptr_or_err(py, ffi::PyCapsule_New(some, DONE.as_ptr(), None))?.unbind()
        };
        Ok(Spare { capsule, item, built: Vec::new() })
    }

    /// Has the capsule lead to `pending` under this name.
    pub(crate) fn point_to(&mut self, pending: *mut c_void, name: &'static std::ffi::CStr) {
        // SAFETY: a live capsule; a name that lives as long as the process; not NULL.
        unsafe {
            ffi::PyCapsule_SetPointer(self.capsule.as_ptr(), pending);
            ffi::PyCapsule_SetName(self.capsule.as_ptr(), name.as_ptr());
        }
    }

    /// Ends the use for one resume: whoever kept the capsule has one that leads nowhere.
    pub(crate) fn give_back(mut self, runtime: &Runtime) {
        self.point_to(std::ptr::NonNull::<c_void>::dangling().as_ptr(), DONE);
        // SAFETY: a live object.
        let alone = unsafe { ffi::Py_REFCNT(self.capsule.as_ptr()) } == 1;
        let mut spares = runtime.spares.borrow_mut();
        if alone && spares.len() < SPARES && self.built.capacity() <= SPARE_FRAMES {
            spares.push(self);
        }
    }
}
