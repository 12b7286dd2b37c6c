//! Every bound on a policy and on what is read of a request, in one place.
//!
//! What a policy may hold is bounded so that compiling takes milliseconds and a decision microseconds, for every policy: the filter
//! runs in the proxy's own threads, and nothing stops a loop there.

/// Services in a policy, and flags.
pub const SERVICES: usize = 10_000;
/// Hosts of a service or a flag, and short hosts.
pub const HOSTS: usize = 256;
/// Versions of a service, and values of a flag.
pub const VERSIONS: usize = 64;
/// Clusters of a version.
pub const CLUSTERS: usize = 16;
/// Rules of a service or of a flag.
pub const RULES: usize = 64;
/// Flags that one request may get.
pub const FLAGS: usize = 64;
/// Goals of a service or a flag.
pub const GOALS: usize = 16;
/// Matches of a rule, a mirror or a goal, `not` included.
pub const MATCHES: usize = 64;
/// Conditions of one match.
pub const CONDITIONS: usize = 32;
/// Conditions of a service or a flag, in all its rules, mirrors and goals.
pub const CONDITIONS_OF_SERVICE: usize = 1_024;
/// Ranges of a split.
pub const RANGES: usize = 4_096;
/// Entries of a key chain.
pub const KEYS: usize = 8;
/// Different headers that a service or a flag reads; and cookies; and query parameters.
pub const FIELDS: usize = 64;

/// Bytes of the name of a rule, flag or goal.
pub const NAME: usize = 63;
/// Bytes of the name of a header, cookie, query parameter or cluster.
pub const FIELD_NAME: usize = 256;
/// Bytes of a salt.
pub const SALT: usize = 256;
/// Bytes of a text in a condition, of a cookie's attribute and of a flag's value.
pub const TEXT: usize = 1_024;
/// Bytes of a regular expression as written.
pub const REGEX: usize = 512;
/// Bytes of a compiled regular expression, measured where pointers have 64 bits: wasm needs less, so what the control plane
/// accepts fits there.
pub const REGEX_COMPILED: usize = 24 * 1_024;
/// Regular expressions of a service or a flag.
pub const REGEXES: usize = 16;
/// Bytes of a value that a regular expression is tried on; a longer one fits none.
pub const REGEX_VALUE: usize = 512;
/// What the regular expressions that one request may meet cost together, those of the service and of all flags at its host: the
/// sum of compiled size times the longest value that is read, in bytes. The worst expressions that were found take a quarter of a
/// nanosecond for each (natively, on a slow core), so this is a millisecond.
pub const REGEX_WORK: usize = 1_000 * REGEX_WORK_OF_MICROSECOND;
/// What of [`REGEX_WORK`] takes a microsecond.
pub const REGEX_WORK_OF_MICROSECOND: usize = 4_096;

/// Bytes of a header, cookie, query parameter or path that is compared or used as a key; a longer one is `present`, and nothing
/// else is true of it, and as a key it counts as missing.
pub const VALUE: usize = 8_192;
/// Bytes of all `cookie` lines that are parsed, and of a query; what lies behind is not seen.
pub const PARSED: usize = 65_536;

/// Bytes of memory that the services of one report may take where it is read.
pub const REPORT_FOOTPRINT: usize = 64 * 1_024 * 1_024;

/// Statuses that are ignored, and classes of responses.
pub const STATUSES: usize = 64;

/// Milliseconds between reports, and until a request counts as hanging.
pub const PERIOD_MS: std::ops::RangeInclusive<u32> = 50..=3_600_000;
