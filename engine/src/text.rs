//! Texts of the engine's own, made when they are first used: `intern!(py, "name")`.
//!
//! PyO3's macro of that name lets go of the GIL while it makes a text. It is used in the middle of walks and while caches
//! are held, where no other thread may run.

use pyo3::prelude::*;
use pyo3::types::PyString;
use std::cell::OnceCell;

pub(crate) struct Text {
    text: &'static str,
    made: OnceCell<Py<PyString>>,
}

// SAFETY: invariant E5: used with the GIL held only, as the token says; making a text does not let go of it.
unsafe impl Sync for Text {}

impl Text {
    pub(crate) const fn new(text: &'static str) -> Text {
        Text { text, made: OnceCell::new() }
    }

    #[inline]
    pub(crate) fn get<'a, 'py>(&'a self, py: Python<'py>) -> &'a Bound<'py, PyString> {
        self.made.get_or_init(|| PyString::intern(py, self.text).unbind()).bind(py)
    }
}

/// The interned text object, made once.
macro_rules! intern {
    ($py:expr, $text:expr) => {{
        static TEXT: $crate::text::Text = $crate::text::Text::new($text);
        TEXT.get($py)
    }};
}
pub(crate) use intern;
