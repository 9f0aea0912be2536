//! Whose builtins a function has: the interpreter's, or a dict that the program has put in their place, as whoever
//! runs code with `exec(code, {"__builtins__": …})` does to restrict it.
//!
//! A function takes its builtins from its globals when it is made. So a dict of the program's own is a namespace of the
//! snapshot (`space.rs`), which is there before any function is.

use super::encode::Encoder;
use super::Object;
use crate::error::Failure;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyModule};
use torpor_store::frame::Space;

/// What a namespace has as `__builtins__`.
pub(super) enum Builtins<'py> {
    Missing,
    Interpreters,
    /// An empty dict, as `collections.namedtuple` has it.
    Empty,
    Own(Bound<'py, PyDict>),
    /// Nothing that can be brought.
    Other,
}

impl<'py> Encoder<'py> {
    pub(super) fn builtins_of(&self, globals: &Bound<'py, PyDict>) -> PyResult<Builtins<'py>> {
        let Some(found) = globals.get_item(crate::text::intern!(self.py, "__builtins__"))? else {
            return Ok(Builtins::Missing);
        };
        let dict = match found.cast::<PyModule>() {
            Ok(module) => module.dict(),
            Err(_) => match found.cast_exact::<PyDict>() {
                Ok(dict) => dict.clone(),
                Err(_) => return Ok(Builtins::Other),
            },
        };
        if self.are_interpreters(&dict)? {
            Ok(Builtins::Interpreters)
        } else if found.is_instance_of::<PyModule>() || self.travelling(&dict)?.is_err() {
            Ok(Builtins::Other)
        } else if dict.is_empty() {
            Ok(Builtins::Empty)
        } else {
            Ok(Builtins::Own(dict))
        }
    }

    /// Whether these are the builtins of the interpreter, or those that an adopt has made of them for code that imports
    /// `__main__`.
    fn are_interpreters(&self, dict: &Bound<'py, PyDict>) -> PyResult<bool> {
        if dict.as_ptr() == self.runtime.builtins {
            return Ok(true);
        }
        let Some(import) = dict.get_item(crate::text::intern!(self.py, "__import__"))? else {
            return Ok(false);
        };
        let Ok(import) = import.cast_into::<PyFunction>() else { return Ok(false) };
        // SAFETY: a live function.
        Ok(unsafe { (*import.as_ptr().cast::<ffi::PyFunctionObject>()).func_globals }
            == self.runtime.engine_globals)
    }

    /// Refuses a function whose builtins are not those that its globals would give it.
    ///
    /// # Safety
    /// `f` is a live function, whose globals are an exact dict; the GIL is held.
    pub(super) unsafe fn check_builtins(
        &mut self,
        f: *mut ffi::PyFunctionObject,
        slot: u32,
    ) -> Result<(), Failure> {
        // SAFETY: fields of a live function.
        let (globals, builtins): (_, Object) =
            unsafe { (Bound::from_borrowed_ptr(self.py, (*f).func_globals), (*f).func_builtins) };
        let globals = globals.cast_into::<PyDict>().map_err(PyErr::from)?;
        let known = match self.builtins_of(&globals)? {
            Builtins::Missing | Builtins::Interpreters => {
                // SAFETY: a function's builtins are a live dict.
                let dict = unsafe { Bound::from_borrowed_ptr(self.py, builtins) };
                dict.cast_into::<PyDict>().is_ok_and(|dict| self.are_interpreters(&dict).unwrap_or(false))
            }
            Builtins::Empty => globals
                .get_item(crate::text::intern!(self.py, "__builtins__"))?
                .is_some_and(|now| now.as_ptr() == builtins),
            Builtins::Own(dict) => dict.as_ptr() == builtins,
            Builtins::Other => {
                let what = "the __builtins__ of its globals are no plain dict, or those of another module";
                self.refuse(slot, what.into());
                return Ok(());
            }
        };
        if !known {
            let what = "its builtins are not the __builtins__ that its globals have now; put them there before it is made";
            self.refuse(slot, what.into());
        }
        Ok(())
    }

    /// Enters the builtins of a namespace that was just entered, if they are a dict of the program.
    pub(super) fn note_builtins(&mut self, space: u32, globals: &Bound<'py, PyDict>) -> Result<(), Failure> {
        match self.builtins_of(globals)? {
            Builtins::Missing => self.out.spaces[space as usize].flags |= Space::WITHOUT_BUILTINS,
            Builtins::Empty => self.out.spaces[space as usize].flags |= Space::NO_BUILTINS,
            Builtins::Own(dict) => {
                let name = self.travelling(&dict)?.unwrap_or_default();
                self.note_value(&dict);
                let builtins = self.space(&dict, &name)?;
                self.demand_all(&dict)?;
                self.out.spaces[space as usize].builtins = builtins + 1;
            }
            Builtins::Interpreters | Builtins::Other => {}
        }
        Ok(())
    }
}
