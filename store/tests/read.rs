//! Promise: what a Rust program puts into a snapshot is what a reader without Python gets back.
use proptest::prelude::*;
use std::collections::HashMap;
use torpor_store::{ArrayItem, Builder, Element, Item, Kind, Node, Snapshot};

fn open(b: &Builder<'_>) -> Snapshot {
    Snapshot::from_bytes(&b.to_bytes().unwrap()).unwrap()
}

/// Rebuilds an item from a node; shared containers by the order in which they are met.
fn item(node: &Node, seen: &mut HashMap<u32, u32>) -> Item<'static> {
    let id = node.id();
    if let Some(n) = seen.get(&id) {
        return Item::Same(*n);
    }
    let container = matches!(
        node.kind(),
        Kind::Tuple | Kind::List | Kind::Set | Kind::FrozenSet | Kind::Dict | Kind::Array
    );
    if container {
        let n = seen.len() as u32;
        seen.insert(id, n);
    }
    let items =
        |seen: &mut HashMap<u32, u32>| (0..node.len()).map(|i| item(&node.child(i).unwrap(), seen)).collect();
    match node.kind() {
        Kind::None => Item::None,
        Kind::Bool => Item::Bool(node.as_bool().unwrap()),
        Kind::Int if node.as_i64().is_some() => Item::Int(node.as_i64().unwrap()),
        Kind::Int => Item::BigInt(node.big_int_bytes().unwrap().to_vec()),
        Kind::Float => Item::Float(node.as_f64().unwrap()),
        Kind::Complex => {
            let (re, im) = node.as_complex().unwrap();
            Item::Complex(re, im)
        }
        Kind::Text => Item::Text(node.text().unwrap().to_string().into()),
        Kind::Bytes => Item::Bytes(node.bytes().unwrap().to_vec().into()),
        Kind::ByteArray => Item::ByteArray(node.bytes().unwrap().to_vec().into()),
        Kind::Tuple => Item::Tuple(items(seen)),
        Kind::List => Item::List(items(seen)),
        Kind::Set => Item::Set(items(seen)),
        Kind::FrozenSet => Item::FrozenSet(items(seen)),
        Kind::Dict => {
            let entry = |i| {
                let (key, value) = node.entry(i).unwrap();
                let key = item(&key, seen);
                (key, item(&value, seen))
            };
            Item::Dict((0..node.len()).map(entry).collect())
        }
        Kind::Array => {
            let a = node.array().unwrap();
            assert_eq!(a.itemsize, 1);
            let n = a.shape.iter().product::<i64>() as usize;
            let shape: Vec<usize> = a.shape.iter().map(|n| *n as usize).collect();
            let bytes = a.data[a.start..a.start + n].to_vec();
            Item::Array(ArrayItem::new(bytes, &shape, Element::U8).unwrap())
        }
        other => panic!("a builder makes no {other:?}"),
    }
}

/// Numbers every container in the order in which a reader meets it, as `item` does.
fn numbered(i: &Item<'static>, next: &mut u32) -> Item<'static> {
    let children = |v: &[Item<'static>], next: &mut u32| v.iter().map(|x| numbered(x, next)).collect();
    let n = *next;
    let shared = |next: &mut u32| *next += 1;
    match i {
        Item::Tuple(v) => {
            shared(next);
            Item::Shared(n, Item::Tuple(children(v, next)).into())
        }
        Item::List(v) => {
            shared(next);
            Item::Shared(n, Item::List(children(v, next)).into())
        }
        Item::Set(v) => {
            shared(next);
            Item::Shared(n, Item::Set(children(v, next)).into())
        }
        Item::FrozenSet(v) => {
            shared(next);
            Item::Shared(n, Item::FrozenSet(children(v, next)).into())
        }
        Item::Dict(v) => {
            shared(next);
            let entries = v.iter().map(|(k, v)| (numbered(k, next), numbered(v, next))).collect();
            Item::Shared(n, Item::Dict(entries).into())
        }
        Item::Array(a) => {
            shared(next);
            Item::Shared(n, Item::Array(a.clone()).into())
        }
        // A reference to any container that was met before; none yet: nothing.
        Item::Same(k) if n > 0 => Item::Same(k % n),
        Item::Same(_) => Item::None,
        other => other.clone(),
    }
}

fn unshared(i: &Item<'static>) -> Item<'static> {
    match i {
        Item::Shared(_, inner) => match &**inner {
            Item::Tuple(v) => Item::Tuple(v.iter().map(unshared).collect()),
            Item::List(v) => Item::List(v.iter().map(unshared).collect()),
            Item::Set(v) => Item::Set(v.iter().map(unshared).collect()),
            Item::FrozenSet(v) => Item::FrozenSet(v.iter().map(unshared).collect()),
            Item::Dict(v) => Item::Dict(v.iter().map(|(k, v)| (unshared(k), unshared(v))).collect()),
            other => other.clone(),
        },
        other => other.clone(),
    }
}

fn any_item() -> impl Strategy<Value = Item<'static>> {
    let leaf = prop_oneof![
        Just(Item::None),
        any::<bool>().prop_map(Item::Bool),
        any::<i64>().prop_map(Item::Int),
        proptest::collection::vec(any::<u8>(), 9..40).prop_map(Item::BigInt),
        (-1e300f64..1e300).prop_map(Item::Float),
        ((-1e3f64..1e3), (-1e3f64..1e3)).prop_map(|(a, b)| Item::Complex(a, b)),
        ".{0,20}".prop_map(|s| Item::Text(s.into())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| Item::Bytes(b.into())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| Item::ByteArray(b.into())),
        (0usize..40, 0usize..1200).prop_map(|(a, b)| {
            let bytes: Vec<u8> = (0..a * b).map(|i| (i * 31) as u8).collect();
            Item::Array(ArrayItem::new(bytes, &[a, b], Element::U8).unwrap())
        }),
        any::<u32>().prop_map(Item::Same),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let many = proptest::collection::vec(inner.clone(), 0..8);
        prop_oneof![
            many.clone().prop_map(Item::Tuple),
            many.clone().prop_map(Item::List),
            many.clone().prop_map(Item::Set),
            many.prop_map(Item::FrozenSet),
            proptest::collection::vec((inner.clone(), inner), 0..5).prop_map(Item::Dict),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]
    #[test]
    fn graphs_come_back(items in proptest::collection::vec(any_item(), 1..6)) {
        let mut next = 0;
        let items: Vec<_> = items.iter().map(|i| numbered(i, &mut next)).collect();
        let mut b = Builder::new();
        for (i, value) in items.iter().enumerate() {
            b.local(&format!("x{i}"), value.clone());
        }
        let s = open(&b);
        s.verify_payload().unwrap();
        let graph = s.open_graph().unwrap();
        let mut seen = HashMap::new();
        for (i, value) in items.iter().enumerate() {
            let node = graph.local(0, &format!("x{i}")).unwrap().unwrap();
            prop_assert_eq!(item(&node, &mut seen), unshared(value));
        }
        torpor_store::read::read_everything(&s).unwrap();
    }
}

#[test]
fn a_list_that_contains_itself() {
    let mut b = Builder::new();
    b.local("x", Item::Shared(7, Item::List(vec![Item::Int(1), Item::Same(7)]).into()));
    let s = open(&b);
    let x = s.local(0, "x").unwrap().unwrap();
    assert_eq!(x.child(1).unwrap().id(), x.id());
    assert_eq!(x.child(1).unwrap().child(0).unwrap().as_i64(), Some(1));
    torpor_store::read::read_everything(&s).unwrap();
}

#[test]
fn very_deep_lists() {
    let mut deep = Item::None;
    for _ in 0..2000 {
        deep = Item::List(vec![deep]);
    }
    let mut b = Builder::new();
    b.local("deep", deep);
    assert_eq!(torpor_store::read::read_everything(&open(&b)).unwrap(), 2001);
}

#[test]
fn frames_and_their_lines() {
    let mut b = Builder::new();
    b.frame("solve", "heat.py", 41).local("n", 3i32);
    let s = open(&b);
    let frames = s.frames().unwrap();
    assert_eq!((frames.len(), frames[1].lineno, frames[1].filename.as_str()), (2, 41, "heat.py"));
    assert_eq!(frames[1].local_names, ["n"]);
    assert!(s.local(1, "m").unwrap().is_none());
    assert_eq!(s.local(2, "m").unwrap_err().status(), torpor_store::status::INVALID_ARGUMENT);
}

#[test]
fn references_that_the_builder_refuses() {
    let mut b = Builder::new();
    b.local("x", Item::Same(1));
    assert!(b.to_bytes().is_err());
    let mut b = Builder::new();
    b.local("x", Item::Shared(1, Item::Int(1).into()));
    assert!(b.to_bytes().is_err());
}
