//! Which dicts have changed since they were looked at, from CPython 3.12 on: the interpreter tells who watches them.
//!
//! A dict is watched until it changes for the first time, so a program that changes one again and again pays once for
//! each look.

use pyo3::ffi::{self, PyObject};
use std::ffi::c_int;
use std::sync::{Mutex, OnceLock, PoisonError};

type Callback = unsafe extern "C" fn(c_int, *mut PyObject, *mut PyObject, *mut PyObject) -> c_int;

extern "C" {
    fn PyDict_AddWatcher(callback: Callback) -> c_int;
    fn PyDict_Watch(watcher: c_int, dict: *mut PyObject) -> c_int;
    fn PyDict_Unwatch(watcher: c_int, dict: *mut PyObject) -> c_int;
}

/// Whether it is told, without asking each dict, that nothing has changed.
pub const ARE_TOLD: bool = true;

/// PyDict_EVENT_DEALLOCATED.
const DEALLOCATED: c_int = 5;
/// A stamp of a dict that is watched, and one of a dict that could not be.
const WATCHED: u64 = 0;
const UNKNOWN: u64 = 1;

static CHANGED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static WATCHER: OnceLock<Option<c_int>> = OnceLock::new();

/// The number that the interpreter gave; `None` if others have them all.
fn watcher() -> Option<c_int> {
    // SAFETY: E5: the GIL is held wherever dicts are looked at.
    *WATCHER.get_or_init(|| unsafe {
        let number = PyDict_AddWatcher(on_change);
        if number < 0 {
            ffi::PyErr_Clear();
        }
        (number >= 0).then_some(number)
    })
}

unsafe extern "C" fn on_change(
    event: c_int,
    dict: *mut PyObject,
    _: *mut PyObject,
    _: *mut PyObject,
) -> c_int {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner).push(dict as usize);
    if let (Some(Some(number)), true) = (WATCHER.get(), event != DEALLOCATED) {
        // SAFETY: E5: called by the interpreter with a live dict. Which watchers it calls was settled before.
        unsafe { PyDict_Unwatch(*number, dict) };
    }
    0
}

/// The dicts that changed since they were watched; `None` if all that were are as they were. A dict that is not
/// watched any more has to be asked for again.
pub fn changes() -> Option<Vec<usize>> {
    let changed = std::mem::take(&mut *CHANGED.lock().unwrap_or_else(PoisonError::into_inner));
    (!changed.is_empty() || watcher().is_none()).then_some(changed)
}

/// Watches a dict until it changes; gives a stamp for [`has_changed`].
///
/// # Safety
/// E5: the GIL is held, the dict is live.
pub unsafe fn watch(dict: *mut PyObject) -> u64 {
    // SAFETY: as the caller promises.
    match watcher().map(|number| unsafe { PyDict_Watch(number, dict) }) {
        Some(0) => WATCHED,
        Some(_) => {
            // SAFETY: as above.
            unsafe { ffi::PyErr_Clear() };
            UNKNOWN
        }
        None => UNKNOWN,
    }
}

/// Whether a dict may have changed since it was given this stamp.
///
/// # Safety
/// As [`watch`].
pub unsafe fn has_changed(dict: *mut PyObject, stamp: u64, changes: &[usize]) -> bool {
    stamp != WATCHED || changes.contains(&(dict as usize))
}
