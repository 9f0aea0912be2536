//! What a graph has beside the slots of its frames, and whether it is the same at the next capture: then no walk is needed
//! to write it (`again.rs`).
//!
//! Settled are the namespaces of modules with functions, with what modules have under names, with texts and numbers, and
//! with classes and plain containers of all that: none of them changes, or it can be told from addresses that it has not
//! (`changing.rs`). With anything else (an instance, a class with a metaclass) the stack is walked.

use super::changing::Changing;
use super::encode::Work;
use super::function::attributes_of;
use super::space::Demand;
use super::Object;
use crate::found::Found;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxBuildHasher;
use std::collections::HashSet;
use std::ffi::CStr;
use torpor_store::frame::Space;
use torpor_store::value::tag;
use torpor_store::SnapshotBuilder;

/// The fields of a function, by address.
pub(super) const PARTS: usize = 14;

pub(crate) struct Settled {
    /// What the modules were like.
    changes: u64,
    /// How many reducers there were.
    reducers: usize,
    /// Functions that travel by value, with their origins.
    functions: Vec<(usize, u32, [usize; PARTS])>,
    /// Functions that are found by name, with their code; held.
    named: Vec<(usize, usize)>,
    /// Classes that are found by name, with the tags of their versions; held.
    classes: Vec<(usize, u32)>,
    /// Classes that travel by value.
    by_value: Vec<Py<PyWeakrefReference>>,
    /// How many registrations with abstract classes there were, if there are classes.
    registrations: Option<u64>,
    /// What functions, classes and namespaces lead to.
    changing: Changing,
    /// Function and code of each frame.
    heads: Vec<(usize, usize)>,
    /// Texts, and what else may be told from its equals (bytes, NaN): one that a frame has too would have to be said to be
    /// the same.
    texts: HashSet<usize, FxBuildHasher>,
    /// Keeps what is compared by its address: texts, numbers, code, and what is found by name.
    _held: Vec<Py<PyAny>>,
}

/// # Safety
/// A live function.
pub(super) unsafe fn parts_of(function: Object) -> [usize; PARTS] {
    // SAFETY: as the caller promises.
    let f = unsafe { &*function.cast::<ffi::PyFunctionObject>() };
    #[cfg(Py_3_14)]
    let annotate = f.func_annotate as usize;
    #[cfg(not(Py_3_14))]
    let annotate = 0;
    #[cfg(Py_3_12)]
    let parameters = f.func_typeparams as usize;
    #[cfg(not(Py_3_12))]
    let parameters = 0;
    [
        f.func_code as usize,
        f.func_globals as usize,
        f.func_name as usize,
        f.func_qualname as usize,
        f.func_defaults as usize,
        f.func_doc as usize,
        f.func_module as usize,
        f.func_kwdefaults as usize,
        f.func_closure as usize,
        // SAFETY: as the caller promises.
        unsafe { attributes_of(f) } as usize,
        f.func_annotations as usize,
        annotate,
        parameters,
        f.vectorcall.map_or(0, |call| call as usize),
    ]
}

const ANNOTATIONS: usize = 10;
const ANNOTATE: usize = 11;
/// Of these parts: those that are objects of the function's own, which lead further.
const OBJECTS: [usize; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// Whether a node is one of what is found by its name.
fn is_named(node: u8) -> bool {
    matches!(node, tag::GLOBAL | tag::MODULE | tag::MODULE_DICT)
}

/// Whether it is held: a text or a number, or code.
fn is_kept(o: Object) -> bool {
    let kept = [
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyComplex_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyCode_Type,
    ];
    // SAFETY: E5: live.
    kept.contains(unsafe { &ffi::Py_TYPE(o) })
}

/// How many registrations with abstract classes there were.
fn registrations(py: Python<'_>, runtime: &Runtime) -> Option<u64> {
    runtime.engine.bind(py).getattr("registrations").ok()?.call0().ok()?.extract().ok()
}

impl Settled {
    /// What a graph has that was just written; `None` if some of it may change unnoticed.
    ///
    /// # Safety
    /// E2, E5: the walk is over, and what it has met is held.
    pub(crate) unsafe fn of(
        py: Python<'_>,
        runtime: &Runtime,
        builder: &SnapshotBuilder<'_>,
        work: &Work,
        demands: &[Demand],
        found: &[Found],
    ) -> Option<Settled> {
        let of_no_module = Space::PLAIN | Space::NO_BUILTINS | Space::WITHOUT_BUILTINS;
        let plain = |space: &Space| {
            space.flags == Space::ORDER || space.flags & !of_no_module == 0 && space.builtins == 0
        };
        if !builder.spaces.iter().all(plain) || !runtime.finalizers.bind(py).is_empty() {
            return None;
        }
        let mut index = runtime.module_index.borrow_mut();
        let base = builder.frames.first().map_or(u32::MAX, |f| f.first);
        let mut settled = Settled {
            changes: index.changes,
            reducers: runtime.reducer_count(py),
            functions: Vec::new(),
            named: Vec::new(),
            classes: Vec::new(),
            by_value: Vec::new(),
            registrations: None,
            changing: Changing::default(),
            heads: found.iter().map(|f| (f.function as usize, f.code as usize)).collect(),
            texts: HashSet::default(),
            _held: Vec::new(),
        };
        let mut open = Vec::new();
        let functions = work.memo.keys().map(|address| *address as Object);
        // SAFETY: (whole body) E5: live, and of the type that is tested first.
        unsafe {
            for function in functions.filter(|o| ffi::Py_TYPE(*o) == &raw mut ffi::PyFunction_Type) {
                let is_named = builder.values[work.memo[&(function as usize)] as usize].tag == tag::GLOBAL;
                settled.note_function(py, runtime, function, is_named, &mut open)?;
            }
            for function in &work.by_name {
                settled.note_function(py, runtime, function.0, true, &mut open)?;
            }
            for (address, slot) in &work.memo {
                let node = builder.values[*slot as usize].tag;
                let o = *address as Object;
                let meta =
                    work.memo.get(&(ffi::Py_TYPE(o) as usize)).map(|slot| builder.values[*slot as usize].tag);
                settled.note_class(py, runtime, o, node, meta == Some(tag::GLOBAL), &mut open)?;
            }
            if !settled.by_value.is_empty() {
                settled.registrations = Some(registrations(py, runtime)?);
            }
            // Of others, the values are found through them.
            for demand in demands.iter().filter(|demand| index.has_dict(demand.dict())) {
                demand.each_value(py, |value| open.push(value.as_ptr()));
            }
            while let Some(o) = open.pop() {
                if ffi::Py_TYPE(o) == &raw mut ffi::PyDict_Type {
                    if index.has_dict(o) {
                        continue; // what it has does not change
                    }
                    if work.spaces.iter().any(|space| space.dict() == o) {
                        let found = settled.changing.note(py, runtime, o)?;
                        open.extend(
                            found
                                .into_iter()
                                .filter(|o| work.memo.contains_key(&(*o as usize)) || is_kept(*o)),
                        );
                        continue;
                    }
                }
                let node = work.memo.get(&(o as usize)).map(|slot| builder.values[*slot as usize].tag);
                settled.follow(py, runtime, o, node, &mut open)?;
            }
            let spaces =
                builder.spaces.iter().zip(&work.spaces).filter(|(space, _)| space.flags != Space::ORDER);
            for (_, space) in spaces {
                if !index.has_dict(space.dict()) && !settled.changing.has(space.dict()) {
                    return None;
                }
            }
            for (address, slot) in &work.memo {
                let (o, node) = (*address as Object, builder.values[*slot as usize].tag);
                if !settled.note(py, runtime, work, o, node, *slot >= base) {
                    return None;
                }
            }
        }
        Some(settled)
    }

    unsafe fn note_function(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        function: Object,
        is_named: bool,
        open: &mut Vec<Object>,
    ) -> Option<()> {
        // SAFETY: (whole body) E5: a live function and its fields.
        unsafe {
            let f = &*function.cast::<ffi::PyFunctionObject>();
            let mut hold = |o: Object| self._held.push(Bound::from_borrowed_ptr(py, o).unbind());
            if is_named {
                hold(function);
                hold(f.func_code);
                self.named.push((function as usize, f.func_code as usize));
                return Some(());
            }
            let origin = runtime.known_origin(py, function as usize)?;
            let parts = parts_of(function);
            // Where annotations are there, what would make them does not go.
            let goes = |part: &usize| *part != ANNOTATE || parts[ANNOTATIONS] == 0;
            let objects = OBJECTS.into_iter().filter(goes).map(|part| parts[part] as Object);
            open.extend(objects.filter(|object| !object.is_null()));
            self.functions.push((function as usize, origin, parts));
            Some(())
        }
    }

    /// Notes a class that travels, and what it leads to; `None` if it is not settled.
    unsafe fn note_class(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        o: Object,
        node: u8,
        has_known_class: bool,
        open: &mut Vec<Object>,
    ) -> Option<()> {
        // SAFETY: (whole body) E5: live, and of the type that is tested first.
        unsafe {
            if ffi::PyType_Check(o) == 0 || node == tag::GLOBAL {
                return Some(());
            }
            if !has_known_class && ffi::Py_TYPE(o) != &raw mut ffi::PyType_Type {
                return None;
            }
            let class = Bound::from_borrowed_ptr(py, o);
            self.by_value.push(PyWeakrefReference::new(&class).ok()?.unbind());
            open.extend(self.changing.note(py, runtime, o)?);
            Some(())
        }
    }

    /// Notes what a function, class or namespace leads to, and adds what that leads to; `None` if it may change unnoticed.
    unsafe fn follow(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        o: Object,
        node: Option<u8>,
        open: &mut Vec<Object>,
    ) -> Option<()> {
        let of_c = [&raw mut ffi::PyMemberDescr_Type, &raw mut ffi::PyGetSetDescr_Type];
        // SAFETY: (whole body) E5: live, and of the type that is tested first.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            let is_named = node.is_some_and(is_named);
            let singletons = [ffi::Py_None(), ffi::Py_Ellipsis(), ffi::Py_NotImplemented()];
            if is_kept(o) || runtime.is_unchanging(kind.cast()) {
                self.note_text(o);
                self._held.push(Bound::from_borrowed_ptr(py, o).unbind());
            } else if kind == &raw mut ffi::PyFunction_Type
                || ffi::PyType_Check(o) != 0
                || ffi::PyModule_Check(o) != 0
            {
                // Those that were written are noted on their own; of others, it does not matter what they are.
            } else {
                let is_of_abc = CStr::from_ptr((*kind).tp_name) == c"_abc._abc_data"; // counted by its registrations
                self.note_text(o); // a NaN that is held would be one that others have, too
                let comes_anyway = (of_c.contains(&kind) || is_of_abc) && node.is_none();
                if !(is_named || comes_anyway || singletons.contains(&o)) {
                    open.extend(self.changing.note(py, runtime, o)?);
                }
            }
            Some(())
        }
    }

    fn note_text(&mut self, object: Object) {
        let kinds = [&raw mut ffi::PyUnicode_Type, &raw mut ffi::PyBytes_Type, &raw mut ffi::PyFloat_Type];
        // SAFETY: E5: NULL or live.
        if !object.is_null() && kinds.contains(unsafe { &ffi::Py_TYPE(object) }) {
            self.texts.insert(object as usize);
        }
    }

    /// Whether an object that was written is settled.
    unsafe fn note(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        work: &Work,
        o: Object,
        node: u8,
        is_of_frame: bool,
    ) -> bool {
        // SAFETY: (whole body) E5: live, and of the type that is tested first.
        unsafe {
            let kind = ffi::Py_TYPE(o);
            if is_named(node) && ffi::PyType_Check(o) == 0 {
                self._held.push(Bound::from_borrowed_ptr(py, o).unbind());
            } else if kind == &raw mut ffi::PyUnicode_Type {
                if !is_of_frame {
                    self.note_text(o);
                }
            } else if kind == &raw mut ffi::PyDict_Type {
                return self.is_of_walk(o, is_of_frame) || work.spaces.iter().any(|space| space.dict() == o);
            } else if kind == &raw mut ffi::PyTuple_Type {
                if is_of_frame {
                    let items = (0..ffi::Py_SIZE(o)).map(|i| ffi::PyTuple_GET_ITEM(o, i));
                    items.for_each(|item| self.note_text(item));
                }
                return node == tag::TUPLE;
            } else if kind == &raw mut ffi::PyList_Type {
                return self.is_of_walk(o, is_of_frame);
            } else if ffi::PyType_Check(o) != 0 {
                if node != tag::GLOBAL {
                    return self.changing.has(o);
                }
                let tag = (*o.cast::<ffi::PyTypeObject>()).tp_version_tag;
                self._held.push(Bound::from_borrowed_ptr(py, o).unbind());
                self.classes.push((o as usize, tag));
                return tag != 0;
            } else if kind == &raw mut crate::frame::PyRangeIter_Type {
                return is_of_frame;
            } else {
                return self.changing.has(o)
                    || kind == &raw mut ffi::PyFunction_Type
                    || kind == &raw mut ffi::PyBytes_Type
                    || kind == &raw mut ffi::PyFloat_Type
                    || kind == &raw mut ffi::PyCode_Type
                    || runtime.is_unchanging(kind.cast());
            }
        }
        true
    }

    /// Whether a container is settled, or one that the walk made to write something that is: all that leads to one of the
    /// program's was followed.
    fn is_of_walk(&self, o: Object, is_of_frame: bool) -> bool {
        !is_of_frame || self.changing.has(o)
    }

    /// Whether all that was noted is as it was.
    ///
    /// # Safety
    /// E2, E5: `found` was found in this very call; nothing runs in between.
    pub(crate) unsafe fn holds(&self, py: Python<'_>, runtime: &Runtime, found: &[Found]) -> bool {
        let mut index = runtime.module_index.borrow_mut();
        // SAFETY: E20: the GIL is held; no Python code runs.
        unsafe { index.look_again(py, runtime) };
        let heads = found.iter().map(|f| (f.function as usize, f.code as usize));
        if index.changes != self.changes
            || self.reducers != runtime.reducer_count(py)
            || !runtime.finalizers.bind(py).is_empty()
            || !heads.eq(self.heads.iter().copied())
        {
            return false;
        }
        // SAFETY: (whole body) E27: what is found by name is held; of what travels by value is asked first whether it is
        // alive, and its annotations are what it still has.
        unsafe {
            let has_code = |(function, code): &(usize, usize)| {
                let f = *function as *const ffi::PyFunctionObject;
                (*f).func_code as usize == *code
            };
            let is_of_version = |(class, tag): &(usize, u32)| {
                let class = *class as *const ffi::PyTypeObject;
                (*class).tp_version_tag == *tag
            };
            let is_as_it_was = |(function, origin, parts): &(usize, u32, [usize; PARTS])| {
                runtime.known_origin(py, *function) == Some(*origin)
                    && parts_of(*function as Object) == *parts
            };
            self.named.iter().all(has_code)
                && self.classes.iter().all(is_of_version)
                && self.functions.iter().all(is_as_it_was)
                && self.by_value.iter().all(|class| class.bind(py).upgrade().is_some())
                && (self.by_value.is_empty() || registrations(py, runtime) == self.registrations)
                && self.changing.holds()
        }
    }

    /// Whether what a walk has met may be known to the next one: not what the walk itself made.
    ///
    /// # Safety
    /// E5: it is live.
    pub(super) unsafe fn may_keep(&self, o: Object, node: u8, work: &Work) -> bool {
        let not_held = [
            &raw mut ffi::PyDict_Type,
            &raw mut ffi::PyList_Type,
            &raw mut ffi::PyTuple_Type,
            &raw mut ffi::PySet_Type,
            &raw mut ffi::PyFrozenSet_Type,
            &raw mut ffi::PyFloat_Type,
        ];
        // SAFETY: as the caller promises.
        let is_held = !not_held.contains(unsafe { &ffi::Py_TYPE(o) });
        // SAFETY: as the caller promises. There is one empty tuple, for good.
        let is_empty = unsafe { ffi::Py_TYPE(o) == &raw mut ffi::PyTuple_Type && ffi::Py_SIZE(o) == 0 };
        is_held
            || is_named(node)
            || is_empty
            || self.changing.has(o)
            || work.spaces.iter().any(|space| space.dict() == o)
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = usize> + '_ {
        self.texts.iter().copied()
    }

    /// Whether a text that a frame has is one of what is settled.
    pub(crate) fn has_text(&self, text: Object) -> bool {
        self.texts.contains(&(text as usize))
    }
}
