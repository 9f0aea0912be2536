//! Promise: no bytes make a reader panic, loop or touch memory that is not the snapshot's.
use torpor_store::read::read_everything;
use torpor_store::{ArrayItem, Builder, Element, Item, Snapshot};

/// xorshift: the same bytes in every run.
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn sample() -> Vec<u8> {
    let big = vec![3u8; 500];
    let array = |n: usize| Item::Array(ArrayItem::new(vec![1u8; n], &[n / 10, 10], Element::U8).unwrap());
    let mut b = Builder::new();
    b.local("a", 1i64).local("t", "text").local("f", 2.5).local("big", &big[..]);
    b.local("l", Item::Shared(1, Item::List(vec![Item::Int(1), Item::Same(1), array(100)]).into()));
    b.local("d", Item::Dict(vec![("k".into(), Item::Same(1)), (Item::Tuple(vec![]), array(20_000))]));
    b.local("n", Item::BigInt(vec![7; 20]));
    b.frame("outer", "file.py", 7).local("x", Item::Complex(1.0, 2.0));
    b.to_bytes().unwrap()
}

/// Where the code records begin: they have checksums of their own.
fn records(bytes: &[u8]) -> usize {
    let field = 112 + 4 * 9;
    u32::from_le_bytes(bytes[field..field + 4].try_into().unwrap()) as usize + field + 4
}

/// Makes the graph's checksum fit, so that damage gets past it.
fn reseal(bytes: &mut [u8]) {
    let n = records(bytes);
    if n < 156 || n > bytes.len() {
        return;
    }
    let head = xxhash_rust::xxh3::xxh3_64(&bytes[..72]);
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[80..n]) ^ head.rotate_left(32);
    bytes[72..80].copy_from_slice(&sum.to_le_bytes());
}

fn try_read(bytes: &[u8]) -> bool {
    Snapshot::from_bytes(bytes).and_then(|s| read_everything(&s)).is_ok()
}

#[test]
fn flipped_bits_are_noticed() {
    let good = sample();
    assert!(try_read(&good));
    let graph = u64::from_le_bytes(good[80..88].try_into().unwrap()) as usize;
    let mut random = Random(0x9e37_79b9);
    for _ in 0..10_000 {
        let mut bytes = good.clone();
        let at = random.below(graph);
        bytes[at] ^= 1 << random.below(8);
        // Between the records there is padding, which means nothing.
        let padding = at >= records(&good) && good[at] == 0;
        assert!(!try_read(&bytes) || padding, "a flipped bit in byte {at} went unnoticed");
    }
}

#[test]
fn damage_behind_a_fitting_checksum() {
    let good = sample();
    let graph = u64::from_le_bytes(good[80..88].try_into().unwrap()) as usize;
    let mut random = Random(42);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..10_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(graph);
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] = [0, 1, 127, 128, 255][random.below(5)],
                _ => {
                    let word = [0u32, 1, 2, 64, 0x7fff_ffff, 0x8000_0000, u32::MAX][random.below(7)];
                    let at = (at & !3).min(graph - 4);
                    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        reseal(&mut bytes);
        if try_read(&bytes) {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    // A changed number is a good snapshot of another number: both must happen.
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}

#[test]
fn cut_off_anywhere() {
    let good = sample();
    let graph = u64::from_le_bytes(good[80..88].try_into().unwrap()) as usize;
    for n in (0..graph).chain((graph..good.len()).step_by(509)) {
        assert!(!try_read(&good[..n]), "{n} bytes were taken for a whole snapshot");
    }
}

#[test]
fn random_bytes() {
    let mut random = Random(7);
    for round in 0..2_000 {
        let mut bytes: Vec<u8> = (0..random.below(2000)).map(|_| random.next() as u8).collect();
        if round % 2 == 0 && bytes.len() >= 8 {
            bytes[4..8].copy_from_slice(b"TRPR");
        }
        assert!(!try_read(&bytes));
    }
}

#[test]
fn files_cut_flipped_and_mixed_up() {
    let dir = std::env::temp_dir().join(format!("torpor-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("snapshot");
    let good = Snapshot::from_bytes(&sample()).unwrap();
    good.save(&path).unwrap();
    let loaded = Snapshot::load(&path).unwrap();
    loaded.verify_payload().unwrap();
    assert_eq!(read_everything(&loaded).unwrap(), read_everything(&good).unwrap());
    let saved = std::fs::read(&path).unwrap();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "the temporary file is gone");
    for n in [0, 1, 155, 156, 1000, saved.len() - 1] {
        std::fs::write(&path, &saved[..n]).unwrap();
        assert!(Snapshot::load(&path).is_err(), "a file of {n} bytes was loaded");
    }
    let mut longer = saved.clone();
    longer.push(0);
    std::fs::write(&path, &longer).unwrap();
    assert!(Snapshot::load(&path).is_err());
    let mut flipped = saved.clone();
    let last = flipped.len() - 20_000;
    flipped[last] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let loaded = Snapshot::load(&path).unwrap();
    assert!(loaded.verify_payload().is_err(), "every buffer of a file has a checksum");
    drop(loaded);
    assert!(Snapshot::load(&dir).is_err());
    std::fs::remove_dir_all(dir).unwrap();
}

/// A check of everything sees a change of any byte: of the header, the graph, the code records and what lies between
/// them, of buffers, and of the padding around those.
#[test]
fn every_byte_of_a_file_counts() {
    let dir = std::env::temp_dir().join(format!("torpor-bytes-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("snapshot");
    let array = |n: usize| Item::Array(ArrayItem::new(vec![1u8; n], &[n / 10, 10], Element::U8).unwrap());
    let mut b = Builder::new();
    b.local("small", array(100)).local("a", array(20_000)).local("b", array(16_390));
    b.local("l", Item::List(vec![1i64.into(), "text".into()]))
        .frame("outer frame", "file.py", 7)
        .local("x", 2.5);
    b.frame("f", "f.py", 1);
    Snapshot::from_bytes(&b.to_bytes().unwrap()).unwrap().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let graph = u64::from_le_bytes(good[80..88].try_into().unwrap()) as usize;
    let loads = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Snapshot::load(&path).and_then(|s| Ok(s.verify_payload()?)).is_ok()
    };
    assert!(loads(&good));
    // Some of each stretch of each buffer, all of the rest.
    let zeros = |at: &usize| good[*at] == 0;
    let all = (0..good.len()).filter(|at| *at < graph || at % 61 == 0 || (zeros(at) && at % 7 == 0));
    let (mut tried, mut random) = (0, Random(0x1234_5677));
    let mut padding = 0;
    for at in all {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << random.below(8);
        assert!(
            !loads(&bytes),
            "a flipped bit in byte {at} of {} (graph: {graph}) went unnoticed",
            good.len()
        );
        (tried, padding) = (tried + 1, padding + usize::from(at > graph && good[at] == 0));
    }
    assert!(tried > 1500 && padding > 300, "{tried} bytes, {padding} of padding");
    // Two files mixed up, part by part.
    let other: Vec<u8> = {
        let array = |n: usize| Item::Array(ArrayItem::new(vec![2u8; n], &[n / 10, 10], Element::U8).unwrap());
        b.local("a", array(20_000)).local("b", array(16_390));
        b.to_bytes().unwrap()
    };
    for at in (4096..good.len().min(other.len())).step_by(4096) {
        let mixed = [&good[..at], &other[at..]].concat();
        assert!(!loads(&mixed), "the halves of two files at {at}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
