//! The API over a real socket. Only the process behind the channels is played by the test.

mod changes;
mod explain;
mod fixture;
mod look;
mod reports;
mod watch;
