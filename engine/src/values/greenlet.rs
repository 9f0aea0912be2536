//! Greenlets as values: the frames of a suspended one, as lists among its state.
//!
//! A list for the whole stack: what is handled, then a list for each frame, innermost first: its number, function,
//! code, place and flags, the generator or mapping of locals, its slots. What may be missing is a list of one or
//! none, an untyped number stands for itself. What else there is to a greenlet is in `python/greenlets.py`.

use super::decode::Decoder;
use super::encode::Encoder;
use super::greenlet_stack::stack_of;
use super::keyed::{self, HeldId};
use super::{Object, Strong, INTRINSICS};
use crate::continuation::Continuation;
use crate::error::{CaptureError, Failure, ResumeError};
use crate::found::Found;
use crate::frame::Slot;
use crate::greenlet;
use crate::runtime;
use crate::stack::Stack;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use torpor_store::frame::Frame;

/// Frames of greenlets are numbered from here on, for their generators: behind those of any stack.
const FIRST_NUMBER: u64 = 1 << 32;

/// A suspended greenlet that was met, for the time of the capture.
pub(crate) struct HeldGreenlet {
    object: Strong,
    /// Its frames as lists.
    stack: Py<PyList>,
    /// Its live frames; none of one that was rebuilt and waits.
    found: Vec<Found>,
}

/// Suspended greenlets, from all walks of one capture.
#[derive(Default)]
pub(crate) struct HeldGreenlets {
    all: Vec<HeldGreenlet>,
    /// Numbers of their generators' frames, by generator.
    pub(super) generators: hashbrown::HashMap<usize, u64, rustc_hash::FxBuildHasher>,
    /// One with generators was met, which the walk may have met before.
    pub(crate) again: bool,
    numbers: u64,
    /// The greenlet that runs what is captured, and the one that is captured.
    pub(crate) home: Option<Strong>,
    pub(crate) target: Option<Strong>,
}

impl HeldGreenlets {
    /// Refuses what was written of greenlets that somebody let run meanwhile.
    ///
    /// # Safety
    /// E1: the GIL is held.
    pub(crate) unsafe fn check_unmoved(&self, py: Python<'_>) -> Result<(), Failure> {
        for one in self.all.iter().filter(|one| !one.found.is_empty()) {
            // SAFETY: E10: the greenlet is held.
            if !unsafe { greenlet::is_at(&Bound::from_borrowed_ptr(py, one.object.0), &one.found)? } {
                return Err(
                    CaptureError::Invalid("a greenlet was resumed while it was captured".into()).into()
                );
            }
        }
        Ok(())
    }
}

/// A list of one object, or of none.
fn wrap(py: Python<'_>, object: Object) -> Bound<'_, PyList> {
    let list = PyList::empty(py);
    if !object.is_null() {
        // SAFETY: live.
        let _ = list.append(unsafe { Bound::from_borrowed_ptr(py, object) });
    }
    list
}

impl<'py> Encoder<'py> {
    /// What a greenlet is reduced to; None after it was refused.
    pub(super) fn greenlet(
        &mut self,
        object: &Bound<'py, PyAny>,
        slot: u32,
    ) -> Result<Option<PyResult<Bound<'py, PyAny>>>, Failure> {
        let py = self.py;
        let engine = self.runtime.engine.bind(py);
        let module = py.import("greenlet")?;
        let held = &mut self.work.greenlets;
        if held.home.is_none() {
            let home = match &held.target {
                // SAFETY: held.
                Some(target) => unsafe { Bound::from_borrowed_ptr(py, target.0) }.getattr("parent")?,
                None => module.getattr("getcurrent")?.call0()?,
            };
            held.home = Some(Strong(home.into_ptr()));
        }
        let is = |one: &Option<Strong>| one.as_ref().is_some_and(|o| o.0 == object.as_ptr());
        if is(&held.home) {
            return Ok(Some(engine.getattr("reduce_home")?.call1((object,))));
        }
        if is(&held.target) {
            return Ok(Some(engine.getattr("reduce_target")?.call1((object,))));
        }
        let mut refuse = |what: &str| {
            self.refuse(slot, format!("a greenlet cannot be captured: {what}"));
            Ok(None)
        };
        let facts = engine.getattr("greenlet_facts")?.call1((object,))?.cast_into::<PyTuple>();
        let facts = facts.map_err(PyErr::from)?;
        let (state, mut body, context) = (facts.get_item(0)?, facts.get_item(1)?, facts.get_item(2)?);
        const SUSPENDED: u32 = 2;
        match state.extract::<u32>() {
            Err(_) => {
                return refuse(
                    "it is running, in this thread or another, or holds an adopted stack that was not resumed yet",
                )
            }
            Ok(SUSPENDED) => {
                if object.getattr("parent")?.is_none() {
                    return refuse(
                        "it is the one in which its thread began, and does not run what is captured",
                    );
                }
                match self.greenlet_stack(object, &body) {
                    Ok(stack) => body = stack.into_any(),
                    Err(Failure::Capture(error @ CaptureError::UnsupportedFrame { .. })) => {
                        self.refuse(slot, error.to_string());
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(_) if engine.getattr("is_prepared")?.call1((object, &body))?.is_truthy()? => {
                return refuse("it came with a stack that was not resumed yet");
            }
            Ok(_) => {}
        }
        Ok(Some(engine.getattr("reduce_greenlet")?.call1((object, state, body, context))))
    }

    /// The frames of a suspended greenlet as lists, the same in every walk of a capture.
    fn greenlet_stack(
        &mut self,
        object: &Bound<'py, PyAny>,
        waiting: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyList>, Failure> {
        let py = self.py;
        let known = self.work.greenlets.all.iter().position(|one| one.object.0 == object.as_ptr());
        if let Some(known) = known {
            // Of a walk before this one, which knew what its frames keep by ids.
            let found = std::mem::take(&mut self.work.greenlets.all[known].found);
            // SAFETY: E10: as they were found, or the capture fails at its end.
            let keyed = unsafe { keyed::in_frames(self, &found) };
            self.work.greenlets.all[known].found = found;
            keyed?;
            return Ok(self.work.greenlets.all[known].stack.bind(py).clone());
        }
        let mut found = Vec::new();
        // SAFETY: (whole body) E2, E10: the frames of a suspended greenlet, none of which runs meanwhile.
        unsafe {
            let stack = match waiting.cast::<PyList>() {
                Ok(stack) => self.renumbered(stack)?,
                Err(_) => {
                    let handled = greenlet::find(py, self.runtime, object, None, &mut found)?;
                    let stack = PyList::new(py, [wrap(py, handled.map_or(std::ptr::null_mut(), |h| h.0))])?;
                    let ids = keyed::in_frames(self, &found)?;
                    for (number, f) in found.iter().enumerate() {
                        stack.append(self.frame_as_list(f, number, &ids)?)?;
                    }
                    stack
                }
            };
            for f in found.iter().filter(|f| !f.frame.is_null()) {
                let globals = (*f.function.cast::<ffi::PyFunctionObject>()).func_globals;
                self.ask_for_globals(globals, f.code)?;
            }
            let object = Strong::borrowed(object.as_ptr());
            let held = HeldGreenlet { object, stack: stack.clone().unbind(), found };
            self.work.greenlets.all.push(held);
            Ok(stack)
        }
    }

    fn next_number(&mut self, generator: Object) -> u64 {
        let held = &mut self.work.greenlets;
        let number = FIRST_NUMBER + held.numbers;
        held.numbers += 1;
        if !generator.is_null() {
            held.again = true;
            held.generators.insert(generator as usize, number);
        }
        number
    }

    /// # Safety
    /// E2: the frame was just found.
    unsafe fn frame_as_list(
        &mut self,
        f: &Found,
        number: usize,
        ids: &[HeldId],
    ) -> Result<Bound<'py, PyList>, Failure> {
        let py = self.py;
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let slots = PyList::empty(py);
            for i in 0..f.depth {
                match f.slot(i) {
                    Slot::Object(value) => slots.append(wrap(py, keyed::written(ids, number, i, value)))?,
                    Slot::Int(n) => slots.append(n)?,
                    Slot::Empty => slots.append(PyList::empty(py))?,
                }
            }
            let list = PyList::new(py, [self.next_number(f.generator())])?;
            list.append(Bound::from_borrowed_ptr(py, f.function))?;
            list.append(Bound::from_borrowed_ptr(py, f.code))?;
            list.append((f.instr, f.return_offset, f.flags))?;
            list.append(wrap(py, f.locals()))?;
            list.append(slots)?;
            Ok(list)
        }
    }

    /// The frames of a greenlet that was rebuilt and waits, for another journey.
    fn renumbered(&mut self, stack: &Bound<'py, PyList>) -> Result<Bound<'py, PyList>, Failure> {
        let py = self.py;
        let made = PyList::empty(py);
        for (i, frame) in stack.iter().enumerate() {
            if i == 0 {
                made.append(frame)?;
                continue;
            }
            let frame = frame.cast_into::<PyList>().map_err(PyErr::from)?;
            let (_, _, flags): (u32, u32, u32) = frame.get_item(3)?.extract()?;
            let generator = match flags & Frame::GENERATOR {
                0 => std::ptr::null_mut(),
                _ => frame.get_item(4)?.get_item(0)?.as_ptr(),
            };
            let copy = frame.get_slice(0, frame.len());
            copy.set_item(0, self.next_number(generator))?;
            made.append(copy)?;
        }
        Ok(made)
    }

    /// Where a list among the frames of a greenlet stands, in words.
    pub(super) fn place_in_greenlet(&self, slot: u32) -> Option<String> {
        let at = |list: &Bound<'_, PyAny>| self.known(list.as_ptr()) == Some(slot);
        for one in &self.work.greenlets.all {
            let stack = one.stack.bind(self.py);
            if at(stack.as_any()) {
                return Some(String::new());
            }
            for (i, frame) in stack.iter().enumerate().skip(1) {
                if at(&frame) {
                    return Some(format!(".frames[{}]", i - 1));
                }
                let slots = frame.get_item(5).ok()?;
                if at(&slots) {
                    return Some(String::new());
                }
                let position = slots.try_iter().ok()?.position(|list| list.is_ok_and(|list| at(&list)));
                if let Some(k) = position {
                    let engine = self.runtime.engine.bind(self.py);
                    let name = engine.getattr("slot_name").ok()?.call1((frame.get_item(2).ok()?, k)).ok()?;
                    return Some(super::text_of(&name));
                }
            }
        }
        None
    }
}

/// Whether an intrinsic is the one of that name.
fn is_own(number: Option<u32>, name: &str) -> bool {
    number.is_some_and(|n| INTRINSICS.get(n as usize) == Some(&name))
}

impl<'py> Decoder<'_, 'py> {
    /// Notes what is made or filled by the functions for greenlets, and frame objects with what they belong to.
    pub(super) fn note_greenlet(
        &mut self,
        callable: Object,
        object: Object,
        contents: Option<&Bound<'py, PyAny>>,
    ) {
        let number = self.runtime.intrinsic_number(callable);
        // SAFETY: live.
        unsafe {
            if is_own(number, "home_greenlet") {
                self.home = Some(Strong::borrowed(object));
            } else if is_own(number, "target_greenlet") {
                self.target = Some(Strong::borrowed(object));
            } else if let (true, Some(contents)) = (is_own(number, "fill_greenlet"), contents) {
                self.greenlets.push((Strong::borrowed(object), contents.clone().unbind()));
            } else if let (true, Some(contents)) = (is_own(number, "fill_frame"), contents) {
                self.frame_objects.push((Strong::borrowed(object), contents.clone().unbind()));
            }
        }
    }

    /// Gives suspended greenlets their frames, once everything is there.
    pub(crate) fn arm_greenlets(&mut self) -> Result<Option<Group>, Failure> {
        if self.greenlets.is_empty() && self.home.is_none() && self.target.is_none() {
            return Ok(None);
        }
        let py = self.py;
        let bad = || Failure::corrupt("a greenlet has a state that it cannot have");
        let suspended = PyList::empty(py);
        for (object, contents) in std::mem::take(&mut self.greenlets) {
            let contents = contents.into_bound(py).cast_into::<PyTuple>().map_err(|_| bad())?;
            if contents.get_item(0)?.extract::<u32>().map_err(|_| bad())? != 2 {
                continue;
            }
            let stack = contents.get_item(1)?.cast_into::<PyList>().map_err(|_| bad())?;
            // Only to see that it fits; it is made again when the greenlet runs.
            drop(stack_of(py, &stack, Some(self))?);
            // SAFETY: live.
            suspended.append((unsafe { Bound::from_borrowed_ptr(py, object.0) }, stack))?;
        }
        if suspended.is_empty() && self.home.is_none() && self.target.is_none() {
            return Ok(None);
        }
        let group = self.runtime.engine.bind(py).getattr("arm_greenlets")?.call1((suspended,))?;
        Ok(Some(Group { unstarted: group.unbind(), home: self.home.take(), target: self.target.take() }))
    }
}

/// The suspended greenlets of an adopted snapshot, and the greenlet that they know as the one that runs its stack.
pub(crate) struct Group {
    unstarted: Py<PyAny>,
    home: Option<Strong>,
    /// The greenlet that was captured, if something refers to it.
    target: Option<Strong>,
}

impl Group {
    /// Lets them wait where they waited; before a stack that came with them runs on in this greenlet.
    pub(crate) fn start(&self, py: Python<'_>, below_home: bool) -> Result<(), Failure> {
        let wanted = self.target.as_ref().or(self.home.as_ref());
        if let Some(wanted) = wanted {
            let current = py.import("greenlet")?.getattr("getcurrent")?.call0()?;
            let right = match below_home && self.target.is_none() {
                true => current.getattr("parent")?,
                false => current,
            };
            if right.as_ptr() != wanted.0 {
                let what = if below_home {
                    "what was captured refers to its greenlet or to that one's parent: greenlet() gives the one that \
                     runs it, if the greenlet asks for it that adopted it"
                } else {
                    "what was captured refers to the greenlet that runs it: it is to be resumed in the greenlet that \
                     adopted it"
                };
                return Err(ResumeError::Impossible(what.into()).into());
            }
        }
        let start = runtime::get(py)?.engine.bind(py).getattr("start_greenlets")?;
        start.call1((&self.unstarted,))?;
        Ok(())
    }
}

impl Continuation {
    /// The greenlet that was captured, if something that was captured with it refers to it: it will run `body`.
    pub fn own_greenlet<'py>(&self, body: &Bound<'py, PyAny>) -> Result<Option<Bound<'py, PyAny>>, Failure> {
        let py = body.py();
        // SAFETY: live.
        let own = |stack: &Stack| unsafe {
            let target = stack.greenlets.as_ref()?.target.as_ref()?;
            Some(Bound::from_borrowed_ptr(py, target.0))
        };
        let Some(own) = self.with_stack(own).flatten() else { return Ok(None) };
        runtime::get(py)?.engine.bind(py).getattr("let_run")?.call1((&own, body))?;
        Ok(Some(own))
    }
}
