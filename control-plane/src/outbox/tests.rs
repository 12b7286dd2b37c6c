//! Order, waits, and what is given up.
