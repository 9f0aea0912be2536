//! Finalizers (`weakref.finalize`) that nothing but weakref's registry holds: they travel with the objects whose end they
//! wait for.
//!
//! A walk cannot meet them. So those of objects that it has written are looked up when it is over, and if there are any,
//! another walk is made, which writes them before the frames, in a namespace that nobody has. The adopter's registry
//! has them then.

use super::encode::{Encoder, Open, RUN};
use super::Strong;
use crate::error::Failure;
use pyo3::prelude::*;
use pyo3::types::PyString;
use torpor_store::frame::{Run, Space};
use torpor_store::value::tag;

/// Finalizers to be brought, from all walks of one capture.
#[derive(Default)]
pub(crate) struct Finalizers(Vec<Strong>);

impl Encoder<'_> {
    /// After a walk: notes the finalizers of what was written, and asks for another walk if one is news.
    pub(crate) fn note_finalizers(&mut self) -> Result<(), Failure> {
        let registry = self.runtime.finalizers.bind(self.py);
        if registry.is_empty() {
            return Ok(());
        }
        let found = self.runtime.engine.bind(self.py).getattr("finalizers_waiting")?.call0()?;
        let found: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = found.extract()?;
        for (finalizer, target) in found {
            let Some(slot) = self.known(target.as_ptr()) else { continue };
            // What stays is the adopter's own, which has its own finalizers.
            let stays =
                matches!(self.out.values[slot as usize].tag, tag::GLOBAL | tag::MODULE | tag::INTRINSIC);
            let is_known = self.known(finalizer.as_ptr()).is_some()
                || self.work.finalizers.0.iter().any(|known| known.0 == finalizer.as_ptr());
            if !stays && !is_known {
                self.work.finalizers.0.push(Strong(finalizer.into_ptr()));
                self.work.greenlets.again = true;
            }
        }
        Ok(())
    }

    /// Whether an open run is the one of finalizers.
    pub(super) fn is_of_finalizers(&self, run: &Open) -> bool {
        self.out.spaces.get(run.slot as usize).is_some_and(|space| space.flags & Space::FINALIZERS != 0)
    }

    /// Writes those that an earlier walk has noted.
    pub(crate) fn write_finalizers(&mut self) -> Result<(), Failure> {
        let count = self.work.finalizers.0.len();
        if count == 0 {
            return Ok(());
        }
        let space = self.nameless_space(Space::FINALIZERS);
        let first = self.reserve(2 * count)?;
        self.out.runs.push(Run { space, first, count: count as u32, reserved: 0 });
        for i in 0..count {
            let at = first + 2 * i as u32;
            let name = PyString::new(self.py, &i.to_string());
            let finalizer = self.work.finalizers.0[i].0;
            // SAFETY: live: both are held.
            unsafe {
                self.put(name.as_ptr(), at)?;
                self.put(finalizer, at + 1)?;
            }
        }
        self.open(RUN, first, 2 * count as u32, space, None);
        self.drain()
    }
}
