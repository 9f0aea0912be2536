//! Which dicts have changed since they were looked at, on CPython 3.11: each has a version that no other state of any
//! dict ever had. The items are those of `dict_watch.rs`.

use pyo3::ffi::{PyDictObject, PyObject};

/// Whether it is told, without asking each dict, that nothing has changed.
pub const ARE_TOLD: bool = false;

/// Nothing tells of changes: dicts have to be asked.
pub fn changes() -> Option<Vec<usize>> {
    Some(Vec::new())
}

/// The version of a dict, a stamp for [`has_changed`].
///
/// # Safety
/// E5: the GIL is held, the dict is live.
pub unsafe fn watch(dict: *mut PyObject) -> u64 {
    // SAFETY: as the caller promises.
    unsafe { (*dict.cast::<PyDictObject>()).ma_version_tag }
}

/// Whether a dict may have changed since it was given this stamp.
///
/// # Safety
/// As [`watch`].
pub unsafe fn has_changed(dict: *mut PyObject, stamp: u64, _: &[usize]) -> bool {
    // SAFETY: as the caller promises.
    unsafe { watch(dict) != stamp }
}
