//! Disables core dumps: the memory of a process that handles frames contains the user's room and often API keys.

use std::io;

/// Ensures that a crash or a watchdog kill writes no core file, and that other processes of this user can't read the
/// memory of this one.
///
/// Must be called before any thread starts. Child processes inherit the size limit but not the dumpable flag; the
/// flag is what counts if core dumps are piped to a program, because the kernel then ignores the limit.
///
/// Afterwards `/proc/PID` of this process belongs to root: `gdb -p`, `strace -p` and `fuser` need `sudo`.
///
/// # Errors
/// If the kernel refuses one of the two; the other is still applied.
pub fn disable() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct outlives the call, and the kernel only reads it.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    let limited = if limited == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: this option takes a number and accesses no memory.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_private_after_disabling_core_dumps() {
        disable().unwrap();
        let mut limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
        // SAFETY: the struct is writable and outlives the call; the prctl option accesses no memory.
        let (limited, dumpable) =
            unsafe { (libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit), libc::prctl(libc::PR_GET_DUMPABLE)) };
        assert_eq!((limited, limit.rlim_cur, limit.rlim_max, dumpable), (0, 0, 0, 0));
        // Our own files in /proc stay readable.
        assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() > 0);
        assert!(std::fs::read_to_string("/proc/self/net/tcp").is_ok());
    }
}
