//! What frames that are found by their names take from outside of themselves into a capture: what their modules have made
//! or filled when they were first used (`gained.rs`). A capture that is like the last one is so only if that is, too.

use crate::code;
use crate::error::Failure;
use crate::found::Found;
use crate::frame::dicts;
use crate::runtime::Runtime;
use crate::values::prefix::Head;
use crate::values::rebound::was_just_filled;
use crate::values::Object;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How it was at the last capture.
#[derive(Default)]
pub(crate) struct Around {
    /// How often modules that can be imported had changed, where that is told.
    changes: u64,
    /// Frames by their numbers, with the stamps of their modules' dicts, where it is not.
    stamps: Vec<(usize, u64)>,
    /// Dicts that modules fill, as they were before.
    unfilled: Vec<Py<PyDict>>,
}

/// # Safety
/// E2: a frame that was found in this very call, of a function.
unsafe fn globals_of(f: &Found) -> Object {
    // SAFETY: as the caller promises.
    unsafe { (*f.function.cast::<ffi::PyFunctionObject>()).func_globals }
}

impl Around {
    /// # Safety
    /// E1, E2: `found` was found in this very call, and its capture brought nothing from around.
    pub(crate) unsafe fn of(
        py: Python<'_>,
        runtime: &Runtime,
        found: &[Found],
        heads: &[Head],
    ) -> Result<Around, Failure> {
        let mut around = Around::default();
        for (number, (f, _)) in found.iter().zip(heads).enumerate().filter(|(_, (_, head))| head.stays) {
            // SAFETY: (whole body) E2: function and code of a live frame.
            let (entry, code, globals) = unsafe {
                let globals = Bound::from_borrowed_ptr(py, globals_of(f)).cast_into::<PyDict>();
                (code::entry(runtime, f.code)?, Bound::from_borrowed_ptr(py, f.code), globals)
            };
            let globals = globals.map_err(PyErr::from)?;
            if !dicts::ARE_TOLD {
                // SAFETY: live.
                around.stamps.push((number, unsafe { dicts::watch(globals.as_ptr()) }));
            }
            let Some(module) = globals.get_item(runtime.names.name.bind(py))? else { continue };
            let Some([_, filled]) = entry.made_when_used(py, runtime, &code, &module)? else { continue };
            for name in filled.iter() {
                if let Some(Ok(dict)) =
                    globals.get_item(&name)?.map(|found| found.cast_into_exact::<PyDict>())
                {
                    around.unfilled.push(dict.unbind());
                }
            }
        }
        around.changes = changes(py, runtime);
        Ok(around)
    }

    /// Whether it is now as it was then.
    ///
    /// # Safety
    /// E1, E2: `found` was found in this very call, and has as many frames.
    pub(crate) unsafe fn is_as_it_was(&self, py: Python<'_>, runtime: &Runtime, found: &[Found]) -> bool {
        let has_changed = |(number, stamp): &(usize, u64)| {
            let f = &found[*number];
            // SAFETY: E5: a live dict; a version is that of one state of one dict.
            !f.is_shown() || unsafe { dicts::has_changed(globals_of(f), *stamp, &[]) }
        };
        changes(py, runtime) == self.changes
            && !self.stamps.iter().any(has_changed)
            && !self.unfilled.iter().any(|dict| was_just_filled(dict.bind(py).len()))
    }
}

/// How often modules that can be imported have changed; 0 where it takes a look at each to know.
fn changes(py: Python<'_>, runtime: &Runtime) -> u64 {
    if !dicts::ARE_TOLD {
        return 0;
    }
    let mut index = runtime.module_index.borrow_mut();
    // SAFETY: E20: the GIL is held; no Python code runs.
    unsafe { index.look_again(py, runtime) };
    index.importable_changes
}
