//! Pure core of the control plane.
