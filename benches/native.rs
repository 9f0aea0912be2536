//! The store without Python, beside what the machine can do at best. Run: make bench
//!
//! Everything in one run and in turn, medians; machines are shared and noisy, so read ratios. Two processes that hand over to
//! each other run on two processors; with one, those rows say nothing.

mod bare;

use bare::Bare;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Instant;
use torpor_store::{OpenOptions, SnapshotBuilder, Store};

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Nanoseconds of one of `calls` calls.
fn time(calls: u32, call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn median(rounds: u32, calls: u32, mut call: impl FnMut()) -> f64 {
    middle((0..rounds).map(|_| time(calls, &mut call)).collect())
}

/// Medians of several functions that take turns, round by round.
fn in_turn<const N: usize>(rounds: u32, calls: u32, mut functions: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (times, call) in times.iter_mut().zip(functions.iter_mut()) {
            times.push(time(calls, call));
        }
    }
    times.map(middle)
}

/// The same, each call with nothing of it in the caches.
fn in_turn_cold<const N: usize>(rounds: u32, mut functions: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut far = vec![1u8; 48 << 20];
    let mut times = [const { Vec::new() }; N];
    for round in 0..rounds {
        for (times, call) in times.iter_mut().zip(functions.iter_mut()) {
            far.iter_mut().step_by(64).for_each(|b| *b = round as u8);
            times.push(time(1, call));
        }
    }
    times.map(middle)
}

fn show(what: &str, ns: f64, floor: Option<(&str, f64)>) {
    let text = if ns >= 1e5 { format!("{:9.2} us", ns / 1e3) } else { format!("{ns:9.1} ns") };
    let note = floor.map_or(String::new(), |(name, f)| format!("{:.2}x {name}", ns / f));
    match what {
        "" => println!("  {what:44} {:12}   {note}", ""),
        _ => println!("  {what:44} {text}   {note}"),
    }
}

/// Memory that this process shares with its children.
fn shared(bytes: usize) -> &'static mut [u8] {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: fresh zeroed memory that is never unmapped; the children use it by agreement.
    unsafe {
        let p = libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0);
        assert_ne!(p, libc::MAP_FAILED);
        std::slice::from_raw_parts_mut(p.cast(), bytes)
    }
}

/// Two words on cache lines of their own.
#[repr(C)]
struct Lines {
    ping: AtomicU32,
    _far: [u32; 63],
    pong: AtomicU32,
}

fn on_processor(n: usize) {
    // SAFETY: plain system calls on a zeroed set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(n, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

/// Median time of `turn(n)` while a child on another processor runs `answer(n)` for the same numbers.
fn with_child(turns: u32, mut answer: impl FnMut(u32), mut turn: impl FnMut(u32)) -> f64 {
    // SAFETY: the child runs `answer` and exits without clean-up.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        on_processor(1);
        (1..=turns).for_each(&mut answer);
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    }
    on_processor(0);
    let times = (1..=turns).map(|n| time(1, &mut || turn(n))).collect();
    // SAFETY: waits for the child; then every processor is allowed again.
    unsafe {
        libc::waitpid(pid, std::ptr::null_mut(), 0);
        let all: libc::cpu_set_t = std::mem::transmute([0xffu8; size_of::<libc::cpu_set_t>()]);
        libc::sched_setaffinity(0, size_of_val(&all), &all);
    }
    middle(times)
}

fn spin_until(word: &AtomicU32, n: u32) {
    while word.load(SeqCst) != n {
        std::hint::spin_loop();
    }
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) {
    // SAFETY: the word outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, std::ptr::null::<u8>()) };
}

fn sleep_until(word: &AtomicU32, n: u32) {
    loop {
        match word.load(SeqCst) {
            seen if seen == n => return,
            seen => futex(word, libc::FUTEX_WAIT, seen),
        }
    }
}

/// A graph of so many bytes; a buffer if they are many.
fn of_bytes(payload: &[u8]) -> SnapshotBuilder<'_> {
    let mut builder = SnapshotBuilder::new();
    if payload.len() < 16 << 10 {
        builder.push_bytes(payload);
    } else {
        builder.add_buffer(payload);
    }
    builder
}

fn publish(store: &Store, key: &str, payload: &[u8]) -> u64 {
    store.publish(&of_bytes(payload), Some(key), &mut || false).unwrap().id()
}

fn post(store: &Store, key: &str, payload: &[u8]) {
    store.post(&of_bytes(payload), Some(key), &mut || false).unwrap();
}

/// Adopts a snapshot that is newer, as soon as there is one, without ever sleeping; reads its last byte.
fn spin_for(store: &Store, key: &str, after: u64) -> u64 {
    loop {
        if let Some(s) = store.spin(key, Some(after), std::time::Duration::from_secs(1)).unwrap() {
            black_box(s.bytes().last());
            return s.id();
        }
    }
}

fn wait_for(store: &Store, key: &str, after: u64) -> u64 {
    let s = store.wait(key, Some(after), None, &mut || false).unwrap();
    black_box(s.bytes().last());
    s.id()
}

/// Few names, snapshots of some KiB.
type Small = Bare<4, 1024, 2048>;
/// As many names as a store is asked to have, snapshots of 64 bytes with what stands before them.
type Many = Bare<100_000, 131_072, 512>;

fn fresh_bare<const N: usize, const S: usize, const B: usize>() -> &'static Bare<N, S, B> {
    // SAFETY: zeroed memory, page-aligned, of which the processes agree what it is; all zeros is a value.
    unsafe { &*shared(size_of::<Bare<N, S, B>>()).as_ptr().cast() }
}

fn small(store: &Store) {
    let (from, to) = (vec![7u8; 1024], shared(1 << 20));
    let builder = of_bytes(&from);
    let mut copy = || to[..1024].copy_from_slice(black_box(&from));
    let (bare, checked, other): (&Small, &Small, &Small) = (fresh_bare(), fresh_bare(), fresh_bare());
    let (mut bare, mut checked) = (bare.process(1), checked.process(1));
    let mut bare_publish = || bare.publish(0, black_box(&from), |_| 0);
    let mut bare_checked = || checked.publish(0, black_box(&from), torpor_store::region::checksum);
    let mut post = || {
        black_box(store.post(&builder, Some("small"), &mut || false).unwrap());
    };
    let mut held = || drop(black_box(store.publish(&builder, Some("small"), &mut || false).unwrap()));
    let mut adopt = || {
        black_box(store.snapshot("small").unwrap().bytes()[0]);
    };
    let mut other = other.process(1);
    other.publish(0, &from, |_| 0);
    let mut bare_adopt = || {
        let at = other.adopt(0);
        black_box(other.last_byte(at));
        other.release(at);
    };
    held();
    for cold in [false, true] {
        let functions: [&mut dyn FnMut(); 7] = [
            &mut copy,
            &mut bare_publish,
            &mut bare_checked,
            &mut post,
            &mut held,
            &mut bare_adopt,
            &mut adopt,
        ];
        let t = if cold { in_turn_cold(200, functions) } else { in_turn(300, 300, functions) };
        println!("\n1 KiB, one process, {}", if cold { "nothing in the caches" } else { "hot" });
        show("memcpy into warm shared memory", t[0], None);
        show("the bare protocol: publish", t[1], Some(("memcpy", t[0])));
        show("the bare protocol with a checksum", t[2], Some(("memcpy", t[0])));
        show("publish under a key, not held", t[3], Some(("the bare protocol", t[1])));
        show("", t[3], Some(("that with a checksum", t[2])));
        show("publish under a key, held, released", t[4], Some(("the bare protocol", t[1])));
        show("the bare protocol: adopt, read, release", t[5], None);
        show("adopt, read a byte, release", t[6], Some(("the bare protocol", t[5])));
    }
}

fn hand_over(store: &Store) {
    println!("\n1 KiB there and back between two processes");
    // SAFETY: zeroed memory of atomics, shared by agreement.
    let lines = unsafe { &*shared(size_of::<Lines>()).as_ptr().cast::<Lines>() };
    let payload = vec![7u8; 1024];
    let turns = 20_000;
    let answer = |n| {
        spin_until(&lines.ping, n);
        lines.pong.store(n, SeqCst);
    };
    let bare = with_child(turns, answer, |n| {
        lines.ping.store(n, SeqCst);
        spin_until(&lines.pong, n);
    });
    show("a cache line, both spin", bare, None);
    let protocol: &Small = fresh_bare();
    let mut here = protocol.process(1);
    let mut there = protocol.process(2);
    let bare_turn = |process: &mut bare::Process<'_, 4, 1024, 2048>,
                     sends: usize,
                     hears: usize,
                     first: bool,
                     seen: &mut u64| {
        if first {
            process.publish(sends, &payload, |_| 0);
        }
        while protocol.latest(hears) == *seen {
            std::hint::spin_loop();
        }
        *seen = protocol.latest(hears);
        let at = process.adopt(hears);
        black_box(process.last_byte(at));
        if !first {
            process.publish(sends, &payload, |_| 0);
        }
        process.release(at);
    };
    let (mut seen, mut answered) = (0, 0);
    let floor = with_child(
        turns,
        |_| bare_turn(&mut there, 1, 0, false, &mut seen),
        |_| bare_turn(&mut here, 0, 1, true, &mut answered),
    );
    show("the bare protocol, both spin", floor, Some(("a cache line", bare)));
    let run = |get: fn(&Store, &str, u64) -> u64, turns: u32| {
        let (mut seen, mut answered) = (publish(store, "there", &payload), publish(store, "back", &payload));
        let answer = |_| {
            seen = get(store, "there", seen);
            post(store, "back", &payload);
        };
        with_child(turns, answer, |_| {
            post(store, "there", &payload);
            answered = get(store, "back", answered);
        })
    };
    let spun = run(spin_for, turns);
    show("publish and adopt, both spin", spun, Some(("a cache line", bare)));
    show("", spun, Some(("the bare protocol", floor)));
    lines.ping.store(0, SeqCst);
    lines.pong.store(0, SeqCst);
    let wake = |word: &AtomicU32, n| {
        word.store(n, SeqCst);
        futex(word, libc::FUTEX_WAKE, 1);
    };
    let answer = |n| {
        sleep_until(&lines.ping, n);
        wake(&lines.pong, n);
    };
    let slept = with_child(turns / 4, answer, |n| {
        wake(&lines.ping, n);
        sleep_until(&lines.pong, n);
    });
    show("a futex, both sleep", slept, None);
    show("publish and wait()", run(wait_for, turns / 4), Some(("a futex", slept)));
}

fn large(store: &Store) {
    println!("\nLarge buffers");
    for (mib, rounds, calls) in [(1, 100, 5), (100, 11, 1)] {
        let (from, to) = (vec![7u8; mib << 20], shared(mib << 20));
        to.copy_from_slice(&from);
        publish(store, "large", &from);
        let (mut copies, mut publishes) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            copies.push(time(calls, &mut || to.copy_from_slice(black_box(&from))));
            publishes.push(time(calls, &mut || {
                black_box(publish(store, "large", &from));
            }));
        }
        let memcpy = middle(copies);
        show(&format!("memcpy of {mib} MiB into warm shared memory"), memcpy, None);
        show(&format!("publish {mib} MiB, the old one freed"), middle(publishes), Some(("memcpy", memcpy)));
        let adopting = median(200, 100, || {
            black_box(store.snapshot("large").unwrap().bytes()[0]);
        });
        show(&format!("adopt {mib} MiB, read a byte, release"), adopting, None);
    }
}

fn many(dir: &std::path::Path) {
    println!("\nA publish of 64 bytes in a store that holds many: under one key, under all of them in turn");
    let options = OpenOptions { capacity: Some(1 << 30), dir: Some(dir.into()), ..Default::default() };
    let store = Store::open("many", &options).unwrap();
    let (mut one, mut all) = (None, None);
    let mut held = 0u32;
    let bare: &Many = fresh_bare();
    let (mut bare, mut bare_all) = (bare.process(1), None);
    for count in [10, 1000, 10_000, 100_000] {
        while held < count {
            publish(&store, &format!("key {held}"), &[1; 64]);
            bare.publish(held as usize, &[1; 400], |_| 0);
            held += 1;
        }
        let ns = median(200, 50, || post(&store, "key 5", &[1; 64]));
        show(&format!("one of {count}"), ns, one.map(|f| ("that of 10", f)));
        one = one.or(Some(ns));
        let mut n = 0;
        let ns = median(200, 50, || {
            n = (n + 7919) % count;
            post(&store, &format!("key {n}"), &[1; 64]);
        });
        show(&format!("all of {count}, memory cold"), ns, all.map(|f| ("that of 10", f)));
        all = all.or(Some(ns));
        let floor = median(200, 50, || {
            n = (n + 7919) % count;
            bare.publish(n as usize, &[1; 400], |_| 0);
        });
        show("  the bare protocol likewise", floor, bare_all.map(|f| ("that of 10", f)));
        show("", ns, Some(("the bare protocol", floor)));
        bare_all = bare_all.or(Some(floor));
    }
    store.destroy().unwrap();
}

fn main() {
    let base = if PathBuf::from("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
    let dir = base.join(format!("torpor-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let options = OpenOptions { capacity: Some(512 << 20), dir: Some(dir.clone()), ..Default::default() };
    let store = Store::open("bench", &options).unwrap();
    let only = std::env::args().nth(1);
    let asked = |name: &str| only.as_deref().is_none_or(|o| o == name);
    if asked("small") {
        small(&store);
    }
    if asked("hand-over") {
        hand_over(&store);
    }
    if asked("large") {
        large(&store);
    }
    if asked("many") {
        many(&dir);
    }
    store.destroy().unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
