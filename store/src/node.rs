//! One value of a checked graph, as readers without Python see it.

use crate::frame::{Array, NONE};
use crate::graph;
use crate::read::{ArrayInfo, Graph, Inner, Kind, Node};
use crate::value::{flag, tag, Value};

impl Node {
    pub(crate) fn value(&self) -> Value {
        self.graph.value(self.at)
    }

    pub(crate) fn uncelled(self) -> Node {
        match self.value().tag {
            tag::CELL => self.graph.node(self.value().low()),
            _ => self,
        }
    }

    pub(crate) fn child_at(&self, i: u64) -> Option<Node> {
        let n = self.value().children()?;
        let at = u64::from(self.value().low()) + i;
        (i < n).then(|| self.graph.node(at as u32))
    }

    pub(crate) fn function_module(&self) -> Option<String> {
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
            tag::GENERATOR => Some("generator".to_string()),
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
