//! Step "capture" of the flow: from the live stack to a graph that is ready to be stored.
//!
//! Walks outward from the frame that asked to the boundary, proves of every frame that it stands in a
//! call whose result is all that it waits for, and writes frames and values into a
//! [`SnapshotBuilder`]. A refusal happens here, before anything is claimed in a store.

use crate::again;
use crate::around::Around;
use crate::attach::{self, Attached};
use crate::error::{CaptureError, Failure};
use crate::found::{find_stack, unsupported, Found};
use crate::frame;
use crate::gained::Met;
use crate::imports;
use crate::process_state;
use crate::region;
use crate::rewalk::{Last, Start};
use crate::runtime::{self, Runtime};
use crate::selection::{dead_locals, excluded, policy};
use crate::slots::{write_values, Choice};
use crate::targets;
use crate::throw;
use crate::values::encode::{Encoder, Work};
use crate::values::keyed;
use crate::values::path::RootNames;
use crate::values::prefix::{Before, Beginning, Head};
use crate::values::settled::Settled;
use crate::values::{Object, Strong};
use pyo3::ffi;
use pyo3::prelude::*;
use std::cell::RefCell;
use torpor_store::frame::{Frame, FRAME_HEAD};
use torpor_store::{Snapshot, SnapshotBuilder, Store};

/// What a capture may be asked for; see the Python documentation of `Store.capture`.
#[derive(Default)]
pub struct CaptureOptions<'py> {
    pub target: Option<Bound<'py, PyAny>>,
    pub stack: Option<usize>,
    pub exclude: Option<Bound<'py, PyAny>>,
    pub keep_dead: Option<bool>,
    pub state: Option<Bound<'py, PyAny>>,
    pub by_value: Option<Bound<'py, PyAny>>,
    pub externals: Option<Bound<'py, PyAny>>,
    pub attach: Option<Bound<'py, PyAny>>,
    pub on_uncapturable: Option<Bound<'py, PyAny>>,
}

/// Memory that captures of one thread use again.
#[derive(Default)]
struct Scratch {
    builder: SnapshotBuilder<'static>,
    work: Work,
    found: Vec<Found>,
    /// The builder holds a graph that `again` can use.
    simple: bool,
    /// What it has beside the frames, if it has more.
    settled: Option<Settled>,
    /// What it takes from outside of them.
    around: Option<Around>,
    /// What stands before the frames, and may stand there again.
    before: Before,
    /// What stands before the frames' values.
    last: Last,
    attached: Vec<Attached>,
}

impl Scratch {
    /// Forgets what a walk of everything has left, but for the graph.
    fn clear(&mut self) {
        self.attached.clear();
        self.work.clear();
        self.work.greenlets = Default::default();
        self.work.referents = Default::default();
        self.work.variables = Default::default();
        self.work.ids = Default::default();
        self.work.at_work = Default::default();
        self.work.first = Default::default();
        self.work.finalizers = Default::default();
        self.work.gained = Default::default();
    }
}

/// Bytes of memory that a thread keeps between captures, for each part of the graph.
const SCRATCH_TO_KEEP: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Option<Box<Scratch>>> = const { RefCell::new(None) };
}

/// How a graph came about: by a walk, or over the last one, which leaves the scratch's other parts as they were.
#[derive(Clone, Copy)]
enum Written {
    Walked,
    Again,
    /// Only values were walked.
    ValuesAgain,
}

/// Captures the stack below the calling Python frame and publishes it.
pub fn capture(
    py: Python<'_>,
    store: &Store,
    key: Option<&str>,
    options: &CaptureOptions<'_>,
) -> Result<Snapshot, Failure> {
    with_graph(py, options, |builder, work| region::publish(py, store, key, builder, work))
}

/// As [`capture`], into bytes of this process.
pub fn capture_detached(py: Python<'_>, options: &CaptureOptions<'_>) -> Result<Snapshot, Failure> {
    with_graph(py, options, |builder, _| region::detached(builder))
}

fn with_graph(
    py: Python<'_>,
    options: &CaptureOptions<'_>,
    store: impl FnOnce(&SnapshotBuilder<'static>, &Work) -> Result<Snapshot, Failure>,
) -> Result<Snapshot, Failure> {
    let runtime = runtime::get(py)?;
    #[cfg(not(Py_3_12))]
    let waits_for = imports::waits_for(py, runtime)?;
    // Taken out for the time of the capture: code of the program may capture again meanwhile.
    let mut scratch = SCRATCH.with(|s| s.borrow_mut().take()).unwrap_or_default();
    let written = write_graph(py, runtime, options, &mut scratch);
    let how = written.as_ref().ok().copied();
    if how.is_none() {
        scratch.before.forget(false);
        scratch.last.forget();
    }
    let result = written.and_then(|_| store(&scratch.builder, &scratch.work));
    if !scratch.simple {
        match scratch.last.mark().or(scratch.before.mark()) {
            Some(mark) => scratch.builder.back_to(mark),
            None => scratch.builder.clear(),
        }
        scratch.builder.shrink_to(SCRATCH_TO_KEEP);
    }
    scratch.found.clear();
    match how {
        Some(Written::Again) => {}
        Some(Written::ValuesAgain) => scratch.work.clear_values(),
        _ => scratch.clear(),
    }
    // What another capture, of the program's own code, left there may have something that runs code when it goes.
    let other = SCRATCH.with(|s| s.borrow_mut().replace(scratch));
    drop(other);
    #[cfg(not(Py_3_12))]
    if let Some([all, thread, lock]) = waits_for {
        all.set_item(thread, lock)?;
    }
    result
}

fn write_graph(
    py: Python<'_>,
    runtime: &Runtime,
    options: &CaptureOptions<'_>,
    scratch: &mut Scratch,
) -> Result<Written, Failure> {
    let Scratch { builder, work, found, simple, settled, around, before, last, attached } = scratch;
    let simple_before = std::mem::take(simple);
    // SAFETY: invariants E1, E2: the GIL is held and this thread's frames do not move while C code runs.
    let handled = unsafe { find_stack(py, runtime, options, found)? };
    let plain = again::is_plain(options) && handled.0.is_null();
    // SAFETY: as above; nothing ran since.
    unsafe {
        if simple_before && plain {
            let (settled, around) = (settled.as_ref(), around.as_ref());
            if again::refill(py, runtime, builder, found, settled, around)? {
                *simple = true;
                return Ok(Written::Again);
            }
        }
        if plain && last.write(py, runtime, builder, work, before, found)? {
            return Ok(Written::ValuesAgain);
        }
    }
    last.forget();
    *settled = None;
    let policy = policy(runtime, options)?;
    *attached = attach::attached(py, options)?;
    // SAFETY: as above: `found` was found in this very call.
    let (half_made, locks) = unsafe { imports::under_way(py, runtime, found)? };
    let policy = policy.with_half_made(half_made);
    work.modules_seen.set(false);
    let mut demands = Vec::new();
    // Locals that the code cannot read any more: left out if asked for, or if they cannot be captured.
    let mut dropped = Vec::new();
    if options.keep_dead == Some(false) {
        dropped = dead_locals(py, runtime, found)?;
    }
    for attempt in 0..ATTEMPTS {
        work.begin(attempt);
        let may_keep = attempt == 0 && plain && policy.half_made.is_empty() && locks.is_empty();
        let mut kept = match may_keep {
            // SAFETY: as above.
            true => unsafe { before.take(py, runtime, builder, found)? },
            false => None,
        };
        match &mut kept {
            // SAFETY: E27: nothing ran since it was taken.
            Some(kept) => demands = unsafe { kept.begin(py, runtime, builder, work)? },
            None => {
                before.forget(attempt > 0);
                builder.clear();
            }
        }
        // SAFETY: E5: `locks` holds them.
        work.import_locks = locks.iter().map(|lock| unsafe { Strong::borrowed(lock.0) }).collect();
        builder.python = runtime::python_hex();
        if let Some(keeper) =
            found.first().filter(|f| f.flags & Frame::GREENLET != 0).and_then(|f| f.keeper.as_ref())
        {
            // SAFETY: E5: the target is held.
            work.greenlets.target = Some(unsafe { Strong::borrowed(keeper.0) });
        }
        let beginning = match &kept {
            Some(kept) => Beginning::Kept(kept),
            // SAFETY: as above.
            None => Beginning::Whole(
                (may_keep && unsafe { before.is_due(py, runtime, found) }).then_some(&mut *before),
            ),
        };
        let mut encoder = Encoder::new(py, runtime, &policy, builder, work, &mut demands);
        // SAFETY: as above; values are referenced before anything else runs.
        let done =
            unsafe { write_stack(&mut encoder, found, handled.0, options, &dropped, attached, beginning) };
        let start = match done {
            Ok(start) => start,
            Err(e) => {
                encoder.abandon();
                return Err(e);
            }
        };
        encoder.note_referents();
        encoder.note_variables();
        encoder.note_ids()?;
        encoder.note_finalizers()?;
        encoder.write_submodules()?;
        encoder.note_late_names()?;
        encoder.refuse_held_locks()?;
        let incomplete = encoder.incomplete();
        let mut noted = std::mem::take(&mut encoder.work.gained); // code of the program may capture again meanwhile
        let met = Met {
            packages: encoder.work.module_locks.packages(py),
            classes: &encoder.work.classes_met,
            made_later: &encoder.work.made_later,
            made_when_used: &encoder.work.made_when_used,
            travels: &|object| encoder.travels(object),
        };
        let more = process_state::more_in(py, runtime, found, &met, &mut noted);
        encoder.work.gained = noted;
        if more? || incomplete || kept.as_ref().is_some_and(|kept| !kept.is_apart(encoder.work)) {
            if kept.is_some() {
                demands = Vec::new(); // a walk of everything asks for less, maybe
                before.put_off();
            }
            continue;
        }
        // SAFETY: the GIL is held.
        unsafe { encoder.work.greenlets.check_unmoved(py)? };
        let refusals = encoder.take_refusals();
        if !refusals.is_empty() {
            if options.keep_dead.is_none() {
                let dead = dead_locals(py, runtime, found)?;
                let before = dropped.len();
                dropped.extend(refusals.iter().filter_map(|r| r.local).filter(|l| dead.contains(l)));
                dropped.sort_unstable();
                dropped.dedup();
                if dropped.len() > before {
                    continue;
                }
            }
            return Err(CaptureError::Uncapturable(refusals).into());
        }
        // The store checks the size as well; here it is told with the values.
        if builder.values.len() > LARGE || builder.data.len() > LARGE {
            builder.plan().check()?;
        }
        // SAFETY: E2: no code of the program runs between the walk of a simple graph and this.
        let simple_graph = unsafe { again::is_simple(builder, found) };
        let may_repeat =
            plain && dropped.is_empty() && work.module_locks.is_empty() && !work.gained.has_looked();
        *simple = may_repeat && simple_graph;
        if *simple && again::has_spaces(builder) {
            // SAFETY: as above.
            *settled = unsafe { Settled::of(py, runtime, builder, work, &demands, found) };
            *simple = settled.is_some();
        }
        // SAFETY: as above; where code of the program ran, something else than plain values was met.
        unsafe {
            if *simple {
                *around = Some(Around::of(py, runtime, found, &work.heads)?);
            } else if may_repeat && attempt == 0 {
                last.note(py, runtime, builder, work, found, start)?;
            }
        }
        if attempt == 0 && dropped.is_empty() {
            before.keep(kept, builder, work, demands);
        }
        return Ok(Written::Walked);
    }
    Err(CaptureError::Invalid("the globals that the stack uses change with every look at them".into()).into())
}

/// Nodes, or bytes of text, from which on a graph could be too large.
const LARGE: usize = 1 << 20;
/// A walk is made again when it discovered globals too late, or values that need not travel.
const ATTEMPTS: usize = 64;

/// Writes the frames and all that they reach.
///
/// # Safety
/// E1, E2: `found` was found in this very call; nothing returned to Python since.
unsafe fn write_stack(
    encoder: &mut Encoder<'_>,
    found: &[Found],
    handled: Object,
    options: &CaptureOptions<'_>,
    dropped: &[(usize, usize)],
    attached: &[Attached],
    beginning: Beginning<'_>,
) -> Result<Start, Failure> {
    let has_prefix = matches!(beginning, Beginning::Kept(_));
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        // A function that is found by its name has the globals of an imported module. The first value of
        // its frame is written here, to look for it once.
        let mut heads = std::mem::take(&mut encoder.work.heads);
        heads.clear();
        for (number, f) in found.iter().enumerate() {
            if !f.is_shown() {
                heads.push(Head { named: None, stays: false }); // of torpor's own: its function has a number
                continue;
            }
            if f.code == encoder.runtime().releases_lock.as_ptr() {
                let what = "it is about to give back a lock that only the interpreter knows";
                return Err(unsupported(encoder.py(), f.frame, what));
            }
            encoder.note_making(f)?;
            let function = f.function.cast::<ffi::PyFunctionObject>();
            let head = match &beginning {
                Beginning::Kept(kept) => kept.heads()[number],
                Beginning::Whole(_) => {
                    let named = encoder.named_value(function)?;
                    let travels =
                        named.is_none() && encoder.ask_for_globals((*function).func_globals, f.code)?;
                    Head { named, stays: !travels }
                }
            };
            if head.stays {
                encoder.note_rebound((*function).func_globals, f.code)?;
                encoder.note_at_work(f)?;
            }
            heads.push(head);
        }
        let ids = keyed::in_frames(encoder, found)?;
        for f in found {
            encoder.work.frames.push(f.frame as usize);
            encoder.work.running.push(f.generator() as usize);
            throw::note_passing(encoder.py(), encoder.runtime(), f, &mut encoder.work.passing)?;
            if let Some(handled) = &f.handled {
                encoder.work.handled.push((f.generator() as usize, handled.0 as usize));
            }
        }
        match beginning {
            Beginning::Kept(_) => encoder.note_missing(),
            Beginning::Whole(before) => {
                encoder.write_spaces()?;
                let before = before.filter(|_| encoder.has_nothing_before());
                encoder.write_rebound()?;
                attach::write(encoder, attached)?;
                encoder.write_finalizers()?;
                if let Some(before) = before {
                    before.note(encoder, found, &heads);
                }
            }
        }
        let mut total = usize::from(!handled.is_null());
        for f in found {
            total += FRAME_HEAD as usize + f.depth;
        }
        let base = encoder.reserve(total)?;
        let mut at = base;
        let mut shown = 0;
        for (f, head) in found.iter().zip(&heads) {
            let nlocals = frame::nlocalsplus(f.code.cast());
            let names = RootNames {
                first: at,
                nlocals: nlocals as u32,
                nstack: (f.depth - nlocals) as u32,
                code: f.code,
                number: shown,
                is_context: f.function == encoder.finish_context(),
            };
            encoder.add_root(names);
            if f.is_shown() {
                shown += 1;
                let globals = (*f.function.cast::<ffi::PyFunctionObject>()).func_globals;
                encoder.note_frame_of_module(globals, f.code, head.stays, at)?;
            }
            let code = encoder.code_index(f.code)?;
            encoder.out.frames.push(Frame {
                code,
                instr: f.instr,
                return_offset: f.return_offset,
                flags: f.flags,
                first: at,
                nlocals: nlocals as u32,
                nstack: (f.depth - nlocals) as u32,
                reserved: 0,
            });
            at += FRAME_HEAD + f.depth as u32;
        }
        targets::check_unmoved(encoder.py(), found)?;
        let excluded = excluded(encoder, found, options)?;
        targets::check_unmoved(encoder.py(), found)?;
        let start = Start { mark: encoder.out.mark(), base, has_prefix };
        let choice = Choice { ids: &ids, dropped, excluded: &excluded, handled };
        write_values(encoder, found, &heads, base, &choice)?;
        encoder.work.heads = heads;
        Ok(start)
    }
}
