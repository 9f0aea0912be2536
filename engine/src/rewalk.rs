//! A capture of the frames that were captured last, where their values are plain: only the values are walked.
//!
//! Part of the step "capture", for what `again.rs` cannot write in place: lists, dicts, texts of any length. What stands
//! before the values is in the builder still: functions and code, and what travels with them (`prefix.rs`). If that, the
//! frames' places and what they bring from around are as they were, nothing else has to be looked at. What is written is
//! the same, byte for byte.

use crate::again;
use crate::around::Around;
use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::pause::Pause;
use crate::runtime::Runtime;
use crate::slots::{write_values, Choice};
use crate::values::encode::{Encoder, Work};
use crate::values::plain;
use crate::values::prefix::{Before, Head};
use crate::values::Policy;
use pyo3::prelude::*;
use torpor_store::capture::Mark;
use torpor_store::frame::FRAME_HEAD;
use torpor_store::value::tag;
use torpor_store::{SnapshotBuilder, Value};

/// Where the values of a graph begin.
pub(crate) struct Start {
    /// Everything before them, and the nodes of the frames' slots.
    pub mark: Mark,
    /// The first of those nodes.
    pub base: u32,
    /// Whether the graph begins with what is kept.
    pub has_prefix: bool,
}

/// What has to be as it was.
struct Known {
    start: Start,
    around: Around,
    heads: Vec<Head>,
}

/// The last graph of a thread, if its values can be walked alone.
#[derive(Default)]
pub(crate) struct Last {
    known: Option<Known>,
    pause: Pause,
}

impl Last {
    /// Forgets the last graph.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// How much of the builder is kept.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.known.as_ref().map(|known| &known.start.mark)
    }

    /// Notes a graph that a walk has just written with plain options, and in which nothing was met that another capture
    /// would have to ask again.
    ///
    /// # Safety
    /// E1, E2: `found` was found in this very call, and no code of the program ran since.
    pub(crate) unsafe fn note(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        builder: &SnapshotBuilder<'_>,
        work: &Work,
        found: &[Found],
        start: Start,
    ) -> Result<(), Failure> {
        // SAFETY: as the caller promises.
        let fits = unsafe { is_plain(runtime, builder, work, found, &start)? };
        if fits && self.pause.is_over() {
            // SAFETY: as the caller promises.
            let around = unsafe { Around::of(py, runtime, found, &work.heads)? };
            self.known = Some(Known { start, around, heads: work.heads.clone() });
        }
        Ok(())
    }

    /// Writes the values of these frames behind what the builder has. False if they do not fit: then it holds nothing of
    /// use but what `before` keeps.
    ///
    /// # Safety
    /// E1, E2: `found` was found in this very call.
    pub(crate) unsafe fn write(
        &mut self,
        py: Python<'_>,
        runtime: &Runtime,
        builder: &mut SnapshotBuilder<'static>,
        work: &mut Work,
        before: &mut Before,
        found: &[Found],
    ) -> Result<bool, Failure> {
        let Some(known) = self.known.take() else { return Ok(false) };
        let mut kept = None;
        // SAFETY: as the caller promises.
        unsafe {
            if found.len() != builder.frames.len() || !known.around.is_as_it_was(py, runtime, found) {
                return Ok(false);
            }
            for (number, f) in found.iter().enumerate() {
                if !again::is_same_frame(runtime, builder, f, number)? {
                    return Ok(false);
                }
            }
            if known.start.has_prefix {
                kept = before.take(py, runtime, builder, found)?;
                if kept.is_none() {
                    return Ok(false);
                }
            }
        }
        builder.back_to(&known.start.mark);
        builder.values.truncate(known.start.base as usize);
        builder.values.resize(known.start.mark.values, Value::NULL);
        work.begin(0);
        work.values_only = true;
        work.modules_seen.set(false);
        let mut demands = Vec::new();
        if let Some(kept) = &mut kept {
            // SAFETY: E27: it was taken in this very call, and nothing ran since.
            demands = unsafe { kept.begin_values(builder, work) };
            for (f, saved) in found.iter().zip(&builder.frames) {
                // SAFETY: E2: the code of a live frame.
                unsafe { code::entry(runtime, f.code)? }.written.set((work.number, saved.code));
            }
        }
        let policy = Policy::new(true, Vec::new());
        let mut encoder = Encoder::new(py, runtime, &policy, builder, work, &mut demands);
        // SAFETY: as the caller promises.
        let written =
            unsafe { write_values(&mut encoder, found, &known.heads, known.start.base, &Choice::default()) };
        let fits = written.is_ok()
            && encoder.is_plain_so_far()
            && kept.as_ref().is_none_or(|kept| kept.is_apart(encoder.work));
        if !fits {
            encoder.abandon();
            self.pause.put_off();
        }
        if let Some(kept) = kept {
            before.give_back(kept, work, demands);
        }
        if fits {
            self.pause.end();
            self.known = Some(known);
        } else {
            work.clear();
        }
        written.map(|()| fits)
    }
}

/// Whether the graph of these frames has plain values only, behind functions that are found again.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
unsafe fn is_plain(
    runtime: &Runtime,
    builder: &SnapshotBuilder<'_>,
    work: &Work,
    found: &[Found],
    start: &Start,
) -> Result<bool, Failure> {
    let is_small = builder.values.len() <= again::MOST && builder.data.len() <= again::MOST_TEXT;
    let has_more = builder.arrays.len() + builder.buffer_count() > 0 || builder.handled.is_some();
    let has_spaces = again::has_spaces(builder);
    if !is_small
        || has_more
        || has_spaces != start.has_prefix
        || !has_spaces && start.base > 0
        || !work.is_plain()
    {
        return Ok(false);
    }
    for (f, saved) in found.iter().zip(&builder.frames) {
        let slots = saved.first as usize + FRAME_HEAD as usize;
        // SAFETY: E2, as the caller promises.
        let (stands, entry) = unsafe { (again::is_plain_frame(f), code::entry(runtime, f.code)?) };
        let function = &builder.values[saved.first as usize];
        let goes = has_spaces && matches!(function.tag, tag::REF | tag::FUNCTION) && !entry.class_scope;
        let stands = stands && !entry.keyed_by_id;
        let is_known = again::is_named(function) || goes;
        if !stands || !is_known || !builder.values[slots..slots + f.depth].iter().all(plain::is_plain) {
            return Ok(false);
        }
    }
    let is_value =
        |node: &Value| plain::is_plain(node) || has_spaces && matches!(node.tag, tag::SPACE | tag::CODE);
    Ok(builder.values[start.mark.values..].iter().all(is_value))
}
