//! Any bytes, taken as a snapshot and read to the end: no crash, no endless loop, no access outside.
//! The checksum is made to fit first, or the fuzzer would never get past it.
#![no_main]
use libfuzzer_sys::fuzz_target;
use torpor_store::{read, region, Snapshot};

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    region::reseal(&mut bytes);
    if let Ok(snapshot) = Snapshot::from_bytes(&bytes) {
        let _ = read::read_everything(&snapshot);
        let _ = snapshot.to_bytes();
    }
});
