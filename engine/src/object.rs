//! Step "resume" for suspended generators, coroutines and async generators: their objects, whole again.
//!
//! Until it is asked for, a generator of such a snapshot is a finished one, and its frame's values lie in the
//! continuation; so they can be looked at and changed, and dropping them runs nothing.

use crate::continuation::{check_unbound, Continuation};
use crate::error::{Failure, ResumeError};
use crate::frame::generator::{self, State};
use crate::rebuild::fill;
use crate::runtime;
use crate::stack::Stack;
use crate::values::{Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::{Frame, FRAME_HEAD};

impl Continuation {
    /// The generator, coroutine or async generator that was captured; uses the continuation up.
    ///
    /// # Errors
    /// `ResumeError` if a running stack or a greenlet was captured, or a local is missing.
    pub fn object(&self, py: Python<'_>) -> Result<Py<PyAny>, Failure> {
        let runtime = runtime::get(py)?;
        let mut stack = self.take()?;
        if stack.target().is_none() {
            let what = match stack.is_greenlet() {
                true => {
                    "a greenlet was captured: greenlet() gives one that goes on, resume() lets it run on here"
                }
                false => "a running stack was captured, which is no object: resume() lets it run on",
            };
            self.put_back(stack);
            return Err(ResumeError::Impossible(what.into()).into());
        }
        if !stack.unbound.is_empty() {
            if let Err(e) = check_unbound(py, runtime, &mut stack) {
                self.put_back(stack);
                return Err(e);
            }
        }
        if let Some(group) = stack.greenlets.take() {
            if let Err(e) = group.start(py, false) {
                stack.greenlets = Some(group);
                self.put_back(stack);
                return Err(e);
            }
        }
        stack.armed.clear(); // from here on they are the program's
                             // SAFETY: E1, E4: frames and generators were checked when the snapshot was adopted; nobody has run them.
        unsafe {
            let mut objects = Vec::with_capacity(stack.frames.len());
            for i in 0..stack.frames.len() {
                let Some(after) = stack.frames[i].after else { continue };
                let object = stack.values[stack.frames[i].first + 1];
                let fields = generator::fields(object);
                objects.extend(fill(fields.frame(), &mut stack, i));
                fields.set_state(after);
            }
            // The last one is outermost: it holds the others.
            let Some(target) = objects.pop() else {
                return Err(Failure::corrupt("a suspended generator has no frame"));
            };
            if ffi::Py_TYPE(target.0) == &raw mut ffi::PyAsyncGen_Type {
                // What iterated it stayed behind: asend() goes on with the step in which it stands.
                generator::fields(target.0).iterated = 0;
            }
            drop(stack);
            drop(objects);
            Ok(Bound::from_owned_ptr(py, target.release()).unbind())
        }
    }

    /// A continuation of the same stack; uses this one up.
    pub fn moved(&self) -> Result<Continuation, Failure> {
        Ok(Continuation::of(self.take()?))
    }

    pub(crate) fn target_state(&self) -> Option<(Target, State)> {
        self.with_stack(Stack::target).flatten()
    }

    /// One send() or throw() of the generator or coroutine that was captured.
    pub(crate) fn step(
        &self,
        py: Python<'_>,
        value: Option<Strong>,
        raise: bool,
    ) -> Result<Py<PyAny>, Failure> {
        let refuse = |what: &str| Err(ResumeError::Impossible(what.into()).into());
        match self.target_state() {
            Some((Target::AsyncGenerator, _)) => {
                return refuse(
                    "an async generator was captured, which is iterated and not resumed: .object gives it",
                );
            }
            Some((_, State::Created))
                // SAFETY: None is a static object; only compared.
                if !raise && value.as_ref().is_some_and(|v| v.0 != unsafe { ffi::Py_None() }) =>
            {
                return refuse(
                    "what was captured has not started yet, where it waits for no value: resume it without one",
                );
            }
            _ => {}
        }
        let object = self.object(py)?;
        // SAFETY: `value` is a live object.
        let value = value.map(|v| unsafe { Bound::from_owned_ptr(py, v.release()) });
        let name = if raise { "throw" } else { "send" };
        Ok(object.call_method1(py, name, (value,))?)
    }
}

/// What a snapshot of a suspended object gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A generator or a coroutine.
    Generator,
    AsyncGenerator,
}

impl Stack {
    pub(crate) fn is_greenlet(&self) -> bool {
        self.frames.first().is_some_and(|f| f.flags & Frame::GREENLET != 0)
    }

    /// The captured object with its state, if it is a suspended one and no stack.
    pub(crate) fn target(&self) -> Option<(Target, State)> {
        let outermost = self.frames.last()?;
        let state = outermost.after?;
        let object: Object = self.values[outermost.first + 1];
        // SAFETY: adopt saw that it is a generator.
        let is_async = unsafe { ffi::Py_TYPE(object) == &raw mut ffi::PyAsyncGen_Type };
        Some((if is_async { Target::AsyncGenerator } else { Target::Generator }, state))
    }

    /// Refuses frames that are no suspended generators among others that are, and states that cannot be.
    pub(crate) fn check_suspended(&self) -> Result<(), Failure> {
        let suspended = self.frames.iter().filter(|f| f.after.is_some()).count();
        if suspended != 0 && suspended != self.frames.len() {
            return Err(Failure::corrupt("some of its frames are suspended generators, some are not"));
        }
        for f in self.frames.iter().filter(|f| f.after == Some(State::Delegating)) {
            // From 3.15 on a number lies above what it delegates to.
            let above = if crate::frame::MINOR >= 15 { 2 } else { 1 };
            let first = f.first + FRAME_HEAD as usize + f.nlocals;
            if f.nstack < above || self.values[first + f.nstack - above].is_null() {
                return Err(Failure::corrupt("a generator delegates to nothing"));
            }
        }
        Ok(())
    }
}
