//! Containers that know objects by their ids (`copy.deepcopy`'s memo): they travel with the objects, see `python/keyed.py`.

use super::encode::Encoder;
use super::{text_of, Object, Strong};
use crate::code;
use crate::error::{CaptureError, Failure};
use crate::found::{unsupported, Found};
use crate::frame::{self, Slot};
use crate::imports::described;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyList, PyTuple};

/// A slot of a frame that holds an id, and what is written in its place.
pub(crate) struct HeldId {
    pub frame: usize,
    pub slot: usize,
    pub stand_in: Strong,
}

/// What is written of a slot that has this value.
#[inline]
pub(crate) fn written(ids: &[HeldId], frame: usize, slot: usize, value: Object) -> Object {
    ids.iter().find(|id| (id.frame, id.slot) == (frame, slot)).map_or(value, |id| id.stand_in.0)
}

/// What is known of frames: containers by id, and the slots that hold ids; or what stands in the way, and in which.
pub(super) enum Keyed {
    Known(Vec<HeldId>),
    Refused(usize, String),
}

/// It was written already, as any other.
const TOO_LATE: &str =
    "a container that knows objects by their ids is met before the generator that keeps it; capture before \
                        or after the generator runs";

/// A container that knows objects by their ids, and its parts.
type Container<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);
/// Frame, slot, and the object whose id stands there.
type SlotOf<'py> = (usize, usize, Bound<'py, PyAny>);

impl<'py> Encoder<'py> {
    /// How a container that knows objects by their ids is taken apart.
    pub(super) fn rekeyed(&self, object: Object) -> Option<Bound<'py, PyAny>> {
        // SAFETY: E5: held by the map.
        self.work
            .keyed
            .get(&(object as usize))
            .map(|parts| unsafe { Bound::from_borrowed_ptr(self.py, parts.0) })
    }

    /// Notes the containers of some frames before anything that leads to them is written.
    pub(super) fn note_keyed(&mut self, frames: Bound<'py, PyList>) -> Result<Keyed, Failure> {
        let answer = self.runtime.engine.bind(self.py).getattr("keyed_in")?.call1((frames,))?;
        if let Ok((number, what)) = answer.extract::<(usize, Bound<'_, PyAny>)>() {
            return Ok(Keyed::Refused(number, text_of(&what)));
        }
        let (containers, slots): (Vec<Container<'_>>, Vec<SlotOf<'_>>) = answer.extract()?;
        for (container, parts) in containers {
            let address = container.as_ptr() as usize;
            if self.work.memo.contains_key(&address) && !self.work.keyed.contains_key(&address) {
                return Ok(Keyed::Refused(0, TOO_LATE.into()));
            }
            self.work.keyed.insert(container.as_ptr() as usize, Strong(parts.into_ptr()));
            self.work.keep.push(Strong(container.into_ptr()));
        }
        let held = |(frame, slot, object): (usize, usize, Bound<'_, PyAny>)| HeldId {
            frame,
            slot,
            stand_in: Strong(object.into_ptr()),
        };
        Ok(Keyed::Known(slots.into_iter().map(held).collect()))
    }

    /// A frame as `python/keyed.py` gets it.
    ///
    /// # Safety
    /// E2: all are of a live frame.
    pub(super) unsafe fn keyed_frame(
        &mut self,
        function: Object,
        code: Object,
        slots: impl Iterator<Item = Slot>,
    ) -> Result<Bound<'py, PyTuple>, Failure> {
        // SAFETY: (whole body) as the caller promises; the type is tested.
        unsafe {
            let values = slots.map(|slot| match slot {
                Slot::Object(object) => object,
                _ => std::ptr::null_mut(),
            });
            let frame = described(self.py, self.runtime, code, values, frame::nlocalsplus(code.cast()))?;
            let is_function = !function.is_null() && ffi::Py_TYPE(function) == &raw mut ffi::PyFunction_Type;
            let by_name = is_function && self.function_name(function.cast())?.is_some();
            let by_name = PyBool::new(self.py, by_name).to_owned().into_any();
            let parts = [frame.get_item(0)?, by_name, frame.get_item(1)?, frame.get_item(2)?];
            Ok(PyTuple::new(self.py, parts)?)
        }
    }
}

/// Looks for such containers in a captured stack.
///
/// # Safety
/// E1, E2: `found` was found in this very call.
pub(crate) unsafe fn in_frames(encoder: &mut Encoder<'_>, found: &[Found]) -> Result<Vec<HeldId>, Failure> {
    // SAFETY: (whole body) as the caller promises; no code of the program runs.
    unsafe {
        let mut some = false;
        for f in found {
            some |= code::entry(encoder.runtime, f.code)?.keyed_by_id;
        }
        if !some {
            return Ok(Vec::new());
        }
        let frames = PyList::empty(encoder.py);
        for f in found {
            frames.append(encoder.keyed_frame(f.function, f.code, (0..f.depth).map(|i| f.slot(i)))?)?;
        }
        match encoder.note_keyed(frames)? {
            Keyed::Known(ids) => Ok(ids),
            Keyed::Refused(number, what) => {
                match found.get(number).map(|f| f.frame).filter(|f| !f.is_null()) {
                    Some(f) => Err(unsupported(encoder.py, f, what)),
                    None => Err(CaptureError::Invalid(what).into()),
                }
            }
        }
    }
}
