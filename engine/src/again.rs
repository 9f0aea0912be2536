//! A capture of the frames that were captured last, with other values in them: what loops and monitors do.
//!
//! Part of the step "capture". The last graph is still in the builder. If it is a simple one (functions found
//! by name whose slots are numbers, short texts, singletons and ranges being iterated), its nodes are written
//! anew in their places; in all other cases it is thrown away and the stack is walked as usual. What is
//! written is the same, byte for byte.

use crate::around::Around;
use crate::capture::CaptureOptions;
use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::frame::{self, Slot};
use crate::runtime::Runtime;
use crate::values::ids::may_be_id;
use crate::values::iterator::write_range;
use crate::values::named::is_named_so;
use crate::values::settled::Settled;
use crate::values::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::frame::FRAME_HEAD;
use torpor_store::value::{flag, tag};
use torpor_store::{SnapshotBuilder, Value};

/// Nodes of a graph that is kept at most: of a longer one the walk is not what takes the time.
pub(crate) const MOST: usize = 4096;
/// Bytes of its texts and of its code records: what a thread keeps for good.
pub(crate) const MOST_TEXT: usize = 64 << 10;
const MOST_CODE: usize = 1 << 20;
/// Objects of which a graph has no second reference, as no two slots hold the same one.
const DISTINCT: usize = 8;

/// Whether nothing was asked of a capture that changes what it takes.
pub(crate) fn is_plain(options: &CaptureOptions<'_>) -> bool {
    let CaptureOptions {
        target,
        stack,
        exclude,
        keep_dead,
        state,
        by_value,
        externals,
        attach,
        on_uncapturable,
    } = options;
    let _ = stack; // says which frames these are: they are compared
    [target, exclude, state, by_value, externals, attach, on_uncapturable].iter().all(|o| o.is_none())
        && keep_dead.is_none()
}

/// Whether a node can be written anew where it stands.
fn is_slot(v: &Value) -> bool {
    match v.tag {
        tag::NULL => v.flags == 0,
        tag::TEXT => v.flags & flag::FAR == 0 && v.shared() == 0,
        tag::ITERATOR => v.len == 3 && v.shared() == 0,
        tag::NONE | tag::FALSE | tag::TRUE | tag::INT | tag::FLOAT | tag::TAGGED_INT => true,
        _ => false,
    }
}

/// Whether the graph of these frames, which was just written with plain options, can be used again.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
pub(crate) unsafe fn is_simple(builder: &SnapshotBuilder<'_>, found: &[Found]) -> bool {
    let parts = builder.arrays.len() + builder.buffer_count();
    if parts > 0 || builder.handled.is_some() || builder.values.len() > MOST {
        return false;
    }
    let has_spaces = has_spaces(builder);
    if builder.shared > 0 && !has_spaces
        || builder.data.len() > MOST_TEXT
        || builder.records.len() > MOST_CODE
    {
        return false;
    }
    let mut nodes = 0;
    for (f, saved) in found.iter().zip(&builder.frames) {
        let head = saved.first as usize;
        let slots = head + FRAME_HEAD as usize..head + FRAME_HEAD as usize + f.depth;
        // SAFETY: E2, as the caller promises.
        let plain = unsafe { is_plain_frame(f) };
        let function = &builder.values[head];
        let is_known = is_named(function) || has_spaces && matches!(function.tag, tag::FUNCTION | tag::REF);
        if !plain || !is_known {
            return false;
        }
        nodes += FRAME_HEAD as usize + f.depth;
        for v in &builder.values[slots] {
            if !is_slot(v) {
                return false;
            }
            nodes += if v.tag == tag::ITERATOR { 3 } else { 0 };
        }
    }
    has_spaces || nodes == builder.values.len()
}

/// Whether a frame has nothing but its slots.
///
/// # Safety
/// E2: it is live.
pub(crate) unsafe fn is_plain_frame(f: &Found) -> bool {
    // SAFETY: as the caller promises.
    f.flags == 0 && f.own.is_empty() && f.keeper.is_none() && unsafe { f.locals() }.is_null()
}

/// Whether a node is a function that is found by its name.
pub(crate) fn is_named(function: &Value) -> bool {
    function.tag == tag::GLOBAL && function.flags == flag::HASHED
}

/// Whether a graph has more than frames: it is used again only if that is settled.
pub(crate) fn has_spaces(builder: &SnapshotBuilder<'_>) -> bool {
    builder.spaces.len() + builder.runs.len() > 0
}

/// Writes the values of these frames over those of the last ones. False if they do not fit: then the builder
/// holds nothing of use.
///
/// # Safety
/// E1, E2: `found` was found in this very call; the builder holds a graph that [`is_simple`], with what it
/// was given for that.
pub(crate) unsafe fn refill(
    py: Python<'_>,
    runtime: &Runtime,
    builder: &mut SnapshotBuilder<'_>,
    found: &[Found],
    settled: Option<&Settled>,
    around: Option<&Around>,
) -> Result<bool, Failure> {
    if found.len() != builder.frames.len() || settled.is_none() && has_spaces(builder) {
        return Ok(false);
    }
    // SAFETY: as the caller promises.
    if around.is_none_or(|around| unsafe { !around.is_as_it_was(py, runtime, found) }) {
        return Ok(false);
    }
    // SAFETY: as the caller promises.
    if settled.is_some_and(|settled| !unsafe { settled.holds(py, runtime, found) }) {
        return Ok(false);
    }
    let mut distinct = Distinct { runtime, settled, objects: [std::ptr::null_mut(); DISTINCT], count: 0 };
    for (number, f) in found.iter().enumerate() {
        let saved = builder.frames[number];
        // SAFETY: (whole body) E2: the frame is live; nothing runs in between.
        unsafe {
            if !is_same_frame(runtime, builder, f, number)? {
                return Ok(false);
            }
            for i in 0..f.depth {
                let at = saved.first as usize + FRAME_HEAD as usize + i;
                if !write(builder, found, at, (*f.frame).slot(i), &mut distinct) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// Whether a frame stands where the one with this number stood, and runs the same function.
///
/// # Safety
/// As [`refill`].
#[inline]
pub(crate) unsafe fn is_same_frame(
    runtime: &Runtime,
    builder: &SnapshotBuilder<'_>,
    f: &Found,
    number: usize,
) -> Result<bool, Failure> {
    let saved = &builder.frames[number];
    // SAFETY: E2: the frame is live; nothing runs in between.
    unsafe {
        let same_place = is_plain_frame(f)
            && f.instr == saved.instr
            && f.return_offset == saved.return_offset
            && f.depth == (saved.nlocals + saved.nstack) as usize;
        Ok(same_place && is_same_code(runtime, builder, f, saved.code, saved.first)?)
    }
}

/// Whether the frame runs the code with this number, as the function whose name stands at `first`.
///
/// # Safety
/// As [`refill`].
#[inline]
unsafe fn is_same_code(
    runtime: &Runtime,
    builder: &SnapshotBuilder<'_>,
    f: &Found,
    number: u32,
    first: u32,
) -> Result<bool, Failure> {
    // SAFETY: (whole body) E1, E2: live objects of the types that frames have.
    unsafe {
        if builder.values[first as usize].tag != tag::GLOBAL {
            return Ok(true); // of what is settled
        }
        let known = &builder.codes[number as usize];
        let entry = code::entry(runtime, f.code)?;
        if entry.hash != known.hash() || entry.checksum != known.checksum {
            return Ok(false);
        }
        let value = builder.values[first as usize];
        is_named_so(runtime, &builder.data, value, f.function.cast())
    }
}

/// Objects that were met and may be met once only: a second reference would have to say that it is one.
struct Distinct<'a> {
    runtime: &'a Runtime,
    settled: Option<&'a Settled>,
    objects: [Object; DISTINCT],
    count: usize,
}

impl Distinct<'_> {
    /// Whether a walk would write more of this text: a module has it under a name, or what travels with the frames.
    fn is_at_home(&self, text: Object) -> bool {
        self.runtime.module_index.borrow().marks.has_text(text)
            || self.settled.is_some_and(|settled| settled.has_text(text))
    }

    #[inline]
    fn is_new(&mut self, object: Object) -> bool {
        if self.count == DISTINCT || self.objects[..self.count].contains(&object) {
            return false;
        }
        self.objects[self.count] = object;
        self.count += 1;
        true
    }
}

/// Whether a number is the id of what a slot of these frames holds.
///
/// # Safety
/// As [`refill`].
#[cold]
unsafe fn is_held(found: &[Found], n: i64) -> bool {
    // SAFETY: E2, as the caller promises.
    found.iter().any(|f| (0..f.depth).any(|i| unsafe { f.slot(i) }.object() as i64 == n))
}

/// Writes what a slot holds over the node `at`. False if that would not be the same graph.
///
/// # Safety
/// What the slot holds is live; the GIL is held. No Python code runs.
#[inline(always)]
unsafe fn write(
    builder: &mut SnapshotBuilder<'_>,
    found: &[Found],
    at: usize,
    slot: Slot,
    distinct: &mut Distinct<'_>,
) -> bool {
    let old = builder.values[at];
    let atom = match slot {
        Slot::Empty => Value::NULL,
        Slot::Int(n) => Value::atom(tag::TAGGED_INT, n as u64),
        // SAFETY: (whole arm) E1: live, and of the exact type that was just tested.
        Slot::Object(o) => unsafe {
            let kind = ffi::Py_TYPE(o);
            if kind == &raw mut ffi::PyLong_Type {
                match frame::small_int(o) {
                    Some(n) if may_be_id(n) && (distinct.settled.is_some() || is_held(found, n)) => {
                        return false
                    }
                    Some(n) => Value::atom(tag::INT, n as u64),
                    None => return false,
                }
            } else if kind == &raw mut ffi::PyUnicode_Type {
                return old.tag == tag::TEXT && write_text(builder, old, o, distinct);
            } else if kind == &raw mut ffi::PyFloat_Type {
                let number = ffi::PyFloat_AS_DOUBLE(o);
                if number.is_nan() && ffi::Py_REFCNT(o) > 1 {
                    return false; // which one it is makes a difference
                }
                Value::atom(tag::FLOAT, number.to_bits())
            } else if kind == &raw mut frame::PyRangeIter_Type {
                if old.tag != tag::ITERATOR || !distinct.is_new(o) {
                    return false;
                }
                let rest = frame::range_rest(o);
                let three = old.low() as usize..old.low() as usize + 3;
                write_range(&mut builder.values[three], rest);
                return true;
            } else if o == ffi::Py_None() {
                Value::NONE
            } else if o == ffi::Py_True() {
                Value::atom(tag::TRUE, 0)
            } else if o == ffi::Py_False() {
                Value::atom(tag::FALSE, 0)
            } else {
                return false;
            }
        },
    };
    // A text or an iterator has more than its node: that would be left over.
    if matches!(old.tag, tag::TEXT | tag::ITERATOR) {
        return false;
    }
    builder.values[at] = atom;
    true
}

/// Writes a text of the same length and kind over the one of the node `old`.
///
/// # Safety
/// `o` is a live exact `str`.
#[inline]
unsafe fn write_text(
    builder: &mut SnapshotBuilder<'_>,
    old: Value,
    o: Object,
    distinct: &mut Distinct<'_>,
) -> bool {
    // SAFETY: E1, as the caller promises; a compact ASCII text has `length` bytes at its data pointer.
    unsafe {
        let (plain, interned) = frame::text_is_plain(o);
        let flags = flag::ASCII | if interned { flag::INTERNED } else { 0 };
        let length = ffi::PyUnicode_GET_LENGTH(o) as usize;
        if !plain || flags != old.flags || length != old.len as usize {
            return false;
        }
        if !interned && (!distinct.is_new(o) || distinct.is_at_home(o)) {
            return false;
        }
        let bytes = std::slice::from_raw_parts(ffi::PyUnicode_DATA(o).cast::<u8>(), length);
        let start = old.low() as usize;
        builder.data[start..start + length].copy_from_slice(bytes);
    }
    true
}
