//! What must not happen twice, and what must not be forgotten.
