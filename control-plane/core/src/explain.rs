//! Why a request would go where it goes, with where each value came from.
