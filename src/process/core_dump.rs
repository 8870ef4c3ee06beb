//! Disables core dumps: the memory of a process that handles frames contains the user's room and often API keys.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

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
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(limited?)
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn memory_is_private_after_disabling_core_dumps() {
        disable().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        // Our own files in /proc stay readable.
        assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() > 0);
        assert!(std::fs::read_to_string("/proc/self/net/tcp").is_ok());
    }
}
