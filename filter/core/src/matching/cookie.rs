//! Cookies by name, parsed as RFC 6265 §5.4 sends them.
//!
//! All `cookie` lines count, in order. Pairs are separated by `;`; a pair without `=` or without a name is skipped; spaces and tabs
//! around name and value go; one pair of double quotes around a value goes. Names are case-sensitive, values are not decoded. Of
//! several cookies of one name the first counts, empty or not: browsers send the one with the most specific path first.

use crate::limits;

/// The value of each name.
pub(crate) fn read<'q>(lines: &'q [(String, Vec<u8>)], names: &[String]) -> Vec<Option<&'q [u8]>> {
    let mut values = vec![None; names.len()];
    let mut missing = names.len();
    let mut unread = limits::PARSED;
    for (_, line) in lines.iter().filter(|(name, _)| name == "cookie") {
        let line = line.get(..unread).unwrap_or(line);
        unread = unread.saturating_sub(line.len());
        for (name, value) in pairs(line) {
            let Some(position) = names.iter().position(|wanted| wanted.as_bytes() == name) else { continue };
            if let Some(slot @ None) = values.get_mut(position) {
                *slot = Some(value);
                missing = missing.saturating_sub(1);
            }
            if missing == 0 {
                return values;
            }
        }
    }
    values
}

/// Names and values of one line.
pub(crate) fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, rest) = pair.split_at_checked(equals)?;
        let name = name.trim_ascii();
        let value = unquoted(rest.get(1..)?.trim_ascii());
        (!name.is_empty()).then_some((name, value))
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn value(lines: &[&str], name: &str) -> Option<String> {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie".to_owned(), line.as_bytes().to_vec())).collect();
        let values = read(&lines, &[name.to_owned()]);
        values[0].map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test_case(&["a=1"], Some("1"); "alone")]
    #[test_case(&["b=2; a=1; c=3"], Some("1"); "in the middle")]
    #[test_case(&["b=2;a=1"], Some("1"); "without a space")]
    #[test_case(&["b=2", "a=1"], Some("1"); "in the second line")]
    #[test_case(&["a=1; a=2"], Some("1"); "first wins")]
    #[test_case(&["a=; a=2"], Some(""); "first wins though empty")]
    #[test_case(&["a=\"1\""], Some("1"); "quoted")]
    #[test_case(&["a=\"1"], Some("\"1"); "half quoted")]
    #[test_case(&["a=\""], Some("\""); "one quote")]
    #[test_case(&["a=\"\""], Some(""); "quoted and empty")]
    #[test_case(&["a=x=y"], Some("x=y"); "equals in the value")]
    #[test_case(&[" \ta \t= 1 "], Some("1"); "space around")]
    #[test_case(&["a; =1; a=2"], Some("2"); "malformed pairs are skipped")]
    #[test_case(&["A=1"], None; "names are case sensitive")]
    #[test_case(&["xa=1"], None; "not a suffix")]
    #[test_case(&[";;;"], None; "nothing")]
    #[test_case(&[], None; "no line")]
    #[test_case(&["a=1%202"], Some("1%202"); "not decoded")]
    fn parses(lines: &[&str], expected: Option<&str>) {
        assert_eq!(value(lines, "a").as_deref(), expected);
    }

    #[test]
    fn reads_no_further_than_the_bound() {
        let long = format!("x={}; a=1", "y".repeat(limits::PARSED));
        assert_eq!(value(&[&long], "a"), None);
        let short = format!("x={}; a=1", "y".repeat(limits::PARSED - 10));
        assert_eq!(value(&[&short], "a").as_deref(), Some("1"));
    }
}
