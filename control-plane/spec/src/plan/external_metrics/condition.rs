//! Conditions over a measured value, in CEL (<https://cel.dev>), with the variables `value` and `baseline`.

use std::fmt;

use cel::{Context, Program};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Value;

/// A condition that compiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition(String);

/// Why a text is not a condition, or a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConditionError {
    /// Not CEL.
    #[error("is no CEL expression: at character {column}: {message}")]
    Syntax {
        /// Counted from 1.
        column: usize,
        /// The parser's own words.
        message: String,
    },
    /// Longer, or with more inside, than a condition may be.
    #[error("is too long: a condition has at most {LENGTH_MAX} characters, {OPERATORS_MAX} of + - * / %, and brackets {DEPTH_MAX} deep")]
    TooLong,
    /// Knows another name.
    #[error("{0} is not known here: a condition has value, and baseline")]
    Variable(String),
    /// Cannot be evaluated with this value.
    #[error("{condition} has no answer for value {value}: {message}{hint}")]
    Evaluation {
        /// The condition.
        condition: String,
        /// The value.
        value: String,
        /// The evaluator's own words.
        message: String,
        /// What to write instead; may be empty.
        hint: &'static str,
    },
    /// Its answer is not true or false.
    #[error("{0} is neither true nor false: write a comparison, for example value < 0.05")]
    NotBoolean(String),
}

/// Parsing and evaluating recurse, so all three are bounded far below what the stack of a thread holds.
const LENGTH_MAX: usize = 400;
const DEPTH_MAX: usize = 6;
const OPERATORS_MAX: usize = 16;

/// The variables.
const VALUE: &str = "value";
const BASELINE: &str = "baseline";

impl Condition {
    /// Checks it.
    pub fn new(text: &str) -> Result<Self, ConditionError> {
        let program = program(text)?;
        let references = program.references();
        let known = |name: &str| name == VALUE || name == BASELINE || bound(text, name);
        match references.variables().into_iter().find(|name| !known(name)) {
            Some(name) => Err(ConditionError::Variable(name.to_owned())),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Whether it looks at the baseline.
    pub fn compares(&self) -> bool {
        program(&self.0).is_ok_and(|program| program.references().variables().contains(&BASELINE))
    }

    /// Whether it is true of these. Errors when it has no answer for them.
    pub fn holds(&self, value: &Value, baseline: &Value) -> Result<bool, ConditionError> {
        let program = program(&self.0)?;
        let mut context = Context::default();
        context.add_variable_from_value(VALUE, cel_value(value));
        context.add_variable_from_value(BASELINE, cel_value(baseline));
        match program.execute(&context) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(ConditionError::NotBoolean(self.0.clone())),
            Err(error) => {
                let message = sentence(&error);
                let hint =
                    if message.contains("Int(") && message.contains("Float(") { ": write numbers with a point, 2.0 for 2" } else { "" };
                Err(ConditionError::Evaluation { condition: self.0.clone(), value: value.to_string(), message, hint })
            }
        }
    }

    /// Errors when it has an answer neither for a number nor for a list of numbers, whatever they are.
    pub fn fits_numbers(&self) -> Result<(), ConditionError> {
        let tries = [Value::Number(1.0), Value::Numbers(vec![1.0, 1.0, 1.0])];
        let mut first = None;
        for value in tries {
            match self.holds(&value, &value) {
                Ok(_) => return Ok(()),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}

fn program(text: &str) -> Result<Program, ConditionError> {
    let mut depth = 0_usize;
    let mut deepest = 0_usize;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let operators = text.chars().filter(|c| matches!(c, '+' | '-' | '*' | '/' | '%')).count();
    if text.len() > LENGTH_MAX || deepest > DEPTH_MAX || operators > OPERATORS_MAX {
        return Err(ConditionError::TooLong);
    }
    Program::compile(text).map_err(|found| {
        let first = found.errors.first();
        let column = first.and_then(|error| usize::try_from(error.pos.1).ok()).unwrap_or(1);
        let message = first.map(|error| error.msg.clone()).unwrap_or_default();
        // The list of everything that could have stood there does not help the reader.
        let message = message.split(" expecting ").next().unwrap_or_default().trim_start_matches("Syntax error: ").to_owned();
        ConditionError::Syntax { column, message }
    })
}

/// Names that macros bind: `value.all(v, v < 0.5)`.
fn bound(text: &str, name: &str) -> bool {
    ["all", "exists", "exists_one", "filter", "map"].iter().any(|call| {
        let call = format!(".{call}(");
        text.split(&call)
            .skip(1)
            .any(|after| after.trim_start().strip_prefix(name).is_some_and(|after| after.trim_start().starts_with(',')))
    })
}

fn sentence(error: &cel::ExecutionError) -> String {
    error.to_string()
}

fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::Nothing => cel::Value::Null,
        Value::Number(number) => cel::Value::Float(*number),
        Value::Numbers(numbers) => cel::Value::List(numbers.iter().copied().map(cel::Value::Float).collect::<Vec<_>>().into()),
        Value::Json(json) => from_json(json),
    }
}

/// Every number is a floating point number, so that conditions never depend on how a source writes a whole one.
fn from_json(json: &serde_json::Value) -> cel::Value {
    match json {
        serde_json::Value::Null => cel::Value::Null,
        serde_json::Value::Bool(value) => cel::Value::Bool(*value),
        serde_json::Value::Number(number) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => cel::Value::String(text.clone().into()),
        serde_json::Value::Array(items) => cel::Value::List(items.iter().map(from_json).collect::<Vec<_>>().into()),
        serde_json::Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), from_json(value)));
            cel::Value::Map(fields.collect::<std::collections::HashMap<_, _>>().into())
        }
    }
}

impl TryFrom<String> for Condition {
    type Error = ConditionError;
    fn try_from(text: String) -> Result<Self, ConditionError> {
        Self::new(&text)
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.0
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use serde_json::json;
    use test_case::test_case;

    fn holds(text: &str, value: &Value, baseline: &Value) -> Result<bool, ConditionError> {
        Condition::new(text)?.holds(value, baseline)
    }

    #[test_case("value < 0.5", 0.25, true)]
    #[test_case("value < 1", 0.25, true; "a whole number on the other side")]
    #[test_case("value == 1", 1.0, true; "equal to a whole number")]
    #[test_case("value <= baseline * 1.5", 1.5, true; "at most half above the baseline")]
    #[test_case("value <= baseline * 1.5", 1.6, false; "above it")]
    #[test_case("value >= 0.99 || baseline < 0.99", 0.5, false; "or")]
    fn numbers(text: &str, value: f64, expected: bool) {
        assert_eq!(holds(text, &Value::Number(value), &Value::Number(1.0)), Ok(expected));
    }

    #[test_case("value.all(v, v < 0.5)", json!([0.1, 0.2]), true; "all")]
    #[test_case("value.exists(v, v > 0.15)", json!([0.1, 0.2]), true; "exists")]
    #[test_case("size(value) == 2 && value[0] < value[1]", json!([0.1, 0.2]), true; "by index")]
    #[test_case("value.state == 'ok' && value.errors.size() < 3", json!({"state": "ok", "errors": [1, 2]}), true; "fields")]
    #[test_case("value.startsWith('ok')", json!("ok, all of it"), true; "text")]
    #[test_case("value.matches('^[0-9]+$')", json!("12a"), false; "regular expression")]
    #[test_case("value", json!(true), true; "a value that is true itself")]
    #[test_case("double(value) > 0.5", json!("0.75"), true; "a number in a text")]
    fn structures(text: &str, value: serde_json::Value, expected: bool) {
        assert_eq!(holds(text, &Value::Json(value), &Value::Nothing), Ok(expected));
    }

    #[test_case("value <", "is no CEL expression: at character 8: mismatched input '<EOF>'"; "unfinished")]
    #[test_case("value < 5%", "is no CEL expression: at character 11: mismatched input '<EOF>'"; "percent")]
    #[test_case("result[0] < 0.5", "result is not known here: a condition has value, and baseline"; "another name")]
    #[test_case("value < limit", "limit is not known here: a condition has value, and baseline"; "an undeclared name")]
    fn refused(text: &str, message: &str) {
        assert_eq!(Condition::new(text).unwrap_err().to_string(), message);
    }

    #[test]
    fn too_much_is_refused_and_the_most_that_is_not_fits_the_stack_of_a_thread() {
        let nested = |depth: usize, inner: &str| format!("{}{inner}{} > 0.0", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(Condition::new(&nested(DEPTH_MAX + 1, "value")), Err(ConditionError::TooLong));
        assert_eq!(Condition::new(&format!("value{} > 0.0", " + value".repeat(OPERATORS_MAX + 1))), Err(ConditionError::TooLong));
        assert_eq!(Condition::new(&format!("value > 0.0{}", " && true".repeat(LENGTH_MAX / 8))), Err(ConditionError::TooLong));
        let most = nested(DEPTH_MAX, &format!("value{}", " + value".repeat(OPERATORS_MAX)));
        assert_eq!(holds(&most, &Value::Number(1.0), &Value::Nothing), Ok(true));
        let lists = format!("{}value > 0.0{}", "[1.0].all(x,".repeat(3), ")".repeat(3));
        assert_eq!(holds(&lists, &Value::Number(1.0), &Value::Nothing), Ok(true));
    }

    #[test]
    fn what_never_fits_a_number_is_found_before_anything_is_measured() {
        let error = Condition::new("value < baseline * 2").unwrap().fits_numbers().unwrap_err();
        assert!(error.to_string().ends_with("write numbers with a point, 2.0 for 2"), "{error}");
        let error = Condition::new("value + 1.0").unwrap().fits_numbers().unwrap_err();
        assert!(error.to_string().contains("is neither true nor false"), "{error}");
        assert_eq!(Condition::new("value[0] < 2").unwrap().fits_numbers(), Ok(()));
        assert!(Condition::new("isFinite(value)").unwrap().fits_numbers().is_err(), "no such function");
    }

    #[test]
    fn an_unanswerable_condition_is_an_error_and_never_true() {
        let error = holds("value.state == 'ok'", &Value::Json(json!({"status": "ok"})), &Value::Nothing).unwrap_err();
        assert!(error.to_string().contains("state"), "{error}");
        assert!(holds("value < 1", &Value::Json(json!("0.5")), &Value::Nothing).is_err(), "a text is not a number");
    }
}
