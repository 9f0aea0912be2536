//! Promise: where the operating system has no more to give (space, descriptors, addresses, mappings), there is an error
//! that says so; nobody is ended by a signal, nothing is left behind, and all works again once there is some.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{audit, audit_data, fork, is_whole, publish, publish_buffer, wait, Dir};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use torpor_store::{crash, status, OnCapture, OpenOptions, Stats, Store, StoreError};

const MIB: usize = 1 << 20;

/// One test at a time: a child forked by another test would have this one's descriptors.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn options(dir: &Path, capacity: u64) -> OpenOptions {
    OpenOptions { capacity: Some(capacity), dir: Some(dir.to_path_buf()), ..Default::default() }
}

fn set_limit(which: libc::__rlimit_resource_t, soft: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain system calls of this process; the struct outlives them.
    unsafe {
        assert_eq!(libc::getrlimit(which, &mut limit), 0);
        limit.rlim_cur = soft.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(which, &limit), 0);
    }
}

/// A file system of its own for this process, with so many bytes; false if the system does not allow that.
fn mount_small(dir: &Path, bytes: usize) -> bool {
    let at = std::ffi::CString::new(dir.to_str().unwrap()).unwrap();
    let data = std::ffi::CString::new(format!("size={bytes},mode=0700")).unwrap();
    // SAFETY: plain system calls that change what this process sees, and nobody else.
    unsafe {
        let (user, group) = (libc::geteuid(), libc::getegid());
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            if libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) != 0 {
                return false;
            }
            let _ = std::fs::write("/proc/self/setgroups", "deny");
            let _ = std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"));
            let _ = std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"));
        }
        let (none, kind) = (c"none".as_ptr(), c"tmpfs".as_ptr());
        let private = libc::mount(
            none,
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        );
        private == 0 && libc::mount(none, at.as_ptr(), kind, 0, data.as_ptr().cast()) == 0
    }
}

/// Uses a file system of 8 MiB up, in each way in which a store takes pages.
fn use_up(dir: &Path, mounted: bool) {
    let store = Store::open("full", &options(dir, 64 << 20)).unwrap();
    let full = |e: StoreError| assert_eq!(e.status(), status::STORE_FULL, "{e}");
    let kept = publish(&store, Some("kept"), 1, MIB).unwrap();
    let much = publish(&store, Some("much"), 1, 20 * MIB).unwrap_err();
    assert!(much.to_string().contains("file system has no room"), "{much}");
    full(much);
    full(store.buffer(20 * MIB, true, OnCapture::HandOver, &mut || false).unwrap_err());
    audit(&store);
    for round in 0..2u64 {
        let mut all = Vec::new();
        // Large ones until there is no room, then smaller and smaller ones.
        for bytes in [900_000, 100_000, 20_000, 3000, 100] {
            loop {
                match publish(&store, None, round, bytes) {
                    Ok(s) => all.push(s),
                    Err(e) => break full(e),
                }
                assert!(all.len() < 100_000);
            }
        }
        full(store.buffer(300_000, false, OnCapture::HandOver, &mut || false).unwrap_err());
        assert!(all.len() > 10 && all.iter().all(is_whole) && is_whole(&kept));
        all.iter().for_each(|s| s.remove().unwrap());
        all.clear();
        let mut buffers = Vec::new();
        loop {
            match store.buffer(300_000, round == 0, OnCapture::HandOver, &mut || false) {
                Ok(mut b) => {
                    b.as_mut_slice().fill(7);
                    buffers.push(b);
                }
                Err(e) => break full(e),
            }
        }
        assert!(buffers.len() > 5 && buffers.iter().all(|b| b.as_slice().iter().all(|x| *x == 7)));
        buffers.clear();
        drop(publish_buffer(&store, Some("again"), round, MIB).unwrap());
        store.delete("again").unwrap();
        audit(&store);
    }
    // Keys have tables that grow too.
    let mut keys = 0;
    loop {
        match publish(&store, Some(&format!("key {keys}")), keys, 8) {
            Ok(_) => keys += 1,
            Err(e) => break full(e),
        }
    }
    assert!(keys > 1000);
    assert!((0..keys).step_by(97).all(|i| is_whole(&store.snapshot(&format!("key {i}")).unwrap())));
    assert_eq!(store.stats().unwrap().keys, keys + 1);
    assert!(is_whole(&kept));
    if !mounted {
        return;
    }
    // Others use the file system too: a new store finds no room.
    let rest = std::fs::File::create(dir.join("rest")).unwrap();
    let mut last = 1 << 20;
    while last >= 4096 {
        use std::io::Write;
        if (&rest).write_all(&vec![1; last]).is_err() {
            last /= 2;
        }
    }
    let e = Store::open("second", &options(dir, 64 << 20)).unwrap_err();
    assert!([status::IO, status::STORE_FULL].contains(&e.status()) && e.errno() != libc::ENOENT, "{e}");
    let stores = store.place().parent().unwrap();
    assert_eq!(std::fs::read_dir(stores).unwrap().count(), 1, "what was half made is gone");
}

#[test]
fn a_full_file_system() {
    let _alone = alone();
    let dir = Dir::new("small");
    let pid = fork(|| {
        crash::set_room(6 << 20); // of each file
        use_up(&dir.0, false);
    });
    assert_eq!(wait(pid), 0);
    // The same by the kernel, where it lets this process have a file system of its own.
    let other = Dir::new("mounted");
    let pid = fork(|| {
        if mount_small(&other.0, 8 * MIB) {
            use_up(&other.0, true);
        }
    });
    assert_eq!(wait(pid), 0);
}

/// There is no room from the first, second, third… request for pages on; what was asked for is an error, and nothing of
/// it stays.
#[test]
fn every_allocation_can_fail() {
    let _alone = alone();
    let dir = Dir::new("each");
    let pid = fork(|| {
        let mut failed = [0; 4];
        for n in 1.. {
            let name = format!("s{n}");
            crash::fail_allocation(n);
            let Ok(store) = Store::open(&name, &options(&dir.0, 16 << 20)) else {
                failed[0] += 1;
                assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1);
                continue;
            };
            let mut count = |which: usize, result: Result<(), StoreError>| {
                if let Err(e) = result {
                    assert_eq!(e.status(), status::STORE_FULL, "{e}");
                    failed[which] += 1;
                }
                let stats = store.stats().unwrap();
                assert_eq!((stats.slots, stats.used, stats.pins), (0, 0, 0), "{stats:?}");
                audit_data(&store);
            };
            let mut publish_some = |which, bytes| {
                let published = publish(&store, Some("k"), n.into(), bytes).map(|s| assert!(is_whole(&s)));
                assert_eq!(published.is_ok(), store.contains("k"));
                let _ = store.delete("k");
                count(which, published);
            };
            publish_some(1, 100);
            publish_some(1, 5000);
            publish_some(2, 100_000);
            publish_some(2, 3 * MIB);
            let buffer = store.buffer(5 * MIB, true, OnCapture::HandOver, &mut || false);
            let buffer = buffer.map(|mut b| b.as_mut_slice().fill(1));
            count(3, buffer);
            store.destroy().unwrap();
            if !crash::fail_allocation(0) {
                break; // there were not so many
            }
            assert!(n < 1000);
        }
        assert!(failed.iter().all(|n| *n > 0), "{failed:?}");
    });
    assert_eq!(wait(pid), 0);
}

/// Takes every descriptor that the process may have.
fn all_descriptors() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

#[test]
fn no_descriptors_left() {
    let _alone = alone();
    let dir = Dir::new("nofile");
    let pid = fork(|| {
        let store = Store::open("first", &options(&dir.0, 16 << 20)).unwrap();
        let s = publish(&store, Some("k"), 1, MIB).unwrap();
        let stores = store.place().parent().unwrap().to_path_buf();
        set_limit(libc::RLIMIT_NOFILE, 64);
        let mut taken = all_descriptors();
        let mut refused = 0;
        let second = loop {
            let had = taken.len();
            let second = Store::open("second", &options(&dir.0, 16 << 20));
            let more = all_descriptors();
            assert_eq!(more.len() + if second.is_ok() { 4 } else { 0 }, refused);
            drop((more, taken.drain(had - 8..)));
            let names = std::fs::read_dir(&stores).unwrap().map(|e| e.unwrap().file_name());
            let left: Vec<_> = names.filter(|n| n.to_string_lossy().starts_with('.')).collect();
            assert!(left.is_empty(), "{left:?}");
            match second {
                Ok(second) => break second,
                Err(e) => assert!(e.status() == status::IO && e.errno() == libc::EMFILE, "{e}"),
            }
            refused += 1; // and one descriptor more
            taken.extend(all_descriptors());
            taken.truncate(taken.len() - refused);
        };
        assert!(refused > 0 && second.stats().unwrap().processes == 1);
        // What is open works on without any.
        let all = all_descriptors();
        let view = s.map(true).unwrap();
        assert!(view.len() as u64 == s.nbytes() && is_whole(&store.snapshot("k").unwrap()));
        drop(publish_buffer(&store, Some("k"), 2, MIB).unwrap());
        let file = dir.0.join("file");
        let e = s.save(&file).unwrap_err();
        assert!(e.status() == status::IO && e.errno() == libc::EMFILE, "{e}");
        drop((all, taken));
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1, "nothing of the file was left");
        s.save(&file).unwrap();
        drop((s, view));
        store.delete("k").unwrap();
        assert_eq!(store.stats().unwrap().slots, 0);
        audit(&store);
    });
    assert_eq!(wait(pid), 0);
}

/// What is in use; what was given back may be kept warm.
fn without_cache(store: &Store) -> Stats {
    let mut stats = store.stats().unwrap();
    stats.cached = 0;
    stats
}

fn no_memory<T>(what: Result<T, StoreError>) {
    match what {
        Ok(_) => panic!("there were addresses or mappings left"),
        Err(e) => assert!(e.status() == status::IO && e.errno() == libc::ENOMEM, "{e}"),
    }
}

/// Takes every mapping that the process may have; gives back where, a page each.
fn all_mappings() -> Vec<*mut libc::c_void> {
    let mut all = Vec::new();
    for i in 0.. {
        // Neighbours that differ are not merged.
        let protection = if i % 2 == 0 { libc::PROT_READ } else { libc::PROT_NONE };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: new addresses, which nobody uses.
        let p = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
        if p == libc::MAP_FAILED {
            return all;
        }
        if all.len() == all.capacity() {
            all.reserve_exact(1 << 20); // asks for a mapping itself
        }
        all.push(p);
        assert!(i < 20_000_000, "there is no limit");
    }
    all
}

#[test]
fn no_mappings_left() {
    let _alone = alone();
    let dir = Dir::new("maps");
    let pid = fork(|| {
        let store = Store::open("s", &options(&dir.0, 32 << 20)).unwrap();
        let s = publish(&store, Some("k"), 1, MIB).unwrap();
        let mut buffer = store.buffer(MIB, true, OnCapture::HandOver, &mut || false).unwrap();
        buffer.as_mut_slice().copy_from_slice(&child::words(5, MIB));
        let mut b = torpor_store::SnapshotBuilder::new();
        b.push_bytes(&5u64.to_le_bytes());
        b.add_buffer(buffer.as_slice());
        let before = without_cache(&store);
        let taken = all_mappings();
        let results = (s.map(true).err(), store.buffer(MIB, false, OnCapture::HandOver, &mut || false).err());
        let handed = store.reserve(&b).err();
        let second = Store::open("second", &options(&dir.0, 32 << 20)).err();
        let found = store.snapshot("k").is_ok_and(|s| is_whole(&s));
        for p in taken {
            // SAFETY: mapped above.
            unsafe { libc::munmap(p, 4096) };
        }
        for e in [results.0, results.1, handed, second] {
            no_memory(e.map_or(Ok(()), Err));
        }
        assert!(found, "what needs no mapping works");
        assert_eq!(without_cache(&store), before);
        audit(&store);
        let mut r = store.reserve(&b).unwrap();
        r.copy_buffers();
        assert!(is_whole(&r.publish(None).unwrap()));
        assert_eq!(buffer.as_slice(), child::words(5, MIB));
        s.map(true).unwrap();
    });
    assert_eq!(wait(pid), 0);
}

#[test]
fn no_addresses_left() {
    let _alone = alone();
    let dir = Dir::new("as");
    let pid = fork(|| {
        let store = Store::open("s", &options(&dir.0, 64 << 20)).unwrap();
        let s = publish(&store, Some("k"), 1, 16 * MIB).unwrap();
        let before = without_cache(&store);
        let pages: u64 =
            std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
        set_limit(libc::RLIMIT_AS, pages * 4096 + (8 << 20));
        no_memory(s.map(true));
        no_memory(store.buffer(16 * MIB, false, OnCapture::HandOver, &mut || false));
        no_memory(Store::open("second", &options(&dir.0, 64 << 20)));
        assert!(is_whole(&store.snapshot("k").unwrap()));
        assert_eq!(without_cache(&store), before);
        set_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
        assert_eq!(s.map(true).unwrap().len() as u64, s.nbytes());
        audit(&store);
        drop(Store::open("second", &options(&dir.0, 64 << 20)).unwrap());
    });
    assert_eq!(wait(pid), 0);
}
