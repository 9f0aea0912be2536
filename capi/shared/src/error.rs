//! From Rust's errors and panics to a status number and the caller's `torpor_error`.

use crate::status;
use std::any::Any;
use std::ffi::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use torpor_store::{RegionError, StoreError};

/// Bytes of the message of a `torpor_error`, with the NUL.
pub const TORPOR_MESSAGE_SIZE: usize = 1016;

/// What went wrong. The caller has the memory, on its stack for instance; every function that takes one
/// also takes NULL. It is filled only when the function fails and left alone when it succeeds.
///
/// One per thread: functions that share it overwrite it.
#[repr(C)]
pub struct Error {
    /// The number that the function returned.
    pub status: i32,
    /// The operating system's errno, 0 if it had no part in this.
    pub error_number: i32,
    /// One full sentence or more, in UTF-8, cut off where the space ends. Always ends with NUL.
    pub message: [c_char; TORPOR_MESSAGE_SIZE],
}

/// A failure on its way to C.
#[derive(Debug)]
pub struct Fault {
    pub status: i32,
    pub errno: i32,
    pub message: String,
}

impl Fault {
    pub fn new(status: i32, message: impl Into<String>) -> Fault {
        Fault { status, errno: 0, message: message.into() }
    }

    /// An argument that makes no sense.
    pub fn argument(message: impl Into<String>) -> Fault {
        Fault::new(status::TORPOR_E_INVALID_ARGUMENT, message)
    }

    /// Something that the snapshot does not have.
    pub fn not_found(message: impl Into<String>) -> Fault {
        Fault::new(status::TORPOR_E_NOT_FOUND, message)
    }

    /// What a caught panic says.
    pub fn panicked(payload: Box<dyn Any + Send>) -> Fault {
        let said = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Fault::new(status::TORPOR_E_PANIC, format!("torpor has a defect, please report it: {said}"))
    }

    /// Fills the caller's error and returns the status.
    ///
    /// # Safety
    /// C2: `error` is NULL or points to a `torpor_error` that nobody else uses.
    pub unsafe fn report(&self, error: *mut Error) -> i32 {
        if !error.is_null() {
            // SAFETY: C2; every field is written without reading it, so it need not be initialised.
            unsafe {
                (&raw mut (*error).status).write(self.status);
                (&raw mut (*error).error_number).write(self.errno);
                let bytes = prefix(&self.message, TORPOR_MESSAGE_SIZE - 1);
                let message = (&raw mut (*error).message).cast::<u8>();
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), message, bytes.len());
                message.add(bytes.len()).write(0);
            }
        }
        self.status
    }
}

/// As much of `text` as has room, up to its first NUL, never half a character.
fn prefix(text: &str, room: usize) -> &[u8] {
    let text = text.split('\0').next().unwrap_or_default();
    let end = (0..=room.min(text.len())).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    &text.as_bytes()[..end]
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Fault {
        Fault { status: e.status(), errno: e.errno(), message: e.to_string() }
    }
}

impl From<RegionError> for Fault {
    fn from(e: RegionError) -> Fault {
        StoreError::Region(e).into()
    }
}

/// Runs the body of a C function: its failure or panic becomes the status that is returned.
///
/// # Safety
/// C2: `error` is NULL or points to a `torpor_error` that nobody else uses.
pub unsafe fn guard(error: *mut Error, body: impl FnOnce() -> Result<(), Fault>) -> i32 {
    // Whatever a panic leaves half done is only reached through the handle's own locks and atomics.
    let fault = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return status::TORPOR_OK,
        Ok(Err(fault)) => fault,
        Err(payload) => Fault::panicked(payload),
    };
    // SAFETY: as the caller promises.
    unsafe { fault.report(error) }
}

/// As [`guard`] for functions that return nothing.
pub fn quiet(body: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(body));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Error {
        Error { status: -1, error_number: -1, message: [1; TORPOR_MESSAGE_SIZE] }
    }

    fn text(error: &Error) -> String {
        let end = error.message.iter().position(|c| *c == 0).unwrap();
        String::from_utf8(error.message[..end].iter().map(|c| *c as u8).collect()).unwrap()
    }

    #[test]
    fn a_panic_is_a_status() {
        let mut error = empty();
        // SAFETY: C2: the test's own error.
        let got = unsafe { guard(&mut error, || panic!("seven")) };
        assert_eq!((got, error.status, error.error_number), (4, 4, 0));
        assert!(text(&error).ends_with("please report it: seven"));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let mut error = empty();
        // SAFETY: C2: the test's own error.
        unsafe { guard(&mut error, || Err(Fault::argument("ä".repeat(2000)))) };
        assert_eq!(text(&error), "ä".repeat(507));
    }
}
