//! Where a value stands, in words: `frames[2].locals['job'].handle.sock`.

use super::encode::{Encoder, Open, ROOT, RUN};
use super::Object;
use crate::frame::offset;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use torpor_store::frame::FRAME_HEAD;
use torpor_store::value::{flag, tag};

/// The names of one frame's slots.
pub struct RootNames {
    pub first: u32,
    pub nlocals: u32,
    pub nstack: u32,
    pub code: Object,
    /// As the frames are counted that are shown.
    pub number: usize,
    /// It is what holds the context that the others run in.
    pub is_context: bool,
}

impl Encoder<'_> {
    /// The path of the node at `slot`, which is a child of the innermost open node.
    pub(super) fn path_of(&self, slot: u32) -> String {
        let mut path = String::new();
        let (mut under_state, mut has_slots, mut under_items) = (false, false, false);
        let open = &self.work.open;
        for (depth, node) in open.iter().enumerate() {
            // The child that is being written: the next node's own slot, or the one asked for.
            let child = match open.get(depth + 1) {
                Some(inner) => inner.slot,
                None => slot,
            };
            let inner_slot =
                if (node.base..node.end).contains(&child) { child } else { node.next.saturating_sub(1) };
            let i = inner_slot.saturating_sub(node.base);
            match node.kind {
                ROOT => path.push_str(&self.root_name(inner_slot)),
                RUN if self.is_of_finalizers(node) => path.push_str(&format!("finalizers[{}]", i / 2)),
                RUN => path.push_str(&format!("globals[{}]", self.key(node, i & !1))),
                tag::TUPLE if has_slots && i == 1 => {}
                tag::LIST if under_items => path.push_str(&format!("[{}]", self.key(node, i & !1))),
                tag::LIST | tag::TUPLE => match self.place_in_greenlet(node.slot) {
                    Some(place) => path.push_str(&place),
                    None => path.push_str(&format!("[{i}]")),
                },
                tag::DICT if under_state => {
                    let key = self.key(node, i & !1);
                    path.push_str(&format!(".{}", key.trim_matches('\'')));
                }
                tag::DICT => path.push_str(&format!("[{}]", self.key(node, i & !1))),
                tag::SET | tag::FROZENSET => path.push_str("{...}"),
                tag::CELL => path.push_str(".cell_contents"),
                tag::FUNCTION => path.push_str(
                    [
                        "",
                        "",
                        "",
                        "",
                        "",
                        "",
                        ".__defaults__",
                        ".__kwdefaults__",
                        ".__closure__",
                        ".__dict__",
                        "",
                    ]
                    .get(i as usize)
                    .copied()
                    .unwrap_or(""),
                ),
                tag::ARRAY => path.push_str(if i == 0 { ".base" } else { ".dtype" }),
                tag::OBJECT => match i {
                    0 => path.push_str("<callable>"),
                    1 => path.push_str("<arguments>"),
                    3 => path.push_str("<items>"),
                    _ => {}
                },
                _ => {}
            }
            under_state = node.kind == tag::OBJECT && i == 2 || has_slots && i == 1;
            // Beside its `__dict__`, in a pair, if it is object that has said what the state is.
            let is_own = |node: &Open| self.out.values[node.slot as usize].flags & flag::OWN_STATE != 0;
            has_slots = node.kind == tag::OBJECT && i == 2 && is_own(node);
            let in_turn = |node: &Open| self.out.values[node.slot as usize].flags & flag::IN_TURN != 0;
            under_items = node.kind == tag::OBJECT && i == 4 && in_turn(node);
        }
        path
    }

    /// The local through which the node at `slot` is met.
    pub(super) fn local_of(&self, slot: u32) -> Option<(usize, usize)> {
        let open = &self.work.open;
        let root = open.first().filter(|node| node.kind == ROOT)?;
        let child = if open.len() > 1 { root.next - 1 } else { slot };
        self.work.roots.iter().enumerate().find_map(|(i, frame)| {
            let k = child.checked_sub(frame.first + FRAME_HEAD)?;
            (k < frame.nlocals).then_some((i, k as usize))
        })
    }

    /// The key before the value at child `i` of a dict, as Python writes it.
    fn key(&self, node: &Open, i: u32) -> String {
        let Some(v) = self.out.values.get((node.base + i) as usize) else { return "?".into() };
        match v.tag {
            tag::TEXT => {
                let at = v.low() as usize;
                let bytes = self.out.data.get(at..at + v.len as usize).unwrap_or(b"?");
                format!("'{}'", String::from_utf8_lossy(bytes).escape_debug())
            }
            tag::INT => (v.data as i64).to_string(),
            _ => "...".into(),
        }
    }

    pub(super) fn root_name(&self, slot: u32) -> String {
        for frame in &self.work.roots {
            let i = frame.number;
            let Some(k) = slot.checked_sub(frame.first) else { continue };
            if k >= FRAME_HEAD + frame.nlocals + frame.nstack {
                continue;
            }
            if frame.is_context {
                return "context".into();
            }
            if k == 0 {
                return format!("frames[{i}].function");
            }
            if k == 1 {
                return format!("frames[{i}].f_locals");
            }
            let k = k - FRAME_HEAD;
            if k >= frame.nlocals {
                return format!("frames[{i}].stack[{}]", k - frame.nlocals);
            }
            // SAFETY: invariant E1: the code object is live (its frame is) and has such a tuple.
            let names = unsafe {
                let names = *frame.code.byte_add(offset::CODE_LOCALSPLUS_NAMES).cast::<Object>();
                Bound::from_borrowed_ptr(self.py, names)
            };
            let name = names.cast::<PyTuple>().ok().and_then(|t| t.get_item(k as usize).ok());
            return match name {
                Some(name) => format!("frames[{i}].locals['{}']", super::text_of(&name)),
                None => format!("frames[{i}].locals[{k}]"),
            };
        }
        "the handled exception".into()
    }
}
