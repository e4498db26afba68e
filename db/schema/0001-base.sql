-- The base: tenants, operators, audit, events, outbox, coordination of nodes.
-- Times are bigint microseconds since 1970, UTC.  No foreign keys inside CREATE TABLE and every
-- key of a per-device table holds device_id, so the same schema runs on a sharded engine.

CREATE TABLE tenant (
	tenant_id integer PRIMARY KEY,
	name text NOT NULL UNIQUE,
	secret_sealed bytea,
	created_at bigint NOT NULL
);
COMMENT ON TABLE tenant IS 'Everything belongs to a tenant; there is one, number 1, until tenants have their own issue';
COMMENT ON COLUMN tenant.tenant_id IS 'small number, part of every key';
COMMENT ON COLUMN tenant.name IS 'for people';
COMMENT ON COLUMN tenant.secret_sealed IS 'key of the HMAC that makes device ids, sealed with the key in the state directory; NULL until the first serve';
COMMENT ON COLUMN tenant.created_at IS 'when the tenant was made';

INSERT INTO tenant (tenant_id, name, created_at)
VALUES (1, 'default', (extract(epoch FROM now()) * 1000000)::bigint);

CREATE TABLE operator (
	tenant_id integer NOT NULL,
	operator_id uuid NOT NULL,
	name text NOT NULL,
	role smallint NOT NULL,
	certificate bytea,
	disabled boolean NOT NULL DEFAULT false,
	revision bigint NOT NULL DEFAULT 1,
	created_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, operator_id)
);
COMMENT ON TABLE operator IS 'People and programs that use the REST API';
COMMENT ON COLUMN operator.tenant_id IS 'tenant';
COMMENT ON COLUMN operator.operator_id IS 'random id, the only thing the audit holds';
COMMENT ON COLUMN operator.name IS 'login name';
COMMENT ON COLUMN operator.role IS 'one bit of enum role: 1 viewer, 2 publisher, 4 operator, 8 admin';
COMMENT ON COLUMN operator.certificate IS 'SHA-256 of the client certificate that may speak for it, or NULL';
COMMENT ON COLUMN operator.disabled IS 'true: nothing opens for it any more';
COMMENT ON COLUMN operator.revision IS 'grows with each change; the ETag';
COMMENT ON COLUMN operator.created_at IS 'when it was made';

CREATE UNIQUE INDEX operator_name ON operator (tenant_id, name);
CREATE UNIQUE INDEX operator_certificate ON operator (tenant_id, certificate);

CREATE TABLE token (
	tenant_id integer NOT NULL,
	token_id uuid NOT NULL,
	operator_id uuid NOT NULL,
	hash bytea NOT NULL,
	label text NOT NULL DEFAULT '',
	created_at bigint NOT NULL,
	expires_at bigint,
	PRIMARY KEY (tenant_id, token_id)
);
COMMENT ON TABLE token IS 'Bearer tokens of operators, hashed';
COMMENT ON COLUMN token.tenant_id IS 'tenant';
COMMENT ON COLUMN token.token_id IS 'id to name it by when it is deleted';
COMMENT ON COLUMN token.operator_id IS 'whose token';
COMMENT ON COLUMN token.hash IS 'SHA-256 of the token; the token itself is shown once and not kept';
COMMENT ON COLUMN token.label IS 'what it is for';
COMMENT ON COLUMN token.created_at IS 'when it was made';
COMMENT ON COLUMN token.expires_at IS 'when it stops working; NULL never';

CREATE UNIQUE INDEX token_hash ON token (tenant_id, hash);

CREATE TABLE bootstrap (
	tenant_id integer PRIMARY KEY,
	hash bytea NOT NULL,
	created_at bigint NOT NULL,
	used_at bigint
);
COMMENT ON TABLE bootstrap IS 'The one-time secret that makes the first administrator';
COMMENT ON COLUMN bootstrap.tenant_id IS 'tenant';
COMMENT ON COLUMN bootstrap.hash IS 'SHA-256 of the secret';
COMMENT ON COLUMN bootstrap.created_at IS 'when it was printed';
COMMENT ON COLUMN bootstrap.used_at IS 'when it made an administrator; NULL while it still can';


CREATE TABLE audit (
	tenant_id integer NOT NULL,
	seq bigint NOT NULL,
	at bigint NOT NULL,
	actor_kind smallint NOT NULL,
	actor_id uuid,
	action text NOT NULL,
	object_kind text NOT NULL,
	object_id text NOT NULL,
	reason text NOT NULL DEFAULT '',
	detail text NOT NULL DEFAULT '',
	prev bytea NOT NULL,
	hash bytea NOT NULL,
	PRIMARY KEY (tenant_id, seq)
);
COMMENT ON TABLE audit IS 'What operators, publishers and the CA did; append-only and hash-chained; ids, never names';
COMMENT ON COLUMN audit.tenant_id IS 'tenant';
COMMENT ON COLUMN audit.seq IS '1, 2, 3 ... without gaps';
COMMENT ON COLUMN audit.at IS 'when';
COMMENT ON COLUMN audit.actor_kind IS 'enum actor_kind: 1 operator, 2 device, 3 the server itself';
COMMENT ON COLUMN audit.actor_id IS 'who; NULL for the server itself';
COMMENT ON COLUMN audit.action IS 'a verb such as campaign.start';
COMMENT ON COLUMN audit.object_kind IS 'such as campaign';
COMMENT ON COLUMN audit.object_id IS 'its id';
COMMENT ON COLUMN audit.reason IS 'why, when the caller or a rule said';
COMMENT ON COLUMN audit.detail IS 'canonical JSON with what changed; ids, never names or secrets';
COMMENT ON COLUMN audit.prev IS 'hash of the entry before, 32 zero bytes for the first';
COMMENT ON COLUMN audit.hash IS 'SHA-256 over this entry and prev; docs/audit.md says the form';


CREATE TABLE audit_head (
	tenant_id integer PRIMARY KEY,
	seq bigint NOT NULL,
	hash bytea NOT NULL
);
COMMENT ON TABLE audit_head IS 'Head of the audit chain; its row lock orders the writers';
COMMENT ON COLUMN audit_head.tenant_id IS 'tenant';
COMMENT ON COLUMN audit_head.seq IS 'last sequence number used';
COMMENT ON COLUMN audit_head.hash IS 'its hash';

INSERT INTO audit_head VALUES (1, 0, decode(repeat('00', 32), 'hex'));

CREATE TABLE event (
	tenant_id integer NOT NULL,
	device_id uuid NOT NULL,
	at bigint NOT NULL,
	seq bigint GENERATED BY DEFAULT AS IDENTITY,
	kind smallint NOT NULL,
	campaign_id uuid,
	job_id bigint,
	detail text NOT NULL DEFAULT '',
	PRIMARY KEY (tenant_id, device_id, at, seq)
) PARTITION BY RANGE (at);
COMMENT ON TABLE event IS 'What happened to devices; append-only';
COMMENT ON COLUMN event.tenant_id IS 'tenant';
COMMENT ON COLUMN event.device_id IS 'device';
COMMENT ON COLUMN event.at IS 'when, by the server''s clock';
COMMENT ON COLUMN event.seq IS 'orders events of one microsecond; gaps mean nothing';
COMMENT ON COLUMN event.kind IS 'enum event_kind';
COMMENT ON COLUMN event.campaign_id IS 'campaign, when it is about one';
COMMENT ON COLUMN event.job_id IS 'job, when it is about one';
COMMENT ON COLUMN event.detail IS 'JSON, small';

CREATE TABLE event_default PARTITION OF event DEFAULT;
CREATE INDEX event_at ON event (tenant_id, at, seq);

CREATE TABLE outbox (
	outbox_id bigserial PRIMARY KEY,
	tenant_id integer NOT NULL,
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	kind smallint NOT NULL,
	campaign_id uuid,
	device_id uuid,
	at bigint NOT NULL
);
COMMENT ON TABLE outbox IS 'Work that must leave this transaction: pushes, invalidations.  NOTIFY muster is only a hint';
COMMENT ON COLUMN outbox.outbox_id IS 'order within what one transaction wrote';
COMMENT ON COLUMN outbox.tenant_id IS 'tenant';
COMMENT ON COLUMN outbox.xid IS 'writer; readers stop at pg_snapshot_xmin, or late commits are skipped';
COMMENT ON COLUMN outbox.kind IS 'enum outbox_kind: 1 campaign changed, 2 device changed, 3 credentials changed';
COMMENT ON COLUMN outbox.campaign_id IS 'campaign concerned';
COMMENT ON COLUMN outbox.device_id IS 'device concerned';
COMMENT ON COLUMN outbox.at IS 'when it was written';

CREATE INDEX outbox_xid ON outbox (xid, outbox_id);

CREATE TABLE lease (
	name text PRIMARY KEY,
	holder uuid,
	fence bigint NOT NULL DEFAULT 0,
	until bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE lease IS 'One holder at a time, by the clock of the database, with a fencing number';
COMMENT ON COLUMN lease.name IS 'what is held, such as ticker';
COMMENT ON COLUMN lease.holder IS 'node that holds it';
COMMENT ON COLUMN lease.fence IS 'grows each time the holder changes; goes into every write made under the lease';
COMMENT ON COLUMN lease.until IS 'when it runs out';

INSERT INTO lease (name) VALUES ('ticker');

CREATE TABLE node (
	node_id uuid PRIMARY KEY,
	name text NOT NULL,
	started_at bigint NOT NULL,
	seen_at bigint NOT NULL
);
COMMENT ON TABLE node IS 'Daemons that share this database';
COMMENT ON COLUMN node.node_id IS 'random at each start of a daemon';
COMMENT ON COLUMN node.name IS 'host name';
COMMENT ON COLUMN node.started_at IS 'when it started';
COMMENT ON COLUMN node.seen_at IS 'when it last said it lives';


CREATE TABLE idempotency (
	tenant_id integer NOT NULL,
	operator_id uuid NOT NULL,
	key text NOT NULL,
	fingerprint bytea NOT NULL,
	status integer NOT NULL,
	location text NOT NULL DEFAULT '',
	etag text NOT NULL DEFAULT '',
	body bytea NOT NULL,
	created_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, operator_id, key)
);
COMMENT ON TABLE idempotency IS 'Answers to requests with an Idempotency-Key, kept for 24 hours';
COMMENT ON COLUMN idempotency.tenant_id IS 'tenant';
COMMENT ON COLUMN idempotency.operator_id IS 'who sent it';
COMMENT ON COLUMN idempotency.key IS 'the header''s value';
COMMENT ON COLUMN idempotency.fingerprint IS 'SHA-256 over method, path and body';
COMMENT ON COLUMN idempotency.status IS 'HTTP status of the answer';
COMMENT ON COLUMN idempotency.location IS 'Location header, empty when there was none';
COMMENT ON COLUMN idempotency.etag IS 'ETag header, empty when there was none';
COMMENT ON COLUMN idempotency.body IS 'body of the answer';
COMMENT ON COLUMN idempotency.created_at IS 'when';

CREATE INDEX idempotency_age ON idempotency (created_at);

-- The bucket hash; base/hash.h has the formula and tests/data/bucket.tsv its frozen vectors.
CREATE FUNCTION bucket_hash(h bigint, s0 bigint, s1 bigint, s2 bigint, s3 bigint, s4 bigint, s5 bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((((h >> 31) * s0 + (h & 2147483647) * s1 + s2) % 2147483647) << 31)
	+ (((h >> 31) * s3 + (h & 2147483647) * s4 + s5) % 2147483647);
COMMENT ON FUNCTION bucket_hash IS 'Places a device (by its hash column) in a campaign (by its salt); the same as bucket_hash() in base/hash.c';
