//! Promise: what is published under a key is what a reader of that key gets, until it is deleted.
use torpor_store::{OpenOptions, SnapshotBuilder, Store, Value};

fn builder(x: i64) -> SnapshotBuilder<'static> {
    let mut b = SnapshotBuilder::new();
    b.values.push(Value::atom(torpor_store::value::tag::INT, x as u64));
    b
}

#[test]
fn publish_and_read() {
    let dir = std::env::temp_dir().join(format!("torpor-test-{}", std::process::id()));
    let options = OpenOptions { dir: Some(dir.clone()), ..Default::default() };
    let store = Store::open("basic", &options).unwrap();
    let big = vec![7u8; 100_000];
    let mut b = SnapshotBuilder::new();
    b.add_buffer(&big);
    let mut r = store.reserve(&b).unwrap();
    r.copy_buffers();
    let s = r.publish(Some("a")).unwrap();
    assert_eq!(s.key().as_deref(), Some("a"));
    let region = s.region().unwrap();
    assert_eq!(s.extent_bytes(&region.extents[0]).unwrap(), &big[..]);
    s.verify_payload().unwrap();
    let m = s.map(true).unwrap();
    assert_eq!(m.len() as u64, s.nbytes());
    let b2 = builder(5);
    let s2 = store.reserve(&b2).unwrap().publish(Some("a")).unwrap();
    assert!(s2.id() > s.id());
    assert_eq!(store.snapshot("a").unwrap().id(), s2.id());
    assert_eq!(store.keys().unwrap(), ["a"]);
    store.delete("a").unwrap();
    assert!(!store.contains("a"));
    store.destroy().unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
