//! Reading a snapshot without Python: frames, locals, values. Nothing of the snapshot is run.
//!
//! A [`Graph`] is checked once as a whole ([`crate::graph`]) and holds its snapshot; [`Node`]s are
//! places in it. A graph may contain itself: whoever walks it keeps a set of [`Node::id`]s.

use crate::error::StoreError;
use crate::frame::{Frame, Run, Space, FRAME_HEAD, NONE};
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
pub struct Graph(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) region: Region<'static>,
    shared: Shared,
    // After what borrows from it: fields are dropped in this order.
    pub(crate) snapshot: Snapshot,
}

/// A place in a checked graph. Nodes that stand for one object have one [`id`](Node::id).
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) graph: Graph,
    pub(crate) at: u32,
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

    pub(crate) fn node(&self, at: u32) -> Node {
        Node { graph: self.clone(), at: self.resolve(at) }
    }

    pub(crate) fn value(&self, at: u32) -> Value {
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

    /// Name and array of each buffer that the host attached.
    fn attached(&self) -> impl Iterator<Item = (String, Node)> + '_ {
        let region = &self.0.region;
        let is_one =
            |r: &&Run| region.spaces.get(r.space as usize).is_some_and(|s| s.flags & Space::ATTACHMENTS != 0);
        region
            .runs
            .iter()
            .filter(is_one)
            .flat_map(|run| (0..run.count).map(|i| run.first + 2 * i))
            .filter_map(|at| {
                let array = self.node(at + 1);
                let own = array.array().is_some() && array.child_at(0)?.kind() == Kind::None;
                Some((self.node(at).text().filter(|_| own)?.to_string(), array))
            })
    }

    /// The names of the buffers that the host attached, sorted.
    pub fn attachments(&self) -> Vec<String> {
        self.attached().map(|(name, _)| name).collect()
    }

    /// A buffer that the host attached, as an array; `None` if there is none of that name.
    pub fn attachment(&self, name: &str) -> Option<Node> {
        self.attached().find(|(n, _)| n == name).map(|(_, array)| array)
    }

    fn frame(&self, index: usize) -> Result<&Frame, StoreError> {
        self.0.region.shown_frames().nth(index).ok_or_else(|| StoreError::Invalid {
            what: format!("there is no frame {index}, the snapshot has {}", self.frame_count()),
        })
    }

    /// How many suspended calls there are. Frames of torpor's own are not counted, nor shown.
    pub fn frame_count(&self) -> usize {
        self.0.region.shown_frames().count()
    }

    /// The suspended calls, innermost first.
    pub fn frames(&self) -> Result<Vec<FrameInfo>, StoreError> {
        (0..self.frame_count()).map(|i| self.frame_info(i)).collect()
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
        let mut mapping = self.node(frame.first.saturating_add(1));
        if mapping.value().tag == tag::GENERATOR {
            mapping = self.node(mapping.value().low().saturating_add(5));
        }
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
    for i in 0..graph.frame_count() {
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
