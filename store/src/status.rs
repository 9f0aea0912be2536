//! The one table of status numbers, shared by Rust, C and Python (`.status` of every error).
//!
//! Bands of 100, one for each stage. A number is never given to anything else.

pub const OK: i32 = 0;

pub const INVALID_ARGUMENT: i32 = 1;
pub const PYTHON: i32 = 2;
pub const NO_MEMORY: i32 = 3;
pub const PANIC: i32 = 4;
pub const IO: i32 = 5;
pub const INTERRUPTED: i32 = 6;
pub const TIMEOUT: i32 = 7;
pub const UNSUPPORTED_PLATFORM: i32 = 8;
/// The snapshot has no such local, item or attachment.
pub const NOT_FOUND: i32 = 9;

pub const STORE: i32 = 100;
pub const STORE_NOT_FOUND: i32 = 101;
pub const STORE_FULL: i32 = 102;
pub const STORE_CORRUPT: i32 = 103;
pub const STORE_FOREIGN: i32 = 104;

pub const CAPTURE: i32 = 200;
pub const UNSUPPORTED_FRAME: i32 = 201;
pub const UNCAPTURABLE_VALUE: i32 = 202;

pub const ADOPT: i32 = 300;
pub const SNAPSHOT_NOT_FOUND: i32 = 301;
pub const CORRUPT_SNAPSHOT: i32 = 302;
pub const VERSION_MISMATCH: i32 = 303;

pub const RESUME: i32 = 400;
pub const ALREADY_RESUMED: i32 = 401;

/// Every number with its name, in order.
pub const ALL: &[(i32, &str)] = &[
    (OK, "OK"),
    (INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    (PYTHON, "PYTHON"),
    (NO_MEMORY, "NO_MEMORY"),
    (PANIC, "PANIC"),
    (IO, "IO"),
    (INTERRUPTED, "INTERRUPTED"),
    (TIMEOUT, "TIMEOUT"),
    (UNSUPPORTED_PLATFORM, "UNSUPPORTED_PLATFORM"),
    (NOT_FOUND, "NOT_FOUND"),
    (STORE, "STORE"),
    (STORE_NOT_FOUND, "STORE_NOT_FOUND"),
    (STORE_FULL, "STORE_FULL"),
    (STORE_CORRUPT, "STORE_CORRUPT"),
    (STORE_FOREIGN, "STORE_FOREIGN"),
    (CAPTURE, "CAPTURE"),
    (UNSUPPORTED_FRAME, "UNSUPPORTED_FRAME"),
    (UNCAPTURABLE_VALUE, "UNCAPTURABLE_VALUE"),
    (ADOPT, "ADOPT"),
    (SNAPSHOT_NOT_FOUND, "SNAPSHOT_NOT_FOUND"),
    (CORRUPT_SNAPSHOT, "CORRUPT_SNAPSHOT"),
    (VERSION_MISMATCH, "VERSION_MISMATCH"),
    (RESUME, "RESUME"),
    (ALREADY_RESUMED, "ALREADY_RESUMED"),
];

/// The name of a status number, or `None`.
///
/// ```
/// assert_eq!(torpor_store::status::name(102), Some("STORE_FULL"));
/// ```
pub fn name(status: i32) -> Option<&'static str> {
    ALL.iter().find(|(n, _)| *n == status).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_unique_and_ascend() {
        assert!(super::ALL.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
