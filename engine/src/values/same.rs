//! What a graph brings and this process has already, as it was captured: functions, classes and type parameters that were
//! adopted before, or come home. Each stays one object, if nobody can tell that it is shared.
//!
//! A function can be told from another one by what it changes and by what others change of it. So it is taken only if
//! all that it reaches by names, closure and defaults is as it was captured and does not change: numbers, text and tuples that no code of
//! the snapshot assigns, what modules have that stay behind, and functions and classes of which the same holds. A class
//! is taken if that holds of its bases and of what it contains; a list, a dict or an instance among that makes it one of
//! its own for each adopt. Functions of the captured frames are never taken: their globals are private to the stack.

use super::compare::{Compared, CODE};
use super::decode::Decoder;
use super::kept::{has_intrinsic, Look};
use super::Strong;
use crate::code;
use crate::error::Failure;
use hashbrown::{HashMap, HashSet};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use torpor_store::frame::FRAME_HEAD;
use torpor_store::value::tag;
use torpor_store::Value;

/// The place of its origin among the arguments of what makes a class, and a type parameter.
const ORIGIN: usize = 4;

/// Names that the code of a snapshot assigns.
#[derive(Default)]
pub(super) struct Assigned {
    /// By `global`.
    pub(super) globals: HashSet<String>,
    /// Of what may be a class.
    pub(super) attributes: HashSet<String>,
    /// In closures.
    pub(super) cells: HashSet<String>,
    /// By the code of frames that have no locals of their own, which are those of modules.
    pub(super) module: HashSet<String>,
}

impl<'a, 'py> Decoder<'a, 'py> {
    /// Where the functions of the frames stand, and those of generators: they are never taken from elsewhere.
    fn running_functions(&self) -> HashSet<u32> {
        let values = self.region.values;
        let heads = self.region.frames.iter().map(|frame| frame.first);
        let generators = values.iter().filter(|v| v.tag == tag::GENERATOR).map(|v| v.low());
        let at = |slot: u32| values.get(slot as usize).copied().unwrap_or(Value::NULL);
        let (others, own): (Vec<u32>, Vec<u32>) =
            heads.chain(generators).partition(|slot| at(*slot).tag == tag::REF);
        let mut own: HashSet<u32> = own.into_iter().collect();
        if !others.is_empty() {
            let numbers: HashSet<u64> = others.into_iter().map(|slot| at(slot).data).collect();
            let is_meant = |v: &Value| v.tag == tag::FUNCTION && numbers.contains(&u64::from(v.shared()));
            own.extend((0..).zip(values).filter(|(_, v)| is_meant(v)).map(|(slot, _)| slot));
        }
        own
    }

    /// By node, what this process has of the origins that the graph names.
    pub(super) fn living(&self) -> Result<HashMap<u32, Bound<'py, PyAny>>, Failure> {
        let mut living = HashMap::new();
        let values = self.region.values;
        let has_origin = |v: &Value| {
            v.tag == tag::FUNCTION || has_intrinsic(values, *v, &["make_class", "make_in_module"])
        };
        if !values.iter().any(has_origin) {
            return Ok(living); // the common case: no code travels
        }
        let classes = self.runtime.engine.bind(self.py).getattr("LIVING")?;
        let has_classes = classes.len()? > 0;
        if !has_classes && !self.runtime.has_origins() {
            return Ok(living);
        }
        let child = |v: Value, i: usize| values.get(v.low() as usize + i).copied().unwrap_or(Value::NULL);
        let running = self.running_functions();
        for (slot, v) in values.iter().enumerate() {
            let found = match v.tag {
                tag::FUNCTION if running.contains(&(slot as u32)) => None,
                tag::FUNCTION => self.runtime.living(self.py, child(*v, CODE).len),
                tag::OBJECT
                    if has_classes && has_intrinsic(values, *v, &["make_class", "make_in_module"]) =>
                {
                    let origin = child(child(*v, 1), ORIGIN);
                    match origin.tag == tag::TEXT && child(*v, 1).len as usize > ORIGIN {
                        true => {
                            Some(classes.call_method1("get", (self.utf8(origin)?,))?).filter(|c| !c.is_none())
                        }
                        false => None,
                    }
                }
                _ => None,
            };
            living.extend(found.map(|found| (slot as u32, found)));
        }
        Ok(living)
    }

    /// What of that is as it was captured: taken in the place of these nodes and of what classes among them contain.
    pub(super) fn find_same(
        &mut self,
        look: &Look<'a>,
        living: HashMap<u32, Bound<'py, PyAny>>,
    ) -> Result<HashMap<u32, Strong>, Failure> {
        let values = self.region.values;
        let assigned = self.assigned()?;
        let names = self.names_of_spaces(look)?;
        let shown = self.shown_spaces(look);
        let (mut needs, mut contents, mut use_module) = (HashMap::new(), Vec::new(), HashSet::new());
        let mut tuples = HashMap::new();
        for (slot, object) in &living {
            let (look, assigned, names, shown) = (look, &assigned, &names, &shown);
            let mut compared = Compared {
                look,
                living: &living,
                assigned,
                names,
                shown,
                needs: Vec::new(),
                tuples: Vec::new(),
                contents: None,
                uses_cells: false,
                uses_module: false,
                open: Vec::new(),
            };
            if self.is_same(&mut compared, *slot, object)? {
                needs.insert(*slot, compared.needs);
                tuples.insert(*slot, compared.tuples);
                contents.extend(compared.contents.map(|contents| (*slot, contents)));
                if compared.uses_module {
                    use_module.insert(*slot);
                }
            }
        }
        loop {
            let before = needs.len();
            let there: HashSet<u32> = needs.keys().copied().collect();
            needs.retain(|_, needed| needed.iter().all(|slot| there.contains(slot)));
            if needs.len() == before {
                break;
            }
        }
        // Classes are one all the same. Functions that come home keep apart what their module may assign meanwhile.
        while needs.iter().any(|(slot, needed): (&u32, &Vec<u32>)| {
            needed.iter().any(|slot| use_module.contains(slot)) && use_module.insert(*slot)
        }) {}
        let is_apart = |slot: &u32| values[*slot as usize].tag == tag::FUNCTION && use_module.contains(slot);
        let mut same = HashMap::new();
        for (_, held) in tuples.into_iter().filter(|(slot, _)| needs.contains_key(slot) && !is_apart(slot)) {
            same.extend(held.into_iter().map(|(slot, tuple)| (slot, Strong(tuple.into_ptr()))));
        }
        for (slot, contents) in contents.into_iter().filter(|(slot, _)| needs.contains_key(slot)) {
            self.contents_of_same(look, slot, contents, &mut same)?;
        }
        same.extend(
            needs
                .keys()
                .filter(|slot| !is_apart(slot))
                .filter_map(|slot| Some((*slot, Strong(living.get(slot)?.clone().into_ptr())))),
        );
        Ok(same)
    }

    /// What a class contains is what it contains here, too.
    fn contents_of_same(
        &self,
        look: &Look<'a>,
        slot: u32,
        contents: Bound<'py, PyDict>,
        same: &mut HashMap<u32, Strong>,
    ) -> Result<(), Failure> {
        let mut open = vec![(self.dict_of_contents(look, slot), contents)];
        while let Some((node, dict)) = open.pop() {
            for key in look.children(node).step_by(2) {
                let name = self.text_at(look, key)?;
                let value = match name {
                    Some(name) => dict.get_item(name)?,
                    None if look.at(key).tag == tag::INT => dict.get_item(look.at(key).data as i64)?,
                    None => None,
                };
                let (meant, Some(value)) = (look.meant(key + 1), value) else { continue };
                let v = look.at(meant);
                if v.is_atom() {
                    continue;
                }
                // Members of enumerations, fields of data classes.
                if let Some(parts) = value.cast::<PyDict>().ok().filter(|_| v.tag == tag::DICT) {
                    open.push((v, parts.clone()));
                }
                same.insert(meant, Strong(value.into_ptr()));
            }
        }
        Ok(())
    }

    fn assigned(&mut self) -> Result<Assigned, Failure> {
        let mut all = Assigned::default();
        let modules: HashSet<u32> =
            self.region.frames.iter().filter(|f| f.nlocals == 0).map(|f| f.code).collect();
        for index in 0..self.region.codes.len() as u32 {
            let code = Strong(self.code(index)?);
            // SAFETY: a live code object.
            let (entry, code) =
                unsafe { (code::entry(self.runtime, code.0)?, Bound::from_borrowed_ptr(self.py, code.0)) };
            let [globals, cells, names, attributes] = entry.assigned_names(self.py, self.runtime, &code)?;
            let text = |name: Bound<'_, PyAny>| super::text_of(&name);
            all.globals.extend(globals.iter().map(text));
            all.cells.extend(cells.iter().map(text));
            all.attributes.extend(attributes.iter().map(text));
            if modules.contains(&index) {
                all.module.extend(names.iter().map(text));
            }
        }
        Ok(all)
    }

    /// Namespaces that values of the program are: whose dict it is can be seen.
    fn shown_spaces(&self, look: &Look<'a>) -> HashSet<u32> {
        let values = self.region.values;
        let functions = values.iter().filter(|v| v.tag == tag::FUNCTION).map(|v| v.low());
        let heads =
            self.region.frames.iter().flat_map(|f| (0..FRAME_HEAD).map(|i| f.first.saturating_add(i)));
        let hidden: HashSet<u32> = functions.chain(heads).collect();
        let is_space = |slot: &u32| matches!(look.at(look.meant(*slot)).tag, tag::SPACE | tag::SPACE_MODULE);
        let shown = (0..look.len()).filter(|slot| is_space(slot) && !hidden.contains(slot));
        shown.map(|slot| look.at(look.meant(slot)).low()).collect()
    }

    fn names_of_spaces(&self, look: &Look<'a>) -> Result<HashMap<(u32, &'a str), u32>, Failure> {
        let mut names = HashMap::new();
        for run in self.region.runs {
            for i in 0..run.count.min(look.len()) {
                let key = run.first.saturating_add(2 * i);
                if let Some(name) = self.text_at(look, key)? {
                    names.insert((run.space, name), key.saturating_add(1));
                }
            }
        }
        Ok(names)
    }
}
