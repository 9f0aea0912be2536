//! From a claimed slot to a published snapshot, and both at once for what has no buffers.
//!
//! Step "region" of the flow. What a publish will touch is asked for early: the key's bucket, its node, the snapshot
//! that it leads to. Each lies on a cache line of its own, which another processor may have, or none.

use crate::atomic::AtomicU32;
use crate::attachment::Attachment;
use crate::capture::SnapshotBuilder;
use crate::error::StoreError;
use crate::key::{refusal, Kept, Key};
use crate::layout::{Node, Slot, MAX_PROCESSES};
use crate::names::{Name, LINK};
use crate::region::{self, Plan};
use crate::slot::{Word, LINKING, PUBLISHED};
use crate::snapshot::Snapshot;
use crate::space::class_for;
use crate::store::Store;
use crate::sys::{self, crash_point};
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};

/// A slot in WRITING (mine) that is given back when this goes.
struct Claimed<'a> {
    attachment: &'a Attachment,
    slot: u32,
    word: Word,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.attachment.abandon(self.slot, self.word);
    }
}

impl Attachment {
    #[inline(always)]
    fn expect_bucket(&self, key: &Key<'_>) {
        if let Ok(bucket) = self.bucket(key.hash) {
            sys::expect_read(bucket);
        }
    }

    /// The first node of the key's bucket, which rarely has two.
    #[inline(always)]
    fn expect_node(&self, key: &Key<'_>) -> Option<(u32, &Node)> {
        let index = (self.bucket(key.hash).ok()?.load(Relaxed) as u32 & 0xff_ffff).checked_sub(1)?;
        let node = self.meta.node(index)?;
        sys::expect_read(node);
        Some((index, node))
    }

    /// If it is the key's, where it leads; what lies there will be replaced.
    #[inline(always)]
    fn expect_old(&self, key: &Key<'_>, index: u32, node: &Node) -> Option<Name> {
        let link = Name(node.word.load(SeqCst));
        if link.kind() != LINK || !self.is_of(index, node, key) {
            return None;
        }
        sys::expect_write(self.meta.slot(link.index())?);
        sys::expect_read(self.meta.pins(link.index())?);
        Some(link)
    }

    /// Makes a key lead to a slot of mine that is LINKING if it still leads where it was seen to lead, with the key's
    /// text read after that. A link is never made twice, so the node was the key's all the time, and in its bucket
    /// (S16).
    #[inline(always)]
    fn replace(&self, (index, node, old): (u32, &Node, Name), slot: &Slot, link: Name) -> bool {
        slot.name_generation.store(node.generation.load(Relaxed), Relaxed);
        slot.name.store(index + 1, Relaxed);
        node.word.compare_exchange(old.0, link.0, SeqCst, SeqCst).is_ok()
    }

    /// Where the slot of a snapshot is noted, in a table of this size. One number after the other goes to another cache
    /// line: processes that publish in turn do not write to the same one.
    #[inline(always)]
    pub(crate) fn id_hint(&self, id: u64, size: u32) -> Option<&AtomicU32> {
        let lines = size / 16;
        let line = id as u32 & lines.checked_sub(1)?;
        let place = (id >> lines.trailing_zeros()) as u32 % 16;
        self.meta.id_hint(line * 16 + place)
    }

    /// Seals the region of a slot that is WRITING (mine) and publishes it; with a key, makes the key lead here,
    /// wakes who waits for it, and lets go of what it led to before. Returns the snapshot's number. After an error the
    /// slot is WRITING as before. Unless it is held, it may be another's at any moment from the swap of the key on.
    #[inline]
    pub(crate) fn publish_slot<const HOLD: bool>(
        &self,
        index: u32,
        word: Word,
        plan: &Plan,
        region: *mut u8,
        key: Option<&Key<'_>>,
    ) -> Result<u64, StoreError> {
        let known = key.and_then(|key| {
            let (index, node) = self.expect_node(key)?;
            Some((index, node, self.expect_old(key, index, node)?))
        });
        let slot = self.meta.slot(index).ok_or_else(|| self.corrupt("a slot is missing"))?;
        let id = self.meta.header().next_id.0.fetch_add(1, SeqCst);
        // SAFETY: invariant S3: still ours alone.
        unsafe { region::seal(plan, region) };
        slot.id.store(id, Relaxed);
        slot.length.store(plan.region_length, Relaxed);
        slot.name.store(0, Relaxed);
        let attached = if HOLD { self.pin(index) } else { self.me() < MAX_PROCESSES };
        if !attached {
            let what = "this process is not attached to the store".to_string();
            return Err(StoreError::Invalid { what });
        }
        crash_point!("publish: pinned, still writing");
        match key {
            None => slot.word.store(word.with(0, PUBLISHED).0, Release),
            Some(key) => {
                let linking = word.with(self.me(), LINKING);
                slot.word.store(linking.0, Release);
                crash_point!("publish: linking");
                let link = Name::link(index, word.generation());
                let replaced = known.filter(|known| self.replace(*known, slot, link)).map(|known| known.2);
                let old = match replaced.map_or_else(|| self.bind(key, slot, link), |old| Ok(Some(old))) {
                    Ok(old) => old,
                    Err(e) => {
                        if slot.swap_from(linking, word) && HOLD {
                            self.unpin(index);
                        }
                        return Err(e);
                    }
                };
                crash_point!("publish: linked");
                // Fails if somebody has replaced it already: then it is retired, and only a pin holds it.
                slot.swap_from(linking, linking.with(0, PUBLISHED));
                crash_point!("publish: published");
                self.announce(key.hash);
                if let Some(old) = old {
                    crash_point!("publish: old unlinked, not retired");
                    self.retire(old.index(), old.generation());
                }
            }
        }
        if let Some(hint) = self.id_hint(id, self.meta.slots_ready()) {
            hint.store(index + 1, Relaxed);
        }
        Ok(id)
    }
}

impl Store {
    /// Publishes what the builder holds, held: [`reserve_for`](Self::reserve_for), the copies and
    /// [`Reservation::publish`](crate::Reservation::publish) in one, and faster if there are no buffers.
    pub fn publish(
        &self,
        builder: &SnapshotBuilder<'_>,
        key: Option<&str>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<Snapshot, StoreError> {
        match self.publish_graph::<true>(builder, key)? {
            Some((slot, id, offset)) => {
                let (length, kept) = (builder.plan().region_length, Kept::of_checked(key));
                Ok(Snapshot::of_slot(self.clone(), slot, id, offset, length, kept, None))
            }
            None => self.publish_slowly(builder, key, interrupt),
        }
    }

    /// As [`publish`](Self::publish), and lets go of the snapshot: returns its number. For who publishes again and
    /// again and does not look at it.
    pub fn post(
        &self,
        builder: &SnapshotBuilder<'_>,
        key: Option<&str>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<u64, StoreError> {
        match self.publish_graph::<false>(builder, key)? {
            Some((_, id, _)) => Ok(id),
            None => self.publish_slowly(builder, key, interrupt).map(|s| s.id()),
        }
    }

    #[cold]
    fn publish_slowly(
        &self,
        builder: &SnapshotBuilder<'_>,
        key: Option<&str>,
        interrupt: &mut dyn FnMut() -> bool,
    ) -> Result<Snapshot, StoreError> {
        let mut reservation = self.reserve_for(builder, key, interrupt)?;
        reservation.copy_buffers();
        reservation.publish(key)
    }

    /// Publishes a graph without buffers; returns its slot, its number and where it lies. `None` if that takes more:
    /// there are buffers, or no room.
    #[inline(always)]
    fn publish_graph<const HOLD: bool>(
        &self,
        builder: &SnapshotBuilder<'_>,
        key: Option<&str>,
    ) -> Result<Option<(u32, u64, u64)>, StoreError> {
        let a = self.attachment();
        a.alive()?;
        let checked = match key {
            None => None,
            Some(text) => match Key::checked(text) {
                None => return Err(refusal(text)),
                key => key,
            },
        };
        let key = checked.as_ref();
        if let Some(key) = key {
            a.expect_bucket(key);
        }
        if builder.buffer_count() > 0 {
            return Ok(None);
        }
        sys::expect_write(&a.meta.header().next_id);
        let plan = Plan::new(builder, &[]);
        plan.check()?;
        let base = a.writable()?;
        let hot = a.claim_hot(class_for(plan.region_length, a.meta.shape.chunk()));
        let (claimed, offset) = match hot {
            Some((slot, word, offset)) => (Claimed { attachment: a, slot, word }, offset),
            None => {
                let (slot, word, place) = match a.claim(plan.region_length, false) {
                    Ok(claim) => claim,
                    // The store may have been made to wait for room, or to make some.
                    Err(StoreError::Full { .. }) => return Ok(None),
                    Err(e) => return Err(e),
                };
                let claimed = Claimed { attachment: a, slot, word };
                a.back_run(&place, &plan, builder, &[])?;
                (claimed, place.offset())
            }
        };
        // SAFETY: invariant S7: a checked place lies inside the data file, which is mapped whole.
        let region = unsafe { base.add(offset as usize) };
        a.write_graph(builder, &plan, &[], region);
        let (slot, word) = (claimed.slot, claimed.word);
        let id = a.publish_slot::<HOLD>(slot, word, &plan, region, key)?;
        std::mem::forget(claimed);
        Ok(Some((slot, id, offset)))
    }
}
