//! The stack that is captured: its frames from the one that asked outward to the boundary.
//!
//! Part of the step "capture": nothing is written here. Of every frame `bridge.rs` (or `stop.rs`) says how it
//! is stored; between two frames it may put frames of torpor's own, which finish what C code had to do.

use crate::ambient;
use crate::bridge;
use crate::capture::CaptureOptions;
use crate::context;
use crate::error::{CaptureError, Failure};
use crate::frame::{self, generator, InterpreterFrame, Owner, Slot};
use crate::handled;
use crate::process_state;
use crate::runtime::Runtime;
use crate::selection::target_frame;
use crate::stop;
use crate::targets;
use crate::throw;
use crate::values::{text_of, Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::Frame;

/// One frame of the stack that is captured.
pub(crate) struct Found {
    /// NULL for a frame of torpor's own.
    pub frame: *mut InterpreterFrame,
    /// What it runs: the live frame's function, or one of the finishers.
    pub function: Object,
    pub code: Object,
    pub instr: u32,
    pub return_offset: u32,
    /// Flags of [`Frame`].
    pub flags: u32,
    /// Values on localsplus: locals and evaluation stack.
    pub depth: usize,
    /// The topmost slots, where they are not the live frame's.
    pub own: Vec<Option<Strong>>,
    /// Where the live frame stood when it was found.
    pub unit: u32,
    /// The suspended generator or greenlet that keeps the frame.
    pub keeper: Option<Strong>,
    /// Of a running generator: what it handles (NULL: nothing), where a callback above it handles something else.
    pub handled: Option<Strong>,
}

impl Found {
    /// A live frame that is stored as it is.
    ///
    /// # Safety
    /// E2: it is live and has a function.
    pub(crate) unsafe fn live(
        f: *mut InterpreterFrame,
        instr: u32,
        return_offset: u32,
        depth: usize,
    ) -> Found {
        // SAFETY: as the caller promises.
        unsafe {
            let flags = if (*f).owner() == Owner::Generator { Frame::GENERATOR } else { 0 };
            let (function, code) = ((*f).function(), (*f).code().cast());
            let (own, unit, keeper) = (Vec::new(), (*f).instruction_index(), None);
            Found {
                frame: f,
                function,
                code,
                instr,
                return_offset,
                flags,
                depth,
                own,
                unit,
                keeper,
                handled: None,
            }
        }
    }

    /// What slot `i` holds.
    ///
    /// # Safety
    /// E2; `i` is below the depth.
    #[inline(always)]
    pub(crate) unsafe fn slot(&self, i: usize) -> Slot {
        let live = self.depth - self.own.len();
        if i < live {
            // SAFETY: as the caller promises.
            return unsafe { (*self.frame).slot(i) };
        }
        self.own[i - live].as_ref().map_or(Slot::Empty, |value| Slot::Object(value.0))
    }

    /// Whether slot `i` holds an object to which it has no reference of its own.
    ///
    /// # Safety
    /// As [`slot`](Self::slot).
    pub(crate) unsafe fn borrows(&self, i: usize) -> bool {
        // SAFETY: as the caller promises.
        i < self.depth - self.own.len() && unsafe { (*self.frame).borrows(i) }
    }

    /// What stands in the place of its mapping of locals: that, or its generator. NULL for neither.
    ///
    /// # Safety
    /// E2.
    pub(crate) unsafe fn locals(&self) -> Object {
        // SAFETY: as the caller promises.
        unsafe {
            match self.generator() {
                g if !g.is_null() => g,
                _ if self.frame.is_null() => std::ptr::null_mut(),
                _ => (*self.frame).f_locals,
            }
        }
    }

    /// The generator that it belongs to; NULL for other frames.
    ///
    /// # Safety
    /// E2.
    pub(crate) unsafe fn generator(&self) -> Object {
        if self.flags & Frame::GENERATOR == 0 {
            return std::ptr::null_mut();
        }
        // SAFETY: E2: the flag is set for frames of generators only.
        unsafe { generator::owner_of(self.frame) }
    }

    /// The frame of a generator that does not run.
    ///
    /// # Safety
    /// E2: `generator` is created or suspended.
    pub(crate) unsafe fn suspended(generator: Object) -> Found {
        // SAFETY: as the caller promises.
        unsafe {
            let f = generator::fields(generator).frame();
            let depth = (*f).depth().unwrap_or(0);
            let live = Found::live(f, (*f).instruction_index(), 0, depth);
            let keeper = Some(Strong::borrowed(generator));
            Found { flags: Frame::GENERATOR | Frame::SUSPENDED, keeper, ..live }
        }
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.flags & Frame::SUSPENDED != 0
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.flags & Frame::HIDDEN == 0
    }
}

/// A refusal that names the frame.
///
/// # Safety
/// `f` is a live frame with a code object; the GIL is held.
pub(crate) unsafe fn unsupported(
    py: Python<'_>,
    f: *mut InterpreterFrame,
    what: impl Into<String>,
) -> Failure {
    // SAFETY: as the caller promises.
    unsafe {
        let code = (*f).code();
        let line = ffi::PyCode_Addr2Line(code, (*f).instruction_index() as i32 * 2);
        let code = Bound::from_borrowed_ptr(py, code.cast::<ffi::PyObject>());
        let text = |name: &str| code.getattr(name).map(|n| text_of(&n)).unwrap_or_default();
        CaptureError::UnsupportedFrame {
            function: text("co_qualname"),
            file: text("co_filename"),
            line,
            what: what.into(),
        }
        .into()
    }
}

/// Finds the frames to capture, innermost first, and the exception that they are handling.
///
/// # Safety
/// Invariants E1, E2: the GIL is held; called from C code that the innermost frame called.
pub(crate) unsafe fn find_stack(
    py: Python<'_>,
    runtime: &Runtime,
    options: &CaptureOptions<'_>,
    found: &mut Vec<Found>,
) -> Result<Strong, Failure> {
    found.clear();
    // SAFETY: (whole body) E1, E2.
    unsafe {
        if options.stack == Some(0) {
            return Err(CaptureError::Invalid("stack= counts frames and must be at least 1".into()).into());
        }
        if let Some(target) = &options.target {
            if let Some(handled) = targets::find(py, runtime, target, options.stack, found)? {
                return Ok(handled);
            }
        }
        let thread = ffi::PyThreadState_Get();
        let mut callee = frame::current_frame(thread);
        if callee.is_null() {
            return Err(CaptureError::Invalid(
                "no Python function is running: there is nothing to capture".into(),
            )
            .into());
        }
        // The wrapper through which the capture was called is not part of it.
        let entered = |f: *mut InterpreterFrame| runtime.entries.borrow().contains(&((*f).code() as usize));
        let mut direct = None;
        if entered(callee) {
            loop {
                let (caller, _) = (*callee).caller();
                if caller.is_null() || !entered(caller) {
                    break;
                }
                callee = caller;
            }
        } else {
            direct = Some(callee); // called from C: the frame's own instruction is the call
        }
        let first = match direct {
            Some(f) => f,
            None => (*callee).caller().0,
        };
        if first.is_null() {
            return Err(
                CaptureError::Invalid("the capture was not called from a Python function".into()).into()
            );
        }
        let (mut f, mut callee) = match &options.target {
            None => (first, if direct.is_some() { std::ptr::null_mut() } else { callee }),
            Some(target) => target_frame(target, first, callee, direct.is_some())?,
        };
        if options.target.is_some() && !context::is_of(thread, first, f) {
            return Err(unsupported(
                py,
                f,
                "C code between it and the running frame may have entered another context; capture it from a function \
                 that it calls",
            ));
        }
        let limit = options.stack.unwrap_or(usize::MAX);
        let mut shown = 0;
        loop {
            let through_c =
                !callee.is_null() && ((*callee).caller().1 || throw::is_only_linked(thread, callee));
            let at_instruction = match &options.target {
                Some(_) if through_c && found.is_empty() => stop::stopped(py, runtime, thread, f)?,
                _ => None,
            };
            match at_instruction {
                Some(stopped) => found.push(stopped),
                None if through_c && throw::passed_on(py, runtime, thread, f, callee, found)? => {}
                None => bridge::suspended(py, runtime, f, callee, through_c, found)?,
            }
            shown += usize::from(found.last().is_some_and(Found::is_shown));
            if shown == limit || is_main_module(py, f) {
                break;
            }
            let (caller, _) = (*f).caller();
            if caller.is_null() || runtime.boundaries.borrow().contains(&((*caller).code() as usize)) {
                break;
            }
            if found.len() >= MAX_FRAMES {
                return Err(unsupported(py, f, format!("the stack has more than {MAX_FRAMES} frames")));
            }
            callee = f;
            f = caller;
        }
        for f in found.iter().filter(|f| f.flags & Frame::GENERATOR != 0) {
            targets::check_locals(py, f.frame)?;
        }
        let handled = Strong::shared(handled::handled_in(py, runtime, thread, found)?);
        targets::end_at_generator(py, runtime, found)?;
        ambient::found_in(py, runtime, found)?;
        process_state::found_in(py, runtime, found)?;
        context::found_in(py, runtime, found, context::current(thread), false)?;
        Ok(handled)
    }
}

/// More frames than any recursion limit that a resumed stack could have.
pub(crate) const MAX_FRAMES: usize = 200_000;

fn main_dict(py: Python<'_>) -> Object {
    // SAFETY: borrowed from the interpreter; only compared.
    unsafe {
        let name = crate::text::intern!(py, "__main__");
        let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), name.as_ptr());
        if module.is_null() || ffi::PyModule_Check(module) == 0 {
            return std::ptr::null_mut();
        }
        ffi::PyModule_GetDict(module)
    }
}

/// Whether `f` runs the `__main__` module itself: code of it that `exec` runs has code of it below.
///
/// # Safety
/// E2: `f` is live.
pub(crate) unsafe fn is_main_module(py: Python<'_>, f: *mut InterpreterFrame) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if (*f).f_locals.is_null() || (*f).f_locals != (*f).f_globals || (*f).f_locals != main_dict(py) {
            return false;
        }
        let mut outer = (*f).caller().0;
        while !outer.is_null() && ((*outer).f_globals != (*f).f_globals || !(*outer).has_function()) {
            outer = (*outer).caller().0;
        }
        outer.is_null()
    }
}
