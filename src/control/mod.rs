//! Remote control: the Unix socket between the command line and the daemon.
//!
//! [`protocol`] defines the messages, [`server`] is the daemon's side, [`client`] the command line's, [`socket`]
//! creates and protects the socket. [`changes`] turns statuses into [`event`]s.

pub mod changes;
pub mod client;
pub mod event;
pub mod protocol;
pub mod server;
pub mod socket;
