//! Atoms of a graph as Python objects: numbers, text, bytes and the singletons; and objects that other nodes refer to
//! by a number.

use super::decode::Decoder;
use super::{Object, Strong};
use crate::error::Failure;
use pyo3::ffi;
use torpor_store::value::{flag, tag};
use torpor_store::Value;

impl<'a> Decoder<'a, '_> {
    /// Notes that the node `v` is `object`, if something refers to it.
    #[inline]
    pub(super) fn share(&mut self, v: Value, object: Object) -> Result<(), Failure> {
        let number = v.shared() as usize;
        if number != 0 {
            let place = self
                .shared
                .get_mut(number)
                .ok_or_else(|| Failure::corrupt("a shared number is out of range"))?;
            if !place.is_null() {
                return Err(Failure::corrupt("a shared number is given twice"));
            }
            // SAFETY: live.
            unsafe { ffi::Py_INCREF(object) };
            *place = object;
        }
        Ok(())
    }

    pub(super) fn shared_object(&self, number: u64) -> Result<Object, Failure> {
        let object = self.shared.get(number as usize).copied().unwrap_or(std::ptr::null_mut());
        if object.is_null() {
            return Err(Failure::corrupt("a reference to a value that does not come before it"));
        }
        // SAFETY: the table holds a reference.
        unsafe { ffi::Py_INCREF(object) };
        Ok(object)
    }

    /// The bytes of a TEXT, BYTES or BYTEARRAY.
    pub(super) fn payload(&self, v: Value) -> Result<&'a [u8], Failure> {
        if v.flags & flag::FAR == 0 {
            return Ok(self.region.bytes(v.low(), v.len)?);
        }
        let extent = self
            .region
            .extents
            .get(v.low() as usize)
            .ok_or_else(|| Failure::corrupt("an extent index is out of range"))?;
        Ok(self.snapshot()?.extent_bytes(extent)?)
    }

    pub(super) fn atom(&mut self, v: Value) -> Result<Object, Failure> {
        // SAFETY: (whole body) each call makes a new reference from checked bytes.
        unsafe {
            let object = match v.tag {
                tag::INT => return self.own(ffi::PyLong_FromLongLong(v.data as i64)),
                tag::FLOAT => return self.own(ffi::PyFloat_FromDouble(f64::from_bits(v.data))),
                tag::TEXT => self.text(v)?,
                tag::NONE => ffi::Py_NewRef(ffi::Py_None()),
                tag::TRUE => ffi::Py_NewRef(ffi::Py_True()),
                tag::FALSE => ffi::Py_NewRef(ffi::Py_False()),
                tag::ALIAS => return self.shared_object(v.data),
                tag::BYTES => {
                    let b = self.payload(v)?;
                    self.own(ffi::PyBytes_FromStringAndSize(b.as_ptr().cast(), b.len() as isize))?
                }
                tag::BYTEARRAY => {
                    let b = self.payload(v)?;
                    self.own(ffi::PyByteArray_FromStringAndSize(b.as_ptr().cast(), b.len() as isize))?
                }
                tag::COMPLEX => {
                    let b = self.region.bytes(v.low(), 16)?;
                    let part = |at: usize| f64::from_le_bytes(b[at..at + 8].try_into().unwrap_or_default());
                    return self.own(ffi::PyComplex_FromDoubles(part(0), part(8)));
                }
                tag::BIG_INT => {
                    let bytes = self.region.bytes(v.low(), v.len)?;
                    #[cfg(Py_3_13)]
                    let made = ffi::PyLong_FromNativeBytes(bytes.as_ptr().cast(), bytes.len(), 1); // little-endian
                    #[cfg(not(Py_3_13))]
                    let made = ffi::_PyLong_FromByteArray(bytes.as_ptr(), bytes.len(), 1, 1);
                    return self.own(made);
                }
                tag::ELLIPSIS => ffi::Py_NewRef(ffi::Py_Ellipsis()),
                tag::NOT_IMPLEMENTED => ffi::Py_NewRef(ffi::Py_NotImplemented()),
                _ => self.name(v)?,
            };
            if v.shared() != 0 {
                let owned = Strong(object);
                self.share(v, object)?;
                return Ok(owned.release());
            }
            Ok(object)
        }
    }

    #[inline]
    pub(super) fn text(&self, v: Value) -> Result<Object, Failure> {
        let b = self.payload(v)?;
        let n = b.len() as isize;
        // SAFETY: bytes in bounds; a new compact ASCII text has room for n bytes.
        unsafe {
            let mut object = if v.flags & flag::ASCII != 0 && n > 1 {
                if !b.is_ascii() {
                    return Err(Failure::corrupt("a text is not as its flag says"));
                }
                if v.flags & flag::INTERNED != 0 {
                    if let Some(text) = self.runtime.interned_text(self.py, b) {
                        return Ok(text);
                    }
                }
                let object = self.own(ffi::PyUnicode_New(n, 127))?;
                std::ptr::copy_nonoverlapping(b.as_ptr(), ffi::PyUnicode_DATA(object).cast::<u8>(), b.len());
                object
            } else {
                let object = ffi::PyUnicode_DecodeUTF8(b.as_ptr().cast(), n, c"surrogatepass".as_ptr());
                if object.is_null() {
                    ffi::PyErr_Clear();
                    return Err(Failure::corrupt("a text is not UTF-8"));
                }
                object
            };
            if v.flags & flag::INTERNED != 0 {
                ffi::PyUnicode_InternInPlace(&mut object);
            }
            if v.flags & (flag::NAMED | flag::FAR) == flag::NAMED {
                let made = Strong(object);
                if let Some(own) = self.text_at_home(v, made.0)? {
                    return Ok(own);
                }
                return Ok(made.release());
            }
            Ok(object)
        }
    }
}
