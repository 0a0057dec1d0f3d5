-- SHA-256 may be unknown: content that a provider put together from parts never passed through one hasher. `etag` is what tells
-- versions of a content apart instead. SQLite cannot take `NOT NULL` from a column, hence the new table.
CREATE TABLE new_files (
    handle TEXT NOT NULL UNIQUE,
    app INTEGER NOT NULL,
    store INTEGER NOT NULL REFERENCES stores (id),
    location TEXT NOT NULL,
    container TEXT NOT NULL,
    region TEXT,
    key TEXT NOT NULL,
    object TEXT NOT NULL,
    filename TEXT NOT NULL,
    mimetype TEXT NOT NULL,
    size INTEGER NOT NULL,
    etag BLOB NOT NULL,
    sha256 BLOB,
    digests TEXT NOT NULL,
    dimensions TEXT,
    uploaded INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    version INTEGER NOT NULL,
    source_url TEXT,
    tags TEXT NOT NULL,
    access TEXT NOT NULL
) STRICT;

INSERT INTO new_files
SELECT handle, app, store, location, container, NULL, key, object, filename, mimetype, size, sha256, sha256, digests, dimensions,
       uploaded, modified, version, source_url, tags, access
FROM files ORDER BY rowid;

DROP TABLE files;
ALTER TABLE new_files RENAME TO files;

CREATE INDEX files_key ON files (store, container, key);

-- The object comes first because the sweep looks objects up across all local stores.
CREATE INDEX files_object ON files (object, store);

-- Where to look for the object; its name alone says which one it is.
ALTER TABLE garbage ADD COLUMN region TEXT;
ALTER TABLE intents ADD COLUMN region TEXT;

-- An intent is also a claim: the server and a command that moves files do not write one object at once.
ALTER TABLE intents ADD COLUMN claimant TEXT NOT NULL DEFAULT 'server';
