-- Reports without new index entries: a job that moves on must not change an indexed column, nor one
-- that an index's condition names.  So the deadline of an open job is when the server looks again,
-- a report does not renew it, and a job that is over has none.

DROP INDEX job_deadline;
UPDATE job SET deadline_at = 9223372036854775807 WHERE state NOT IN (1, 2, 3, 4, 5, 15);
ALTER TABLE job SET (fillfactor = 70);
CREATE INDEX job_deadline ON job (deadline_at) WHERE deadline_at < 9223372036854775807;
COMMENT ON COLUMN job.deadline_at IS 'when it is looked at for want of news; the largest bigint when it is over';
