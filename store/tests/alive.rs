//! Promise: who lives is told by the kernel's locks alone: not by process numbers, not by clocks, not by what a process
//! became.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{audit, fork, is_whole, publish, wait, Dir};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use torpor_store::{crash, OpenOptions, Store};

/// One test at a time: a child forked by another test would hold this one's snapshots.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `what` is so, for a minute at most.
fn until(mut what: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// A child that holds what is under "k" and then does something for ever.
fn holder(store: &Store, work: impl Fn()) -> i32 {
    let before = store.stats().unwrap().pins;
    let pid = fork(|| {
        let _held = store.snapshot("k").unwrap();
        work();
        std::thread::sleep(Duration::from_secs(100));
    });
    assert!(until(|| store.stats().unwrap().pins > before));
    pid
}

fn kill(pid: i32) {
    // SAFETY: a child of this process.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(wait(pid), -libc::SIGKILL);
}

/// Where the number of the process is entered: the second table of the file, the second word of a cell.
fn number_at(index: u64) -> u64 {
    4096 + 64 * index + 4
}

#[test]
fn numbers_of_processes_do_not_matter() {
    let _alone = alone();
    let dir = Dir::new("pids");
    let store = dir.open("pids", 16 << 20);
    drop(publish(&store, Some("k"), 1, 100_000).unwrap());
    let meta = std::fs::File::options().read(true).write(true).open(store.place().join("meta")).unwrap();
    let living = holder(&store, || ());
    let mut number = [0; 4];
    meta.read_exact_at(&mut number, number_at(1)).unwrap();
    assert_eq!(u32::from_le_bytes(number), living as u32);
    // The number of one who is dead: it lives all the same.
    let gone = fork(|| ());
    wait(gone);
    assert_eq!(store.gc().unwrap().processes, 1);
    meta.write_all_at(&gone.to_le_bytes(), number_at(1)).unwrap();
    assert_eq!((store.gc().unwrap().processes, store.stats().unwrap().pins), (0, 1));
    kill(living);
    // A number that another process has got meanwhile: it is dead all the same.
    meta.write_all_at(&std::process::id().to_le_bytes(), number_at(1)).unwrap();
    let back = store.gc().unwrap();
    assert_eq!((back.processes, back.pins, store.stats().unwrap().pins), (1, 1, 0));
    audit(&store);
}

#[test]
fn a_process_that_became_another_program_is_gone() {
    let _alone = alone();
    let dir = Dir::new("exec");
    let store = dir.open("exec", 16 << 20);
    drop(publish(&store, Some("k"), 1, 100_000).unwrap());
    let pid = holder(&store, || {
        let (sleep, time) = (c"sleep".as_ptr(), c"100".as_ptr());
        // SAFETY: the arguments end with NULL; nothing comes back.
        unsafe { libc::execlp(sleep, sleep, time, std::ptr::null::<libc::c_char>()) };
        unreachable!();
    });
    let (mut processes, mut pins) = (0, 0);
    assert!(until(|| {
        let back = store.gc().unwrap();
        (processes, pins) = (processes + back.processes, pins + back.pins);
        store.stats().unwrap().pins == 0
    }));
    assert_eq!((processes, pins), (1, 1));
    // SAFETY: asks whether the child is there.
    assert_eq!(unsafe { libc::kill(pid, 0) }, 0, "the program lives, and has nothing of the store");
    kill(pid);
}

#[test]
fn whatever_the_clock_says() {
    let _alone = alone();
    let dir = Dir::new("clock");
    let store = dir.open("clock", 16 << 20);
    let year = 365 * 86_400;
    let mut last = None;
    let mut created = Vec::new();
    for (round, shift) in [0, -10 * year, 10 * year, -50 * year, 0].into_iter().enumerate() {
        crash::shift_clock(shift);
        let living = holder_or_none(&store, round);
        let pid = fork(|| drop(publish(&store, Some("k"), round as u64, 5000).unwrap()));
        let s = store.wait("k", last, Some(Duration::from_secs(60)), &mut || false).unwrap();
        assert_eq!(wait(pid), 0);
        assert!(is_whole(&s) && last.is_none_or(|n| s.id() > n), "numbers grow");
        created.push(s.region().unwrap().created);
        last = Some(s.id());
        drop(s);
        assert_eq!(store.gc().unwrap().processes, 1, "the one that has ended, and nobody else");
        let e = store.wait("k", last, Some(Duration::from_millis(5)), &mut || false);
        assert_eq!(e.unwrap_err().status(), torpor_store::status::TIMEOUT);
        if let Some(pid) = living {
            kill(pid);
        }
        store.gc().unwrap();
        assert_eq!((store.stats().unwrap().pins, store.stats().unwrap().slots), (0, 1));
    }
    crash::shift_clock(0);
    assert!(created[1] < created[0] && created[2] > created[0] && created[3] < created[1], "{created:?}");
    audit(&store);
}

fn holder_or_none(store: &Store, round: usize) -> Option<i32> {
    (round > 0).then(|| holder(store, || ()))
}

/// Half-made stores go when their maker is dead, whenever that was; those of the living stay.
#[test]
fn half_made_stores_and_clocks() {
    let _alone = alone();
    let dir = Dir::new("made");
    let stores = dir.open("first", 1 << 20).place().parent().unwrap().to_path_buf();
    let year = Duration::from_secs(365 * 86_400);
    let now = SystemTime::now();
    let make = |name: &str, time: SystemTime| {
        let path = stores.join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("data"), b"x").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        file.set_modified(time).unwrap();
        (path, file)
    };
    let dead = [make(".new-1-1", now - year).0, make(".new-1-2", now + year).0, make(".gone-1-3", now).0];
    let living = [make(".new-2-1", now - year), make(".new-2-2", now + year)];
    for (_, file) in &living {
        use std::os::fd::AsRawFd;
        // SAFETY: plain system call.
        assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }, 0);
    }
    let options = OpenOptions { capacity: Some(1 << 20), dir: Some(dir.0.clone()), ..Default::default() };
    drop(Store::open("second", &options).unwrap());
    assert!(dead.iter().all(|path| !path.exists()) && living.iter().all(|(path, _)| path.exists()));
}
