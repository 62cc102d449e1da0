-- oldest code: 1
-- Version 1: orders and their events, what is signed, what was asked, and the simulated chain.

-- What dates the leases. julianday tells it to 40 µs in every version of SQLite;
-- unixepoch('subsec') came with 3.42 only.
CREATE VIEW clock (ms) AS
    SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER);

-- What is asked of an order often, kept beside its log so that no log is folded to answer it.
CREATE TABLE orders (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of acceptance
    order_id       TEXT    NOT NULL UNIQUE,
    user           TEXT    NOT NULL,
    priority       INTEGER NOT NULL,                   -- 0 urgent, 1 normal, 2 bulk
    status         TEXT    NOT NULL,                   -- after the last event
    is_open        INTEGER NOT NULL DEFAULT 1 CHECK (is_open IN (0, 1)),
    seq            INTEGER NOT NULL,                   -- of the last event
    accepted_at_ns INTEGER NOT NULL,
    deadline_ns    INTEGER,
    fence          INTEGER NOT NULL DEFAULT 0,         -- of the newest lease; it only rises
    lease_until_ms INTEGER NOT NULL DEFAULT 0          -- on this database's clock; 0: given back
) STRICT;

-- Answers "what may be claimed?" without touching the table but for the rows it returns.
CREATE INDEX orders_claimable ON orders (priority, number, lease_until_ms) WHERE is_open = 1;
CREATE INDEX orders_of_user ON orders (user, number);
CREATE INDEX orders_of_user_open ON orders (user, number) WHERE is_open = 1;

CREATE TABLE events (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,        -- the order of storing, over all orders
    order_id TEXT    NOT NULL REFERENCES orders (order_id),
    seq      INTEGER NOT NULL CHECK (seq >= 1),
    type     TEXT    NOT NULL,
    body     TEXT    NOT NULL,                         -- canonical JSON
    UNIQUE (order_id, seq)
) STRICT;

-- Whatever the code does, an order ends once.
CREATE UNIQUE INDEX events_end ON events (order_id)
    WHERE type IN ('confirmed', 'failed', 'cancelled', 'expired');

-- Signed transactions of open orders, stored before they are sent.
CREATE TABLE signed_transactions (
    order_id          TEXT    NOT NULL REFERENCES orders (order_id),
    signature         TEXT    NOT NULL,
    attempt           INTEGER NOT NULL,
    payload           BLOB    NOT NULL,
    last_valid_height INTEGER NOT NULL,
    network_fee       INTEGER NOT NULL,                -- lamports
    PRIMARY KEY (order_id, signature)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    user           TEXT NOT NULL,
    key            TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    order_id       TEXT NOT NULL REFERENCES orders (order_id),
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;

-- The simulated chain's own record of what it executed. It is another party's book that happens to
-- lie in the same file, so it refers to nothing here.
CREATE TABLE chain (
    signature TEXT    NOT NULL PRIMARY KEY,
    order_id  TEXT    NOT NULL,
    body      BLOB    NOT NULL,
    at_ns     INTEGER NOT NULL                         -- on this database's clock
) STRICT, WITHOUT ROWID;
