//! The walker that writes a graph: the core loop and the builtin containers.
//!
//! Owns the memo, the stack of open nodes and the references that keep everything alive until the
//! graph is stored. It runs the program's code only through `object.rs` (reducers); an encoder is taken
//! out of its place while it works, so such code may capture again.

use super::prefix::Head;
use super::{array, path, Object, Policy, Strong};
use crate::error::{CaptureError, Failure, Refusal};
use crate::frame::{self, offset};
use crate::runtime::Runtime;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use rustc_hash::FxBuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use torpor_store::value::{flag, tag, OBJECT_CHILDREN};
use torpor_store::{SnapshotBuilder, Value};

/// Marks a slot whose object is not written yet: `data` is a strong reference to it.
pub(super) const PENDING: u8 = 255;
/// Kinds of open nodes beside the tags.
pub(crate) const ROOT: u8 = 250;
pub(super) const RUN: u8 = 251;

/// A node whose children are being written.
pub(super) struct Open {
    pub kind: u8,
    /// Next child to look at, end of the children.
    pub next: u32,
    pub end: u32,
    pub base: u32,
    /// Where the node itself stands.
    pub slot: u32,
    /// What is noted when the node is complete (or, for an object, when it exists).
    pub object: Option<Strong>,
}

pub struct Encoder<'py> {
    pub(super) py: Python<'py>,
    pub(super) runtime: &'py Runtime,
    pub(super) policy: &'py Policy,
    pub out: &'py mut SnapshotBuilder<'static>,
    pub(crate) work: &'py mut Work,
    /// What is asked of namespaces, from the attempts before this one too.
    pub(super) demands: &'py mut Vec<super::space::Demand>,
}

/// The encoder's memory: used again from capture to capture.
#[derive(Default)]
pub struct Work {
    pub(super) memo: HashMap<usize, u32, FxBuildHasher>,
    /// Objects of which callable and arguments are being written, and how often each.
    pub(super) constructing: HashMap<usize, u32, FxBuildHasher>,
    pub(super) keep: Vec<Strong>,
    pub(super) open: Vec<Open>,
    pub(super) refusals: Vec<Refusal>,
    /// Tells this walk from all others of the process.
    pub(crate) number: u64,
    /// Something was found out that the walk had to know before.
    pub(super) walk_again: bool,
    /// Only plain values are written; anything else asks for a walk of everything (`plain.rs`).
    pub(crate) values_only: bool,
    /// Whether the dicts of modules were looked through for this capture (`owned.rs`).
    pub(crate) modules_seen: std::cell::Cell<bool>,
    /// Nodes of objects that modules with state have under names, and what kinds these are of.
    pub(super) named_in_state: Vec<(u32, u16)>,
    /// Where the last refusal was.
    pub(super) refused_slot: u32,
    pub(super) spaces: Vec<super::space::SpaceState>,
    pub(super) held_buffers: Vec<array::HeldBuffer>,
    pub(crate) empty_cells: Vec<usize>,
    /// Namespaces of classes, by address, that functions look names up in.
    pub(super) class_dicts: HashMap<usize, Strong, FxBuildHasher>,
    /// Containers that know objects by their ids, by address, and how each is taken apart.
    pub(super) keyed: HashMap<usize, Strong, FxBuildHasher>,
    /// Numbers that are ids of objects.
    pub(crate) ids: super::ids::Ids,
    pub(crate) roots: Vec<path::RootNames>,
    /// Generators to which the captured frames belong, by number of the frame; 0 for other frames.
    pub(crate) running: Vec<usize>,
    /// The captured frames, by number; 0 for those of torpor's own.
    pub(crate) frames: Vec<usize>,
    /// Generators that say that they run, and are suspended: see `throw.rs`.
    pub(crate) passing: Vec<usize>,
    /// Those of which the own word does not say what they handle, and that; see `Found`.
    pub(crate) handled: Vec<(usize, usize)>,
    /// Suspended greenlets: for all walks of one capture.
    pub(crate) greenlets: super::greenlet::HeldGreenlets,
    /// What weak references refer to: likewise.
    pub(crate) referents: super::weak::Referents,
    /// Variables of contexts whose values cannot travel: likewise.
    pub(crate) variables: super::variable::Variables,
    /// Classes that are written before all else: likewise.
    pub(crate) first: super::first::First,
    /// Libraries whose code the frames run, and objects of theirs: likewise.
    pub(crate) at_work: super::at_work::AtWork,
    /// Finalizers of what travels: likewise.
    pub(crate) finalizers: super::finalizers::Finalizers,
    /// What modules that stay have under names that frames mention: "module:name", and the content.
    pub(super) rebound: Vec<(String, u64)>,
    /// Locks that modules which stay have under names.
    pub(crate) module_locks: super::module_locks::ModuleLocks,
    /// What comes with the capture of what modules and classes have gained.
    pub(crate) gained: crate::gained::Noted,
    /// What was put into modules after they were imported and travels by value: (module, name, object).
    pub(crate) made_later: Vec<(String, String, Strong)>,
    /// What modules that stay have made or filled, under names that frames mention.
    pub(crate) made_when_used: Vec<crate::gained::Made>,
    /// Classes that were written by their names.
    pub(crate) classes_met: Vec<Object>,
    /// Functions of which it is known that they go by value (`prefix.rs`).
    pub(super) by_value: Vec<usize>,
    /// Functions that were found by name without being noted.
    pub(super) by_name: Vec<Strong>,
    /// Code objects that were written.
    pub(super) codes: Vec<Strong>,
    /// Packages that were written by their names.
    pub(super) packages: std::collections::BTreeSet<String>,
    /// Locks of imports that the captured frames hold.
    pub(crate) import_locks: Vec<Strong>,
    /// What is known of the frames' functions.
    pub(crate) heads: Vec<Head>,
}

static NUMBER: AtomicU64 = AtomicU64::new(1);
/// A map that grew beyond this is given back: clearing takes as long as the map is large.
const MAP_TO_KEEP: usize = 4096;

pub(super) fn forget(map: &mut HashMap<usize, u32, FxBuildHasher>) {
    if map.capacity() > MAP_TO_KEEP {
        *map = HashMap::default();
    } else if !map.is_empty() {
        map.clear();
    }
}

impl Work {
    /// Begins the walk of an attempt; the first one finds everything forgotten.
    pub(crate) fn begin(&mut self, attempt: usize) {
        if attempt > 0 {
            self.clear();
        }
        self.number = NUMBER.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the walk has met none of what another capture would have to ask again.
    pub(super) fn has_met_nothing(&self) -> bool {
        let met = [
            self.refusals.len(),
            self.empty_cells.len(),
            // One that was written is known by that.
            self.class_dicts.keys().filter(|dict| !self.memo.contains_key(*dict)).count(),
            self.keyed.len(),
            self.held_buffers.len(),
            self.named_in_state.len(),
            self.import_locks.len(),
            self.made_later.len(),
            self.made_when_used.len(),
        ];
        met.iter().all(|count| *count == 0)
    }

    /// Forgets everything; run with the GIL held, it may run destructors.
    pub fn clear(&mut self) {
        forget(&mut self.memo);
        forget(&mut self.constructing);
        self.refusals.clear();
        self.empty_cells.clear();
        self.class_dicts.clear();
        self.keyed.clear();
        self.ids.maybe.clear();
        self.roots.clear();
        self.held_buffers.clear();
        self.open.clear();
        self.spaces.clear();
        self.named_in_state.clear();
        self.import_locks.clear();
        self.running.clear();
        self.frames.clear();
        self.handled.clear();
        self.passing.clear();
        self.greenlets.again = false;
        self.walk_again = false;
        self.values_only = false;
        self.rebound.clear();
        self.module_locks.clear();
        self.classes_met.clear();
        self.made_later.clear();
        self.made_when_used.clear();
        self.codes.clear();
        self.by_name.clear();
        self.by_value.clear();
        self.packages.clear();
        self.keep.clear();
    }
}

impl<'py> Encoder<'py> {
    pub fn new(
        py: Python<'py>,
        runtime: &'py Runtime,
        policy: &'py Policy,
        out: &'py mut SnapshotBuilder<'static>,
        work: &'py mut Work,
        demands: &'py mut Vec<super::space::Demand>,
    ) -> Self {
        Encoder { py, runtime, policy, out, work, demands }
    }

    pub(crate) fn py(&self) -> Python<'py> {
        self.py
    }

    pub(crate) fn runtime(&self) -> &'py Runtime {
        self.runtime
    }

    /// Reserves a contiguous run of nodes and returns its first index.
    #[inline]
    pub fn reserve(&mut self, n: usize) -> Result<u32, Failure> {
        let base = self.out.values.len();
        if base + n > u32::MAX as usize / 16 {
            return Err(CaptureError::Uncapturable(vec![Refusal {
                path: String::new(),
                reason: "more than 268 million values in one snapshot".into(),
                local: None,
            }])
            .into());
        }
        self.out.values.resize(base + n, Value::NULL);
        Ok(base as u32)
    }

    #[inline(always)]
    pub(super) fn set(&mut self, slot: u32, value: Value) {
        self.out.values[slot as usize] = value;
    }

    /// The shared number of the node at `slot`, given out at the first back reference.
    #[inline]
    pub(super) fn share(&mut self, slot: u32) -> u32 {
        let v = &mut self.out.values[slot as usize];
        if v.shared() == 0 {
            self.out.shared += 1;
            v.data |= u64::from(self.out.shared) << 32;
        }
        v.shared()
    }

    #[inline]
    pub(super) fn known(&self, object: Object) -> Option<u32> {
        self.work.memo.get(&(object as usize)).copied()
    }

    /// Whether an object was written.
    pub(crate) fn travels(&self, object: Object) -> bool {
        self.known(object).is_some()
    }

    /// Notes that `object` is written at `slot`, and keeps it alive: the memo goes by address.
    #[inline]
    pub(super) fn note(&mut self, object: Strong, slot: u32) {
        self.work.memo.insert(object.0 as usize, slot);
        self.work.keep.push(object);
    }

    /// Holds a reference to `object` until the graph is stored.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(crate) unsafe fn keep(&mut self, object: Object) {
        // SAFETY: as the caller promises.
        self.work.keep.push(unsafe { Strong::borrowed(object) });
    }

    /// Writes `object` at `slot` if it is an atom, else leaves it pending.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    #[inline(always)]
    pub unsafe fn put(&mut self, object: Object, slot: u32) -> Result<bool, Failure> {
        // SAFETY: as the caller promises.
        if unsafe { self.put_atom(object, slot)? } {
            return Ok(false);
        }
        // SAFETY: as the caller promises; the reference is owned by the slot until it is visited.
        unsafe { ffi::Py_INCREF(object) };
        self.set(slot, Value::atom(PENDING, object as u64));
        Ok(true)
    }

    /// Opens a node whose children stand at `base .. base + n`, already put.
    pub(crate) fn open(&mut self, kind: u8, base: u32, n: u32, slot: u32, object: Option<Strong>) {
        self.work.open.push(Open { kind, next: base, end: base + n, base, slot, object });
    }

    /// Writes everything that is pending below the open nodes.
    pub fn drain(&mut self) -> Result<(), Failure> {
        while let Some(top) = self.work.open.last_mut() {
            if top.next == top.end {
                self.close();
                continue;
            }
            let slot = top.next;
            top.next += 1;
            let (kind, base) = (top.kind, top.base);
            if kind == tag::OBJECT && slot == base + 2 && !self.object_exists() {
                continue;
            }
            let v = self.out.values[slot as usize];
            if v.tag == PENDING {
                // From here on the visit owns the reference, also if it fails.
                self.set(slot, Value::NONE);
                // SAFETY: invariant E6: a PENDING slot owns the reference in its data.
                unsafe { self.visit(Strong(v.data as usize as Object), slot)? };
            }
        }
        Ok(())
    }

    /// The top node is complete.
    fn close(&mut self) {
        use tag::{ARRAY, FROZENSET, ITERATOR, RANGE, SLICE, TUPLE};
        let Some(node) = self.work.open.pop() else { return };
        let exists_when_complete = matches!(node.kind, TUPLE | FROZENSET | SLICE | RANGE | ITERATOR | ARRAY);
        let Some(object) = node.object.filter(|_| exists_when_complete) else { return };
        if let Some(first) = self.known(object.0) {
            // A cycle came round through it: the complete one was written meanwhile.
            let number = self.share(first);
            let v = &mut self.out.values[node.slot as usize];
            v.flags |= flag::RECURSIVE;
            v.data = u64::from(v.low()) | u64::from(number) << 32;
        } else {
            self.note(object, node.slot);
        }
    }

    /// Callable and arguments of the top OBJECT are written: from here on it exists. False if it was
    /// written meanwhile (a cycle through its own arguments): the rest of it is dropped.
    fn object_exists(&mut self) -> bool {
        let Some(top) = self.work.open.last_mut() else { return true };
        let (slot, base) = (top.slot, top.base);
        let Some(object) = top.object.take() else { return true };
        let address = object.0 as usize;
        if let Some(n) = self.work.constructing.get_mut(&address) {
            *n -= 1;
            if *n == 0 {
                self.work.constructing.remove(&address);
            }
        }
        let Some(first) = self.known(object.0) else {
            self.note(object, slot);
            return true;
        };
        let number = self.share(first);
        let v = &mut self.out.values[slot as usize];
        v.flags |= flag::RECURSIVE;
        v.data = u64::from(v.low()) | u64::from(number) << 32;
        for i in base + 2..base + OBJECT_CHILDREN {
            let child = std::mem::replace(&mut self.out.values[i as usize], Value::NONE);
            if child.tag == PENDING {
                // SAFETY: invariant E6.
                drop(Strong(child.data as usize as Object));
            }
        }
        if let Some(top) = self.work.open.last_mut() {
            top.next = top.end;
        }
        false
    }

    /// Writes one object that is no atom.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    unsafe fn visit(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let o = object.0;
        if let Some(first) = self.known(o) {
            let number = self.share(first);
            self.set(slot, Value::atom(tag::REF, u64::from(number)));
            if !self.work.constructing.is_empty() {
                self.note_unfinished(first);
            }
            return Ok(());
        }
        if self.work.values_only {
            // SAFETY: as the caller promises.
            return unsafe { self.visit_plain(object, slot) };
        }
        if self.external(&object, slot) {
            return Ok(());
        }
        if self.policy.externals.as_ref().is_some_and(|e| e.has_hook()) {
            // SAFETY: as the caller promises.
            return unsafe { self.visit_or_replace(object, slot) };
        }
        // SAFETY: as the caller promises.
        unsafe { self.visit_new(object, slot) }
    }

    /// Writes one object that was not met before.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn visit_new(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let o = object.0;
        // SAFETY: (whole body) `o` is live and of the type that was just tested; the GIL is held.
        unsafe {
            if !self.work.keyed.is_empty() {
                if let Some(parts) = self.rekeyed(o) {
                    return self.reduced(object, slot, Ok(parts));
                }
            }
            let kind = ffi::Py_TYPE(o);
            if kind == &raw mut ffi::PyLong_Type {
                let n = frame::small_int(o).unwrap_or_default();
                return self.id_of(object, n, slot);
            }
            if kind == &raw mut ffi::PyTuple_Type {
                if ffi::Py_SIZE(o) > 0 && self.owned(&object, slot)? {
                    return Ok(());
                }
                let items = o.byte_add(offset::TUPLE_ITEMS).cast::<Object>();
                return self.sequence(object, slot, tag::TUPLE, items, ffi::Py_SIZE(o) as usize);
            }
            if kind == &raw mut ffi::PyList_Type {
                if self.owned(&object, slot)? {
                    return Ok(());
                }
                let items = (*o.cast::<ffi::PyListObject>()).ob_item;
                return self.sequence(object, slot, tag::LIST, items, ffi::Py_SIZE(o) as usize);
            }
            if kind == &raw mut ffi::PyDict_Type {
                return self.dict(object, slot);
            }
            if kind == &raw mut ffi::PySet_Type {
                if self.owned(&object, slot)? {
                    return Ok(());
                }
                return self.set_of(object, slot, tag::SET);
            }
            if kind == &raw mut ffi::PyFrozenSet_Type {
                return self.set_of(object, slot, tag::FROZENSET);
            }
            if kind == &raw mut ffi::PySlice_Type || kind == &raw mut ffi::PyRange_Type {
                return self.three(object, slot);
            }
            if kind == &raw mut frame::PyRangeIter_Type {
                return self.range_iterator(object, slot);
            }
            if kind == &raw mut frame::PyListIter_Type || kind == &raw mut frame::PyTupleIter_Type {
                return self.sequence_iterator(object, slot);
            }
            self.object(object, slot)
        }
    }

    /// Notes that the object at `slot` cannot travel, and goes on: all refusals are told at once.
    pub(super) fn refuse(&mut self, slot: u32, reason: String) {
        if self.leave_out_variable() || self.ask_hooks() {
            self.set(slot, Value::NONE);
            return;
        }
        let path = self.path_of(slot);
        let local = self.local_of(slot);
        self.work.refused_slot = slot;
        self.set(slot, Value::NONE);
        self.work.refusals.push(Refusal { path, reason, local });
    }

    /// Gives back every reference that pending slots own: after a walk that failed half-way.
    pub fn abandon(&mut self) {
        for v in &mut self.out.values {
            if v.tag == PENDING {
                let owned = Strong(v.data as usize as Object);
                *v = Value::NONE;
                drop(owned);
            }
        }
    }

    pub fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.work.refusals)
    }
}
