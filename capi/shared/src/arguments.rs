//! What C passes: pointers, texts, structs that begin with their size.

use crate::error::Fault;
use std::ffi::{c_char, CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A pointer that must not be NULL, as a shared reference.
///
/// # Safety
/// C1: NULL, or made by this library and not yet closed; valid for `'a`.
pub unsafe fn shared<'a, T>(pointer: *const T, name: &str) -> Result<&'a T, Fault> {
    // SAFETY: C1.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

pub fn null(name: &str) -> Fault {
    Fault::argument(format!("{name} is NULL; it must point to something"))
}

/// A place for a result: must not be NULL, and is empty (NULL) until the function succeeds.
///
/// # Safety
/// C2: `out` is NULL or can be written.
pub unsafe fn place<T>(out: *mut *mut T) -> Result<(), Fault> {
    if out.is_null() {
        return Err(null("out"));
    }
    // SAFETY: C2.
    unsafe { out.write(std::ptr::null_mut()) };
    Ok(())
}

/// Text that must be there.
///
/// # Safety
/// C3: `text` is NULL or ends with NUL and stays as it is for `'a`.
pub unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str, Fault> {
    // SAFETY: C3.
    unsafe { optional_text(text, name)? }.ok_or_else(|| null(name))
}

/// Text, or NULL.
///
/// # Safety
/// C3: `text` is NULL or ends with NUL and stays as it is for `'a`.
pub unsafe fn optional_text<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>, Fault> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: C3.
    let bytes = unsafe { CStr::from_ptr(text) };
    match bytes.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(e) => Err(Fault::argument(format!("{name} is not UTF-8 after byte {}", e.valid_up_to()))),
    }
}

/// A path, whose bytes are the file system's, or NULL.
///
/// # Safety
/// C3: `path` is NULL or ends with NUL.
pub unsafe fn optional_path(path: *const c_char) -> Option<PathBuf> {
    // SAFETY: C3.
    (!path.is_null()).then(|| OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()).into())
}

/// Structs that begin with `size_t size`, or that are filled up to a size that the caller gives. Programs
/// that were compiled with an older header have a shorter one, with a newer header a longer one.
///
/// # Safety
/// C4: all-zero bytes are a value of the type, every bit pattern of its fields is valid, and its first
/// version had `FIRST` bytes.
pub unsafe trait Versioned: Copy {
    const NAME: &'static str;
    const FIRST: usize;
}

fn check_size<T: Versioned>(size: usize) -> Result<(), Fault> {
    if size >= T::FIRST && size <= 4096 {
        return Ok(());
    }
    let (name, first) = (T::NAME, T::FIRST);
    Err(Fault::argument(format!("{size} is not the size of a {name}; pass sizeof({name}), {first} or more")))
}

/// Reads options; NULL is the defaults, all zero.
///
/// # Safety
/// C4: `options` is NULL or begins with its true size.
pub unsafe fn options<T: Versioned>(options: *const T) -> Result<T, Fault> {
    // SAFETY: C4: zero is a value of T.
    let mut own = unsafe { std::mem::zeroed::<T>() };
    if options.is_null() {
        return Ok(own);
    }
    // SAFETY: C4: the first field is the size, and that many bytes can be read.
    unsafe {
        let size = options.cast::<usize>().read();
        check_size::<T>(size)?;
        let known = size.min(size_of::<T>());
        std::ptr::copy_nonoverlapping(options.cast::<u8>(), (&raw mut own).cast::<u8>(), known);
        for at in known..size {
            if options.cast::<u8>().add(at).read() != 0 {
                let name = T::NAME;
                return Err(Fault::argument(format!(
                    "the {name} sets an option that this library, older than the header, does not know"
                )));
            }
        }
    }
    Ok(own)
}

/// Writes a result struct of which the caller has `size` bytes; what this library does not know is zero.
///
/// # Safety
/// C4: `out` is NULL or has `size` bytes that can be written.
pub unsafe fn fill<T: Versioned>(out: *mut T, size: usize, value: &T) -> Result<(), Fault> {
    if out.is_null() {
        return Err(null("out"));
    }
    check_size::<T>(size)?;
    let known = size.min(size_of::<T>());
    // SAFETY: C4.
    unsafe {
        std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), out.cast::<u8>(), known);
        out.cast::<u8>().add(known).write_bytes(0, size - known);
    }
    Ok(())
}
