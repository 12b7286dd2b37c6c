//! The API over a real socket. Only the process behind the channels is played by the test.

mod access;
mod access_store;
mod changes;
mod explain;
mod fixture;
mod limits;
mod openapi;
mod reads;
mod repeat;
mod reports;
mod wait;
#[path = "../../../core/tests/names/walk.rs"]
mod walk;
mod watch;
