-- Restoring a backup takes the database back in time.  Daemons notice by what they keep outside
-- of it (core/witness.h); the fence (docs/restore.md) makes what follows safe.

CREATE TABLE instance (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	instance_id uuid NOT NULL DEFAULT gen_random_uuid(),
	epoch bigint NOT NULL DEFAULT 1,
	fenced_at bigint
);
COMMENT ON TABLE instance IS 'This database, one row';
COMMENT ON COLUMN instance.one IS 'there is one row';
COMMENT ON COLUMN instance.instance_id IS 'random; a restored backup keeps it, a fresh database has another';
COMMENT ON COLUMN instance.epoch IS 'grows with each fence after a restore: seconds of the clock';
COMMENT ON COLUMN instance.fenced_at IS 'when the fence was raised last; NULL never';

INSERT INTO instance (one) VALUES (true);

CREATE TABLE witness (
	witness_id uuid PRIMARY KEY,
	counter bigint NOT NULL,
	at bigint NOT NULL
);
COMMENT ON TABLE witness IS 'State directories of daemons that remember how far this database was';
COMMENT ON COLUMN witness.witness_id IS 'random, kept in the state directory';
COMMENT ON COLUMN witness.counter IS 'grows every few seconds while the daemon lives; the file is never ahead of it, but after a restore';
COMMENT ON COLUMN witness.at IS 'when it grew last';
