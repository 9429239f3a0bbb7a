-- How far each system outside was told what is in each log. It says nothing of what happened: what was told stands in the log.
CREATE TABLE sink_cursors (
    sink TEXT NOT NULL,
    log TEXT NOT NULL,
    next_idx BIGINT NOT NULL,
    moved_ms BIGINT NOT NULL,
    PRIMARY KEY (sink, log)
);
