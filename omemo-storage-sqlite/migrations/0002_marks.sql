-- Ids by which the database is told from an older copy of itself, see `src/marks.rs`: those of the last thousand times.
CREATE TABLE omemo_mark (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL
) STRICT;

CREATE TRIGGER omemo_mark_forgets AFTER INSERT ON omemo_mark
BEGIN
    DELETE FROM omemo_mark WHERE number <= NEW.number - 1000;
END;

-- One commit in sixteen is a mark; if all were, each would write a page more.
CREATE TRIGGER omemo_commit_marks AFTER INSERT ON omemo_commit
WHEN substr(NEW.id, 16) >= x'f0'
BEGIN
    INSERT INTO omemo_mark (id) VALUES (NEW.id);
END;
