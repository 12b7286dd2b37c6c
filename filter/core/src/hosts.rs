//! See the owner.
