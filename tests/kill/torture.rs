//! Promise: SIGKILL at any instant, of any process, loses no published snapshot, damages none, and
//! leaks nothing that `gc` does not bring back.
//!
//! Runs 30 seconds, long runs 10 minutes; `TORPOR_TORTURE_SECONDS` says otherwise.

mod child;
use child::{audit_data, fork, is_whole, post, publish, publish_buffer, wait, Dir};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use torpor_store::crash::{self, on_step};
use torpor_store::{Reclaimed, Store, StoreError};

#[derive(Default)]
struct Counters {
    published: AtomicU64,
    adopted: AtomicU64,
    corrupt: AtomicU64,
    full: AtomicU64,
    /// By child: 1 while it maps a private copy of a snapshot.
    holding: [AtomicU64; CHILDREN],
}

const CHILDREN: usize = 6;
const KEYS: u64 = 8;

fn shared() -> &'static Counters {
    let size = size_of::<Counters>();
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: fresh zeroed memory, shared with the children, never unmapped; the struct is atomics.
    unsafe {
        let p = libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_ne!(p, libc::MAP_FAILED);
        &*p.cast::<Counters>()
    }
}

struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// Where a process leaves the processor is where it is killed, on a busy machine: at any step, not where its time is up.
fn leave_now_and_then() {
    static RANDOM: AtomicU64 = AtomicU64::new(0);
    let mut random = Random(RANDOM.load(Relaxed) ^ u64::from(std::process::id()));
    if random.below(64) == 0 {
        std::thread::yield_now();
    }
    RANDOM.store(random.0, Relaxed);
}

fn life(store: &Store, which: usize, seed: u64, counters: &Counters) {
    let mut random = Random(seed);
    on_step(Some(leave_now_and_then));
    for n in 0.. {
        let key = format!("key {}", random.below(KEYS));
        if which % 2 == 0 {
            let bytes = match random.below(10) {
                0..=6 => 8 * random.below(900) as usize,
                7..=8 => 20_000 + 8 * random.below(3000) as usize,
                _ => 400_000,
            };
            let named = random.below(8) != 0;
            let key = named.then_some(key.as_str());
            if let (true, Some(key)) = (random.below(4) == 0, key) {
                match post(store, key, seed ^ n, bytes) {
                    Ok(_) => counters.published.fetch_add(1, Relaxed),
                    Err(StoreError::Full { .. }) => counters.full.fetch_add(1, Relaxed),
                    Err(e) => panic!("{e}"),
                };
                continue;
            }
            let published = match random.below(4) {
                // Whether the buffer or the snapshot goes first is a matter of chance.
                0 if bytes > 300_000 => publish_buffer(store, key, seed ^ n, bytes).map(|p| p.0),
                _ => publish(store, key, seed ^ n, bytes),
            };
            match published {
                Ok(s) => {
                    counters.published.fetch_add(1, Relaxed);
                    if !named {
                        s.remove().unwrap();
                    }
                }
                Err(StoreError::Full { .. }) => {
                    counters.full.fetch_add(1, Relaxed);
                }
                Err(e) => panic!("{e}"),
            }
            if let Some(key) = key.filter(|_| random.below(8) == 0) {
                let _ = match random.below(2) {
                    0 => store.delete(key).is_ok(),
                    _ => crash::drop_unheld(store, key).unwrap(),
                };
            }
        } else if let Ok(s) = store.snapshot(&key) {
            let mut good = is_whole(&s);
            if random.below(8) == 0 {
                counters.holding[which].store(1, Relaxed);
                let map = s.map(true).unwrap();
                // SAFETY: a private writable view of at least a page's header.
                unsafe { map.as_ptr().write_volatile(7) };
                std::thread::sleep(Duration::from_micros(random.below(300)));
                good &= is_whole(&s);
                counters.holding[which].store(0, Relaxed);
            }
            counters.corrupt.fetch_add(u64::from(!good), Relaxed);
            counters.adopted.fetch_add(1, Relaxed);
        }
    }
}

#[test]
fn killed_at_any_instant() {
    let seconds = child::number("TORPOR_TORTURE_SECONDS").unwrap_or(if child::long() { 600 } else { 30 });
    let dir = Dir::new("torture");
    let store = dir.open("torture", 24 << 20);
    let counters = shared();
    let mut random = Random(std::process::id().into());
    let spawn = |which: usize, random: &mut Random| {
        let (store, seed) = (store.clone(), random.below(1 << 30));
        fork(move || life(&store, which, seed, counters))
    };
    let mut children: Vec<i32> = (0..CHILDREN).map(|i| spawn(i, &mut random)).collect();
    let (mut kills, mut total) = (0u64, Reclaimed::default());
    let mut add = |r: Reclaimed| {
        total.processes += r.processes;
        total.pins += r.pins;
        total.writing += r.writing;
        total.linking += r.linking;
        total.freeing += r.freeing;
        total.orphaned += r.orphaned;
        total
    };
    let start = Instant::now();
    let mut sum = Reclaimed::default();
    let windows = |sum: &Reclaimed| [sum.pins, sum.writing, sum.linking, sum.freeing, sum.orphaned];
    let all_hit = |sum: &Reclaimed| windows(sum).iter().all(|n| *n > 0);
    let time = Duration::from_secs(seconds);
    let few = |kills| {
        [kills, counters.published.load(Relaxed), counters.adopted.load(Relaxed)].iter().any(|n| *n <= 100)
    };
    while start.elapsed() < time || (few(kills) && start.elapsed() < time * 10) {
        std::thread::sleep(Duration::from_micros(200 + random.below(2000)));
        let i = random.below(CHILDREN as u64) as usize;
        // SAFETY: a child of this process that nobody has waited for.
        unsafe { libc::kill(children[i], libc::SIGKILL) };
        assert_eq!(wait(children[i]), -libc::SIGKILL, "a child ended by itself");
        kills += 1;
        sum = add(store.gc().unwrap());
        children[i] = spawn(i, &mut random);
    }
    // On a busy machine there are few kills, and the short windows may be missed: then some die in just these.
    const PLACES: [&str; 5] = [
        "pin: set, not checked",
        "slot: claimed",
        "publish: linking",
        "retire: retired",
        "publish: old unlinked, not retired",
    ];
    for (window, place) in PLACES.into_iter().enumerate() {
        for _ in 0..20 {
            if windows(&sum)[window] > 0 {
                break;
            }
            let (seed, count) = (random.below(1 << 30), 1 + random.below(50) as u32);
            let pid = fork(|| {
                crash::arm(place, count);
                life(&store, 0, seed, counters);
            });
            assert_eq!(wait(pid), -libc::SIGKILL, "a child ended by itself");
            sum = add(store.gc().unwrap());
        }
    }
    for pid in children {
        // SAFETY: as above.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        assert_eq!(wait(pid), -libc::SIGKILL, "a child ended by itself");
    }
    store.gc().unwrap();
    let stats = store.stats().unwrap();
    let (published, adopted) = (counters.published.load(Relaxed), counters.adopted.load(Relaxed));
    println!(
        "{kills} kills, {published} published, {adopted} adopted, {} full, {sum:?}",
        counters.full.load(Relaxed)
    );
    println!("{stats:?}");
    assert_eq!(counters.corrupt.load(Relaxed), 0, "corrupt reads");
    assert_eq!((stats.pins, stats.retired, stats.processes), (0, 0, 1), "{stats:?}");
    assert_eq!(stats.slots, stats.snapshots + stats.buffers, "{stats:?}");
    assert_eq!(stats.snapshots, stats.keys + unnamed(&store), "{stats:?}");
    assert!(stats.buffers <= stats.snapshots, "{stats:?}");
    for s in store.snapshots().unwrap() {
        assert!(is_whole(&s));
        s.remove().unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.used, stats.snapshots, stats.keys, stats.slots), (0, 0, 0, 0), "{stats:?}");
    assert!(published > 100 && adopted > 100 && kills > 100);
    assert!(all_hit(&sum), "a window was never hit: {:?}", windows(&sum));
    audit_data(&store);
    // All memory is there: one snapshot can have nearly the whole store.
    publish(&store, None, 1, 23 << 20).unwrap();
    store.destroy().unwrap();
}

/// Published without a key by somebody who was killed before he removed them.
fn unnamed(store: &Store) -> u64 {
    store.snapshots().unwrap().iter().filter(|s| s.key().is_none()).count() as u64
}
