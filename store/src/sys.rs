//! What neither std nor `memmap2` offers: open-file-description locks, futexes, allocation of ranges.
//!
//! Every function here is one system call with its errors turned into `io::Error`.

use crate::atomic::AtomicU32;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Called between two stores to shared memory: with the feature `crash-points` tests can end the
/// process there.
macro_rules! crash_point {
    ($name:expr) => {
        #[cfg(feature = "crash-points")]
        $crate::crash::point($name)
    };
}
pub(crate) use crash_point;

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn flock(kind: libc::c_int, byte: u32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: i64::from(byte),
        l_len: 1,
        l_pid: 0,
    }
}

/// Takes the lock on one byte for this open file description; false if another one has it.
pub(crate) fn lock_byte(file: &File, byte: u32) -> io::Result<bool> {
    let lock = flock(libc::F_WRLCK, byte);
    // SAFETY: plain system call; the struct outlives it.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) }) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives the lock on one byte back.
pub(crate) fn unlock_byte(file: &File, byte: u32) {
    let lock = flock(libc::F_UNLCK, byte);
    // SAFETY: plain system call; the struct outlives it.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) };
}

/// Gives back every lock of this open file description.
#[cfg(feature = "crash-points")]
pub(crate) fn unlock_all(file: &File) {
    let all = libc::flock { l_len: 0, ..flock(libc::F_UNLCK, 0) };
    // SAFETY: plain system call; the struct outlives it.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &all) };
}

/// Whether another open file description holds the byte. A question that cannot be answered counts as
/// yes: nobody is declared dead without proof.
pub(crate) fn is_byte_locked(file: &File, byte: u32) -> bool {
    let mut lock = flock(libc::F_WRLCK, byte);
    // SAFETY: plain system call; the struct outlives it.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) };
    result < 0 || lock.l_type != libc::F_UNLCK as libc::c_short
}

/// Opens the same file once more, as a new open file description, even if it has no name any more.
pub(crate) fn reopen(file: &File) -> io::Result<File> {
    File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Sleeps until `word` is woken, differs from `expected`, or `limit` is over.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, limit: Duration) {
    #[cfg(feature = "crash-points")]
    if crate::crash::sleep(word, expected) {
        return;
    }
    let time = libc::timespec {
        tv_sec: limit.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    };
    // SAFETY: the word is valid for the call, the time too; every outcome means "look again".
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &time, 0usize, 0u32) };
}

/// Wakes everybody who sleeps on `word`.
pub(crate) fn futex_wake(word: &AtomicU32) {
    // SAFETY: the word is valid for the call.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0usize, 0usize, 0u32)
    };
}

/// Gives a range of the file pages of its own, so that touching it later cannot fail.
pub(crate) fn allocate(file: &File, offset: u64, length: u64) -> io::Result<()> {
    #[cfg(feature = "crash-points")]
    crate::crash::room_for(file, length)?;
    loop {
        // SAFETY: plain system call.
        match check(unsafe { libc::fallocate(file.as_raw_fd(), 0, offset as i64, length as i64) }) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => return other,
        }
    }
}

/// Gives the pages of a range back; it reads as zero afterwards.
pub(crate) fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: plain system call.
    check(unsafe { libc::fallocate(file.as_raw_fd(), mode, offset as i64, length as i64) })
}

/// Enters the pages of a range into this process's page table, ready to be written.
///
/// # Safety
/// The range must be a writable mapping of this process. Nothing is changed in it.
pub(crate) unsafe fn populate(start: *mut u8, length: usize) {
    let page = start as usize % 4096;
    // SAFETY: by this function's contract; a failure only means page faults later.
    unsafe { libc::madvise(start.sub(page).cast(), length + page, libc::MADV_POPULATE_WRITE) };
}

pub(crate) fn effective_user() -> u32 {
    // SAFETY: plain system call that cannot fail.
    unsafe { libc::geteuid() }
}

/// Nanoseconds since 1970, to the clock's tick (a few milliseconds): the fine clock would be a fifth of
/// a small publish.
pub(crate) fn coarse_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut time) };
    let now = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    #[cfg(feature = "crash-points")]
    let now = crate::crash::shifted(now);
    now
}

/// Asks for a cache line, to be read soon. Several that come from another processor, or from far away, then come
/// at once instead of one after the other.
#[inline(always)]
pub(crate) fn expect_read<T>(at: *const T) {
    // SAFETY: a hint to the processor, which takes any address.
    unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast()) };
}

/// The same for a line that will be written.
#[inline(always)]
pub(crate) fn expect_write<T>(at: *const T) {
    // SAFETY: as above; a processor that does not know the instruction does nothing.
    unsafe { std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly)) };
}

/// Bytes that can still be written to the file system of `path`.
pub(crate) fn free_space(path: &std::path::Path) -> io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero is a valid statvfs; path and struct outlive the call.
    let (result, info) = unsafe {
        let mut info: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut info), info)
    };
    check(result)?;
    Ok(info.f_bavail.saturating_mul(info.f_frsize))
}

/// The kind of the file system of `path`: a number of statfs(2).
pub(crate) fn file_system(path: &std::path::Path) -> io::Result<u32> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero is a valid statfs; path and struct outlive the call.
    let (result, info) = unsafe {
        let mut info: libc::statfs = std::mem::zeroed();
        (libc::statfs(path.as_ptr(), &mut info), info)
    };
    check(result)?;
    Ok(info.f_type as u32)
}

/// Writes `length` bytes from `source` to the file, whole.
///
/// # Safety
/// `source` must be valid for reads of `length` bytes; others may write to them meanwhile.
pub(crate) unsafe fn write_from(
    file: &File,
    source: *const u8,
    length: usize,
    offset: u64,
) -> io::Result<()> {
    let mut done = 0;
    #[cfg(feature = "crash-points")]
    crate::crash::room_for(file, length as u64)?;
    while done < length {
        // SAFETY: by this function's contract; the kernel reads the bytes, no reference is formed.
        let n = unsafe {
            libc::pwrite(
                file.as_raw_fd(),
                source.add(done).cast(),
                length - done,
                (offset + done as u64) as libc::off_t,
            )
        };
        match n {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n if n < 0 => {
                let e = io::Error::last_os_error();
                if e.kind() != io::ErrorKind::Interrupted {
                    return Err(e);
                }
            }
            n => done += n as usize,
        }
    }
    Ok(())
}
