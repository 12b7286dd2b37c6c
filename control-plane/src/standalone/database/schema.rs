//! The store's tables, and how an older file becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

use super::OpenError;

/// One entry per schema version: what leads to it from the one before. Never edited, only added to.
const STEPS: &[&str] = &[
    FIRST,
    INSTANCES,
    FREEZE,
    ACCESS,
    CALLS,
    MEASUREMENTS,
    CALL_LOG,
    BOUND_TOKENS,
    SIGNING,
    STORE,
    CEILING,
    ACCEPTED,
    RELEASE_LOG,
    AUDIT_RECORD,
    OUTBOX_MESSAGE,
];

const FIRST: &str = "
-- Rollouts that are not yet forgotten. The plan is kept so that the last good version runs on when its manifest cannot be read.
CREATE TABLE rollouts (
    id         TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,          -- ms since the epoch
    digest     TEXT NOT NULL,             -- of the plan in force
    gone       INTEGER NOT NULL,          -- 1: the manifest was deleted
    revision   INTEGER NOT NULL,
    state      TEXT NOT NULL,             -- JSON
    FOREIGN KEY (id, digest) REFERENCES plans (rollout, digest)
) STRICT, WITHOUT ROWID;

-- Manifest files as they were when they last could be read: while one cannot, this stays in force.
CREATE TABLE files (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every plan that ever ran: journal entries name it by its digest, and replay needs it. Outlives its Rollout.
CREATE TABLE plans (
    rollout TEXT NOT NULL,
    digest  TEXT NOT NULL,
    plan    TEXT NOT NULL,                -- JSON
    PRIMARY KEY (rollout, digest)
) STRICT, WITHOUT ROWID;

-- Outlives its Rollout.
CREATE TABLE journal (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout  TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    entry    TEXT NOT NULL                -- JSON
) STRICT;
CREATE INDEX journal_of_rollout ON journal (rollout, number);

-- Left by people and pipelines, not yet answered.
CREATE TABLE commands (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout  TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    command  TEXT NOT NULL                -- JSON, without the id
) STRICT;

-- What was published last; one row.
CREATE TABLE policy (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    hash       TEXT NOT NULL              -- of the policy without its generation
) STRICT;

-- What each Rollout contributed last, and the generations that prove it.
CREATE TABLE contributions (
    rollout    TEXT PRIMARY KEY REFERENCES rollouts (id) ON DELETE CASCADE,
    service    TEXT NOT NULL,             -- hash
    generation INTEGER NOT NULL,          -- the first one with this service
    routes     TEXT NOT NULL,             -- hash
    proof      INTEGER                    -- first generation pushed after every proxy had acknowledged these routes
) STRICT, WITHOUT ROWID;

-- Proxies that may hold a policy of ours.
CREATE TABLE proxies (
    node       TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const INSTANCES: &str = "
-- Instances that we started or that registered themselves; kept until nothing of them is left, also when their Rollout is forgotten.
CREATE TABLE instances (
    id       INTEGER PRIMARY KEY,
    rollout  TEXT NOT NULL,
    version  TEXT NOT NULL,
    instance TEXT NOT NULL                -- JSON
) STRICT;

-- The number from which new instances and ports count; one row. Only grows.
CREATE TABLE instance_numbers (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    next INTEGER NOT NULL
) STRICT;
";

const FREEZE: &str = "
-- Whether an operator has frozen all releases; one row.
CREATE TABLE freeze (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    freeze TEXT NOT NULL                  -- JSON
) STRICT;
";

const ACCESS: &str = "
-- Who may use the API. Secrets are not kept.
CREATE TABLE tokens (
    name    TEXT PRIMARY KEY,
    role    TEXT NOT NULL,
    hash    BLOB NOT NULL UNIQUE,         -- SHA-256 of the secret
    created INTEGER NOT NULL,             -- ms since the epoch
    by      TEXT NOT NULL,
    expires INTEGER                       -- ms since the epoch
) STRICT, WITHOUT ROWID;

-- Who did what through the API.
CREATE TABLE audit (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    at   INTEGER NOT NULL,                -- ms since the epoch
    deed TEXT NOT NULL                    -- JSON
) STRICT;
CREATE INDEX audit_by_time ON audit (at);

-- Requests with an idempotency key, and what was answered.
CREATE TABLE idempotency (
    by      TEXT NOT NULL,
    key     TEXT NOT NULL,
    at      INTEGER NOT NULL,             -- ms since the epoch
    request TEXT NOT NULL,                -- digest
    status  INTEGER,                      -- none: begun, and what became of it is not known
    kind    TEXT,
    body    BLOB,
    PRIMARY KEY (by, key)
) STRICT, WITHOUT ROWID;
";

const CALLS: &str = "
-- What came of gates and hooks that a run waits for.
CREATE TABLE calls (
    rollout  TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    id       TEXT NOT NULL,
    progress TEXT NOT NULL,               -- JSON
    PRIMARY KEY (rollout, id)
) STRICT, WITHOUT ROWID;

-- Events and hooks on their way. Outlives its Rollout.
CREATE TABLE outbox (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout TEXT NOT NULL,
    lane    TEXT NOT NULL,                -- the receiver: letters of one lane are delivered in order
    at      INTEGER NOT NULL,             -- ms since the epoch: when what it tells of happened
    letter  TEXT NOT NULL,                -- JSON
    tries   INTEGER NOT NULL DEFAULT 0,
    next    INTEGER NOT NULL DEFAULT 0,   -- ms since the epoch
    dead    TEXT                          -- why it was given up; none: it waits
) STRICT;
";

const MEASUREMENTS: &str = "
-- What metrics with a source outside said in the attempt that is under way, or was last.
CREATE TABLE measurements (
    rollout TEXT NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    step    INTEGER NOT NULL,             -- counted from 0; -1: the whole release
    metric  TEXT NOT NULL,
    digest  TEXT NOT NULL,                -- of what is asked and how that is judged
    history TEXT NOT NULL,                -- JSON
    PRIMARY KEY (rollout, attempt, step, metric, digest)
) STRICT, WITHOUT ROWID;
";

const CEILING: &str = "
-- Generations up to this one may have been published without a record, when the disk was full.
ALTER TABLE policy ADD COLUMN ceiling INTEGER NOT NULL DEFAULT 0;
";

const STORE: &str = "
-- Which store this is: what proxies have from it is marked with its name. One row.
CREATE TABLE store (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    name    TEXT NOT NULL,
    settled INTEGER NOT NULL,             -- 1: some proxy has what this store published
    adopted TEXT NOT NULL                 -- JSON: names of stores whose proxies this one took over
) STRICT;
";

const CALL_LOG: &str = "
-- Gates and hooks as people see them, also when they are over. Outlives its Rollout.
CREATE TABLE call_log (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout TEXT NOT NULL,
    id      TEXT NOT NULL,
    since   INTEGER NOT NULL,             -- ms since the epoch: a step that is entered again asks anew
    view    TEXT NOT NULL,                -- JSON
    UNIQUE (rollout, id, since)
) STRICT;
";

const BOUND_TOKENS: &str = "
-- The one Rollout that a token is for.
ALTER TABLE tokens ADD COLUMN rollout TEXT;
";

const SIGNING: &str = "
-- What signs generated keys; one row.
CREATE TABLE signing (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    current  BLOB NOT NULL,               -- 32 secret bytes
    previous BLOB,                        -- signed before
    since    INTEGER NOT NULL             -- ms since the epoch: when the current one was made
) STRICT;
";

const ACCEPTED: &str = "
-- Routes that every connected proxy acknowledged last: published again while a proxy refuses what the Rollout wants now.
CREATE TABLE accepted_routes (
    rollout TEXT PRIMARY KEY REFERENCES rollouts (id) ON DELETE CASCADE,
    routes  TEXT NOT NULL                 -- JSON
) STRICT, WITHOUT ROWID;
";

const RELEASE_LOG: &str = "
-- Who asked for which release, and why. Outlives its Rollout.
CREATE TABLE release_log (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    rollout TEXT NOT NULL,
    at      INTEGER NOT NULL,             -- ms since the epoch
    asked   TEXT NOT NULL                 -- JSON
) STRICT;
CREATE INDEX release_log_of_rollout ON release_log (rollout, number);
";

const AUDIT_RECORD: &str = "
ALTER TABLE audit RENAME COLUMN deed TO record;
";

const OUTBOX_MESSAGE: &str = "
ALTER TABLE outbox RENAME COLUMN letter TO message;
";

/// Sets the connection up and brings the file to the newest schema.
///
/// `synchronous = FULL`: a commit is on the disk before it is believed. Transitions and generations are rare (a few per step),
/// and a generation that a power failure forgot would be used twice with different bytes, which the filter must never see.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), OpenError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for step in STEPS.iter().skip(found as usize) {
        transaction.execute_batch(step)?;
    }
    if found < known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}
