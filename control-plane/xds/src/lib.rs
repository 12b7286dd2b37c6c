//! Speaks Envoy protobufs.
