-- A device whose delta failed is offered the whole image next, and never a delta again in this job.

ALTER TABLE job ADD COLUMN fell_back boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN job.fell_back IS 'an attempt with a delta failed: no other attempt gets one';
COMMENT ON COLUMN job.manifest_digest IS 'variant that is offered; NULL: chosen when the device asks next, or none was';
COMMENT ON COLUMN tally.state IS 'enum job_state; from 100 what else is counted: enum tally_kind';
COMMENT ON COLUMN tally.n IS 'jobs, bytes or fallbacks; may be negative in one shard, the sum is the number';

-- Until now a release had one manifest.
UPDATE job j SET manifest_digest = m.digest FROM manifest m
WHERE m.tenant_id = j.tenant_id AND m.release_id = j.release_id
AND j.manifest_digest IS NULL AND j.state IN (1, 2, 3, 4, 5, 15);
