//! Templates that are always there.

use super::template::AnalysisTemplate;
use crate::manifest::{Document, parse};

/// Their names.
pub(super) const NAMES: [&str; 2] = ["shadow-latency", "shadow-status"];

const TEXTS: [(&str, &str); 2] =
    [("shadow-latency", include_str!("library/shadow-latency.yaml")), ("shadow-status", include_str!("library/shadow-status.yaml"))];

/// The one of that name.
pub(super) fn find(name: &str) -> Option<AnalysisTemplate> {
    let (file, text) = TEXTS.iter().find(|(known, _)| *known == name)?;
    // The texts are ours and tested; one that does not parse would be a template that is not there.
    parse(file, text).ok()?.iter().find_map(Document::analysis_template).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_is_there_under_its_name() {
        for name in NAMES {
            let template = find(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((template.name.as_str(), template.namespace), (name, None));
        }
    }
}
