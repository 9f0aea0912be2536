//! numpy arrays over a snapshot's memory.
//!
//! Adopted arrays own their memory through numpy's memory-handler API: `base` is None, `owndata` is
//! set and `resize` works, as they did before the capture; freeing one gives back a share of the
//! snapshot's mapping. One handler serves all arrays of an adopt. Arrays in buffers of the store (`Store.empty`) are
//! served in the same way, each by a handler of its own.

use crate::error::Failure;
use crate::values::Object;
use numpy::npyffi::{self, PyArrayObject, PyArray_Descr, NPY_ARRAY_OWNDATA, PY_ARRAY_API};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::{c_char, c_int, c_void};
use torpor_store::{Mapping, StoreBuffer};

/// `PyArrayObject_fields` up to the handler, numpy/ndarraytypes.h (numpy 1.22 and later).
#[repr(C)]
struct OwnedArray {
    array: PyArrayObject,
    buffer_info: *mut c_void,
    mem_handler: *mut ffi::PyObject,
}

/// `PyDataMem_Handler`, version 1.
#[repr(C)]
struct Handler {
    name: [c_char; 127],
    version: u8,
    context: *mut c_void,
    malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
    memory: Memory,
}

/// What the arrays of a handler lie in.
pub enum Memory {
    Mapping(Mapping),
    Buffer(StoreBuffer),
}

impl Memory {
    fn range(&self) -> (usize, usize) {
        match self {
            Memory::Mapping(m) => (m.as_ptr() as usize, m.len()),
            // An array without elements still has an address of its own.
            Memory::Buffer(b) => (b.as_ptr() as usize, b.len().max(1)),
        }
    }
}

const HANDLER_NAME: &std::ffi::CStr = c"mem_handler";

unsafe fn in_mapping(context: *mut c_void, p: *mut c_void) -> Option<usize> {
    // SAFETY: invariant E8: the context is the Handler, which lives as long as any of its arrays.
    let (start, length) = unsafe { (*context.cast::<Handler>()).memory.range() };
    let at = p as usize;
    (at >= start && at < start + length).then(|| start + length - at)
}

unsafe extern "C" fn handler_malloc(_: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: plain allocation.
    unsafe { libc::malloc(size) }
}

unsafe extern "C" fn handler_calloc(_: *mut c_void, n: usize, size: usize) -> *mut c_void {
    // SAFETY: plain allocation.
    unsafe { libc::calloc(n, size) }
}

unsafe extern "C" fn handler_realloc(context: *mut c_void, p: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: numpy passes a pointer that came from this handler: mapped, or allocated above.
    unsafe {
        let Some(available) = in_mapping(context, p) else { return libc::realloc(p, size) };
        let fresh = libc::malloc(size);
        if !fresh.is_null() {
            std::ptr::copy_nonoverlapping(p.cast::<u8>(), fresh.cast::<u8>(), size.min(available));
        }
        fresh
    }
}

unsafe extern "C" fn handler_free(context: *mut c_void, p: *mut c_void, _: usize) {
    // SAFETY: as in handler_realloc; mapped memory goes when the handler does.
    unsafe {
        if in_mapping(context, p).is_none() {
            libc::free(p);
        }
    }
}

unsafe extern "C" fn drop_handler(capsule: *mut ffi::PyObject) {
    // SAFETY: invariant E8: called once, by the capsule's deallocation.
    unsafe {
        let p = ffi::PyCapsule_GetPointer(capsule, HANDLER_NAME.as_ptr());
        drop(Box::from_raw(p.cast::<Handler>()));
    }
}

/// A memory handler whose arrays lie in `mapping`.
pub fn handler(py: Python<'_>, mapping: Mapping) -> PyResult<Bound<'_, PyCapsule>> {
    handler_of(py, Memory::Mapping(mapping))
}

fn handler_of(py: Python<'_>, memory: Memory) -> PyResult<Bound<'_, PyCapsule>> {
    let mut name = [0; 127];
    for (to, from) in name.iter_mut().zip(b"torpor") {
        *to = *from as c_char;
    }
    let handler = Box::into_raw(Box::new(Handler {
        name,
        version: 1,
        context: std::ptr::null_mut(),
        malloc: handler_malloc,
        calloc: handler_calloc,
        realloc: handler_realloc,
        free: handler_free,
        memory,
    }));
    // SAFETY: invariant E8: the capsule owns the box; numpy finds allocator.ctx in it.
    unsafe {
        (*handler).context = handler.cast();
        let capsule = ffi::PyCapsule_New(handler.cast(), HANDLER_NAME.as_ptr(), Some(drop_handler));
        if capsule.is_null() {
            drop(Box::from_raw(handler));
            return Err(PyErr::fetch(py));
        }
        Ok(Bound::from_owned_ptr(py, capsule).cast_into::<PyCapsule>()?)
    }
}

fn shape_of(shape: &[i64]) -> Vec<npyffi::npy_intp> {
    shape.iter().map(|n| *n as npyffi::npy_intp).collect()
}

/// numpy.ndarray.
fn ndarray_type(py: Python<'_>) -> PyResult<*mut ffi::PyTypeObject> {
    static TYPE: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    let class = TYPE.get_or_try_init(py, || py.import("numpy")?.getattr("ndarray").map(Bound::unbind))?;
    Ok(class.as_ptr().cast())
}

/// # Safety
/// `data` is NULL (numpy allocates) or valid for the array's elements for as long as it lives.
pub(crate) unsafe fn new_array(
    py: Python<'_>,
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    strides: Option<&[i64]>,
    data: *mut c_void,
    flags: c_int,
) -> Result<Object, Failure> {
    let mut shape = shape_of(shape);
    let mut strides = strides.map(shape_of);
    // SAFETY: numpy checks the shape; it takes over one reference to the dtype.
    let array = unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            ndarray_type(py)?,
            descr.clone().into_ptr().cast::<PyArray_Descr>(),
            shape.len() as c_int,
            shape.as_mut_ptr(),
            strides.as_mut().map_or(std::ptr::null_mut(), |s| s.as_mut_ptr()),
            data,
            flags,
            std::ptr::null_mut(),
        )
    };
    if array.is_null() {
        return Err(PyErr::fetch(py).into());
    }
    Ok(array)
}

/// An array of its own, filled from `bytes`.
pub fn small(
    py: Python<'_>,
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    bytes: &[u8],
    flags: c_int,
) -> Result<Object, Failure> {
    let fortran = flags & npyffi::NPY_ARRAY_F_CONTIGUOUS;
    // SAFETY: numpy allocates at least as many bytes as the shape has, which is bytes.len().
    unsafe {
        let array = new_array(py, descr, shape, None, std::ptr::null_mut(), fortran)?;
        let fields = &mut (*array.cast::<PyArrayObject>()).fields;
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), fields.data.cast::<u8>(), bytes.len());
        if flags & npyffi::NPY_ARRAY_WRITEABLE == 0 {
            fields.flags &= !npyffi::NPY_ARRAY_WRITEABLE;
        }
        Ok(array)
    }
}

/// An array that lies in the mapped snapshot at `offset`.
#[allow(clippy::too_many_arguments)]
pub fn adopted(
    py: Python<'_>,
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    mapping: &Mapping,
    offset: u64,
    length: u64,
    flags: c_int,
    handler: &Bound<'_, PyAny>,
) -> Result<Object, Failure> {
    if offset.checked_add(length).is_none_or(|end| end > mapping.len() as u64) {
        return Err(Failure::corrupt("an array lies outside of the snapshot's mapping"));
    }
    // SAFETY: in bounds as just checked; the handler keeps the mapping for as long as the array lives.
    unsafe {
        let data = mapping.as_ptr().add(offset as usize).cast();
        let array = new_array(py, descr, shape, None, data, flags)?;
        let owned = array.cast::<OwnedArray>();
        (*owned).mem_handler = handler.clone().into_ptr();
        (*owned).array.fields.flags |= NPY_ARRAY_OWNDATA;
        Ok(array)
    }
}

/// An array in a buffer of a store. The dtype's elements must not be objects, and the shape must fit.
pub fn in_buffer<'py>(
    py: Python<'py>,
    dtype: &Bound<'py, PyAny>,
    shape: &[i64],
    fortran: bool,
    buffer: StoreBuffer,
) -> Result<Bound<'py, PyAny>, Failure> {
    let itemsize: i64 = dtype.getattr(crate::text::intern!(py, "itemsize"))?.extract()?;
    let bytes = shape.iter().try_fold(itemsize, |n, d| n.checked_mul(*d));
    if bytes != i64::try_from(buffer.len()).ok()
        || dtype.getattr(crate::text::intern!(py, "hasobject"))?.is_truthy()?
    {
        return Err(Failure::corrupt("an array does not fit the memory that was made for it"));
    }
    let order = if fortran { npyffi::NPY_ARRAY_F_CONTIGUOUS } else { 0 };
    let data = buffer.as_ptr().cast();
    let handler = handler_of(py, Memory::Buffer(buffer))?;
    // SAFETY: the shape has as many bytes as the buffer; the handler keeps it for as long as the array lives.
    unsafe {
        let array = new_array(py, dtype, shape, None, data, order | npyffi::NPY_ARRAY_WRITEABLE)?;
        let owned = array.cast::<OwnedArray>();
        (*owned).mem_handler = handler.into_ptr();
        (*owned).array.fields.flags |= NPY_ARRAY_OWNDATA;
        Ok(Bound::from_owned_ptr(py, array))
    }
}

/// A read-only array over memory that `owner` (a capsule of [`handler`]) keeps.
///
/// # Safety
/// Every element lies in memory that lives as long as `owner`.
pub unsafe fn read_only(
    py: Python<'_>,
    descr: &Bound<'_, PyAny>,
    shape: &[i64],
    strides: &[i64],
    first: *const u8,
    owner: &Bound<'_, PyAny>,
) -> Result<Object, Failure> {
    // SAFETY: as the caller promises.
    unsafe {
        let array = new_array(py, descr, shape, Some(strides), first.cast_mut().cast(), 0)?;
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.cast(), owner.clone().into_ptr()) != 0 {
            ffi::Py_DECREF(array);
            return Err(PyErr::fetch(py).into());
        }
        Ok(array)
    }
}
