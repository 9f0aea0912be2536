//! What a capture was asked to take and to leave: its options, made concrete for the frames found.

use crate::capture::CaptureOptions;
use crate::error::{CaptureError, Failure};
use crate::found::Found;
use crate::frame::{self, InterpreterFrame};
use crate::runtime::Runtime;
use crate::values::encode::Encoder;
use crate::values::externals::Externals;
use crate::values::path::RootNames;
use crate::values::{text_of, Object, Policy};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use torpor_store::frame::Frame;

/// The (frame, slot) pairs of locals that no instruction can read before they are assigned again.
pub(crate) fn dead_locals(
    py: Python<'_>,
    runtime: &Runtime,
    found: &[Found],
) -> Result<Vec<(usize, usize)>, Failure> {
    let mut dead = Vec::new();
    for (number, f) in found.iter().enumerate().filter(|(_, f)| f.is_shown()) {
        // SAFETY: E1: a live code object has such a tuple.
        let (code, names) = unsafe {
            let names = *f.code.byte_add(frame::offset::CODE_LOCALSPLUS_NAMES).cast::<Object>();
            (Bound::from_borrowed_ptr(py, f.code), Bound::from_borrowed_ptr(py, names))
        };
        let engine = runtime.engine.bind(py);
        let live = if f.flags & Frame::AT_INSTRUCTION != 0 {
            engine.getattr("live_locals")?.call1((code, 2 * f.instr))?
        } else if f.is_suspended() {
            engine.getattr("live_locals")?.call1((code, 2 * frame::landing(f.instr)))?
        } else {
            engine.getattr("live_after_call")?.call1((code, f.instr))?
        };
        for (slot, name) in names.cast::<PyTuple>().map_err(PyErr::from)?.iter().enumerate() {
            if !live.contains(name)? {
                dead.push((number, slot));
            }
        }
    }
    Ok(dead)
}

pub(crate) fn policy(runtime: &Runtime, options: &CaptureOptions<'_>) -> Result<Policy, Failure> {
    let (mut main, mut travelling, mut with_state) = (true, Vec::new(), Vec::new());
    if let Some(state) = &options.state {
        match state.extract::<String>().as_deref() {
            Ok("main") => {}
            Ok("none") => main = false,
            Ok(which @ ("program" | "all")) => {
                let found = runtime.engine.bind(state.py()).getattr("state_modules")?.call1((which,))?;
                with_state = found.extract()?;
            }
            Ok(other) => {
                return Err(CaptureError::Invalid(format!(
                    "state={other:?} is not one of \"main\", \"program\", \"all\", \"none\" and a list of modules"
                ))
                .into())
            }
            Err(_) => {
                for module in state.try_iter()? {
                    with_state.push(module_name(&module?)?);
                }
            }
        }
    }
    if let Some(modules) = &options.by_value {
        for module in modules.try_iter()? {
            travelling.push(module_name(&module?)?);
        }
    }
    let mut policy = Policy::new(main, travelling).with_state(with_state);
    if options.externals.is_some() || options.on_uncapturable.is_some() {
        let externals = Externals::new(options.externals.as_ref(), options.on_uncapturable.as_ref())?;
        policy.externals = Some(Box::new(externals));
    }
    Ok(policy)
}

/// A module, or its name.
fn module_name(module: &Bound<'_, PyAny>) -> PyResult<String> {
    match module.cast::<PyString>() {
        Ok(name) => Ok(name.to_str()?.to_owned()),
        Err(_) => module.getattr("__name__")?.extract(),
    }
}

/// The frame that `target` names, and the frame that it called.
///
/// # Safety
/// E1, E2; `first` is the innermost frame that may be captured.
pub(crate) unsafe fn target_frame(
    target: &Bound<'_, PyAny>,
    first: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    direct: bool,
) -> Result<(*mut InterpreterFrame, *mut InterpreterFrame), Failure> {
    // SAFETY: types are tested; the chain is live.
    unsafe {
        if ffi::Py_TYPE(target.as_ptr()) != &raw mut ffi::PyFrame_Type {
            let kind = text_of(target.get_type().fully_qualified_name()?.as_any());
            let what = format!(
                "target= is a {kind}; it can be a frame of this thread's stack, or a suspended generator, coroutine, \
                 async generator or greenlet"
            );
            return Err(CaptureError::Invalid(what).into());
        }
        let mut f = first;
        let mut called = if direct { std::ptr::null_mut() } else { callee };
        while !f.is_null() {
            if (*f).frame_obj.cast::<ffi::PyObject>() == target.as_ptr() {
                return Ok((f, called));
            }
            called = f;
            f = (*f).caller().0;
        }
        Err(CaptureError::Invalid(
            "target= is a frame that does not belong to this thread's running stack".into(),
        )
        .into())
    }
}

/// The (frame, slot) pairs that `exclude=` names; excluded cells become empty for all closures.
///
/// # Safety
/// E1, E2.
pub(crate) unsafe fn excluded(
    encoder: &mut Encoder<'_>,
    found: &[Found],
    options: &CaptureOptions<'_>,
) -> Result<Vec<(usize, usize)>, Failure> {
    let mut slots = Vec::new();
    let Some(exclude) = &options.exclude else { return Ok(slots) };
    let mut wanted: Vec<(usize, Bound<'_, PyAny>)> = Vec::new();
    // A generator is the outermost of its frames, every other target the innermost.
    let target = if found.first().is_some_and(Found::is_suspended) { found.len() - 1 } else { 0 };
    if let Ok(by_frame) = exclude.cast::<PyDict>() {
        for (number, names) in by_frame.iter() {
            let number: usize = number.extract()?;
            for name in names.try_iter()? {
                wanted.push((number, name?));
            }
        }
    } else if exclude.cast::<PyString>().is_ok() {
        wanted.push((target, exclude.clone()));
    } else {
        for name in exclude.try_iter()? {
            wanted.push((target, name?));
        }
    }
    for (number, name) in wanted {
        let invalid = |what: String| Failure::from(CaptureError::Invalid(what));
        let mut shown = found.iter().enumerate().filter(|(_, f)| f.is_shown());
        let (number, f) = shown.nth(number).ok_or_else(|| {
            let n = found.iter().filter(|f| f.is_shown()).count();
            invalid(format!("exclude= names frame {number}, the capture has {n} frames"))
        })?;
        // SAFETY: a live code object and its frame.
        unsafe {
            let names = *f.code.byte_add(frame::offset::CODE_LOCALSPLUS_NAMES).cast::<Object>();
            let names =
                Bound::from_borrowed_ptr(exclude.py(), names).cast_into::<PyTuple>().map_err(PyErr::from)?;
            let n = frame::nlocalsplus(f.code.cast());
            let slot = if name.is_instance_of::<PyInt>() {
                name.extract::<usize>().ok().filter(|i| *i < n)
            } else {
                names.iter().position(|other| other.eq(&name).unwrap_or(false))
            };
            let Some(slot) = slot else {
                let code = Bound::from_borrowed_ptr(exclude.py(), f.code);
                let function = text_of(&code.getattr("co_qualname")?);
                return Err(invalid(format!(
                    "exclude= names {}, which is no local of {function}",
                    text_of(name.repr()?.as_any())
                )));
            };
            let value = f.slot(slot).object();
            if !value.is_null()
                && ffi::Py_TYPE(value) == &raw mut ffi::PyCell_Type
                && encoder.is_cell_slot(f.code, slot)
            {
                encoder.empty_cell(value);
            } else {
                slots.push((number, slot));
            }
        }
    }
    Ok(slots)
}

impl Encoder<'_> {
    pub(crate) fn add_root(&mut self, names: RootNames) {
        self.work.roots.push(names);
    }

    fn empty_cell(&mut self, cell: Object) {
        self.work.empty_cells.push(cell as usize);
    }

    /// Whether localsplus slot `slot` of `code` holds a cell (kinds CELL 0x40 and FREE 0x80).
    ///
    /// # Safety
    /// `code` is live, `slot` in range.
    unsafe fn is_cell_slot(&self, code: Object, slot: usize) -> bool {
        // SAFETY: localspluskinds is a bytes object with a byte for each slot.
        unsafe {
            let kinds = *code.byte_add(frame::offset::CODE_LOCALSPLUS_KINDS).cast::<Object>();
            let kinds = ffi::PyBytes_AsString(kinds).cast::<u8>();
            *kinds.add(slot) & 0xc0 != 0
        }
    }
}
