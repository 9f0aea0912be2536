//! Promise: a full store does what it was made to do and never drops what somebody holds; all memory that it has is
//! accounted for, and comes back from the living and the dead.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{audit, fork, is_whole, long, pages, publish, publish_buffer, wait, Dir};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use torpor_store::{crash, status, Full, OnCapture, OpenOptions, Snapshot, Store, StoreError, MAX_PROCESSES};

const MIB: usize = 1 << 20;

/// One test at a time: a child forked by another test would hold this one's snapshots.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(dir: &Dir, name: &str, full: Full, full_timeout: Option<Duration>) -> Result<Store, StoreError> {
    let capacity = Some(4 << 20);
    Store::open(
        name,
        &OpenOptions { capacity, full, full_timeout, dir: Some(dir.0.clone()), ..Default::default() },
    )
}

#[test]
fn waiting_for_room_ends() {
    let _alone = alone();
    let dir = Dir::new("timeout");
    let limit = Duration::from_millis(200);
    let store = open(&dir, "wait", Full::Wait, Some(limit)).unwrap();
    assert_eq!((store.full(), store.full_timeout()), (Full::Wait, Some(limit)));
    let held = publish(&store, Some("a"), 1, 3 * MIB).unwrap();
    let start = Instant::now();
    assert_eq!(publish(&store, Some("b"), 2, 3 * MIB).unwrap_err().status(), status::STORE_FULL);
    assert!(start.elapsed() >= limit, "{:?}", start.elapsed());
    let e = store.buffer(3 * MIB, false, OnCapture::HandOver, &mut || false).unwrap_err();
    assert!(e.status() == status::STORE_FULL && start.elapsed() >= 2 * limit, "{e}");
    // It is the store's, whoever opens it and however.
    let pid = fork(|| {
        let other = open(&dir, "wait", Full::Error, None).unwrap();
        assert_eq!((other.full(), other.full_timeout()), (Full::Wait, Some(limit)));
    });
    assert_eq!(wait(pid), 0);
    drop(held);
    store.delete("a").unwrap();
    publish(&store, Some("b"), 2, 3 * MIB).unwrap();
    assert_eq!(store.stats().unwrap().slots, 1);

    let store = open(&dir, "look", Full::Wait, Some(Duration::ZERO)).unwrap();
    let _held = publish(&store, Some("a"), 1, 3 * MIB).unwrap();
    assert_eq!(publish(&store, Some("b"), 2, 3 * MIB).unwrap_err().status(), status::STORE_FULL);
    assert_eq!(open(&dir, "ever", Full::Wait, None).unwrap().full_timeout(), None);
    for (full, limit) in
        [(Full::Error, limit), (Full::Drop, limit), (Full::Wait, Duration::from_secs(2 << 20))]
    {
        let e = open(&dir, "wrong", full, Some(limit)).unwrap_err();
        assert_eq!(e.status(), status::INVALID_ARGUMENT, "{e}");
    }
}

/// Readers come and go while each publication has to drop what they may have just found.
#[test]
fn what_is_held_is_never_dropped() {
    let _alone = alone();
    let dir = Dir::new("drop");
    let store = open(&dir, "drop", Full::Drop, None).unwrap();
    drop(publish(&store, Some("k"), 0, 3 * MIB).unwrap());
    let time = Duration::from_millis(if long() { 20_000 } else { 1500 });
    let enough = dir.0.join("enough");
    let readers: Vec<i32> = (0..3)
        .map(|_| {
            fork(|| {
                let mut found = 0;
                while !enough.exists() || found == 0 {
                    let Ok(s) = store.snapshot("k") else { continue };
                    let again = store.snapshot("k").expect("what is held has lost its key");
                    assert_eq!(again.id(), s.id(), "what is held was dropped");
                    if found % 64 == 0 {
                        assert!(is_whole(&s));
                    }
                    found += 1;
                    drop((s, again));
                    std::thread::sleep(Duration::from_micros(found % 50));
                }
            })
        })
        .collect();
    let (mut replaced, mut refused, start) = (0u64, 0u64, Instant::now());
    // On a busy machine it may take longer until both have happened.
    let both = |replaced, refused| replaced > 0 && refused > 0;
    while start.elapsed() < time || !both(replaced, refused) && start.elapsed() < 40 * time {
        match publish(&store, Some("k"), replaced, 3 * MIB) {
            Ok(_) => replaced += 1,
            Err(e) => {
                assert_eq!(e.status(), status::STORE_FULL, "{e}");
                refused += 1;
            }
        }
    }
    std::fs::write(enough, "").unwrap();
    for pid in readers {
        assert_eq!(wait(pid), 0);
    }
    assert!(both(replaced, refused), "{replaced} replaced, {refused} refused");
    publish(&store, Some("k"), 1, 3 * MIB).unwrap();
    store.gc().unwrap();
    assert_eq!((store.stats().unwrap().slots, store.stats().unwrap().pins), (1, 0));
    audit(&store);
}

#[test]
fn a_drop_that_is_taken_back() {
    let _alone = alone();
    let dir = Dir::new("back");
    let store = open(&dir, "back", Full::Drop, None).unwrap();
    let id = publish(&store, Some("k"), 1, 1000).unwrap().id();
    assert!(!crash::drop_while_pinned(&store, "k").unwrap());
    assert_eq!(store.snapshot("k").unwrap().id(), id);
    assert!(!crash::drop_unheld(&store, "none").unwrap());
    let held = store.snapshot("k").unwrap();
    assert!(!crash::drop_unheld(&store, "k").unwrap() && store.contains("k"));
    drop(held);
    assert!(crash::drop_unheld(&store, "k").unwrap() && !store.contains("k"));
    assert_eq!(store.stats().unwrap().slots, 0);
    // Whoever stopped in the middle of it holds nobody up, dead or alive.
    for signal in [libc::SIGKILL, libc::SIGSTOP] {
        drop(publish(&store, Some("k"), 2, 1000).unwrap());
        let pid = fork(|| {
            // SAFETY: stops this process.
            let stop = || assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) }, 0);
            let _ = crash::drop_while(&store, "k", stop);
        });
        let mut status = 0;
        // SAFETY: waits until the child has stopped itself.
        unsafe { libc::waitpid(pid, &mut status, libc::WUNTRACED) };
        assert!(libc::WIFSTOPPED(status), "{status:x}");
        if signal == libc::SIGKILL {
            // SAFETY: a child of this process.
            unsafe { libc::kill(pid, signal) };
            wait(pid);
        }
        // The reader takes back what the other one began.
        let held = store.snapshot("k").unwrap();
        assert!(is_whole(&held));
        drop(publish(&store, Some("k"), 3, 1000).unwrap());
        assert!(is_whole(&held) && store.snapshot("k").unwrap().id() > held.id());
        drop(held);
        if signal == libc::SIGSTOP {
            // SAFETY: as above. It goes on, and leaves what is there now alone.
            unsafe { libc::kill(pid, libc::SIGCONT) };
            assert_eq!(wait(pid), 0);
        }
        assert!(is_whole(&store.snapshot("k").unwrap()));
        store.delete("k").unwrap();
        store.gc().unwrap();
        assert_eq!(store.stats().unwrap().slots, 0);
        audit(&store);
    }
}

#[test]
fn bytes_in_use_are_those_of_snapshots() {
    let _alone = alone();
    let dir = Dir::new("bytes");
    let store = dir.open("bytes", 64 << 20);
    let chunk = 16 << 10;
    let mut most = 0;
    for (i, bytes) in [0, 100, 700, 3000, 9000, 20_000, 100_000, 3 * MIB].into_iter().enumerate() {
        let s = publish(&store, Some(&format!("{i}")), 1, bytes).unwrap();
        // Small ones have blocks of powers of two, large ones whole chunks.
        most += if s.nbytes() <= chunk / 2 {
            (2 * s.nbytes()).max(512)
        } else {
            s.nbytes().next_multiple_of(chunk)
        };
    }
    let (s, buffer) = publish_buffer(&store, Some("buffer"), 1, MIB + 5 * 8).unwrap();
    most += s.nbytes().next_multiple_of(chunk) + chunk;
    let live: u64 = store.snapshots().unwrap().iter().map(Snapshot::nbytes).sum();
    let stats = store.stats().unwrap();
    assert!((live..=most).contains(&stats.used), "{live} bytes of snapshots, at most {most}: {stats:?}");
    audit(&store);
    drop((s, buffer));
    for key in store.keys().unwrap() {
        store.delete(&key).unwrap();
        audit(&store);
    }
    assert_eq!(store.stats().unwrap().used, 0);
}

#[test]
fn memory_is_kept_warm_up_to_a_mark() {
    let _alone = alone();
    let dir = Dir::new("warm");
    let store = dir.open("warm", 64 << 20);
    let fill = || -> Vec<Snapshot> { (0..12).map(|i| publish(&store, None, i, 5 * MIB).unwrap()).collect() };
    let mark = 64 * MIB as u64 * 3 / 8;
    for _ in 0..2 {
        let all = fill();
        assert!(pages(&store, "data") >= 60 << 20);
        for s in all {
            s.remove().unwrap();
            drop(s);
            audit(&store);
        }
        let kept = pages(&store, "data");
        assert!(kept > mark / 2 && kept <= mark, "{kept} bytes are kept warm, the mark is {mark}");
        // What is warm is used again first.
        for i in 0..20 {
            publish(&store, None, i, 5 * MIB).unwrap().remove().unwrap();
            let buffer = store.buffer(4 * MIB, false, OnCapture::HandOver, &mut || false).unwrap();
            drop(buffer);
            assert!(pages(&store, "data") <= kept + (64 << 10));
        }
    }
}

/// A process is killed while the kernel copies for it.
#[test]
fn what_was_half_written_comes_back() {
    let _alone = alone();
    let dir = Dir::new("half");
    let size = if long() { 1 << 30 } else { 256 * MIB };
    let store = dir.open("half", 4 * size as u64); // so large that all of it could be kept warm
    publish(&store, Some("kept"), 1, 1000).unwrap();
    let (mut cut, mut round) = (0, 0);
    while cut < 3 {
        round += 1;
        assert!(round < 50, "no kill came in time");
        let pid = fork(|| drop(publish(&store, Some("large"), round, size).unwrap()));
        let before = pages(&store, "data");
        while pages(&store, "data") < before.max(size as u64 / 8) + (4 << 20) && !store.contains("large") {
            std::hint::spin_loop();
        }
        // SAFETY: a child of this process.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        wait(pid);
        let back = store.gc().unwrap();
        if store.delete("large").is_err() {
            cut += 1;
            assert!(back.writing == 1 && back.bytes >= size as u64, "{back:?}");
        }
        store.gc().unwrap();
        audit(&store);
        assert_eq!(store.stats().unwrap().slots, 1);
    }
}

/// As many snapshots as in a large program; as many processes as can be attached.
#[test]
fn a_hundred_thousand_snapshots_and_a_crowd() {
    let _alone = alone();
    let dir = Dir::new("crowd");
    let store = dir.open("crowd", 1 << 30);
    let count = if long() { 100_000 } else { 5_000 };
    for i in 0..count {
        drop(publish(&store, Some(&format!("key {i}")), i, 64).unwrap());
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.snapshots, stats.keys, stats.slots), (count, count, count), "{stats:?}");
    audit(&store);
    let most = if long() { MAX_PROCESSES - 1 } else { 40 };
    let children: Vec<i32> = (0..most)
        .map(|me| {
            fork(|| {
                let held: Vec<_> = (0..20u64)
                    .map(|n| {
                        let which = (u64::from(me) * 7919 + n * 104_729) % count;
                        let s = store.snapshot(&format!("key {which}")).unwrap();
                        assert!(is_whole(&s));
                        drop(publish(&store, Some(&format!("of {me}")), n, 3000).unwrap());
                        s
                    })
                    .collect();
                publish(&store, Some("ours"), me.into(), 20_000).unwrap();
                assert!(held.iter().all(is_whole));
                std::mem::forget(held); // it ends without a word, as if it were killed
                if me % 2 == 0 {
                    // SAFETY: a plain system call.
                    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
                }
            })
        })
        .collect();
    let ends: Vec<i32> = children.into_iter().map(wait).collect();
    assert!(ends.iter().all(|end| [0, -libc::SIGKILL].contains(end)), "{ends:?}");
    store.gc().unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.processes, stats.pins, stats.retired), (1, 0, 0), "{stats:?}");
    assert_eq!(stats.snapshots, count + u64::from(most) + 1, "{stats:?}");
    audit(&store);
    for s in store.snapshots().unwrap() {
        assert!(is_whole(&s));
        s.remove().unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.slots, stats.keys, stats.pins), (0, 0, 0, 0), "{stats:?}");
    audit(&store);
}
