//! The walker that rebuilds a graph: the core loop, atoms and builtin containers.
//!
//! Every word of the region is distrusted: indices are looked up with `get`, a run of children must
//! begin where the last one ended, a shared number is used once and only after its node. What is built
//! so far is owned by the decoder until it is handed out, so an error leaves nothing behind.

use super::{Object, Strong};
use crate::error::Failure;
use crate::frame::offset;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::{FRAME_HEAD, NONE};
use torpor_store::region::Flags;
use torpor_store::value::{flag, tag};
use torpor_store::{Mapping, Region, Snapshot, Value};

const ROOT: u8 = 250;
pub(super) const RUN: u8 = 251;
/// What is not built, because this process has its own.
pub(super) const PASSED: u8 = 252;

/// Where the children of an open node go.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// Straight into the container's items.
    Items(*mut Object),
    /// Into `parts`, from this index on.
    Parts(usize),
    /// They are not kept.
    Nowhere,
}

pub(super) struct Node {
    pub(super) kind: u8,
    pub(super) next: u32,
    pub(super) end: u32,
    pub(super) base: u32,
    pub(super) slot: u32,
    pub(super) object: Object,
    pub(super) place: Place,
}

pub struct Decoder<'a, 'py> {
    pub(super) py: Python<'py>,
    pub(super) runtime: &'py Runtime,
    pub(super) region: &'a Region<'a>,
    /// Where the extents are; not needed for a region without any.
    snapshot: Option<&'a Snapshot>,
    /// One view of the whole region for all its arrays, made when the first one is met.
    pub(super) mapping: Option<Mapping>,
    pub(super) memory: Option<Strong>,
    pub(super) writable: bool,
    pub(super) shared: Vec<Object>,
    pub(super) open: Vec<Node>,
    /// Which of these make classes; some of them no longer.
    pub(super) classes: Vec<super::early::OpenClass>,
    pub(super) parts: Vec<Object>,
    /// The first node that no run has claimed yet.
    next: u32,
    pub(super) spaces: Vec<super::names::SpaceObject>,
    pub(crate) codes: Vec<Option<Strong>>,
    roots: Vec<Object>,
    pub(super) late: Vec<super::late::Late>,
    /// Generators of the captured stack's own frames.
    pub(crate) running: Vec<super::generator::RunningGenerator>,
    /// Suspended generators that were made: dropping what is never resumed must not run them.
    pub(crate) armed: Vec<Py<PyAny>>,
    /// Frame objects, each with what it belongs to.
    pub(super) frame_objects: Vec<(Strong, Py<PyAny>)>,
    /// There are slots that hold no object and yet something: untyped numbers, locals that were left out.
    pub(crate) marked: bool,
    /// Greenlets with what they contain; the one in which the stack is to run; the one that was captured.
    pub(super) greenlets: Vec<(Strong, Py<PyAny>)>,
    pub(super) home: Option<Strong>,
    pub(super) target: Option<Strong>,
    /// Modules that the import system got, with their names.
    pub(super) added: Vec<(Py<PyAny>, Py<PyAny>)>,
    /// What takes those out again that it has until everything is built.
    pub(super) stand_ins: Vec<Py<PyAny>>,
    /// What this process keeps of its own.
    pub(super) kept: Option<Box<super::kept::Kept>>,
    /// Adopting this graph runs code of the program, which may look at what is half built.
    runs_code: bool,
    /// What stayed behind where it was captured: the adopter's own, by name.
    pub externals: Option<Bound<'py, PyAny>>,
}

impl<'a, 'py> Decoder<'a, 'py> {
    pub fn new(
        py: Python<'py>,
        runtime: &'py Runtime,
        snapshot: Option<&'a Snapshot>,
        region: &'a Region<'a>,
        writable: bool,
    ) -> Self {
        let shared = if region.shared == 0 {
            Vec::new()
        } else {
            vec![std::ptr::null_mut(); region.shared as usize + 1]
        };
        Decoder {
            py,
            runtime,
            region,
            snapshot,
            mapping: None,
            memory: None,
            writable,
            shared,
            open: Vec::new(),
            classes: Vec::new(),
            parts: Vec::new(),
            next: 0,
            spaces: Vec::new(),
            codes: Vec::new(),
            frame_objects: Vec::new(),
            roots: Vec::new(),
            late: Vec::new(),
            running: Vec::new(),
            armed: Vec::new(),
            marked: false,
            greenlets: Vec::new(),
            home: None,
            target: None,
            added: Vec::new(),
            stand_ins: Vec::new(),
            kept: None,
            runs_code: region.flags & Flags::RUNS_CODE != 0,
            externals: None,
        }
    }

    pub(super) fn snapshot(&self) -> Result<&'a Snapshot, Failure> {
        self.snapshot.ok_or_else(|| Failure::corrupt("it has no extents and refers to one"))
    }

    /// Rebuilds everything; returns the frames' values, then the handled exception if there is one. `roots` is
    /// memory for them, empty.
    pub fn decode(&mut self, roots: Vec<Object>) -> Result<Vec<Object>, Failure> {
        self.codes.resize_with(self.region.codes.len(), || None);
        self.make_spaces()?;
        self.find_kept()?;
        for run in self.region.runs {
            self.read_or_skip(run)?;
        }
        let mut n = 0u64;
        for frame in self.region.frames {
            if u64::from(frame.first) != u64::from(self.next) + n {
                return Err(Failure::corrupt("a frame's values do not follow the ones before"));
            }
            n += u64::from(FRAME_HEAD) + u64::from(frame.nlocals) + u64::from(frame.nstack);
        }
        if self.region.handled != NONE {
            if u64::from(self.region.handled) != u64::from(self.next) + n {
                return Err(Failure::corrupt("the handled exception does not follow the frames"));
            }
            n += 1;
        }
        let base = self.next;
        self.claim(base, n)?;
        self.roots = roots;
        self.roots.resize(n as usize, std::ptr::null_mut());
        let items = self.roots.as_mut_ptr();
        let pending = self.sweep(base, n as u32, Place::Items(items), ROOT)?;
        if pending {
            self.push(ROOT, base, n as u32, NONE, std::ptr::null_mut(), Place::Items(items));
            self.drain()?;
        }
        if self.next as usize != self.region.values.len() {
            return Err(Failure::corrupt("there are values that belong to nothing"));
        }
        Ok(std::mem::take(&mut self.roots))
    }

    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The next run of children must begin at `base` and have `n` nodes.
    pub(super) fn claim(&mut self, base: u32, n: u64) -> Result<(), Failure> {
        if n > 0 && base != self.next {
            return Err(Failure::corrupt("a run of children does not begin where the last one ended"));
        }
        let end = u64::from(self.next) + n;
        if end > self.region.values.len() as u64 {
            return Err(Failure::corrupt("a run of children ends outside of the values"));
        }
        self.next = end as u32;
        Ok(())
    }

    pub(super) fn parts_of(&mut self, n: usize) -> usize {
        let at = self.parts.len();
        self.parts.resize(at + n, std::ptr::null_mut());
        at
    }

    pub(super) fn push(&mut self, kind: u8, base: u32, n: u32, slot: u32, object: Object, place: Place) {
        self.open.push(Node { kind, next: base, end: base + n, base, slot, object, place });
    }

    /// Builds all atoms of the run of a node of this kind. True if others remain. Untyped numbers stand
    /// among the frames' values only, and are left to `adopt`.
    pub(super) fn sweep(&mut self, base: u32, n: u32, place: Place, kind: u8) -> Result<bool, Failure> {
        let null = matches!(kind, ROOT | tag::CELL | tag::FUNCTION | tag::GENERATOR);
        let mut pending = false;
        let region = self.region;
        for (i, v) in region.values[base as usize..(base + n) as usize].iter().enumerate() {
            if !v.is_atom() {
                pending = true;
                continue;
            }
            if v.tag == tag::NULL {
                if !null {
                    return Err(Failure::corrupt("an item of a container is missing"));
                }
                self.marked |= v.flags != 0;
                continue;
            }
            if v.tag == tag::TAGGED_INT && matches!(kind, ROOT | tag::GENERATOR) {
                self.marked = true;
                continue;
            }
            let object = self.atom(*v)?;
            match place {
                // SAFETY: invariant E7: the items have room for n objects.
                Place::Items(items) => unsafe { *items.add(i) = object },
                Place::Parts(at) => self.parts[at + i] = object,
                Place::Nowhere => drop(Strong(object)),
            }
        }
        Ok(pending)
    }

    pub(super) fn own(&self, object: Object) -> Result<Object, Failure> {
        if object.is_null() {
            return Err(PyErr::fetch(self.py).into());
        }
        Ok(object)
    }

    fn store(&mut self, object: Object) -> Result<(), Failure> {
        let Some(node) = self.open.last() else { return Ok(()) };
        let i = (node.next - 1 - node.base) as usize;
        match node.place {
            // SAFETY: invariant E7.
            Place::Items(items) => unsafe { *items.add(i) = object },
            Place::Parts(at) => {
                self.parts[at + i] = object;
                if node.kind == RUN && i % 2 == 1 {
                    let space = node.slot as usize;
                    return self.fill_space(space, at + i - 1, 2);
                }
            }
            Place::Nowhere => drop(Strong(object)),
        }
        Ok(())
    }

    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        let floor = self.open.len() - 1;
        while self.open.len() > floor {
            let Some(top) = self.open.last_mut() else { break };
            if top.next == top.end {
                let done = self.close()?;
                if let Some(object) = done {
                    self.store(object)?;
                }
                continue;
            }
            let slot = top.next;
            top.next += 1;
            if top.kind == tag::OBJECT && slot == top.base + 2 {
                let v = self.region.values[top.slot as usize];
                if v.flags & flag::RECURSIVE != 0 {
                    top.next = top.end;
                    continue;
                }
                let Place::Parts(at) = top.place else { continue };
                let object = self.create(v, at)?;
                self.exists(object);
                self.share(v, object)?;
            }
            let v = self.region.values[slot as usize];
            if !v.is_atom() {
                self.visit(v, slot)?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, v: Value, slot: u32) -> Result<(), Failure> {
        if let Some(kept) = &self.kept {
            if let Some(own) = kept.own(slot) {
                return self.pass_over(v, slot, Some(own));
            }
            if !kept.is_built(slot) {
                return self.pass_over(v, slot, None);
            }
        }
        if v.tag == tag::REF {
            let object = self.shared_object(v.data)?;
            return self.store(object);
        }
        let n =
            v.children().ok_or_else(|| Failure::corrupt("a value has an unknown tag or a wrong length"))?;
        let base = if n == 0 { self.next } else { v.low() };
        self.claim(base, n)?;
        let n = n as u32;
        // SAFETY: (whole body) new references, stored in the node before anything can fail.
        unsafe {
            match v.tag {
                tag::TUPLE => {
                    let object = self.own(ffi::PyTuple_New(n as isize))?;
                    if n > 0 {
                        ffi::PyObject_GC_UnTrack(object.cast());
                    }
                    let items = object.byte_add(offset::TUPLE_ITEMS).cast::<Object>();
                    self.push(v.tag, base, n, slot, object, Place::Items(items));
                    if !self.sweep(base, n, Place::Items(items), v.tag)? {
                        self.finish_at_once();
                    }
                }
                tag::LIST if !self.runs_code => {
                    let object = self.own(ffi::PyList_New(n as isize))?;
                    let items = (*object.cast::<ffi::PyListObject>()).ob_item;
                    // Nobody sees a list that is not full: its size is set when it is.
                    (*object.cast::<ffi::PyVarObject>()).ob_size = 0;
                    self.push(v.tag, base, n, slot, object, Place::Items(items));
                    self.share(v, object)?;
                    if !self.sweep(base, n, Place::Items(items), v.tag)? {
                        self.finish_at_once();
                    }
                }
                tag::LIST
                | tag::DICT
                | tag::SET
                | tag::FROZENSET
                | tag::RANGE
                | tag::SLICE
                | tag::ARRAY
                | tag::OBJECT
                | tag::CELL
                | tag::FUNCTION
                | tag::GENERATOR
                | tag::ITERATOR => {
                    let at = self.parts_of(n as usize);
                    let object = match v.tag {
                        tag::LIST => self.own(ffi::PyList_New(0))?,
                        tag::DICT => self.own(ffi::PyDict_New())?,
                        tag::SET => self.own(ffi::PySet_New(std::ptr::null_mut()))?,
                        tag::CELL => self.own(ffi::PyCell_New(std::ptr::null_mut()))?,
                        _ => std::ptr::null_mut(),
                    };
                    self.push(v.tag, base, n, slot, object, Place::Parts(at));
                    if !object.is_null() {
                        self.share(v, object)?;
                    }
                    let pending = self.sweep(base, n, Place::Parts(at), v.tag)?;
                    if v.tag == tag::FUNCTION {
                        let function = self.begin_function(at)?;
                        let origin = self.region.values[base as usize + 1].len;
                        if origin != 0 {
                            self.runtime.enter_origin(self.py, function, origin)?;
                        }
                        if let Some(top) = self.open.last_mut() {
                            top.object = function;
                        }
                        self.share(v, function)?;
                    }
                    if v.tag == tag::GENERATOR {
                        let generator = self.begin_generator(at)?;
                        if let Some(top) = self.open.last_mut() {
                            top.object = generator;
                        }
                        self.share(v, generator)?;
                    }
                    if !pending && v.tag != tag::OBJECT {
                        self.finish_at_once();
                    }
                }
                _ => return Err(Failure::corrupt("a value has an unknown tag")),
            }
        }
        Ok(())
    }

    /// Nothing of the top node is pending.
    fn finish_at_once(&mut self) {
        if let Some(top) = self.open.last_mut() {
            top.next = top.end;
        }
    }

    /// The top node has all its children: makes or completes its object.
    fn close(&mut self) -> Result<Option<Object>, Failure> {
        let Some(top) = self.open.last() else { return Ok(None) };
        let (kind, slot, object, place) = (top.kind, top.slot, top.object, top.place);
        let n = (top.end - top.base) as usize;
        if kind == ROOT {
            self.open.pop();
            return Ok(None);
        }
        if kind == PASSED {
            self.open.pop();
            return Ok(Some(object).filter(|o| !o.is_null()));
        }
        let Place::Parts(at) = place else {
            return self.close_items(kind, slot, object, n).map(Some);
        };
        if kind == RUN {
            self.fill_space(slot as usize, at, n)?;
            self.open.pop();
            self.drop_parts(at);
            self.fill_late()?;
            return Ok(None);
        }
        let v = self.region.values[slot as usize];
        let done = if v.flags & flag::RECURSIVE != 0 {
            self.shared_object(u64::from(v.shared()))?
        } else {
            // On failure the node still owns its object and the parts are still in `parts`.
            let done = self.complete(kind, v, object, at, n)?;
            if let Some(top) = self.open.last_mut() {
                top.object = std::ptr::null_mut();
            }
            if object.is_null() {
                let owned = Strong(done);
                self.share(v, done)?;
                owned.release()
            } else {
                done
            }
        };
        self.open.pop();
        self.drop_parts(at);
        if matches!(kind, tag::OBJECT | tag::DICT) && !self.late.is_empty() {
            let owned = Strong(done);
            self.fill_late()?;
            return Ok(Some(owned.release()));
        }
        Ok(Some(done))
    }

    fn close_items(&mut self, kind: u8, slot: u32, object: Object, n: usize) -> Result<Object, Failure> {
        let v = self.region.values[slot as usize];
        self.open.pop();
        // SAFETY: all n items are there.
        unsafe {
            if kind == tag::LIST {
                (*object.cast::<ffi::PyVarObject>()).ob_size = n as isize;
                return Ok(object);
            }
            if n > 0 {
                ffi::PyObject_GC_Track(object.cast());
            }
            let owned = Strong(object);
            if v.flags & flag::RECURSIVE != 0 {
                return self.shared_object(u64::from(v.shared()));
            }
            self.share(v, object)?;
            Ok(owned.release())
        }
    }

    fn drop_parts(&mut self, at: usize) {
        while self.parts.len() > at {
            if let Some(part) = self.parts.pop() {
                drop(Strong(part));
            }
        }
    }
}

impl Drop for Decoder<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: invariants E5 and E7: references that nobody took over.
        unsafe {
            while let Some(node) = self.open.pop() {
                if let Place::Items(items) = node.place {
                    match node.kind {
                        tag::LIST => {
                            (*node.object.cast::<ffi::PyVarObject>()).ob_size =
                                (node.end - node.base) as isize
                        }
                        tag::TUPLE if node.end > node.base => ffi::PyObject_GC_Track(node.object.cast()),
                        _ => {}
                    }
                    let _ = items;
                }
                drop(Strong(node.object));
            }
            for object in self.parts.drain(..).chain(self.roots.drain(..)).chain(self.shared.drain(..)) {
                drop(Strong(object));
            }
        }
    }
}
