//! Containers of the language, written: their items are pending until the walk comes to them.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::{CaptureError, Failure};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::value::tag;
use torpor_store::Value;

impl Encoder<'_> {
    /// # Safety
    /// `items` are the `n` items of `object`, a live list or tuple; the GIL is held. No Python code
    /// runs while they are taken.
    pub(super) unsafe fn sequence(
        &mut self,
        object: Strong,
        slot: u32,
        kind: u8,
        items: *mut Object,
        n: usize,
    ) -> Result<(), Failure> {
        let base = self.reserve(n)?;
        self.set(slot, Value::new(kind, 0, n as u32, u64::from(base)));
        let mut pending = false;
        for i in 0..n {
            // SAFETY: as the caller promises; putting an atom runs no Python code.
            let item = unsafe { *items.add(i) };
            if item.is_null() {
                return Err(CaptureError::Invalid(
                    "a tuple or list that is still being made has empty items".into(),
                )
                .into());
            }
            // SAFETY: items of a live container are live.
            pending |= unsafe { self.put(item, base + i as u32)? };
        }
        self.items_are_put(object, slot, kind, base, n as u32, pending);
        Ok(())
    }

    /// The items of a container are in their places, and those that are `pending` still to be visited. One that can be
    /// changed may be met again by then; the others are made after their items.
    fn items_are_put(&mut self, object: Strong, slot: u32, kind: u8, base: u32, n: u32, pending: bool) {
        if matches!(kind, tag::LIST | tag::SET) {
            self.note(object, slot);
            if pending {
                self.open(kind, base, n, slot, None);
            }
        } else if pending {
            self.open(kind, base, n, slot, Some(object));
        } else {
            self.note(object, slot);
        }
    }

    /// # Safety
    /// `object` is a live dict; the GIL is held.
    pub(super) unsafe fn dict(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: as the caller promises.
        if unsafe { self.namespace(&object, slot)? } {
            return Ok(());
        }
        if self.work.class_dicts.contains_key(&(object.0 as usize)) {
            return self.class_dict(object, slot);
        }
        // SAFETY: as the caller promises.
        if unsafe { self.owned(&object, slot)? } {
            return Ok(());
        }
        // SAFETY: as the caller promises.
        unsafe { self.dict_items(object, slot) }
    }

    /// # Safety
    /// `object` is a live dict; the GIL is held.
    pub(super) unsafe fn dict_items(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: `object` is a live dict; between two PyDict_Next no Python code runs.
        unsafe {
            let n = ffi::PyDict_Size(object.0) as usize;
            let base = self.reserve(2 * n)?;
            self.set(slot, Value::new(tag::DICT, 0, n as u32, u64::from(base)));
            let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
            let mut pending = false;
            let mut i = base;
            while ffi::PyDict_Next(object.0, &mut at, &mut key, &mut value) != 0 {
                pending |= self.put(key, i)?;
                pending |= self.put(value, i + 1)?;
                i += 2;
            }
            self.note(object, slot);
            if pending {
                self.open(tag::DICT, base, 2 * n as u32, slot, None);
            }
        }
        Ok(())
    }

    /// # Safety
    /// `object` is a live set or frozenset; the GIL is held.
    pub(super) unsafe fn set_of(&mut self, object: Strong, slot: u32, kind: u8) -> Result<(), Failure> {
        // SAFETY: iterating an exact set runs no Python code.
        unsafe {
            let n = ffi::PySet_Size(object.0) as usize;
            let base = self.reserve(n)?;
            self.set(slot, Value::new(kind, 0, n as u32, u64::from(base)));
            let iterator = Bound::from_owned_ptr_or_err(self.py, ffi::PyObject_GetIter(object.0))?;
            let mut pending = false;
            for i in 0..n {
                let item = Bound::from_owned_ptr_or_err(self.py, ffi::PyIter_Next(iterator.as_ptr()))?;
                pending |= self.put(item.as_ptr(), base + i as u32)?;
            }
            self.items_are_put(object, slot, kind, base, n as u32, pending);
        }
        Ok(())
    }

    /// # Safety
    /// `object` is a live range or slice; the GIL is held.
    pub(super) unsafe fn three(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: as the caller promises.
        let any = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        // SAFETY: the type is exact.
        let kind = if unsafe { ffi::Py_TYPE(object.0) == &raw mut ffi::PySlice_Type } {
            tag::SLICE
        } else {
            tag::RANGE
        };
        let base = self.reserve(3)?;
        self.set(slot, Value::new(kind, 0, 3, u64::from(base)));
        let mut pending = false;
        for (i, name) in ["start", "stop", "step"].iter().enumerate() {
            let part = any.getattr(*name)?;
            // SAFETY: `part` is live, and kept by the slot or written at once.
            pending |= unsafe { self.put(part.as_ptr(), base + i as u32)? };
        }
        if pending {
            self.open(kind, base, 3, slot, Some(object));
        } else {
            self.note(object, slot);
        }
        Ok(())
    }
}
