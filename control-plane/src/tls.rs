//! TLS: files become a configuration that is made anew when they change, connections know who is at their other
//! end. Certificates are made here too, for operators without an authority of their own.

mod authority;
mod connection;
mod files;
mod folder;
mod incoming;
mod issued_certs;

pub(crate) use authority::{Authority, Subject};
pub(crate) use connection::Connection;
pub(crate) use files::{ClientAuth, TlsFiles};
pub(crate) use folder::{Access, Folder, ca_key, write};
pub(crate) use incoming::{Admission, TlsMode, incoming};
pub(crate) use issued_certs::{note, publish, revoke};

#[cfg(test)]
mod tests;
