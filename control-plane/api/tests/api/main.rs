//! The API over a real socket. Only the process behind the channels is played by the test.

mod access;
mod changes;
mod desk;
mod explain;
mod fixture;
mod limits;
mod look;
mod openapi;
mod repeat;
mod reports;
mod wait;
#[path = "../../../core/tests/names/walk.rs"]
mod walk;
mod watch;
