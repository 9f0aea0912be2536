//! Reading a snapshot without Python: frames, locals, values. Nothing of the snapshot is run.
//!
//! A [`Graph`] is checked once as a whole ([`crate::graph`]) and holds its snapshot; [`Node`]s are
//! places in it. A graph may contain itself: whoever walks it keeps a set of [`Node::id`]s.

use crate::error::StoreError;
use crate::frame::{Array, Frame, FRAME_HEAD, NONE};
use crate::graph::{self, Shared};
use crate::linetable;
use crate::region::{Region, RegionError};
use crate::snapshot::Snapshot;
use crate::value::{flag, tag, Value};
use std::sync::Arc;

/// What a suspended call is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameInfo {
    pub function: String,
    pub qualname: String,
    pub module: String,
    pub filename: String,
    pub firstlineno: i32,
    /// The line at which it is suspended.
    pub lineno: i32,
    /// Names of the bound locals.
    pub local_names: Vec<String>,
}

/// The sort of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An unbound variable or an empty cell.
    Unbound,
    None,
    Bool,
    /// [`Node::as_i64`], or [`Node::big_int_bytes`] if it does not fit.
    Int,
    Float,
    Complex,
    Text,
    Bytes,
    ByteArray,
    Tuple,
    List,
    Set,
    FrozenSet,
    /// [`Node::entry`].
    Dict,
    /// Start, stop, step.
    Range,
    Slice,
    Array,
    /// What only Python can rebuild: [`Node::type_name`].
    Opaque,
}

/// A snapshot whose whole graph was checked.
#[derive(Clone, Debug)]
pub struct Graph(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    region: Region<'static>,
    shared: Shared,
    // After what borrows from it: fields are dropped in this order.
    snapshot: Snapshot,
}

/// A place in a checked graph. Nodes that stand for one object have one [`id`](Node::id).
#[derive(Clone, Debug)]
pub struct Node {
    graph: Graph,
    at: u32,
}

/// An array's memory and shape, borrowed from the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct ArrayInfo<'a> {
    /// All the memory that the array's elements lie in.
    pub data: &'a [u8],
    /// Where the first element is in `data`. Strides may be negative.
    pub start: usize,
    /// PEP 3118 text.
    pub format: &'a str,
    pub shape: &'a [i64],
    pub strides: &'a [i64],
    pub itemsize: u32,
    pub read_only: bool,
}

impl Snapshot {
    /// Checks the whole graph and gives access to it.
    pub fn open_graph(&self) -> Result<Graph, StoreError> {
        let region = self.region()?;
        let shared = graph::check(&region)?;
        // SAFETY: invariant R3: the region borrows the snapshot's bytes, which stay where and as they
        // are while `snapshot`, kept beside it, lives; it is never handed out with the longer lifetime.
        let region = unsafe { std::mem::transmute::<Region<'_>, Region<'static>>(region) };
        Ok(Graph(Arc::new(Inner { region, shared, snapshot: self.clone() })))
    }

    /// The suspended calls, innermost first.
    pub fn frames(&self) -> Result<Vec<FrameInfo>, StoreError> {
        self.open_graph()?.frames()
    }

    /// A local of a frame; `None` if the frame has no such local or it is unbound.
    pub fn local(&self, frame: usize, name: &str) -> Result<Option<Node>, StoreError> {
        self.open_graph()?.local(frame, name)
    }
}

impl Graph {
    /// The snapshot that this is the graph of.
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// The verified region.
    pub fn region(&self) -> &Region<'_> {
        &self.0.region
    }

    fn node(&self, at: u32) -> Node {
        Node { graph: self.clone(), at: self.resolve(at) }
    }

    fn value(&self, at: u32) -> Value {
        self.0.region.values.get(at as usize).copied().unwrap_or(Value::NULL)
    }

    /// Follows a reference to the node that has the contents. One step: no reference leads to another.
    fn resolve(&self, at: u32) -> u32 {
        let v = self.value(at);
        let number = match v.tag {
            tag::REF | tag::ALIAS => v.data,
            t if t > tag::LAST_ATOM && v.flags & flag::RECURSIVE != 0 => u64::from(v.shared()),
            _ => return at,
        };
        let target = usize::try_from(number).ok().and_then(|n| self.0.shared.get(n)).copied();
        target.filter(|t| *t != NONE).unwrap_or(at)
    }

    fn frame(&self, index: usize) -> Result<&Frame, StoreError> {
        self.0.region.frames.get(index).ok_or_else(|| StoreError::Invalid {
            what: format!("there is no frame {index}, the snapshot has {}", self.0.region.frames.len()),
        })
    }

    /// The suspended calls, innermost first.
    pub fn frames(&self) -> Result<Vec<FrameInfo>, StoreError> {
        (0..self.0.region.frames.len()).map(|i| self.frame_info(i)).collect()
    }

    /// One suspended call.
    pub fn frame_info(&self, index: usize) -> Result<FrameInfo, StoreError> {
        let frame = self.frame(index)?;
        let code = self.0.region.code(frame.code)?;
        let firstlineno = code.firstlineno();
        let table = code.linetable().map(|t| t.bytes()).unwrap_or(&[]);
        let function = self.node(frame.first);
        let module = match code.module() {
            Some(m) => m.to_string(),
            None => function.function_module().unwrap_or_default(),
        };
        Ok(FrameInfo {
            function: code.name().to_string(),
            qualname: code.qualname().to_string(),
            module,
            filename: code.filename().to_string(),
            firstlineno,
            lineno: linetable::line(table, firstlineno, frame.instr).unwrap_or(firstlineno),
            local_names: self.locals(index)?.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// The bound locals of a frame, in the order of the code; a class body's or module's from its
    /// namespace.
    pub fn locals(&self, index: usize) -> Result<Vec<(String, Node)>, StoreError> {
        let frame = *self.frame(index)?;
        let code = self.0.region.code(frame.code)?;
        let mut locals = Vec::new();
        let names = code.localsplus_names();
        for i in 0..frame.nlocals {
            let name = names.as_ref().filter(|n| (i as usize) < n.len()).map(|n| n.get(i as usize));
            let Some(name) = name else { break };
            let node = self.node(frame.first.saturating_add(FRAME_HEAD).saturating_add(i)).uncelled();
            if node.kind() != Kind::Unbound {
                locals.push((name.to_string(), node));
            }
        }
        let mapping = self.node(frame.first.saturating_add(1));
        let v = mapping.value();
        match v.tag {
            tag::DICT => {
                for i in 0..mapping.len() {
                    if let Some((key, value)) = mapping.entry(i) {
                        locals.extend(key.text().map(|k| (k.to_string(), value)));
                    }
                }
            }
            tag::SPACE => {
                for run in self.0.region.runs.iter().filter(|r| r.space == v.low()) {
                    for i in 0..run.count {
                        let at = run.first.saturating_add(i.saturating_mul(2));
                        if let Some(key) = self.node(at).text() {
                            locals.push((key.to_string(), self.node(at.saturating_add(1))));
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(locals)
    }

    /// A local of a frame; `None` if the frame has no such local or it is unbound.
    pub fn local(&self, frame: usize, name: &str) -> Result<Option<Node>, StoreError> {
        Ok(self.locals(frame)?.into_iter().find(|(n, _)| n == name).map(|(_, node)| node))
    }

    /// The node with this id.
    pub fn node_by_id(&self, id: u32) -> Option<Node> {
        ((id as usize) < self.0.region.values.len()).then(|| self.node(id))
    }
}

impl Node {
    fn value(&self) -> Value {
        self.graph.value(self.at)
    }

    fn uncelled(self) -> Node {
        match self.value().tag {
            tag::CELL => self.graph.node(self.value().low()),
            _ => self,
        }
    }

    fn child_at(&self, i: u64) -> Option<Node> {
        let n = self.value().children()?;
        let at = u64::from(self.value().low()) + i;
        (i < n).then(|| self.graph.node(at as u32))
    }

    fn function_module(&self) -> Option<String> {
        let module = (self.value().tag == tag::FUNCTION).then(|| self.child_at(4)).flatten()?;
        module.text().map(str::to_string)
    }

    /// The graph that the node is in.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Equal for nodes that are one object.
    pub fn id(&self) -> u32 {
        self.at
    }

    pub fn kind(&self) -> Kind {
        match self.value().tag {
            tag::NULL => Kind::Unbound,
            tag::NONE => Kind::None,
            tag::FALSE | tag::TRUE => Kind::Bool,
            tag::INT | tag::BIG_INT | tag::TAGGED_INT => Kind::Int,
            tag::FLOAT => Kind::Float,
            tag::COMPLEX => Kind::Complex,
            tag::TEXT => Kind::Text,
            tag::BYTES => Kind::Bytes,
            tag::BYTEARRAY => Kind::ByteArray,
            tag::TUPLE => Kind::Tuple,
            tag::LIST => Kind::List,
            tag::SET => Kind::Set,
            tag::FROZENSET => Kind::FrozenSet,
            tag::DICT => Kind::Dict,
            tag::RANGE => Kind::Range,
            tag::SLICE => Kind::Slice,
            tag::ARRAY if self.array().is_some() => Kind::Array,
            _ => Kind::Opaque,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value().tag {
            tag::TRUE => Some(true),
            tag::FALSE => Some(false),
            _ => None,
        }
    }

    /// An int of 64 bits, or a bool.
    pub fn as_i64(&self) -> Option<i64> {
        match self.value().tag {
            tag::INT | tag::TAGGED_INT => Some(self.value().data as i64),
            _ => self.as_bool().map(i64::from),
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        (self.value().tag == tag::FLOAT).then(|| f64::from_bits(self.value().data))
    }

    /// Real and imaginary part.
    pub fn as_complex(&self) -> Option<(f64, f64)> {
        let v = self.value();
        let b = (v.tag == tag::COMPLEX).then(|| self.graph.0.region.bytes(v.low(), 16).ok()).flatten()?;
        let part = |at: usize| b[at..at + 8].try_into().map(f64::from_le_bytes).ok();
        Some((part(0)?, part(8)?))
    }

    fn payload(&self) -> Option<&[u8]> {
        let (v, inner) = (self.value(), &self.graph.0);
        if v.flags & flag::FAR == 0 {
            return inner.region.bytes(v.low(), v.len).ok();
        }
        inner.region.extents.get(v.low() as usize).and_then(|e| inner.snapshot.extent_bytes(e).ok())
    }

    /// A text's UTF-8; `None` for other nodes and for texts with lone surrogates
    /// ([`text_bytes`](Self::text_bytes) has those).
    pub fn text(&self) -> Option<&str> {
        self.text_bytes().and_then(|b| std::str::from_utf8(b).ok())
    }

    /// A text's UTF-8, lone surrogates encoded as if they were characters.
    pub fn text_bytes(&self) -> Option<&[u8]> {
        (self.value().tag == tag::TEXT).then(|| self.payload()).flatten()
    }

    /// The contents of bytes or a bytearray.
    pub fn bytes(&self) -> Option<&[u8]> {
        matches!(self.value().tag, tag::BYTES | tag::BYTEARRAY).then(|| self.payload()).flatten()
    }

    /// Two's complement, little-endian, of an int that does not fit into 64 bits.
    pub fn big_int_bytes(&self) -> Option<&[u8]> {
        (self.value().tag == tag::BIG_INT).then(|| self.payload()).flatten()
    }

    /// Items of a container, entries of a mapping, length of a text or bytes; else 0.
    pub fn len(&self) -> usize {
        let v = self.value();
        match v.tag {
            tag::TEXT | tag::BYTES | tag::BYTEARRAY | tag::BIG_INT => self.payload().map_or(0, <[u8]>::len),
            tag::TUPLE | tag::LIST | tag::SET | tag::FROZENSET | tag::DICT | tag::RANGE | tag::SLICE => {
                v.len as usize
            }
            _ => 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item of a sequence or set; start, stop or step of a range or slice.
    pub fn child(&self, i: usize) -> Option<Node> {
        match self.value().tag {
            tag::TUPLE | tag::LIST | tag::SET | tag::FROZENSET | tag::RANGE | tag::SLICE => {
                self.child_at(i as u64)
            }
            _ => None,
        }
    }

    /// Key and value of a mapping.
    pub fn entry(&self, i: usize) -> Option<(Node, Node)> {
        if self.value().tag != tag::DICT {
            return None;
        }
        Some((self.child_at(i as u64 * 2)?, self.child_at(i as u64 * 2 + 1)?))
    }

    /// The name of the type of what only Python can rebuild, as far as the snapshot says it.
    pub fn type_name(&self) -> Option<String> {
        let v = self.value();
        match v.tag {
            tag::FUNCTION => Some("function".to_string()),
            tag::CELL => Some("cell".to_string()),
            tag::CODE => Some("code".to_string()),
            tag::GLOBAL | tag::INTRINSIC => Some("reference".to_string()),
            tag::MODULE | tag::SPACE_MODULE => Some("module".to_string()),
            tag::MODULE_DICT | tag::SPACE => Some("dict".to_string()),
            tag::ELLIPSIS => Some("ellipsis".to_string()),
            tag::NOT_IMPLEMENTED => Some("NotImplementedType".to_string()),
            tag::ARRAY => Some("numpy.ndarray".to_string()),
            tag::ITERATOR if v.len == 3 => Some("range_iterator".to_string()),
            tag::ITERATOR => Some("iterator".to_string()),
            tag::OBJECT => self.object_type(),
            _ => None,
        }
    }

    fn object_type(&self) -> Option<String> {
        let mut named = self.child_at(0)?;
        if self.value().flags & flag::NEW != 0 {
            // copyreg.__newobj__(cls, ...): the class is the first argument.
            let arguments = self.child_at(1)?;
            named = match arguments.value().tag {
                tag::TUPLE => arguments.child_at(0)?,
                _ => arguments,
            };
        }
        let v = named.value();
        match v.tag {
            tag::GLOBAL => {
                let name = self.graph.0.region.bytes(v.low(), v.len).ok()?;
                Some(String::from_utf8_lossy(name).replacen(':', ".", 1))
            }
            _ => Some("object".to_string()),
        }
    }

    /// An array's element type: numpy's text for it ('<f8'), or what only Python can rebuild.
    pub fn dtype(&self) -> Option<Node> {
        (self.value().tag == tag::ARRAY).then(|| self.child_at(1)).flatten()
    }

    /// An array's memory and shape; `None` for other nodes and for arrays of Python objects.
    pub fn array(&self) -> Option<ArrayInfo<'_>> {
        let region = &self.graph.0.region;
        let record = |node: &Node| -> Option<&Array> {
            let index = self.graph.value(node.value().low().checked_add(2)?);
            (node.value().tag == tag::ARRAY).then(|| region.arrays.get(index.data as usize)).flatten()
        };
        let a = record(self)?;
        if a.flags & Array::OPAQUE != 0 {
            return None;
        }
        // A view's memory is its owner's, and so on; as many steps as there are arrays, at most.
        let (mut start, mut node, mut owner) = (i128::from(a.offset as i64), self.clone(), a);
        let mut data = None;
        for _ in 0..=region.arrays.len() {
            if owner.flags & Array::VIEW == 0 {
                data = match owner.extent {
                    NONE => Some(region.data),
                    e => Some(self.graph.0.extent(e)?),
                };
                break;
            }
            node = node.child_at(0)?;
            match record(&node) {
                Some(next) => {
                    owner = next;
                    start += i128::from(next.offset as i64);
                }
                None => {
                    data = Some(self.graph.0.bytes_of(node.value())?);
                    break;
                }
            }
        }
        let data = data?;
        let ndim = usize::from(a.ndim);
        let dims = region.dims.get(a.shape as usize..)?.get(..2 * ndim)?;
        let (shape, strides) = dims.split_at(ndim);
        let (low, high) = graph::span(shape, strides, a.itemsize)?;
        if start + low < 0 || start + high > data.len() as i128 {
            return None;
        }
        let format = std::str::from_utf8(region.bytes(a.format_offset, a.format_length).ok()?).ok()?;
        let read_only = a.flags & Array::READ_ONLY != 0;
        Some(ArrayInfo {
            data,
            start: start as usize,
            format,
            shape,
            strides,
            itemsize: a.itemsize,
            read_only,
        })
    }
}

impl Inner {
    fn extent(&self, index: u32) -> Option<&[u8]> {
        let e = self.region.extents.get(index as usize)?;
        self.snapshot.extent_bytes(e).ok()
    }

    fn bytes_of(&self, v: Value) -> Option<&[u8]> {
        match v.tag {
            tag::BYTES | tag::BYTEARRAY if v.flags & flag::FAR != 0 => self.extent(v.low()),
            tag::BYTES | tag::BYTEARRAY => self.region.bytes(v.low(), v.len).ok(),
            _ => None,
        }
    }
}

impl ArrayInfo<'_> {
    /// The first element.
    pub fn as_ptr(&self) -> *const u8 {
        self.data[self.start.min(self.data.len())..].as_ptr()
    }
}

impl From<Graph> for Snapshot {
    fn from(graph: Graph) -> Snapshot {
        graph.0.snapshot.clone()
    }
}

/// Walks everything that can be reached from the frames, as a reader would: for tests and fuzzers.
pub fn read_everything(snapshot: &Snapshot) -> Result<usize, StoreError> {
    let graph = snapshot.open_graph()?;
    let mut seen = vec![false; graph.region().values.len()];
    let mut work: Vec<Node> = Vec::new();
    for i in 0..graph.region().frames.len() {
        graph.frame_info(i)?;
        work.extend(graph.locals(i)?.into_iter().map(|(_, node)| node));
    }
    let mut count = 0;
    while let Some(node) = work.pop() {
        let Some(mark) = seen.get_mut(node.id() as usize) else { continue };
        if std::mem::replace(mark, true) {
            continue;
        }
        count += 1;
        let _ = (
            node.as_i64(),
            node.as_f64(),
            node.as_complex(),
            node.text(),
            node.bytes(),
            node.big_int_bytes(),
        );
        let _ = (node.kind(), node.type_name(), node.array().map(|a| a.as_ptr()));
        work.extend((0..node.value().children().unwrap_or(0)).filter_map(|i| node.child_at(i)));
    }
    snapshot.verify_payload().map_err(|e: RegionError| StoreError::from(e))?;
    Ok(count)
}
