//! What stands before the frames in a graph, kept from one capture to the next.
//!
//! Functions of a script are captured with what they use of its namespace, and that is written before the frames. As long
//! as nothing of it has changed (`settled.rs`), the next walk begins behind it: its nodes are in the builder still, and the
//! walk is told what it would know of them. What is written is what a walk of everything would write.
//!
//! A first capture only notes what is settled. If the next one of the same frames finds it so when it has written it, it
//! was so all the time, whatever other threads or the program's own code did; from then on it is kept.

use super::encode::{Encoder, Work};
use super::module_locks::Met;
use super::named::is_named_so;
use super::settled::{parts_of, Settled, PARTS};
use super::space::{Demand, SpaceState};
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::pause::Pause;
use crate::runtime::Runtime;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use rustc_hash::FxBuildHasher;
use std::collections::BTreeSet;
use torpor_store::capture::Mark;
use torpor_store::value::tag;
use torpor_store::{SnapshotBuilder, Value};

/// Nodes, bytes of text and bytes of code records that are kept at most: what a thread holds for good.
const MOST: usize = 4096;
const MOST_TEXT: usize = 64 << 10;
const MOST_CODE: usize = 1 << 20;

/// What is known of the function of a frame before anything is written.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    /// Its node, if it is found by its name.
    pub named: Option<Value>,
    /// Whether its module stays behind.
    pub stays: bool,
}

/// What a walk of everything would have written, and would know, when it comes to the frames. It outlives a capture, so
/// what it holds may be let go of in any thread.
pub(crate) struct Prefix {
    settled: Settled,
    heads: Vec<Head>,
    mark: Mark,
    /// As they were written: references from behind the mark change them.
    values: Vec<Value>,
    memo: HashMap<usize, u32, FxBuildHasher>,
    /// Of the memo, what could be gone and another object in its place: texts, numbers, code.
    _held: Vec<Py<PyAny>>,
    demands: Vec<Demand>,
    spaces: Vec<SpaceState>,
    space_count: usize,
    modules: Vec<Met>,
    module_count: usize,
    packages: BTreeSet<String>,
    classes_met: Vec<usize>,
    by_name: Vec<Py<PyAny>>,
    codes: Vec<Py<PyAny>>,
    /// The frames' functions that go by value, with what they had.
    by_value: Vec<(usize, [usize; PARTS])>,
    /// Texts and the like that were written without being noted: they had one holder.
    apart: Vec<usize>,
}

/// How the walk of a capture begins.
pub(crate) enum Beginning<'a> {
    /// With what is kept; it is in its place.
    Kept(&'a Prefix),
    /// With nothing. What is written before the frames may be noted here.
    Whole(Option<&'a mut Before>),
}

/// What a thread keeps of the beginning of its last captures.
#[derive(Default)]
pub(crate) struct Before {
    prefix: Option<Prefix>,
    /// What was settled when it was written last, and has been since.
    seen: Option<Settled>,
    /// Captures that pass before anything is noted again.
    pause: Pause,
}

impl Before {
    /// Takes what is kept, if it still is as it was.
    ///
    /// # Safety
    /// E2, E5: `found` was found in this very call; the builder has what it had when the last capture was over.
    pub(crate) unsafe fn take(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        builder: &SnapshotBuilder<'_>,
        found: &[Found],
    ) -> Result<Option<Prefix>, Failure> {
        let Some(prefix) = self.prefix.take() else { return Ok(None) };
        // SAFETY: as the caller promises.
        unsafe {
            if !prefix.settled.holds(py, runtime, found) {
                return Ok(None);
            }
            for (f, head) in found.iter().zip(&prefix.heads) {
                if let Some(value) = head.named {
                    if !is_named_so(runtime, &builder.data, value, f.function.cast())? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(prefix))
    }

    /// Whether a capture that begins with nothing should note what it writes. Forgets what is not as it was.
    ///
    /// # Safety
    /// As [`take`](Self::take).
    pub(crate) unsafe fn is_due(&mut self, py: Python<'_>, runtime: &Runtime, found: &[Found]) -> bool {
        if !self.pause.is_over() {
            return false;
        }
        // SAFETY: as the caller promises.
        if self.seen.as_ref().is_some_and(|seen| unsafe { !seen.holds(py, runtime, found) }) {
            self.seen = None;
            self.put_off();
            return false;
        }
        true
    }

    /// Puts off noting anything: what was kept, or would have been, was of no use.
    pub(crate) fn put_off(&mut self) {
        self.pause.put_off();
    }

    /// Forgets what is kept: the graph begins in another way. `useless`: it was noted for this one.
    pub(crate) fn forget(&mut self, useless: bool) {
        if self.prefix.take().is_some() && useless {
            self.put_off();
        }
    }

    /// How much of the builder is kept.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.prefix.as_ref().map(|prefix| &prefix.mark)
    }

    /// What was written before the frames, of which nothing has been written yet.
    ///
    /// # Safety
    /// As [`take`](Self::take); the walk holds what it has met.
    pub(crate) unsafe fn note(&mut self, encoder: &Encoder<'_>, found: &[Found], heads: &[Head]) {
        let seen = self.seen.take();
        let (py, runtime, work) = (encoder.py, encoder.runtime, &*encoder.work);
        if !is_plain(encoder) {
            return self.put_off();
        }
        // SAFETY: as the caller promises.
        let now = unsafe { Settled::of(py, runtime, encoder.out, work, encoder.demands, found) };
        let Some(now) = now else { return self.put_off() };
        let Some(seen) = seen else {
            self.seen = Some(now);
            return;
        };
        let hold = |object: Object| {
            // SAFETY: E5: the walk holds it.
            unsafe { Bound::from_borrowed_ptr(py, object).unbind() }
        };
        let may_go = |address: &usize| {
            let object = *address as Object;
            // SAFETY: E5: the walk holds it.
            let kind = unsafe { ffi::Py_TYPE(object) };
            let atoms = [&raw mut ffi::PyUnicode_Type, &raw mut ffi::PyBytes_Type, &raw mut ffi::PyCode_Type];
            atoms.contains(&kind).then(|| hold(object))
        };
        // SAFETY: E5: the walk holds it.
        let is_kept = |(o, slot): &(&usize, &u32)| unsafe {
            now.may_keep(**o as Object, encoder.out.values[**slot as usize].tag, work)
        };
        let memo: HashMap<_, _, _> = work.memo.iter().filter(is_kept).map(|(o, slot)| (*o, *slot)).collect();
        let goes = |(f, head): (&Found, &Head)| {
            // SAFETY: E2: the function of a live frame.
            let parts = || (f.function as usize, unsafe { parts_of(f.function) });
            (f.is_shown() && !head.stays).then(parts)
        };
        let prefix = Prefix {
            heads: heads.to_vec(),
            mark: encoder.out.mark(),
            values: encoder.out.values.clone(),
            _held: memo.keys().filter_map(may_go).collect(),
            memo,
            demands: Vec::new(),
            spaces: Vec::new(),
            space_count: work.spaces.len(),
            modules: Vec::new(),
            module_count: work.module_locks.count(),
            packages: work.packages.clone(),
            classes_met: work.classes_met.iter().map(|class| *class as usize).collect(),
            by_name: work.by_name.iter().map(|function| hold(function.0)).collect(),
            codes: work.codes.iter().map(|code| hold(code.0)).collect(),
            by_value: found.iter().zip(heads).filter_map(goes).collect(),
            apart: now.texts().filter(|text| !work.memo.contains_key(text)).collect(),
            settled: now,
        };
        // SAFETY: as the caller promises.
        if unsafe { seen.holds(py, runtime, found) } {
            self.prefix = Some(prefix); // without what the walk still needs
        }
    }

    /// What was taken for values alone; the walk is over.
    pub(crate) fn give_back(&mut self, mut kept: Prefix, work: &mut Work, demands: Vec<Demand>) {
        kept.spaces = std::mem::take(&mut work.spaces);
        kept.demands = demands;
        self.prefix = Some(kept);
    }

    /// The capture is over, and one walk was enough: what that needed is kept for the next one.
    pub(crate) fn keep(
        &mut self,
        kept: Option<Prefix>,
        builder: &SnapshotBuilder<'_>,
        work: &mut Work,
        demands: Vec<Demand>,
    ) {
        if kept.is_some() {
            self.pause.end();
            self.prefix = kept;
        } else if let Some(new) = &mut self.prefix {
            let is_whole = |slot: &u32| builder.values[*slot as usize].tag == tag::FUNCTION;
            new.by_value.retain(|(function, _)| work.memo.get(function).is_some_and(is_whole));
        }
        let Some(prefix) = &mut self.prefix else { return };
        work.spaces.truncate(prefix.space_count);
        prefix.spaces = std::mem::take(&mut work.spaces);
        prefix.modules = work.module_locks.take(prefix.module_count);
        prefix.demands = demands;
    }
}

impl Encoder<'_> {
    /// Whether the frames have nothing that would be written before them beside the namespaces.
    pub(crate) fn has_nothing_before(&self) -> bool {
        self.work.rebound.is_empty() && self.work.keyed.is_empty()
    }

    /// Asks for another walk if what is kept lacks something of these frames.
    pub(crate) fn note_missing(&mut self) {
        self.work.walk_again |= !self.has_nothing_before();
    }
}

/// Whether nothing was met before the frames that has to be asked again.
fn is_plain(encoder: &Encoder<'_>) -> bool {
    let (out, work) = (&encoder.out, &encoder.work);
    let mark = out.mark();
    let is_small = mark.values <= MOST && mark.data <= MOST_TEXT && mark.records <= MOST_CODE;
    let has_ids = !work.ids.maybe.is_empty();
    let is_once_more = work.walk_again || work.greenlets.again;
    is_small
        && !out.spaces.is_empty()
        && !mark.has_buffers()
        && !is_once_more
        && work.module_locks.is_empty()
        && work.has_met_nothing()
        && !has_ids
        && work.first.is_empty()
}

impl Prefix {
    pub(crate) fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// Puts the nodes and what a walk would know into their places.
    ///
    /// # Safety
    /// E27: [`Before::take`] gave it in this very call; no code of the program ran since.
    pub(crate) unsafe fn begin(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        builder: &mut SnapshotBuilder<'static>,
        work: &mut Work,
    ) -> Result<Vec<Demand>, Failure> {
        builder.back_to(&self.mark);
        builder.values.clear();
        builder.values.extend_from_slice(&self.values);
        work.memo.clone_from(&self.memo);
        // SAFETY: (whole body) E27: what is settled is alive.
        unsafe {
            work.keep.extend(self.memo.keys().map(|object| Strong::borrowed(*object as Object)));
            work.by_name.extend(self.by_name.iter().map(|function| Strong::borrowed(function.as_ptr())));
            for (number, code) in (0..).zip(&self.codes) {
                code::entry(runtime, code.as_ptr())?.written.set((work.number, number));
                work.codes.push(Strong(code.clone_ref(py).into_ptr()));
            }
        }
        // SAFETY: as the caller promises.
        unsafe { self.give_functions(work) };
        work.spaces = std::mem::take(&mut self.spaces);
        work.module_locks.give(std::mem::take(&mut self.modules));
        work.packages.clone_from(&self.packages);
        work.classes_met.extend(self.classes_met.iter().map(|class| *class as Object));
        Ok(std::mem::take(&mut self.demands))
    }

    /// Puts the nodes into their places, which the builder has, and what a walk of plain values would know.
    ///
    /// # Safety
    /// As [`begin`](Self::begin).
    pub(crate) unsafe fn begin_values(
        &mut self,
        builder: &mut SnapshotBuilder<'static>,
        work: &mut Work,
    ) -> Vec<Demand> {
        builder.values[..self.values.len()].copy_from_slice(&self.values);
        work.memo.clone_from(&self.memo);
        work.spaces = std::mem::take(&mut self.spaces);
        // SAFETY: as the caller promises.
        unsafe { self.give_functions(work) };
        std::mem::take(&mut self.demands)
    }

    /// # Safety
    /// As [`begin`](Self::begin).
    unsafe fn give_functions(&self, work: &mut Work) {
        // SAFETY: E2: the frames have the functions that they had.
        let is_as_it_was =
            |(function, parts): &&(usize, _)| unsafe { parts_of(*function as Object) == *parts };
        work.by_value.extend(self.by_value.iter().filter(is_as_it_was).map(|(function, _)| function));
    }

    /// Whether a walk of everything would have come to the same: no value of the frames is one that it would have noted.
    pub(crate) fn is_apart(&self, work: &Work) -> bool {
        !self.apart.iter().any(|text| work.memo.contains_key(text))
    }
}
