-- oldest code: 1
-- Version 2: keys, what operators decide, what processes say of themselves, and pruning.

ALTER TABLE orders ADD COLUMN takeovers INTEGER NOT NULL DEFAULT 0;  -- leases that ran out
ALTER TABLE orders ADD COLUMN ended_at_ns INTEGER;                   -- by the terminal event

CREATE INDEX orders_due ON orders (deadline_ns) WHERE is_open = 1 AND deadline_ns IS NOT NULL;
-- Older code ends orders without a date.
CREATE INDEX orders_ended ON orders (coalesce(ended_at_ns, accepted_at_ns)) WHERE is_open = 0;
-- Answers "how many leases ran out?" without reading every order.
CREATE INDEX orders_taken_over ON orders (takeovers) WHERE takeovers > 0;
CREATE INDEX idempotency_keys_of_order ON idempotency_keys (order_id);
CREATE INDEX chain_of_order ON chain (order_id);

CREATE TABLE api_keys (
    number              INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id              TEXT    NOT NULL UNIQUE,
    secret_sha256       TEXT    NOT NULL UNIQUE,
    user                TEXT    NOT NULL,
    role                TEXT    NOT NULL,
    created_at_ns       INTEGER NOT NULL,
    expires_at_ns       INTEGER,
    revoked_at_ns       INTEGER,
    order_max           TEXT,                              -- JSON object; none: the service's own
    requests_per_minute INTEGER
) STRICT;

CREATE TABLE tickets (
    ticket_sha256 TEXT    NOT NULL PRIMARY KEY,
    key_id        TEXT    NOT NULL,
    expires_at_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE heartbeats (
    process TEXT    NOT NULL PRIMARY KEY,
    at_ms   INTEGER NOT NULL,                              -- on this database's clock
    body    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pauses (
    name     TEXT    NOT NULL PRIMARY KEY,
    since_ns INTEGER NOT NULL,
    reason   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What orders that are gone, or were freed, still count for.
CREATE TABLE bygone (
    status    TEXT    NOT NULL PRIMARY KEY,
    orders    INTEGER NOT NULL,
    takeovers INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
