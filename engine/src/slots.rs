//! What is in the slots of the captured frames, written: the last part of the step "capture".

use crate::error::Failure;
use crate::found::Found;
use crate::frame::Slot;
use crate::values::encode::{Encoder, ROOT};
use crate::values::keyed::{self, HeldId};
use crate::values::prefix::Head;
use crate::values::Object;
use torpor_store::frame::FRAME_HEAD;
use torpor_store::value::{flag, tag};
use torpor_store::Value;

/// Which values of the frames are written, and what instead of them.
pub(crate) struct Choice<'a> {
    /// Slots with an id, which a number of the adopter's stands for.
    pub ids: &'a [HeldId],
    /// Slots that are empty in the snapshot.
    pub dropped: &'a [(usize, usize)],
    /// Slots that are left out, as was asked for.
    pub excluded: &'a [(usize, usize)],
    /// What the frames handle; NULL: nothing.
    pub handled: Object,
}

impl Default for Choice<'_> {
    /// All of them, as they are.
    fn default() -> Self {
        Choice { ids: &[], dropped: &[], excluded: &[], handled: std::ptr::null_mut() }
    }
}

/// Writes what is in the slots of the frames, from node `base` on, and all that this reaches.
///
/// # Safety
/// E1, E2: `found` was found in this very call; nothing returned to Python since.
pub(crate) unsafe fn write_values(
    encoder: &mut Encoder<'_>,
    found: &[Found],
    heads: &[Head],
    base: u32,
    choice: &Choice<'_>,
) -> Result<(), Failure> {
    // SAFETY: (whole body) as the caller promises.
    unsafe {
        // A borrowed object has more holders than references: it is given one more, so that the walk sees
        // that it is shared.
        for f in found {
            for i in 0..f.depth {
                if f.borrows(i) {
                    encoder.keep(f.slot(i).object());
                }
            }
        }
        let mut at = base;
        // The part of the run in which something is left to write.
        let (mut first, mut end) = (u32::MAX, 0);
        let mut pending = |slot: u32, left: bool| {
            if left {
                first = first.min(slot);
                end = slot + 1;
            }
        };
        for (number, f) in found.iter().enumerate() {
            match heads[number].named {
                Some(value) => encoder.out.values[at as usize] = value,
                None => pending(at, encoder.put(f.function, at)?),
            }
            let locals = f.locals();
            if !locals.is_null() {
                pending(at + 1, encoder.put(locals, at + 1)?);
            }
            for i in 0..f.depth {
                let place = at + FRAME_HEAD + i as u32;
                let value = match f.slot(i) {
                    Slot::Object(value) if !choice.dropped.contains(&(number, i)) => value,
                    Slot::Int(n) => {
                        encoder.out.values[place as usize] = Value::atom(tag::TAGGED_INT, n as u64);
                        continue;
                    }
                    _ => continue,
                };
                let value = keyed::written(choice.ids, number, i, value);
                if choice.excluded.contains(&(number, i)) {
                    encoder.out.values[place as usize].flags = flag::LEFT_OUT;
                } else {
                    pending(place, encoder.put(value, place)?);
                }
            }
            at += FRAME_HEAD + f.depth as u32;
        }
        if !choice.handled.is_null() {
            encoder.out.handled = Some(at);
            pending(at, encoder.put(choice.handled, at)?);
        }
        if end == 0 {
            return Ok(());
        }
        encoder.open(ROOT, first, end - first, u32::MAX, None);
        encoder.drain()
    }
}
