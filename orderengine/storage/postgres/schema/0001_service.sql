-- oldest code: 1
-- Version 1: orders and their events, keys, what operators decide, and the simulated chain.

-- What dates the leases: one clock for all processes, read when a row is looked at.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- What is asked of an order often, kept beside its log so that no log is folded to answer it.
-- No index but those on its end holds a column that an event or a lease changes, and a quarter of
-- each page is left free: so a change stays on its page and touches no index.
CREATE TABLE orders (
    number         bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- the order of acceptance
    order_id       text     COLLATE "C" NOT NULL UNIQUE,
    user_id        text     COLLATE "C" NOT NULL,
    priority       smallint NOT NULL,                   -- 0 urgent, 1 normal, 2 bulk
    status         text     NOT NULL,                   -- after the last event
    is_open        boolean  NOT NULL DEFAULT true,
    seq            bigint   NOT NULL,                   -- of the last event
    accepted_at_ns bigint   NOT NULL,
    ended_at_ns    bigint,                              -- by the terminal event
    deadline_ns    bigint,
    fence          bigint   NOT NULL DEFAULT 0,         -- of the newest lease; it only rises
    lease_until_ms bigint   NOT NULL DEFAULT 0,         -- on this database's clock; 0: given back
    takeovers      bigint   NOT NULL DEFAULT 0          -- leases that ran out
) WITH (fillfactor = 75);

CREATE INDEX orders_claimable ON orders (priority, number) WHERE is_open;
CREATE INDEX orders_of_user ON orders (user_id, number);
CREATE INDEX orders_of_user_open ON orders (user_id, number) WHERE is_open;
CREATE INDEX orders_due ON orders (deadline_ns) WHERE is_open AND deadline_ns IS NOT NULL;
CREATE INDEX orders_taken_over ON orders (takeovers) WHERE takeovers > 0;
CREATE INDEX orders_ended ON orders (ended_at_ns) WHERE NOT is_open;

-- Numbers are given out in turn, but appear as transactions commit: see postgres/tail.py.
CREATE TABLE events (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id text   COLLATE "C" NOT NULL REFERENCES orders (order_id),
    seq      bigint NOT NULL CHECK (seq >= 1),
    type     text   NOT NULL,
    body     text   NOT NULL,                           -- canonical JSON
    UNIQUE (order_id, seq)
);

-- Whatever the code does, an order ends once.
CREATE UNIQUE INDEX events_end ON events (order_id)
    WHERE type IN ('confirmed', 'failed', 'cancelled', 'expired');

-- Signed transactions of open orders, stored before they are sent.
CREATE TABLE signed_transactions (
    order_id          text   COLLATE "C" NOT NULL REFERENCES orders (order_id),
    signature         text   COLLATE "C" NOT NULL,
    attempt           bigint NOT NULL,
    payload           bytea  NOT NULL,
    last_valid_height bigint NOT NULL,
    network_fee       bigint NOT NULL,                  -- lamports
    PRIMARY KEY (order_id, signature)
);

CREATE TABLE idempotency_keys (
    user_id        text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    request_sha256 text NOT NULL,
    order_id       text COLLATE "C" NOT NULL REFERENCES orders (order_id),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_of_order ON idempotency_keys (order_id);

-- The simulated chain's own record of what it executed. It is another party's book that happens to
-- lie in the same database, so it refers to nothing here.
CREATE TABLE chain (
    signature text   COLLATE "C" NOT NULL PRIMARY KEY,
    order_id  text   COLLATE "C" NOT NULL,
    body      bytea  NOT NULL,
    at_ms     bigint NOT NULL                           -- on this database's clock
);
CREATE INDEX chain_of_order ON chain (order_id);

CREATE TABLE api_keys (
    number              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id              text   COLLATE "C" NOT NULL UNIQUE,
    secret_sha256       text   COLLATE "C" NOT NULL UNIQUE,
    user_id             text   NOT NULL,
    role                text   NOT NULL,
    created_at_ns       bigint NOT NULL,
    expires_at_ns       bigint,
    revoked_at_ns       bigint,
    order_max           text,                           -- JSON object; none: the service's own
    requests_per_minute bigint
);

CREATE TABLE tickets (
    ticket_sha256 text   COLLATE "C" NOT NULL PRIMARY KEY,
    key_id        text   COLLATE "C" NOT NULL,
    expires_at_ns bigint NOT NULL
);
CREATE INDEX tickets_expired ON tickets (expires_at_ns);

CREATE TABLE heartbeats (
    process text   NOT NULL PRIMARY KEY,
    at_ms   bigint NOT NULL,                            -- on this database's clock
    body    bytea  NOT NULL
);

CREATE TABLE pauses (
    name     text   NOT NULL PRIMARY KEY,
    since_ns bigint NOT NULL,
    reason   text   NOT NULL
);

-- What orders that are gone, or were freed, still count for.
CREATE TABLE bygone (
    status    text   NOT NULL PRIMARY KEY,
    orders    bigint NOT NULL,
    takeovers bigint NOT NULL
);
