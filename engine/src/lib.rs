//! Capture and resume of live CPython frames.
//!
//! The flow is the list of modules: a **frame** of the running interpreter ([`frame`]) is **captured**
//! ([`capture`], with [`bridge`] deciding what can be rebuilt and [`values`] writing what it holds),
//! stored as a **region** ([`region`]), **adopted** ([`adopt`]) and **resumed** ([`resume`]).
//!
//! This is the only crate that knows CPython's internals. Its users hold the GIL (a
//! [`Python`](pyo3::Python) token) and need no `unsafe`.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod adopt;
mod again;
mod ambient;
mod apart;
mod around;
mod attach;
mod awaitable;
mod bridge;
mod c_stack;
pub mod capture;
pub mod code;
mod context;
mod continuation;
pub mod error;
pub mod export;
mod finish;
mod found;
pub mod frame;
mod gained;
mod gaps;
mod greenlet;
mod handled;
mod imports;
mod instrument;
mod iterators;
mod lookup;
pub mod memory;
mod metaclass;
mod object;
mod parts;
mod pause;
mod plan;
mod process_state;
pub mod read;
mod rebuild;
pub mod region;
pub mod resume;
mod rewalk;
mod runtime;
mod selection;
mod slots;
mod source;
mod spare;
mod stack;
mod stop;
mod targets;
mod text;
mod throw;
pub mod values;
mod views;
mod warnings;
pub mod watch;

pub use adopt::{adopt, adopt_again};
pub use capture::{capture, capture_detached, CaptureOptions};
pub use continuation::Continuation;
pub use error::{AdoptError, CaptureError, Failure, Refusal, ResumeError};
pub use export::{attachment, make_exporter, region_view};
pub use read::read;
pub use resume::run;

use pyo3::prelude::*;
use pyo3::types::PyCode;

/// Tests that this interpreter is one that the engine knows, and makes ready. Cheap when done before.
///
/// # Errors
/// `Failure::Platform` with one sentence for any other interpreter.
pub fn initialize(py: Python<'_>) -> Result<(), Failure> {
    if runtime::started(py) {
        return Ok(());
    }
    if let Some(refusal) = frame::check::platform_refusal(py)? {
        return Err(Failure::Platform(refusal));
    }
    let engine = source::load_engine(py)?;
    if let Some(what) = frame::check::self_test(py, &engine)? {
        let version = Python::version_str().split(' ').next().unwrap_or_default().to_owned();
        return Err(Failure::Platform(format!(
            "torpor does not know this build of CPython {version}: {what} is not where it should be"
        )));
    }
    engine.setattr("new_frame", adopt::frame_maker(py)?)?;
    for (name, function) in finish::functions(py)?
        .into_iter()
        .chain(awaitable::functions(py)?)
        .chain(values::greenlet_stack::functions(py)?)
        .chain(watch::functions(py)?)
        .chain(instrument::functions(py)?)
        .chain(values::weak::functions(py)?)
        .chain(iterators::functions(py)?)
        .chain(lookup::functions(py)?)
        .chain(context::functions(py)?)
        .chain(throw::functions(py)?)
        .chain(ambient::functions(py)?)
        .chain(process_state::functions(py)?)
        .chain(views::functions(py)?)
        .chain(values::origin::functions(py)?)
        .chain(metaclass::functions(py)?)
    {
        engine.setattr(name, function)?;
    }
    engine.getattr("check_iterators")?.call0()?;
    engine.getattr("check_caches")?.call0()?;
    engine.getattr("check_lazy_imports")?.call0()?;
    engine.getattr("check_contexts")?.call0()?;
    runtime::start(py, engine, resume::functions(py)?)?;
    if instrument::wants_early_lessons(py)? {
        learn_stops(py)?;
    }
    Ok(())
}

/// The Python function `torpor.run`: its code object is what marks the boundary.
pub fn run_function(py: Python<'_>) -> Result<Py<PyAny>, Failure> {
    Ok(runtime::get(py)?.run.clone_ref(py))
}

/// Makes known how the interpreter stops frames, before the first stop: later it takes a little longer.
pub fn learn_stops(py: Python<'_>) -> Result<(), Failure> {
    stop::prepare(py, runtime::get(py)?)
}

/// Whether local variables are alive: see `torpor.liveness`.
pub fn live_locals(py: Python<'_>) -> Result<Py<PyAny>, Failure> {
    Ok(runtime::get(py)?.engine.bind(py).getattr("live_locals")?.unbind())
}

/// Registers a Python function through which captures are called: its frame is not captured.
pub fn register_entry(py: Python<'_>, function: &Bound<'_, PyAny>) -> Result<(), Failure> {
    Ok(runtime::get(py)?.add_entry(py, function)?)
}

/// Registers a class whose objects are taken apart into what never changes: texts and numbers that they were made with.
pub fn register_unchanging(py: Python<'_>, class: &Bound<'_, PyAny>) -> Result<(), Failure> {
    runtime::get(py)?.add_unchanging(class.clone().unbind());
    Ok(())
}

/// Makes the frames of a Python function of the engine's module, which lives as long as that, invisible to `f_back`,
/// tracebacks, `sys._getframe` and tracing.
fn hide(engine: &Bound<'_, PyModule>, function: &Bound<'_, PyAny>) -> PyResult<()> {
    engine.getattr("quiet")?.call1((function,))?;
    let code = function.getattr("__code__")?.cast_into::<PyCode>()?;
    // SAFETY: E1: a code object of the engine's own, which never ran and is kept for ever.
    unsafe { frame::hide(code.as_ptr().cast()) };
    Ok(())
}

/// Adds a reducer for exactly `class`: `reduce(object)` returns what `__reduce_ex__` may return.
pub fn register_reducer(
    py: Python<'_>,
    class: &Bound<'_, PyAny>,
    reduce: &Bound<'_, PyAny>,
) -> Result<(), Failure> {
    let runtime = runtime::get(py)?;
    runtime.keep(class);
    Ok(runtime.reducers.bind(py).set_item(metaclass::key(class)?, reduce)?)
}

/// The class that stands for values that only a reducer could rebuild (`torpor.Opaque`).
pub fn set_opaque_type(py: Python<'_>, class: &Bound<'_, PyAny>) -> Result<(), Failure> {
    *runtime::get(py)?.opaque.borrow_mut() = Some(class.clone().unbind());
    Ok(())
}

/// The categories of the engine's warnings.
pub fn set_warning_types(
    py: Python<'_>,
    code_changed: &Bound<'_, PyAny>,
    state_ignored: &Bound<'_, PyAny>,
) -> Result<(), Failure> {
    let runtime = runtime::get(py)?;
    *runtime.code_changed.borrow_mut() = Some(code_changed.clone().unbind());
    *runtime.state_ignored.borrow_mut() = Some(state_ignored.clone().unbind());
    Ok(())
}
