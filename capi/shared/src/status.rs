//! Status numbers, as C sees them. The table is the store crate's; a test compares the two.

use std::ffi::c_char;

/// Success.
pub const TORPOR_OK: i32 = 0;
/// An argument makes no sense: a NULL pointer, a text that is not UTF-8, a wrong size.
pub const TORPOR_E_INVALID_ARGUMENT: i32 = 1;
/// A Python exception; it is left set. Only torpor_python.h.
pub const TORPOR_E_PYTHON: i32 = 2;
/// There is no memory.
pub const TORPOR_E_NO_MEMORY: i32 = 3;
/// A defect of torpor itself; nothing was done, or it was done in part.
pub const TORPOR_E_PANIC: i32 = 4;
/// The operating system refused; error_number is its errno.
pub const TORPOR_E_IO: i32 = 5;
/// A wait was interrupted.
pub const TORPOR_E_INTERRUPTED: i32 = 6;
/// The time given to a wait is over.
pub const TORPOR_E_TIMEOUT: i32 = 7;
/// This interpreter or operating system cannot be served.
pub const TORPOR_E_UNSUPPORTED_PLATFORM: i32 = 8;
/// The snapshot has no such local, item or attachment.
pub const TORPOR_E_NOT_FOUND: i32 = 9;

/// The store cannot do it, for another reason than those below.
pub const TORPOR_E_STORE: i32 = 100;
/// There is no such store, or it was destroyed.
pub const TORPOR_E_STORE_NOT_FOUND: i32 = 101;
/// The store's capacity, or the file system, is used up.
pub const TORPOR_E_STORE_FULL: i32 = 102;
/// The store's own tables are damaged.
pub const TORPOR_E_STORE_CORRUPT: i32 = 103;
/// The store belongs to another user or to another version of torpor.
pub const TORPOR_E_STORE_FOREIGN: i32 = 104;

/// The capture cannot be made, for another reason than those below.
pub const TORPOR_E_CAPTURE: i32 = 200;
/// A frame cannot be captured; the message has its function and line.
pub const TORPOR_E_UNSUPPORTED_FRAME: i32 = 201;
/// Values cannot be captured; the message has the path of each.
pub const TORPOR_E_UNCAPTURABLE_VALUE: i32 = 202;

/// The snapshot cannot be adopted, for another reason than those below.
pub const TORPOR_E_ADOPT: i32 = 300;
/// There is no snapshot under the key or with the number.
pub const TORPOR_E_SNAPSHOT_NOT_FOUND: i32 = 301;
/// The snapshot, file or buffer is damaged or is none.
pub const TORPOR_E_CORRUPT_SNAPSHOT: i32 = 302;
/// Another version of Python, or of the format, made the snapshot.
pub const TORPOR_E_VERSION_MISMATCH: i32 = 303;

/// The continuation cannot be resumed, for another reason than those below.
pub const TORPOR_E_RESUME: i32 = 400;
/// The continuation was resumed already.
pub const TORPOR_E_ALREADY_RESUMED: i32 = 401;

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        fn name(status: i32) -> Option<&'static std::ffi::CStr> {
            $(if status == $name {
                const TEXT: &str = concat!(stringify!($name), "\0");
                return std::ffi::CStr::from_bytes_with_nul(TEXT.as_bytes()).ok();
            })*
            None
        }

        #[cfg(test)]
        const ALL: &[(i32, &str)] = &[$(($name, stringify!($name))),*];
    };
}

names!(
    TORPOR_OK,
    TORPOR_E_INVALID_ARGUMENT,
    TORPOR_E_PYTHON,
    TORPOR_E_NO_MEMORY,
    TORPOR_E_PANIC,
    TORPOR_E_IO,
    TORPOR_E_INTERRUPTED,
    TORPOR_E_TIMEOUT,
    TORPOR_E_UNSUPPORTED_PLATFORM,
    TORPOR_E_NOT_FOUND,
    TORPOR_E_STORE,
    TORPOR_E_STORE_NOT_FOUND,
    TORPOR_E_STORE_FULL,
    TORPOR_E_STORE_CORRUPT,
    TORPOR_E_STORE_FOREIGN,
    TORPOR_E_CAPTURE,
    TORPOR_E_UNSUPPORTED_FRAME,
    TORPOR_E_UNCAPTURABLE_VALUE,
    TORPOR_E_ADOPT,
    TORPOR_E_SNAPSHOT_NOT_FOUND,
    TORPOR_E_CORRUPT_SNAPSHOT,
    TORPOR_E_VERSION_MISMATCH,
    TORPOR_E_RESUME,
    TORPOR_E_ALREADY_RESUMED,
);

/// The version of the library, as "0.1.0".
///
/// Returns: text that is always there.
#[no_mangle]
pub extern "C" fn torpor_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the format in which this library writes snapshots. It reads this one and older ones.
#[no_mangle]
pub extern "C" fn torpor_format_version() -> u32 {
    torpor_store::region::FORMAT_VERSION
}

/// The name of a status, as "TORPOR_E_STORE_FULL".
///
/// status: what a function returned.
/// Returns: text that is always there; "unknown status" for a number that this library never returns.
#[no_mangle]
pub extern "C" fn torpor_status_name(status: i32) -> *const c_char {
    name(status).unwrap_or(c"unknown status").as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_store() {
        for (number, name) in torpor_store::status::ALL {
            let ours = ALL.iter().find(|(n, _)| n == number).map(|(_, name)| *name);
            let wanted = if *number == 0 { "TORPOR_OK".to_string() } else { format!("TORPOR_E_{name}") };
            assert_eq!(ours, Some(wanted.as_str()));
        }
        assert!(ALL.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
