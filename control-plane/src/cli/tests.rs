//! The command line: its arguments, its pictures, and its verbs against a served API.

mod arguments;
mod commands;
mod diff;
mod doctor_and_render;
mod journals;
mod load;
mod logs;
mod offline;
mod pictures;
mod plan;
mod questions;
mod server;
mod verbs;
mod views;
