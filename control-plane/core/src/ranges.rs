//! Old ranges + new weights -> new ranges, moving the least possible.

use shunt_filter_core::policy::Range;
use shunt_filter_core::{VersionName, Weight};

/// New ranges for `weights` (of all versions that get a share; what is left over stays uncovered), taking from `old` only what must move.
pub fn reshape(_old: &[Range], _weights: &[(VersionName, Weight)]) -> Vec<Range> {
    todo!()
}
