//! numpy arrays: their bytes go to the store by one copy and come back by none.
//!
//! Owns what is known of numpy's structs (ndarraytypes.h, stable since numpy 1.22). numpy is imported
//! only when an array is met.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::Failure;
use crate::views::{self, Base};
use numpy::npyffi::{PyArrayObject, NPY_ARRAY_C_CONTIGUOUS, NPY_ARRAY_F_CONTIGUOUS, NPY_ARRAY_WRITEABLE};
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::capture::FAR_BUFFER;
use torpor_store::frame::{Array, NONE};
use torpor_store::value::{tag, ARRAY_CHILDREN};
use torpor_store::Value;

/// A buffer that its exporter must not move until it is released.
pub struct HeldBuffer(Box<ffi::Py_buffer>);

impl HeldBuffer {
    pub(crate) fn new(py: Python<'_>, object: Object) -> PyResult<HeldBuffer> {
        HeldBuffer::with(py, object, ffi::PyBUF_SIMPLE)
    }

    /// With what `flags` ask for beside the bytes.
    pub(crate) fn with(py: Python<'_>, object: Object, flags: std::ffi::c_int) -> PyResult<HeldBuffer> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: `object` is live, the view is released on drop; the box does not move it.
        if unsafe { ffi::PyObject_GetBuffer(object, &mut *view, flags) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(HeldBuffer(view))
    }

    pub fn bytes(&self) -> (*const u8, usize) {
        (self.0.buf.cast(), self.0.len as usize)
    }

    /// Whether the bytes are one piece, in C's or Fortran's order.
    pub(crate) fn is_contiguous(&self) -> bool {
        // SAFETY: the view was filled; nothing is changed.
        self.0.suboffsets.is_null() && unsafe { ffi::PyBuffer_IsContiguous(&*self.0, b'A' as _) != 0 }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.0.readonly != 0
    }

    pub(crate) fn itemsize(&self) -> isize {
        self.0.itemsize
    }

    /// PEP 3118 text.
    pub(crate) fn format(&self) -> String {
        if self.0.format.is_null() {
            return "B".into();
        }
        // SAFETY: the exporter's text, which lives as long as the view.
        unsafe { std::ffi::CStr::from_ptr(self.0.format) }.to_string_lossy().into_owned()
    }

    fn axes(&self, start: *const isize) -> &[isize] {
        if start.is_null() || self.0.ndim <= 0 {
            return &[];
        }
        // SAFETY: as above: shape and strides have `ndim` numbers.
        unsafe { std::slice::from_raw_parts(start, self.0.ndim as usize) }
    }

    /// Of a view that was made with `PyBUF_FULL_RO`.
    pub(crate) fn shape(&self) -> &[isize] {
        self.axes(self.0.shape)
    }

    /// Also of an exporter that gives none, as ctypes does: its elements lie in C's order.
    pub(crate) fn strides(&self) -> Vec<isize> {
        if !self.0.strides.is_null() {
            return self.axes(self.0.strides).to_vec();
        }
        let mut strides = vec![self.0.itemsize; self.shape().len()];
        for i in (1..strides.len()).rev() {
            strides[i - 1] = strides[i].saturating_mul(self.shape()[i]);
        }
        strides
    }
}

impl Drop for HeldBuffer {
    fn drop(&mut self) {
        // SAFETY: invariant E5: dropped with the GIL held; the view was filled by PyObject_GetBuffer.
        unsafe { ffi::PyBuffer_Release(&mut *self.0) }
    }
}

/// Element types that are written as text ('<f8'): name, and PEP 3118 format.
pub struct PlainType {
    pub name: String,
    pub format: String,
}

/// The PEP 3118 format of a dtype of plain elements; `None` for structured and object types.
pub fn plain_type(descr: &Bound<'_, PyAny>) -> PyResult<Option<PlainType>> {
    let name: String = descr.getattr("str")?.extract()?;
    let kind: String = descr.getattr("kind")?.extract()?;
    let size: usize = descr.getattr("itemsize")?.extract()?;
    if !descr.getattr("fields")?.is_none()
        || !descr.getattr("subdtype")?.is_none()
        || !descr.getattr("metadata")?.is_none()
    {
        return Ok(None);
    }
    let number: i32 = descr.getattr("num")?.extract()?;
    if !(0..24).contains(&number) {
        return Ok(None); // a type that numpy did not bring itself
    }
    let order = if name.starts_with('>') { ">" } else { "" };
    let format = match (kind.as_str(), size) {
        ("b", _) => "?".into(),
        ("i", 1) => "b".into(),
        ("i", 2) => "h".into(),
        ("i", 4) => "i".into(),
        ("i", 8) => "q".into(),
        ("u", 1) => "B".into(),
        ("u", 2) => "H".into(),
        ("u", 4) => "I".into(),
        ("u", 8) => "Q".into(),
        ("f", 2) => "e".into(),
        ("f", 4) => "f".into(),
        ("f", 8) => "d".into(),
        ("f", 16) => "g".into(),
        ("c", 8) => "Zf".into(),
        ("c", 16) => "Zd".into(),
        ("c", 32) => "Zg".into(),
        ("S", n) => format!("{n}s"),
        ("U", n) => format!("{}w", n / 4),
        ("m" | "M", _) => "q".into(),
        ("V", n) => format!("{n}x"),
        _ => return Ok(None),
    };
    Ok(Some(PlainType { name, format: format!("{order}{format}") }))
}

impl<'py> Encoder<'py> {
    /// Writes an exact ndarray; false if it has to be reduced (its elements are objects of its own).
    ///
    /// # Safety
    /// `object` is a live exact ndarray; the GIL is held.
    pub(super) unsafe fn array(&mut self, object: &Strong, slot: u32) -> Result<bool, Failure> {
        // SAFETY: (whole body) fields of a live ndarray, which is noted (kept) before anything else runs.
        unsafe {
            let a = &(*object.0.cast::<PyArrayObject>()).fields;
            let descr = Bound::from_borrowed_ptr(self.py, a.descr.cast::<ffi::PyObject>());
            let of_objects = descr.getattr(crate::text::intern!(self.py, "hasobject"))?.is_truthy()?;
            let plain = if of_objects { None } else { self.runtime.plain_type(&descr)? };
            let ndim = a.nd as usize;
            let shape =
                std::slice::from_raw_parts(a.dimensions, if a.dimensions.is_null() { 0 } else { ndim });
            let strides = std::slice::from_raw_parts(a.strides, if a.strides.is_null() { 0 } else { ndim });
            let itemsize: u32 = descr.getattr(crate::text::intern!(self.py, "itemsize"))?.extract()?;
            let mut array = Array { ndim: ndim as u16, itemsize, extent: NONE, ..Array::default() };
            if a.flags & NPY_ARRAY_WRITEABLE == 0 {
                array.flags |= Array::READ_ONLY;
            }
            let contiguous = a.flags & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS) != 0;
            let nbytes = shape.iter().product::<isize>() as usize * itemsize as usize;
            array.nbytes = nbytes as u64;
            let owner = self.owner_of(object.0, &descr, shape, strides)?;
            if of_objects && owner.is_none() {
                return Ok(false);
            }
            if owner.is_none() && !contiguous {
                // Foreign memory, laid out in a way that only a copy makes ours.
                let copy = Bound::from_borrowed_ptr(self.py, object.0).call_method1("copy", ("K",))?;
                let copy = Strong(copy.into_ptr());
                let done = self.array(&copy, slot)?;
                self.note(Strong::borrowed(object.0), slot);
                return Ok(done);
            }
            if a.flags & NPY_ARRAY_F_CONTIGUOUS != 0 && a.flags & NPY_ARRAY_C_CONTIGUOUS == 0 {
                array.flags |= Array::FORTRAN;
            }
            array.shape = self.out.dims.len() as u32;
            self.out.dims.extend(shape.iter().map(|n| *n as i64));
            self.out.dims.extend(strides.iter().map(|n| *n as i64));
            match &plain {
                Some(plain) => {
                    array.format_offset = self.out.push_text(plain.format.as_bytes());
                    array.format_length = plain.format.len() as u32;
                }
                None => array.flags |= Array::OPAQUE,
            }
            let base = self.reserve(ARRAY_CHILDREN as usize)?;
            self.set(slot, Value::new(tag::ARRAY, 0, ARRAY_CHILDREN, u64::from(base)));
            let mut pending = false;
            if let Some((owner, offset)) = owner {
                array.flags |= Array::VIEW;
                array.offset = offset as u64;
                pending |= self.put(owner.as_ptr(), base)?;
            } else {
                self.set(base, Value::NONE);
                if nbytes >= FAR_BUFFER {
                    array.extent = self.out.add_array_buffer(a.data.cast(), nbytes);
                } else {
                    self.out.align_data(16);
                    let bytes = std::slice::from_raw_parts(a.data.cast::<u8>(), nbytes);
                    array.offset = u64::from(self.out.push_bytes(bytes));
                }
            }
            match &plain {
                Some(plain) => {
                    let at = self.out.push_text(plain.name.as_bytes());
                    self.set(
                        base + 1,
                        Value::new(
                            tag::TEXT,
                            torpor_store::value::flag::ASCII,
                            plain.name.len() as u32,
                            u64::from(at),
                        ),
                    );
                }
                None => pending |= self.put(descr.as_ptr(), base + 1)?,
            }
            let index = self.out.arrays.len() as u64;
            self.set(base + 2, Value::atom(tag::INT, index));
            self.out.arrays.push(array);
            let strong = Strong::borrowed(object.0);
            if pending {
                self.open(tag::ARRAY, base, ARRAY_CHILDREN, slot, Some(strong));
            } else {
                self.note(strong, slot);
            }
        }
        Ok(true)
    }

    /// The object whose memory a view shows, and how far behind its first byte the view begins; `None` if the array
    /// has memory of its own (or of a kind that travels by copying it).
    ///
    /// # Safety
    /// `array` is a live ndarray; the GIL is held.
    unsafe fn owner_of(
        &self,
        array: Object,
        descr: &Bound<'py, PyAny>,
        shape: &[isize],
        strides: &[isize],
    ) -> Result<Option<(Bound<'py, PyAny>, i64)>, Failure> {
        // SAFETY: as the caller promises; fields of a live ndarray.
        let (array, data) = unsafe {
            let data = (*array.cast::<PyArrayObject>()).fields.data;
            (Bound::from_borrowed_ptr(self.py, array), data as i64)
        };
        let Some(base) = views::base_of(&array)? else { return Ok(None) };
        let owner = base.object().clone();
        let start = match &base {
            // SAFETY: fields of a live ndarray.
            Base::Array(owner) => unsafe { (*owner.as_ptr().cast::<PyArrayObject>()).fields.data as i64 },
            Base::Exporter(owner) => {
                HeldBuffer::with(self.py, owner.as_ptr(), ffi::PyBUF_FULL_RO)?.bytes().0 as i64
            }
        };
        let wide = |axes: &[isize]| axes.iter().map(|n| *n as i64).collect::<Vec<_>>();
        let offset = data - start;
        let fits = views::fits(descr, &wide(shape), &wide(strides), offset, &owner);
        Ok(fits.then_some((owner, offset)))
    }

    /// An array that is not written as one: of objects, or of a class below ndarray. How it is rebuilt, unless its
    /// class says that itself.
    pub(super) fn of_array(
        &self,
        object: &Bound<'py, PyAny>,
    ) -> Result<Option<PyResult<Bound<'py, PyAny>>>, Failure> {
        if !self.runtime.is_array(object.get_type_ptr()) {
            return Ok(None);
        }
        let made = self.runtime.engine.bind(self.py).getattr("reduce_array")?.call1((object,));
        Ok(Some(made).filter(|made| made.as_ref().map_or(true, |made| !made.is_none())))
    }
}
