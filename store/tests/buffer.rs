//! Promise: a buffer of the store is handed over without a copy, once, by a process that alone holds it; what it
//! held then is the snapshot's for ever, whatever the program writes afterwards and whoever dies.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{fork, is_whole, publish, publish_buffer, wait, words, Dir};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use torpor_store::{
    Builder, Full, OnCapture, OpenOptions, Snapshot, SnapshotBuilder, Store, StoreBuffer, StoreError,
};

const SIZE: usize = 1 << 20;

/// One test at a time: a child forked by another test would hold this one's buffers.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn buffer(store: &Store, size: usize) -> StoreBuffer {
    store.buffer(size, true, OnCapture::HandOver, &mut || false).unwrap()
}

/// Publishes buffers as they are; their first words tell them apart.
fn publish_all(store: &Store, key: &str, buffers: &[&StoreBuffer]) -> Snapshot {
    let mut b = SnapshotBuilder::new();
    for buffer in buffers {
        b.add_buffer(buffer.as_slice());
    }
    let mut r = store.reserve(&b).unwrap();
    r.copy_buffers();
    r.publish(Some(key)).unwrap()
}

fn extents(s: &Snapshot) -> Vec<Vec<u8>> {
    let region = s.region().unwrap();
    region.extents.iter().map(|e| s.extent_bytes(e).unwrap().to_vec()).collect()
}

/// Bytes of the store that are in use now.
fn used(store: &Store) -> u64 {
    store.stats().unwrap().used
}

#[test]
fn nothing_is_copied_and_nothing_changes() {
    let _alone = alone();
    let dir = Dir::new("handover");
    let store = dir.open("handover", 64 << 20);
    let mut one = buffer(&store, SIZE);
    let mut two = buffer(&store, SIZE + 8);
    let small = buffer(&store, 4096);
    assert!(one.as_slice().iter().all(|b| *b == 0), "zeroed");
    one.as_mut_slice().copy_from_slice(&words(1, SIZE));
    two.as_mut_slice().copy_from_slice(&words(2, SIZE + 8));
    let plain = words(3, 100_000);
    let before = used(&store);
    let mut b = SnapshotBuilder::new();
    for bytes in [two.as_slice(), &plain, small.as_slice(), one.as_slice()] {
        b.add_buffer(bytes);
    }
    let mut r = store.reserve(&b).unwrap();
    r.copy_buffers();
    let s = r.publish(Some("k")).unwrap();
    assert!(used(&store) - before < 256 << 10, "the two buffers are not there twice");
    let expected = [words(2, SIZE + 8), plain, vec![0; 4096], words(1, SIZE)];
    assert_eq!(extents(&s), expected);
    s.verify_payload().unwrap();
    let (at, second) = (one.as_ptr(), two.as_ptr());
    one.as_mut_slice().fill(0xee);
    two.as_mut_slice()[SIZE] = 9;
    assert_eq!((one.as_ptr(), two.as_ptr()), (at, second));
    assert!(one.as_slice().iter().all(|b| *b == 0xee));
    let again = store.snapshot("k").unwrap();
    assert_eq!(extents(&again), expected, "what is written after the capture stays with the program");
    // Bytes, files and private views are of one piece.
    assert_eq!(extents(&Snapshot::from_bytes(s.bytes()).unwrap()), expected);
    assert_eq!(extents(&Snapshot::from_bytes(&s.to_bytes()).unwrap()), expected);
    let file = dir.0.join("file");
    s.save(&file).unwrap();
    let loaded = Snapshot::load(&file).unwrap();
    loaded.verify_payload().unwrap();
    assert_eq!(extents(&loaded), expected);
    let view = s.map(true).unwrap();
    let last = s.region().unwrap().extents[3].offset as usize;
    // SAFETY: a private view of the whole region.
    unsafe {
        assert_eq!(std::slice::from_raw_parts(view.as_ptr().add(last), SIZE), words(1, SIZE));
        view.as_ptr().add(last).write_bytes(7, SIZE);
    }
    assert_eq!(extents(&again), expected);
    // A second capture copies what the program sees.
    let second = publish_all(&store, "k", &[&one, &two]);
    assert_eq!(extents(&second)[0], vec![0xee; SIZE]);
    assert_eq!(extents(&second)[1][SIZE], 9);
    assert_eq!(extents(&again), expected);
    drop((s, again, view));
    assert_eq!(store.stats().unwrap().retired, 0);
    assert_eq!(extents(&second)[0], vec![0xee; SIZE]);
    assert!(one.as_slice().iter().all(|b| *b == 0xee), "the private view outlives its snapshot");
    drop((one, two, small));
    store.delete("k").unwrap();
    drop(second);
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.slots, stats.pins, stats.buffers), (0, 0, 0, 0), "{stats:?}");
}

#[test]
fn whichever_goes_first_the_memory_comes_back() {
    let _alone = alone();
    let dir = Dir::new("order");
    let store = dir.open("order", 32 << 20);
    for round in 0..40 {
        let (s, buffer) = publish_buffer(&store, Some("k"), round, SIZE).unwrap();
        let reader = store.snapshot("k").unwrap();
        let view = s.map(round % 3 == 0).unwrap();
        match round % 4 {
            0 => drop((buffer, s)),
            1 => drop((s, buffer)),
            2 => {
                drop(buffer);
                s.remove().unwrap();
            }
            _ => {
                drop(s);
                let _ = publish(&store, Some("k"), round, 100).unwrap();
                drop(buffer);
            }
        }
        // Meanwhile others use what is free.
        for other in 0..3 {
            publish(&store, Some("other"), other, SIZE).unwrap();
        }
        assert!(is_whole(&reader), "round {round}");
        drop((reader, view));
    }
    store.delete("k").ok();
    store.delete("other").unwrap();
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.slots, stats.pins, stats.buffers), (0, 0, 0, 0), "{stats:?}");
}

#[test]
fn what_is_not_handed_over_is_copied() {
    let _alone = alone();
    let dir = Dir::new("copied");
    let (store, other) = (dir.open("copied", 32 << 20), dir.open("other", 32 << 20));
    let copy = store.buffer(SIZE, true, OnCapture::Copy, &mut || false).unwrap();
    let mut whole = buffer(&store, SIZE);
    let before = used(&store);
    let s = publish_all(&store, "k", &[&copy]);
    assert!(used(&store) - before >= SIZE as u64, "on_capture is copy");
    let s2 = publish_all(&other, "k", &[&whole]);
    assert!(used(&other) >= SIZE as u64, "into another store");
    let mut b = SnapshotBuilder::new();
    b.add_buffer(&whole.as_slice()[..SIZE / 2]);
    let mut r = store.reserve(&b).unwrap();
    r.copy_buffers();
    let s3 = r.publish(None).unwrap();
    // Named twice: once handed over, once copied.
    whole.as_mut_slice()[5] = 5;
    let before = used(&store);
    let s4 = publish_all(&store, "k", &[&whole, &whole]);
    assert!((SIZE as u64..SIZE as u64 * 2).contains(&(used(&store) - before)));
    whole.as_mut_slice().fill(1);
    assert!(extents(&s4).iter().all(|e| e[5] == 5 && e[6] == 0));
    for s in [&s, &s2, &s3] {
        assert!(extents(s)[0].iter().all(|b| *b == 0));
    }
}

#[test]
fn forked_children_share_it_until_it_is_handed_over() {
    let _alone = alone();
    let dir = Dir::new("shared");
    let store = dir.open("shared", 32 << 20);
    let mut mine = Some(buffer(&store, SIZE));
    let (start, length) = (mine.as_ref().unwrap().as_ptr(), SIZE);
    let (read_end, write_end) = pipe();
    let pid = fork(|| {
        mine.as_mut().unwrap().as_mut_slice()[0] = 1;
        block_on(read_end); // the parent captures meanwhile
                            // SAFETY: the buffer's memory, which is mapped in this child.
        unsafe { start.add(1).write_volatile(2) };
        drop(mine.take());
    });
    let mut seen = Seen(start, length);
    let begun = Instant::now();
    while seen.read(0) != 1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the child's write is not seen here");
        std::thread::yield_now();
    }
    // The child still works in it, so this is a copy, and sharing goes on.
    let mut b = SnapshotBuilder::new();
    // SAFETY: mapped for the whole test; the child writes to it at other times only.
    unsafe { b.add_raw_buffer(start, length) };
    let before = used(&store);
    let mut r = store.reserve(&b).unwrap();
    r.copy_buffers();
    let s = r.publish(Some("k")).unwrap();
    assert!(used(&store) - before >= SIZE as u64);
    signal(write_end);
    assert_eq!(wait(pid), 0);
    assert_eq!((seen.read(1), extents(&s)[0][1]), (2, 0));
    // Now nobody else has it.
    let before = used(&store);
    let mut r = store.reserve(&b).unwrap();
    r.copy_buffers();
    let second = r.publish(Some("k")).unwrap();
    assert!(used(&store) < before + (SIZE as u64) / 2);
    seen.write(1, 3);
    assert_eq!(extents(&second)[0][1], 2);
    // Forked after it was handed over: private to each.
    let pid = fork(|| {
        // SAFETY: as above.
        unsafe { start.add(1).write_volatile(9) };
    });
    assert_eq!(wait(pid), 0);
    assert_eq!((seen.read(1), extents(&second)[0][1]), (3, 2));
    drop(mine);
}

/// The memory of a buffer that others write to meanwhile.
struct Seen(*mut u8, usize);
impl Seen {
    fn read(&self, at: usize) -> u8 {
        assert!(at < self.1);
        // SAFETY: mapped while the test runs.
        unsafe { self.0.add(at).read_volatile() }
    }
    fn write(&mut self, at: usize, byte: u8) {
        assert!(at < self.1);
        // SAFETY: as above.
        unsafe { self.0.add(at).write_volatile(byte) }
    }
}

fn pipe() -> (i32, i32) {
    let mut ends = [0; 2];
    // SAFETY: plain system call.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    (ends[0], ends[1])
}

fn block_on(end: i32) {
    let mut byte = 0u8;
    // SAFETY: reads one byte.
    assert_eq!(unsafe { libc::read(end, (&raw mut byte).cast(), 1) }, 1);
}

fn signal(end: i32) {
    // SAFETY: writes one byte.
    assert_eq!(unsafe { libc::write(end, c"x".as_ptr().cast(), 1) }, 1);
}

#[test]
fn the_dead_leave_nothing_and_lose_nothing() {
    let _alone = alone();
    let dir = Dir::new("dead");
    let store = dir.open("dead", 64 << 20);
    let pid = fork(|| {
        let (s, buffer) = publish_buffer(&store, Some("k"), 7, SIZE).unwrap();
        let unpublished = buffer_of(&store);
        std::mem::forget((s, buffer, unpublished));
        // SAFETY: ends this process, as a kill would.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    });
    assert_eq!(wait(pid), -libc::SIGKILL);
    store.gc().unwrap();
    let s = store.snapshot("k").unwrap();
    assert!(is_whole(&s), "what was handed over does not die with its maker");
    let stats = store.stats().unwrap();
    assert_eq!((stats.buffers, stats.snapshots, stats.pins), (1, 1, 1), "{stats:?}");
    store.delete("k").unwrap();
    assert!(is_whole(&s));
    drop(s);
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.slots), (0, 0), "{stats:?}");
}

fn buffer_of(store: &Store) -> StoreBuffer {
    buffer(store, SIZE)
}

#[test]
fn a_destroyed_store_leaves_the_memory_to_who_has_it() {
    let _alone = alone();
    let dir = Dir::new("destroyed");
    let store = dir.open("destroyed", 32 << 20);
    let mut fresh = buffer(&store, SIZE);
    let (s, mut private) = publish_buffer(&store, Some("k"), 3, SIZE).unwrap();
    store.destroy().unwrap();
    fresh.as_mut_slice().fill(4);
    private.as_mut_slice().fill(5);
    assert!(is_whole(&s));
    let e = store.buffer(SIZE, false, OnCapture::HandOver, &mut || false).unwrap_err();
    assert!(matches!(e, StoreError::NotFound { destroyed: true, .. }));
    drop((store, fresh, s));
    assert!(private.as_slice().iter().all(|b| *b == 5));
}

#[test]
fn a_full_store_is_an_error_or_a_wait() {
    let _alone = alone();
    let dir = Dir::new("full");
    let open = |name: &str, full| {
        let options =
            OpenOptions { capacity: Some(4 << 20), full, dir: Some(dir.0.clone()), ..Default::default() };
        Store::open(name, &options).unwrap()
    };
    let store = open("error", Full::Error);
    let held = buffer(&store, 3 << 20);
    for size in [3 << 20, 1 << 40] {
        let e = store.buffer(size, false, OnCapture::HandOver, &mut || false).unwrap_err();
        assert!(matches!(e, StoreError::Full { .. }), "{e}");
    }
    drop(held);
    drop(buffer(&store, 3 << 20));
    assert_eq!(used(&store), 0);

    let store = open("wait", Full::Wait);
    let held = buffer(&store, 3 << 20);
    let other = store.clone();
    let thread = std::thread::spawn(move || buffer(&other, 3 << 20).as_slice()[0]);
    // Killed while it waits for room: it takes nobody's turn.
    let pid = fork(|| drop(buffer(&store, 3 << 20))); // of a handle that stays here
    std::thread::sleep(Duration::from_millis(100));
    assert!(!thread.is_finished());
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(wait(pid), -libc::SIGKILL);
    drop(held);
    // The child held it too, and is dead.
    assert_eq!(thread.join().unwrap(), 0);
    let keep = buffer(&store, 3 << 20);
    let mut asked = 0;
    let e = store.buffer(3 << 20, false, OnCapture::HandOver, &mut || {
        asked += 1;
        asked > 3
    });
    assert!(matches!(e, Err(StoreError::Interrupted)), "{e:?}");
    drop(keep);
}

#[test]
fn recycled_memory_ends_with_zeros() {
    let _alone = alone();
    let dir = Dir::new("recycled");
    let store = dir.open("recycled", 8 << 20);
    for _ in 0..4 {
        let mut dirty = store.buffer(3 << 20, false, OnCapture::HandOver, &mut || false).unwrap();
        dirty.as_mut_slice().fill(0xff);
        drop(dirty);
        let clean = buffer(&store, (2 << 20) + 5);
        assert!(clean.as_slice().iter().all(|b| *b == 0));
        let s = publish_all(&store, "k", &[&clean]);
        assert!(s.bytes()[s.region().unwrap().extents[0].offset as usize..].iter().all(|b| *b == 0));
        store.delete("k").unwrap();
    }
}

#[test]
fn many_in_one_snapshot() {
    let _alone = alone();
    let dir = Dir::new("many");
    let store = dir.open("many", 256 << 20);
    let buffers: Vec<StoreBuffer> = (0..300u32)
        .map(|i| {
            let mut b = buffer(&store, 300_000);
            b.as_mut_slice()[..4].copy_from_slice(&i.to_le_bytes());
            b
        })
        .collect();
    let s = publish_all(&store, "k", &buffers.iter().collect::<Vec<_>>());
    drop(buffers);
    for (i, bytes) in extents(&s).iter().enumerate() {
        assert_eq!(bytes[..4], (i as u32).to_le_bytes());
    }
    let local = Builder::new().publish(&store, Some("k")).unwrap();
    drop(s);
    let stats = store.stats().unwrap();
    assert_eq!((stats.slots, stats.buffers), (1, 0), "{stats:?}");
    drop(local);
}

/// Children beyond the 512 processes that can be attached have no pins: they must not write to what is published.
#[test]
fn children_for_whom_there_is_no_entry() {
    let _alone = alone();
    let dir = Dir::new("crowd");
    let store = dir.open("crowd", 32 << 20);
    let mut mine = buffer(&store, SIZE);
    mine.as_mut_slice().copy_from_slice(&words(1, SIZE));
    let start = mine.as_ptr();
    let (leave, may_leave) = pipe();
    let (write, may_write) = pipe();
    let most = torpor_store::MAX_PROCESSES as usize - 1;
    let children: Vec<i32> = (0..most + 4)
        .map(|i| {
            fork(|| {
                if i < most {
                    return block_on(leave);
                }
                block_on(write);
                let e = publish(&store, Some("child"), 1, 100).unwrap_err();
                assert!(matches!(e, StoreError::Invalid { .. }), "{e}");
                // SAFETY: the buffer's memory, which is mapped in this child.
                unsafe { start.write_bytes(0xee, SIZE) };
            })
        })
        .collect();
    assert_eq!(store.stats().unwrap().processes, most as u64 + 1);
    (0..most).for_each(|_| signal(may_leave));
    for pid in &children[..most] {
        assert_eq!(wait(*pid), 0);
    }
    let before = used(&store);
    let s = publish_all(&store, "k", &[&mine]);
    assert!(used(&store) < before + (SIZE as u64) / 2, "handed over, now that those with pins are dead");
    (most..most + 4).for_each(|_| signal(may_write));
    for pid in &children[most..] {
        assert_eq!(wait(*pid), 0);
    }
    assert_eq!(extents(&s)[0], words(1, SIZE));
    assert_eq!(mine.as_slice(), words(1, SIZE));
    assert_eq!(store.stats().unwrap().processes, 1);
}
