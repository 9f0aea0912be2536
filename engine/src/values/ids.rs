//! Numbers that are the `id()` of an object which travels too, or that of the thread: in the adopter they are its id there.
//!
//! Programs keep ids in sets, in keys of dicts and in variables. A walk notes the numbers that could be addresses; if one
//! of them is that of an object which the walk wrote, another walk writes the number as a call of `id`.

use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::Failure;
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use rustc_hash::FxBuildHasher;

/// What a walk found out about ids.
#[derive(Default)]
pub(crate) struct Ids {
    /// Numbers that could be ids, of this walk.
    pub(super) maybe: Vec<usize>,
    /// Objects by their ids, which some number is: for all walks of one capture.
    known: HashMap<usize, Strong, FxBuildHasher>,
    /// Whether the walk notes what has one holder only, too, for a number may be its id: likewise.
    pub(super) of_all: bool,
}

/// From here on the system maps memory, and loads programs that can be loaded anywhere, their heap behind them.
const MAPPED: i64 = 1 << 45;
/// Where addresses of processes end.
const END: i64 = 1 << 47;
/// Where other programs are loaded.
const FIXED: i64 = 0x40_0000;

/// Whether a number could be an address: of what malloc gives, or of an object that the interpreter brings.
#[inline(always)]
pub(crate) fn may_be_id(n: i64) -> bool {
    n & 15 == 0 && (FIXED..END).contains(&n) && (n >= MAPPED || is_in_program(n))
}

/// Whether an address is in a program that is loaded where it says, or in its heap behind it.
#[cold]
fn is_in_program(n: i64) -> bool {
    // SAFETY: it only tells where the heap ends.
    let end = unsafe { libc::sbrk(0) } as i64;
    end < MAPPED && n < end
}

impl Encoder<'_> {
    /// Whether a number is written as the id of an object.
    #[inline(always)]
    pub(super) fn is_id(&mut self, n: i64) -> bool {
        if !may_be_id(n) {
            return false;
        }
        self.work.ids.maybe.push(n as usize);
        !self.work.ids.known.is_empty() && self.work.ids.known.contains_key(&(n as usize))
    }

    /// After a walk: asks for another one if a number that was written as such is the id of what was written.
    pub(crate) fn note_ids(&mut self) -> Result<(), Failure> {
        // SAFETY: it only tells a number.
        let thread = unsafe { ffi::PyThread_get_thread_ident() } as usize;
        for n in std::mem::take(&mut self.work.ids.maybe) {
            if n == thread && !self.work.ids.known.contains_key(&n) {
                let stand_in = self.runtime.engine.bind(self.py).getattr("THIS_THREAD")?;
                self.work.ids.known.insert(n, Strong(stand_in.into_ptr()));
                self.work.walk_again = true;
                continue;
            }
            let known = self.work.memo.contains_key(&n) || self.work.ids.known.contains_key(&n);
            if !self.work.ids.of_all && n as i64 >= MAPPED && !known {
                self.work.ids.of_all = true;
                self.work.walk_again = true;
            }
            if self.work.memo.contains_key(&n) && !self.work.ids.known.contains_key(&n) {
                // SAFETY: E5: what the memo knows is held by the walk; the GIL is held.
                let object = unsafe { Strong::borrowed(n as Object) };
                self.work.ids.known.insert(n, object);
                self.work.walk_again = true;
            }
        }
        Ok(())
    }

    /// Writes a number that is an id.
    pub(super) fn id_of(&mut self, number: Strong, n: i64, slot: u32) -> Result<(), Failure> {
        let Some(object) = self.work.ids.known.get(&(n as usize)) else { return Ok(()) };
        if self.work.constructing.contains_key(&(n as usize)) {
            let reason =
                "it is the id() of the object whose constructor takes it; let the object ask for it itself";
            self.refuse(slot, reason.into());
            return Ok(());
        }
        // SAFETY: E5: held by the map.
        let object = unsafe { Bound::from_borrowed_ptr(self.py, object.0) };
        let parts = self.runtime.engine.bind(self.py).getattr("reduce_id")?.call1((object,));
        self.reduced(number, slot, parts)
    }
}
