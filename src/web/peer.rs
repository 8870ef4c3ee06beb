//! The owner of the peer of a loopback connection, from the kernel's connection tables.
//!
//! Other users of this machine may learn a session cookie (browsers send it to every port of the host) or a one-time
//! address (from the process list). To make these useless, a connection is served only if its peer socket is open and
//! belongs to this user. A socket that is already closed has no owner (the kernel reports user 0), so its data is
//! ignored.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
};

/// The connection tables; an IPv6 socket connected to an IPv4 address is listed in the second one.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// How often the tables are read if the connection is not found: the kernel may skip rows of a table that changes
/// during the read.
const ATTEMPTS: usize = 3;

/// The code of the state ESTABLISHED; in all other states a connection is not yet open or at least half closed.
const ESTABLISHED: &str = "01";

/// The owner of the peer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// This user.
    Ours,
    /// Another user, by id.
    OtherUser(u32),
    /// The peer socket is closed or not listed.
    Unknown,
}

/// The owner of the socket `peer` that is connected to `local`.
pub(super) fn owner(peer: SocketAddr, local: SocketAddr) -> Peer {
    let user = rustix::process::getuid().as_raw();
    // an unreadable table counts as empty, so the connection is refused
    let tables = || TABLES.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
    (0..ATTEMPTS)
        .map(|_| find(tables(), peer, local, user))
        .find(|found| *found != Peer::Unknown)
        .unwrap_or(Peer::Unknown)
}

/// Looks up the owner of the socket `local` that is connected to `remote`.
fn find(tables: impl Iterator<Item = impl AsRef<str>>, local: SocketAddr, remote: SocketAddr, user: u32) -> Peer {
    let local = table_forms(local);
    let remote = table_forms(remote);
    let mut found = Peer::Unknown;
    for table in tables {
        for row in table.as_ref().lines().filter_map(Row::parse) {
            if !row.connects(&local, &remote) {
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

/// The relevant columns of a table row.
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
        let local = fields.next()?;
        let remote = fields.next()?;
        let state = fields.next()?;
        let uid = fields.nth(3)?;
        let inode = fields.nth(1)?;
        Some(Self { local, remote, state, uid, inode })
    }

    fn connects(&self, local: &[String], remote: &[String]) -> bool {
        local.iter().any(|form| form == self.local) && remote.iter().any(|form| form == self.remote)
    }

    /// The owner's user id, if the socket is open.
    fn owner(&self) -> Option<u32> {
        let has_socket = self.inode.parse::<u64>().is_ok_and(|inode| inode != 0);
        (self.state == ESTABLISHED && has_socket).then(|| self.uid.parse().ok())?
    }
}

/// The possible forms of an address in the tables: groups of four bytes as native-endian hexadecimal numbers, and the
/// port. The IPv6 table lists an IPv4 address in its mapped form.
fn table_forms(address: SocketAddr) -> Vec<String> {
    let form = |bytes: &[u8]| {
        let (words, _) = bytes.as_chunks::<4>();
        let words: String = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect();
        format!("{words}:{:04X}", address.port())
    };
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => vec![form(&v4.octets()), form(&v4.to_ipv6_mapped().octets())],
        IpAddr::V6(v6) => vec![form(&v6.octets())],
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener, TcpStream};

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// A table row for the connection from port 54321 to port 8080.
    fn row(state: &str, uid: u32, inode: u32) -> String {
        let (local, remote) = (&table_forms(at(54321))[0], &table_forms(at(8080))[0]);
        format!(
            "   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 0000\n"
        )
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The owner of that connection, seen by user 1000.
    fn found(tables: &[String]) -> Peer {
        find(tables.iter(), at(54321), at(8080), 1000)
    }

    #[test]
    fn own_connection_is_ours_until_it_is_closed() {
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
        assert_eq!(owner(at(1), us), Peer::Unknown, "never existed");
    }

    #[test]
    fn ipv6_socket_connected_to_an_ipv4_address_is_found() {
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
        // a socket that was closed right after sending is listed as user 0 without an inode
        assert_eq!(found(&table(row("06", 0, 0))), Peer::Unknown);
        assert_eq!(found(&table(row("01", 1000, 0))), Peer::Unknown);
        // all other states
        for state in ["02", "03", "04", "05", "06", "07", "08", "09", "0A", "0B", "0C", ""] {
            assert_eq!(found(&table(row(state, 1000, 41))), Peer::Unknown, "{state}");
        }
        assert_eq!(found(&[HEAD.to_owned()]), Peer::Unknown);
        assert_eq!(found(&["garbage\n\n1: 2 3".to_owned()]), Peer::Unknown);
        assert_eq!(found(&[]), Peer::Unknown);
    }

    #[test]
    fn contradictory_rows_are_not_ours() {
        let ours = row("01", 1000, 41);
        let others = row("01", 1001, 42);
        let closed = row("06", 0, 0);
        for other in [others, closed] {
            for rows in [[&ours, &other], [&other, &ours]] {
                assert_ne!(found(&rows.map(|row| HEAD.to_owned() + row)), Peer::Ours, "{rows:?}");
            }
        }
        assert_eq!(found(&[ours.clone() + &ours]), Peer::Ours, "a row may be read twice");
    }

    #[test]
    fn direction_matters() {
        let table = [row("01", 1001, 41)];
        assert_eq!(find(table.iter(), at(8080), at(54321), 1001), Peer::Unknown, "the local end does not count");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_formatted_like_in_the_tables() {
        let mapped = "0000000000000000FFFF00000100007F:1F90";
        assert_eq!(table_forms(at(8080)), ["0100007F:1F90", mapped]);
        let same = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 8080));
        assert_eq!(table_forms(same), table_forms(at(8080)));
        assert_eq!(
            table_forms(SocketAddr::from((Ipv6Addr::LOCALHOST, 8080))),
            ["00000000000000000000000001000000:1F90"]
        );
    }
}
