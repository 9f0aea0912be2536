//! Arrays that show memory of something else: of another array, or of an object that exports it.
//!
//! Owns the look behind an array's base, at a capture and at an adopt: both sides must find the same owner.

use crate::error::Failure;
use crate::memory::new_array;
use crate::runtime;
use crate::values::array::HeldBuffer;
use crate::values::Object;
use numpy::npyffi::{self, PyArrayObject, NPY_ARRAY_OWNDATA, NPY_ARRAY_WRITEABLE, PY_ARRAY_API};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyMemoryView};
use std::ffi::c_int;

/// What the memory of an array belongs to.
pub enum Base<'py> {
    Array(Bound<'py, PyAny>),
    Exporter(Bound<'py, PyAny>),
}

impl<'py> Base<'py> {
    pub fn object(&self) -> &Bound<'py, PyAny> {
        let (Base::Array(object) | Base::Exporter(object)) = self;
        object
    }
}

/// Memory that views may lie in, and the array whose elements it holds.
struct Memory<'py> {
    start: usize,
    length: usize,
    array: Option<Bound<'py, PyAny>>,
}

fn is_array(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object's type.
    unsafe { npyffi::PyArray_Check(object.py(), object.as_ptr()) != 0 }
}

fn fields<'a>(array: &'a Bound<'_, PyAny>) -> &'a npyffi::objects::PyArrayObject_fields {
    // SAFETY: invariant E21: an array, or of a class below; its head is as numpy's headers say.
    unsafe { &(*array.as_ptr().cast::<PyArrayObject>()).fields }
}

/// Its element type, and its shape and strides, as the array has them: a class below may say something else.
fn descr_of<'py>(array: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    // SAFETY: invariant E21.
    unsafe { Bound::from_borrowed_ptr(array.py(), fields(array).descr.cast()) }
}

fn axes_of(array: &Bound<'_, PyAny>) -> (Vec<i64>, Vec<i64>) {
    let f = fields(array);
    let axes = |from: *mut isize| -> Vec<i64> {
        if from.is_null() {
            return Vec::new();
        }
        // SAFETY: invariant E21: shape and strides have `nd` numbers.
        let axes = unsafe { std::slice::from_raw_parts(from, f.nd as usize) };
        axes.iter().map(|n| *n as i64).collect()
    };
    (axes(f.dimensions), axes(f.strides))
}

/// What an array is a view of; `None` for memory of its own, and for memory of a kind that travels by copying it.
pub fn base_of<'py>(array: &Bound<'py, PyAny>) -> Result<Option<Base<'py>>, Failure> {
    let (py, base) = (array.py(), fields(array).base);
    if base.is_null() || fields(array).flags & NPY_ARRAY_OWNDATA != 0 {
        return Ok(None);
    }
    // SAFETY: live.
    let mut base = unsafe { Bound::from_borrowed_ptr(py, base) };
    if is_array(&base) {
        return Ok(Some(Base::Array(base)));
    }
    let engine = runtime::get(py)?.engine.bind(py);
    // SAFETY: a type test.
    if unsafe { ffi::PyMemoryView_Check(base.as_ptr()) } != 0 {
        base = base.getattr(crate::text::intern!(py, "obj"))?; // what np.frombuffer leaves
    } else {
        let behind = engine.getattr("array_behind")?.call1((&base,))?;
        if is_array(&behind) {
            return Ok(Some(Base::Array(behind)));
        }
    }
    if is_array(&base) {
        return Ok(Some(Base::Array(base)));
    }
    let exports = engine.getattr("is_exporter")?.call1((&base,))?.is_truthy()?;
    Ok(exports.then_some(Base::Exporter(base)))
}

fn exported<'py>(object: &Bound<'py, PyAny>) -> Result<Memory<'py>, Failure> {
    let held = HeldBuffer::with(object.py(), object.as_ptr(), ffi::PyBUF_FULL_RO)?;
    if !held.is_contiguous() {
        return Err(Failure::corrupt("a view shows memory that is not in one piece"));
    }
    let (start, length) = held.bytes();
    Ok(Memory { start: start as usize, length, array: None })
}

/// The lowest and the highest byte that elements reach, from where the first one is.
fn span(shape: &[i64], strides: &[i64], itemsize: i64) -> Option<(i64, i64)> {
    let (mut low, mut high) = (0i64, itemsize);
    for (n, stride) in shape.iter().zip(strides) {
        let reach = n.saturating_sub(1).max(0).checked_mul(*stride)?;
        let end = if reach < 0 { &mut low } else { &mut high };
        *end = end.checked_add(reach)?;
    }
    Some((low, high))
}

/// Where `owner`'s first element is, and the memory that it (or what it is a view of) owns.
fn memory_of<'py>(owner: &Bound<'py, PyAny>) -> Result<(usize, Memory<'py>), Failure> {
    if !is_array(owner) {
        let memory = exported(owner)?;
        return Ok((memory.start, memory));
    }
    let mut array = owner.clone();
    loop {
        match base_of(&array)? {
            Some(Base::Array(base)) => array = base,
            Some(Base::Exporter(base)) => return Ok((fields(owner).data as usize, exported(&base)?)),
            None => break,
        }
    }
    let itemsize: i64 = descr_of(&array).getattr(crate::text::intern!(array.py(), "itemsize"))?.extract()?;
    let (shape, strides) = axes_of(&array);
    let (low, high) = match shape.contains(&0) {
        true => (0, 0),
        false => span(&shape, &strides, itemsize).unwrap_or((0, 0)),
    };
    let f = fields(&array);
    let start = (f.data as usize).wrapping_add_signed(low as isize);
    Ok((fields(owner).data as usize, Memory { start, length: (high - low) as usize, array: Some(array) }))
}

/// Where a view of `owner` begins: its elements lie inside of what that owns, and if they are objects, on its elements.
fn place(
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    strides: &[i64],
    offset: i64,
    owner: &Bound<'_, PyAny>,
) -> Result<*mut u8, Failure> {
    let py = owner.py();
    let outside = || Failure::corrupt("a view reaches outside of the array that it shows");
    let (start, memory) = memory_of(owner)?;
    let itemsize: i64 = descr.getattr(crate::text::intern!(py, "itemsize"))?.extract()?;
    let (low, high) = span(shape, strides, itemsize).ok_or_else(outside)?;
    let at = (start as i64 - memory.start as i64).checked_add(offset).ok_or_else(outside)?;
    let (first, last) = (at.checked_add(low).ok_or_else(outside)?, at.checked_add(high).ok_or_else(outside)?);
    let size = memory.length as i64;
    if !shape.contains(&0) && (first < 0 || last > size) || at < 0 || at > size {
        return Err(outside());
    }
    if descr.getattr(crate::text::intern!(py, "hasobject"))?.is_truthy()? {
        let whole = |n: i64| itemsize > 0 && n % itemsize == 0;
        let same = match &memory.array {
            Some(array) => descr_of(array).eq(descr)?,
            None => false,
        };
        if !same || !whole(at) || !strides.iter().all(|n| whole(*n)) {
            return Err(Failure::corrupt("a view of objects does not lie on the elements of its array"));
        }
    }
    Ok((memory.start as *mut u8).wrapping_offset(at as isize))
}

/// Whether such a view of `owner` can be made again.
pub fn fits(
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    strides: &[i64],
    offset: i64,
    owner: &Bound<'_, PyAny>,
) -> bool {
    place(descr, shape, strides, offset, owner).is_ok()
}

/// A view of `owner`: another array, or what exports its memory.
pub fn view(
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    strides: &[i64],
    offset: i64,
    owner: &Bound<'_, PyAny>,
    mut flags: c_int,
) -> Result<Object, Failure> {
    let py = owner.py();
    // An exporter is held by an export, as np.frombuffer does: it must not be resized under the array.
    let mut base = owner.clone();
    if !is_array(owner) {
        let export = PyMemoryView::from(owner)?.into_any();
        if export.getattr(crate::text::intern!(py, "readonly"))?.is_truthy()? {
            flags &= !NPY_ARRAY_WRITEABLE;
        }
        if !owner.is_exact_instance_of::<PyBytes>() {
            base = export; // bytes cannot change
        }
    }
    let data = place(descr, shape, strides, offset, owner)?;
    let mut descr = descr.clone();
    if descr.getattr(crate::text::intern!(py, "hasobject"))?.is_truthy()? {
        // The very same one: it may own what the elements refer to, as that of texts of any length does.
        if let Some(array) = memory_of(owner)?.1.array {
            descr = descr_of(&array);
        }
    }
    // SAFETY: every element lies inside of the owner's memory, as just checked; the owner is the base.
    unsafe {
        let array = new_array(py, &descr, shape, Some(strides), data.cast(), flags)?;
        let made = Bound::from_owned_ptr(py, array);
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.cast(), base.into_ptr()) != 0 {
            return Err(PyErr::fetch(py).into());
        }
        if !descr_of(&made).is(&descr) {
            return Err(Failure::corrupt("a view has another element type than its array"));
        }
        Ok(made.into_ptr())
    }
}

/// An exact ndarray over the memory of one of a class below; `base` keeps that alive.
fn plain_array(array: &Bound<'_, PyAny>, base: &Bound<'_, PyAny>) -> Result<Py<PyAny>, Failure> {
    let py = array.py();
    if !is_array(array) {
        return Err(pyo3::exceptions::PyTypeError::new_err("this is no array").into());
    }
    let (descr, (shape, strides), f) = (descr_of(array), axes_of(array), fields(array));
    // SAFETY: invariant E21: the memory of a live array, which the base keeps.
    unsafe {
        let made =
            new_array(py, &descr, &shape, Some(&strides), f.data.cast(), f.flags & NPY_ARRAY_WRITEABLE)?;
        let made = Bound::from_owned_ptr(py, made);
        if PY_ARRAY_API.PyArray_SetBaseObject(py, made.as_ptr().cast(), base.clone().into_ptr()) != 0 {
            return Err(PyErr::fetch(py).into());
        }
        Ok(made.unbind())
    }
}

/// This as a Python function, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    Ok(vec![crate::finish::function(py, "plain_array", |args| {
        plain_array(&args.get_item(0)?, &args.get_item(1)?)
    })?])
}
