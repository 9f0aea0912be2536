//! Classes that have to be written before what holds them: a constructor below them takes a container that leads to them.
//!
//! A validator among the contents of a class is made of a schema, which names the class. Where the walk comes to the schema
//! first, it comes to the class from there, and from the class to the validator, while the schema is not whole; where it
//! comes to the class first, the schema is whole when the validator is made. So the walk is made again, with the class first.

use super::encode::{Encoder, Open, RUN};
use super::{Object, Strong};
use crate::error::Failure;
use pyo3::prelude::*;
use pyo3::types::PyString;
use torpor_store::frame::{Run, Space};
use torpor_store::value::tag;

/// For all walks of one capture.
pub(crate) type First = Vec<Strong>;

/// Where more nodes are open than this, their order is left as it is: it would be looked through too often.
const DEPTH: usize = 4096;

impl Encoder<'_> {
    /// The node at `slot`, of an object that was met again below the arguments of constructors, may be open: notes the
    /// class between the two.
    #[cold]
    pub(super) fn note_unfinished(&mut self, slot: u32) {
        let open = &self.work.open;
        if open.len() > DEPTH {
            return;
        }
        let Some(container) = open.iter().position(|node| node.slot == slot) else { return };
        if !matches!(open[container].kind, tag::DICT | tag::LIST | tag::SET) {
            return;
        }
        // What is constructed has its object still.
        let is_constructed = |node: &Open| node.kind == tag::OBJECT && node.object.is_some();
        let Some(last) = open.iter().rposition(is_constructed).filter(|at| *at > container) else { return };
        let is_class = |node: &&Open| {
            let callable = self.out.values[node.base as usize];
            let is_made = super::INTRINSICS.get(callable.low() as usize) == Some(&"make_class");
            node.kind == tag::OBJECT && callable.tag == tag::INTRINSIC && is_made
        };
        let Some(class) = open[container..last].iter().find(is_class).map(|node| node.slot) else { return };
        let address = self.work.memo.iter().find(|(_, at)| **at == class).map(|(address, _)| *address);
        let Some(address) = address.filter(|a| self.work.first.iter().all(|known| known.0 as usize != *a))
        else {
            return;
        };
        // SAFETY: E5: what the memo has is held.
        self.work.first.push(unsafe { Strong::borrowed(address as Object) });
        self.work.walk_again = true;
    }

    /// Writes those that an earlier walk has noted, in a namespace that nobody has.
    pub(super) fn write_first(&mut self) -> Result<(), Failure> {
        for i in 0..self.work.first.len() {
            let class = self.work.first[i].0;
            if self.known(class).is_some() {
                continue;
            }
            let space = self.nameless_space(Space::WITHOUT_BUILTINS);
            let first = self.reserve(2)?;
            self.out.runs.push(Run { space, first, count: 1, reserved: 0 });
            // SAFETY: E5: held.
            unsafe {
                let name = Bound::from_borrowed_ptr(self.py, class);
                let name = crate::metaclass::own(&name, crate::text::intern!(self.py, "__name__"))?;
                let name = name.cast_into::<PyString>().map_err(PyErr::from)?;
                self.put(name.as_ptr(), first)?;
                self.put(class, first + 1)?;
            }
            self.open(RUN, first, 2, space, None);
            self.drain()?;
        }
        Ok(())
    }
}
