//! JSON schemas of what users write and of what the API shows, made from the types themselves.
//!
//! One schema serves editors (`shunt schema`, the first line of the examples), another the API. Both say what is required, which fields exclude
//! each other and which texts are quantities; what only a look at the whole manifest can tell is left to `shunt lint`.

mod choice;
pub mod filter;
mod manifest;
mod text;
mod written;

pub use choice::{ExactlyOne, Requires};
pub use manifest::{Kind, document, editor};
pub use written::{AsWritten, Readable};
