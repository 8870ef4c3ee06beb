//! The remote control: the socket through which the command line talks to the daemon.
//!
//! [`protocol`] is the contract, [`server`] the daemon's side, [`client`] the command line's, [`socket`] where the two
//! meet.

pub mod client;
pub mod protocol;
pub mod server;
pub mod socket;
