//! Placeholders in queries, addresses, headers and bodies: `{{version}}`.

/// What a text may ask for. `version`, `cluster` and `shadowCluster` are the candidate's when the value is measured, and stable's when
/// the baseline is.
pub const PROVIDED: [&str; 7] = ["candidate", "stable", "version", "cluster", "shadowCluster", "namespace", "name"];

/// Of [`PROVIDED`], those that differ between value and baseline.
pub(crate) const OF_ARM: [&str; 3] = ["version", "cluster", "shadowCluster"];

/// The names between `{{` and `}}`, in order, without white space at their ends.
pub fn placeholders(text: &str) -> Vec<&str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(name, _)| name.trim()).collect()
}

/// The text with each placeholder replaced that `value` knows; others stay as they are.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once("}}").and_then(|(name, rest)| Some((value(name.trim())?, rest)));
        match known {
            Some((value, rest)) => filled.extend([value.as_str(), rest]),
            None => filled.extend(["{{", part]),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("up", "up"; "none")]
    #[test_case("a{{x}}b", "a1b"; "one")]
    #[test_case("{{ x }}{{x}}", "11"; "two, one with white space")]
    #[test_case("{{y}}", "{{y}}"; "unknown")]
    #[test_case("{{x", "{{x"; "unfinished")]
    #[test_case("{a=\"{{x}}\"}", "{a=\"1\"}"; "within a selector")]
    fn filling(text: &str, filled: &str) {
        assert_eq!(fill(text, |name| (name == "x").then(|| "1".to_owned())), filled);
    }

    #[test]
    fn names() {
        assert_eq!(placeholders("a{{x}} {{ args.y }}{{z"), ["x", "args.y"]);
    }
}
