//! Promise: what is published under a key is what a reader of that key gets, until it is deleted; what
//! cannot be done is refused by name and leaves nothing behind.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{fork, is_whole, publish, wait, Dir};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use torpor_store::{status, Full, OpenOptions, Snapshot, SnapshotBuilder, Store, StoreError};

/// One test at a time: a child forked by another test would hold this one's snapshots.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn publish_read_replace_delete() {
    let _alone = alone();
    let dir = Dir::new("basic");
    let store = dir.open("basic", 16 << 20);
    let a = publish(&store, Some("a"), 1, 100_000).unwrap();
    assert_eq!(a.key().as_deref(), Some("a"));
    a.verify_payload().unwrap();
    let b = publish(&store, Some("a"), 2, 100).unwrap();
    assert!(b.id() > a.id());
    assert_eq!(store.snapshot("a").unwrap().id(), b.id());
    assert_eq!(store.snapshot_by_id(b.id()).unwrap().key().as_deref(), Some("a"));
    assert_eq!(store.stats().unwrap().retired, 1, "the first one is still held");
    assert!(is_whole(&a), "a held snapshot stays as it was");
    assert!(store.snapshot_by_id(a.id()).is_err());
    a.remove().unwrap_err();
    drop(a);
    assert_eq!(store.stats().unwrap().retired, 0);
    let c = publish(&store, None, 3, 100).unwrap();
    let ids: Vec<u64> = store.snapshots().unwrap().iter().map(Snapshot::id).collect();
    assert_eq!((ids, store.keys().unwrap()), (vec![b.id(), c.id()], vec!["a".to_string()]));
    // Removing a snapshot takes the key only if it still leads there.
    let d = publish(&store, Some("a"), 4, 100).unwrap();
    b.remove().unwrap_err();
    d.remove().unwrap();
    assert!(!store.contains("a") && store.delete("a").unwrap_err().status() == status::SNAPSHOT_NOT_FOUND);
    c.remove().unwrap();
    drop((b, c, d));
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.slots, stats.keys, stats.pins), (0, 0, 0, 0), "{stats:?}");
}

#[test]
fn a_private_view_is_private() {
    let _alone = alone();
    let dir = Dir::new("private");
    let store = dir.open("private", 16 << 20);
    for bytes in [100usize, 100_000, 3_000_000] {
        let s = publish(&store, Some("x"), 9, bytes).unwrap();
        let (one, two) = (s.map(true).unwrap(), s.map(true).unwrap());
        let last = one.len() - 1;
        // SAFETY: private writable views of `len` bytes.
        unsafe {
            assert_eq!(one.as_ptr().add(last).read(), s.bytes()[last]);
            one.as_ptr().add(last).write(77);
            one.as_ptr().write(77);
            assert_eq!((two.as_ptr().read(), two.as_ptr().add(last).read()), (s.bytes()[0], s.bytes()[last]));
        }
        assert!(is_whole(&s));
        // The view holds the snapshot, whatever becomes of the handle, the key and the store's memory.
        drop((s, two));
        store.delete("x").unwrap();
        for i in 0..3 {
            drop(publish(&store, Some("y"), 100 + i, bytes).unwrap());
        }
        // SAFETY: as above.
        assert_eq!(unsafe { one.as_ptr().read() }, 77);
        assert_eq!(store.stats().unwrap().retired, 1);
    }
    assert_eq!(store.stats().unwrap().retired, 0);
}

#[test]
fn children_are_processes_of_their_own() {
    let _alone = alone();
    let dir = Dir::new("fork");
    let store = dir.open("fork", 16 << 20);
    let s = publish(&store, Some("x"), 1, 200_000).unwrap();
    let view = s.map(true).unwrap();
    let before = store.stats().unwrap();
    assert_eq!((before.processes, before.pins), (1, 1));
    // The child holds what its parent held, also when the parent lets go and the memory is wanted.
    let (mut ready, mut go) = (pipe(), pipe());
    let pid = fork(|| {
        ready.send();
        go.receive();
        assert!(is_whole(&s), "an array adopted before the fork is damaged in the child");
        // SAFETY: a private view.
        assert_eq!(unsafe { view.as_ptr().read() }, s.bytes()[0]);
        assert_eq!(store.stats().unwrap().processes, 2);
        drop((s.clone(), store.snapshot("y").unwrap()));
    });
    ready.receive();
    let first = s.id();
    drop((s, view));
    store.delete("x").unwrap();
    for i in 0..40 {
        drop(publish(&store, Some("y"), i, 200_000).unwrap());
    }
    assert_eq!(store.gc().unwrap().processes, 0, "a living child was reaped");
    let stats = store.stats().unwrap();
    assert_eq!((stats.processes, stats.retired, stats.pins), (2, 1, 1), "{stats:?}");
    go.send();
    assert_eq!(wait(pid), 0);
    assert!(store.snapshot_by_id(first).is_err());
    let back = store.gc().unwrap();
    assert_eq!((back.processes, back.pins, store.stats().unwrap().retired), (1, 1, 0));
}

#[test]
fn a_parent_that_is_killed_is_seen_to_be_dead() {
    let _alone = alone();
    let dir = Dir::new("orphan");
    let store = dir.open("orphan", 16 << 20);
    publish(&store, Some("x"), 1, 1000).unwrap();
    let (mut ready, mut go) = (pipe(), pipe());
    let parent = fork(|| {
        let held = store.snapshot("x").unwrap();
        let _child = fork(|| {
            ready.send();
            go.receive();
            assert!(is_whole(&held));
        });
        std::thread::sleep(Duration::from_secs(100));
    });
    ready.receive();
    store.delete("x").unwrap();
    assert_eq!(store.stats().unwrap().pins, 2);
    // SAFETY: a child of this process.
    unsafe { libc::kill(parent, libc::SIGKILL) };
    wait(parent);
    let back = store.gc().unwrap();
    assert_eq!((back.processes, back.pins), (1, 1), "the killed parent is dead although its child lives");
    assert_eq!(store.stats().unwrap().retired, 1, "the child still holds it");
    go.send();
    let end = Instant::now() + Duration::from_secs(10);
    while store.stats().unwrap().retired != 0 && Instant::now() < end {
        store.gc().unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(store.stats().unwrap().retired, 0);
}

#[test]
fn a_stopped_process_is_not_reaped() {
    let _alone = alone();
    let dir = Dir::new("stop");
    let store = dir.open("stop", 16 << 20);
    publish(&store, Some("x"), 1, 1000).unwrap();
    let mut ready = pipe();
    let pid = fork(|| {
        let _held = store.snapshot("x").unwrap();
        ready.send();
        std::thread::sleep(Duration::from_secs(100));
    });
    ready.receive();
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    assert_eq!(store.gc().unwrap().processes, 0);
    assert_eq!(store.stats().unwrap().pins, 1);
    // SAFETY: as above. It is a zombie until it is waited for, and dead all the same.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let end = Instant::now() + Duration::from_secs(10);
    while store.gc().unwrap().processes == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(store.stats().unwrap().pins, 0);
    wait(pid);
}

#[test]
fn a_full_store_says_so_and_keeps_nothing() {
    let _alone = alone();
    let dir = Dir::new("full");
    let store = dir.open("full", 4 << 20);
    let held = publish(&store, Some("a"), 1, 3 << 20).unwrap();
    let before = store.stats().unwrap();
    for bytes in [3 << 20, 5 << 20, 50 << 20] {
        let e = publish(&store, Some("b"), 2, bytes).unwrap_err();
        assert!(matches!(e, StoreError::Full { .. }) && e.status() == status::STORE_FULL, "{e}");
        assert!(e.to_string().contains("is full"), "{e}");
    }
    let after = store.stats().unwrap();
    assert_eq!(
        (after.used, after.slots, after.keys, after.pins),
        (before.used, before.slots, before.keys, before.pins)
    );
    // Many small ones take the place of a large one, and the other way round.
    drop(held);
    store.delete("a").unwrap();
    let mut small = 0;
    while publish(&store, Some(&format!("{small}")), small, 2000).is_ok() {
        small += 1;
    }
    assert!(small > 800, "{small} small snapshots found room in 4 MiB");
    for i in 0..small {
        assert!(is_whole(&store.snapshot(&format!("{i}")).unwrap()));
        store.delete(&format!("{i}")).unwrap();
    }
    publish(&store, Some("a"), 1, 3 << 20).unwrap();
}

#[test]
fn room_is_made_or_waited_for_as_chosen() {
    let _alone = alone();
    let dir = Dir::new("policy");
    let open = |name: &str, full| {
        let options =
            OpenOptions { capacity: Some(4 << 20), full, dir: Some(dir.0.clone()), ..Default::default() };
        Store::open(name, &options).unwrap()
    };
    let store = open("drop", Full::Drop);
    drop(publish(&store, Some("a"), 1, 3 << 20).unwrap());
    let held = publish(&store, Some("a"), 2, 3 << 20).unwrap();
    publish(&store, Some("a"), 3, 3 << 20).unwrap_err();
    assert_eq!(store.snapshot("a").unwrap().id(), held.id(), "a held snapshot is never dropped");

    let store = open("wait", Full::Wait);
    let held = publish(&store, Some("a"), 1, 3 << 20).unwrap();
    let other = store.clone();
    let thread = std::thread::spawn(move || publish(&other, Some("b"), 2, 3 << 20).map(|s| is_whole(&s)));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!thread.is_finished());
    store.delete("a").unwrap();
    drop(held);
    assert!(thread.join().unwrap().unwrap());
    let payload = vec![0u8; 3 << 20];
    let mut b = SnapshotBuilder::new();
    b.add_buffer(&payload);
    let mut asked = 0;
    let e = store.reserve_for(&b, None, &mut || {
        asked += 1;
        asked > 2
    });
    assert!(matches!(e, Err(StoreError::Interrupted)));
}

#[test]
fn a_full_file_system_is_an_error() {
    let _alone = alone();
    let dir = Dir::new("limit");
    let pid = fork(|| {
        let store = dir.open("limit", 64 << 20);
        // The kernel refuses to let any file grow beyond this: what a full disk looks like.
        let limit = libc::rlimit { rlim_cur: 4 << 20, rlim_max: 4 << 20 };
        // SAFETY: plain system calls of this child.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
        }
        drop(publish(&store, Some("fits"), 1, 1 << 20).unwrap());
        let e = publish(&store, Some("not"), 1, 20 << 20).unwrap_err();
        assert_eq!(e.status(), status::STORE_FULL, "{e}");
        let stats = store.stats().unwrap();
        assert_eq!((stats.snapshots, stats.slots, stats.pins), (1, 1, 0), "{stats:?}");
        assert!(is_whole(&store.snapshot("fits").unwrap()));
    });
    assert_eq!(wait(pid), 0);
}

#[test]
fn names_and_keys_that_are_none() {
    let _alone = alone();
    let dir = Dir::new("names");
    let options = OpenOptions { capacity: Some(1 << 20), dir: Some(dir.0.clone()), ..Default::default() };
    for name in ["", ".", "..", ".hidden", "a/b", "a\0b", "a\nb", &"x".repeat(129)] {
        let e = Store::open(name, &options).unwrap_err();
        assert_eq!(e.status(), status::INVALID_ARGUMENT, "{name:?}: {e}");
    }
    let store = dir.open("names", 1 << 20);
    for key in ["", "a\0b", &"k".repeat(256)] {
        assert_eq!(store.snapshot(key).unwrap_err().status(), status::INVALID_ARGUMENT);
        assert_eq!(publish(&store, Some(key), 1, 8).unwrap_err().status(), status::INVALID_ARGUMENT);
        assert!(!store.contains(key));
    }
    let long = "ä".repeat(127);
    publish(&store, Some(&long), 1, 8).unwrap();
    assert_eq!(store.keys().unwrap(), [long]);
    assert_eq!(store.stats().unwrap().slots, 1);
    let none = OpenOptions { create: false, ..options };
    assert_eq!(Store::open("other", &none).unwrap_err().status(), status::STORE_NOT_FOUND);
}

#[test]
fn stores_that_are_not_ours_alone_are_refused() {
    let _alone = alone();
    let dir = Dir::new("foreign");
    let options = OpenOptions { create: false, dir: Some(dir.0.clone()), ..Default::default() };
    let user = std::fs::read_dir(&dir.0).unwrap().count();
    assert_eq!(user, 0);
    drop(dir.open("s", 1 << 20));
    let user = std::fs::read_dir(&dir.0).unwrap().next().unwrap().unwrap().path();
    let layout = std::fs::read_dir(&user).unwrap().next().unwrap().unwrap().path();
    let refused = |what: &str, expected: i32| {
        let e = Store::open("s", &options).unwrap_err();
        assert_eq!(e.status(), expected, "{what}: {e}");
    };
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // SAFETY: plain system call.
    let root = unsafe { libc::geteuid() } == 0;
    for path in
        [user.clone(), layout.clone(), layout.join("s"), layout.join("s/meta"), layout.join("s/locks")]
    {
        let usual = std::fs::metadata(&path).unwrap().permissions().mode();
        for wrong in [0o755, 0o777, 0o702] {
            mode(&path, wrong);
            refused("what others may read or write", status::STORE_FOREIGN);
        }
        mode(&path, usual);
        if root {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            refused("another user's", status::STORE_FOREIGN);
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
    }
    let store = layout.join("s");
    for file in ["meta", "data", "locks"] {
        mode(&store.join(file), 0o640);
        refused("a file that others may read", status::STORE_FOREIGN);
        mode(&store.join(file), 0o600);
        let moved = store.join("moved");
        std::fs::rename(store.join(file), &moved).unwrap();
        refused("a missing file", status::STORE_CORRUPT);
        symlink(&moved, store.join(file)).unwrap();
        refused("a symbolic link", status::STORE_FOREIGN);
        std::fs::rename(&moved, store.join(file)).unwrap();
    }
    let meta = std::fs::read(store.join("meta")).unwrap();
    for (at, what) in [(0, "the magic word"), (8, "the layout"), (16, "the fingerprint"), (32, "the shape")] {
        let mut other = meta.clone();
        other[at] ^= 1;
        std::fs::write(store.join("meta"), &other).unwrap();
        refused(what, status::STORE_FOREIGN);
    }
    std::fs::write(store.join("meta"), &meta[..5000]).unwrap();
    refused("a meta file that was cut off", status::STORE_CORRUPT);
    std::fs::write(store.join("meta"), &meta).unwrap();
    drop(Store::open("s", &options).unwrap());
    symlink(&store, layout.join("link")).unwrap();
    assert_eq!(Store::open("link", &options).unwrap_err().status(), status::STORE_FOREIGN);
}

#[test]
fn created_by_many_at_once() {
    let _alone = alone();
    let dir = Dir::new("race");
    for round in 0..10 {
        let name = format!("race{round}");
        let children: Vec<i32> = (0..4)
            .map(|i| {
                fork(|| {
                    let store = dir.open(&name, 1 << 20);
                    publish(&store, Some(&format!("{i}")), i, 100).unwrap();
                })
            })
            .collect();
        assert!(children.into_iter().all(|pid| wait(pid) == 0));
        assert_eq!(dir.open(&name, 1 << 20).keys().unwrap(), ["0", "1", "2", "3"]);
    }
}

#[test]
fn a_destroyed_store_is_gone_and_its_data_stay() {
    let _alone = alone();
    let dir = Dir::new("destroy");
    let store = dir.open("d", 4 << 20);
    let s = publish(&store, Some("a"), 1, 100_000).unwrap();
    let view = s.map(true).unwrap();
    store.destroy().unwrap();
    assert!(store.is_destroyed());
    for e in [
        store.snapshot("a").unwrap_err(),
        store.keys().unwrap_err(),
        store.stats().unwrap_err(),
        store.destroy().unwrap_err(),
        store.delete("a").unwrap_err(),
        publish(&store, None, 1, 10).unwrap_err(),
        store.wait("a", None, None, &mut || false).unwrap_err(),
    ] {
        assert_eq!(e.status(), status::STORE_NOT_FOUND, "{e}");
    }
    let again = dir.open("d", 4 << 20);
    assert!(again.keys().unwrap().is_empty() && !again.is_destroyed());
    publish(&again, Some("a"), 2, 100_000).unwrap();
    assert!(is_whole(&s));
    drop((store, s));
    // SAFETY: a private view, held by the mapping.
    unsafe { view.as_ptr().write(1) };
}

#[test]
fn waiting() {
    let _alone = alone();
    let dir = Dir::new("wait");
    let store = dir.open("w", 4 << 20);
    let never = &mut || false;
    let e = store.wait("k", None, Some(Duration::from_millis(20)), never).unwrap_err();
    assert_eq!(e.status(), status::TIMEOUT, "{e}");
    let e = store.wait("k", None, None, &mut || true).unwrap_err();
    assert_eq!(e.status(), status::INTERRUPTED);
    // Back and forth with another process: nothing is slept through.
    let pid = fork(|| {
        let mut after = None;
        for i in 0..2000 {
            let s = store.wait("ping", after, Some(Duration::from_secs(20)), &mut || false).unwrap();
            after = Some(s.id());
            drop(publish(&store, Some("pong"), i, 64).unwrap());
        }
    });
    let mut after = None;
    let start = Instant::now();
    for i in 0..2000 {
        drop(publish(&store, Some("ping"), i, 64).unwrap());
        let s = store.wait("pong", after, Some(Duration::from_secs(20)), never).unwrap();
        after = Some(s.id());
    }
    assert_eq!(wait(pid), 0);
    assert!(start.elapsed() < Duration::from_secs(20), "wake-ups were lost: {:?}", start.elapsed());
}

#[test]
fn flat_cost_and_no_growth() {
    let _alone = alone();
    let dir = Dir::new("many");
    let store = dir.open("many", 256 << 20);
    for i in 0..20_000 {
        drop(publish(&store, Some(&format!("key {i}")), i, 64).unwrap());
    }
    assert_eq!(store.stats().unwrap().keys, 20_000);
    for i in (0..20_000).step_by(7) {
        assert!(is_whole(&store.snapshot(&format!("key {i}")).unwrap()));
    }
    let before = store.stats().unwrap();
    for i in 0..20_000 {
        drop(publish(&store, Some("hot"), i, 8 * (i as usize % 9000)).unwrap());
    }
    let after = store.stats().unwrap();
    assert!(after.cached < before.cached + (8 << 20), "{before:?} {after:?}");
    assert_eq!(after.slots, before.slots + 1);
    for i in 0..20_000 {
        store.delete(&format!("key {i}")).unwrap();
    }
    assert_eq!(store.stats().unwrap().keys, 1);
}

/// Threads of one process share its pins; children are forked from their midst.
#[test]
fn threads_and_forks_among_them() {
    let _alone = alone();
    let dir = Dir::new("threads");
    let store = dir.open("threads", 16 << 20);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for t in 0..4u64 {
            let (store, stop) = (store.clone(), &stop);
            scope.spawn(move || {
                let mut n = 0;
                while !stop.load(Relaxed) {
                    n += 1;
                    let key = format!("key {}", (t + n) % 3);
                    let size = if n % 5 == 0 { 40_000 } else { 800 };
                    drop(publish(&store, Some(&key), t << 32 | n, size).unwrap());
                    if let Ok(s) = store.snapshot(&key) {
                        let other = s.clone();
                        drop(s);
                        assert!(is_whole(&other));
                    }
                }
            });
        }
        for i in 0..40 {
            let pid = fork(|| {
                let s = publish(&store, Some("child"), i, 5000).unwrap();
                assert!(is_whole(&s) && is_whole(&store.snapshot("child").unwrap()));
                for s in store.snapshots().unwrap() {
                    assert!(is_whole(&s));
                }
            });
            assert_eq!(wait(pid), 0, "child {i}");
        }
        stop.store(true, Relaxed);
    });
    store.gc().unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.slots, stats.keys, stats.pins, stats.processes), (4, 4, 0, 1), "{stats:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Option<u8>, usize),
    Delete(u8),
    Hold(u8),
    Release(usize),
    Remove(usize),
    Gc,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 0usize..4000, 2 => 16_000usize..70_000, 1 => 100_000usize..600_000];
    let step = prop_oneof![
        6 => (proptest::option::of(0u8..6), size).prop_map(|(k, n)| Step::Publish(k, n)),
        2 => (0u8..6).prop_map(Step::Delete),
        3 => (0u8..6).prop_map(Step::Hold),
        3 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Remove),
        1 => Just(Step::Gc),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_store_is_a_map(steps in steps()) {
        let _alone = alone();
        let dir = Dir::new("model");
        let store = dir.open("model", 3 << 20);
        let mut keys: BTreeMap<String, u64> = BTreeMap::new();
        let mut published: BTreeMap<u64, Option<String>> = BTreeMap::new();
        let mut held: Vec<Snapshot> = Vec::new();
        let drop_key = |keys: &mut BTreeMap<String, u64>, published: &mut BTreeMap<u64, _>, key: &str| {
            keys.remove(key).map(|id| published.remove(&id))
        };
        for (n, step) in steps.into_iter().enumerate() {
            let name = |k: u8| format!("key {k}");
            match step {
                Step::Publish(k, size) => {
                    let key = k.map(name);
                    match publish(&store, key.as_deref(), n as u64, size) {
                        Ok(s) => {
                            if let Some(key) = &key {
                                drop_key(&mut keys, &mut published, key);
                                keys.insert(key.clone(), s.id());
                            }
                            prop_assert!(published.insert(s.id(), key).is_none());
                            held.push(s);
                        }
                        Err(e) => prop_assert!(matches!(e, StoreError::Full { .. }), "{}", e),
                    }
                }
                Step::Delete(k) => {
                    let there = drop_key(&mut keys, &mut published, &name(k)).is_some();
                    prop_assert_eq!(store.delete(&name(k)).is_ok(), there);
                }
                Step::Hold(k) => match store.snapshot(&name(k)) {
                    Ok(s) => {
                        prop_assert_eq!(Some(&s.id()), keys.get(&name(k)));
                        held.push(s);
                    }
                    Err(_) => prop_assert!(!keys.contains_key(&name(k))),
                },
                Step::Release(i) if !held.is_empty() => drop(held.swap_remove(i % held.len())),
                Step::Remove(i) if !held.is_empty() => {
                    let s = held.swap_remove(i % held.len());
                    let there = published.remove(&s.id());
                    prop_assert_eq!(s.remove().is_ok(), there.is_some());
                    if let Some(Some(key)) = there {
                        keys.remove(&key);
                    }
                }
                Step::Gc => prop_assert_eq!(store.gc().unwrap().snapshots, 0),
                _ => {}
            }
            prop_assert!(held.iter().all(is_whole));
            prop_assert_eq!(store.keys().unwrap(), keys.keys().cloned().collect::<Vec<_>>());
            let ids: Vec<u64> = store.snapshots().unwrap().iter().map(Snapshot::id).collect();
            prop_assert_eq!(ids, published.keys().copied().collect::<Vec<_>>());
        }
        drop(held);
        let stats = store.stats().unwrap();
        prop_assert_eq!((stats.slots, stats.pins, stats.retired), (published.len() as u64, 0, 0));
    }
}

/// One byte from one process to another.
struct Pipe([i32; 2]);
fn pipe() -> Pipe {
    let mut ends = [0; 2];
    // SAFETY: two descriptors are written.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    Pipe(ends)
}
impl Pipe {
    fn send(&mut self) {
        // SAFETY: writes one byte.
        assert_eq!(unsafe { libc::write(self.0[1], b"x".as_ptr().cast(), 1) }, 1);
    }
    fn receive(&mut self) {
        let mut byte = 0u8;
        // SAFETY: reads one byte.
        assert_eq!(unsafe { libc::read(self.0[0], (&raw mut byte).cast(), 1) }, 1);
    }
}
