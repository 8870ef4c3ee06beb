//! The remote control: the socket through which the command line talks to the daemon.
