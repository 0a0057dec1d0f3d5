-- Uploads in parts that are under way, and for a while the finished ones, so that a repeated completion is answered alike.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    app INTEGER NOT NULL,
    store INTEGER NOT NULL REFERENCES stores (id),
    plan TEXT NOT NULL,
    size INTEGER,
    slot INTEGER,
    at_provider TEXT,
    sniffed TEXT,
    object TEXT,
    handle TEXT,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_expires ON uploads (expires);
CREATE INDEX uploads_store ON uploads (store);
CREATE INDEX uploads_open ON uploads (app) WHERE handle IS NULL;

CREATE TABLE upload_parts (
    upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

-- What somebody who cannot see the file is told.
ALTER TABLE files ADD COLUMN alt TEXT;
