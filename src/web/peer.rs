//! Whose program is at the other end of a connection over the loopback: the kernel's table of connections tells.
//!
//! The token is in the browser's command line for a moment, and its cookie is sent to every port of this machine, where
//! another user may listen. Neither is worth anything to them, because their programs are not let in.

use std::{fs, net::SocketAddr};

/// Whether the program at `peer`, connected to `us`, may be the user's: false when it is another user's for certain.
pub(super) fn may_be_ours(peer: SocketAddr, us: SocketAddr) -> bool {
    // SAFETY: getuid only reads and cannot fail.
    let user = unsafe { libc::getuid() };
    // where the table can't be read, the token has to do
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
    owner(&table, peer, us).is_none_or(|owner| owner == user || owner == 0)
}

/// The user who has the end `local` of the connection to `remote`, out of `/proc/net/tcp`.
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let (local, remote) = (name(local)?, name(remote)?);
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let found = fields.next()? == local && fields.next()? == remote;
        found.then(|| fields.nth(4)?.parse().ok())?
    })
}

/// An address as it stands there: the four bytes as one number of this machine's, and the port.
fn name(address: SocketAddr) -> Option<String> {
    match address {
        SocketAddr::V4(v4) => Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(v4.ip().octets()), v4.port())),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn our_own_connection_is_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let us = listener.local_addr().unwrap();
        let client = TcpStream::connect(us).unwrap();
        let peer = client.local_addr().unwrap();
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        // SAFETY: as above.
        assert_eq!(owner(&table, peer, us), Some(unsafe { libc::getuid() }));
        assert!(may_be_ours(peer, us));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_owner_of_the_other_end_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 41 1\n   \
                     1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 42 1\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(owner(table, at(0xd431), at(8080)), Some(1001));
        assert_eq!(owner(table, at(8080), at(0xd431)), Some(1000));
        assert_eq!(owner(table, at(0xd432), at(8080)), None);
        assert_eq!(owner("garbage\n", at(1), at(2)), None);
    }
}
