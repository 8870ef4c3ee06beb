//! Remote control: the Unix socket between the command line and the daemon.
//!
//! [`protocol`] defines the messages, [`server`] is the daemon's side, [`client`] the command line's, [`socket`]
//! creates and protects the socket. [`changes`] turns statuses into [`event`]s, [`overview`] is the part of the status
//! that icons show.

pub mod changes;
pub mod client;
pub mod event;
pub mod overview;
pub mod protocol;
pub mod server;
pub mod socket;
