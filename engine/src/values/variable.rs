//! Contexts and their variables (`contextvars`): which variables of a context travel, and how one is found again.
//!
//! All of them travel. One whose value cannot is left out if no captured code can ask for it: no module has it under
//! a name, and nothing else that travels holds it. The walk learns that as it goes: what refuses a value of such a
//! variable makes another walk, without the variable; if that one meets it elsewhere, the next refuses the capture.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::Failure;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use rustc_hash::FxBuildHasher;
use torpor_store::value::tag;

/// How many variables' homes are kept.
const HOMES_KEPT: usize = 256;

/// Variables whose values cannot travel, from all walks of one capture.
#[derive(Default)]
pub(crate) struct Variables(HashMap<usize, (Strong, State), FxBuildHasher>);

#[derive(PartialEq)]
enum State {
    /// This walk learnt it, and has written the variable already.
    Met,
    LeftOut,
    /// Something else that travels holds it.
    Needed,
}

impl<'py> Encoder<'py> {
    pub(crate) fn finish_context(&self) -> Object {
        self.runtime.finish_context.as_ptr()
    }

    /// What a context or a variable is reduced to; `None` for other objects.
    pub(super) fn of_context(
        &mut self,
        object: &Bound<'py, PyAny>,
    ) -> Result<Option<PyResult<Bound<'py, PyAny>>>, Failure> {
        // SAFETY: E5: a live object's type.
        let kind = unsafe { ffi::Py_TYPE(object.as_ptr()) };
        let engine = self.runtime.engine.bind(self.py);
        if kind == &raw mut ffi::PyContext_Type {
            let left_out = PyList::empty(self.py);
            for (variable, _) in self.work.variables.0.values().filter(|(_, state)| *state != State::Needed) {
                // SAFETY: E5: held.
                left_out.append(unsafe { Bound::from_borrowed_ptr(self.py, variable.0) })?;
            }
            return Ok(Some(engine.getattr("reduce_context")?.call1((object, left_out))));
        }
        if kind == &raw mut ffi::PyContextVar_Type {
            let home = self.home_of_variable(object)?;
            return Ok(Some(engine.getattr("reduce_variable")?.call1((object, home))));
        }
        Ok(None)
    }

    /// (module, name) under which an adopter finds a variable.
    fn home_of_variable(&self, variable: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        for home in self.homes_of_variable(variable)?.iter() {
            let home = home.cast_into::<PyTuple>()?;
            if !self.policy.travels(&super::text_of(&home.get_item(0)?)) {
                return Ok(Some(home));
            }
        }
        Ok(None)
    }

    /// (module, name) of the modules that have a variable under a name; asked again when a module has changed: a variable
    /// that is gone, or another one that lies where it lay, was taken from a module, or put into one.
    fn homes_of_variable(&self, variable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let (address, changes) = (variable.as_ptr() as usize, self.look_at_modules().changes);
        if let Some((of, homes)) = self.runtime.variable_homes.borrow().get(&address) {
            if *of == changes {
                return Ok(homes.bind(self.py).clone());
            }
        }
        let homes = self.runtime.engine.bind(self.py).getattr("homes_of_variable")?.call1((variable,))?;
        let homes = homes.cast_into::<PyList>()?;
        let mut known = self.runtime.variable_homes.borrow_mut();
        if known.len() >= HOMES_KEPT {
            known.clear(); // lists of texts: their end runs nothing
        }
        known.insert(address, (changes, homes.clone().unbind()));
        Ok(homes)
    }

    /// Something cannot travel: if it belongs to the value of a variable that may be left out, another walk is made
    /// without that.
    pub(super) fn leave_out_variable(&mut self) -> bool {
        // SAFETY: E5: a node's object is live.
        let class = |o: &Strong| unsafe { ffi::Py_TYPE(o.0) } as Object;
        let engine = self.runtime.engine.bind(self.py);
        let Ok(binding) = engine.getattr("Binding") else { return false };
        if self.leave_out_gained() {
            return true;
        }
        let objects = self.work.open.iter().filter(|node| node.kind == tag::OBJECT);
        let found = objects.filter_map(|node| node.object.as_ref()).find(|o| class(o) == binding.as_ptr());
        // SAFETY: E5, as above.
        let variable = found.map(|o| unsafe { Bound::from_borrowed_ptr(self.py, o.0) });
        let Some(Ok(variable)) = variable.map(|binding| binding.getattr("variable")) else { return false };
        let address = variable.as_ptr() as usize;
        let known = self.work.variables.0.contains_key(&address);
        let may_be = !known && matches!(self.home_of_variable(&variable), Ok(None));
        if may_be {
            self.work.variables.0.insert(address, (Strong(variable.into_ptr()), State::Met));
            self.work.greenlets.again = true;
        }
        may_be
    }

    /// Likewise if it belongs to what a module or class has gained.
    fn leave_out_gained(&mut self) -> bool {
        let Ok(kind) = self.runtime.engine.bind(self.py).getattr("Gained") else { return false };
        let open = self.work.open.iter().filter(|node| node.kind == tag::OBJECT);
        for object in open.filter_map(|node| node.object.as_ref()) {
            // SAFETY: E5: a node's object is live.
            let gained = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
            if gained.get_type().is(&kind)
                && gained.setattr(crate::text::intern!(self.py, "left_out"), true).is_ok()
            {
                self.work.greenlets.again = true;
                return true;
            }
        }
        false
    }

    /// After a walk: notes which of the variables were met elsewhere, and asks for another walk if that is news.
    pub(crate) fn note_variables(&mut self) {
        let memo = &self.work.memo;
        for (address, (_, state)) in self.work.variables.0.iter_mut() {
            if *state == State::LeftOut && memo.contains_key(address) {
                *state = State::Needed;
                self.work.greenlets.again = true;
            } else if *state == State::Met {
                *state = State::LeftOut;
            }
        }
    }
}
