//! Promise: whatever a store's tables say when it is opened, every operation ends, with a result or an
//! error, and touches nothing outside of the store.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{fork, is_whole, publish, wait, Dir};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use torpor_store::read::read_everything;
use torpor_store::{Full, OpenOptions, Store};

/// One test at a time: their stores have the same name.
static ALONE: Mutex<()> = Mutex::new(());

struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

fn use_everything(options: &OpenOptions) {
    let Ok(store) = Store::open("s", options) else { return };
    for s in store.snapshots().unwrap_or_default() {
        let _ = read_everything(&s);
        let _ = s.map(true).map(|m| m.len());
        let _ = s.remove();
    }
    for key in ["a", "b", "c", "new"] {
        let _ = store.snapshot(key).map(|s| read_everything(&s));
        for bytes in [100, 5000, 100_000] {
            let _ = publish(&store, Some(key), 7, bytes).map(|s| is_whole(&s));
        }
        let _ = publish(&store, None, 7, 300_000).map(|s| s.remove());
    }
    // Too large to be there twice: the second one drops the first.
    for key in ["b", "new", "new"] {
        let _ = publish(&store, Some(key), 7, 600_000).map(|s| is_whole(&s));
    }
    let _ = (store.keys(), store.stats(), store.gc(), store.delete("a"), store.snapshot_by_id(2));
    let _ = store.wait("b", Some(1), Some(std::time::Duration::from_millis(1)), &mut || false);
    let _ = store.destroy();
}

/// A store with something in it, which is then damaged by `damage`, given the file and what is in it, and used.
fn damaged(what: &str, damage: impl FnOnce(&std::fs::File, &[u8])) {
    let dir = Dir::new("damage");
    let (capacity, full) = (Some(1 << 20), Full::Drop);
    let options = OpenOptions { capacity, full, dir: Some(dir.0.clone()), ..Default::default() };
    let path = {
        let store = Store::open("s", &options).unwrap();
        for (i, bytes) in [100, 5000, 50_000].into_iter().enumerate() {
            for key in ["a", "b", "c"] {
                publish(&store, Some(key), i as u64, bytes).unwrap();
            }
        }
        store.place().join("meta")
    };
    let meta = std::fs::read(&path).unwrap();
    damage(&std::fs::File::options().write(true).open(&path).unwrap(), &meta);
    let pid = fork(|| {
        // SAFETY: ends this child if it does not end by itself.
        unsafe { libc::alarm(120) };
        use_everything(&options);
    });
    let end = wait(pid);
    assert_eq!(end, 0, "{what}: the child ended with {end}");
}

#[test]
fn damaged_tables() {
    let _alone = ALONE.lock();
    let mut random = Random(4711);
    for round in 0..200 {
        damaged(&format!("round {round}"), |file, meta| {
            // Half of the damage goes where something is, half anywhere.
            let used: Vec<u64> =
                (8..meta.len() / 8).filter(|i| meta[8 * i..8 * i + 8] != [0; 8]).map(|i| i as u64).collect();
            for _ in 0..1 + random.below(30) {
                let at = match random.below(2) {
                    0 => used[random.below(used.len() as u64) as usize],
                    _ => 8 + random.below(meta.len() as u64 / 8 - 8),
                };
                let was = u64::from_le_bytes(meta[8 * at as usize..][..8].try_into().unwrap());
                let word = match random.below(6) {
                    0 => 0,
                    1 => u64::MAX,
                    2 => was ^ 1 << random.below(64),
                    3 => was.wrapping_add(1),
                    4 => random.below(1 << 20),
                    _ => random.below(1 << 31) << 33 | random.below(1 << 31),
                };
                file.write_all_at(&word.to_le_bytes(), 8 * at).unwrap();
            }
        });
    }
}

/// Slots that are about to be dropped, by whomever, whatever their keys and pins say of it.
#[test]
fn drops_that_nobody_began() {
    const DROPPING: u64 = 6;
    let _alone = ALONE.lock();
    let mut slots = 0;
    for (owner, first, pins) in
        [(0, 0, 0), (0, 0, 2), (1, 0, 1), (1, 1, 0), (600, 0, 0), (0xffff, 1, u64::MAX)]
    {
        damaged(&format!("owner {owner}, every second one from {first}"), |file, meta| {
            let word = |at: usize| u64::from_le_bytes(meta[at..at + 8].try_into().unwrap());
            // What lies before the slots is 18 pages in a store of 1 MiB (FORMAT.md); their pins come next.
            let (table, cells) = (18 * 4096, 1024);
            let published = (0..cells).map(|i| table + 64 * i).filter(|at| word(*at) & 0xff == 3);
            for at in published.skip(first).step_by(2) {
                let dropping = word(at) & !0xff_ffff | owner << 8 | DROPPING;
                file.write_all_at(&dropping.to_le_bytes(), at as u64).unwrap();
                file.write_all_at(&pins.to_le_bytes(), (at + 64 * cells) as u64).unwrap();
                slots += 1;
            }
        });
    }
    assert!(slots > 6, "only {slots} slots were found");
}

/// What the fuzzer `store_meta` has found to lead somewhere new: each line is one input, in hexadecimal.
#[test]
fn inputs_of_the_fuzzer() {
    let _alone = ALONE.lock();
    let lines = include_str!("../../fuzz/seeds/store_meta.txt").lines();
    let inputs: Vec<Vec<u8>> = lines
        .map(|line| {
            line.as_bytes()
                .chunks(2)
                .map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap())
                .collect()
        })
        .collect();
    assert!(inputs.len() > 50);
    for (n, input) in inputs.iter().enumerate() {
        damaged(&format!("line {}", n + 1), |file, meta| {
            for change in input.chunks_exact(8) {
                let at = u64::from(u32::from_le_bytes(change[..4].try_into().unwrap()))
                    % (meta.len() as u64 / 4)
                    * 4;
                if at != 12 {
                    file.write_all_at(&change[4..], at).unwrap(); // 12: what to do when full, such as to wait
                }
            }
        });
    }
}
