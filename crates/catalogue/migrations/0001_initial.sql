-- Small facts about the database itself: the sealed check value of the master key, the start counter.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT;

INSERT INTO meta (name, value) VALUES ('generation', 0);

-- AUTOINCREMENT: an id is never used again, so a value sealed for one row can never fit a later one.
CREATE TABLE apps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL UNIQUE,
    secret BLOB NOT NULL,
    settings TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

-- No foreign key to apps: the stores of a deleted app stay until its objects have been removed.
CREATE TABLE stores (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    location TEXT,
    provider TEXT NOT NULL,
    config BLOB NOT NULL,
    current INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE UNIQUE INDEX stores_name ON stores (app, name) WHERE current = 1;
CREATE UNIQUE INDEX stores_location ON stores (app, location) WHERE current = 1 AND location IS NOT NULL;

-- An ordinary rowid table: rows are appended, only the short index entries land at random places.
CREATE TABLE files (
    handle TEXT NOT NULL UNIQUE,
    app INTEGER NOT NULL,
    store INTEGER NOT NULL REFERENCES stores (id),
    location TEXT NOT NULL,
    container TEXT NOT NULL,
    key TEXT NOT NULL,
    object TEXT NOT NULL,
    filename TEXT NOT NULL,
    mimetype TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    digests TEXT NOT NULL,
    dimensions TEXT,
    uploaded INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    version INTEGER NOT NULL,
    source_url TEXT,
    tags TEXT NOT NULL,
    access TEXT NOT NULL
) STRICT;

CREATE INDEX files_key ON files (store, container, key);

-- The object comes first because the sweep looks objects up across all local stores.
CREATE INDEX files_object ON files (object, store);

-- AUTOINCREMENT: whoever still holds the id of a vanished row must not hit a later one.
CREATE TABLE garbage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    store INTEGER NOT NULL REFERENCES stores (id),
    object TEXT NOT NULL,
    due INTEGER NOT NULL,
    UNIQUE (object, store)
) STRICT;

CREATE INDEX garbage_store ON garbage (store);
CREATE INDEX garbage_due ON garbage (due, id);

CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    store INTEGER NOT NULL REFERENCES stores (id),
    object TEXT NOT NULL
) STRICT;

CREATE INDEX intents_object ON intents (object, store);
