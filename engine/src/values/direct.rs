//! What is found out of a class once in a walk, for all its objects.
//!
//! Instances of classes that leave it to object how they are taken apart (`instance.rs`) are written as they lie, when the
//! class was written before: what `object.rs` would write, without the tuples and dicts of `__reduce_ex__`. Of classes whose
//! objects say it themselves, the method is known.

use super::encode::Encoder;
use super::instance::{self, Layout};
use super::protocol::{is_made_by_statement, on_type, version_of, Protocol};
use super::{Object, Strong};
use crate::error::Failure;
use crate::gained::CLASSES_KEPT;
use crate::metaclass::find;
use crate::runtime::Runtime;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use torpor_store::region::Flags;
use torpor_store::value::{flag, tag, OBJECT_CHILDREN};
use torpor_store::Value;

/// The place of what `__reduce_ex__` calls arguments and state, among an object's children.
const ARGUMENTS: u32 = 1;
const STATE: u32 = 2;

/// That objects of a class are taken apart by a `__reduce_ex__` or `__reduce__` of its own, in one walk.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    walk: u64,
    /// How many classes had reducers that were registered.
    reducers: usize,
    /// It is `__reduce_ex__`, which is called with the number of pickle's protocol.
    takes_number: bool,
}

impl<'py> Encoder<'py> {
    /// Writes an instance, if it is one of these. False if it is not, and nothing is written.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn direct(&mut self, object: &Strong, slot: u32) -> Result<bool, Failure> {
        let o = object.0;
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let Some(class) = self.known(ffi::Py_TYPE(o).cast()) else { return Ok(false) };
            let any = Bound::from_borrowed_ptr(self.py, o);
            if !is_made_by_statement(any.get_type_ptr()) {
                return Ok(false);
            }
            let layout = match instance::layout(self.runtime, &any) {
                Ok(layout) => layout,
                Err(e) if e.is_instance_of::<PyTypeError>(self.py) => return Ok(false), // a slot that cannot be read
                Err(e) => return Err(e.into()),
            };
            if !self.is_direct(&any, &layout)? || self.is_mark(o) {
                return Ok(false);
            }
            if self.owned(object, slot)? {
                return Ok(true);
            }
            self.out.flags |= Flags::RUNS_CODE;
            let base = self.reserve(OBJECT_CHILDREN as usize)?;
            let flags = flag::NEW | flag::PLAIN | flag::OWN_STATE;
            self.set(slot, Value::new(tag::OBJECT, flags, OBJECT_CHILDREN, u64::from(base)));
            for child in base..base + OBJECT_CHILDREN {
                self.set(child, Value::NONE);
            }
            let arguments = self.reserve(1)?;
            self.set(base + ARGUMENTS, Value::new(tag::TUPLE, 0, 1, u64::from(arguments)));
            let number = self.share(class);
            self.set(arguments, Value::atom(tag::REF, u64::from(number)));
            self.note(Strong::borrowed(o), slot);
            self.open(tag::OBJECT, base, OBJECT_CHILDREN, slot, None);
            let own = self.work.open.len() - 1;
            self.work.open[own].next = base + STATE + 1; // its state is being written
            if self.state(o, &layout, base + STATE)? {
                self.work.open[own].next = base + STATE;
            }
        }
        Ok(true)
    }

    /// Whether nothing but its `__dict__` and slots has a say in how an instance is taken apart: asked once in a walk for
    /// each class.
    fn is_direct(&self, object: &Bound<'_, PyAny>, layout: &Layout) -> PyResult<bool> {
        let (reducers, table) =
            (self.runtime.reducers.bind(self.py), self.runtime.dispatch_table.bind(self.py));
        let count = self.runtime.reducer_count(self.py);
        let (walk, reducers_then, known) = layout.direct.get();
        if (walk, reducers_then) == (self.work.number, count) {
            return Ok(known);
        }
        let class = object.get_type();
        let kind = class.as_type_ptr();
        // SAFETY: E5: tests of a live class.
        let is_builtin_below = unsafe {
            let kinds = ffi::Py_TPFLAGS_LIST_SUBCLASS
                | ffi::Py_TPFLAGS_DICT_SUBCLASS
                | ffi::Py_TPFLAGS_BASE_EXC_SUBCLASS
                | ffi::Py_TPFLAGS_TYPE_SUBCLASS;
            ffi::PyType_HasFeature(kind, kinds) != 0
        };
        let is_known = class.is(self.runtime.module_lock.bind(self.py))
            || class.is(self.runtime.import_lock_context.bind(self.py))
            || self.runtime.is_thread(kind);
        // SAFETY: E5: as above.
        let has_dict = unsafe { (*kind).tp_dictoffset != 0 };
        let direct = !is_builtin_below
            && !is_known
            && layout.is_readable(has_dict)
            && find(reducers, &class)?.is_none()
            && find(table, &class)?.is_none()
            && find(self.runtime.class_members.bind(self.py), &class)?.is_none()
            && matches!(
                Protocol::of(&class)?,
                Protocol::Default { arguments: false, own_state: true, hooked: false }
            );
        layout.direct.set((self.work.number, count, direct));
        Ok(direct)
    }

    /// Writes what an instance has, as `object.__getstate__` gives it: its `__dict__`, or its slots. True if it is left pending.
    ///
    /// # Safety
    /// `object` is live and of the class whose layout this is; the GIL is held.
    unsafe fn state(&mut self, object: Object, layout: &Layout, at: u32) -> Result<bool, Failure> {
        // SAFETY: (whole body) as the caller promises; what an instance has is live, and no code runs while it is put.
        unsafe {
            if (*ffi::Py_TYPE(object)).tp_dictoffset != 0 {
                let dict = ffi::PyObject_GenericGetDict(object, std::ptr::null_mut());
                let dict = Bound::from_owned_ptr_or_err(self.py, dict)?;
                // The instance and we have it: nobody else can.
                if ffi::Py_REFCNT(dict.as_ptr()) > 2 || !dict.is_exact_instance_of::<PyDict>() {
                    return self.put(dict.as_ptr(), at);
                }
                if ffi::PyDict_Size(dict.as_ptr()) == 0 {
                    return Ok(false);
                }
                self.dict_items(Strong(dict.into_ptr()), at)?;
                return Ok(false);
            }
            let count = layout.slots_of(object).count();
            if count == 0 {
                return Ok(false);
            }
            let pair = self.reserve(2)?;
            let items = self.reserve(2 * count)?;
            self.set(at, Value::new(tag::TUPLE, 0, 2, u64::from(pair)));
            self.set(pair, Value::NONE);
            self.set(pair + 1, Value::new(tag::DICT, 0, count as u32, u64::from(items)));
            let mut pending = false;
            for (i, (name, value)) in layout.slots_of(object).enumerate() {
                let at = items + 2 * i as u32;
                pending |= self.put(name, at)?;
                pending |= self.put(value, at + 1)?;
            }
            if pending {
                self.open(tag::DICT, items, 2 * count as u32, pair + 1, None);
            }
        }
        Ok(false)
    }

    /// What was noted of a class in this walk: its objects say themselves how they are taken apart, and nothing else has
    /// a say.
    pub(super) fn known_way(&self, object: Object) -> Option<Protocol<'py>> {
        // SAFETY: E5: live.
        let class = unsafe { Bound::from_borrowed_ptr(self.py, object) }.get_type();
        // SAFETY: E5: a field of a live class.
        let version = (class.as_ptr() as usize, unsafe { (*class.as_type_ptr()).tp_version_tag });
        let way = *self.runtime.ways.borrow().get(&version)?;
        if (way.walk, way.reducers) != (self.work.number, self.runtime.reducer_count(self.py)) {
            return None;
        }
        if way.takes_number {
            let method = on_type(&class, crate::text::intern!(self.py, "__reduce_ex__"))?;
            return Some(Protocol::Own(method, self.runtime.reduce_arguments.bind(self.py).clone()));
        }
        let method = on_type(&class, crate::text::intern!(self.py, "__reduce__"))?;
        Some(Protocol::Own(method, PyTuple::empty(self.py)))
    }

    /// Notes it, once an object of the class was met of which nothing else is known.
    pub(super) fn note_way(&self, class: &Bound<'py, PyType>, protocol: &Protocol<'py>) -> PyResult<()> {
        let Protocol::Own(_, arguments) = protocol else { return Ok(()) };
        let may_differ = self.runtime.is_array(class.as_type_ptr())
            || find(self.runtime.class_members.bind(self.py), class)?.is_some();
        if may_differ {
            return Ok(());
        }
        let version = version_of(class);
        if version.1 != 0 {
            let way = Way {
                walk: self.work.number,
                reducers: self.runtime.reducer_count(self.py),
                takes_number: !arguments.is_empty(),
            };
            let mut ways = self.runtime.ways.borrow_mut();
            if ways.len() >= CLASSES_KEPT {
                ways.clear();
            }
            ways.insert(version, way);
        }
        Ok(())
    }
}

impl Runtime {
    /// How many classes have reducers that were registered.
    pub(super) fn reducer_count(&self, py: Python<'_>) -> usize {
        self.reducers.bind(py).len() + self.dispatch_table.bind(py).len()
    }
}
