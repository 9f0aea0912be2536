//! Functions at the top level of a module, of which it is known how they are found by name: the usual ones, quickly.

use super::encode::Encoder;
use super::Policy;
use crate::code;
use crate::error::Failure;
use crate::runtime::Runtime;
use pyo3::ffi;
use pyo3::prelude::*;
use torpor_store::region::Flags;
use torpor_store::value::{flag, tag};
use torpor_store::Value;

impl Encoder<'_> {
    /// The node of a module's own function that was found by its name before: it is enough that its
    /// module still has it under that name.
    ///
    /// # Safety
    /// `f` is a live function; the GIL is held.
    pub unsafe fn named_value(&mut self, f: *mut ffi::PyFunctionObject) -> Result<Option<Value>, Failure> {
        // SAFETY: (whole body) fields of a live function; lookups of text keys in dicts run no code.
        unsafe {
            if f.is_null() {
                return Ok(None);
            }
            let entry = code::entry(self.runtime, (*f).func_code)?;
            let named = entry.named.borrow();
            let Some(named) = named.as_ref().filter(|n| n.policy == self.policy.id) else { return Ok(None) };
            if !still_named(f, named) {
                return Ok(None);
            }
            let at = self.out.push_bytes(&named.bytes);
            let length = named.bytes.len() as u32 - 17;
            self.out.flags |= Flags::RUNS_CODE;
            Ok(Some(Value::new(tag::GLOBAL, flag::HASHED, length, u64::from(at + 16))))
        }
    }

    /// # Safety
    /// `f` is a live function, `entry` that of its code; the GIL is held.
    pub(super) unsafe fn remember_name(
        &self,
        f: *mut ffi::PyFunctionObject,
        entry: &code::CodeEntry,
        name: &str,
    ) {
        if name.matches('.').count() > name.split(':').next().map_or(0, |m| m.matches('.').count()) {
            return; // a method: found through its class
        }
        let mut bytes = entry.hash.to_le_bytes().to_vec();
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        // SAFETY: live fields.
        let named = unsafe {
            code::Named {
                module: Bound::from_borrowed_ptr(self.py, (*f).func_module).unbind(),
                qualname: Bound::from_borrowed_ptr(self.py, (*f).func_qualname).unbind(),
                bytes,
                policy: self.policy.id,
            }
        };
        let old = entry.named.borrow_mut().replace(named);
        drop(old);
    }
}

/// Whether a module's own function that was found by its name before is still found by it.
///
/// # Safety
/// `f` is a live function; the GIL is held. Lookups of text keys in dicts run no code.
pub(crate) unsafe fn still_named(f: *mut ffi::PyFunctionObject, named: &code::Named) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if (*f).func_module != named.module.as_ptr() || (*f).func_qualname != named.qualname.as_ptr() {
            return false;
        }
        let module = ffi::PyDict_GetItemWithError(ffi::PyImport_GetModuleDict(), (*f).func_module);
        if module.is_null() || ffi::PyModule_Check(module) == 0 {
            ffi::PyErr_Clear();
            return false;
        }
        let found = ffi::PyDict_GetItemWithError(ffi::PyModule_GetDict(module), (*f).func_qualname);
        if found.is_null() {
            ffi::PyErr_Clear();
        }
        found == f.cast()
    }
}

/// Whether a function is found by the name that the node `value` has, in `data`, with its code's hash.
///
/// # Safety
/// `f` is a live function; the GIL is held.
pub(crate) unsafe fn is_named_so(
    runtime: &Runtime,
    data: &[u8],
    value: Value,
    f: *mut ffi::PyFunctionObject,
) -> Result<bool, Failure> {
    // SAFETY: as the caller promises.
    let own = unsafe { code::entry(runtime, (*f).func_code)? };
    let named = own.named.borrow();
    let Some(named) = named.as_ref().filter(|n| n.policy == Policy::PLAIN) else { return Ok(false) };
    let end = (value.low() + value.len + 1) as usize;
    let text = end.checked_sub(named.bytes.len()).and_then(|start| data.get(start..end));
    // SAFETY: as the caller promises.
    Ok(text == Some(&named.bytes[..]) && unsafe { still_named(f, named) })
}
