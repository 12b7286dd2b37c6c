//! The fields of a policy, as [`crate::policy`] derives them for everyone else. A test compares the two.

use std::collections::BTreeMap;

use super::number::Number;
use super::scan::wrong;
use super::value::{Field, Json, choice, object, text};
use super::{Message, Reader};
use crate::cookie::{CookieAttributes, MaxAge, SameSite};
use crate::matching::{Match, PathMatch, StringMatch};
use crate::outcome::ResponseClass;
use crate::policy::{
    Flag, FlagValue, Goal, KeySource, Keyless, LatencyPolicy, LatencyThresholds, MIRROR_BODY_MAX, Mirror, Range, ReportPolicy,
    ResponsePolicy, RoutingPolicy, Rule, ServicePolicy, ShortHost, Split, Tolerance, VersionPolicy,
};
use crate::signing::{Signing, SigningKey};

object!(RoutingPolicy {
    format: "format" required,
    generation: "generation" optional,
    report: "report" optional,
    signing: "signing" optional,
    services: "services" optional,
    flags: "flags" optional,
});

object!(ReportPolicy {
    cluster: "cluster" required,
    authority: "authority" required,
    interval_ms: "intervalMs" required,
    heartbeat_ms: "heartbeatMs" required,
});

object!(Signing {
    current: "current" required,
    previous: "previous" optional,
});

object!(ServicePolicy {
    name: "name" required,
    hosts: "hosts" required,
    short_hosts: "shortHosts" optional,
    port: "port" optional,
    epoch: "epoch" optional,
    stable: "stable" required,
    default_route: "defaultRoute" optional,
    versions: "versions" required,
    key: "key" optional,
    keyless: "keyless" optional,
    rules: "rules" optional,
    split: "split" optional,
    mirror: "mirror" optional,
    analysis: "analysis" optional,
    counted_rule: "countedRule" optional,
    latency: "latency" optional,
    responses: "responses" optional,
    hang_after_ms: "hangAfterMs" optional,
    tolerance: "tolerance" optional,
    goals: "goals" optional,
});

object!(Flag {
    name: "name" required,
    rollout: "rollout" required,
    hosts: "hosts" required,
    short_hosts: "shortHosts" optional,
    port: "port" optional,
    epoch: "epoch" optional,
    analysis: "analysis" optional,
    key: "key" optional,
    keyless: "keyless" optional,
    values: "values" required,
    stable: "stable" required,
    default: "default" required,
    rules: "rules" optional,
    split: "split" optional,
    counted_rule: "countedRule" optional,
    latency: "latency" optional,
    responses: "responses" optional,
    hang_after_ms: "hangAfterMs" optional,
    tolerance: "tolerance" optional,
    goals: "goals" optional,
});

object!(ShortHost {
    host: "host" required,
    namespace: "namespace" required,
});

object!(VersionPolicy {
    name: "name" required,
    serving: "serving" or true,
    clusters: "clusters" optional,
    aggregate: "aggregate" optional,
});

object!(KeySource {
    cookie: "cookie" optional,
    header: "header" optional,
    query: "query" optional,
    generate: "generate" optional,
});

object!(CookieAttributes {
    path: "path" or Self::default().path,
    domain: "domain" optional,
    max_age: "maxAge" optional,
    secure: "secure" optional,
    http_only: "httpOnly" or true,
    same_site: "sameSite" optional,
    partitioned: "partitioned" optional,
    signed: "signed" optional,
});

object!(Rule {
    name: "name" required,
    matches: "match" optional,
    split: "split" required,
});

object!(Match {
    headers: "headers" optional,
    cookies: "cookies" optional,
    query: "query" optional,
    path: "path" optional,
    methods: "methods" optional,
    not: "not" optional,
});

object!(StringMatch {
    exact: "exact" optional,
    prefix: "prefix" optional,
    suffix: "suffix" optional,
    contains: "contains" optional,
    regex: "regex" optional,
    present: "present" optional,
    absent: "absent" optional,
});

object!(PathMatch {
    exact: "exact" optional,
    prefix: "prefix" optional,
    regex: "regex" optional,
});

object!(Split {
    salt: "salt" optional,
    ranges: "ranges" optional,
    weights: "weights" or BTreeMap::new(),
});

object!(Range {
    from: "from" required,
    to: "to" required,
    version: "version" required,
});

object!(Mirror {
    split: "split" required,
    matches: "match" optional,
    unsafe_methods: "unsafeMethods" optional,
    max_body_bytes: "maxBodyBytes" or MIRROR_BODY_MAX,
});

object!(Goal {
    name: "name" required,
    matches: "match" optional,
    status: "status" or (200, 299),
    response_header: "responseHeader" optional,
});

object!(LatencyPolicy {
    version: "version" required,
    thresholds: "thresholds" required,
    others: "others" required,
});

object!(LatencyThresholds {
    p50_us: "p50Us" required,
    p90_us: "p90Us" required,
    p99_us: "p99Us" required,
});

object!(ResponsePolicy {
    classes: "classes" required,
    ignore: "ignore" optional,
    ignore_grpc: "ignoreGrpc" optional,
});

object!(Tolerance {
    version: "version" required,
    share: "share" required,
});

choice!(Keyless { Stable, "stable" Stable, "split" Split });
choice!(SameSite { Lax, "Strict" Strict, "Lax" Lax, "None" None });
choice!(ResponseClass { Redirect, "redirect" Redirect, "rejected" Rejected, "empty" Empty, "rejectedGrpc" RejectedGrpc });

text!(SigningKey, Self::new([0; 32]));
text!(MaxAge, Self::blank());

impl Json for FlagValue {
    fn blank() -> Self {
        Self::Boolean(false)
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        let integer = |number: Option<i64>| number.map(Self::Integer).ok_or_else(|| wrong("an integer has at most 15 digits"));
        *self = match reader.peek()? {
            b'"' => Self::String(reader.string()?.into_owned()),
            b't' | b'f' => {
                let mut value = false;
                value.read(reader)?;
                Self::Boolean(value)
            }
            _ => match reader.number()? {
                Number::Unsigned(number) => integer(number.try_into().ok())?,
                Number::Signed(number) => integer(Some(number))?,
                Number::Fraction(_) => return Err(wrong("a boolean, an integer or a string is expected")),
            },
        };
        Ok(())
    }
}
