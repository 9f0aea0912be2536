//! Step "capture", for what the host attaches: buffers that belong to the checkpoint and to no frame.
//!
//! They travel as arrays in a namespace of their own, which adopting passes over.

use crate::capture::CaptureOptions;
use crate::error::{CaptureError, Failure};
use crate::values::array::HeldBuffer;
use crate::values::encode::Encoder;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};
use torpor_store::capture::FAR_BUFFER;
use torpor_store::frame::{Array, Run, Space, NONE};
use torpor_store::value::{flag, tag, ARRAY_CHILDREN};
use torpor_store::{Value, MAX_KEY};

/// One named buffer, held until the snapshot is published.
pub(crate) struct Attached {
    name: String,
    buffer: HeldBuffer,
}

fn invalid<T>(what: String) -> Result<T, Failure> {
    Err(CaptureError::Invalid(what).into())
}

/// What `attach=` names, sorted by name. Nothing was written so far.
pub(crate) fn attached(py: Python<'_>, options: &CaptureOptions<'_>) -> Result<Vec<Attached>, Failure> {
    let Some(given) = &options.attach else { return Ok(Vec::new()) };
    if given.cast::<PyMapping>().is_err() {
        let kind = given.get_type().name()?.to_string();
        return invalid(format!("attach is of the type {kind}; give a mapping of names to buffers"));
    }
    let pairs = PyDict::new(py);
    pairs.update(given.cast::<PyMapping>().map_err(PyErr::from)?)?;
    let mut all = Vec::new();
    for (name, object) in pairs.iter() {
        let Ok(name) = name.cast::<PyString>() else {
            return invalid(format!("attach has the name {}, which is no text", name.repr()?));
        };
        let name = name.to_str()?.to_owned();
        if name.is_empty() || name.len() > MAX_KEY || name.contains('\0') {
            return invalid(format!(
                "attach has the name {name:?}; names have 1 to {MAX_KEY} bytes of UTF-8 and no NUL"
            ));
        }
        let kind = object.get_type().name()?.to_string();
        let buffer = match HeldBuffer::with(py, object.as_ptr(), ffi::PyBUF_FULL_RO) {
            Ok(buffer) => buffer,
            Err(e) if e.is_instance_of::<pyo3::exceptions::PyTypeError>(py) => {
                return invalid(format!("attach[{name:?}] is of the type {kind}, which is no buffer"));
            }
            Err(e) => {
                return invalid(format!(
                    "attach[{name:?}], of the type {kind}, gives no buffer: {}",
                    e.value(py)
                ))
            }
        };
        let bytes = buffer.shape().iter().try_fold(buffer.itemsize(), |n, d| n.checked_mul(*d));
        if bytes != isize::try_from(buffer.bytes().1).ok() {
            return invalid(format!(
                "attach[{name:?}], of the type {kind}, has a shape that does not fit its length"
            ));
        }
        if !buffer.is_contiguous() {
            return invalid(format!(
                "attach[{name:?}] does not lie in one piece of memory; attach a contiguous copy of it"
            ));
        }
        if buffer.format().contains(['O', '&', 'P']) {
            return invalid(format!(
                "attach[{name:?}] holds addresses, which mean nothing to another process"
            ));
        }
        all.push(Attached { name, buffer });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Writes the namespace of attachments, after all others.
pub(crate) fn write(encoder: &mut Encoder<'_>, all: &[Attached]) -> Result<(), Failure> {
    if all.is_empty() {
        return Ok(());
    }
    let space = encoder.nameless_space(Space::ATTACHMENTS);
    let first = encoder.reserve(2 * all.len())?;
    encoder.out.runs.push(Run { space, first, count: all.len() as u32, reserved: 0 });
    for (i, Attached { name, buffer }) in (0..).zip(all) {
        let at = encoder.out.push_text(name.as_bytes());
        let ascii = if name.is_ascii() { flag::ASCII } else { 0 };
        let text = Value::new(tag::TEXT, ascii, name.len() as u32, u64::from(at));
        encoder.out.values[(first + 2 * i) as usize] = text;
        let base = encoder.reserve(ARRAY_CHILDREN as usize)?;
        let array = Value::new(tag::ARRAY, 0, ARRAY_CHILDREN, u64::from(base));
        encoder.out.values[(first + 2 * i + 1) as usize] = array;
        let number = Value::atom(tag::INT, encoder.out.arrays.len() as u64);
        encoder.out.values[base as usize..][..3].copy_from_slice(&[Value::NONE, Value::NONE, number]);
        write_array(encoder, buffer);
    }
    encoder.out.note_attached();
    Ok(())
}

fn write_array(encoder: &mut Encoder<'_>, buffer: &HeldBuffer) {
    let out = &mut *encoder.out;
    let (start, nbytes) = buffer.bytes();
    let format = buffer.format();
    let mut array = Array {
        nbytes: nbytes as u64,
        extent: NONE,
        shape: out.dims.len() as u32,
        ndim: buffer.shape().len() as u16,
        itemsize: buffer.itemsize() as u32,
        flags: if buffer.is_read_only() { Array::READ_ONLY } else { 0 },
        ..Array::default()
    };
    array.format_offset = out.push_text(format.as_bytes());
    array.format_length = format.len() as u32;
    out.dims.extend(buffer.shape().iter().map(|n| *n as i64));
    out.dims.extend(buffer.strides().iter().map(|n| *n as i64));
    // SAFETY: invariant B1: held until the snapshot is published, `nbytes` in one piece.
    unsafe {
        if nbytes >= FAR_BUFFER {
            array.extent = out.add_raw_buffer(start, nbytes);
        } else {
            out.align_data(16);
            let bytes = if nbytes == 0 { &[][..] } else { std::slice::from_raw_parts(start, nbytes) };
            array.offset = u64::from(out.push_bytes(bytes));
        }
    }
    out.arrays.push(array);
}
