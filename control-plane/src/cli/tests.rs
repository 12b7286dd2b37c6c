//! The command line: its arguments, its pictures, and its verbs against a served API.

mod arguments;
mod asked;
mod compared;
mod foreseen;
mod journals;
mod offline;
mod pictures;
mod questions;
mod server;
mod sick;
mod tried;
mod verbs;
mod views;
mod written;
