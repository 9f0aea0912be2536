//! Instrumentation of code that is resumed: what tools (tracers, coverage, `sys.monitoring`) asked for while
//! the code was not running is written into it when a function is entered. A resumed frame is past that
//! point, so it is done here, by way of the public interface: a change of a tool's events for one code
//! object, at once taken back. No code of the program runs in between.

use crate::frame;
use crate::values::Object;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

/// Whether the JIT compiler of this version waits for itself for ever when all running code is instrumented and the
/// list of machine code to be freed happens to be full: it is emptied under the lock that is held then. It also frees machine
/// code that other threads run (gh-142513).
const EMPTIES_UNDER_LOCK: bool = frame::MINOR == 14;

/// Tools that a program can have.
const TOOLS: i32 = 6;

/// Brings the instrumentation of these code objects up to date.
///
/// The frames that run them are linked into the running stack: where giving back a tool's number makes all
/// instrumentation stale again (3.14 on), the interpreter renews that of every running frame itself.
///
/// # Safety
/// Invariant E1; the code objects are live and the GIL is held.
pub(crate) unsafe fn refresh(py: Python<'_>, codes: impl Iterator<Item = Object>) -> PyResult<()> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        let is_stale = |code: &Object| {
            frame::is_instrumentation_stale(thread, code.cast()) && !frame::is_hidden(code.cast())
        };
        let mut stale = codes.filter(is_stale).peekable();
        if stale.peek().is_none() {
            return Ok(());
        }
        let tool = Tool::find(py)?;
        let touched = stale.try_for_each(|code| tool.touch(&Bound::from_borrowed_ptr(py, code)));
        tool.give_back().and(touched)
    }
}

/// A tool of `sys.monitoring`: one that the program has, else one for the moment.
struct Tool<'py> {
    monitoring: Bound<'py, PyAny>,
    number: i32,
    ours: bool,
}

impl<'py> Tool<'py> {
    fn find(py: Python<'py>) -> PyResult<Tool<'py>> {
        // SAFETY: borrowed from the sys module, or NULL without an exception.
        let monitoring =
            unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PySys_GetObject(c"monitoring".as_ptr())) }
                .ok_or_else(|| {
                    PyRuntimeError::new_err("sys.monitoring is gone, which resuming needs here")
                })?;
        for number in 0..TOOLS {
            if !monitoring.call_method1(crate::text::intern!(py, "get_tool"), (number,))?.is_none() {
                return Ok(Tool { monitoring, number, ours: false });
            }
        }
        let number = TOOLS - 1;
        monitoring.call_method1(crate::text::intern!(py, "use_tool_id"), (number, "torpor"))?;
        Ok(Tool { monitoring, number, ours: true })
    }

    /// Has the interpreter instrument `code` anew.
    fn touch(&self, code: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = code.py();
        let before: u32 = self
            .monitoring
            .call_method1(crate::text::intern!(py, "get_local_events"), (self.number, code))?
            .extract()?;
        // One of the first four events: the start, the resumption, the return and the yield of a function.
        let event = [4, 1, 2, 8].into_iter().find(|event| before & event == 0).unwrap_or(8);
        for events in [before ^ event, before] {
            self.monitoring
                .call_method1(crate::text::intern!(py, "set_local_events"), (self.number, code, events))?;
        }
        Ok(())
    }

    fn give_back(self) -> PyResult<()> {
        if self.ours {
            self.settle()?;
            self.monitoring
                .call_method1(crate::text::intern!(self.monitoring.py(), "free_tool_id"), (self.number,))?;
        }
        Ok(())
    }

    /// Has the machine code of all running code dropped, where no lock is held: none is left to be dropped under one.
    fn settle(&self) -> PyResult<()> {
        let py = self.monitoring.py();
        if !EMPTIES_UNDER_LOCK || !is_compiling(py)? {
            return Ok(());
        }
        let mut settled = std::collections::HashSet::new();
        let frames = py.import("sys")?.call_method0("_current_frames")?.cast_into::<PyDict>()?;
        for mut frame in frames.values() {
            while !frame.is_none() {
                let code = frame.getattr("f_code")?;
                if settled.insert(code.as_ptr() as usize) {
                    self.touch(&code)?;
                }
                frame = frame.getattr("f_back")?;
            }
        }
        Ok(())
    }
}

/// Whether a change of what is instrumented may crash the interpreter or hang it: that of 3.14 frees machine code that other
/// threads are in the middle of, if its JIT compiler is on; a trace function that is set does the same.
fn is_unsafe(py: Python<'_>) -> PyResult<bool> {
    if !EMPTIES_UNDER_LOCK || !is_compiling(py)? {
        return Ok(false);
    }
    Ok(py.import("sys")?.call_method0("_current_frames")?.len()? > 1)
}

/// At the start, where changes may become unsafe: no machine code of the program's runs yet, and no lesson is left for when
/// it does.
pub(crate) fn wants_early_lessons(py: Python<'_>) -> PyResult<bool> {
    Ok(EMPTIES_UNDER_LOCK && is_compiling(py)? && !is_unsafe(py)?)
}

/// Whether the JIT compiler is on.
fn is_compiling(py: Python<'_>) -> PyResult<bool> {
    match py.import("sys")?.getattr_opt("_jit")? {
        Some(jit) => jit.call_method0("is_enabled")?.is_truthy(),
        None => Ok(false),
    }
}

/// Before all running code is instrumented anew, with nothing of the program in between: `sys.monitoring.set_events`
/// and `free_tool_id`, and a trace function set.
pub(crate) fn settle(py: Python<'_>) -> PyResult<()> {
    if !EMPTIES_UNDER_LOCK || !is_compiling(py)? {
        return Ok(());
    }
    let tool = Tool::find(py)?;
    if !tool.ours {
        tool.settle()?;
    }
    tool.give_back()
}

/// As Python functions, by name. `instrument_all(change, *arguments)` calls what instruments all running code.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    Ok(vec![
        crate::finish::function(py, "instrument_all", |args| {
            settle(args.py())?;
            Ok(args.get_item(0)?.call1(args.get_slice(1, args.len()))?.unbind())
        })?,
        crate::finish::function(py, "instrumenting_is_unsafe", |args| Ok(is_unsafe(args.py())?))?,
    ])
}
