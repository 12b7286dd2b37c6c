//! What a source answered.

use std::fmt;

use serde_json_path::JsonPath;
use thiserror::Error;

/// What a source answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No data: an empty result, NaN, null.
    Nothing,
    /// One number.
    Number(f64),
    /// Several, one per series.
    Numbers(Vec<f64>),
    /// Anything else.
    Json(serde_json::Value),
}

/// Longest text of a value in verdicts and histories, characters.
const TEXT_MAX: usize = 60;

impl Value {
    /// Of the samples of an instant vector. NaN is no data: zero requests of which none failed say nothing.
    pub fn of_samples(samples: &[f64]) -> Self {
        let there: Vec<f64> = samples.iter().copied().filter(|sample| !sample.is_nan()).collect();
        match there.as_slice() {
            [] => Value::Nothing,
            [one] => Value::Number(*one),
            _ => Value::Numbers(there),
        }
    }

    /// Of the JSON found at a path: null and an empty list are no data.
    pub fn of_json(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Nothing,
            serde_json::Value::Array(items) if items.is_empty() => Value::Nothing,
            serde_json::Value::Number(number) => number.as_f64().map_or(Value::Nothing, Value::Number),
            other => Value::Json(other),
        }
    }

    /// Its one number; none when it is no data, several, or anything else.
    pub fn number(&self) -> Option<f64> {
        match self.numbers()?.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Its numbers; none when it is, or has, anything else. A text that is a number counts as one: many APIs write them so.
    pub(super) fn numbers(&self) -> Option<Vec<f64>> {
        match self {
            Value::Nothing => None,
            Value::Number(number) => Some(vec![*number]),
            Value::Numbers(numbers) => Some(numbers.clone()),
            Value::Json(serde_json::Value::Array(items)) => items.iter().map(number).collect(),
            Value::Json(json) => number(json).map(|number| vec![number]),
        }
    }
}

fn number(json: &serde_json::Value) -> Option<f64> {
    match json {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

/// As verdicts write it: at most four digits after the point that matter, and never long.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nothing => f.write_str("no data"),
            Value::Number(number) => f.write_str(&short(*number)),
            Value::Numbers(numbers) => {
                let first: Vec<String> = numbers.iter().take(4).map(|number| short(*number)).collect();
                let more = if numbers.len() > 4 { format!(", … ({} values)", numbers.len()) } else { String::new() };
                write!(f, "[{}{more}]", first.join(", "))
            }
            Value::Json(json) => {
                let text = json.to_string();
                match text.char_indices().nth(TEXT_MAX).and_then(|(end, _)| text.get(..end)) {
                    Some(start) => write!(f, "{start}…"),
                    None => f.write_str(&text),
                }
            }
        }
    }
}

/// Four significant digits below 1,000, whole numbers above.
fn short(number: f64) -> String {
    let size = number.abs();
    if number.fract() == 0.0 || size >= 1e15 || !number.is_finite() {
        return format!("{number}");
    }
    let digits = match size {
        1_000.0.. => 0,
        100.0.. => 1,
        10.0.. => 2,
        1.0.. => 3,
        0.1.. => 4,
        0.01.. => 5,
        _ => return format!("{number:.3e}"),
    };
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Why a place in an answer was not found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonPathError {
    /// Not a JSONPath of RFC 9535.
    #[error("is no JSONPath (RFC 9535): at character {column}: {message}")]
    Syntax {
        /// Counted from 1.
        column: usize,
        /// The parser's own words.
        message: String,
    },
    /// Nothing is there.
    #[error("the answer has nothing at {0}")]
    NotFound(String),
}

/// What stands at the path in an answer; several places make a list.
pub fn select(path: &str, json: &serde_json::Value) -> Result<Value, JsonPathError> {
    let parsed = parsed(path)?;
    let found = parsed.query(json).all();
    match found.as_slice() {
        [] => Err(JsonPathError::NotFound(path.to_owned())),
        [one] => Ok(Value::of_json((*one).clone())),
        several => Ok(Value::Json(serde_json::Value::Array(several.iter().map(|one| (*one).clone()).collect()))),
    }
}

/// Checks a path.
pub(crate) fn check_path(path: &str) -> Result<(), JsonPathError> {
    parsed(path).map(drop)
}

fn parsed(path: &str) -> Result<JsonPath, JsonPathError> {
    JsonPath::parse(path)
        .map_err(|error| JsonPathError::Syntax { column: error.position().saturating_add(1), message: error.message().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use test_case::test_case;

    #[test_case(&[], Value::Nothing; "empty")]
    #[test_case(&[f64::NAN], Value::Nothing; "not a number")]
    #[test_case(&[0.5], Value::Number(0.5); "one")]
    #[test_case(&[f64::NAN, 0.5], Value::Number(0.5); "one that says something")]
    #[test_case(&[1.0, 2.0], Value::Numbers(vec![1.0, 2.0]); "two")]
    #[test_case(&[f64::INFINITY], Value::Number(f64::INFINITY); "infinite is a value, and fails limits")]
    fn samples(samples: &[f64], value: Value) {
        assert_eq!(Value::of_samples(samples), value);
    }

    #[test_case("$.data.score", Value::Number(0.5))]
    #[test_case("$.data.items[*].n", Value::Json(json!([1, 2])); "several")]
    #[test_case("$['data']['items'][-1].n", Value::Number(2.0); "the last one")]
    #[test_case("$.data.none", Value::Nothing; "null")]
    #[test_case("$.data.empty", Value::Nothing; "an empty list")]
    #[test_case("$.data.items[?@.n > 1].n", Value::Number(2.0); "filter")]
    fn paths(path: &str, value: Value) {
        let json = json!({"data": {"score": 0.5, "items": [{"n": 1}, {"n": 2}], "none": null, "empty": []}});
        assert_eq!(select(path, &json).unwrap(), value);
    }

    #[test]
    fn a_path_that_finds_nothing_is_an_error_not_an_empty_answer() {
        assert_eq!(select("$.data", &json!({})), Err(JsonPathError::NotFound("$.data".to_owned())));
        assert!(matches!(check_path("$.data["), Err(JsonPathError::Syntax { .. })));
        assert!(check_path("data.ok").is_err(), "a path starts with $");
    }

    #[test_case(0.031_415_9, "0.03142")]
    #[test_case(0.5, "0.5")]
    #[test_case(12.0, "12")]
    #[test_case(123.456, "123.5")]
    #[test_case(1_234.5, "1234"; "half to even")]
    #[test_case(0.000_123, "1.230e-4"; "small")]
    #[test_case(-0.25, "-0.25"; "negative")]
    #[test_case(f64::INFINITY, "inf"; "infinite")]
    fn texts(number: f64, text: &str) {
        assert_eq!(Value::Number(number).to_string(), text);
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(Value::Json(json!("x".repeat(100))).to_string().chars().count(), TEXT_MAX + 1);
        assert_eq!(Value::Numbers(vec![1.0; 9]).to_string(), "[1, 1, 1, 1, … (9 values)]");
    }
}
