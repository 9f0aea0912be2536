//! Frame objects as values: those of the captured stack, and of generators that travel with it.
//!
//! The adopter makes a frame object that shows nothing that runs; when the frame to which it belongs is rebuilt, it
//! becomes the object of that frame (`frame/object.rs`).

use super::decode::Decoder;
use super::encode::Encoder;
use super::{Object, Strong};
use crate::code;
use crate::error::Failure;
use crate::frame::generator::{self, State};
use crate::frame::{self, Owner};
use crate::stack::Stack;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};

impl<'py> Encoder<'py> {
    /// The number of the captured frame that a frame object shows.
    ///
    /// # Safety
    /// `object` is a live frame object; the GIL is held.
    unsafe fn captured_frame(&self, object: Object) -> Option<usize> {
        // SAFETY: as the caller promises; the address is only compared.
        let shown = unsafe { frame::frame_of(object) } as usize;
        self.work.frames.iter().position(|f| *f == shown)
    }

    /// # Safety
    /// As for [`captured_frame`](Self::captured_frame).
    pub(super) unsafe fn frame_object(&mut self, object: Strong, slot: u32) -> Result<(), Failure> {
        let py = self.py;
        // SAFETY: (whole body) live; E2: what it shows is there as long as it is.
        unsafe {
            let o = object.0;
            let owner = frame::object::owner(o);
            let of: Bound<'py, PyAny> = if let Some(number) = self.captured_frame(o) {
                PyInt::new(py, number).into_any()
            } else if owner == Owner::Generator {
                let generator = generator::owner_of(frame::frame_of(o));
                if generator::fields(generator).state() == State::Running {
                    self.refuse(
                        slot,
                        "a frame of a generator that runs outside of the captured stack".into(),
                    );
                    return Ok(());
                }
                Bound::from_borrowed_ptr(py, generator)
            } else {
                let why = match owner {
                    Owner::FrameObject => "a frame whose call is over: hold what you need of it, or its traceback",
                    _ => {
                        "a frame that is not part of the captured stack: its call runs outside of the boundary, in another \
                         thread or in a greenlet; hold what you need of it (its code, its line, its locals)"
                    }
                };
                self.refuse(slot, why.into());
                return Ok(());
            };
            let engine = self.runtime.engine.bind(py);
            let code = Bound::from_owned_ptr(py, ffi::PyFrame_GetCode(o.cast()).cast());
            let none = py.None().into_bound(py);
            let parts = [
                engine.getattr("make_frame")?,
                PyTuple::new(py, [code])?.into_any(),
                of,
                none.clone(),
                none,
                engine.getattr("fill_frame")?,
            ];
            self.reduced(object, slot, PyTuple::new(py, parts).map(Bound::into_any))
        }
    }

    /// A traceback entry with what stands in the place of its frame: that itself if it is captured, else its code.
    pub(super) fn traceback_entry(&mut self, entry: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let frame = entry.getattr("tb_frame")?;
        // SAFETY: a traceback's frame is a live frame object.
        let is_captured = unsafe { self.captured_frame(frame.as_ptr()).is_some() };
        self.runtime.engine.bind(self.py).getattr("reduce_traceback")?.call1((entry, is_captured))
    }
}

impl<'py> Decoder<'_, 'py> {
    /// Gives frame objects to the frames and generators that they belong to.
    pub(crate) fn place_frames(&mut self, stack: &mut Stack) -> Result<(), Failure> {
        let bad = Failure::corrupt;
        for (object, of) in std::mem::take(&mut self.frame_objects) {
            let of = of.bind(self.py);
            // SAFETY: (whole body) types are tested before use; E25: the object shows its own frame, of code that is
            // the frame's.
            unsafe {
                if ffi::Py_TYPE(object.0) != &raw mut ffi::PyFrame_Type
                    || !frame::object::shows_its_own(object.0)
                {
                    return Err(bad("what belongs to a frame is no new frame object"));
                }
                let code = Strong(ffi::PyFrame_GetCode(object.0.cast()).cast());
                let own = code::entry(self.runtime, code.0)?.hash;
                let fits = |other: Object| Ok::<bool, Failure>(code::entry(self.runtime, other)?.hash == own);
                if frame::generator::is_generator_type(ffi::Py_TYPE(of.as_ptr())) {
                    let fields = generator::fields(of.as_ptr());
                    let waits =
                        matches!(fields.state(), State::Created | State::Suspended | State::Delegating);
                    let made_here = stack.armed.iter().any(|one| one.is(of));
                    if !waits || !made_here || !fits(frame::generator_code(of.as_ptr()))? {
                        return Err(bad("a frame object belongs to a generator that has no such frame"));
                    }
                    if !(*fields.frame()).frame_obj.is_null() {
                        return Err(bad("a generator has two frame objects"));
                    }
                    let shown = frame::object::show(object.release(), fields.frame());
                    drop(shown.into_iter().map(Strong).collect::<Vec<_>>());
                    continue;
                }
                let number: usize = of.extract().map_err(|_| bad("a frame object belongs to no frame"))?;
                let known = stack.objects.iter().any(|(one, _)| *one == number);
                match stack.frames.get(number) {
                    Some(f) if !known && fits(f.code.0)? => stack.objects.push((number, object)),
                    _ => return Err(bad("a frame object belongs to a frame that it does not fit")),
                }
            }
        }
        Ok(())
    }
}
