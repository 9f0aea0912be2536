//! What a graph has beside the slots of its frames, and whether it is the same at the next capture: then no walk is needed
//! to write it (`again.rs`).
//!
//! Settled are the namespaces of modules with functions, with what modules have under names, and with texts, numbers and
//! tuples of those: none of them changes, or it can be told from addresses that it has not. With anything else (a list,
//! a dict, an instance, a class that travels, a cell) the stack is walked.

use super::encode::Work;
use super::function::attributes_of;
use super::space::Demand;
use super::Object;
use crate::found::Found;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use rustc_hash::FxBuildHasher;
use std::collections::HashSet;
use torpor_store::frame::Space;
use torpor_store::value::tag;
use torpor_store::SnapshotBuilder;

/// The fields of a function, by address.
pub(super) const PARTS: usize = 14;

pub(crate) struct Settled {
    /// What the modules were like.
    changes: u64,
    /// How many reducers there were.
    reducers: isize,
    /// Functions that travel by value, with their origins.
    functions: Vec<(usize, u32, [usize; PARTS])>,
    /// Functions that are found by name, with their code; held.
    named: Vec<(usize, usize)>,
    /// Classes that are found by name, with the tags of their versions; held.
    classes: Vec<(usize, u32)>,
    /// What annotations of functions hold: dict, and all that is in it.
    annotations: Vec<(usize, Vec<usize>)>,
    /// Function and code of each frame.
    heads: Vec<(usize, usize)>,
    /// Texts, and what else may be told from its equals (bytes, NaN): one that a frame has too would have to be said to be
    /// the same.
    texts: HashSet<usize, FxBuildHasher>,
    /// Keeps what is compared by its address: texts, tuples, code, and what is found by name.
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

/// Of these parts: those that never change themselves.
const UNCHANGING: [usize; 6] = [0, 2, 3, 4, 5, 6];

/// # Safety
/// A live dict.
unsafe fn items_of(dict: Object) -> Vec<usize> {
    let mut items = Vec::new();
    let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: as the caller promises; no code runs meanwhile.
    while unsafe { ffi::PyDict_Next(dict, &raw mut at, &raw mut key, &raw mut value) } != 0 {
        items.extend([key as usize, value as usize]);
    }
    items
}

fn reducers(runtime: &Runtime, py: Python<'_>) -> isize {
    use pyo3::types::PyDictMethods;
    (runtime.reducers.bind(py).len() + runtime.dispatch_table.bind(py).len()) as isize
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
        let plain = |space: &Space| space.flags == Space::ORDER || space.flags == 0 && space.builtins == 0;
        if !builder.spaces.iter().all(plain) || !runtime.finalizers.bind(py).is_empty() {
            return None;
        }
        let mut index = runtime.module_index.borrow_mut();
        let spaces = builder.spaces.iter().zip(&work.spaces).filter(|(space, _)| space.flags == 0);
        if !spaces.into_iter().all(|(_, space)| index.has_dict(space.dict())) {
            return None;
        }
        let base = builder.frames.first().map_or(u32::MAX, |f| f.first);
        let mut settled = Settled {
            changes: index.changes,
            reducers: reducers(runtime, py),
            functions: Vec::new(),
            named: Vec::new(),
            classes: Vec::new(),
            annotations: Vec::new(),
            heads: found.iter().map(|f| (f.function as usize, f.code as usize)).collect(),
            texts: HashSet::default(),
            _held: Vec::new(),
        };
        let functions = work.memo.keys().map(|address| *address as Object);
        // SAFETY: (whole body) E5: live, and of the type that is tested first.
        unsafe {
            for function in functions.filter(|o| ffi::Py_TYPE(*o) == &raw mut ffi::PyFunction_Type) {
                let is_named = builder.values[work.memo[&(function as usize)] as usize].tag == tag::GLOBAL;
                settled.note_function(py, runtime, function, is_named)?;
            }
            for function in &work.by_name {
                settled.note_function(py, runtime, function.0, true)?;
            }
            for (address, slot) in &work.memo {
                let (o, node) = (*address as Object, builder.values[*slot as usize].tag);
                if !settled.note(py, runtime, work, o, node, *slot >= base) {
                    return None;
                }
            }
        }
        for demand in demands {
            demand.each_value(py, |value| settled.note_text(value.as_ptr()));
        }
        Some(settled)
    }

    unsafe fn note_function(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        function: Object,
        is_named: bool,
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
            for part in UNCHANGING.map(|i| parts[i] as Object).into_iter().filter(|part| !part.is_null()) {
                hold(part);
            }
            let others = [f.func_kwdefaults, f.func_closure, attributes_of(f)];
            if others.iter().any(|other| !other.is_null()) {
                return None;
            }
            if !f.func_annotations.is_null() {
                if ffi::Py_TYPE(f.func_annotations) != &raw mut ffi::PyDict_Type {
                    return None;
                }
                let items = items_of(f.func_annotations);
                items.iter().for_each(|item| hold(*item as Object));
                items.iter().for_each(|item| self.note_text(*item as Object));
                self.annotations.push((f.func_annotations as usize, items));
            }
            for text in [f.func_name, f.func_qualname, f.func_module, f.func_doc] {
                self.note_text(text);
            }
            self.functions.push((function as usize, origin, parts));
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
            if kind == &raw mut ffi::PyUnicode_Type {
                if !is_of_frame {
                    self.note_text(o);
                }
            } else if kind == &raw mut ffi::PyDict_Type {
                return work.spaces.iter().any(|space| space.dict() == o)
                    || self.annotations.iter().any(|(dict, _)| *dict == o as usize);
            } else if kind == &raw mut ffi::PyTuple_Type {
                let items = (0..ffi::Py_SIZE(o)).map(|i| ffi::PyTuple_GET_ITEM(o, i));
                items.for_each(|item| self.note_text(item));
                return node == tag::TUPLE;
            } else if ffi::PyType_Check(o) != 0 {
                let tag = (*o.cast::<ffi::PyTypeObject>()).tp_version_tag;
                self._held.push(Bound::from_borrowed_ptr(py, o).unbind());
                self.classes.push((o as usize, tag));
                return node == tag::GLOBAL && tag != 0;
            } else if kind == &raw mut ffi::PyModule_Type {
                return node == tag::MODULE;
            } else if kind == &raw mut ffi::PyCFunction_Type {
                return node == tag::GLOBAL;
            } else if kind == &raw mut crate::frame::PyRangeIter_Type {
                return is_of_frame;
            } else {
                return kind == &raw mut ffi::PyFunction_Type
                    || kind == &raw mut ffi::PyBytes_Type
                    || kind == &raw mut ffi::PyFloat_Type
                    || kind == &raw mut ffi::PyCode_Type
                    || runtime.is_unchanging(kind.cast());
            }
        }
        true
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
            || self.reducers != reducers(runtime, py)
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
                && self.annotations.iter().all(|(dict, items)| items_of(*dict as Object) == *items)
        }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = usize> + '_ {
        self.texts.iter().copied()
    }

    /// Whether a text that a frame has is one of what is settled.
    pub(crate) fn has_text(&self, text: Object) -> bool {
        self.texts.contains(&(text as usize))
    }
}
