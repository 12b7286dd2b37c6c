//! What can be wrong with a policy, with what would be right.

use thiserror::Error;

use crate::limits;

/// Why a policy was refused. Printed as `services[2].rules[0].match[1].cookies.beta.regex: what is wrong; what would be right`.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{field}: {problem}")]
pub struct PolicyError {
    /// Path of the field.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("format {0} is not known here; use {known}", known = crate::policy::FORMAT)]
    Format(u32),
    #[error("{count} entries are too many; use at most {limit}")]
    TooMany { count: usize, limit: usize },
    #[error("{length} bytes are too long; use at most {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("it reads more than {limit} different names; use fewer", limit = limits::FIELDS)]
    TooManyFields,
    #[error("it has more than {limit} conditions; use fewer", limit = limits::CONDITIONS_OF_SERVICE)]
    TooManyConditions,
    #[error("it has more than {limit} regular expressions; use exact, prefix, suffix or contains", limit = limits::REGEXES)]
    TooManyRegexes,
    #[error("its regular expressions could take {time} of one request, and {most} is the most: {costly}; {remedy}", time = milliseconds(*.work), most = milliseconds(limits::REGEX_WORK), costly = costly(.fields), remedy = CHEAPER)]
    RegexWork {
        /// Of all its expressions, in the unit of [`limits::REGEX_WORK`].
        work: usize,
        /// The expressions with their own work, the costliest first.
        fields: Vec<(String, usize)>,
    },
    #[error("the regular expressions that a request may meet at one host, with those of {with}, could take {time} of it, and {most} is the most; {remedy}", time = milliseconds(*.work), most = milliseconds(limits::REGEX_WORK), remedy = CHEAPER)]
    RegexWorkAtHost {
        /// Of all expressions there, in the unit of [`limits::REGEX_WORK`].
        work: usize,
        /// The Rollouts that they belong to.
        with: String,
    },
    #[error("{0} milliseconds is no period; use {min} to {max}", min = limits::PERIOD_MS.start(), max = limits::PERIOD_MS.end())]
    Period(u32),
    #[error("{0:?} stands there twice; use each name once")]
    Duplicate(String),
    #[error("there is no host; name at least one, for example shop.test")]
    NoHosts,
    #[error("{0:?} is not a host; use a name such as shop.test or *.shop.test, or an address, without a port")]
    Host(String),
    #[error("{host:?} belongs to {by} at this port already; a host and port can belong to one service, or one flag of a name, only")]
    HostTaken { host: String, by: String },
    #[error("0 is not a port; use 1 to 65535, or leave it out for any")]
    PortZero,
    #[error("there is no version; name at least one")]
    NoVersions,
    #[error("{name:?} is not a version here; use one of {known}")]
    UnknownVersion { name: String, known: String },
    #[error("{name:?} is not a rule here; use one of {known}")]
    UnknownRule { name: String, known: String },
    #[error("{from} to {to} is not a range of statuses; use 100 to 599, the lower one first")]
    Status { from: u16, to: u16 },
    #[error("{0:?} is not a name for it; use letters, digits, '-', '_' and '.'")]
    RuleName(String),
    #[error("{0:?} is not a flag's name; use lower-case letters, digits, '-', '_', '.' and '*', beginning with a letter or '*'")]
    FlagName(String),
    #[error("the value cannot stand in a header; use a boolean, an integer of at most 15 digits or printable ASCII")]
    FlagItem,
    #[error("the salt has characters other than printable ASCII; use letters, digits and punctuation")]
    Salt,
    #[error("there are both ranges and weights; use one of them")]
    RangesAndWeights,
    #[error("{from} to {to} is not a range; use from < to, at most 1,000,000")]
    Range { from: u32, to: u32 },
    #[error("it begins at {from}, before the range in front of it ends ({end}); use disjoint ranges in ascending order")]
    Overlap { from: u32, end: u32 },
    #[error("the weights sum up to more than 100 %; lower one of them")]
    Weights,
    #[error("there must be exactly one condition; use one of {0}")]
    OneOf(&'static str),
    #[error("an empty match would match every request; name a condition, or leave `match` out")]
    EmptyMatch,
    #[error("`not` inside `not` is hard to read; write the condition without either")]
    NotInNot,
    #[error("an empty text says nothing; use present or absent, or name some text")]
    EmptyText,
    #[error("`false` is ambiguous; use `present: true` or `absent: true`")]
    Switch,
    #[error("{0:?} is not a header's name; use letters, digits and '-'")]
    HeaderName(String),
    #[error("cookies are matched by name; use `cookies: {{name: ...}}`, or `cookie:` for a key")]
    CookieHeader,
    #[error("the host chooses the service; use the service's hosts, or `:authority` for a condition on one of several")]
    HostHeader,
    #[error("{0:?} is a header of Shunt's own, and what comes in never counts; use another name")]
    OwnHeader(String),
    #[error("{0:?} is not a cookie's name; use letters, digits, '-' and '_'")]
    CookieName(String),
    #[error("a query parameter needs a name; name one")]
    QueryName,
    #[error("{0:?} is not a path; begin with '/', without '?' and '#'")]
    Path(String),
    #[error("{0:?} is not a method; use upper case, for example GET")]
    Method(String),
    #[error("not a regular expression that can be used: {0}; correct or shorten it, it must fit the whole value")]
    Regex(String),
    #[error("only a cookie can be generated; add `cookie:`")]
    GenerateWithoutCookie,
    #[error("a second generated key could never be used; keep one")]
    SecondGenerate,
    #[error("{0:?} is not a cookie's path; begin with '/', printable ASCII without ';'")]
    CookiePath(String),
    #[error("{0:?} is not a cookie's domain; use a name such as shop.test")]
    CookieDomain(String),
    #[error("browsers refuse {0} without Secure; add `secure: true`")]
    NeedsSecure(&'static str),
    #[error("browsers refuse a name that begins with __Host- unless it is secure, for path / and without domain; add or remove these")]
    HostPrefix,
}

/// What to do about expensive regular expressions.
const CHEAPER: &str = "use exact, prefix, suffix or contains, expressions without *, + and {n,}, or shorter ones";

/// How much of [`limits::REGEX_WORK`], as time.
fn milliseconds(work: usize) -> String {
    let hundredths = work.div_ceil(limits::REGEX_WORK_OF_MICROSECOND.saturating_mul(10));
    let (whole, part) = (hundredths.div_euclid(100), hundredths.rem_euclid(100));
    if part == 0 { format!("{whole} ms") } else { format!("{whole}.{part:02} ms") }
}

/// The expressions that cost most.
fn costly(fields: &[(String, usize)]) -> String {
    let named: Vec<String> = fields.iter().take(3).map(|(field, work)| format!("{field} {}", milliseconds(*work))).collect();
    named.join(", ")
}
