-- The fleet: classes, devices, author keys, images, manifests, releases.

CREATE TABLE class (
	tenant_id integer NOT NULL,
	vendor_id uuid NOT NULL,
	class_id uuid NOT NULL,
	vendor text NOT NULL DEFAULT '',
	name text NOT NULL DEFAULT '',
	confirm smallint NOT NULL DEFAULT 0,
	revision bigint NOT NULL DEFAULT 1,
	created_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, vendor_id, class_id)
);
COMMENT ON TABLE class IS 'Devices that can run the same image: vendor id and class id, with their policy';
COMMENT ON COLUMN class.tenant_id IS 'tenant';
COMMENT ON COLUMN class.vendor_id IS 'UUIDv5 of the vendor''s domain';
COMMENT ON COLUMN class.class_id IS 'UUIDv5 of the class text under the vendor id';
COMMENT ON COLUMN class.vendor IS 'the domain, when known';
COMMENT ON COLUMN class.name IS 'the class text, when known';
COMMENT ON COLUMN class.confirm IS 'what proves an update: 0 the digest, 1 the version';
COMMENT ON COLUMN class.revision IS 'grows with each change; the ETag';
COMMENT ON COLUMN class.created_at IS 'when it was made';


CREATE TABLE class_sequence (
	tenant_id integer NOT NULL,
	vendor_id uuid NOT NULL,
	class_id uuid NOT NULL,
	components text NOT NULL,
	sequence bigint NOT NULL,
	PRIMARY KEY (tenant_id, vendor_id, class_id, components)
);
COMMENT ON TABLE class_sequence IS 'Highest sequence number released, per class and set of components; compared and set';
COMMENT ON COLUMN class_sequence.tenant_id IS 'tenant';
COMMENT ON COLUMN class_sequence.vendor_id IS 'class';
COMMENT ON COLUMN class_sequence.class_id IS 'class';
COMMENT ON COLUMN class_sequence.components IS 'names of the components, sorted, joined by a comma';
COMMENT ON COLUMN class_sequence.sequence IS 'last one used';


CREATE TABLE author_key (
	tenant_id integer NOT NULL,
	author_key_id uuid NOT NULL,
	vendor_id uuid NOT NULL,
	class_id uuid NOT NULL,
	component text NOT NULL DEFAULT '',
	kid bytea NOT NULL,
	public_key bytea NOT NULL,
	name text NOT NULL DEFAULT '',
	revoked_at bigint,
	created_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, author_key_id)
);
COMMENT ON TABLE author_key IS 'Public keys of authors: whose signature counts for which class and component';
COMMENT ON COLUMN author_key.tenant_id IS 'tenant';
COMMENT ON COLUMN author_key.author_key_id IS 'random id';
COMMENT ON COLUMN author_key.vendor_id IS 'class it may sign for';
COMMENT ON COLUMN author_key.class_id IS 'class it may sign for';
COMMENT ON COLUMN author_key.component IS 'component it may sign for; empty: every component of the class';
COMMENT ON COLUMN author_key.kid IS 'key id that stands in the COSE header';
COMMENT ON COLUMN author_key.public_key IS 'SubjectPublicKeyInfo, DER';
COMMENT ON COLUMN author_key.name IS 'for people';
COMMENT ON COLUMN author_key.revoked_at IS 'when it stopped counting; NULL while it counts';
COMMENT ON COLUMN author_key.created_at IS 'when it was registered';

CREATE UNIQUE INDEX author_key_scope ON author_key (tenant_id, vendor_id, class_id, kid, component);

CREATE TABLE image (
	tenant_id integer NOT NULL,
	digest bytea NOT NULL,
	size bigint NOT NULL,
	created_by uuid,
	created_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, digest)
);
COMMENT ON TABLE image IS 'Payload bytes known by digest; the bytes are files in the state directory';
COMMENT ON COLUMN image.tenant_id IS 'tenant';
COMMENT ON COLUMN image.digest IS 'SHA-256 of the bytes';
COMMENT ON COLUMN image.size IS 'bytes';
COMMENT ON COLUMN image.created_by IS 'operator who uploaded it';
COMMENT ON COLUMN image.created_at IS 'when';


CREATE TABLE release (
	tenant_id integer NOT NULL,
	release_id uuid NOT NULL,
	vendor_id uuid NOT NULL,
	class_id uuid NOT NULL,
	components text NOT NULL,
	version text NOT NULL,
	version_key bytea NOT NULL,
	sequence bigint NOT NULL,
	notes text NOT NULL DEFAULT '',
	withdrawn_at bigint,
	revision bigint NOT NULL DEFAULT 1,
	created_by uuid,
	created_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, release_id)
);
COMMENT ON TABLE release IS 'One version for one class';
COMMENT ON COLUMN release.tenant_id IS 'tenant';
COMMENT ON COLUMN release.release_id IS 'random id';
COMMENT ON COLUMN release.vendor_id IS 'class';
COMMENT ON COLUMN release.class_id IS 'class';
COMMENT ON COLUMN release.components IS 'names of the components, sorted, joined by a comma';
COMMENT ON COLUMN release.version IS 'version of the release';
COMMENT ON COLUMN release.version_key IS 'order-preserving key of the version, made in C';
COMMENT ON COLUMN release.sequence IS 'sequence number of its manifests';
COMMENT ON COLUMN release.notes IS 'for people';
COMMENT ON COLUMN release.withdrawn_at IS 'when it stopped being offered; NULL while it may be';
COMMENT ON COLUMN release.revision IS 'grows with each change; the ETag';
COMMENT ON COLUMN release.created_by IS 'operator who uploaded it';
COMMENT ON COLUMN release.created_at IS 'when';

CREATE UNIQUE INDEX release_sequence ON release (tenant_id, vendor_id, class_id, components, sequence);

CREATE TABLE manifest (
	tenant_id integer NOT NULL,
	digest bytea NOT NULL,
	release_id uuid NOT NULL,
	envelope bytea NOT NULL,
	PRIMARY KEY (tenant_id, digest)
);
COMMENT ON TABLE manifest IS 'Signed SUIT envelopes, the bytes that came';
COMMENT ON COLUMN manifest.tenant_id IS 'tenant';
COMMENT ON COLUMN manifest.digest IS 'manifest digest: the one inside the authentication wrapper';
COMMENT ON COLUMN manifest.release_id IS 'release it belongs to';
COMMENT ON COLUMN manifest.envelope IS 'the bytes as uploaded, never encoded again';

CREATE INDEX manifest_release ON manifest (tenant_id, release_id);

CREATE TABLE manifest_image (
	tenant_id integer NOT NULL,
	manifest_digest bytea NOT NULL,
	image_digest bytea NOT NULL,
	PRIMARY KEY (tenant_id, manifest_digest, image_digest)
);
COMMENT ON TABLE manifest_image IS 'Images a manifest makes a device fetch';
COMMENT ON COLUMN manifest_image.tenant_id IS 'tenant';
COMMENT ON COLUMN manifest_image.manifest_digest IS 'manifest';
COMMENT ON COLUMN manifest_image.image_digest IS 'image';

CREATE INDEX manifest_image_image ON manifest_image (tenant_id, image_digest);

CREATE TABLE release_installed (
	tenant_id integer NOT NULL,
	release_id uuid NOT NULL,
	component text NOT NULL,
	digest bytea NOT NULL,
	PRIMARY KEY (tenant_id, release_id, component, digest)
);
COMMENT ON TABLE release_installed IS 'Digests that a device on this release reports: what proves the update';
COMMENT ON COLUMN release_installed.tenant_id IS 'tenant';
COMMENT ON COLUMN release_installed.release_id IS 'release';
COMMENT ON COLUMN release_installed.component IS 'component';
COMMENT ON COLUMN release_installed.digest IS 'digest as installed';


CREATE TABLE device (
	tenant_id integer NOT NULL,
	device_id uuid NOT NULL,
	endpoint text COLLATE "C" NOT NULL,
	hash bigint NOT NULL,
	lifecycle smallint NOT NULL DEFAULT 0,
	credential smallint NOT NULL DEFAULT 0,
	psk_sealed bytea,
	certificate bytea,
	vendor_id uuid,
	class_id uuid,
	boot_id bytea,
	registration bytea,
	max_envelope bigint NOT NULL DEFAULT 0,
	max_image bigint NOT NULL DEFAULT 0,
	block_size integer NOT NULL DEFAULT 0,
	next_wake_at bigint,
	attributes jsonb NOT NULL DEFAULT '{}',
	revision bigint NOT NULL DEFAULT 1,
	created_at bigint NOT NULL,
	registered_at bigint,
	PRIMARY KEY (tenant_id, device_id)
);
COMMENT ON TABLE device IS 'Things in the field';
COMMENT ON COLUMN device.tenant_id IS 'tenant';
COMMENT ON COLUMN device.device_id IS 'HMAC of the endpoint name under the tenant''s secret, cut to 16 bytes';
COMMENT ON COLUMN device.endpoint IS 'endpoint name';
COMMENT ON COLUMN device.hash IS 'bucket_device_hash() of the id, input of bucket_hash()';
COMMENT ON COLUMN device.lifecycle IS '0 provisioned, 1 active, 2 revoked';
COMMENT ON COLUMN device.credential IS '0 none, 1 pre-shared key, 2 certificate';
COMMENT ON COLUMN device.psk_sealed IS 'pre-shared key, sealed with the key in the state directory';
COMMENT ON COLUMN device.certificate IS 'SHA-256 of the one certificate that opens a session for it; NULL when its credential is none';
COMMENT ON COLUMN device.vendor_id IS 'class it says it is; NULL until it registers';
COMMENT ON COLUMN device.class_id IS 'class it says it is; NULL until it registers';
COMMENT ON COLUMN device.boot_id IS 'of the boot it registered from last';
COMMENT ON COLUMN device.registration IS 'SHA-256 of its last registration: an equal one changes nothing';
COMMENT ON COLUMN device.max_envelope IS 'largest envelope it can take, 0 not said';
COMMENT ON COLUMN device.max_image IS 'largest image it can take, 0 not said';
COMMENT ON COLUMN device.block_size IS 'preferred block size, 0 not said';
COMMENT ON COLUMN device.next_wake_at IS 'when it said it would come back';
COMMENT ON COLUMN device.attributes IS 'names to text values: what the device said, and labels by operators';
COMMENT ON COLUMN device.revision IS 'grows with each change; the ETag';
COMMENT ON COLUMN device.created_at IS 'when it was provisioned';
COMMENT ON COLUMN device.registered_at IS 'when it first registered';

CREATE INDEX device_class ON device (tenant_id, vendor_id, class_id);
CREATE INDEX device_endpoint ON device (tenant_id, endpoint);
CREATE INDEX device_attributes ON device USING gin (attributes jsonb_path_ops);

CREATE TABLE device_seen (
	tenant_id integer NOT NULL,
	device_id uuid NOT NULL,
	seen_at bigint NOT NULL,
	fetched_at bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant_id, device_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE device_seen IS 'When a device was last heard of; narrow, because it changes all the time';
COMMENT ON COLUMN device_seen.tenant_id IS 'tenant';
COMMENT ON COLUMN device_seen.device_id IS 'device';
COMMENT ON COLUMN device_seen.seen_at IS 'last sign of life, late by up to the flush interval';
COMMENT ON COLUMN device_seen.fetched_at IS 'when it last fetched a block of an image, 0 never: a slow download is progress';


CREATE TABLE device_session (
	tenant_id integer NOT NULL,
	device_id uuid NOT NULL,
	node_id uuid NOT NULL,
	epoch bigint NOT NULL,
	PRIMARY KEY (tenant_id, device_id)
);
COMMENT ON TABLE device_session IS 'Which daemon holds a device''s session, for targeted pushes';
COMMENT ON COLUMN device_session.tenant_id IS 'tenant';
COMMENT ON COLUMN device_session.device_id IS 'device';
COMMENT ON COLUMN device_session.node_id IS 'daemon';
COMMENT ON COLUMN device_session.epoch IS 'grows with each new session';


CREATE TABLE component (
	tenant_id integer NOT NULL,
	device_id uuid NOT NULL,
	name text NOT NULL,
	digest bytea,
	version text,
	version_key bytea,
	updated_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, device_id, name)
);
COMMENT ON TABLE component IS 'Separately updatable parts of a device, as it last reported them';
COMMENT ON COLUMN component.tenant_id IS 'tenant';
COMMENT ON COLUMN component.device_id IS 'device';
COMMENT ON COLUMN component.name IS 'component name';
COMMENT ON COLUMN component.digest IS 'digest of what runs there; NULL not said';
COMMENT ON COLUMN component.version IS 'version it says; NULL not said';
COMMENT ON COLUMN component.version_key IS 'order-preserving key of the version, made in C';
COMMENT ON COLUMN component.updated_at IS 'when it changed last';

