//! Atoms: numbers, text, bytes and the singletons. No Python code runs here.

use super::array::HeldBuffer;
use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::Failure;
use crate::frame::{small_int, text_is_plain};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::capture::FAR_TEXT;
use torpor_store::value::{flag, tag};
use torpor_store::Value;

impl Encoder<'_> {
    /// Writes `object` at `slot` if it is an atom.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    #[inline(always)]
    pub(super) unsafe fn put_atom(&mut self, object: Object, slot: u32) -> Result<bool, Failure> {
        // SAFETY: (whole body) `object` is live and of the exact type that was just tested.
        unsafe {
            let kind = ffi::Py_TYPE(object);
            if kind == &raw mut ffi::PyLong_Type {
                match small_int(object) {
                    Some(n) if self.is_id(n) => return Ok(false),
                    Some(n) => self.set(slot, Value::atom(tag::INT, n as u64)),
                    None => return self.big_int(object, slot),
                }
            } else if kind == &raw mut ffi::PyUnicode_Type {
                return self.text(object, slot);
            } else if kind == &raw mut ffi::PyFloat_Type {
                let number = ffi::PyFloat_AS_DOUBLE(object);
                if number.is_nan() && ffi::Py_REFCNT(object) > 1 {
                    return Ok(false); // which one it is makes a difference: it equals nothing, but is in its list
                }
                self.set(slot, Value::atom(tag::FLOAT, number.to_bits()));
            } else if object == ffi::Py_None() {
                self.set(slot, Value::NONE);
            } else if object == ffi::Py_True() {
                self.set(slot, Value::atom(tag::TRUE, 0));
            } else if object == ffi::Py_False() {
                self.set(slot, Value::atom(tag::FALSE, 0));
            } else if kind == &raw mut ffi::PyBytes_Type {
                return self.bytes(object, slot);
            } else if kind == &raw mut ffi::PyComplex_Type {
                let c = ffi::PyComplex_AsCComplex(object);
                let at = self.out.push_bytes(&c.real.to_le_bytes());
                self.out.push_bytes(&c.imag.to_le_bytes());
                self.set(slot, Value::new(tag::COMPLEX, 0, 16, u64::from(at)));
            } else if kind == &raw mut ffi::PyByteArray_Type {
                return self.bytearray(object, slot);
            } else if object == ffi::Py_Ellipsis() {
                self.set(slot, Value::atom(tag::ELLIPSIS, 0));
            } else if object == ffi::Py_NotImplemented() {
                self.set(slot, Value::atom(tag::NOT_IMPLEMENTED, 0));
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A second meeting of a text, bytes or bytearray object: an alias of the first.
    #[inline]
    fn alias(&mut self, object: Object, slot: u32) -> bool {
        let Some(first) = self.known(object) else { return false };
        let number = self.share(first);
        self.set(slot, Value::atom(tag::ALIAS, u64::from(number)));
        true
    }

    /// # Safety
    /// `object` is a live exact `str`.
    #[inline(always)]
    unsafe fn text(&mut self, object: Object, slot: u32) -> Result<bool, Failure> {
        // SAFETY: as the caller promises.
        let (plain, interned) = unsafe { text_is_plain(object) };
        // Interned text is one object in the adopter too, and text with one holder needs no identity.
        // SAFETY: as the caller promises.
        let unique = !self.work.ids.of_all && (interned || unsafe { ffi::Py_REFCNT(object) } == 1);
        if !unique && self.alias(object, slot) {
            return Ok(true);
        }
        let mut flags = if interned { flag::INTERNED } else { 0 };
        if plain {
            // SAFETY: a compact ASCII text has `length` bytes at its data pointer.
            unsafe {
                let length = ffi::PyUnicode_GET_LENGTH(object) as usize;
                let bytes = std::slice::from_raw_parts(ffi::PyUnicode_DATA(object).cast::<u8>(), length);
                flags |= flag::ASCII;
                if length >= FAR_TEXT {
                    self.far(bytes.as_ptr(), length, tag::TEXT, flags, slot);
                } else {
                    let at = self.out.push_text(bytes);
                    self.set(slot, Value::new(tag::TEXT, flags, length as u32, u64::from(at)));
                    if !unique {
                        self.write_home(object, slot);
                    }
                }
            }
        } else {
            // SAFETY: encodes into a new bytes object; the text itself is not changed (its UTF-8 cache
            // is not filled).
            let utf8 = unsafe {
                Bound::from_owned_ptr_or_err(
                    self.py,
                    ffi::PyUnicode_AsEncodedString(object, c"utf-8".as_ptr(), c"surrogatepass".as_ptr()),
                )?
            };
            // SAFETY: an exact bytes object.
            unsafe {
                let length = ffi::PyBytes_Size(utf8.as_ptr()) as usize;
                let bytes =
                    std::slice::from_raw_parts(ffi::PyBytes_AsString(utf8.as_ptr()).cast::<u8>(), length);
                if length >= FAR_TEXT {
                    self.far(bytes.as_ptr(), length, tag::TEXT, flags, slot);
                    self.work.keep.push(Strong(utf8.into_ptr()));
                } else {
                    let at = self.out.push_text(bytes);
                    self.set(slot, Value::new(tag::TEXT, flags, length as u32, u64::from(at)));
                }
            }
        }
        if !unique || self.out.values[slot as usize].flags & flag::FAR != 0 {
            // SAFETY: live.
            let strong = unsafe { Strong::borrowed(object) };
            self.note(strong, slot);
        }
        Ok(true)
    }

    /// Behind a text that was just written, where the adopter has it.
    ///
    /// # Safety
    /// `object` is a live exact `str`.
    unsafe fn write_home(&mut self, object: Object, slot: u32) {
        // SAFETY: as the caller promises.
        if let Some(home) = unsafe { self.home_of_text(object) } {
            self.work.walk_again |= self.work.values_only;
            self.out.push_text(home.as_bytes());
            self.out.flags |= torpor_store::region::Flags::RUNS_CODE; // its module is imported
            let v = self.out.values[slot as usize];
            self.set(slot, Value { flags: v.flags | flag::NAMED, small: home.len() as u16, ..v });
        }
    }

    /// Names a buffer that is copied into an extent when the snapshot is stored.
    ///
    /// # Safety
    /// The buffer stays valid until the snapshot is stored (its owner is in `keep` or `held_buffers`).
    unsafe fn far(&mut self, start: *const u8, length: usize, kind: u8, flags: u8, slot: u32) {
        // SAFETY: as the caller promises.
        let extent = unsafe { self.out.add_raw_buffer(start, length) };
        self.set(slot, Value::new(kind, flags | flag::FAR, 0, u64::from(extent)));
    }

    /// # Safety
    /// `object` is a live exact `bytes`.
    unsafe fn bytes(&mut self, object: Object, slot: u32) -> Result<bool, Failure> {
        if self.alias(object, slot) {
            return Ok(true);
        }
        // SAFETY: an exact bytes object does not move or change.
        unsafe {
            let length = ffi::PyBytes_Size(object) as usize;
            let start = ffi::PyBytes_AsString(object).cast::<u8>();
            if length >= FAR_TEXT {
                self.far(start, length, tag::BYTES, 0, slot);
            } else {
                let at = self.out.push_text(std::slice::from_raw_parts(start, length));
                self.set(slot, Value::new(tag::BYTES, 0, length as u32, u64::from(at)));
            }
            if length >= FAR_TEXT || ffi::Py_REFCNT(object) != 1 || self.work.ids.of_all {
                let strong = Strong::borrowed(object);
                self.note(strong, slot);
            }
        }
        Ok(true)
    }

    /// # Safety
    /// `object` is a live exact `bytearray`.
    unsafe fn bytearray(&mut self, object: Object, slot: u32) -> Result<bool, Failure> {
        if self.alias(object, slot) {
            return Ok(true);
        }
        // SAFETY: an exact bytearray; a far one is held by a buffer export, so it cannot be resized.
        unsafe {
            let length = ffi::PyByteArray_Size(object) as usize;
            if length >= FAR_TEXT {
                let held = HeldBuffer::new(self.py, object)?;
                let (start, length) = held.bytes();
                self.far(start, length, tag::BYTEARRAY, 0, slot);
                self.work.held_buffers.push(held);
            } else {
                let start = ffi::PyByteArray_AsString(object).cast::<u8>();
                let at = self.out.push_text(std::slice::from_raw_parts(start, length));
                self.set(slot, Value::new(tag::BYTEARRAY, 0, length as u32, u64::from(at)));
            }
            let strong = Strong::borrowed(object);
            self.note(strong, slot);
        }
        Ok(true)
    }

    /// # Safety
    /// `object` is a live exact `int`.
    #[cold]
    unsafe fn big_int(&mut self, object: Object, slot: u32) -> Result<bool, Failure> {
        // SAFETY: as the caller promises.
        let bytes = unsafe { bytes_of_int(self.py, object)? };
        let at = self.out.push_bytes(&bytes);
        self.set(slot, Value::new(tag::BIG_INT, 0, bytes.len() as u32, u64::from(at)));
        Ok(true)
    }
}

/// An int in two's complement, little-endian.
///
/// # Safety
/// `int` is a live exact int; the GIL is held.
unsafe fn bytes_of_int(py: Python<'_>, int: Object) -> PyResult<Vec<u8>> {
    // SAFETY: (whole body) as the caller promises; the buffer is as long as it is said to be.
    unsafe {
        #[cfg(Py_3_13)]
        let (bytes, failed) = {
            const LITTLE_ENDIAN: std::ffi::c_int = 1; // Py_ASNATIVEBYTES_LITTLE_ENDIAN
            let needed = ffi::PyLong_AsNativeBytes(int, std::ptr::null_mut(), 0, LITTLE_ENDIAN);
            let mut bytes = vec![0u8; needed.max(0) as usize];
            let taken = ffi::PyLong_AsNativeBytes(int, bytes.as_mut_ptr().cast(), needed, LITTLE_ENDIAN);
            (bytes, needed < 0 || taken < 0)
        };
        #[cfg(not(Py_3_13))]
        let (bytes, failed) = {
            extern "C" {
                fn _PyLong_NumBits(int: Object) -> usize;
            }
            let mut bytes = vec![0u8; _PyLong_NumBits(int) / 8 + 1];
            let result = ffi::_PyLong_AsByteArray(int.cast(), bytes.as_mut_ptr(), bytes.len(), 1, 1);
            (bytes, result < 0)
        };
        match failed {
            true => Err(PyErr::fetch(py)),
            false => Ok(bytes),
        }
    }
}
