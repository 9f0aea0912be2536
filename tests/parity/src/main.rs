//! Prints every frame and local of a snapshot: torpor-parity STORE KEY. The text is that of dump.py.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt::Write;
use torpor_store::{ArrayInfo, Kind, Node, OpenOptions, Store};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

/// Two's complement, lowest byte first, without bytes that only repeat the sign.
fn integer(bytes: &[u8]) -> String {
    let mut n = bytes.len();
    while n > 1 && bytes[n - 1] == if bytes[n - 2] & 0x80 != 0 { 0xff } else { 0 } {
        n -= 1;
    }
    hex(&bytes[..n])
}

/// FNV-1a over the elements, the last axis running fastest.
fn elements(a: &ArrayInfo<'_>, axis: usize, at: i64, sum: &mut u64) {
    match a.shape.get(axis) {
        Some(n) => (0..*n).for_each(|i| elements(a, axis + 1, at + i * a.strides[axis], sum)),
        None => {
            for byte in &a.data[at as usize..at as usize + a.itemsize as usize] {
                *sum = (*sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
}

#[derive(Default)]
struct Dump {
    /// Containers and arrays of one local in the order in which they were met.
    seen: Vec<u32>,
}

impl Dump {
    fn again(&mut self, node: &Node) -> Option<String> {
        if let Some(n) = self.seen.iter().position(|id| *id == node.id()) {
            return Some(format!("again {n}\n"));
        }
        self.seen.push(node.id());
        None
    }

    fn items(&mut self, head: &str, node: &Node) -> String {
        let items: Vec<String> =
            (0..node.len()).filter_map(|i| node.child(i)).map(|n| self.node(&n)).collect();
        format!("{head} {}\n{}", node.len(), items.concat())
    }

    fn node(&mut self, node: &Node) -> String {
        let kind = node.kind();
        if matches!(kind, Kind::List | Kind::Dict | Kind::Set | Kind::ByteArray | Kind::Array) {
            if let Some(again) = self.again(node) {
                return again;
            }
        }
        let bits = |f: f64| hex(&f.to_le_bytes());
        match kind {
            Kind::None => "none\n".into(),
            Kind::Bool => format!("bool {}\n", i32::from(node.as_bool() == Some(true))),
            Kind::Int => match node.as_i64() {
                Some(n) => format!("int {}\n", integer(&n.to_le_bytes())),
                None => format!("int {}\n", integer(node.big_int_bytes().unwrap_or_default())),
            },
            Kind::Float => format!("float {}\n", node.as_f64().map(bits).unwrap_or_default()),
            Kind::Complex => {
                let (real, imaginary) = node.as_complex().unwrap_or_default();
                format!("complex {} {}\n", bits(real), bits(imaginary))
            }
            Kind::Text => format!("str {}\n", hex(node.text_bytes().unwrap_or_default())),
            Kind::Bytes => format!("bytes {}\n", hex(node.bytes().unwrap_or_default())),
            Kind::ByteArray => format!("bytearray {}\n", hex(node.bytes().unwrap_or_default())),
            Kind::Tuple => self.items("tuple", node),
            Kind::List => self.items("list", node),
            Kind::Range => self.items("range", node),
            Kind::Slice => self.items("slice", node),
            Kind::Set | Kind::FrozenSet => {
                let name = if kind == Kind::Set { "set" } else { "frozenset" };
                let mut items: Vec<String> =
                    (0..node.len()).filter_map(|i| node.child(i)).map(|n| self.node(&n)).collect();
                items.sort();
                format!("{name} {}\n{}", node.len(), items.concat())
            }
            Kind::Dict => {
                let mut text = format!("dict {}\n", node.len());
                for (key, value) in (0..node.len()).filter_map(|i| node.entry(i)) {
                    text += &self.node(&key);
                    text += &self.node(&value);
                }
                text
            }
            Kind::Array => match node.array() {
                Some(a) => {
                    let mut sum = 0xcbf2_9ce4_8422_2325;
                    elements(&a, 0, a.start as i64, &mut sum);
                    let shape: Vec<String> = a.shape.iter().map(i64::to_string).collect();
                    format!("array {} ({}) {sum:016x}\n", a.format, shape.join(" "))
                }
                None => "array ?\n".into(),
            },
            _ => format!("opaque {}\n", node.type_name().unwrap_or_else(|| "object".into())),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, store, key] = arguments.as_slice() else { return Err("usage: torpor-parity STORE KEY".into()) };
    let store = Store::open(store, &OpenOptions { create: false, ..Default::default() })?;
    let snapshot = store.snapshot(key)?;
    let graph = snapshot.open_graph()?;
    println!("snapshot {} {} {}", snapshot.id(), snapshot.nbytes(), graph.region().pid);
    for (i, frame) in graph.frames()?.iter().enumerate() {
        println!("frame {} {} {} {}", frame.function, frame.qualname, frame.module, frame.lineno);
        for name in &frame.local_names {
            let node = graph.local(i, name)?.ok_or("a bound local is not there")?;
            print!("{name}: {}", Dump::default().node(&node));
        }
    }
    let s = store.stats()?;
    let bytes = format!("{} {} {} {}", s.capacity, s.used, s.cached, s.overhead);
    let counts = format!("{} {} {} {}", s.snapshots, s.keys, s.retired, s.buffers);
    println!("store {bytes} {counts} {} {} {}", s.processes, s.pins, s.slots);
    Ok(())
}
