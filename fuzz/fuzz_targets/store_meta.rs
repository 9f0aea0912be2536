//! A store whose tables were damaged before it is opened: every operation ends, with a result or an
//! error, and touches nothing outside of the store.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::os::unix::fs::FileExt;
use torpor_store::{read, Builder, Full, OpenOptions, Store};

fuzz_target!(|bytes: &[u8]| {
    let dir = std::env::temp_dir().join(format!("torpor-fuzz-{}", std::process::id()));
    let (capacity, full) = (Some(1 << 20), Full::Drop);
    let options = OpenOptions { capacity, full, dir: Some(dir.clone()), ..Default::default() };
    let array = vec![1.0f64; 4000];
    let mut builder = Builder::new();
    builder.local("x", &array[..]).local("n", 1i64);
    {
        let store = Store::open("s", &options).unwrap();
        for key in ["a", "b", "c"] {
            builder.publish(&store, Some(key)).unwrap();
        }
    }
    // Eight bytes of input: where (in words of the file), and what to put there.
    let user = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let layout = std::fs::read_dir(user).unwrap().next().unwrap().unwrap().path();
    let meta = std::fs::File::options().write(true).open(layout.join("s/meta")).unwrap();
    let words = meta.metadata().unwrap().len() / 4;
    for change in bytes.chunks_exact(8) {
        let at = u64::from(u32::from_le_bytes(change[..4].try_into().unwrap())) % words * 4;
        // A full store that was told to wait for ever does so.
        if at != 12 {
            meta.write_all_at(&change[4..], at).unwrap();
        }
    }
    if let Ok(store) = Store::open("s", &options) {
        for snapshot in store.snapshots().unwrap_or_default() {
            let _ = read::read_everything(&snapshot);
            let _ = snapshot.map(true);
        }
        for key in ["a", "b", "c", "d"] {
            let _ = store.snapshot(key).map(|s| read::read_everything(&s));
            let _ = builder.publish(&store, Some(key));
        }
        // Too large to be there twice: the second one drops the first.
        let wide = vec![1.0f64; 80 << 10];
        for key in ["b", "e", "e"] {
            let mut large = Builder::new();
            large.local("wide", &wide[..]);
            let _ = large.publish(&store, Some(key));
        }
        let _ = (store.keys(), store.gc(), store.stats(), store.delete("a"), store.snapshot_by_id(2));
        let _ = store.destroy();
    }
    let _ = std::fs::remove_dir_all(&dir);
});
