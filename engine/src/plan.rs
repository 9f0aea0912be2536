//! What C code between two frames has still to do: how the lower frame is stored, and what finishes it.
//!
//! The proof and the policy are in `python/bridge/`; here are the facts that it needs (operands of the
//! instruction, what the inner frame is) and the frames that follow from its answer. Before CPython 3.14 an
//! operand may be gone while its slot is not; there no operand is looked at before the C stack says that the
//! function which the instruction called is still running.

use crate::bridge::{instruction_name, name_of};
use crate::code;
use crate::error::{tried, Failure};
use crate::found::{unsupported, Found};
use crate::frame::{self, generator, InterpreterFrame, Owner, Slot};
use crate::gaps;
use crate::runtime::Runtime;
use crate::values::{text_of, Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use torpor_store::frame::Frame;

/// From this version on an operand's slot is valid for as long as the instruction runs.
pub(crate) const OPERANDS_ARE_VALID: bool = frame::MINOR >= 14;

/// The operands of LOAD_SUPER_ATTR: from 3.14 on it lets go of them when it has what `super()` makes of them.
const SUPER: usize = 3;

/// A generator that passes on an exception which was thrown into it, see `throw.rs`.
pub(crate) struct Thrown {
    /// The SEND in which it is suspended.
    pub send: u32,
    pub outer: Object,
    /// The exception that it handles, borrowed; NULL for none.
    pub handled: Object,
}

/// A frame of torpor's own: `function` with its arguments, suspended in its call of `hole`, or in its first
/// loop over `source`.
pub(crate) fn finisher(
    py: Python<'_>,
    runtime: &Runtime,
    function: &Bound<'_, PyAny>,
    arguments: &Bound<'_, PyTuple>,
    source: Option<Object>,
) -> Result<Found, Failure> {
    let key = (function.as_ptr() as usize, source.is_some());
    let known = runtime.places.borrow().get(&key).copied();
    let (start, next, end) = match known {
        Some(place) => place,
        None => {
            let place = runtime.engine.bind(py).getattr("place")?.call1((function, source.is_some()))?;
            let place = place.extract()?;
            runtime.places.borrow_mut().insert(key, place); // a function of the engine's own lives for ever
            place
        }
    };
    // SAFETY: (whole body) live objects of the engine's own; references are taken as they are stored.
    unsafe {
        let code = ffi::PyFunction_GetCode(function.as_ptr());
        let entry = code::entry(runtime, code)?;
        let nlocals = frame::nlocalsplus(code.cast());
        let mut own: Vec<Option<Strong>> = Vec::new();
        own.resize_with(nlocals, || None);
        let first = usize::from(source.is_some()); // the iterator itself is no argument any more
        for (i, argument) in arguments.iter().enumerate() {
            own[first + i] = Some(Strong::borrowed(argument.as_ptr()));
        }
        let (instr, return_offset) = match source {
            None => frame::place_after(start, next),
            Some(generator) => {
                let depth = entry.depth_before(runtime, code, start)?.unwrap_or(1);
                own.push(Some(Strong::borrowed(generator)));
                own.resize_with(nlocals + depth, || None);
                frame::place_over(start, next, end)
            }
        };
        Ok(Found {
            frame: std::ptr::null_mut(),
            function: function.as_ptr(),
            code,
            instr,
            return_offset,
            flags: Frame::HIDDEN,
            depth: own.len(),
            own,
            unit: 0,
            keeper: None,
            handled: None,
        })
    }
}

/// What stands in for the interpreter's own trampoline under an `__init__`.
///
/// # Safety
/// E2: `f` is such a frame: its first local is the object.
pub(crate) unsafe fn construction(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
) -> Result<Found, Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        let object = (*f).slot(0).object();
        if object.is_null() {
            return Err(Failure::Platform("the object that is constructed is not known".into()));
        }
        let function = runtime.engine.bind(py).getattr("finish_init")?;
        let arguments = PyTuple::new(py, [Bound::from_borrowed_ptr(py, object)])?;
        finisher(py, runtime, &function, &arguments, None)
    }
}

/// Whether what `f` has still to do when `callee`, which runs in the same loop, returns is to push the result, or a
/// generator's next value: at an instruction that the interpreter runs without C code when it is warm, and where a
/// resumed frame stands whose C code had nothing else to do.
///
/// # Safety
/// E1, E2.
pub(crate) unsafe fn only_pushes_the_result(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
) -> Result<bool, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let code: Object = (*f).code().cast();
        let unit = (*f).instruction_index();
        let op = instruction_name(py, runtime, code, unit);
        let steps = matches!(op.as_str(), "FOR_ITER" | "SEND");
        if steps && (*callee).owner() != Owner::Generator {
            return Ok(false);
        }
        let Some(depth) = (*f).depth() else { return Ok(false) };
        let landing = frame::landing(unit) + (*f).return_offset();
        let expected = code::entry(runtime, code)?.depth_before(runtime, code, landing)?;
        Ok(expected == Some(depth + 1 - frame::nlocalsplus(code.cast())))
    }
}

/// The operands of the instruction at `start`: the evaluation stack as it is now, as a list.
///
/// # Safety
/// E1, E2, E12: on versions where operands can be stale, the C stack proved that they are not.
unsafe fn operands<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    depth: usize,
    hidden: usize,
) -> Result<Bound<'py, PyList>, Failure> {
    let empty = runtime.engine.bind(py).getattr("EMPTY")?;
    let list = PyList::empty(py);
    // SAFETY: as the caller promises.
    unsafe {
        let first = frame::nlocalsplus((*f).code());
        for i in 0..depth {
            match (*f).slot(first + i) {
                Slot::Object(object) if i + hidden < depth => {
                    list.append(Bound::from_borrowed_ptr(py, object))?;
                }
                _ => list.append(&empty)?,
            }
        }
    }
    Ok(list)
}

/// Whether the arguments of the CALL_FUNCTION_EX at `start` are the tuple that its slot says: before 3.14 other
/// iterables are replaced by a tuple that is in no slot, and may be gone.
///
/// # Safety
/// E1, E2.
unsafe fn owns_arguments(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    start: u32,
    depth: usize,
) -> Result<bool, Failure> {
    // SAFETY: (whole body) E1, E2; an operand is only looked at if a local of the frame holds it as well.
    unsafe {
        let code: Object = (*f).code().cast();
        let named = code::argument_at(code, start).map_or(0, |a| (a & 1) as usize);
        let Some(place) = depth.checked_sub(1 + named) else { return Ok(false) };
        let made = runtime.engine.bind(py).getattr("made_arguments")?;
        let made = made.call1((Bound::from_borrowed_ptr(py, code), start, place))?;
        if made.is_none() {
            return Ok(false);
        }
        let (is_tuple, local): (bool, usize) = made.extract()?;
        let nlocals = frame::nlocalsplus(code.cast());
        let object = (*f).slot(nlocals + place).object();
        if is_tuple || object.is_null() || local >= nlocals {
            return Ok(is_tuple);
        }
        let mut held = (*f).slot(local).object();
        if !held.is_null() && ffi::Py_TYPE(held) == &raw mut ffi::PyCell_Type {
            held = ffi::PyCell_Get(held);
            ffi::Py_XDECREF(held); // the cell has it
        }
        Ok(held == object && ffi::Py_TYPE(object) == &raw mut ffi::PyTuple_Type)
    }
}

/// Whether `f` stands in a BINARY_SLICE whose bounds it has given to a slice object (3.14), and one of them is asked for
/// its index: then that object is in use, and the slots above the evaluation stack are what it holds.
///
/// # Safety
/// E1, E2; slots are compared with the inner frame's first local, which is live, and not looked at.
unsafe fn slices(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    start: u32,
    depth: usize,
) -> Result<bool, Failure> {
    // SAFETY: (whole body) E1, E2, E12.
    unsafe {
        let code: Object = (*f).code().cast();
        let nlocals = frame::nlocalsplus(code.cast());
        if depth < 3
            || (*f).depth() != Some(nlocals + depth - 2)
            || instruction_name(py, runtime, code, start) != "BINARY_SLICE"
            || !(*callee).has_function()
            || frame::nlocalsplus((*callee).code()) == 0
        {
            return Ok(false);
        }
        let Slot::Object(asked) = (*callee).slot(0) else { return Ok(false) };
        if !(1..=2).any(|i| (*f).slot(nlocals + depth - i).object() == asked) {
            return Ok(false);
        }
        let (asked, function) =
            (Bound::from_borrowed_ptr(py, asked), Bound::from_borrowed_ptr(py, (*callee).function()));
        Ok(runtime.engine.bind(py).getattr("gives_index")?.call1((asked, function))?.is_truthy()?)
    }
}

/// "by calling sorted (CALL_KW)", "by the next item of a zip (FOR_ITER)".
///
/// # Safety
/// E1, E2.
unsafe fn described(py: Python<'_>, runtime: &Runtime, f: *mut InterpreterFrame) -> Result<String, Failure> {
    // SAFETY: (whole body) E1, E2; from 3.14 on the operands are live if the depth is that before the instruction.
    unsafe {
        let (code, unit): (Object, u32) = ((*f).code().cast(), (*f).instruction_index());
        let start = code::opcode_at(code, unit).map_or(unit, |(_, start)| start);
        let before = code::entry(runtime, code)?.depth_before(runtime, code, start)?;
        let (types, nlocals) = (PyList::empty(py), frame::nlocalsplus(code.cast()));
        if let Some(depth) = before.filter(|d| OPERANDS_ARE_VALID && (*f).depth() == Some(nlocals + d)) {
            for i in depth.saturating_sub(2)..depth {
                if let Slot::Object(operand) = (*f).slot(nlocals + i) {
                    types.append(Bound::from_borrowed_ptr(py, operand).get_type())?;
                }
            }
        }
        let describe = runtime.engine.bind(py).getattr("describe")?;
        let said = tried(py, describe.call1((Bound::from_borrowed_ptr(py, code), start, types)))?;
        Ok(said.map_or_else(|| "by an instruction".into(), |said| text_of(&said)))
    }
}

/// The kind of call by which `f` reached `callee` through C, if it is told by the operands and nothing else: the
/// loop or await in which `f` stands is over the very generator that runs.
///
/// # Safety
/// E1, E2; operands are compared and not looked at.
pub(crate) unsafe fn runs_generator(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
) -> Result<Option<&'static str>, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let code: Object = (*f).code().cast();
        let Some((_, start)) = code::opcode_at(code, (*f).instruction_index()) else { return Ok(None) };
        let below = match instruction_name(py, runtime, code, start).as_str() {
            "FOR_ITER" => 1,
            "SEND" => 2,
            _ => return Ok(None),
        };
        let depth = code::entry(runtime, code)?.depth_before(runtime, code, start)?.filter(|d| *d >= below);
        let (Some(depth), Owner::Generator) = (depth, (*callee).owner()) else { return Ok(None) };
        let iterated = (*f).slot(frame::nlocalsplus(code.cast()) + depth - below).object();
        Ok((iterated == generator::owner_of(callee)).then_some("generator"))
    }
}

/// Describes `f`, which reached `callee` through C, by a call of the kind that is `proved` (`None`: the C stack
/// has to say). `thrown`: it passes an exception on.
///
/// # Safety
/// E1, E2.
pub(crate) unsafe fn bridged<'py>(
    py: Python<'py>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    callee: *mut InterpreterFrame,
    proved: Option<&str>,
    thrown: Option<Thrown>,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let code: Object = (*f).code().cast();
        let entry = code::entry(runtime, code)?;
        let unit = (*f).instruction_index();
        let refuse = || {
            let how = match described(py, runtime, f) {
                Ok(how) => how,
                Err(failure) => return failure,
            };
            let what = format!(
                "C code lies between it and {}, which it reached {how}; what that C code does with the result cannot \
                 be rebuilt (torpor.request() captures at the next point where it can)",
                name_of(py, callee)
            );
            unsupported(py, f, what)
        };
        let Some((op, start)) = code::opcode_at(code, thrown.as_ref().map_or(unit, |t| t.send)) else {
            return Err(refuse());
        };
        let name = instruction_name(py, runtime, code, start);
        // On 3.11 a call takes its operands in the PRECALL before it.
        let precall = frame::MINOR == 11 && start >= 2 && frame::CALLS.get(1) == Some(&op);
        let operands_at = if precall { start - 2 } else { start };
        let Some(depth) = entry.depth_before(runtime, code, operands_at)? else { return Err(refuse()) };
        let held = depth - usize::from(thrown.is_some()); // nothing was sent
        let nlocals = frame::nlocalsplus(code.cast());
        let engine = runtime.engine.bind(py);
        let made_super = OPERANDS_ARE_VALID
            && held >= SUPER
            && (*f).depth() == Some(nlocals + held - SUPER)
            && name == "LOAD_SUPER_ATTR";
        let took_iterable = OPERANDS_ARE_VALID
            && held > 0
            && (*f).depth() == Some(nlocals + held - 1)
            && name.starts_with("UNPACK_");
        // What the C code is, where that has to be known; operands are looked at after that only.
        let gap = if OPERANDS_ARE_VALID {
            let is_whole = (*f).depth() == Some(nlocals + held) || made_super || took_iterable;
            if !is_whole && !slices(py, runtime, f, callee, start, depth)? {
                return Err(refuse());
            }
            match took_iterable || name == "BUILD_SET" {
                true => Some(gaps::below(callee).unwrap_or_default()),
                false => None,
            }
        } else {
            match proved {
                Some(_) => None,
                None => Some(gaps::below(callee).ok_or_else(&refuse)?),
            }
        };
        let object = |o: Object| match o.is_null() {
            true => py.None().into_bound(py),
            false => Bound::from_borrowed_ptr(py, o),
        };
        let generator = match (*callee).owner() {
            Owner::Generator => generator::owner_of(callee),
            _ => std::ptr::null_mut(),
        };
        let empty = engine.getattr("EMPTY")?;
        let locals = PyList::empty(py);
        for i in 0..frame::nlocalsplus((*callee).code()) {
            match (*callee).slot(i) {
                Slot::Object(object) => locals.append(Bound::from_borrowed_ptr(py, object))?,
                _ => locals.append(&empty)?,
            }
        }
        let at = code::opcode_at((*callee).code().cast(), (*callee).instruction_index()).map_or(0, |o| o.1);
        let space = match (*callee).f_locals {
            none if none.is_null() => empty,
            space => Bound::from_borrowed_ptr(py, space),
        };
        let spaces = PyList::empty(py);
        let named = matches!(name.as_str(), "LOAD_NAME" | "STORE_NAME");
        if named && !(*f).f_locals.is_null() {
            spaces.append(object((*f).f_locals))?;
        }
        spaces.append(object((*f).f_globals))?;
        let lessons = runtime.kind_lessons.bind(py);
        let ask = |kinds: Option<Bound<'py, PyList>>| -> Result<Bound<'py, PyAny>, Failure> {
            // The arguments of f(*args, **kwargs) may be a copy's original, which is gone. While that is copied it is there.
            let unsure = match &kinds {
                Some(kinds) if !OPERANDS_ARE_VALID && op == frame::CALL_FUNCTION_EX => {
                    !kinds.contains("starred")?
                }
                _ => false,
            };
            let hidden = match unsure && !owns_arguments(py, runtime, f, start, depth)? {
                true => 1 + code::argument_at(code, start).map_or(1, |a| usize::from(a & 1)),
                false if made_super => SUPER,
                false if took_iterable => 1,
                false => 0,
            };
            let values = operands(py, runtime, f, held, hidden)?;
            if thrown.is_some() {
                values.append(py.None())?;
            }
            let facts = (
                object(code),
                start,
                values,
                object((*callee).function()),
                object(generator),
                &locals,
                object((*callee).code().cast()),
                at,
                &space,
                kinds,
                &spaces,
                gap.as_ref().map(|_| lessons),
            );
            Ok(match &thrown {
                None => engine.getattr("plan")?.call1(facts)?,
                Some(t) => {
                    engine.getattr("plan_thrown")?.call1((object(t.outer), object(t.handled), facts))?
                }
            })
        };
        let plan = match &gap {
            None if OPERANDS_ARE_VALID => ask(None)?,
            None => ask(proved.map(|kind| PyList::new(py, [kind])).transpose()?)?,
            Some(gap) => loop {
                let known = gaps::kinds(gap);
                if !known.is_empty() {
                    let plan = ask(Some(PyList::new(py, known)?))?;
                    if !plan.is_none() {
                        break plan;
                    }
                }
                if !gaps::learn(py, runtime, &name)? {
                    return Err(refuse());
                }
            },
        };
        if plan.is_none() {
            return Err(refuse());
        }
        let (_kind, form, replaced, finishers): (
            Bound<'_, PyAny>,
            String,
            Bound<'_, PyList>,
            Bound<'_, PyList>,
        ) = plan.extract()?;
        for one in finishers.iter() {
            let (function, arguments, source): (Bound<'_, PyAny>, Bound<'_, PyTuple>, Bound<'_, PyAny>) =
                one.extract()?;
            let source = (!source.is_none()).then(|| source.as_ptr());
            found.push(finisher(py, runtime, &function, &arguments, source)?);
        }
        let Some(mut lower) = stored(py, runtime, f, start, depth, &form)? else { return Err(refuse()) };
        for value in replaced.iter() {
            lower.own.push(Some(Strong(value.into_ptr())));
        }
        found.push(lower);
        Ok(())
    }
}

/// The lower frame in one of its forms; see `plan` in `python/bridge/`.
///
/// # Safety
/// E1, E2: `start` is an instruction of `f`, before which its evaluation stack has `depth` values.
unsafe fn stored(
    py: Python<'_>,
    runtime: &Runtime,
    f: *mut InterpreterFrame,
    start: u32,
    depth: usize,
    form: &str,
) -> Result<Option<Found>, Failure> {
    // SAFETY: (whole body) E1, E2.
    unsafe {
        let code: Object = (*f).code().cast();
        let nlocals = frame::nlocalsplus(code.cast());
        let places = runtime.engine.bind(py).getattr("places")?;
        let (first, next, end): (u32, u32, u32) =
            places.call1((Bound::from_borrowed_ptr(py, code), start))?.extract()?;
        let after = code::entry(runtime, code)?.depth_before(runtime, code, next)?;
        let ((instr, return_offset), depth) = match form {
            "after" => match after {
                Some(after) if after > 0 => (frame::place_after(start, next), after - 1),
                _ => return Ok(None),
            },
            "again" if depth > 0 => ((frame::place_before(first), 0), depth - 1),
            "step" => (frame::place_after(start, next), depth),
            "iterate" | "send" => {
                let end = if frame::GENERATORS_RUN_APART { 0 } else { end };
                (frame::place_over(start, next, end), if form == "send" { depth - 1 } else { depth })
            }
            _ => return Ok(None),
        };
        Ok(Some(Found::live(f, instr, return_offset, nlocals + depth)))
    }
}
