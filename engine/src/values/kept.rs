//! Modules that a snapshot brings with their state and that this process has imported already: it keeps its own. So it
//! does with functions and classes that it has from before (`same.rs`).
//!
//! What the rest of the graph refers to in such a module is what the adopter's own has under the same name: functions,
//! classes, objects, the module and its dict. The other contents of the module are passed over: nothing of them is
//! built, and none of their code runs. Which nodes that are is found before anything is built, by going
//! through the graph from the frames and from the modules that are brought.

use super::content::kind_of;
use super::decode::{Decoder, Place, PASSED};
use super::{Object, Strong};
use crate::error::{AdoptError, Failure};
use hashbrown::{HashMap, HashSet};
use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::borrow::Cow;
use torpor_store::frame::{Space, FRAME_HEAD, NONE};
use torpor_store::value::{flag, tag};
use torpor_store::Value;

/// What is built of a graph whose modules this process has in part.
pub(super) struct Kept {
    /// By node.
    built: Vec<bool>,
    /// What this process has in the place of nodes.
    own: HashMap<u32, Strong>,
}

impl Kept {
    pub(super) fn is_built(&self, slot: u32) -> bool {
        self.built.get(slot as usize).is_some_and(|built| *built)
    }

    pub(super) fn own(&self, slot: u32) -> Option<Strong> {
        // SAFETY: E5: live while it is in the map.
        self.own.get(&slot).map(|own| unsafe { Strong::borrowed(own.0) })
    }
}

/// A look at the graph before it is built. Every index is a claim: what it leads to may be nothing.
pub(super) struct Look<'a> {
    values: &'a [Value],
    /// Where the nodes with shared numbers stand.
    numbered: Vec<u32>,
    /// (module, name) that nodes are the values of, in modules that are kept.
    names: HashMap<u32, Vec<(&'a str, Cow<'a, str>)>>,
    /// Nodes that are values of names in modules that are brought.
    brought: HashSet<u32>,
}

impl Look<'_> {
    pub(super) fn at(&self, slot: u32) -> Value {
        self.values.get(slot as usize).copied().unwrap_or(Value::NULL)
    }

    /// Where the children of a node stand; none where the graph does not have them all.
    pub(super) fn children(&self, v: Value) -> std::ops::Range<u32> {
        let end = u64::from(v.low()) + v.children().unwrap_or(0);
        match !v.is_atom() && end <= self.values.len() as u64 {
            true => v.low()..end as u32,
            false => 0..0,
        }
    }

    /// Where the child with this number stands.
    pub(super) fn child(&self, v: Value, i: usize) -> u32 {
        self.children(v).nth(i).unwrap_or(NONE)
    }

    pub(super) fn len(&self) -> u32 {
        self.values.len() as u32
    }

    /// The node that is meant by the one at `slot`.
    pub(super) fn meant(&self, slot: u32) -> u32 {
        let v = self.at(slot);
        match v.tag {
            tag::REF | tag::ALIAS => self.numbered.get(v.data as usize).copied().unwrap_or(NONE),
            _ => slot,
        }
    }
}

/// Whether `v` is the node of what one of these functions of our own makes.
pub(super) fn has_intrinsic(values: &[Value], v: Value, names: &[&str]) -> bool {
    let callable = values.get(v.low() as usize).copied().unwrap_or(Value::NULL);
    let known = super::INTRINSICS.get(callable.low() as usize);
    v.tag == tag::OBJECT && callable.tag == tag::INTRINSIC && known.is_some_and(|known| names.contains(known))
}

/// Whether `v` is the node of a class that our own function makes.
fn is_class(look: &Look<'_>, v: Value) -> bool {
    has_intrinsic(look.values, v, &["make_class"])
}

fn has_number(v: &Value) -> bool {
    !matches!(
        v.tag,
        tag::NULL | tag::INT | tag::FLOAT | tag::COMPLEX | tag::TAGGED_INT | tag::REF | tag::ALIAS
    ) && v.shared() != 0
        && (v.is_atom() || v.flags & flag::RECURSIVE == 0)
}

impl<'a, 'py> Decoder<'a, 'py> {
    /// Whether a namespace is the dict of a module that this process keeps.
    pub(super) fn is_kept(&self, space: u32) -> bool {
        self.spaces.get(space as usize).is_some_and(|space| space.is_kept)
    }

    /// Finds what of the graph is built, if there are modules that are kept; and tells of these.
    pub(super) fn find_kept(&mut self) -> Result<(), Failure> {
        let living = self.living()?;
        if living.is_empty() && !self.spaces.iter().any(|space| space.is_kept) {
            return Ok(());
        }
        let mut names = Vec::new();
        for (i, space) in self.region.spaces.iter().enumerate().filter(|(i, _)| self.is_kept(*i as u32)) {
            let name = self.region.bytes(space.name_offset, space.name_length)?;
            names.push((std::str::from_utf8(name).unwrap_or_default(), i));
        }
        let look = self.look()?;
        let mut kept = Kept { built: vec![false; self.region.values.len()], own: HashMap::new() };
        let mut same = match living.is_empty() {
            true => HashMap::new(),
            false => self.find_same(&look, living)?,
        };
        let mut open = self.roots_of_graph();
        while let Some(slot) = open.pop() {
            let v = look.at(slot);
            match kept.built.get_mut(slot as usize) {
                Some(built) if !*built => *built = true,
                _ => continue,
            }
            if matches!(v.tag, tag::REF | tag::ALIAS) {
                open.push(look.meant(slot));
                continue;
            }
            let own = match same.remove(&slot) {
                None => self.own_in_place_of(&look, slot, v)?,
                same => same,
            };
            if let Some(own) = own {
                kept.own.insert(slot, own);
                continue;
            }
            if v.is_atom() {
                continue;
            }
            if v.flags & flag::RECURSIVE != 0 {
                open.extend(look.numbered.get(v.shared() as usize));
            }
            open.extend(look.children(v));
        }
        self.kept = Some(Box::new(kept));
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        self.runtime.warn_modules_kept(self.py, &names)
    }

    fn look(&self) -> Result<Look<'a>, Failure> {
        let values = self.region.values;
        let mut look = Look {
            values,
            numbered: vec![NONE; self.region.shared as usize + 1],
            names: HashMap::new(),
            brought: HashSet::new(),
        };
        for (slot, v) in values.iter().enumerate().filter(|(_, v)| has_number(v)) {
            if let Some(place) = look.numbered.get_mut(v.shared() as usize) {
                *place = slot as u32;
            }
        }
        for v in values.iter().filter(|v| v.flags & flag::NAMED != 0) {
            self.look_at_members(&mut look, *v)?;
        }
        for run in self.region.runs {
            let Some(space) = self.region.spaces.get(run.space as usize) else { continue };
            let is_kept = self.is_kept(run.space);
            let module = self.region.bytes(space.name_offset, space.name_length)?;
            let module = std::str::from_utf8(module).unwrap_or_default();
            for i in 0..run.count.min(values.len() as u32) {
                let key = run.first.saturating_add(2 * i);
                let meant = look.meant(key.saturating_add(1));
                if is_kept {
                    let name = self.text_at(&look, key)?.unwrap_or_default();
                    look.names.entry(meant).or_default().push((module, name.into()));
                } else if space.flags & Space::STATE != 0 {
                    look.brought.insert(meant);
                }
            }
        }
        Ok(look)
    }

    /// Members of an enumeration have names in their class.
    fn look_at_members(&self, look: &mut Look<'a>, class: Value) -> Result<(), Failure> {
        let (Some(module), Some(class_name)) = self.name_of_class(look, class)? else { return Ok(()) };
        let contents = look.at(look.child(look.at(look.child(class, 2)), 0));
        for key in look.children(contents).step_by(2) {
            if self.text_at(look, key)? != Some("_member_map_") {
                continue;
            }
            let members = look.at(look.meant(key + 1));
            for key in look.children(members).step_by(2) {
                let name = format!("{class_name}.{}", self.text_at(look, key)?.unwrap_or_default());
                let member = look.meant(key + 1);
                look.names.entry(member).or_default().push((module, name.into()));
            }
        }
        Ok(())
    }

    /// The nodes that are built in any case: values of namespaces that are brought, and of the frames.
    fn roots_of_graph(&self) -> Vec<u32> {
        let mut roots = Vec::new();
        for run in self.region.runs.iter().filter(|run| !self.is_kept(run.space)) {
            let n = run.count.min(self.region.values.len() as u32);
            roots.extend((0..2 * n).map(|i| run.first.saturating_add(i)));
        }
        for frame in self.region.frames {
            let n = FRAME_HEAD.saturating_add(frame.nlocals).saturating_add(frame.nstack);
            roots.extend((0..n.min(self.region.values.len() as u32)).map(|i| frame.first.saturating_add(i)));
        }
        roots.extend(Some(self.region.handled).filter(|handled| *handled != NONE));
        roots
    }

    pub(super) fn text_at(&self, look: &Look<'a>, slot: u32) -> Result<Option<&'a str>, Failure> {
        let v = look.at(look.meant(slot));
        if v.tag != tag::TEXT {
            return Ok(None);
        }
        Ok(std::str::from_utf8(self.payload(v)?).ok())
    }

    /// What this process has in the place of a node; an error if it must have something and does not.
    fn own_in_place_of(&self, look: &Look<'a>, slot: u32, v: Value) -> Result<Option<Strong>, Failure> {
        if v.flags & (flag::NAMED | flag::RECURSIVE) != flag::NAMED || v.is_atom() {
            return Ok(None);
        }
        if v.tag == tag::FUNCTION {
            let (module, name) =
                (self.text_at(look, look.child(v, 4))?, self.text_at(look, look.child(v, 3))?);
            let Some((own, name)) = self.own_under(module, name)? else { return Ok(None) };
            let code = self.region.codes.get(look.at(look.child(v, 1)).low() as usize);
            let code = code.ok_or_else(|| Failure::corrupt("a code index is out of range"))?;
            self.check_hash(&own, code.hash(), name.as_bytes())?;
            return Ok(Some(Strong(own.into_ptr())));
        }
        if is_class(look, v) {
            let (module, name) = self.name_of_class(look, v)?;
            let Some((own, name)) = self.own_under(module, name)? else { return Ok(None) };
            // SAFETY: E5: live.
            if unsafe { ffi::PyType_Check(own.as_ptr()) } == 0 {
                return Err(other_kind(&name, &own)?);
            }
            return Ok(Some(Strong(own.into_ptr())));
        }
        if look.brought.contains(&slot) {
            return Ok(None); // it is in the state of that module
        }
        let rebound = self.runtime.engine.bind(self.py).getattr("is_rebound")?;
        for (module, name) in look.names.get(&slot).into_iter().flatten() {
            if rebound.call1((*module, &**name))?.is_truthy()? {
                continue;
            }
            let Some((own, name)) = self.own_under(Some(module), Some(name))? else { continue };
            if kind_of(&own)? as u16 != v.small {
                return Err(other_kind(&name, &own)?);
            }
            return Ok(Some(Strong(own.into_ptr())));
        }
        Ok(None)
    }

    /// The module and the path of names of a class, if `v` is the node of one.
    #[allow(clippy::type_complexity)]
    fn name_of_class(
        &self,
        look: &Look<'a>,
        v: Value,
    ) -> Result<(Option<&'a str>, Option<&'a str>), Failure> {
        let (mut module, mut name) = (None, None);
        if !is_class(look, v) {
            return Ok((module, name));
        }
        let made = look.at(look.child(look.at(look.child(v, 1)), 3));
        for key in look.children(made).step_by(2) {
            match self.text_at(look, key)? {
                Some("__module__") => module = self.text_at(look, key + 1)?,
                Some("__qualname__") => name = self.text_at(look, key + 1)?,
                _ => {}
            }
        }
        Ok((module, name))
    }

    /// What a module that is kept has under a path of names, and both as a text. `None` if it is another module.
    fn own_under(
        &self,
        module: Option<&str>,
        name: Option<&str>,
    ) -> Result<Option<(Bound<'py, PyAny>, String)>, Failure> {
        let (Some(module), Some(name)) = (module, name) else { return Ok(None) };
        let named = |i: &usize| {
            let space = &self.region.spaces[*i];
            self.region.bytes(space.name_offset, space.name_length).is_ok_and(|n| n == module.as_bytes())
        };
        let kept = (0..self.spaces.len()).filter(|i| self.is_kept(*i as u32)).find(named);
        let Some(found) = kept.and_then(|i| self.spaces[i].module.as_ref()) else { return Ok(None) };
        let full = format!("{module}:{name}");
        // SAFETY: E5: live.
        let mut own: Bound<'py, PyAny> = unsafe { Bound::from_borrowed_ptr(self.py, found.0) };
        for part in name.split('.') {
            own = own.getattr(PyString::new(self.py, part)).map_err(|e| {
                if !e.is_instance_of::<PyException>(self.py) {
                    return Failure::from(e);
                }
                AdoptError::Missing(format!(
                    "the snapshot refers to '{full}', and module '{module}', which is imported here already and keeps \
                     its own state, has no '{part}'; adopt in a process that has not imported '{module}'"
                ))
                .into()
            })?;
        }
        Ok(Some((own, full)))
    }

    /// Passes over a node: this process has `own` in its place, or nobody needs it.
    pub(super) fn pass_over(&mut self, v: Value, slot: u32, own: Option<Strong>) -> Result<(), Failure> {
        let n = v.children().ok_or_else(|| Failure::corrupt("a value has an unknown tag"))?;
        let base = if n == 0 { self.next() } else { v.low() };
        self.claim(base, n)?;
        let object: Object = own.map_or(std::ptr::null_mut(), Strong::release);
        self.push(PASSED, base, n as u32, slot, object, Place::Nowhere);
        if !object.is_null() {
            self.share(v, object)?;
        }
        self.sweep_passed(base, n as u32)
    }

    /// Of a run that is passed over, those atoms to which something else refers.
    pub(super) fn sweep_passed(&mut self, base: u32, n: u32) -> Result<(), Failure> {
        for slot in base..base + n {
            let v = self.region.values[slot as usize];
            if v.is_atom() && self.kept.as_ref().is_some_and(|kept| kept.is_built(slot)) {
                drop(Strong(self.atom(v)?));
            }
        }
        Ok(())
    }
}

fn other_kind(name: &str, own: &Bound<'_, PyAny>) -> Result<Failure, Failure> {
    let class = super::text_of(own.get_type().fully_qualified_name()?.as_any());
    Ok(AdoptError::Missing(format!(
        "the snapshot refers to '{name}' of a module that is imported here already and keeps its own state; what it has \
         there is a {class}, and was of another kind where it was captured; adopt in a process that has not imported it"
    ))
    .into())
}
