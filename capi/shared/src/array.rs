//! Arrays of a snapshot, in place.

use crate::arguments::null;
use crate::error::{guard, Error, Fault};
use crate::snapshot::SnapshotHandle;
use crate::value::{behind, Value};
use std::ffi::{c_char, c_void};
use torpor_store::ArrayInfo;

/// An array in place. Everything lives until the snapshot is closed; nothing may be written.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ArrayView {
    /// The first element.
    pub data: *const c_void,
    /// Type of the elements, as PEP 3118 (Python's struct module) writes it: "<d" is a double.
    pub format: *const c_char,
    /// Elements along each of ndim axes.
    pub shape: *const i64,
    /// Bytes from one element to the next along each axis; may be negative or 0.
    pub strides: *const i64,
    /// How many axes.
    pub ndim: u64,
    /// Bytes of an element.
    pub itemsize: u64,
    /// How many elements: the product of shape.
    pub size: u64,
    /// 1 if the program could not write to the array either.
    pub read_only: i32,
    /// 1 if the elements lie one after the other, the last axis running fastest.
    pub contiguous: i32,
}

impl Default for ArrayView {
    fn default() -> ArrayView {
        ArrayView {
            data: std::ptr::null(),
            format: c"".as_ptr(),
            shape: std::ptr::null(),
            strides: std::ptr::null(),
            ndim: 0,
            itemsize: 0,
            size: 0,
            read_only: 0,
            contiguous: 0,
        }
    }
}

impl ArrayView {
    /// What C sees of an array. Of what is handed out, C5 holds: the pointers lie in the snapshot's memory.
    pub(crate) fn of(handle: &SnapshotHandle, a: &ArrayInfo<'_>) -> ArrayView {
        ArrayView {
            data: a.as_ptr().cast(),
            format: handle.keep(a.format),
            shape: a.shape.as_ptr(),
            strides: a.strides.as_ptr(),
            ndim: a.shape.len() as u64,
            itemsize: u64::from(a.itemsize),
            size: a.shape.iter().fold(1u64, |n, d| n.saturating_mul(u64::try_from(*d).unwrap_or(0))),
            read_only: i32::from(a.read_only),
            contiguous: i32::from(contiguous(a.shape, a.strides, a.itemsize)),
        }
    }
}

/// Whether elements follow one another; axes of one element, and arrays without any, do not matter.
fn contiguous(shape: &[i64], strides: &[i64], itemsize: u32) -> bool {
    let mut step = i128::from(itemsize);
    let mut dense = true;
    for (n, stride) in shape.iter().zip(strides).rev() {
        dense &= *n == 1 || i128::from(*stride) == step;
        step = step.saturating_mul(i128::from(*n));
    }
    dense || shape.contains(&0)
}

/// An array's memory and shape: nothing is copied.
///
/// value: of the kind TORPOR_KIND_ARRAY. out: borrowed until the snapshot is closed.
/// Returns: TORPOR_E_INVALID_ARGUMENT if the value is no array.
///
/// # Safety
/// C1, C2.
#[no_mangle]
pub unsafe extern "C" fn torpor_value_array(
    value: *const Value,
    out: *mut ArrayView,
    error: *mut Error,
) -> i32 {
    // SAFETY: C1, C2.
    unsafe {
        guard(error, || {
            if out.is_null() {
                return Err(null("out"));
            }
            out.write(ArrayView::default());
            let (handle, node) = behind(value)?;
            let a = node.array().ok_or_else(|| {
                let name = node.type_name().unwrap_or_else(|| format!("{:?}", node.kind()).to_lowercase());
                Fault::argument(format!("the value is no array but of the type {name}"))
            })?;
            out.write(ArrayView::of(handle, &a));
            Ok(())
        })
    }
}
