//! What an object contains, as a number: by it an adopter's object is compared with the captured one.
//!
//! Lists, dicts, sets and what they contain are followed; of other objects within only the type counts, so the
//! number says nothing about them. It is the same in every process of one Python version.

use super::{text_of, Object};
use crate::error::Failure;
use crate::frame;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, Xxh3};

/// What is looked at: objects, and levels of containers in each other.
const MOST: usize = 1 << 16;
const DEEPEST: usize = 64;

/// The class of an object, as a number.
pub(super) fn kind_of(object: &Bound<'_, PyAny>) -> PyResult<u64> {
    Ok(xxh3_64(text_of(object.get_type().fully_qualified_name()?.as_any()).as_bytes()))
}

/// What `object` contains. Never 0.
///
/// # Safety
/// `object` is live; the GIL is held. Code of the program runs if its class says how it is pickled.
pub(super) unsafe fn content_of(py: Python<'_>, runtime: &Runtime, object: Object) -> Result<u64, Failure> {
    let mut look = Look { py, left: MOST, open: Vec::new() };
    // SAFETY: as the caller promises.
    unsafe {
        if look.is_container(object) {
            return Ok(look.number(object)?.max(1));
        }
        let any = Bound::from_borrowed_ptr(py, object);
        let parts = runtime.engine.bind(py).getattr("content_of")?.call1((any,))?;
        Ok(look.number(parts.as_ptr())?.max(1))
    }
}

/// The same, of an object of which nothing is asked: no code of the program runs.
///
/// # Safety
/// `object` is live; the GIL is held.
pub(super) unsafe fn plain_content(py: Python<'_>, object: Object) -> PyResult<u64> {
    // SAFETY: as the caller promises.
    unsafe { Ok(Look { py, left: MOST, open: Vec::new() }.number(object)?.max(1)) }
}

struct Look<'py> {
    py: Python<'py>,
    left: usize,
    /// Containers that are being looked at: a cycle ends at one.
    open: Vec<Object>,
}

impl Look<'_> {
    /// # Safety
    /// `o` is live.
    unsafe fn is_container(&self, o: Object) -> bool {
        // SAFETY: as the caller promises.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            kind == &raw mut ffi::PyList_Type
                || kind == &raw mut ffi::PyTuple_Type
                || kind == &raw mut ffi::PyDict_Type
                || kind == &raw mut ffi::PySet_Type
                || kind == &raw mut ffi::PyFrozenSet_Type
        }
    }

    /// # Safety
    /// `o` is live; the GIL is held.
    unsafe fn number(&mut self, o: Object) -> PyResult<u64> {
        // SAFETY: (whole body) E5: live objects of the types that were just tested; nothing of the program runs.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            self.left = self.left.saturating_sub(1);
            if kind == &raw mut ffi::PyUnicode_Type {
                let mut n = 0;
                let text = ffi::PyUnicode_AsUTF8AndSize(o, &mut n);
                if text.is_null() {
                    ffi::PyErr_Clear();
                    return Ok(1);
                }
                return Ok(xxh3_64_with_seed(std::slice::from_raw_parts(text.cast(), n as usize), 1));
            }
            if kind == &raw mut ffi::PyLong_Type {
                if let Some(n) = frame::small_int(o) {
                    return Ok(xxh3_64_with_seed(&n.to_le_bytes(), 2));
                }
                let text = Bound::from_borrowed_ptr(self.py, o).call_method1("__format__", ("x",))?;
                return Ok(xxh3_64_with_seed(text_of(&text).as_bytes(), 3));
            }
            if kind == &raw mut ffi::PyFloat_Type {
                return Ok(xxh3_64_with_seed(&ffi::PyFloat_AS_DOUBLE(o).to_bits().to_le_bytes(), 4));
            }
            if o == ffi::Py_None() || o == ffi::Py_True() || o == ffi::Py_False() {
                return Ok(5 + u64::from(o == ffi::Py_True()) + 2 * u64::from(o == ffi::Py_None()));
            }
            if kind == &raw mut ffi::PyBytes_Type || kind == &raw mut ffi::PyByteArray_Type {
                let bytes = Bound::from_borrowed_ptr(self.py, o).extract::<Vec<u8>>()?;
                return Ok(xxh3_64_with_seed(&bytes, 8));
            }
            if !self.is_container(o) {
                return self.other(o);
            }
            if self.left == 0 || self.open.len() >= DEEPEST || self.open.contains(&o) {
                return Ok(9);
            }
            self.open.push(o);
            let number = self.container(o);
            self.open.pop();
            number
        }
    }

    /// # Safety
    /// `o` is a live exact container.
    unsafe fn container(&mut self, o: Object) -> PyResult<u64> {
        // SAFETY: (whole body) items are held while they are looked at.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            let mut all = Xxh3::with_seed(10);
            if kind == &raw mut ffi::PyDict_Type {
                let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
                all.update(&ffi::PyDict_Size(o).to_le_bytes());
                while self.left > 0 && ffi::PyDict_Next(o, &mut at, &mut key, &mut value) != 0 {
                    for part in [key, value] {
                        all.update(&self.number(part)?.to_le_bytes());
                    }
                }
                return Ok(all.digest());
            }
            let any = Bound::from_borrowed_ptr(self.py, o);
            if kind == &raw mut ffi::PySet_Type || kind == &raw mut ffi::PyFrozenSet_Type {
                // In any order: it is another one in every process. A set is looked at whole or not at all.
                let n = ffi::PySet_Size(o);
                let mut sum = n as u64;
                if n as usize <= self.left {
                    for item in any.try_iter()? {
                        sum = sum
                            .wrapping_add(xxh3_64_with_seed(&self.number(item?.as_ptr())?.to_le_bytes(), 11));
                    }
                }
                return Ok(xxh3_64_with_seed(&sum.to_le_bytes(), 12));
            }
            let n = any.len()?;
            all.update(&[u8::from(kind == &raw mut ffi::PyTuple_Type)]);
            all.update(&n.to_le_bytes());
            for i in 0..n {
                if self.left == 0 {
                    break;
                }
                all.update(&self.number(any.get_item(i)?.as_ptr())?.to_le_bytes());
            }
            Ok(all.digest())
        }
    }

    /// An object within: its type, and the name of what has one.
    ///
    /// # Safety
    /// `o` is live.
    unsafe fn other(&self, o: Object) -> PyResult<u64> {
        // SAFETY: as the caller promises.
        let any = unsafe { Bound::from_borrowed_ptr(self.py, o) };
        let mut number = kind_of(&any)?;
        // SAFETY: type tests of a live object.
        let named = unsafe {
            ffi::PyType_CheckExact(o) != 0
                || ffi::Py_TYPE(o) == &raw mut ffi::PyFunction_Type
                || ffi::Py_TYPE(o) == &raw mut ffi::PyCFunction_Type
        };
        if named {
            number = xxh3_64_with_seed(text_of(&any.getattr("__qualname__")?).as_bytes(), number);
        }
        Ok(number)
    }
}
