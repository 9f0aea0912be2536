//! Warnings of an adopt: what is here is not what was captured.

use crate::error::Failure;
use crate::runtime::Runtime;
use pyo3::prelude::*;

impl Runtime {
    pub fn warn_code_changed(&self, py: Python<'_>, name: &str) -> Result<(), Failure> {
        warn(
            py,
            &self.code_changed.borrow(),
            &format!("the code of '{name}' is not the one that was captured"),
        )
    }

    /// Of modules that a snapshot brings and that are imported here already.
    pub fn warn_modules_kept(&self, py: Python<'_>, names: &[&str]) -> Result<(), Failure> {
        let names = names.join("', '");
        let text = format!(
            "the snapshot brings the state of modules that are imported here already, which keep their own: '{names}'"
        );
        warn(py, &self.state_ignored.borrow(), &text)
    }

    /// Of what a module has here under names that its functions assign.
    pub fn warn_rebound(&self, py: Python<'_>, names: &[String]) -> Result<(), Failure> {
        let text = format!(
            "code of the snapshot uses what its module has under a name, and that is something else here than where it \
             was captured; the module's own is used: '{}'",
            names.join("', '")
        );
        warn(py, &self.state_ignored.borrow(), &text)
    }

    /// Of what a module has here under a name.
    pub fn warn_state_ignored(&self, py: Python<'_>, name: &str) -> Result<(), Failure> {
        let text = format!(
            "'{name}' contains something else here than where it was captured; the module's own is used"
        );
        warn(py, &self.state_ignored.borrow(), &text)
    }
}

fn warn(py: Python<'_>, category: &Option<Py<PyAny>>, text: &str) -> Result<(), Failure> {
    let category = match category {
        Some(c) => c.clone_ref(py),
        None => py.get_type::<pyo3::exceptions::PyUserWarning>().into_any().unbind(),
    };
    py.import("warnings")?.getattr("warn")?.call1((text, category, 2))?;
    Ok(())
}
