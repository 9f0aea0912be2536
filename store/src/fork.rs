//! `fork`: the child is a process of its own, and what it holds it keeps holding.
//!
//! The child inherits the open file description whose lock says "the parent lives". So before the fork
//! a process entry is taken for the child and locked through a new description, and the parent's pins
//! are copied to it. After the fork the parent closes that description (the child still has it) and the
//! child drops the parent's (the parent still has it): either can be killed and is seen to be dead.
//! Invariant S11.

use crate::attachment::{attached, Attachment, Lists};
use crate::buffer::Buffers;
use crate::layout::MAX_PROCESSES;
use crate::slot::BUSY;
use crate::sys;
use std::cell::RefCell;
use std::fs::File;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, MutexGuard, Once, Weak};

static INSTALLED: Once = Once::new();

/// Registers the handlers, once in a process.
pub(crate) fn install() {
    INSTALLED.call_once(|| {
        // SAFETY: the handlers are functions of this library, which is never unloaded once it has
        // registered them (glibc drops the handlers of an unloaded library by its own handle).
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    });
}

/// One attachment while the fork happens: its locks are held, so that no thread of the parent is inside.
struct Held {
    // Guards before what they guard: fields are dropped in this order.
    file: MutexGuard<'static, File>,
    _lists: MutexGuard<'static, Lists>,
    buffers: MutexGuard<'static, Buffers>,
    /// The child's entry and the description that locks it; `None` if there was none to be had.
    entry: Option<(u32, File)>,
    attachment: Arc<Attachment>,
}

struct Forking {
    held: Vec<Held>,
    _table: MutexGuard<'static, Vec<Weak<Attachment>>>,
}

thread_local! {
    static FORKING: RefCell<Option<Forking>> = const { RefCell::new(None) };
}

extern "C" fn prepare() {
    let table = attached();
    let mut held = Vec::new();
    for attachment in table.iter().filter_map(Weak::upgrade) {
        // SAFETY: the guards' borrow of the attachment is extended; `Held` keeps it alive by its own
        // reference, dropped after the guards.
        let long: &'static Attachment = unsafe { &*Arc::as_ptr(&attachment) };
        let buffers = long.buffers();
        let file = long.lock_file();
        let entry = sys::reopen(&file).ok().and_then(|own| {
            let index = attachment.take_entry(&own).ok()?;
            attachment.copy_pins(index);
            Some((index, own))
        });
        held.push(Held { file, _lists: long.lists(), buffers, entry, attachment });
    }
    FORKING.with(|f| *f.borrow_mut() = Some(Forking { held, _table: table }));
}

extern "C" fn parent() {
    // Dropping closes the parent's copy of the child's description. If the fork failed, that unlocks the
    // entry, and whoever comes next reaps it.
    let forking = FORKING.with(|f| f.borrow_mut().take());
    drop(forking);
}

extern "C" fn child() {
    let Some(mut forking) = FORKING.with(|f| f.borrow_mut().take()) else { return };
    for held in &mut forking.held {
        match held.entry.take() {
            Some((index, own)) => {
                *held.file = own; // closes the child's copy of the parent's description
                held.attachment.become_process(index);
            }
            None => {
                // Without an entry the child must neither look like the parent nor touch its pins.
                if let Ok(null) = File::open("/dev/null") {
                    *held.file = null;
                }
                held.buffers.part_from_the_parent(&held.attachment.data_read_only);
                held.attachment.set_me(MAX_PROCESSES);
            }
        }
    }
}

impl Attachment {
    fn pinned_here(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..self.meta.slots_ready())
            .filter_map(|i| Some((i, self.count(i)?.load(Relaxed))))
            .filter(|(_, n)| *n != 0)
    }

    /// Sets the pins of another process entry as they are here.
    fn copy_pins(&self, index: u32) {
        for (slot, _) in self.pinned_here() {
            if let Some(row) = self.meta.pins(slot) {
                row.0[index as usize / 64].fetch_or(1 << (index % 64), SeqCst);
            }
        }
    }

    /// In the child: takes on the entry that was prepared. Pins that a thread of the parent was taking
    /// or giving back at the moment of the fork are nobody's here: those threads do not exist.
    fn become_process(&self, index: u32) {
        self.set_me(index);
        self.pid.store(std::process::id(), SeqCst);
        if let Some(entry) = self.meta.process(index) {
            entry.pid.store(std::process::id(), SeqCst);
        }
        let (word, bit) = (index as usize / 64, 1u64 << (index % 64));
        for slot in 0..self.meta.slots_ready() {
            let (Some(count), Some(row)) = (self.count(slot), self.meta.pins(slot)) else { break };
            if count.load(Relaxed) == BUSY {
                count.store(0, SeqCst);
            }
            let holds = count.load(Relaxed) != 0;
            if holds != (row.0[word].load(Relaxed) & bit != 0) {
                if holds {
                    row.0[word].fetch_or(bit, SeqCst);
                } else {
                    row.0[word].fetch_and(!bit, SeqCst);
                }
            }
        }
    }
}
