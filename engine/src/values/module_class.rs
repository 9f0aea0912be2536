//! Modules whose class is not the ordinary one: a plain module that gets its class when it exists.

use super::encode::{Encoder, RUN};
use super::Strong;
use crate::error::Failure;
use crate::runtime::Runtime;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyModule, PyString};
use torpor_store::frame::{Run, Space};
use torpor_store::value::{tag, OBJECT_CHILDREN};
use torpor_store::Value;

/// Whether a module is of a class below the ordinary one.
pub(super) fn has_own_class(runtime: &Runtime, module: &Bound<'_, PyModule>) -> bool {
    !runtime.is_plain_module(module.get_type().as_type_ptr())
}

impl<'py> Encoder<'py> {
    /// Writes the module of namespace `index`, which is of a class of its own.
    pub(super) fn classed_module(
        &mut self,
        module: &Bound<'py, PyModule>,
        index: u32,
        object: Strong,
        slot: u32,
    ) -> Result<(), Failure> {
        let engine = self.runtime.engine.bind(self.py);
        let class = match engine.getattr("class_of_module")?.call1((module,)) {
            Err(e) if e.is_instance_of::<PyTypeError>(self.py) => {
                let reason = super::text_of(e.value(self.py).str()?.as_any());
                self.refuse(slot, reason);
                return Ok(());
            }
            class => class?,
        };
        *self.work.constructing.entry(object.0 as usize).or_insert(0) += 1;
        self.out.flags |= torpor_store::region::Flags::RUNS_CODE;
        let base = self.reserve(OBJECT_CHILDREN as usize)?;
        // The callable, an intrinsic, has no children: those of the arguments come next.
        let argument = self.reserve(1)?;
        self.set(slot, Value::new(tag::OBJECT, 0, OBJECT_CHILDREN, u64::from(base)));
        for i in 3..OBJECT_CHILDREN - 1 {
            self.set(base + i, Value::NONE);
        }
        self.set(argument, Value::atom(tag::SPACE_MODULE, u64::from(index)));
        self.set(base + 1, Value::new(tag::TUPLE, 0, 1, u64::from(argument)));
        for (i, part) in [
            (0, engine.getattr("make_classed_module")?),
            (2, class),
            (OBJECT_CHILDREN - 1, engine.getattr("fill_classed_module")?),
        ] {
            // SAFETY: live.
            unsafe { self.put(part.as_ptr(), base + i)? };
        }
        self.open(tag::OBJECT, base, OBJECT_CHILDREN, slot, Some(object));
        Ok(())
    }

    /// Modules of classes of their own whose functions travel, and that nothing else leads to: the adopter's import
    /// system gets them with their class.
    pub(super) fn write_classed_modules(&mut self) -> Result<(), Failure> {
        for i in 0..self.demands.len() {
            let name = PyString::new(self.py, &self.demands[i].name);
            let Some(found) = self.runtime.module_named(self.py, name.as_any()) else { continue };
            let Ok(module) = found.cast_into::<PyModule>() else { continue };
            if !has_own_class(self.runtime, &module)
                || !self.has_dict(&module, i)
                || self.known(module.as_ptr()).is_some()
            {
                continue;
            }
            let space = self.nameless_space(Space::WITHOUT_BUILTINS);
            let first = self.reserve(2)?;
            self.out.runs.push(Run { space, first, count: 1, reserved: 0 });
            // SAFETY: live.
            unsafe {
                self.put(name.as_ptr(), first)?;
                self.put(module.as_ptr(), first + 1)?;
            }
            self.open(RUN, first, 2, space, None);
            self.drain()?;
        }
        Ok(())
    }

    fn has_dict(&self, module: &Bound<'py, PyModule>, demand: usize) -> bool {
        std::ptr::eq(self.demands[demand].dict(), module.dict().as_ptr())
    }
}
