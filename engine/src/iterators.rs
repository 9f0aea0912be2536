//! The parts of the iterators of itertools, which say nothing of themselves from 3.14 on, and of those over containers
//! that can change, which say what is left and not of what: what `python/iterators.py` and `attached.py` need of the
//! interpreter. The layouts are there, and were compared at start.

use crate::error::Failure;
use crate::runtime;
use crate::values::{Object, Strong};
use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};

/// A part is a word behind the head of the object.
const HEAD: usize = size_of::<ffi::PyObject>();

fn misfit() -> Failure {
    PyTypeError::new_err("this is no such part of an iterator").into()
}

/// The address of a part, and its kind; see LAYOUTS in `python/iterators.py`.
fn place(object: &Bound<'_, PyAny>, i: usize) -> Result<(*mut usize, u8), Failure> {
    let py = object.py();
    let layouts = runtime::get(py)?.engine.bind(py).getattr("LAYOUTS")?;
    let layouts = layouts.cast_into::<PyDict>().map_err(PyErr::from)?;
    // A class of the program's below one has its words where that has them.
    let mut class = object.get_type_ptr();
    let layout = loop {
        // SAFETY: E5: the chain of bases is live down to NULL.
        unsafe {
            let known =
                layouts.get_item(Bound::from_borrowed_ptr_or_opt(py, class.cast()).ok_or_else(misfit)?)?;
            match known {
                Some(layout) => break layout,
                None => class = (*class).tp_base,
            }
        }
    };
    let layout: String = layout.extract()?;
    let kind = *layout.as_bytes().get(i).ok_or_else(misfit)?;
    // SAFETY: E14: the layout of this type or of one of its bases, no longer than the object.
    Ok((unsafe { object.as_ptr().byte_add(HEAD).cast::<usize>().add(i) }, kind))
}

/// A word as it is.
fn word(object: &Bound<'_, PyAny>, i: usize) -> Result<usize, Failure> {
    // SAFETY: only whole words inside of a live object are read.
    unsafe {
        let size = (*ffi::Py_TYPE(object.as_ptr())).tp_basicsize as usize;
        if HEAD + (i + 1) * size_of::<usize>() > size {
            return Err(misfit());
        }
        Ok(object.as_ptr().byte_add(HEAD).cast::<usize>().add(i).read())
    }
}

/// A part: of an object a tuple of it, or of none; of items that may be missing a tuple of such tuples.
fn part(object: &Bound<'_, PyAny>, i: usize) -> Result<Py<PyAny>, Failure> {
    let py = object.py();
    let (place, kind) = place(object, i)?;
    let wrap = |o: Object| match o.is_null() {
        true => Ok(PyTuple::empty(py)),
        // SAFETY: a part is NULL or live.
        false => PyTuple::new(py, [unsafe { Bound::from_borrowed_ptr(py, o) }]),
    };
    // SAFETY: (whole body) E14: the kind says what the word is.
    unsafe {
        Ok(match kind.to_ascii_lowercase() {
            b'o' | b'i' | b't' | b'l' | b'c' => wrap(*place.cast::<Object>())?.into_any().unbind(),
            b'z' => {
                let items = *place.cast::<Object>();
                let n = ffi::PyTuple_Size(items);
                let items: Vec<_> =
                    (0..n).map(|n| wrap(ffi::PyTuple_GetItem(items, n))).collect::<PyResult<_>>()?;
                PyTuple::new(py, items)?.into_any().unbind()
            }
            b'v' if i >= 3 && i - 3 < (*place.sub(i - 1).cast::<u32>() as usize) => {
                wrap(*place.cast::<Object>())?.into_any().unbind()
            }
            b'n' => (*place.cast::<isize>()).into_pyobject(py).map_err(PyErr::from)?.into_any().unbind(),
            b'd' => (*place.cast::<i32>()).into_pyobject(py).map_err(PyErr::from)?.into_any().unbind(),
            b'b' => {
                i32::from(*place.cast::<u8>()).into_pyobject(py).map_err(PyErr::from)?.into_any().unbind()
            }
            _ => return Err(misfit()),
        })
    }
}

/// The first `n` numbers that a part points to.
fn numbers(object: &Bound<'_, PyAny>, i: usize, n: usize) -> Result<Vec<isize>, Failure> {
    let (place, kind) = place(object, i)?;
    // SAFETY: E14: an array of as many numbers as the caller, who asks the object, says.
    unsafe {
        let first = *place.cast::<*const isize>();
        if kind != b'x' || first.is_null() {
            return Err(misfit());
        }
        Ok(std::slice::from_raw_parts(first, n).to_vec())
    }
}

/// Whether `value` is a container such as an iterator like this one runs over.
fn is_container(iterator: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Result<bool, Failure> {
    let classes = runtime::get(value.py())?.engine.bind(value.py()).getattr("CONTAINERS")?;
    let classes = classes.cast_into::<PyDict>().map_err(PyErr::from)?;
    let Some(classes) = classes.get_item(iterator.get_type())? else { return Ok(false) };
    for class in classes.try_iter()? {
        let class = class?.cast_into::<PyType>().map_err(PyErr::from)?;
        // SAFETY: E5: live types; nothing is asked of the value itself.
        if unsafe { ffi::PyType_IsSubtype(ffi::Py_TYPE(value.as_ptr()), class.as_type_ptr()) } != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `value` is what a part of that kind can be: what the interpreter relies on without looking.
fn fits(kind: u8, value: &Bound<'_, PyAny>) -> bool {
    match kind.to_ascii_lowercase() {
        b'o' | b'c' => true,
        // SAFETY: a live object's type.
        b'i' => unsafe { ffi::PyIter_Check(value.as_ptr()) != 0 },
        b't' => value.is_exact_instance_of::<PyTuple>(),
        b'l' => value.is_exact_instance_of::<pyo3::types::PyList>(),
        _ => false,
    }
}

/// Replaces a part, given as `part` and `numbers` give it.
fn set_part(object: &Bound<'_, PyAny>, i: usize, value: &Bound<'_, PyAny>) -> Result<(), Failure> {
    let (place, kind) = place(object, i)?;
    // SAFETY: (whole body) E14: the kind says what the word is; a value is stored only if it is of that kind.
    unsafe {
        match kind {
            b'n' => *place.cast::<isize>() = value.extract()?,
            b'd' => *place.cast::<i32>() = value.extract()?,
            b'b' => *place.cast::<u8>() = value.extract()?,
            b'x' => {
                let given: Vec<isize> = value.extract()?;
                let bytes = (given.len() * size_of::<isize>()).max(1);
                let new = ffi::PyMem_Malloc(bytes).cast::<isize>();
                if new.is_null() {
                    return Err(pyo3::exceptions::PyMemoryError::new_err(()).into());
                }
                std::ptr::copy_nonoverlapping(given.as_ptr(), new, given.len());
                ffi::PyMem_Free(std::mem::replace(&mut *place.cast(), new.cast()));
            }
            b'z' => {
                let given = value.cast::<PyTuple>().map_err(PyErr::from)?;
                let mut items = Vec::new();
                for item in given.iter() {
                    let item = item.cast_into::<PyTuple>().map_err(PyErr::from)?;
                    if item.len() > 1 || item.iter().any(|o| !fits(b'i', &o)) {
                        return Err(misfit());
                    }
                    items.push(item);
                }
                let new = Strong(ffi::PyTuple_New(items.len() as isize));
                if new.0.is_null() {
                    return Err(PyErr::fetch(object.py()).into());
                }
                for (n, item) in items.iter().enumerate() {
                    if let Ok(item) = item.get_item(0) {
                        ffi::PyTuple_SetItem(new.0, n as isize, item.into_ptr());
                    }
                }
                drop(Strong(std::mem::replace(&mut *place.cast(), new.release())));
            }
            _ => {
                let given = value.cast::<PyTuple>().map_err(PyErr::from)?;
                if kind == b'c' && !given.is_empty() && !is_container(object, &given.get_item(0)?)? {
                    return Err(misfit());
                }
                let new = match given.get_item(0) {
                    Ok(value) if given.len() == 1 && fits(kind, &value) => value.into_ptr(),
                    Err(_) if kind.is_ascii_lowercase() && kind != b'-' => std::ptr::null_mut(),
                    _ => return Err(misfit()),
                };
                drop(Strong(std::mem::replace(&mut *place.cast(), new)));
            }
        }
    }
    Ok(())
}

/// Says which grouper of a groupby is the current one: a groupby does not hold it.
fn set_current(groupby: &Bound<'_, PyAny>, i: usize, grouper: &Bound<'_, PyAny>) -> Result<(), Failure> {
    let (place, kind) = place(groupby, i)?;
    if kind != b'g' {
        return Err(misfit());
    }
    // SAFETY: E14: the word is compared with the address of a grouper and never followed.
    unsafe { *place = grouper.as_ptr() as usize };
    Ok(())
}

/// Adds a value that the source of a tee gave to those that its readers share.
fn tee_reads(data: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Result<(), Failure> {
    let (first, kind) = place(data, 0)?;
    let layout_of = |i| place(data, i).map(|(_, kind)| kind);
    // SAFETY: E14: the iterator, two numbers in a word, the next link, then the values, of which as many are set
    // as the first number says.
    unsafe {
        let counts = first.add(1).cast::<i32>();
        let (read, last) = (usize::try_from(*counts).map_err(|_| misfit())?, layout_of(59)?);
        if kind != b'I' && kind != b'i' || last != b'v' || read > 56 {
            return Err(PySystemError::new_err("a tee has no room for a value").into());
        }
        *first.add(3 + read).cast::<Object>() = value.clone().into_ptr();
        *counts += 1;
        *counts.add(1) = 0;
    }
    Ok(())
}

/// The items of a mapping in its order, as its own iterators go through them: calls `each(index, key)` until that is
/// false.
///
/// # Safety
/// `mapping` is a live dict or frozendict; the GIL is held. `each` runs no code of the program.
unsafe fn walk(mapping: Object, mut each: impl FnMut(isize, Object) -> bool) {
    let (mut next, mut key) = (0, std::ptr::null_mut());
    // SAFETY: as the caller promises; anything else has no items.
    unsafe {
        while ffi::PyDict_Next(mapping, &mut next, &mut key, std::ptr::null_mut()) != 0 {
            if !each(next - 1, key) {
                return;
            }
        }
    }
}

/// How many items of a mapping lie before a position in it.
fn items_before(mapping: &Bound<'_, PyAny>, position: isize) -> isize {
    let mut n = 0;
    // SAFETY: E5; a live object.
    unsafe {
        walk(mapping.as_ptr(), |index, _| {
            n += isize::from(index < position);
            index < position
        });
    }
    n
}

/// Where item number `n` of a mapping is, or where the next one will be; -1 for one before the first.
fn index_of(mapping: &Bound<'_, PyAny>, n: isize) -> isize {
    let (mut left, mut found) = (n, -1);
    if n >= 0 {
        // SAFETY: E5; a live object.
        unsafe {
            walk(mapping.as_ptr(), |index, _| {
                found = index;
                left -= 1;
                left >= 0
            });
        }
        found += isize::from(left >= 0);
    }
    found
}

/// These as Python functions, by name.
pub(crate) fn functions(py: Python<'_>) -> PyResult<Vec<(&'static str, Bound<'_, PyCFunction>)>> {
    use crate::finish::function;
    let at = |args: &Bound<'_, PyTuple>, i: usize| args.get_item(i)?.extract::<usize>();
    Ok(vec![
        function(py, "iterator_word", move |args| word(&args.get_item(0)?, at(args, 1)?))?,
        function(py, "iterator_half", move |args| Ok(word(&args.get_item(0)?, at(args, 1)?)? as u32))?,
        function(py, "iterator_part", move |args| part(&args.get_item(0)?, at(args, 1)?))?,
        function(py, "iterator_numbers", move |args| {
            let found = numbers(&args.get_item(0)?, at(args, 1)?, at(args, 2)?)?;
            Ok(PyTuple::new(args.py(), found)?.into_any().unbind())
        })?,
        function(py, "set_iterator_part", move |args| {
            set_part(&args.get_item(0)?, at(args, 1)?, &args.get_item(2)?)?;
            Ok(args.py().None())
        })?,
        function(py, "set_current_grouper", move |args| {
            set_current(&args.get_item(0)?, at(args, 1)?, &args.get_item(2)?)?;
            Ok(args.py().None())
        })?,
        function(py, "second", |args| Ok(args.get_item(1)?.unbind()))?,
        function(py, "dict_before", move |args| {
            Ok(items_before(&args.get_item(0)?, args.get_item(1)?.extract()?))
        })?,
        function(py, "dict_index", move |args| {
            Ok(index_of(&args.get_item(0)?, args.get_item(1)?.extract()?))
        })?,
        function(py, "tee_reads", |args| {
            tee_reads(&args.get_item(0)?, &args.get_item(1)?)?;
            Ok(args.py().None())
        })?,
    ])
}
