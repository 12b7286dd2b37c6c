//! Names of the end-to-end tests' shared helpers; the tests are in `e2e.rs`.
