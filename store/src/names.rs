//! Keys: a hash table whose every structural change is one compare-and-swap on a bucket's head.
//!
//! A bucket is a chain of nodes. A node enters at the head and leaves only from the head, and its
//! `next`, hash and text never change while it is in the chain; the head carries a tag that grows with
//! every change. So whoever reads a chain and finds the head unchanged afterwards has seen the chain as
//! it was, and two processes cannot both enter a new key. Invariant S6.
//!
//! What a key means is one word of its node: the link to a slot, or EMPTY. A node is given up by sealing
//! EMPTY as DEAD, after which nobody links it again, and popping it when it has come to the head.

use crate::atomic::AtomicU64;
use crate::attachment::Attachment;
use crate::error::StoreError;
use crate::key::Key;
use crate::layout::{Node, Slot, HEAD_TEXT, KEY_CELL, MAX_KEY};
use crate::sys::crash_point;
use std::sync::atomic::fence;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

pub(crate) const NODE_FREE: u8 = 0;
pub(crate) const CLAIMED: u8 = 1;
pub(crate) const EMPTY: u8 = 2;
pub(crate) const LINK: u8 = 3;
pub(crate) const DEAD: u8 = 4;

/// `generation:40 | slot or owner:20 | kind:4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub u64);

impl Name {
    pub(crate) fn new(generation: u64, index: u32, kind: u8) -> Name {
        Name(generation << 24 | u64::from(index & 0xf_ffff) << 4 | u64::from(kind))
    }
    pub(crate) fn link(slot: u32, generation: u64) -> Name {
        Name::new(generation, slot, LINK)
    }
    pub(crate) fn kind(self) -> u8 {
        self.0 as u8 & 15
    }
    /// The slot of a link, the owner of a claim.
    pub(crate) fn index(self) -> u32 {
        (self.0 >> 4) as u32 & 0xf_ffff
    }
    pub(crate) fn generation(self) -> u64 {
        self.0 >> 24
    }
}

const TAG: u64 = 1 << 24;

/// A key's node and what it said while it was certainly in its bucket.
pub(crate) type Found = (u32, Name);

impl Attachment {
    #[inline(always)]
    pub(crate) fn bucket(&self, hash: u64) -> Result<&AtomicU64, StoreError> {
        let index = hash as u32 & (self.meta.shape.buckets - 1);
        self.meta.bucket(index).ok_or_else(|| self.corrupt("a bucket is missing"))
    }

    /// Looks the key up; also returns the head under which the answer is true.
    #[inline(always)]
    pub(crate) fn find(&self, key: &Key<'_>) -> Result<(u64, Option<Found>), StoreError> {
        let bucket = self.bucket(key.hash)?;
        let ready = self.meta.nodes_ready();
        'again: loop {
            let head = bucket.load(SeqCst);
            let mut at = head as u32 & 0xff_ffff;
            let mut steps = 0;
            let mut found = None;
            while at != 0 {
                let (Some(node), true) = (self.meta.node(at - 1), steps <= ready) else {
                    if bucket.load(SeqCst) != head {
                        continue 'again;
                    }
                    return Err(self.corrupt("a chain of keys has no end"));
                };
                if self.is_of(at - 1, node, key) {
                    let word = Name(node.word.load(SeqCst));
                    if !matches!(word.kind(), DEAD | NODE_FREE) {
                        found = Some((at - 1, word));
                        break;
                    }
                }
                at = node.next.load(Relaxed);
                steps += 1;
            }
            fence(Acquire);
            if bucket.load(SeqCst) == head {
                return Ok((head, found));
            }
        }
    }

    /// Whether the node has the key's text.
    #[inline(always)]
    pub(crate) fn is_of(&self, index: u32, node: &Node, key: &Key<'_>) -> bool {
        let head = node.text.iter().zip(key.head).all(|(word, part)| word.load(Relaxed) == part);
        let tail = || {
            let cell = self.meta.key_cell(index);
            cell.is_some_and(|cell| key.tail().zip(cell).all(|(part, word)| word.load(Relaxed) == part))
        };
        node.hash.load(Relaxed) == key.hash
            && head
            && node.length.load(Relaxed) as usize == key.len()
            && (key.len() <= HEAD_TEXT || tail())
    }

    /// Whether what [`find`](Self::find) returned is still so: two words, to be looked at again and again.
    pub(crate) fn is_as_found(&self, key: &Key<'_>, head: u64, found: Option<Found>) -> bool {
        match found {
            Some((node, word)) => self.meta.node(node).is_some_and(|n| n.word.load(SeqCst) == word.0),
            None => self.bucket(key.hash).is_ok_and(|bucket| bucket.load(SeqCst) == head),
        }
    }

    /// The key of a node, if the node belongs to a key now and did all the time.
    pub(crate) fn key_of(&self, node: u32, generation: Option<u64>) -> Option<(String, Name)> {
        let (n, cell) = (self.meta.node(node)?, self.meta.key_cell(node)?);
        let in_use = |w: Name| matches!(w.kind(), LINK | EMPTY);
        let before = n.generation.load(SeqCst);
        let word = Name(n.word.load(SeqCst));
        let length = n.length.load(Relaxed) as usize;
        let mut bytes = [0u8; HEAD_TEXT + KEY_CELL];
        for (part, w) in bytes.chunks_exact_mut(8).zip(n.text.iter().chain(cell)) {
            part.copy_from_slice(&w.load(Relaxed).to_le_bytes());
        }
        fence(Acquire);
        let after = Name(n.word.load(SeqCst));
        let same = n.generation.load(SeqCst) == before && generation.is_none_or(|g| g == before);
        if !in_use(word) || !in_use(after) || !same || length > MAX_KEY {
            return None;
        }
        Some((std::str::from_utf8(&bytes[..length]).ok()?.to_string(), word))
    }

    /// The slot and generation that the key leads to.
    #[inline(always)]
    pub(crate) fn lookup(&self, key: &Key<'_>) -> Result<Option<(u32, u64)>, StoreError> {
        let (_, found) = self.find(key)?;
        Ok(found.and_then(|(_, w)| (w.kind() == LINK).then(|| (w.index(), w.generation()))))
    }

    /// Makes the key lead to a slot of mine that is LINKING; returns where it led before.
    #[cold]
    pub(crate) fn bind(&self, key: &Key<'_>, slot: &Slot, link: Name) -> Result<Option<Name>, StoreError> {
        let mut fresh: Option<(u32, Name)> = None;
        let result = loop {
            let (head, found) = self.find(key)?;
            let (node, seen) = match (found, fresh) {
                (Some(found), _) => found,
                (None, None) => {
                    fresh = Some(self.claim_node()?);
                    continue;
                }
                (None, Some((node, claimed))) => {
                    let Some(n) = self.meta.node(node) else { break None };
                    n.hash.store(key.hash, Relaxed);
                    n.length.store(key.len() as u32, Relaxed);
                    n.text.iter().zip(key.head).for_each(|(w, part)| w.store(part, Relaxed));
                    if let Some(cell) = self.meta.key_cell(node).filter(|_| key.len() > HEAD_TEXT) {
                        key.tail().zip(cell).for_each(|(part, w)| w.store(part, Relaxed));
                    }
                    n.next.store(head as u32 & 0xff_ffff, Relaxed);
                    crash_point!("node: written");
                    let new = (head & !(TAG - 1)).wrapping_add(TAG) | u64::from(node + 1);
                    if self.bucket(key.hash)?.compare_exchange(head, new, SeqCst, SeqCst).is_err() {
                        continue;
                    }
                    crash_point!("node: in its bucket");
                    fresh = None;
                    (node, claimed)
                }
            };
            let Some(n) = self.meta.node(node) else { break None };
            // Seen by whoever sees the link, or that the slot is published: both are told by what releases.
            slot.name_generation.store(n.generation.load(Relaxed), Relaxed);
            slot.name.store(node + 1, Relaxed);
            if n.word.compare_exchange(seen.0, link.0, SeqCst, SeqCst).is_ok() {
                break (seen.kind() == LINK).then_some(seen);
            }
        };
        if let Some((node, claimed)) = fresh {
            self.unclaim_node(node, claimed);
        }
        Ok(result)
    }

    /// Takes the link away if the key still leads there; the caller retires the slot.
    pub(crate) fn unlink(&self, node: u32, link: Name, hash: u64) -> bool {
        let Some(n) = self.meta.node(node) else { return false };
        let empty = Name::new(n.generation.load(SeqCst), 0, EMPTY);
        if n.word.compare_exchange(link.0, empty.0, SeqCst, SeqCst).is_err() {
            return false;
        }
        crash_point!("name: emptied");
        self.pop(hash);
        true
    }

    /// Deletes the key; returns the slot and generation that it led to.
    pub(crate) fn unlink_key(&self, key: &Key<'_>) -> Result<Option<(u32, u64)>, StoreError> {
        loop {
            match self.find(key)?.1 {
                Some((node, word)) if word.kind() == LINK => {
                    if self.unlink(node, word, key.hash) {
                        return Ok(Some((word.index(), word.generation())));
                    }
                }
                _ => return Ok(None),
            }
        }
    }

    /// Frees the nodes at a bucket's head that mean nothing any more.
    pub(crate) fn pop(&self, hash: u64) {
        let Ok(bucket) = self.bucket(hash) else { return };
        loop {
            let head = bucket.load(SeqCst);
            let at = head as u32 & 0xff_ffff;
            let Some(node) = at.checked_sub(1).and_then(|i| self.meta.node(i)) else { return };
            let mut word = Name(node.word.load(SeqCst));
            let next = node.next.load(SeqCst);
            if bucket.load(SeqCst) != head {
                continue;
            }
            if word.kind() == EMPTY {
                let dead = Name::new(word.generation(), 0, DEAD);
                if node.word.compare_exchange(word.0, dead.0, SeqCst, SeqCst).is_err() {
                    continue;
                }
                crash_point!("name: sealed");
                word = dead;
            }
            if word.kind() != DEAD {
                return;
            }
            let new = (head & !(TAG - 1)).wrapping_add(TAG) | u64::from(next & 0xff_ffff);
            if bucket.compare_exchange(head, new, SeqCst, SeqCst).is_ok() {
                crash_point!("name: popped, not free");
                self.unclaim_node(at - 1, word);
            }
        }
    }

    /// Whether the node is in the chain of its bucket.
    pub(crate) fn is_in_bucket(&self, node: u32) -> bool {
        let Some(n) = self.meta.node(node) else { return false };
        let Ok(bucket) = self.bucket(n.hash.load(SeqCst)) else { return false };
        'again: loop {
            let head = bucket.load(SeqCst);
            let mut at = head as u32 & 0xff_ffff;
            for _ in 0..=self.meta.nodes_ready() {
                if at == 0 || at == node + 1 {
                    break;
                }
                at = self.meta.node(at - 1).map_or(0, |n| n.next.load(SeqCst));
            }
            if bucket.load(SeqCst) != head {
                continue 'again;
            }
            return at == node + 1;
        }
    }

    fn claim_node(&self) -> Result<(u32, Name), StoreError> {
        let mut lists = self.lists();
        loop {
            let ready = self.meta.nodes_ready();
            while let Some(index) = lists.nodes.pop() {
                let Some(node) = self.meta.node(index).filter(|_| index < ready) else { continue };
                let word = Name(node.word.load(SeqCst));
                let claimed = Name::new(word.generation() + 1, self.me(), CLAIMED);
                if word.kind() == NODE_FREE
                    && node.word.compare_exchange(word.0, claimed.0, SeqCst, SeqCst).is_ok()
                {
                    node.generation.store(claimed.generation(), SeqCst);
                    crash_point!("node: claimed");
                    return Ok((index, claimed));
                }
            }
            let free =
                |i: &u32| self.meta.node(*i).is_some_and(|n| Name(n.word.load(Relaxed)).kind() == NODE_FREE);
            lists.nodes.extend((0..ready).filter(free).take(1024));
            // Few left: growing now keeps the search short for every later key.
            let few = lists.nodes.len() < (ready as usize / 16).max(1);
            if few && !self.grow_nodes()? && lists.nodes.is_empty() {
                return Err(self.full(0, "it has as many keys as it can have"));
            }
        }
    }

    /// CLAIMED (mine, in no bucket) or DEAD (popped) to FREE.
    pub(crate) fn unclaim_node(&self, index: u32, word: Name) -> bool {
        let Some(node) = self.meta.node(index) else { return false };
        let free = Name::new(word.generation(), 0, NODE_FREE);
        let done = node.word.compare_exchange(word.0, free.0, SeqCst, SeqCst).is_ok();
        if done {
            let mut lists = self.lists();
            if lists.nodes.len() < 4096 {
                lists.nodes.push(index);
            }
        }
        done
    }
}
