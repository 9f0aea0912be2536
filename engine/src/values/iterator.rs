//! Iterators over ranges, lists and tuples: what loops leave on evaluation stacks. Read in place; no code runs.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::Failure;
use crate::frame;
use pyo3::ffi;
use pyo3::PyErr;
use torpor_store::value::tag;
use torpor_store::Value;

/// What is left of a range: first value, step, number of values.
#[inline(always)]
pub(crate) fn write_range(to: &mut [Value], (start, step, left): (i64, i64, i64)) {
    let stop = start.wrapping_add(step.wrapping_mul(left));
    for (to, n) in to.iter_mut().zip([start, stop, step]) {
        *to = Value::atom(tag::INT, n as u64);
    }
}

impl Encoder<'_> {
    /// # Safety
    /// `object` is a live exact range iterator; the GIL is held.
    pub(super) unsafe fn range_iterator(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: as the caller promises.
        let rest = unsafe { frame::range_rest(object.0) };
        let base = self.reserve(3)?;
        self.set(slot, Value::new(tag::ITERATOR, 0, 3, u64::from(base)));
        write_range(&mut self.out.values[base as usize..], rest);
        // One that only its frame's stack holds (and we): nothing else can refer to it.
        // SAFETY: live.
        let shared = self.work.ids.of_all
            || self.work.open.len() > 1
            || unsafe { ffi::Py_REFCNT(object.0) } > 2
            || frame::MINOR > 13;
        if shared {
            self.note(object, slot);
        }
        Ok(())
    }

    /// # Safety
    /// `object` is a live exact list or tuple iterator; the GIL is held.
    pub(super) unsafe fn sequence_iterator(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: as the caller promises.
        unsafe {
            let (sequence, index) = frame::sequence_iterator(object.0);
            if sequence.is_null() {
                return self.object(object, slot); // exhausted: the reduced form says all
            }
            let copy = self.contents_of_process(sequence)?;
            let sequence = copy.as_ref().map_or(sequence, |copy| copy.0);
            self.iterator_over(object, slot, sequence, index as u64)?;
            self.work.keep.extend(copy);
        }
        Ok(())
    }

    /// # Safety
    /// `object` and `sequence` are live; the GIL is held.
    pub(super) unsafe fn iterator_over(
        &mut self,
        object: Strong,
        slot: u32,
        sequence: Object,
        index: u64,
    ) -> Result<(), Failure> {
        let base = self.reserve(2)?;
        self.set(slot, Value::new(tag::ITERATOR, 0, 2, u64::from(base)));
        // SAFETY: as the caller promises.
        unsafe { self.put(sequence, base)? };
        self.set(base + 1, Value::atom(tag::INT, index));
        self.open(tag::ITERATOR, base, 2, slot, Some(object));
        Ok(())
    }

    /// What a list of sys contains, as a list: another process has something else in its own, and who is in the middle of
    /// going through it (the import system, through finders and directories) has still to come to the rest of this one.
    ///
    /// # Safety
    /// `sequence` is live; the GIL is held.
    unsafe fn contents_of_process(&mut self, sequence: Object) -> Result<Option<Strong>, Failure> {
        // SAFETY: (whole body) as the caller promises; types are tested.
        unsafe {
            if ffi::Py_TYPE(sequence) != &raw mut ffi::PyList_Type || ffi::Py_REFCNT(sequence) < 2 {
                return Ok(None);
            }
            let owner = self.owning_module(sequence, false)?;
            if owner.is_none_or(|(module, _)| module != "sys") {
                return Ok(None);
            }
            let copy = ffi::PySequence_List(sequence);
            match copy.is_null() {
                true => Err(PyErr::fetch(self.py()).into()),
                false => Ok(Some(Strong(copy))),
            }
        }
    }
}
