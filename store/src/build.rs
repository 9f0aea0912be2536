//! Snapshots made by Rust programs: frames, locals, values, without `unsafe` and without Python.
//!
//! Step "capture" of the flow, for programs that have no Python frames: [`Builder`] collects named
//! values, encodes them as a [`SnapshotBuilder`] and stores that. Large arrays are borrowed and copied
//! once, to where they stay.

use crate::capture::{SnapshotBuilder, FAR_BUFFER};
use crate::error::StoreError;
use crate::frame::{Array, Frame, FRAME_HEAD, NONE};
use crate::region;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::value::{flag, tag, Value, ARRAY_CHILDREN};
use std::borrow::Cow;

/// A value to be stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item<'b> {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, little-endian.
    BigInt(Vec<u8>),
    Float(f64),
    Complex(f64, f64),
    Text(Cow<'b, str>),
    Bytes(Cow<'b, [u8]>),
    ByteArray(Cow<'b, [u8]>),
    Tuple(Vec<Item<'b>>),
    List(Vec<Item<'b>>),
    Set(Vec<Item<'b>>),
    FrozenSet(Vec<Item<'b>>),
    Dict(Vec<(Item<'b>, Item<'b>)>),
    Array(ArrayItem<'b>),
    /// A container to which [`Item::Same`] with the same number refers, from anywhere in the snapshot
    /// that comes after it or lies inside of it.
    Shared(u32, Box<Item<'b>>),
    Same(u32),
}

/// An array in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayItem<'b> {
    bytes: Cow<'b, [u8]>,
    shape: Vec<i64>,
    element: Element,
}

/// The elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    U8,
    I32,
    I64,
    F32,
    F64,
}

impl Element {
    fn describe(self) -> (&'static str, &'static str, u32) {
        match self {
            Element::U8 => ("B", "|u1", 1),
            Element::I32 => ("<i", "<i4", 4),
            Element::I64 => ("<q", "<i8", 8),
            Element::F32 => ("<f", "<f4", 4),
            Element::F64 => ("<d", "<f8", 8),
        }
    }
}

impl<'b> ArrayItem<'b> {
    /// An array of this shape over bytes; `None` if they do not fit each other.
    pub fn new(bytes: impl Into<Cow<'b, [u8]>>, shape: &[usize], element: Element) -> Option<Self> {
        let bytes = bytes.into();
        let size = shape.iter().try_fold(element.describe().2 as usize, |n, d| n.checked_mul(*d))?;
        let shape = shape.iter().map(|n| *n as i64).collect();
        (size == bytes.len() && bytes.len() <= isize::MAX as usize).then_some(ArrayItem {
            bytes,
            shape,
            element,
        })
    }
}

macro_rules! from {
    ($($type:ty => $x:ident $item:expr),* $(,)?) => { $(
        impl<'b> From<$type> for Item<'b> {
            fn from($x: $type) -> Self {
                $item
            }
        }
    )* };
}
from! {
    bool => x Item::Bool(x),
    i32 => x Item::Int(x.into()),
    i64 => x Item::Int(x),
    f64 => x Item::Float(x),
    &'b str => x Item::Text(x.into()),
    String => x Item::Text(x.into()),
    &'b [u8] => x Item::Bytes(x.into()),
    Vec<u8> => x Item::Bytes(x.into()),
    ArrayItem<'b> => x Item::Array(x),
}
macro_rules! arrays {
    ($($type:ty => $element:ident),*) => { $(
        impl<'b> From<&'b [$type]> for ArrayItem<'b> {
            fn from(x: &'b [$type]) -> Self {
                // SAFETY: invariant R2: numbers without padding, seen as bytes.
                let bytes = unsafe { std::slice::from_raw_parts(x.as_ptr().cast::<u8>(), size_of_val(x)) };
                ArrayItem { bytes: bytes.into(), shape: vec![x.len() as i64], element: Element::$element }
            }
        }
        impl<'b> From<&'b [$type]> for Item<'b> {
            fn from(x: &'b [$type]) -> Self {
                Item::Array(x.into())
            }
        }
    )* };
}
arrays!(i32 => I32, i64 => I64, f32 => F32, f64 => F64);

/// One suspended call to be stored.
#[derive(Clone, Debug)]
struct Call<'b> {
    function: String,
    filename: String,
    line: i32,
    locals: Vec<(String, Item<'b>)>,
}

/// Collects frames and their locals, innermost frame first.
///
/// ```
/// use torpor_store::{Builder, Snapshot};
/// let grid = vec![0.5f64; 1_000_000];
/// let mut builder = Builder::new();
/// builder.local("step", 17i64).local("grid", &grid[..]);
/// builder.frame("main", "job.rs", 80).local("name", "heat");
/// let snapshot = Snapshot::from_bytes(&builder.to_bytes()?)?;
/// let grid = snapshot.local(0, "grid")?.unwrap();
/// assert_eq!(grid.array().unwrap().shape, [1_000_000]);
/// assert_eq!(snapshot.frames()?[1].lineno, 80);
/// # Ok::<(), torpor_store::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder<'b> {
    calls: Vec<Call<'b>>,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Builder::new()
    }
}

impl<'b> Builder<'b> {
    /// With one frame, called `main`.
    pub fn new() -> Self {
        let call = Call { function: "main".into(), filename: String::new(), line: 0, locals: Vec::new() };
        Builder { calls: vec![call] }
    }

    /// Adds a frame outside of the ones so far; locals that follow are its own.
    pub fn frame(&mut self, function: &str, filename: &str, line: i32) -> &mut Self {
        let call = Call { function: function.into(), filename: filename.into(), line, locals: Vec::new() };
        self.calls.push(call);
        self
    }

    /// Adds a local to the frame added last.
    pub fn local(&mut self, name: &str, value: impl Into<Item<'b>>) -> &mut Self {
        if let Some(call) = self.calls.last_mut() {
            call.locals.push((name.to_string(), value.into()));
        }
        self
    }

    /// Encodes the graph.
    pub fn encode(&self) -> Result<SnapshotBuilder<'_>, StoreError> {
        let mut out = SnapshotBuilder::new();
        let mut pending: Vec<(&Item<'_>, u32)> = Vec::new();
        for call in &self.calls {
            let mut record = code_record(call);
            record.resize(record.len().next_multiple_of(8), 0);
            let code =
                out.push_code(twox_hash::XxHash3_128::oneshot(&record), &record, region::checksum(&record));
            let first = out.values.len() as u32;
            out.values.extend([Value::NULL; FRAME_HEAD as usize]);
            for (_, item) in &call.locals {
                pending.push((item, out.values.len() as u32));
                out.values.push(Value::NULL);
            }
            let nlocals = call.locals.len() as u32;
            out.frames.push(Frame { code, first, nlocals, ..Frame::default() });
        }
        pending.reverse();
        let mut encoder = Encoder { out, pending, shared: Vec::new() };
        while let Some((item, slot)) = encoder.pending.pop() {
            encoder.put(item, slot, 0)?;
        }
        let mut out = encoder.out;
        out.shared = encoder.shared.len() as u32;
        Ok(out)
    }

    /// One self-contained region.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let b = self.encode()?;
        let plan = b.plan();
        plan.check()?;
        let mut words = vec![0u64; (plan.region_length as usize).div_ceil(8)];
        let region = words.as_mut_ptr().cast::<u8>();
        // SAFETY: invariant R1: the memory has region_length bytes, aligned to 8, and is ours.
        let bytes = unsafe {
            region::write_graph(&b, &plan, region, crate::sys::coarse_time(), std::process::id());
            (0..b.buffer_count()).for_each(|i| region::write_buffer(&b, &plan, region, i));
            region::seal(&plan, region);
            std::slice::from_raw_parts(region, plan.region_length as usize)
        };
        Ok(bytes.to_vec())
    }

    /// Stores the snapshot.
    pub fn publish(&self, store: &Store, key: Option<&str>) -> Result<Snapshot, StoreError> {
        let b = self.encode()?;
        store.publish(&b, key, &mut || false)
    }
}

fn code_record(call: &Call<'_>) -> Vec<u8> {
    let mut b = flatbuffers::FlatBufferBuilder::new();
    let names: Vec<_> = call.locals.iter().map(|(name, _)| b.create_string(name)).collect();
    let args = torpor_schema::CodeArgs {
        localsplus_names: Some(b.create_vector(&names)),
        localsplus_kinds: Some(b.create_vector(&vec![0u8; names.len()])),
        name: Some(b.create_string(&call.function)),
        qualname: Some(b.create_string(&call.function)),
        filename: Some(b.create_string(&call.filename)),
        module: Some(b.create_string("")),
        firstlineno: call.line,
        marshal: Some(b.create_vector::<u8>(&[])),
        ..Default::default()
    };
    let root = torpor_schema::Code::create(&mut b, &args);
    b.finish_minimal(root);
    b.finished_data().to_vec()
}

struct Encoder<'a, 'b> {
    out: SnapshotBuilder<'a>,
    /// Items and the slots reserved for them, the next one last. Depth first: children before siblings.
    pending: Vec<(&'a Item<'b>, u32)>,
    /// The numbers that the program gave, in order: their place is the shared number, less one.
    shared: Vec<u32>,
}

impl<'a, 'b> Encoder<'a, 'b> {
    fn number(&mut self, given: u32) -> Option<u32> {
        self.shared.iter().position(|g| *g == given).map(|i| i as u32 + 1)
    }

    fn put(&mut self, item: &'a Item<'b>, slot: u32, shared: u32) -> Result<(), StoreError> {
        let high = u64::from(shared) << 32;
        let invalid = |what: String| Err(StoreError::Invalid { what });
        let value = match item {
            Item::None => Value::atom(tag::NONE, high),
            Item::Bool(b) => Value::atom(if *b { tag::TRUE } else { tag::FALSE }, high),
            Item::Int(n) => Value::atom(tag::INT, *n as u64),
            Item::Float(x) => Value::atom(tag::FLOAT, x.to_bits()),
            Item::BigInt(bytes) => {
                let at = self.out.push_bytes(bytes);
                Value::new(tag::BIG_INT, 0, bytes.len() as u32, u64::from(at))
            }
            Item::Complex(re, im) => {
                let at = self.out.push_bytes(&[re.to_le_bytes(), im.to_le_bytes()].concat());
                Value::new(tag::COMPLEX, 0, 16, u64::from(at))
            }
            Item::Text(text) => {
                let flags = if text.is_ascii() { flag::ASCII } else { 0 };
                let at = self.out.push_text(text.as_bytes());
                Value::new(tag::TEXT, flags, text.len() as u32, u64::from(at))
            }
            Item::Bytes(bytes) | Item::ByteArray(bytes) => {
                let kind = if matches!(item, Item::Bytes(_)) { tag::BYTES } else { tag::BYTEARRAY };
                let at = self.out.push_text(bytes);
                Value::new(kind, 0, bytes.len() as u32, u64::from(at))
            }
            Item::Tuple(items) => self.open(tag::TUPLE, items, high),
            Item::List(items) => self.open(tag::LIST, items, high),
            Item::Set(items) => self.open(tag::SET, items, high),
            Item::FrozenSet(items) => self.open(tag::FROZENSET, items, high),
            Item::Dict(entries) => {
                let base = self.reserve(2 * entries.len());
                for (i, (key, value)) in entries.iter().enumerate().rev() {
                    self.pending.push((value, base + 2 * i as u32 + 1));
                    self.pending.push((key, base + 2 * i as u32));
                }
                Value::new(tag::DICT, 0, entries.len() as u32, high | u64::from(base))
            }
            Item::Array(array) => self.array(array, high),
            Item::Shared(given, inner) => {
                let container = matches!(
                    **inner,
                    Item::List(_)
                        | Item::Dict(_)
                        | Item::Set(_)
                        | Item::Tuple(_)
                        | Item::FrozenSet(_)
                        | Item::Array(_)
                );
                if !container || self.number(*given).is_some() {
                    return invalid(format!(
                        "shared number {given} is given twice, or to what is no container"
                    ));
                }
                self.shared.push(*given);
                return self.put(inner, slot, self.shared.len() as u32);
            }
            Item::Same(given) => match self.number(*given) {
                Some(n) => Value::atom(tag::REF, u64::from(n)),
                None => return invalid(format!("nothing before this has the shared number {given}")),
            },
        };
        if self.out.data.len() as u64 > crate::capture::MAX_GRAPH || self.out.values.len() > NONE as usize / 2
        {
            return Err(region::RegionError::TooBig { bytes: self.out.data.len() as u64 }.into());
        }
        self.out.values[slot as usize] = value;
        Ok(())
    }

    fn reserve(&mut self, n: usize) -> u32 {
        let base = self.out.values.len();
        self.out.values.resize(base + n, Value::NONE);
        base as u32
    }

    fn open(&mut self, kind: u8, items: &'a [Item<'b>], high: u64) -> Value {
        let base = self.reserve(items.len());
        let slots = items.iter().enumerate().rev().map(|(i, item)| (item, base + i as u32));
        self.pending.extend(slots);
        Value::new(kind, 0, items.len() as u32, high | u64::from(base))
    }

    fn array(&mut self, array: &'a ArrayItem<'b>, high: u64) -> Value {
        let (format, name, itemsize) = array.element.describe();
        let mut record = Array {
            nbytes: array.bytes.len() as u64,
            extent: NONE,
            shape: self.out.dims.len() as u32,
            ndim: array.shape.len() as u16,
            itemsize,
            format_offset: self.out.push_text(format.as_bytes()),
            format_length: format.len() as u32,
            ..Array::default()
        };
        self.out.dims.extend(&array.shape);
        let mut strides = vec![0i64; array.shape.len()];
        let mut step = i64::from(itemsize);
        for (stride, n) in strides.iter_mut().zip(&array.shape).rev() {
            *stride = step;
            step *= (*n).max(1);
        }
        self.out.dims.extend(strides);
        if array.bytes.len() >= FAR_BUFFER {
            record.extent = self.out.add_buffer(&array.bytes);
        } else {
            self.out.align_data(16);
            record.offset = u64::from(self.out.push_bytes(&array.bytes));
        }
        let base = self.reserve(ARRAY_CHILDREN as usize);
        let at = self.out.push_text(name.as_bytes());
        let dtype = Value::new(tag::TEXT, flag::ASCII, name.len() as u32, u64::from(at));
        self.out.values[base as usize + 1] = dtype;
        self.out.values[base as usize + 2] = Value::atom(tag::INT, self.out.arrays.len() as u64);
        self.out.arrays.push(record);
        Value::new(tag::ARRAY, 0, ARRAY_CHILDREN, high | u64::from(base))
    }
}
