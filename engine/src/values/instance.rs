//! Instances of classes that leave it to object how they are taken apart: by `__dict__` and slots.
//!
//! As `object.__reduce_ex__` does it, which would leave a `__slotnames__` in the class: a program that goes through the
//! namespace of one of its classes while it is captured would see that change.

use super::protocol::on_type;
use super::Object;
use crate::runtime::Runtime;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use rustc_hash::FxBuildHasher;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// What is known of a class until it changes.
pub(crate) struct Layout {
    slots: Vec<Slot>,
    /// Its instances have no parts but `__dict__`, slots and weak references.
    is_whole: bool,
    /// In which walk, with how many reducers, it was found that nothing else has a say in how they are taken apart
    /// (`direct.rs`), and whether that was so.
    pub(super) direct: Cell<(u64, usize, bool)>,
}

impl Layout {
    /// Whether all that an instance has is its `__dict__`, or slots that can be read where they lie.
    pub(super) fn is_readable(&self, has_dict: bool) -> bool {
        let lie_open = self.slots.iter().all(|slot| slot.offset.is_some());
        self.is_whole && lie_open && (self.slots.is_empty() || !has_dict)
    }

    /// The names of the slots, and what an instance has there, as long as that is a part of it.
    ///
    /// # Safety
    /// The instance is of the class whose layout this is, which is readable; the GIL is held.
    pub(super) unsafe fn slots_of(&self, object: Object) -> impl Iterator<Item = (Object, Object)> + '_ {
        let set = move |slot: &Slot| {
            // SAFETY: E26: as the caller promises.
            let value: Object = unsafe { *object.byte_add(slot.offset?).cast() };
            (!value.is_null()).then(|| (slot.name.as_ptr(), value))
        };
        self.slots.iter().filter_map(set)
    }
}

struct Slot {
    /// "number in the mro.name", if something else hides it.
    name: Py<PyString>,
    /// Where instances have it, unless there is no slot of that name any more: a word that is NULL while it is unset.
    offset: Option<usize>,
    hidden: bool,
}

impl Slot {
    fn of(runtime: &Runtime, object: &Bound<'_, PyAny>, name: Py<PyString>) -> PyResult<Slot> {
        let py = object.py();
        let hidden = name.bind(py).to_string_lossy().contains('.');
        let found = match hidden {
            true => {
                let engine = runtime.engine.bind(py);
                Some(engine.getattr("hidden_slot")?.call1((object.get_type(), &name))?)
            }
            false => on_type(&object.get_type(), name.bind(py)),
        };
        // SAFETY: E26: a live member descriptor (descrobject.h): behind its head, type, name and qualified name it has its
        // definition (structmember.h), which has its offset behind name and kind.
        let offset = found.and_then(|member| unsafe {
            if ffi::Py_TYPE(member.as_ptr()) != &raw mut ffi::PyMemberDescr_Type {
                return None;
            }
            let definition = *member.as_ptr().byte_add(DEFINITION).cast::<*mut ffi::PyObject>();
            let offset = *definition.byte_add(OFFSET).cast::<isize>();
            let class = object.get_type_ptr();
            let is_object = *definition.byte_add(KIND).cast::<std::ffi::c_int>() == OBJECT_EX;
            let owner = *member.as_ptr().byte_add(OWNER).cast::<*mut ffi::PyTypeObject>();
            let is_own = ffi::PyType_IsSubtype(class, owner) != 0;
            let fits =
                is_own && is_object && offset >= 16 && offset % 8 == 0 && offset + 8 <= (*class).tp_basicsize;
            // It is asked once whether that is what the descriptor does.
            let get = (*ffi::Py_TYPE(member.as_ptr())).tp_descr_get?;
            let said = Bound::from_owned_ptr_or_err(py, get(member.as_ptr(), object.as_ptr(), class.cast()));
            let own = if fits { word(object, offset as usize) } else { return None };
            let same = said.map_or(own.is_null(), |said| said.as_ptr() == own);
            same.then_some(offset as usize)
        });
        if hidden && offset.is_none() {
            let what = format!("what its slot {} holds cannot be read", name.bind(py).to_string_lossy());
            return Err(PyTypeError::new_err(what));
        }
        Ok(Slot { name, offset, hidden })
    }

    /// What an instance has there; `None` if it is unset.
    fn value<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.offset {
            // SAFETY: E26: the instance is of the class whose layout this is; what it has is live.
            Some(offset) => Ok(unsafe { Bound::from_borrowed_ptr_or_opt(object.py(), word(object, offset)) }),
            None => match object.getattr(self.name.bind(object.py())) {
                Ok(value) => Ok(Some(value)),
                Err(e) if e.is_instance_of::<PyAttributeError>(object.py()) => Ok(None),
                Err(e) => Err(e),
            },
        }
    }
}

/// Where a member descriptor has its class and its definition, and that its kind and offset.
const OWNER: usize = 16;
const DEFINITION: usize = 40;
const KIND: usize = 8;
const OFFSET: usize = 16;
/// Py_T_OBJECT_EX, the kind of all slots.
const OBJECT_EX: std::ffi::c_int = 16;

/// # Safety
/// The offset is one of a word of the live object.
unsafe fn word(object: &Bound<'_, PyAny>, offset: usize) -> Object {
    // SAFETY: as the caller promises.
    unsafe { *object.as_ptr().byte_add(offset).cast() }
}

/// Layouts by the address of the class and the tag of its version, which no other class and no other version ever has.
pub(crate) type Layouts = RefCell<HashMap<(usize, u32), Rc<Layout>, FxBuildHasher>>;

/// How many layouts are kept.
const KEPT: usize = 1024;

pub(super) fn layout(runtime: &Runtime, object: &Bound<'_, PyAny>) -> PyResult<Rc<Layout>> {
    let py = object.py();
    let class = object.get_type_ptr();
    // SAFETY: E5: fields of a live class.
    let key = unsafe { (class as usize, (*class).tp_version_tag) };
    if key.1 != 0 {
        if let Some(known) = runtime.layouts.borrow().get(&key) {
            return Ok(known.clone());
        }
    }
    let names: Vec<Py<PyString>> =
        runtime.engine.bind(py).getattr("slot_names")?.call1((object.get_type(),))?.extract()?;
    let slots =
        names.into_iter().map(|name| Slot::of(runtime, object, name)).collect::<PyResult<Vec<_>>>()?;
    // SAFETY: E5: as above.
    let is_whole = unsafe {
        let word = size_of::<Object>() as isize;
        let size = ffi::PyBaseObject_Type.tp_basicsize
            + if (*class).tp_dictoffset > 0 { word } else { 0 }
            + if (*class).tp_weaklistoffset > 0 { word } else { 0 }
            + slots.len() as isize * word;
        (*class).tp_itemsize == 0 && (*class).tp_basicsize <= size && (*class).tp_new.is_some()
    };
    let made = Rc::new(Layout { slots, is_whole, direct: Cell::default() });
    // SAFETY: E5: as above; what was just asked may have given the class its tag.
    let tag = unsafe { (*class).tp_version_tag };
    if tag != 0 {
        let mut layouts = runtime.layouts.borrow_mut();
        if layouts.len() >= KEPT {
            layouts.clear();
        }
        layouts.insert((class as usize, tag), made.clone());
    }
    Ok(made)
}

/// Whether an object has no parts but `__dict__`, slots and weak references.
pub(super) fn is_whole(runtime: &Runtime, object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(layout(runtime, object)?.is_whole)
}

/// What an object has in those of its slots that nothing hides.
pub(super) fn slots<'py>(runtime: &Runtime, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(object.py());
    for slot in layout(runtime, object)?.slots.iter().filter(|slot| slot.offset.is_some() && !slot.hidden) {
        if let Some(value) = slot.value(object)? {
            values.set_item(&slot.name, value)?;
        }
    }
    Ok(values)
}

/// What `object.__reduce_ex__(5)` gives for an instance of a class without `__getnewargs__` or `__getstate__` of its own,
/// whose attributes and items can be looked at. None if that would refuse it.
pub(super) fn reduce<'py>(
    runtime: &Runtime,
    object: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let class = object.get_type();
    let layout = layout(runtime, object)?;
    // SAFETY: E5: tests of a live class.
    let (listed, mapped) = unsafe {
        let kind = class.as_type_ptr();
        (
            ffi::PyType_FastSubclass(kind, ffi::Py_TPFLAGS_LIST_SUBCLASS) != 0,
            ffi::PyType_FastSubclass(kind, ffi::Py_TPFLAGS_DICT_SUBCLASS) != 0,
        )
    };
    if !(layout.is_whole || listed || mapped) {
        return Ok(None);
    }
    let items = if listed { Some(object.try_iter()?.into_any()) } else { None };
    let pairs = if mapped {
        let pairs = py.get_type::<PyDict>().getattr(crate::text::intern!(py, "items"))?.call1((object,))?;
        Some(pairs.try_iter()?.into_any())
    } else {
        None
    };
    let state = state(object, &layout)?;
    let none = || py.None().into_bound(py);
    let parts = [
        runtime.newobj.bind(py).clone(),
        PyTuple::new(py, [class])?.into_any(),
        state.unwrap_or_else(none),
        items.unwrap_or_else(none),
        pairs.unwrap_or_else(none),
    ];
    Ok(Some(PyTuple::new(py, parts)?.into_any()))
}

/// An object of a class that `collections.namedtuple` made, or of one below it: by tuple's own `__new__`, for the class's
/// may not be complete yet. `None` if its slots cannot be read without code of the class.
pub(super) fn reduce_named_tuple<'py>(
    runtime: &Runtime,
    object: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let layout = layout(runtime, object)?;
    // SAFETY: E5: live, and a tuple; the slice of one that is no exact tuple is a new exact one.
    let items = unsafe {
        let getter = (*object.get_type_ptr()).tp_getattro.map(|f| f as usize);
        if !layout.slots.is_empty() && getter != Some(ffi::PyObject_GenericGetAttr as *const () as usize) {
            return Ok(None);
        }
        let all = ffi::PyTuple_GetSlice(object.as_ptr(), 0, ffi::Py_SIZE(object.as_ptr()));
        Bound::from_owned_ptr_or_err(py, all)?
    };
    let arguments = PyTuple::new(py, [object.get_type().into_any(), items])?.into_any();
    let state = state(object, &layout)?.unwrap_or_else(|| py.None().into_bound(py));
    Ok(Some(PyTuple::new(py, [runtime.newobj.bind(py).clone(), arguments, state])?.into_any()))
}

fn state<'py>(object: &Bound<'py, PyAny>, layout: &Layout) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let mut state = None;
    // SAFETY: E5: a live object; one whose class has a place for a dict gives it.
    if unsafe { (*object.get_type_ptr()).tp_dictoffset } != 0 {
        // SAFETY: E5: as above.
        let dict = unsafe {
            Bound::from_owned_ptr_or_err(
                py,
                ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()),
            )?
        };
        // An empty one matters if somebody else has it: more than the object and we.
        // SAFETY: E5: live.
        let held = unsafe { ffi::Py_REFCNT(dict.as_ptr()) } > 2;
        if held || !dict.cast::<PyDict>().is_ok_and(|dict| dict.is_empty()) {
            state = Some(dict);
        }
    }
    if layout.slots.is_empty() {
        return Ok(state);
    }
    let values = PyDict::new(py);
    for slot in &layout.slots {
        if let Some(value) = slot.value(object)? {
            values.set_item(&slot.name, value)?;
        }
    }
    if values.is_empty() {
        return Ok(state);
    }
    let dict = state.unwrap_or_else(|| py.None().into_bound(py));
    Ok(Some(PyTuple::new(py, [dict, values.into_any()])?.into_any()))
}
