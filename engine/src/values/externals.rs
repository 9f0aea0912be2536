//! What stays behind: objects that both sides have under a name, and what the program puts in the place of values
//! that cannot travel.

use super::decode::Decoder;
use super::encode::Encoder;
use super::{Object, Strong};
use crate::error::{AdoptError, CaptureError, Failure};
use hashbrown::HashMap;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::cell::RefCell;
use torpor_store::region::Flags;
use torpor_store::value::tag;
use torpor_store::Value;

/// An object, held, and what the program gave for it.
type Replaced = (Strong, Option<Py<PyAny>>);

/// `externals=` and `on_uncapturable=` of a capture.
#[derive(Default)]
pub struct Externals {
    /// The object, which is held, and its name, by address.
    named: HashMap<usize, (Py<PyAny>, String)>,
    hook: Option<Py<PyAny>>,
    /// What the hook gave for an object, by address; the object is held. It is asked once, however often the graph
    /// is walked: the same object has the same replacement.
    replaced: RefCell<HashMap<usize, Replaced>>,
}

impl Externals {
    pub fn new(
        externals: Option<&Bound<'_, PyAny>>,
        hook: Option<&Bound<'_, PyAny>>,
    ) -> Result<Externals, Failure> {
        let invalid = |what: String| Failure::from(CaptureError::Invalid(what));
        let mut made = Externals::default();
        if let Some(externals) = externals {
            let items = PyDict::new(externals.py());
            items.update(externals.cast().map_err(|_| {
                invalid("externals= is no mapping; it is {name: object}, of what the adopter has too".into())
            })?)?;
            for (name, object) in items.iter() {
                let Ok(name) = name.extract::<String>() else {
                    return Err(invalid("externals= has a name that is no text".into()));
                };
                // SAFETY: live; the tests run no code.
                let is_plain = unsafe {
                    let o = object.as_ptr();
                    o == ffi::Py_None()
                        || ffi::PyBool_Check(o) != 0
                        || ffi::PyLong_CheckExact(o) != 0
                        || ffi::PyFloat_CheckExact(o) != 0
                        || ffi::PyUnicode_CheckExact(o) != 0
                        || ffi::PyBytes_CheckExact(o) != 0
                };
                if is_plain {
                    return Err(invalid(format!(
                        "externals[{name:?}] is plain data, which is not told from its equals; it travels by itself"
                    )));
                }
                made.named.insert(object.as_ptr() as usize, (object.unbind(), name));
            }
        }
        if let Some(hook) = hook {
            if !hook.is_callable() {
                return Err(invalid("on_uncapturable= is no function of an object and its path".into()));
            }
            made.hook = Some(hook.clone().unbind());
        }
        Ok(made)
    }

    pub fn has_hook(&self) -> bool {
        self.hook.is_some()
    }
}

impl Encoder<'_> {
    /// Writes an object that stays behind as its name.
    #[inline]
    pub(super) fn external(&mut self, object: &Strong, slot: u32) -> bool {
        let Some(externals) = &self.policy.externals else { return false };
        let Some((_, name)) = externals.named.get(&(object.0 as usize)) else { return false };
        let text = format!(":{name}");
        let at = self.out.push_text(text.as_bytes());
        self.set(slot, Value::new(tag::GLOBAL, 0, text.len() as u32, u64::from(at)));
        self.out.flags |= Flags::RUNS_CODE;
        // SAFETY: E5: live.
        self.note(unsafe { Strong::borrowed(object.0) }, slot);
        true
    }

    /// As [`visit_new`](Self::visit_new); what is refused may be replaced by the program.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn visit_or_replace(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises; the object is held by `kept`.
        unsafe {
            let kept = Strong::borrowed(object.0);
            let before = self.work.refusals.len();
            self.visit_new(object, slot)?;
            if self.work.refusals.len() == before || self.work.refused_slot != slot {
                return Ok(());
            }
            let path = self.work.refusals[before].path.clone();
            let Some(replacement) = self.replacement(kept.0, &path)? else { return Ok(()) };
            self.work.refusals.truncate(before);
            if self.put_atom(replacement.0, slot)? {
                return Ok(());
            }
            if let Some(first) = self.known(replacement.0) {
                let number = self.share(first);
                self.set(slot, Value::atom(tag::REF, u64::from(number)));
                return Ok(());
            }
            // One that cannot travel either is refused for good.
            self.visit_new(replacement, slot)
        }
    }

    /// What the program puts in the place of an object that was just refused; `None` if the refusal stands.
    ///
    /// # Safety
    /// `object` is live; the GIL is held.
    pub(super) unsafe fn replacement(
        &mut self,
        object: Object,
        path: &str,
    ) -> Result<Option<Strong>, Failure> {
        let Some(externals) = &self.policy.externals else { return Ok(None) };
        let Some(hook) = &externals.hook else { return Ok(None) };
        let held = |given: &Option<Py<PyAny>>| {
            // SAFETY: E5: live.
            given.as_ref().map(|g| unsafe { Strong::borrowed(g.as_ptr()) })
        };
        if let Some((_, given)) = externals.replaced.borrow().get(&(object as usize)) {
            return Ok(held(given));
        }
        // SAFETY: as the caller promises.
        let (any, kept) = unsafe { (Bound::from_borrowed_ptr(self.py, object), Strong::borrowed(object)) };
        let given = hook.bind(self.py).call1((any, PyString::new(self.py, path)))?;
        let given = (!given.is_none()).then(|| given.unbind());
        let result = held(&given);
        externals.replaced.borrow_mut().insert(object as usize, (kept, given));
        Ok(result)
    }
}

impl<'py> Decoder<'_, 'py> {
    /// The adopter's own object under the name of an external.
    pub(super) fn external(&self, name: &[u8]) -> Result<Object, Failure> {
        let name = String::from_utf8_lossy(name);
        let found = match &self.externals {
            Some(externals) if externals.contains(&*name)? => Some(externals.get_item(&*name)?),
            _ => None,
        };
        found.map(Bound::into_ptr).ok_or_else(|| {
            let text = format!(
                "the snapshot was captured with externals={{{name:?}: ...}}, and this adopter has none of that name; \
                 pass adopt(..., externals={{{name:?}: its own}})"
            );
            AdoptError::Missing(text).into()
        })
    }
}
