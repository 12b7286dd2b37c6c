//! "Did you mean": the nearest of the names that are known.

/// What to say about a field that does not exist.
pub(super) fn unknown_field(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(name) => format!("unknown field; did you mean {name}?"),
        None if known.is_empty() => "unknown field; this takes no fields: remove it".to_owned(),
        None => format!("unknown field; known here: {}", known.join(", ")),
    }
}

/// What to say about a word that is none of those expected.
pub(super) fn unknown_value(found: &str, known: &[&str]) -> String {
    match nearest(found, known) {
        Some(name) => format!("{found:?} is not known here; did you mean {name}?"),
        None if known.is_empty() => format!("{found:?} is not known here: remove it"),
        None => format!("{found:?} is not known here: write one of {}", known.join(", ")),
    }
}

/// The first names of a list, for people.
pub(super) fn some_of(fields: &[&str]) -> String {
    let shown: Vec<&str> = fields.iter().filter(|field| !field.is_empty()).take(6).copied().collect();
    let more = if fields.len() > shown.len() { ", .." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// `spec.versions[3].name` -> `spec.versions[].name`.
pub(super) fn normalized(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            let index = inside && *c != ']';
            inside = *c == '[' || index;
            !index
        })
        .collect()
}

/// The name that differs least, if it differs little: upper and lower case, `-` and `_` do not count.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded = fold(word);
    let (distance, name) = known.iter().map(|name| (distance(&folded, &fold(name)), *name)).min_by_key(|(distance, _)| *distance)?;
    let part = |long: &str, short: &str| short.len() >= 4 && long.starts_with(short);
    let close = distance <= folded.chars().count().max(name.len()).div_euclid(3);
    (close || part(&folded, &fold(name)) || part(&fold(name), &folded)).then_some(name)
}

fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours (Damerau 1964, restricted), by dynamic programming over rows.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let next = j.saturating_add(1);
            let replaced = at(&above, j).saturating_add(usize::from(x != *y));
            let removed = at(&above, next).saturating_add(1);
            let added = at(&row, j).saturating_add(1);
            let previous = j.checked_sub(1).and_then(|p| b.get(p));
            let swapped = match (last, previous) {
                (Some(l), Some(p)) if l == *y && *p == x => at(&before, j.saturating_sub(1)).saturating_add(1),
                _ => usize::MAX,
            };
            row.push(replaced.min(removed).min(added).min(swapped));
        }
        before = std::mem::replace(&mut above, row);
        last = Some(x);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("kitten", "sitting", 3)]
    #[test_case("wieght", "weight", 1; "swap")]
    #[test_case("", "abc", 3; "from nothing")]
    #[test_case("abc", "", 3; "to nothing")]
    fn distances(a: &str, b: &str, expected: usize) {
        assert_eq!(distance(a, b), expected);
    }

    #[test_case("setWeigth", Some("setWeight"); "letters swapped")]
    #[test_case("set_weight", Some("setWeight"); "another case")]
    #[test_case("weight", Some("setWeight"); "a part")]
    #[test_case("frobnicate", None; "too far")]
    #[test_case("durations", Some("duration"); "plural")]
    fn nearest_of_some(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, &["setWeight", "pause", "duration"]), expected);
    }

    #[test]
    fn indices_go() {
        assert_eq!(normalized("spec.versions[12].endpoints[0]"), "spec.versions[].endpoints[]");
    }
}
