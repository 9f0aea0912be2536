//! Hidden frames: those of the engine's own functions, which nobody is to see.
//!
//! They count as not yet begun, so they are in no traceback and no `f_back`. Their code is never instrumented and, where
//! the interpreter has a flag for that, no tool is told of exceptions that are raised in them or leave them; 3.13 and 3.14
//! tell `sys.monitoring` of those that they handle.

use super::version::{offset, HIDING};
use super::{code_length, PyCodeObject};

/// How a version keeps tools from hearing of what happens in frames of some code.
pub struct Hiding {
    /// The flag of such code (`CO_NO_MONITORING_EVENTS`), 0 where there is none.
    pub flag: i32,
    /// Where code keeps the record of its instrumentation, if that is looked into for handled exceptions: such code is
    /// never given one.
    pub record: Option<usize>,
    /// Whether trace functions are called for exceptions in hidden frames all the same, with the next frame that is not
    /// hidden, and a failure if there is none.
    pub traced: bool,
}

/// More than a record of instrumentation takes, in bytes.
const RECORD: usize = 256;

/// Makes frames of `code` invisible to `f_back`, tracebacks, `sys._getframe`, tracing and monitoring.
///
/// # Safety
/// `code` is a live code object of the engine's own that never ran, and that does not tell of its begin.
pub unsafe fn hide(code: *mut PyCodeObject) {
    // SAFETY: invariant E1: the fields of a live code object; an empty record says that no tool asks for anything, and
    // is the code's to free.
    unsafe {
        *code.byte_add(offset::CODE_FIRST_TRACEABLE).cast::<i32>() = code_length(code) as i32;
        *code.byte_add(offset::CODE_FLAGS).cast::<i32>() |= HIDING.flag;
        if let Some(record) = HIDING.record {
            let record = code.byte_add(record).cast::<*mut std::ffi::c_void>();
            if (*record).is_null() {
                *record = pyo3::ffi::PyMem_Calloc(1, RECORD);
            }
        }
    }
}

/// Whether frames of `code` are hidden: it is none that is instrumented.
///
/// # Safety
/// `code` is a live code object.
pub unsafe fn is_hidden(code: *mut PyCodeObject) -> bool {
    // SAFETY: invariant E1.
    unsafe { *code.byte_add(offset::CODE_FIRST_TRACEABLE).cast::<i32>() as usize >= code_length(code) }
}
