//! What modules that stay behind have under names that their own functions assign: a cache that is made when it is
//! first needed, a setting. It is the adopter's; if a captured frame uses it and it differs, the adopter is told.

use super::content::plain_content;
use super::decode::Decoder;
use super::encode::Encoder;
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use crate::gained::Made;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use torpor_store::frame::{Run, Space};
use torpor_store::value::{flag, tag};
use torpor_store::Value;

/// A dict of a module with more entries than this is none of what a frame has just filled.
const ENTRIES: usize = 64;

/// Whether a dict that is empty when its module has been imported has so many entries that a frame has just made.
pub(crate) fn was_just_filled(entries: usize) -> bool {
    (1..=ENTRIES).contains(&entries)
}

/// The content of what a namespace has under a name; 0 if it has nothing.
fn content_under(dict: &Bound<'_, PyDict>, name: &Bound<'_, PyAny>) -> PyResult<u64> {
    match dict.get_item(name)? {
        // SAFETY: E5: live.
        Some(value) => unsafe { plain_content(dict.py(), value.as_ptr()) },
        None => Ok(0),
    }
}

impl Encoder<'_> {
    /// Notes what a frame of a module that stays behind uses of it.
    ///
    /// # Safety
    /// `globals` is a live dict, `code` a live code object; the GIL is held.
    pub(crate) unsafe fn note_rebound(&mut self, globals: Object, code: Object) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises.
        unsafe {
            let entry = code::entry(self.runtime, code)?;
            let dict =
                Bound::from_borrowed_ptr(self.py, globals).cast_into::<PyDict>().map_err(PyErr::from)?;
            let Some(module) = dict.get_item(self.runtime.names.name.bind(self.py))? else { return Ok(()) };
            let code = Bound::from_borrowed_ptr(self.py, code);
            let Some(names) = entry.rebound_names(self.py, self.runtime, &code, &module)? else {
                return Ok(());
            };
            let module = super::text_of(&module);
            for name in names.iter() {
                let full = format!("{module}:{}", super::text_of(&name));
                if self.work.rebound.iter().all(|(known, _)| *known != full) {
                    let content = content_under(&dict, &name)?;
                    self.work.rebound.push((full, content));
                }
            }
        }
        Ok(())
    }

    /// Notes what the module of a frame that travels, and stays itself, has made or filled under names that the frame uses.
    ///
    /// # Safety
    /// `code` is a live code object; the GIL is held.
    pub(super) unsafe fn note_made_when_used(
        &mut self,
        globals: &Bound<'_, PyDict>,
        code: Object,
    ) -> Result<(), Failure> {
        // SAFETY: (whole body) as the caller promises.
        let (entry, code) =
            unsafe { (code::entry(self.runtime, code)?, Bound::from_borrowed_ptr(self.py, code)) };
        let Some(module) = globals.get_item(self.runtime.names.name.bind(self.py))? else { return Ok(()) };
        let Some([made, filled]) = entry.made_when_used(self.py, self.runtime, &code, &module)? else {
            return Ok(());
        };
        let module = super::text_of(&module);
        let names = made.iter().map(|name| (name, false)).chain(filled.iter().map(|name| (name, true)));
        for (name, is_filled) in names {
            let Some(object) = globals.get_item(&name)?.filter(|object| !object.is_none()) else { continue };
            let entries = object.cast_exact::<PyDict>().map_or(0, |dict| dict.len());
            if !is_filled || was_just_filled(entries) {
                let (name, object) = (super::text_of(&name), Strong(object.into_ptr()));
                self.work.made_when_used.push(Made { module: module.clone(), name, object, is_filled });
            }
        }
        Ok(())
    }

    pub(crate) fn write_rebound(&mut self) -> Result<(), Failure> {
        let mut all = std::mem::take(&mut self.work.rebound);
        let brought = self.work.gained.brought(self.py)?;
        for (name, made) in &brought {
            if all.iter().all(|(known, _)| known != name) {
                // SAFETY: E5: live.
                all.push((name.clone(), unsafe { plain_content(self.py, made.as_ptr())? }));
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        let space = self.nameless_space(Space::REBOUND);
        let first = self.reserve(2 * all.len())?;
        self.out.runs.push(Run { space, first, count: all.len() as u32, reserved: 0 });
        for (i, (name, content)) in (0..).zip(&all) {
            self.name_text(name, first + 2 * i);
            let is_brought = brought.iter().any(|(known, _)| known == name);
            let flags = if is_brought { flag::BROUGHT } else { 0 };
            self.set(first + 2 * i + 1, Value { flags, ..Value::atom(tag::INT, *content) });
        }
        Ok(())
    }
}

impl Decoder<'_, '_> {
    /// Compares what modules have here with what they had where the frames were captured.
    pub(super) fn check_rebound(&mut self, first: u32, count: u32) -> Result<(), Failure> {
        self.claim(first, u64::from(count) * 2)?;
        let mut differ = Vec::new();
        for i in 0..count {
            let at = (first + 2 * i) as usize;
            let (name, content) = (self.region.values[at], self.region.values[at + 1]);
            if name.tag != tag::TEXT || name.flags & flag::FAR != 0 || content.tag != tag::INT {
                return Err(Failure::corrupt("the name of a module's variable is no text"));
            }
            let full = self.utf8(name)?;
            let Some((module, name)) = full.split_once(':') else { continue };
            // If there is no such module, the frame's function says so.
            let found = match self.import(module) {
                Err(Failure::Adopt(_)) => continue,
                found => found?,
            };
            // SAFETY: E5: the type is tested; its dict is live while it is.
            let is_module = unsafe { ffi::PyModule_Check(found.as_ptr()) } != 0;
            let dict = found.getattr_opt(crate::text::intern!(self.py, "__dict__"))?.filter(|_| is_module);
            let Some(dict) = dict.and_then(|d| d.cast_into::<PyDict>().ok()) else { continue };
            let name = PyString::new(self.py, name);
            if content.flags & flag::BROUGHT != 0 && dict.get_item(&name)?.is_none_or(|found| found.is_none())
            {
                continue;
            }
            if content_under(&dict, name.as_any())? != content.data {
                differ.push(format!("{module}.{name}"));
            }
        }
        if !differ.is_empty() {
            self.runtime.warn_rebound(self.py, &differ)?;
        }
        Ok(())
    }
}
