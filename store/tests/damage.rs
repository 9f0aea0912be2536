//! Promise: whatever a store's tables say when it is opened, every operation ends, with a result or an
//! error, and touches nothing outside of the store.

#[path = "../../tests/kill/child.rs"]
mod child;
use child::{fork, is_whole, publish, wait, Dir};
use std::os::unix::fs::FileExt;
use torpor_store::read::read_everything;
use torpor_store::{OpenOptions, Store};

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
    let _ = (store.keys(), store.stats(), store.gc(), store.delete("a"), store.snapshot_by_id(2));
    let _ = store.wait("b", Some(1), Some(std::time::Duration::from_millis(1)), &mut || false);
    let _ = store.destroy();
}

#[test]
fn damaged_tables() {
    let rounds = 200;
    let mut random = Random(4711);
    for round in 0..rounds {
        let dir = Dir::new("damage");
        let options = OpenOptions { capacity: Some(1 << 20), dir: Some(dir.0.clone()), ..Default::default() };
        {
            let store = Store::open("s", &options).unwrap();
            for (i, bytes) in [100, 5000, 50_000].into_iter().enumerate() {
                for key in ["a", "b", "c"] {
                    publish(&store, Some(key), i as u64, bytes).unwrap();
                }
            }
        }
        let user = std::fs::read_dir(&dir.0).unwrap().next().unwrap().unwrap().path();
        let layout = std::fs::read_dir(user).unwrap().next().unwrap().unwrap().path();
        let path = layout.join("s/meta");
        let meta = std::fs::read(&path).unwrap();
        // Half of the damage goes where something is, half anywhere.
        let used: Vec<u64> =
            (8..meta.len() / 8).filter(|i| meta[8 * i..8 * i + 8] != [0; 8]).map(|i| i as u64).collect();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
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
        let pid = fork(|| {
            // SAFETY: ends this child if it does not end by itself.
            unsafe { libc::alarm(30) };
            use_everything(&options);
        });
        let end = wait(pid);
        assert_eq!(end, 0, "round {round}: the child ended with {end}");
    }
}
