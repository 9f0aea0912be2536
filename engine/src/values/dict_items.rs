//! The items of objects below dict, read where they lie: no key is asked for its hash, and no pair is made of them.

use super::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rustc_hash::FxHashMap;
use std::ffi::c_int;
use std::sync::OnceLock;

/// An iterator over the items of a dict (dictobject.c): the dict, and how far it has come.
const DICT: usize = 16;
const POSITION: usize = 32;
/// One over an OrderedDict (odictobject.c): what it gives, of which dict, and the key that is next.
const KIND: usize = 16;
const ORDERED: usize = 24;
const NEXT_KEY: usize = 48;
/// What it gives: keys (2) and values (4), not reversed (1).
const ITEMS: c_int = 6;
/// The first node of an OrderedDict behind the dict that it begins with; of a node, the key and the next one.
const FIRST: usize = 0;
const KEY: usize = 0;
const NEXT: usize = 16;

/// The type of iterators over an OrderedDict, if their words are those, and whether those over dicts have theirs.
static KNOWN: OnceLock<(usize, bool)> = OnceLock::new();

/// # Safety
/// The word lies inside of a live object or node.
unsafe fn word<T: Copy>(of: Object, offset: usize) -> T {
    // SAFETY: as the caller promises.
    unsafe { *of.byte_add(offset).cast() }
}

/// The keys of an OrderedDict, in its order.
///
/// # Safety
/// It is live, and the layout is the known one; the GIL is held.
unsafe fn keys_of_ordered(object: Object) -> Vec<Object> {
    // SAFETY: (whole body) E29: a node that is linked is live, and so is its key.
    unsafe {
        let first = ffi::PyDict_Type.tp_basicsize as usize + FIRST;
        let (mut node, mut keys) = (word::<Object>(object, first), Vec::new());
        let most = ffi::PyDict_Size(object) as usize;
        while !node.is_null() && keys.len() < most {
            keys.push(word(node, KEY));
            node = word(node, NEXT);
        }
        keys
    }
}

fn iterator<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(mapping.call_method0("items")?.try_iter()?.into_any())
}

fn learn(py: Python<'_>) -> PyResult<(usize, bool)> {
    let (dict, ordered) = (PyDict::new(py), py.import("collections")?.getattr("OrderedDict")?.call0()?);
    for key in ["a", "b", "c"] {
        dict.set_item(key, 1)?;
        ordered.set_item(key, 1)?;
    }
    let of_dict = iterator(&dict)?;
    // SAFETY: (whole body) E29: this is its test. Types are compared, or sizes, before words are read.
    unsafe {
        let mut fits = ffi::Py_TYPE(of_dict.as_ptr()) == &raw mut ffi::PyDictIterItem_Type
            && word::<Object>(of_dict.as_ptr(), DICT) == dict.as_ptr()
            && word::<isize>(of_dict.as_ptr(), POSITION) == 0;
        of_dict.call_method0("__next__")?;
        fits = fits && word::<isize>(of_dict.as_ptr(), POSITION) != 0;
        ordered.call_method1("move_to_end", ("a",))?;
        ordered.del_item("b")?;
        let of_ordered = iterator(&ordered)?;
        let kind = of_ordered.get_type_ptr();
        let room = ffi::PyDict_Type.tp_basicsize as usize + FIRST + size_of::<Object>();
        if (*kind).tp_basicsize < (NEXT_KEY + size_of::<Object>()) as isize
            || (*ordered.get_type_ptr()).tp_basicsize < room as isize
            || word::<c_int>(of_ordered.as_ptr(), KIND) != ITEMS
            || word::<Object>(of_ordered.as_ptr(), ORDERED) != ordered.as_ptr()
        {
            return Ok((0, fits));
        }
        let keys = keys_of_ordered(ordered.as_ptr());
        let said: Vec<Object> =
            ordered.try_iter()?.map(|key| key.map(|key| key.as_ptr())).collect::<PyResult<_>>()?;
        let starts = word::<Object>(of_ordered.as_ptr(), NEXT_KEY);
        Ok(if keys == said && keys.first() == Some(&starts) { (kind as usize, fits) } else { (0, fits) })
    }
}

/// The keys and values of an object below dict in turn, if `iterator` would give them all, as dict or OrderedDict has them.
/// `None` if it is another iterator.
///
/// # Safety
/// Both are live; the GIL is held.
pub(super) unsafe fn in_turn<'py>(
    object: &Bound<'py, PyAny>,
    iterator: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyList>>> {
    let py = object.py();
    // SAFETY: (whole body) as the caller promises; E29: types are compared before words are read. No code runs while keys and
    // values are found; they are held before the list is made, which on 3.11 may collect garbage.
    unsafe {
        let (o, it) = (object.as_ptr(), iterator.as_ptr());
        if ffi::PyDict_Check(o) == 0 {
            return Ok(None);
        }
        let known = match KNOWN.get() {
            Some(known) => *known,
            None => {
                let found = learn(py)?;
                *KNOWN.get_or_init(|| found)
            }
        };
        let is_of_dict = known.1 && ffi::Py_TYPE(it) == &raw mut ffi::PyDictIterItem_Type;
        let is_ordered = known.0 != 0 && ffi::Py_TYPE(it) as usize == known.0;
        let mut items = Vec::with_capacity(ffi::PyDict_Size(o) as usize);
        if is_of_dict && word::<Object>(it, DICT) == o && word::<isize>(it, POSITION) == 0 {
            each_item(o, |key, value| items.push((key, value)));
        } else if is_ordered && word::<c_int>(it, KIND) == ITEMS && word::<Object>(it, ORDERED) == o {
            let keys = keys_of_ordered(o);
            if keys.first().copied().unwrap_or(std::ptr::null_mut()) != word::<Object>(it, NEXT_KEY) {
                return Ok(None);
            }
            each_item(o, |key, value| items.push((key, value)));
            if !keys.iter().eq(items.iter().map(|(key, _)| key)) {
                let values: FxHashMap<usize, Object> =
                    items.iter().map(|(key, value)| (*key as usize, *value)).collect();
                let found = keys.into_iter().map(|key| Some((key, *values.get(&(key as usize))?)));
                let Some(found) = found.collect() else { return Ok(None) };
                items = found;
            }
        } else {
            return Ok(None);
        }
        let held = items.into_iter().flat_map(|(key, value)| [key, value]);
        let held: Vec<_> = held.map(|item| Bound::from_borrowed_ptr(py, item)).collect();
        Ok(Some(PyList::new(py, held)?))
    }
}

/// # Safety
/// A live dict; the GIL is held, and `f` runs no code.
unsafe fn each_item(dict: Object, mut f: impl FnMut(Object, Object)) {
    let (mut position, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: as the caller promises.
    while unsafe { ffi::PyDict_Next(dict, &mut position, &mut key, &mut value) } != 0 {
        f(key, value);
    }
}
