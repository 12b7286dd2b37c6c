//! TLS: files become a configuration that is made anew when they change, connections become wires that know who is at their other
//! end. Certificates are made here too, for operators without an authority of their own.

mod authority;
mod files;
mod folder;
mod incoming;
mod ledger;
mod wire;

pub(crate) use authority::{Authority, Subject};
pub(crate) use files::{Guests, TlsFiles};
pub(crate) use folder::{Access, Folder, ca_key, write};
pub(crate) use incoming::{Admission, Doors, incoming};
pub(crate) use ledger::{note, publish, revoke};
pub(crate) use wire::Wire;

#[cfg(test)]
mod tests;
