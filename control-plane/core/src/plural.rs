//! Numbers with their noun, for sentences.

/// `1 request`, `2 requests`: for nouns whose plural ends in s.
pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "request")), ["0 requests", "1 request", "2 requests"]);
    }
}
