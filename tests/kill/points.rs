//! Promise: a process may die between any two stores to shared memory, and so may the one that cleans
//! up after it; the next `gc` leaves exactly the published snapshots.

mod child;
use child::{audit_data, fork, is_whole, publish, publish_buffer, wait, Dir};
use torpor_store::{crash, Store};

const CAPACITY: u64 = 8 << 20;

/// Comes by every crash point of a living process at least twice.
fn work(dir: &Dir) {
    let store = dir.open("points", CAPACITY);
    for round in 0..4u64 {
        for (i, bytes) in [100, 3000, 40_000, 400_000].into_iter().enumerate() {
            let a = publish(&store, Some("a"), round, bytes).unwrap();
            let held = store.snapshot("a").unwrap();
            publish(&store, Some("a"), round + 1, bytes).unwrap();
            assert!(is_whole(&held));
            drop((a, held));
            publish(&store, Some(&format!("b{i}")), round, bytes).unwrap();
            store.delete(&format!("b{i}")).unwrap();
            publish(&store, None, round, bytes).unwrap().remove().unwrap();
            drop(publish(&store, Some("d"), round, bytes).unwrap());
            assert!(!crash::drop_while_pinned(&store, "d").unwrap() && store.contains("d"));
            assert!(crash::drop_unheld(&store, "d").unwrap() && !store.contains("d"));
        }
        // Handed over: the buffer outlives its snapshot, and the other way round.
        let (a, buffer) = publish_buffer(&store, Some("a"), round, 400_000).unwrap();
        assert!(is_whole(&a));
        let (b, _) = publish_buffer(&store, Some("a"), round, 300_000).unwrap();
        drop((a, buffer));
        assert!(is_whole(&b));
    }
    store.gc().unwrap();
}

fn check(store: &Store, point: &str) {
    let stats = store.stats().unwrap();
    assert_eq!((stats.pins, stats.retired, stats.processes), (0, 0, 1), "after {point:?}: {stats:?}");
    assert_eq!(stats.slots, stats.snapshots + stats.buffers, "after {point:?}: {stats:?}");
    // The one that must be there always, and at most two that the dead process had just published.
    assert!(stats.buffers <= stats.snapshots, "after {point:?}: {stats:?}");
    assert!(stats.snapshots <= 4, "after {point:?}: {stats:?}");
    for s in store.snapshots().unwrap() {
        assert!(is_whole(&s), "after {point:?}");
    }
    assert!(is_whole(&store.snapshot("kept").unwrap()), "after {point:?}");
}

fn all_memory_is_there(store: &Store, point: &str) {
    for s in store.snapshots().unwrap() {
        s.remove().unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.slots, stats.keys), (0, 0, 0), "after {point:?}: {stats:?}");
    audit_data(store);
    let all = (CAPACITY - (1 << 20)) as usize;
    publish(store, None, 1, all).unwrap_or_else(|e| panic!("after {point:?}: {e}"));
}

/// Kills a child at the `count`th passing of a point; false if it never came there so often.
fn die_at(dir: &Dir, point: &str, count: u32) -> bool {
    let pid = fork(|| {
        crash::arm(point, count);
        work(dir);
    });
    match wait(pid) {
        0 => false,
        n if n == -libc::SIGKILL => true,
        n => panic!("the child that was to die at {point:?} ended with {n}"),
    }
}

#[test]
fn every_gap_once_and_twice() {
    let mut missed = Vec::new();
    let reaping = ["reap: pins cleared", "reap: slot taken over"];
    for point in crash::POINTS {
        let mut hits = 0;
        for count in [1, 2, 7] {
            let dir = Dir::new("points");
            let options = |create| torpor_store::OpenOptions {
                create,
                capacity: Some(CAPACITY),
                dir: Some(dir.0.clone()),
                ..Default::default()
            };
            // Nobody in this process is attached while the child works: it makes every step itself.
            if !point.starts_with("attach") && !point.starts_with("grow") {
                publish(&dir.open("points", CAPACITY), Some("kept"), 5, 5000).unwrap();
            }
            if reaping.contains(point) {
                // Somebody to reap: he holds, he writes.
                assert!(die_at(&dir, "publish: linking", 3));
            }
            hits += u32::from(die_at(&dir, point, count));
            // A second one dies while it cleans up after the first.
            let second = reaping[count as usize % 2];
            let pid = fork(|| {
                crash::arm(second, 1);
                let _ = torpor_store::Store::open("points", &options(true)).map(|s| s.gc());
            });
            wait(pid);
            let store = dir.open("points", CAPACITY);
            store.gc().unwrap();
            if store.contains("kept") {
                check(&store, point);
            } else {
                assert!(
                    point.starts_with("attach") || point.starts_with("grow"),
                    "{point:?} lost a snapshot"
                );
            }
            all_memory_is_there(&store, point);
            store.destroy().unwrap();
        }
        if hits == 0 {
            missed.push(*point);
        }
    }
    assert!(missed.is_empty(), "never reached: {missed:?}");
}
