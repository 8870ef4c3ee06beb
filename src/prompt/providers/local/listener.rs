//! The owner of a TCP port on this machine: a prompt must not reach another user's program.

use std::{fs, io};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Whether a program of this user listens on `port` of 127.0.0.1.
///
/// # Errors
/// If the kernel's list of sockets can't be read.
pub(super) fn is_own(port: u16) -> io::Result<bool> {
    let uid = rustix::process::getuid().as_raw();
    Ok(owner(&fs::read_to_string("/proc/net/tcp")?, port) == Some(uid))
}

/// The user who listens on `port` of 127.0.0.1, by the text of `/proc/net/tcp`: index, local address, remote address,
/// state, queues, timer, retransmits, user and more. Addresses are the bytes of a `u32` in this machine's order.
fn owner(sockets: &str, port: u16) -> Option<u32> {
    let address = format!("{:08X}:{port:04X}", u32::from_ne_bytes([127, 0, 0, 1]));
    sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_listener = fields.get(1).is_some_and(|local| *local == address) && fields.get(3) == Some(&LISTEN);
        fields.get(7).filter(|_| is_listener)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_listener_and_its_user_are_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_own(port).unwrap());
        drop(listener);
        assert!(!is_own(port).unwrap());
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn other_users_states_and_addresses_are_told_apart() {
        let sockets = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     7        0 1 1\n\
            1: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     8        0 1 1\n\
            2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 1 1\n\
            3: damaged\n";
        assert_eq!((owner(sockets, 8080), owner(sockets, 8081)), (Some(1001), None));
    }
}
