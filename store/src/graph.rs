//! The check of a whole graph: every index, every range, in linear time.
//!
//! Values are laid out in the order in which a walker meets them: the values of all namespaces run by
//! run, then those of the frames and the handled exception as one run; the children of a node are one
//! run that begins where the last run ended, and nodes are opened in order, depth first. So every slot
//! belongs to exactly one run, and a walk ends after as many steps as there are values, whatever the
//! bytes say. Who reads a graph that passed need not check again, and still indexes by `get`.

use crate::frame::{Array, FRAME_HEAD, NONE};
use crate::region::{Region, RegionError};
use crate::value::{flag, tag, Value};

fn bad(what: &'static str) -> RegionError {
    RegionError::Damaged(what)
}

/// Where each shared number is defined; [`NONE`] for a number that nothing has.
pub(crate) type Shared = Vec<u32>;

struct Walk<'a, 'r> {
    region: &'r Region<'a>,
    next: u64,
    open: Vec<(u32, u32)>,
    shared: Shared,
}

/// Checks everything that [`Region::verify`] leaves open.
pub(crate) fn check(region: &Region<'_>) -> Result<Shared, RegionError> {
    let shared = vec![NONE; region.shared as usize + 1];
    let mut walk = Walk { region, next: 0, open: Vec::new(), shared };
    for space in region.spaces {
        region.bytes(space.name_offset, space.name_length)?;
        if space.builtins as usize > region.spaces.len() {
            return Err(bad("the index of a namespace's builtins is out of range"));
        }
    }
    for index in 0..region.codes.len() {
        region.code(index as u32)?;
    }
    for array in region.arrays {
        check_array(region, array)?;
    }
    for run in region.runs {
        if run.space as usize >= region.spaces.len() {
            return Err(bad("a namespace index is out of range"));
        }
        walk.run(run.first, u64::from(run.count) * 2)?;
    }
    let first = walk.next;
    let mut end = first;
    for frame in region.frames {
        if frame.code as usize >= region.codes.len() {
            return Err(bad("a code index is out of range"));
        }
        if u64::from(frame.first) != end {
            return Err(bad("a frame's values do not follow the ones before"));
        }
        end += u64::from(FRAME_HEAD) + u64::from(frame.nlocals) + u64::from(frame.nstack);
    }
    if region.handled != NONE {
        if u64::from(region.handled) != end {
            return Err(bad("the handled exception does not follow the frames"));
        }
        end += 1;
    }
    walk.run(first as u32, end - first)?;
    if walk.next != region.values.len() as u64 {
        return Err(bad("there are values that belong to nothing"));
    }
    walk.check_references()?;
    Ok(walk.shared)
}

impl Walk<'_, '_> {
    fn claim(&mut self, base: u32, n: u64) -> Result<(), RegionError> {
        if n > 0 && u64::from(base) != self.next {
            return Err(bad("a run of children does not begin where the last one ended"));
        }
        self.next += n;
        if self.next > self.region.values.len() as u64 {
            return Err(bad("a run of children ends outside of the values"));
        }
        Ok(())
    }

    fn run(&mut self, base: u32, n: u64) -> Result<(), RegionError> {
        self.claim(base, n)?;
        self.open.push((base, base + n as u32));
        while let Some((at, end)) = self.open.last_mut() {
            if at == end {
                self.open.pop();
                continue;
            }
            let slot = *at;
            *at += 1;
            let v = *self.region.values.get(slot as usize).ok_or_else(|| bad("a value is missing"))?;
            if v.is_atom() {
                check_atom(self.region, v)?;
                if has_number(v) {
                    self.define(v.shared(), slot)?;
                }
                continue;
            }
            if v.tag == tag::REF {
                continue;
            }
            let n = v.children().ok_or_else(|| bad("a value has an unknown tag or a wrong length"))?;
            self.claim(v.low(), n)?;
            let recursive = v.flags & flag::RECURSIVE != 0;
            if !recursive {
                self.define(v.shared(), slot)?;
            }
            if n > 0 {
                // What follows an object's arguments belongs to the node that the cycle came from.
                let end = if recursive && v.tag == tag::OBJECT { v.low() + 2 } else { v.low() + n as u32 };
                self.open.push((v.low(), end));
            }
        }
        Ok(())
    }

    fn define(&mut self, number: u32, slot: u32) -> Result<(), RegionError> {
        if number == 0 {
            return Ok(());
        }
        let place =
            self.shared.get_mut(number as usize).ok_or_else(|| bad("a shared number is out of range"))?;
        if *place != NONE {
            return Err(bad("a shared number is given twice"));
        }
        *place = slot;
        Ok(())
    }

    /// References lead to a node of the right sort, arrays to the memory that they say.
    fn check_references(&self) -> Result<(), RegionError> {
        let target = |number: u64| {
            let slot = usize::try_from(number).ok().and_then(|n| self.shared.get(n));
            slot.and_then(|s| self.region.values.get(*s as usize)).copied()
        };
        for v in self.region.values {
            let is_recursive = v.tag > tag::LAST_ATOM && v.flags & flag::RECURSIVE != 0;
            if is_recursive && target(u64::from(v.shared())).is_none_or(|t| t.is_atom()) {
                return Err(bad("a reference leads to no value"));
            }
            let found = match v.tag {
                // Also names, modules and code: what is only known to be an atom when its turn comes.
                tag::REF => target(v.data).is_some(),
                tag::ALIAS => target(v.data).is_some_and(|t| t.is_atom()),
                tag::ARRAY => {
                    let index = self.region.values.get(v.low() as usize + 2);
                    index.is_some_and(|i| i.tag == tag::INT && i.data < self.region.arrays.len() as u64)
                }
                _ => true,
            };
            if !found {
                return Err(bad("a reference leads to no value"));
            }
        }
        Ok(())
    }
}

/// Whether the high half of an atom's data is a shared number.
fn has_number(v: Value) -> bool {
    !matches!(v.tag, tag::INT | tag::FLOAT | tag::ALIAS | tag::TAGGED_INT | tag::INTRINSIC)
}

fn check_atom(region: &Region<'_>, v: Value) -> Result<(), RegionError> {
    match v.tag {
        tag::TEXT | tag::BYTES | tag::BYTEARRAY if v.flags & flag::FAR != 0 => {
            region.extents.get(v.low() as usize).ok_or_else(|| bad("an extent index is out of range"))?;
        }
        tag::TEXT | tag::BYTES | tag::BYTEARRAY => {
            // C reads these as text that ends with a NUL.
            let end = v.low() as usize + v.len as usize;
            region.bytes(v.low(), v.len)?;
            if region.data.get(end) != Some(&0) {
                return Err(bad("a text does not end with a NUL"));
            }
            if v.flags & flag::NAMED != 0 {
                region.bytes(v.low().saturating_add(v.len).saturating_add(1), u32::from(v.small))?;
            }
        }
        tag::COMPLEX => {
            region.bytes(v.low(), 16)?;
        }
        tag::BIG_INT | tag::GLOBAL | tag::MODULE | tag::MODULE_DICT => {
            region.bytes(v.low(), v.len)?;
            if v.flags & flag::HASHED != 0 && v.low() < 16 {
                return Err(bad("a code hash is missing"));
            }
        }
        tag::SPACE | tag::SPACE_MODULE if v.low() as usize >= region.spaces.len() => {
            return Err(bad("a namespace index is out of range"));
        }
        tag::CODE if v.low() as usize >= region.codes.len() => {
            return Err(bad("a code index is out of range"));
        }
        t if t > tag::ALIAS => return Err(bad("a value has an unknown tag")),
        _ => {}
    }
    Ok(())
}

/// The lowest and the highest byte, relative to the first element, that an array of this shape touches.
pub(crate) fn span(shape: &[i64], strides: &[i64], itemsize: u32) -> Option<(i128, i128)> {
    if shape.iter().any(|n| *n < 0) {
        return None;
    }
    if shape.contains(&0) {
        return Some((0, 0));
    }
    let (mut low, mut high) = (0i128, i128::from(itemsize));
    for (n, s) in shape.iter().zip(strides) {
        let reach = i128::from(n - 1) * i128::from(*s);
        low += reach.min(0);
        high += reach.max(0);
    }
    Some((low, high))
}

fn check_array(region: &Region<'_>, a: &Array) -> Result<(), RegionError> {
    let ndim = usize::from(a.ndim);
    let dims = region.dims.get(a.shape as usize..).and_then(|d| d.get(..2 * ndim));
    let dims = dims.ok_or_else(|| bad("an array's shape lies outside of the dimensions"))?;
    let (low, high) =
        span(&dims[..ndim], &dims[ndim..], a.itemsize).ok_or_else(|| bad("an array has a negative size"))?;
    region.bytes(a.format_offset, a.format_length)?;
    if a.flags & Array::VIEW != 0 {
        return Ok(()); // the memory is another array's: checked when it is looked at
    }
    let memory = match a.extent {
        NONE => region.data.len() as u64,
        e => region.extents.get(e as usize).ok_or_else(|| bad("an extent index is out of range"))?.length,
    };
    let inside = a.offset.checked_add(a.nbytes).is_some_and(|end| end <= memory);
    let start = i128::from(a.offset);
    if !inside || start + low < 0 || start + high > i128::from(memory) {
        return Err(bad("an array lies outside of its memory"));
    }
    Ok(())
}
