//! The C stack under a capture that C code asked for: did the call instruction of the innermost Python
//! frame call that C code, and nothing in between?
//!
//! Function addresses do not answer that: compilers split functions and jump from one into the other.
//! Return addresses do. The interpreter's own part of the C stack, from its evaluation loop to the C
//! function, is a short list of them (a *way*), and each way of calling a builtin function has its own.
//! They are learnt: functions of ours are called in every way that a call instruction has. A way that is
//! not among them (a finalizer, a callback, a profiler, `sorted(key=...)`) is refused.

use crate::error::Failure;
use crate::frame;
use crate::runtime::Runtime;
use crate::values::Object;
use hashbrown::HashSet;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustc_hash::FxBuildHasher;
use std::ffi::{c_char, c_int, c_ulong, c_void, CStr};
use std::sync::{Mutex, PoisonError};

type Context = c_void;
type Callback = unsafe extern "C" fn(*mut Context, *mut c_void) -> c_int;

extern "C" {
    fn _Unwind_Backtrace(callback: Callback, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut Context) -> usize;
    fn _Unwind_GetCFA(context: *mut Context) -> usize;
}

/// More of the interpreter's functions than lie in any direct call.
const LONGEST: usize = 6;

/// Return addresses in the interpreter, innermost first, the last one in the evaluation loop.
type Way = [usize; LONGEST];

static KNOWN: Mutex<HashSet<Way, FxBuildHasher>> = Mutex::new(HashSet::with_hasher(FxBuildHasher));

struct Search {
    interpreter: usize,
    /// A place in the C frame of the evaluation loop. Its code says nothing: compilers move parts of it elsewhere.
    innermost_loop: usize,
    way: Way,
    length: usize,
    complete: bool,
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
        // The unwinder's CFA of a frame is where the frame that it called ended: the stack grows down.
        if _Unwind_GetCFA(context) > search.innermost_loop {
            search.complete = search.length > 0;
            return STOP;
        }
        let address = _Unwind_GetIP(context);
        if image_of(address) != search.interpreter {
            // C code between the function and the interpreter, or under it: the way is not direct.
            return if search.length == 0 { CONTINUE } else { STOP };
        }
        if search.length == LONGEST {
            return STOP;
        }
        search.way[search.length] = address;
        search.length += 1;
        CONTINUE
    }
}

/// The way from the evaluation loop to the C code that is running.
fn way_here() -> Option<Way> {
    let interpreter = image_of(pyo3::ffi::PyEval_EvalCode as *const () as usize);
    if interpreter == 0 {
        return None;
    }
    // SAFETY: E1, E2: the innermost loop of the running thread, while it runs this.
    let innermost_loop = unsafe { frame::loop_around(ffi::PyThreadState_Get(), std::ptr::null()) } as usize;
    if innermost_loop == 0 {
        return None;
    }
    let mut search = Search { interpreter, innermost_loop, way: [0; LONGEST], length: 0, complete: false };
    // SAFETY: the callback only reads.
    unsafe { _Unwind_Backtrace(visit, (&raw mut search).cast()) };
    search.complete.then_some(search.way)
}

/// The return address in the C frame that holds `marker`, a place of its own on the C stack: where it
/// called what runs now. `None` if that frame is not the interpreter's.
pub fn return_address_at(marker: *const u8) -> Option<usize> {
    struct Place {
        marker: usize,
        address: usize,
        found: bool,
    }
    unsafe extern "C" fn visit(context: *mut Context, argument: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes its context and our argument.
        unsafe {
            let place = &mut *argument.cast::<Place>();
            // The unwinder's CFA of a frame is where the frame that it called ended: the stack grows down.
            if _Unwind_GetCFA(context) > place.marker {
                place.found = true;
                return 4;
            }
            place.address = _Unwind_GetIP(context);
            0
        }
    }
    let mut place = Place { marker: marker as usize, address: 0, found: false };
    // SAFETY: the callback only reads.
    unsafe { _Unwind_Backtrace(visit, (&raw mut place).cast()) };
    let interpreter = image_of(pyo3::ffi::PyEval_EvalCode as *const () as usize);
    (place.found && place.address != 0 && image_of(place.address) == interpreter).then_some(place.address)
}

/// Whether the evaluation loop stands in a call instruction whose builtin function is the C code that
/// runs, with no other code of the interpreter or of Python in between.
pub fn called_by_instruction(py: Python<'_>, runtime: &Runtime) -> Result<bool, Failure> {
    let Some(way) = way_here() else { return Ok(false) };
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner).contains(&way);
    if known() {
        return Ok(true);
    }
    // Debuggers and profilers have ways of their own: learnt when one is first met.
    if !runtime.engine.bind(py).getattr("lesson_due")?.call1((runtime.lessons.bind(py),))?.is_truthy()? {
        return Ok(false);
    }
    learn(py, runtime)?;
    Ok(known())
}

/// What each of the functions does that are called to learn the ways.
fn note() -> Object {
    if let Some(way) = way_here() {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(way);
    }
    // SAFETY: None is a static object.
    unsafe { ffi::Py_NewRef(ffi::Py_None()) }
}

unsafe extern "C" fn two(_: Object, _: Object) -> Object {
    note()
}
unsafe extern "C" fn three(_: Object, _: Object, _: Object) -> Object {
    note()
}
unsafe extern "C" fn fast(_: Object, _: *mut Object, _: ffi::Py_ssize_t) -> Object {
    note()
}
unsafe extern "C" fn fast_keywords(_: Object, _: *const Object, _: ffi::Py_ssize_t, _: Object) -> Object {
    note()
}

/// One function for each calling convention; the names are those of `learn_ways` in `engine.py`.
fn definitions() -> Vec<ffi::PyMethodDef> {
    use ffi::PyMethodDefPointer as Pointer;
    let make = |name: &'static CStr, ml_meth: Pointer, ml_flags: c_int| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth,
        ml_flags,
        ml_doc: std::ptr::null(),
    };
    let keywords = ffi::METH_KEYWORDS;
    vec![
        make(c"nothing", Pointer { PyCFunction: two }, ffi::METH_NOARGS),
        make(c"one", Pointer { PyCFunction: two }, ffi::METH_O),
        make(c"tuple", Pointer { PyCFunction: two }, ffi::METH_VARARGS),
        make(c"tuple_keywords", Pointer { PyCFunctionWithKeywords: three }, ffi::METH_VARARGS | keywords),
        make(c"fast", Pointer { PyCFunctionFast: fast }, ffi::METH_FASTCALL),
        make(
            c"fast_keywords",
            Pointer { PyCFunctionFastWithKeywords: fast_keywords },
            ffi::METH_FASTCALL | keywords,
        ),
        ffi::PyMethodDef::zeroed(),
    ]
}

/// Calls functions of ours in every way that a call instruction has, cold and warm.
#[cold]
fn learn(py: Python<'_>, runtime: &Runtime) -> Result<(), Failure> {
    let definitions = Box::leak(definitions().into_boxed_slice()); // functions point to them for ever
    let functions = PyDict::new(py);
    let mut slots = [
        ffi::PyType_Slot { slot: ffi::Py_tp_methods, pfunc: definitions.as_mut_ptr().cast() },
        ffi::PyType_Slot::default(),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"torpor.Ways".as_ptr().cast::<c_char>(),
        basicsize: 0,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as c_ulong as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: E1; the definitions live for ever and name functions of the conventions that they say.
    unsafe {
        for definition in definitions.iter_mut().take_while(|d| !d.ml_name.is_null()) {
            let name = CStr::from_ptr(definition.ml_name).to_string_lossy();
            let function = ffi::PyCFunction_NewEx(definition, std::ptr::null_mut(), std::ptr::null_mut());
            functions.set_item(&*name, Bound::from_owned_ptr_or_err(py, function)?)?;
        }
        let class = Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))?;
        runtime.engine.bind(py).getattr("learn_ways")?.call1((
            runtime.lessons.bind(py),
            functions,
            class.call0()?,
        ))?;
    }
    Ok(())
}
