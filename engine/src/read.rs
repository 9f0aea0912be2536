//! One local of a snapshot as a Python object, without building the stack and without running any
//! code of the snapshot: what only a reducer could rebuild comes back as `torpor.Opaque`.
//!
//! Mutable containers exist before their contents do and are filled later, from a queue; so cycles
//! come out right and nothing recurses.

use crate::error::{AdoptError, Failure};
use crate::memory;
use crate::runtime::{self, Runtime};
use hashbrown::HashMap;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyRange, PySet,
    PySlice, PyString, PyTuple,
};
use rustc_hash::FxBuildHasher;
use torpor_store::read::{Kind, Node};
use torpor_store::{Mapping, Snapshot};

/// Reads local `name` of frame `frame` (0: innermost). Arrays are read-only views of the snapshot.
///
/// # Errors
/// KeyError for a name that is no bound local of the frame; a damaged snapshot.
pub fn read<'py>(
    py: Python<'py>,
    snapshot: &Snapshot,
    frame: usize,
    name: &str,
) -> Result<Py<PyAny>, Failure> {
    let graph = snapshot.open_graph()?;
    let frames = graph.frame_count();
    if frame >= frames {
        return Err(
            AdoptError::Missing(format!("there is no frame {frame}: the snapshot has {frames}")).into()
        );
    }
    let Some(node) = graph.local(frame, name)? else {
        return Err(PyKeyError::new_err(name.to_owned()).into());
    };
    let mut reader = Reader {
        py,
        runtime: runtime::get(py)?,
        snapshot,
        made: HashMap::default(),
        fill: Vec::new(),
        memory: None,
    };
    let value = reader.make(&node)?;
    while let Some(container) = reader.fill.pop() {
        reader.fill_in(&container)?;
    }
    Ok(value.unbind())
}

struct Reader<'a, 'py> {
    py: Python<'py>,
    runtime: &'py Runtime,
    snapshot: &'a Snapshot,
    made: HashMap<u32, Bound<'py, PyAny>, FxBuildHasher>,
    fill: Vec<Node>,
    memory: Option<(Mapping, Bound<'py, PyAny>)>,
}

impl<'py> Reader<'_, 'py> {
    /// The object of a node: at once, but for tuples, whose items come first.
    fn make(&mut self, node: &Node) -> Result<Bound<'py, PyAny>, Failure> {
        struct Pending<'py> {
            node: Node,
            items: Vec<Bound<'py, PyAny>>,
        }
        let mut stack: Vec<Pending<'py>> = Vec::new();
        let mut current = node.clone();
        loop {
            let mut done = match self.made.get(&current.id()) {
                Some(known) => known.clone(),
                None if is_fixed(&current) && !current.is_empty() => {
                    if stack.iter().any(|p| p.node.id() == current.id()) {
                        // A tuple that holds itself through what is no container here.
                        self.opaque("tuple")?
                    } else {
                        let first = item(&current, 0)?;
                        stack.push(Pending { node: current, items: Vec::new() });
                        current = first;
                        continue;
                    }
                }
                None => self.leaf(&current)?,
            };
            loop {
                let Some(top) = stack.last_mut() else { return Ok(done) };
                top.items.push(done);
                if top.items.len() < top.node.len() {
                    current = item(&top.node, top.items.len())?;
                    break;
                }
                let Some(Pending { node, items }) = stack.pop() else { break };
                done = match node.kind() {
                    Kind::Tuple => PyTuple::new(self.py, items)?.into_any(),
                    Kind::FrozenSet => PyFrozenSet::new(self.py, items)?.into_any(),
                    Kind::Range => self.py.get_type::<PyRange>().call1(PyTuple::new(self.py, items)?)?,
                    _ => self.py.get_type::<PySlice>().call1(PyTuple::new(self.py, items)?)?,
                };
                self.made.insert(node.id(), done.clone());
            }
        }
    }

    fn leaf(&mut self, node: &Node) -> Result<Bound<'py, PyAny>, Failure> {
        let py = self.py;
        let bad = || Failure::corrupt("a value is not as its kind says");
        let made = match node.kind() {
            Kind::None => return Ok(py.None().into_bound(py)),
            Kind::Bool => return Ok(PyBool::new(py, node.as_bool().ok_or_else(bad)?).to_owned().into_any()),
            Kind::Int => match node.as_i64() {
                Some(n) => return Ok(PyInt::new(py, n).into_any()),
                None => {
                    let kwargs = PyDict::new(py);
                    kwargs.set_item("signed", true)?;
                    let bytes = PyBytes::new(py, node.big_int_bytes().ok_or_else(bad)?);
                    py.get_type::<PyInt>().call_method("from_bytes", (bytes, "little"), Some(&kwargs))?
                }
            },
            Kind::Float => PyFloat::new(py, node.as_f64().ok_or_else(bad)?).into_any(),
            Kind::Complex => {
                let (re, im) = node.as_complex().ok_or_else(bad)?;
                PyComplex::from_doubles(py, re, im).into_any()
            }
            Kind::Text => {
                let bytes = PyBytes::new(py, node.text_bytes().ok_or_else(bad)?);
                py.get_type::<PyString>().call1((bytes, "utf-8", "surrogatepass"))?
            }
            Kind::Bytes => PyBytes::new(py, node.bytes().ok_or_else(bad)?).into_any(),
            Kind::ByteArray => PyByteArray::new(py, node.bytes().ok_or_else(bad)?).into_any(),
            Kind::Tuple => PyTuple::empty(py).into_any(),
            Kind::FrozenSet => PyFrozenSet::empty(py)?.into_any(),
            Kind::List => PyList::empty(py).into_any(),
            Kind::Set => PySet::empty(py)?.into_any(),
            Kind::Dict => PyDict::new(py).into_any(),
            Kind::Array => self.array(node)?,
            _ => match node.type_name().as_deref() {
                Some("ellipsis") => py.Ellipsis().into_bound(py),
                Some("NotImplementedType") => py.NotImplemented().into_bound(py),
                name => self.opaque(name.unwrap_or("object"))?,
            },
        };
        if matches!(node.kind(), Kind::List | Kind::Set | Kind::Dict) && !node.is_empty() {
            self.fill.push(node.clone());
        }
        self.made.insert(node.id(), made.clone());
        Ok(made)
    }

    fn fill_in(&mut self, container: &Node) -> Result<(), Failure> {
        let Some(object) = self.made.get(&container.id()).cloned() else { return Ok(()) };
        for i in 0..container.len() {
            if container.kind() == Kind::Dict {
                let (key, value) =
                    container.entry(i).ok_or_else(|| Failure::corrupt("an entry is missing"))?;
                let (key, value) = (self.make(&key)?, self.make(&value)?);
                object.cast::<PyDict>().map_err(PyErr::from)?.set_item(key, value)?;
                continue;
            }
            let value = self.make(&item(container, i)?)?;
            match object.cast::<PyList>() {
                Ok(list) => list.append(value)?,
                Err(_) => object.cast::<PySet>().map_err(PyErr::from)?.add(value)?,
            }
        }
        Ok(())
    }

    fn array(&mut self, node: &Node) -> Result<Bound<'py, PyAny>, Failure> {
        let bad = || Failure::corrupt("an array is not as its kind says");
        let info = node.array().ok_or_else(bad)?;
        let dtype = node.dtype().ok_or_else(bad)?;
        let Some(name) = dtype.text() else { return self.opaque("numpy.ndarray") };
        let dtype = self.runtime.dtype(self.py, PyString::new(self.py, name).as_any())?;
        let size: u32 = dtype.getattr("itemsize")?.extract()?;
        if size != info.itemsize || dtype.getattr("hasobject")?.is_truthy()? {
            return Err(bad());
        }
        if self.memory.is_none() {
            let mapping = self.snapshot.map(false)?;
            let capsule = memory::handler(self.py, mapping.clone())?.into_any();
            self.memory = Some((mapping, capsule));
        }
        let Some((mapping, capsule)) = &self.memory else { return Err(bad()) };
        // The same bytes by the mapping that the array will keep.
        let offset = info.as_ptr() as usize - self.snapshot.bytes().as_ptr() as usize;
        if offset > mapping.len() {
            return Err(bad());
        }
        // SAFETY: the store checked that every element lies in the region, all of which is mapped.
        unsafe {
            let first = mapping.as_ptr().add(offset);
            let array = memory::read_only(self.py, &dtype, info.shape, info.strides, first, capsule)?;
            Ok(Bound::from_owned_ptr(self.py, array))
        }
    }

    fn opaque(&self, name: &str) -> Result<Bound<'py, PyAny>, Failure> {
        match &*self.runtime.opaque.borrow() {
            Some(class) => Ok(class.bind(self.py).call1((name,))?),
            None => Ok(PyString::new(self.py, name).into_any()),
        }
    }
}

/// Whether the node's items must exist before it does.
fn is_fixed(node: &Node) -> bool {
    matches!(node.kind(), Kind::Tuple | Kind::FrozenSet | Kind::Range | Kind::Slice)
}

fn item(node: &Node, i: usize) -> Result<Node, Failure> {
    node.child(i).ok_or_else(|| Failure::corrupt("an item of a container is missing"))
}
