//! Memory of snapshots as Python's buffers: read-only, without a copy, and alive as long as anybody looks at it.
//!
//! Owns a type of its own that exports a piece of a snapshot's region; a `memoryview` of it is all that the program
//! sees. `bytes` objects cannot do it (they own a copy), and numpy is not needed for it.

use crate::error::Failure;
use crate::values::Object;
use pyo3::exceptions::{PyBufferError, PyKeyError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyType};
use std::ffi::{c_int, c_void, CString};
use torpor_store::Snapshot;

struct Memory {
    start: *const u8,
    length: usize,
    format: CString,
    itemsize: isize,
    shape: Vec<isize>,
    strides: Vec<isize>,
    /// Elements follow each other in C's order, or in Fortran's.
    orders: (bool, bool),
    _snapshot: Snapshot,
}

#[repr(C)]
struct Exporter {
    head: ffi::PyObject,
    memory: *mut Memory,
}

unsafe extern "C" fn get_buffer(exporter: Object, view: *mut ffi::Py_buffer, flags: c_int) -> c_int {
    // SAFETY: invariant E19: called by the interpreter with an Exporter and a view to fill.
    unsafe {
        (*view).obj = std::ptr::null_mut();
        let m = &*(*exporter.cast::<Exporter>()).memory;
        let asks = |flag: c_int| flags & flag == flag;
        let refusal = match m.orders {
            _ if asks(ffi::PyBUF_WRITABLE) => "a snapshot's memory is read-only",
            (false, _) if asks(ffi::PyBUF_C_CONTIGUOUS) => "the buffer is not in C's order",
            (_, false) if asks(ffi::PyBUF_F_CONTIGUOUS) => "the buffer is not in Fortran's order",
            (false, _) if !asks(ffi::PyBUF_STRIDES) => {
                "the buffer is not in C's order, and strides are not asked for"
            }
            _ => "",
        };
        if !refusal.is_empty() {
            PyBufferError::new_err(refusal).restore(Python::assume_attached());
            return -1;
        }
        let if_asked = |flag, of: &[isize]| match asks(flag) {
            true => of.as_ptr().cast_mut(),
            false => std::ptr::null_mut(),
        };
        (*view).buf = m.start.cast_mut().cast();
        (*view).len = m.length as isize;
        (*view).itemsize = m.itemsize;
        (*view).readonly = 1;
        (*view).ndim = m.shape.len() as c_int;
        (*view).format =
            if asks(ffi::PyBUF_FORMAT) { m.format.as_ptr().cast_mut() } else { std::ptr::null_mut() };
        (*view).shape = if_asked(ffi::PyBUF_ND, &m.shape);
        (*view).strides = if_asked(ffi::PyBUF_STRIDES, &m.strides);
        (*view).suboffsets = std::ptr::null_mut();
        (*view).internal = std::ptr::null_mut();
        ffi::Py_INCREF(exporter);
        (*view).obj = exporter;
    }
    0
}

unsafe extern "C" fn drop_exporter(exporter: Object) {
    // SAFETY: invariant E19: called once, when nobody refers to it.
    unsafe {
        let class = ffi::Py_TYPE(exporter);
        let memory = (*exporter.cast::<Exporter>()).memory;
        if !memory.is_null() {
            drop(Box::from_raw(memory));
        }
        ffi::PyObject_Free(exporter.cast());
        ffi::Py_DECREF(class.cast());
    }
}

/// The type of exporters, made once.
fn exporter_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static TYPE: pyo3::sync::PyOnceLock<Py<PyType>> = pyo3::sync::PyOnceLock::new();
    let made = TYPE.get_or_try_init(py, || {
        let slot = |slot: c_int, function: *mut c_void| ffi::PyType_Slot { slot, pfunc: function };
        let mut slots = [
            slot(ffi::Py_bf_getbuffer, get_buffer as *mut c_void),
            slot(ffi::Py_tp_dealloc, drop_exporter as *mut c_void),
            slot(0, std::ptr::null_mut()),
        ];
        let mut spec = ffi::PyType_Spec {
            name: c"torpor._native.Memory".as_ptr(),
            basicsize: size_of::<Exporter>() as c_int,
            itemsize: 0,
            flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION) as u32,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the interpreter copies spec and slots; the name is static.
        let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
        Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind())
    })?;
    Ok(made.bind(py))
}

fn view_of(py: Python<'_>, memory: Memory) -> PyResult<Bound<'_, PyAny>> {
    let class = exporter_type(py)?.as_ptr().cast::<ffi::PyTypeObject>();
    // SAFETY: invariant E19: the object's one field is set before anybody else sees it.
    let exporter = unsafe {
        let object = ffi::PyType_GenericAlloc(class, 0);
        let object = Bound::from_owned_ptr_or_err(py, object)?;
        (*object.as_ptr().cast::<Exporter>()).memory = Box::into_raw(Box::new(memory));
        object
    };
    Ok(PyMemoryView::from(&exporter)?.into_any())
}

/// The whole region of a snapshot as a `memoryview` of bytes.
pub fn region_view<'py>(py: Python<'py>, snapshot: &Snapshot) -> Result<Bound<'py, PyAny>, Failure> {
    let bytes = snapshot.bytes();
    let memory = Memory {
        start: bytes.as_ptr(),
        length: bytes.len(),
        format: c"B".to_owned(),
        itemsize: 1,
        shape: vec![bytes.len() as isize],
        strides: vec![1],
        orders: (true, true),
        _snapshot: snapshot.clone(),
    };
    Ok(view_of(py, memory)?)
}

/// Whether elements follow each other, the first of these axes running fastest.
fn is_dense<'a>(mut axes: impl Iterator<Item = &'a (i64, i64)>, itemsize: u32) -> bool {
    let mut step = i64::from(itemsize);
    axes.all(|(n, stride)| {
        let dense = *n == 1 || *stride == step;
        step = step.saturating_mul(*n);
        dense
    })
}

/// A buffer that was attached to the capture, as a `memoryview` with the format and shape that it had.
///
/// # Errors
/// KeyError; a damaged snapshot.
pub fn attachment<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    name: &str,
) -> Result<Bound<'py, PyAny>, Failure> {
    let graph = snapshot.open_graph()?;
    let Some(node) = graph.attachment(name) else {
        let names = graph.attachments();
        let what = match names.is_empty() {
            true => "it has none".to_string(),
            false => format!("it has {}", names.join(", ")),
        };
        return Err(PyKeyError::new_err(format!("The snapshot has no attachment {name:?}; {what}.")).into());
    };
    let info = node.array().ok_or_else(|| Failure::corrupt("an attachment is no array"))?;
    let axes: Vec<(i64, i64)> = info.shape.iter().copied().zip(info.strides.iter().copied()).collect();
    let empty = info.shape.contains(&0);
    let c_order = empty || is_dense(axes.iter().rev(), info.itemsize);
    let f_order = empty || is_dense(axes.iter(), info.itemsize);
    // Dense axes cannot multiply to more than what they span, which lies in the data.
    let length = if empty {
        0
    } else {
        axes.iter().fold(info.itemsize as usize, |n, a| n.saturating_mul(a.0 as usize))
    };
    if (!c_order && !f_order) || length > info.data.len() {
        return Err(Failure::corrupt("an attachment does not lie in one piece"));
    }
    let memory = Memory {
        start: info.as_ptr(),
        length,
        format: CString::new(info.format).map_err(|_| Failure::corrupt("a format has a NUL"))?,
        itemsize: info.itemsize as isize,
        shape: info.shape.iter().map(|n| *n as isize).collect(),
        strides: info.strides.iter().map(|n| *n as isize).collect(),
        orders: (c_order, f_order),
        _snapshot: snapshot.clone(),
    };
    Ok(view_of(py, memory)?)
}

unsafe extern "C" fn buffer_of_snapshot(object: Object, view: *mut ffi::Py_buffer, flags: c_int) -> c_int {
    // SAFETY: invariant E19: called by the interpreter; the memoryview that the method gives is the exporter.
    unsafe {
        (*view).obj = std::ptr::null_mut();
        let memory = ffi::PyObject_CallMethod(object, c"_view".as_ptr(), std::ptr::null());
        if memory.is_null() {
            return -1;
        }
        let done = ffi::PyObject_GetBuffer(memory, view, flags);
        ffi::Py_DECREF(memory);
        done
    }
}

/// Makes instances of `class`, a class of the package's own, buffers: those that their method `_view` returns.
pub fn make_exporter(class: &Bound<'_, PyType>) {
    // SAFETY: invariant E19: a heap type has the struct, and nobody else fills it.
    unsafe {
        let class = class.as_ptr().cast::<ffi::PyTypeObject>();
        let buffer = (*class).tp_as_buffer;
        if !buffer.is_null() {
            (*buffer).bf_getbuffer = Some(buffer_of_snapshot);
            ffi::PyType_Modified(class);
        }
    }
}
