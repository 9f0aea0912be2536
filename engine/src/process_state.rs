//! What the library keeps for the whole process and a program takes for its own: the generators of random numbers that
//! `random` and `numpy.random` have, the filters of `warnings`, limits, what modules have gained. Policy is in `python/process_state.py`.
//!
//! Part of the steps "capture" and "resume". What the program has changed since torpor was imported comes with the
//! stack, held by a frame of torpor's own below it, `finish_state`. It is put in place when the stack is resumed;
//! what the process had is put back when it has ended. A capture in a process that changed nothing pays for a few
//! comparisons only.

use crate::error::Failure;
use crate::found::Found;
use crate::frame::small_int;
use crate::gained::{self, Gained, Met, Noted};
use crate::plan;
use crate::runtime::{self, Runtime};
use crate::stack::Stack;
use crate::values::{Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use torpor_store::frame::FRAME_HEAD;

/// Words of a Mersenne twister: 624, and the place among them (before them in `random`, behind them in numpy).
const WORDS: usize = 625;
/// Those that are compared: a draw changes the place, or all of the others.
const SAMPLE: [usize; 6] = [0, 1, 2, 399, 623, 624];

thread_local! {
    /// Whether this thread's walk has met somebody who changed the filters of warnings.
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

type Sampled = [u32; SAMPLE.len()];

/// What is looked at with every capture.
pub(crate) struct Watch {
    /// The generator of `random`, and what it was like.
    random: Py<PyAny>,
    random_words: Option<Sampled>,
    numpy: Numpy,
    limits: Limits,
    pub(crate) gained: Gained,
    /// Modules when they were looked at last.
    modules: isize,
    /// Whether a stack was resumed that brought something.
    pub(crate) resumed: bool,
}

/// What tells whether a program has set limits of the interpreter, or those and the dialects of `csv`.
struct Limits {
    digits: Py<PyAny>,
    default_digits: i64,
    csv_has_changed: Py<PyAny>,
    csv_is_imported: bool,
}

/// What `sys.getrecursionlimit()` is at first.
const RECURSION_LIMIT: c_int = 1000;

impl Limits {
    fn have_changed(&self, py: Python<'_>) -> PyResult<bool> {
        // SAFETY: E5: the GIL is held; a builtin function without arguments, which gives an int.
        let digits = unsafe {
            let digits = ffi::PyObject_CallNoArgs(self.digits.as_ptr());
            if digits.is_null() {
                return Err(PyErr::fetch(py));
            }
            small_int(Strong(digits).0)
        };
        // SAFETY: the GIL is held.
        Ok(unsafe { ffi::Py_GetRecursionLimit() } != RECURSION_LIMIT || digits != Some(self.default_digits))
    }
}

enum Numpy {
    NotImported,
    /// Its generator, the one that gives it its bits and their state, and what that was like.
    Known {
        random: Py<PyAny>,
        bits: Py<PyAny>,
        words: *const u32,
        sampled: Option<Sampled>,
    },
    /// It has bits from elsewhere.
    Other,
}

/// # Safety
/// E24: the words of a live generator.
unsafe fn sample(words: *const u32) -> Sampled {
    // SAFETY: as the caller promises.
    SAMPLE.map(|i| unsafe { words.add(i).read() })
}

/// The words of a generator of `random`: behind its head.
fn words_of(random: &Bound<'_, PyAny>) -> *const u32 {
    random.as_ptr().wrapping_byte_add(size_of::<ffi::PyObject>()).cast()
}

/// Where a generator of bits of numpy's says that its state is.
fn words_behind(capsule: &Bound<'_, PyAny>) -> PyResult<*const u32> {
    // SAFETY: E24: the capsule has this name, or there is none; it points to a struct that begins with the state's address.
    unsafe {
        let interface = ffi::PyCapsule_GetPointer(capsule.as_ptr(), c"BitGenerator".as_ptr());
        if interface.is_null() {
            return Err(PyErr::fetch(capsule.py()));
        }
        Ok(interface.cast::<*const c_void>().read().cast())
    }
}

impl Watch {
    /// Notes what the process has now.
    pub(crate) fn begin(py: Python<'_>, engine: &Bound<'_, PyModule>) -> PyResult<Watch> {
        let random = engine.getattr("process_random")?.call0()?;
        let (random, fresh): (Bound<'_, PyAny>, bool) = random.extract()?;
        // SAFETY: E24: its class and layout were tested by `process_random`.
        let random_words = fresh.then(|| unsafe { sample(words_of(&random)) });
        let random = random.unbind();
        Ok(Watch {
            random,
            random_words,
            numpy: Numpy::look(py, engine)?,
            limits: Limits {
                digits: py.import("sys")?.getattr("get_int_max_str_digits")?.unbind(),
                default_digits: engine.getattr("DEFAULT_DIGITS")?.extract()?,
                csv_has_changed: engine.getattr("csv_has_changed")?.unbind(),
                csv_is_imported: false,
            },
            gained: Gained::default(),
            modules: -1,
            resumed: false,
        })
    }

    /// Whether somebody has seeded the generator of `random`, or drawn from it.
    fn has_drawn(&self, py: Python<'_>) -> bool {
        // SAFETY: E24: the generator is held.
        self.random_words.is_none_or(|words| words != unsafe { sample(words_of(self.random.bind(py))) })
    }

    /// Whether anything is not as it was at first.
    fn has_changed(&self, py: Python<'_>) -> PyResult<bool> {
        if self.has_drawn(py) || self.limits.have_changed(py)? {
            return Ok(true);
        }
        // SAFETY: E24: the generator is held, and has the bits for which the words were found.
        unsafe {
            match &self.numpy {
                Numpy::NotImported => Ok(false),
                Numpy::Other => Ok(true),
                Numpy::Known { random, bits, words, sampled } => {
                    let now = random.bind(py).getattr(crate::text::intern!(py, "_bit_generator"))?;
                    Ok(!now.is(bits) || sampled.is_none_or(|sampled| sampled != sample(*words)))
                }
            }
        }
    }
}

impl Numpy {
    fn look(py: Python<'_>, engine: &Bound<'_, PyModule>) -> PyResult<Numpy> {
        let found = engine.getattr("process_numpy")?.call0()?;
        if found.is_none() {
            return Ok(Numpy::NotImported);
        }
        let (random, bits, fresh): (Bound<'_, PyAny>, Bound<'_, PyAny>, Option<bool>) = found.extract()?;
        let Some(fresh) = fresh else { return Ok(Numpy::Other) };
        let words = words_behind(&bits.getattr(crate::text::intern!(py, "capsule"))?)?;
        // SAFETY: E24: `process_numpy` has tested the class.
        let sampled = fresh.then(|| unsafe { sample(words) });
        Ok(Numpy::Known { random: random.unbind(), bits: bits.unbind(), words, sampled })
    }
}

/// Modules were imported: numpy's may be one of them.
fn look(py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
    // SAFETY: E5: the dict of all modules, borrowed.
    let modules = unsafe { ffi::PyDict_Size(ffi::PyImport_GetModuleDict()) };
    let watch = runtime.process_state.borrow();
    if modules == watch.modules {
        return Ok(());
    }
    let unknown = matches!(watch.numpy, Numpy::NotImported);
    drop(watch); // code of the program may run, and capture
    let engine = runtime.engine.bind(py);
    let numpy = if unknown { Some(Numpy::look(py, &engine)?) } else { None };
    let csv = engine.getattr("csv_is_imported")?.call0()?.is_truthy()?;
    let places = Gained::look(py, &engine)?;
    let mut watch = runtime.process_state.borrow_mut();
    watch.limits.csv_is_imported = csv;
    let before = watch.gained.replace(places);
    watch.modules = modules;
    if let Some(numpy) = numpy {
        watch.numpy = numpy;
    }
    drop(watch); // the program's objects may go
    drop(before);
    Ok(())
}

/// Puts what the program has changed below the frames that were found.
pub(crate) fn found_in(py: Python<'_>, runtime: &Runtime, found: &mut Vec<Found>) -> Result<(), Failure> {
    look(py, runtime)?;
    WANTED.set(false);
    let (mut changed, csv) = {
        let watch = runtime.process_state.borrow_mut();
        if watch.resumed {
            // What an earlier resume left there is of then.
            found.retain(|f| f.function != runtime.finish_state.as_ptr());
        }
        let csv = watch.limits.csv_is_imported.then(|| watch.limits.csv_has_changed.clone_ref(py));
        (watch.has_changed(py)?, csv) // no Python code runs
    };
    if let Some(csv) = csv.filter(|_| !changed) {
        changed = csv.call0(py)?.is_truthy(py)?; // another thread may capture meanwhile
    }
    if !changed {
        return Ok(());
    }
    insert(py, runtime, found, &Noted::default())
}

/// If a walk has met somebody who changed the filters of warnings, or something that has gained more, that comes too, and
/// another walk is due.
pub(crate) fn more_in(
    py: Python<'_>,
    runtime: &Runtime,
    found: &mut Vec<Found>,
    met: &Met<'_>,
    noted: &mut Noted,
) -> Result<bool, Failure> {
    let warnings = WANTED.take() && !std::mem::replace(&mut noted.warnings, true);
    if !gained::more(py, runtime, met, noted)? && !warnings {
        return Ok(false);
    }
    found.retain(|f| f.function != runtime.finish_state.as_ptr());
    insert(py, runtime, found, noted)?;
    Ok(true)
}

fn insert(py: Python<'_>, runtime: &Runtime, found: &mut Vec<Found>, noted: &Noted) -> Result<(), Failure> {
    let state = runtime.engine.bind(py).getattr("process_state")?;
    let state = state.call1((noted.warnings, noted.entries(py)?))?;
    let finisher = runtime.finish_state.bind(py);
    let one = plan::finisher(py, runtime, finisher, &PyTuple::new(py, [state])?, None)?;
    let context = runtime.finish_context.as_ptr();
    let at = found.len() - usize::from(found.last().is_some_and(|f| f.function == context));
    found.insert(at, one);
    Ok(())
}

/// What a stack brings of the process that it comes from.
fn brought<'py>(py: Python<'py>, runtime: &Runtime, stack: &Stack) -> Option<Bound<'py, PyAny>> {
    let finisher = runtime.finish_state.as_ptr();
    // One of the two outermost: a context may lie below it.
    let mut outer = stack.frames.iter().rev().take(2);
    let f = outer.find(|f| stack.values[f.first] == finisher)?;
    let state: Object = stack.values[f.first + FRAME_HEAD as usize];
    // SAFETY: E5: the values of a stack are NULL or live.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, state) }
}

/// How many frames deeper the stack may go than this process lets others.
pub(crate) fn more_depth(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> PyResult<c_int> {
    let state = brought(py, runtime, stack).and_then(|state| state.cast_into::<PyDict>().ok());
    let Some(state) = state else { return Ok(0) };
    let Some(limit) = state.get_item(crate::text::intern!(py, "recursion limit"))? else { return Ok(0) };
    // SAFETY: the GIL is held.
    Ok((limit.extract::<c_int>()? - unsafe { ffi::Py_GetRecursionLimit() }).max(0))
}

/// What the process had, while a stack has its place.
pub(crate) struct Entered(Option<Py<PyAny>>);

impl Entered {
    /// Puts in place what the stack brings, if it brings anything.
    pub(crate) fn enter(py: Python<'_>, runtime: &Runtime, stack: &Stack) -> PyResult<Entered> {
        let Some(state) = brought(py, runtime, stack) else { return Ok(Entered(None)) };
        runtime.process_state.borrow_mut().resumed = true;
        let own = runtime.engine.bind(py).getattr("enter_state")?.call1((state,))?;
        Ok(Entered(Some(own.unbind())))
    }

    /// Puts back what was there. An exception that is set stays.
    pub(crate) fn leave(self, py: Python<'_>, runtime: &Runtime) -> PyResult<()> {
        let Some(own) = self.0 else { return Ok(()) };
        let raised = PyErr::take(py);
        let left = runtime.engine.bind(py).getattr("leave_state").and_then(|leave| leave.call1((own,)));
        if let Some(raised) = raised {
            raised.restore(py);
        }
        left.map(drop)
    }
}

pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    let wanted = function(py, "warnings_are_wanted", |args| {
        WANTED.set(true);
        Ok(args.py().None())
    })?;
    let words = function(py, "random_words", |args| {
        let random = args.get_item(0)?;
        // SAFETY: E24: the caller has tested that the class has room for them.
        let words = unsafe { std::slice::from_raw_parts(words_of(&random).cast::<u8>(), 4 * WORDS) };
        Ok(PyBytes::new(args.py(), words).unbind())
    })?;
    // Around a fork, after which the module seeds its generator anew in the child.
    let drawn = function(py, "numbers_were_drawn", |args| {
        Ok(runtime::get(args.py())?.process_state.borrow().has_drawn(args.py()))
    })?;
    let seeded = function(py, "random_was_seeded", |args| {
        let mut watch = runtime::get(args.py())?.process_state.borrow_mut();
        // SAFETY: E24: as when it was looked at first.
        watch.random_words = Some(unsafe { sample(words_of(watch.random.bind(args.py()))) });
        Ok(args.py().None())
    })?;
    Ok(vec![wanted, words, drawn, seeded])
}
