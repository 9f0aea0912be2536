//! Named segments of the `shared_memory` crate as [`Memory`]: the portable kind of shared memory.
//!
//! Stores lie in files, because a segment of that crate cannot be created atomically (somebody may open
//! it before its header is written) and needs write permission to be opened. What does without those
//! two, such as a table that one process makes and hands to its children, can lie in a segment. Nothing
//! but this file knows the crate.

use crate::memory::Memory;
use shared_memory::{Shmem, ShmemConf, ShmemError};
use std::io;

/// A named run of memory that other processes can open.
pub struct Segment {
    memory: Shmem,
    length: usize,
}

fn error(e: ShmemError) -> io::Error {
    let kind = match e {
        ShmemError::MappingIdExists | ShmemError::LinkExists => io::ErrorKind::AlreadyExists,
        ShmemError::MapOpenFailed(2) | ShmemError::LinkDoesNotExist => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, e)
}

impl Segment {
    /// Makes a segment of zeros. It goes away with this value; who has it open keeps his mapping.
    pub fn create(name: &str, length: usize) -> io::Result<Segment> {
        let memory = ShmemConf::new().os_id(name).size(length).create().map_err(error)?;
        Ok(Segment { memory, length })
    }

    /// Opens a segment that another process, or this one, made.
    pub fn open(name: &str, length: usize) -> io::Result<Segment> {
        let memory = ShmemConf::new().os_id(name).open().map_err(error)?;
        if memory.len() < length {
            let what = format!("the segment {name:?} has {} bytes instead of {length}", memory.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(Segment { memory, length })
    }
}

// SAFETY: the mapping is not tied to a thread; the crate's handle is only dropped, by one thread.
unsafe impl Send for Segment {}
// SAFETY: as above; `&Segment` gives out a pointer and a length, nothing else.
unsafe impl Sync for Segment {}

// SAFETY: a page-aligned mapping of at least that length, unmapped when dropped.
unsafe impl Memory for Segment {
    fn start(&self) -> *mut u8 {
        self.memory.as_ptr()
    }
    fn len(&self) -> usize {
        self.length
    }
    fn is_writable(&self) -> bool {
        true
    }
}

/// Promise: every kind of memory behaves alike, as far as the store's tables need it.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Meta, Shape, Table};
    use crate::memory::{Private, ReadOnly, Shared};
    use std::sync::atomic::Ordering::SeqCst;

    fn shape() -> Shape {
        Shape::new(1 << 20)
    }

    fn conforms(one: Box<dyn Memory>, two: Option<Box<dyn Memory>>) {
        assert_eq!(one.start() as usize % 4096, 0);
        let tables = Meta::new(one, shape()).expect("room for the tables");
        tables.format(0, 1, 2);
        for index in [0, 1, 500] {
            assert_eq!(tables.slot(index).unwrap().word.load(SeqCst), 0, "new memory is zero");
            tables.slot(index).unwrap().word.store(u64::from(index) + 7, SeqCst);
        }
        assert!(tables.slot(shape().slots_max).is_none(), "nothing behind the end");
        if let Some(two) = two {
            let other = Meta::new(two, shape()).unwrap();
            assert_eq!(other.slot(500).unwrap().word.load(SeqCst), 507);
            assert_eq!(other.header().next_id.0.load(SeqCst), 1);
        }
    }

    #[test]
    fn every_memory_conforms() {
        let length = shape().offset(Table::End) as usize;
        conforms(Box::new(Private::new(length).unwrap()), None);

        let name = format!("torpor-unit-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let file =
            std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        file.set_len(length as u64).unwrap();
        let (one, two) = (Shared::map(&file, length).unwrap(), Shared::map(&file, length).unwrap());
        conforms(Box::new(one), Some(Box::new(two)));
        assert!(!ReadOnly::map(&file, length).unwrap().is_writable());
        std::fs::remove_file(path).unwrap();

        let one = Segment::create(&name, length).unwrap();
        let two = Segment::open(&name, length).unwrap();
        assert!(Segment::create(&name, length).is_err(), "a name is given once");
        assert!(Segment::open(&name, length * 2).is_err(), "too short is an error");
        conforms(Box::new(one), Some(Box::new(two)));
        assert!(Segment::open(&name, length).is_err(), "its name went with its maker");
    }
}
