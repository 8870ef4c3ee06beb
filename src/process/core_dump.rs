//! No core dumps: the memory of a process that handles frames holds the user's room, and often API keys.

use std::io;

/// Makes sure that a crash or a watchdog kill leaves no core file, and that no other process of this user can read our
/// memory.
///
/// To be called before the first thread starts. The size limit is inherited by child processes. The other flag is not, and
/// is the one that counts where core dumps are piped to a program, for which the kernel ignores the limit.
///
/// The kernel then gives `/proc/PID` of this process to root: `gdb -p`, `strace -p` and `fuser` need `sudo` to see it.
///
/// # Errors
/// When the kernel refuses one of them; the other is set all the same.
pub fn disable() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is alive during the call, and the kernel only reads it.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    let limited = if limited == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: this option takes one number and touches no memory of ours.
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
        // SAFETY: the struct is alive and writable during the call; the prctl option touches no memory.
        let (limited, dumpable) =
            unsafe { (libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit), libc::prctl(libc::PR_GET_DUMPABLE)) };
        assert_eq!((limited, limit.rlim_cur, limit.rlim_max, dumpable), (0, 0, 0, 0));
        // what we read about ourselves still works
        assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() > 0);
        assert!(std::fs::read_to_string("/proc/self/net/tcp").is_ok());
    }
}
