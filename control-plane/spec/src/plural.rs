//! Numbers with their noun, for sentences.

/// `1 request`, `2 requests`: for nouns whose plural ends in s.
pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `0 of 1 instances`, `1 of 3 instances`: what is counted is taken out of several, so the noun stays plural, also where there is one.
pub fn part(number: u64, of: u64, noun: &str) -> String {
    format!("{number} of {of} {noun}s")
}

#[cfg(test)]
mod tests {
    use super::{counted, part};

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "request")), ["0 requests", "1 request", "2 requests"]);
    }

    #[test]
    fn a_part_is_of_several() {
        let parts = [(0, 1), (1, 1), (1, 3)].map(|(number, of)| part(number, of, "instance"));
        assert_eq!(parts, ["0 of 1 instances", "1 of 1 instances", "1 of 3 instances"]);
    }
}
