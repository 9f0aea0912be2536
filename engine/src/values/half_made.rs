//! Modules whose import is under way, while modules are imported that they have imported.
//!
//! The frames have something of a part of such a package: that part is imported here, and must not import the package,
//! whose body would run twice. Until everything is built, the import system has the module that has travelled, still
//! empty; what a part takes from it is looked up in the snapshot, as far as it is found by name.

use super::decode::Decoder;
use super::names::name_of;
use crate::error::Failure;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use torpor_store::frame::Space;
use torpor_store::value::tag;
use torpor_store::Value;

impl<'py> Decoder<'_, 'py> {
    /// Gives the import system the modules whose import is under way, but for those that this process has imported.
    pub(super) fn let_half_made_stand_in(&mut self) -> Result<(), Failure> {
        let region = self.region;
        let mut modules = Vec::new();
        for (number, (space, made)) in region.spaces.iter().zip(&self.spaces).enumerate() {
            match &made.module {
                Some(module) if space.flags & (Space::HALF_MADE | Space::STATE) == Space::HALF_MADE => {
                    // SAFETY: E5: live, held by `self.spaces`.
                    let module = unsafe { Bound::from_borrowed_ptr(self.py, module.0) };
                    modules.push((name_of(region, space)?, number, module));
                }
                _ => {}
            }
        }
        modules.sort_by_key(|module| module.0); // packages before what is in them
        for (name, number, module) in modules {
            let known = self.found_by_name(number)?;
            let undo = self.runtime.engine.bind(self.py).getattr("stand_in")?.call1((name, module, known))?;
            if !undo.is_none() {
                self.stand_ins.push(undo.unbind());
            }
        }
        Ok(())
    }

    /// Takes those out again: the import system gets them when the stack is resumed.
    pub fn take_stand_ins(&mut self) -> Result<(), Failure> {
        for undo in std::mem::take(&mut self.stand_ins).into_iter().rev() {
            undo.call0(self.py)?;
        }
        Ok(())
    }

    /// Of what a namespace contains: (module, path) of what is found by that, and plain values, each in a tuple.
    fn found_by_name(&self, space: usize) -> Result<Bound<'py, PyDict>, Failure> {
        let known = PyDict::new(self.py);
        for run in self.region.runs.iter().filter(|run| run.space as usize == space) {
            let (first, count) = (run.first as usize, run.count as usize);
            let pairs = self.region.values.get(first..first.saturating_add(2 * count)).unwrap_or_default();
            for pair in pairs.chunks(2).filter(|pair| pair[0].tag == tag::TEXT) {
                if let Some(value) = self.plain_or_named(pair[1])? {
                    known.set_item(self.text_object(pair[0])?, value)?;
                }
            }
        }
        Ok(known)
    }

    fn plain_or_named(&self, v: Value) -> Result<Option<Bound<'py, PyAny>>, Failure> {
        let plain = match v.tag {
            tag::INT => PyInt::new(self.py, v.data as i64).into_any(),
            tag::FLOAT => PyFloat::new(self.py, f64::from_bits(v.data)).into_any(),
            tag::TRUE | tag::FALSE => PyBool::new(self.py, v.tag == tag::TRUE).to_owned().into_any(),
            tag::NONE => self.py.None().into_bound(self.py),
            tag::TEXT => self.text_object(v)?,
            tag::MODULE => return Ok(Some((self.utf8(v)?, "").into_pyobject(self.py)?.into_any())),
            tag::GLOBAL => {
                let found = self.utf8(v)?.split_once(':').filter(|(module, _)| !module.is_empty());
                return Ok(found.map(|pair| pair.into_pyobject(self.py)).transpose()?.map(Bound::into_any));
            }
            _ => return Ok(None),
        };
        Ok(Some((plain,).into_pyobject(self.py)?.into_any()))
    }

    fn text_object(&self, v: Value) -> Result<Bound<'py, PyAny>, Failure> {
        // SAFETY: E5: a new reference, to a text.
        let text = unsafe { Bound::from_owned_ptr(self.py, self.text(v)?) };
        Ok(text.cast_into::<PyString>().map_err(PyErr::from)?.into_any())
    }
}
