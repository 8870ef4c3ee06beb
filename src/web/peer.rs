//! Whose program is at the other end of a connection over the loopback, according to the kernel's table of connections.
//!
//! A browser's cookie is sent to every port of this machine, where another user may listen, and a one-time address can be
//! seen in the list of processes. Neither is worth anything to other users, because their programs are not let in: a
//! connection is served only when the socket at its other end is there to be looked at and belongs to this user. One that
//! was closed already has no owner any more (the kernel then reports user 0), and what it sent is not acted on.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
};

/// The tables of connections; an IPv6 socket can be connected to an IPv4 address, and is in the second one then.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// How often the tables are read when the connection is in none of them: they change while they are read, and the kernel
/// may skip a row then.
const ATTEMPTS: usize = 3;

/// The state of an established connection in the tables; all others are not open yet, or closed at one end at least.
const ESTABLISHED: &str = "01";

/// Whose program is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// It is this user's.
    Ours,
    /// It is another user's.
    OtherUser(u32),
    /// There is no open socket at the other end, or the kernel does not show it.
    Unknown,
}

/// Whose program is at `peer`, connected to `us`.
pub(super) fn owner(peer: SocketAddr, us: SocketAddr) -> Peer {
    // SAFETY: getuid only reads and cannot fail.
    let user = unsafe { libc::getuid() };
    // a table that can't be read has no rows, so the connection is refused
    let tables = || TABLES.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
    (0..ATTEMPTS).map(|_| find(tables(), peer, us, user)).find(|found| *found != Peer::Unknown).unwrap_or(Peer::Unknown)
}

/// Whose socket the tables have at the end `local` of the connection to `remote`.
fn find(tables: impl Iterator<Item = impl AsRef<str>>, local: SocketAddr, remote: SocketAddr, user: u32) -> Peer {
    let (local, remote) = (names(local), names(remote));
    let mut found = Peer::Unknown;
    for table in tables {
        for row in table.as_ref().lines().filter_map(Row::parse) {
            if !row.joins(&local, &remote) {
                continue;
            }
            match row.owner() {
                Some(owner) if owner == user => found = Peer::Ours,
                Some(other) => return Peer::OtherUser(other),
                None => return Peer::Unknown,
            }
        }
    }
    found
}

/// A row of a table, as far as it matters here.
struct Row<'a> {
    local: &'a str,
    remote: &'a str,
    state: &'a str,
    uid: &'a str,
    inode: &'a str,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        let (uid, inode) = (fields.nth(3)?, fields.nth(1)?);
        Some(Self { local, remote, state, uid, inode })
    }

    fn joins(&self, local: &[String], remote: &[String]) -> bool {
        local.iter().any(|name| name == self.local) && remote.iter().any(|name| name == self.remote)
    }

    /// The user of an open socket.
    fn owner(&self) -> Option<u32> {
        let has_socket = self.inode.parse::<u64>().is_ok_and(|inode| inode != 0);
        (self.state == ESTABLISHED && has_socket).then(|| self.uid.parse().ok())?
    }
}

/// The ways in which the tables may write an address: the bytes in groups of four, each as one number of this machine's
/// byte order, and the port. An IPv4 address is in the table of IPv6 in its mapped form.
fn names(address: SocketAddr) -> Vec<String> {
    let name = |bytes: &[u8]| {
        let (words, _) = bytes.as_chunks::<4>();
        let words: String = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
        format!("{words}:{:04X}", address.port())
    };
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => vec![name(&v4.octets()), name(&v4.to_ipv6_mapped().octets())],
        IpAddr::V6(v6) => vec![name(&v6.octets())],
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener, TcpStream};

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A row of a table for the connection from port 54321 to port 8080.
    fn row(state: &str, uid: u32, inode: u32) -> String {
        let (local, remote) = (&names(at(54321))[0], &names(at(8080))[0]);
        format!(
            "   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 0000\n"
        )
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Whose the connection is to user 1000, by these tables.
    fn found(tables: &[String]) -> Peer {
        find(tables.iter(), at(54321), at(8080), 1000)
    }

    #[test]
    fn our_own_connection_is_ours_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let us = listener.local_addr().unwrap();
        let client = TcpStream::connect(us).unwrap();
        let peer = client.local_addr().unwrap();
        assert_eq!(owner(peer, us), Peer::Ours);
        let (_served, _) = listener.accept().unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(owner(peer, us), Peer::Unknown, "half closed");
        drop(client);
        assert_eq!(owner(peer, us), Peer::Unknown, "closed");
        assert_eq!(owner(at(1), us), Peer::Unknown, "never there");
    }

    #[test]
    fn an_ipv6_socket_that_is_connected_to_an_ipv4_address_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let us = listener.local_addr().unwrap();
        let mapped = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), us.port()));
        let Ok(_client) = TcpStream::connect(mapped) else { return }; // a machine without IPv6
        let (_served, peer) = listener.accept().unwrap();
        assert_eq!(owner(peer, us), Peer::Ours);
    }

    #[test]
    fn only_an_established_connection_of_this_user_is_ours() {
        let table = |row: String| [HEAD.to_owned() + &row];
        assert_eq!(found(&table(row("01", 1000, 41))), Peer::Ours);
        assert_eq!(found(&table(row("01", 1001, 41))), Peer::OtherUser(1001));
        assert_eq!(found(&table(row("01", 0, 41))), Peer::OtherUser(0));
        // whoever sends and closes at once is listed as user 0 without an inode
        assert_eq!(found(&table(row("06", 0, 0))), Peer::Unknown);
        assert_eq!(found(&table(row("01", 1000, 0))), Peer::Unknown);
        // FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING, and those before the connection
        for state in ["02", "03", "04", "05", "06", "07", "08", "09", "0A", "0B", "0C", ""] {
            assert_eq!(found(&table(row(state, 1000, 41))), Peer::Unknown, "{state}");
        }
        assert_eq!(found(&[HEAD.to_owned()]), Peer::Unknown);
        assert_eq!(found(&["garbage\n\n1: 2 3".to_owned()]), Peer::Unknown);
        assert_eq!(found(&[]), Peer::Unknown);
    }

    #[test]
    fn rows_that_contradict_each_other_are_not_ours() {
        let (ours, others, closed) = (row("01", 1000, 41), row("01", 1001, 42), row("06", 0, 0));
        for other in [others, closed] {
            for rows in [[&ours, &other], [&other, &ours]] {
                assert_ne!(found(&rows.map(|row| HEAD.to_owned() + row)), Peer::Ours, "{rows:?}");
            }
        }
        assert_eq!(found(&[ours.clone() + &ours]), Peer::Ours, "a row may be read twice");
    }

    #[test]
    fn the_direction_matters() {
        let table = [row("01", 1001, 41)];
        assert_eq!(find(table.iter(), at(8080), at(54321), 1001), Peer::Unknown, "our own end says nothing");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_written_as_the_kernel_does() {
        let mapped = "0000000000000000FFFF00000100007F:1F90";
        assert_eq!(names(at(8080)), ["0100007F:1F90", mapped]);
        let same = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 8080));
        assert_eq!(names(same), names(at(8080)));
        assert_eq!(names(SocketAddr::from((Ipv6Addr::LOCALHOST, 8080))), ["00000000000000000000000001000000:1F90"]);
    }
}
