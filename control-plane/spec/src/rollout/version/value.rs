//! A value of a feature flag.

use shunt_filter_core::policy::FlagValue;

use super::VersionSpec;
use crate::plan::Backend;
use crate::problems::Problems;

/// Largest integer of a structured field (RFC 9651 §3.3.1): fifteen digits.
const INTEGER_MAX: u64 = 999_999_999_999_999;
/// Longest text of a value that a filter takes, bytes.
const TEXT_MAX: usize = shunt_filter_core::limits::TEXT;

/// The value, every problem noted.
pub(super) fn value(value: &FlagValue, path: &str, problems: &mut Problems) -> Option<Backend> {
    match value {
        FlagValue::Integer(number) if number.unsigned_abs() > INTEGER_MAX => {
            problems.add(path, format!("{number} has more than 15 digits, which no structured field carries: write it as text, in quotes"));
        }
        FlagValue::String(text) if !text.bytes().all(|b| (0x20..0x7f).contains(&b)) => {
            problems.add(path, format!("{text:?} is not printable ASCII: write such text percent-encoded"));
        }
        FlagValue::String(text) if text.len() > TEXT_MAX => {
            problems.add(path, format!("is {} bytes long: write at most {TEXT_MAX}", text.len()));
        }
        FlagValue::Boolean(_) | FlagValue::Integer(_) | FlagValue::String(_) => {}
    }
    Some(Backend::Value(value.clone()))
}

/// Two versions of one value could not be told apart.
pub(super) fn twice(written: &[VersionSpec], problems: &mut Problems) {
    for (index, spec) in written.iter().enumerate() {
        let Some(value) = &spec.value else { continue };
        let earlier = written.iter().take(index).position(|other| other.value.as_ref() == Some(value));
        if let Some(earlier) = earlier {
            problems
                .add(format!("spec.versions[{index}].value"), format!("is the value of spec.versions[{earlier}] too: values must differ"));
        }
    }
}
