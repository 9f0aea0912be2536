//! The C stack under a capture that C code asked for: whose functions lie between it and the
//! interpreter.

use std::ffi::{c_int, c_void};

type Context = c_void;
type Callback = unsafe extern "C" fn(*mut Context, *mut c_void) -> c_int;

extern "C" {
    fn _Unwind_Backtrace(callback: Callback, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut Context) -> usize;
    fn _Unwind_GetRegionStart(context: *mut Context) -> usize;
}

struct Search {
    wanted: usize,
    interpreter: usize,
    found: bool,
}

/// The load address of the image (executable or library) that holds `address`.
fn image_of(address: usize) -> usize {
    // SAFETY: dladdr only reads; the struct is filled on success.
    unsafe {
        let mut info = std::mem::zeroed::<libc::Dl_info>();
        if libc::dladdr(address as *const c_void, &mut info) == 0 {
            return 0;
        }
        info.dli_fbase as usize
    }
}

unsafe extern "C" fn visit(context: *mut Context, argument: *mut c_void) -> c_int {
    const CONTINUE: c_int = 0;
    const STOP: c_int = 4;
    // SAFETY: the unwinder passes its context and our argument.
    unsafe {
        let search = &mut *argument.cast::<Search>();
        if _Unwind_GetRegionStart(context) == search.wanted {
            search.found = true;
            return STOP;
        }
        if image_of(_Unwind_GetIP(context)) == search.interpreter {
            return STOP;
        }
        CONTINUE
    }
}

/// Whether `function` is on the C stack with none of the interpreter's functions above it.
pub fn innermost_is(function: usize) -> bool {
    let interpreter = image_of(pyo3::ffi::PyEval_EvalCode as *const () as usize);
    if interpreter == 0 {
        return false;
    }
    let mut search = Search { wanted: function, interpreter, found: false };
    // SAFETY: the callback only reads.
    unsafe { _Unwind_Backtrace(visit, (&raw mut search).cast()) };
    search.found
}
