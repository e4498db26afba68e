-- A release holds variants: manifests that end with the same installed digests by other ways, a delta
-- from one precursor, a compressed or an encrypted image.  Each says what a device must have for it.

ALTER TABLE manifest
	ADD COLUMN needs text[] NOT NULL DEFAULT '{}',
	ADD COLUMN base_component text,
	ADD COLUMN base_digest bytea,
	ADD COLUMN bytes bigint NOT NULL DEFAULT 0,
	ADD COLUMN image_bytes bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN manifest.needs IS 'formats that a device must have said it reads, sorted';
COMMENT ON COLUMN manifest.base_component IS 'component that must hold base_digest; NULL: any device of the class';
COMMENT ON COLUMN manifest.base_digest IS 'digest of the precursor';
COMMENT ON COLUMN manifest.bytes IS 'what a device fetches besides the envelope, at most';
COMMENT ON COLUMN manifest.image_bytes IS 'the largest single payload or image in it';

UPDATE manifest m SET bytes = i.sum, image_bytes = i.max FROM (
	SELECT x.tenant_id, x.manifest_digest, sum(i.size)::bigint AS sum, max(i.size) AS max
	FROM manifest_image x JOIN image i ON i.tenant_id = x.tenant_id AND i.digest = x.image_digest
	GROUP BY 1, 2) i
WHERE i.tenant_id = m.tenant_id AND i.manifest_digest = m.digest;

ALTER TABLE device
	ADD COLUMN formats text[] NOT NULL DEFAULT '{}',
	ADD COLUMN only_encrypted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN device.formats IS 'formats of payloads that it reads besides plain images';
COMMENT ON COLUMN device.only_encrypted IS 'it takes no payload that is not encrypted';

ALTER TABLE job
	ADD COLUMN manifest_digest bytea,
	ADD COLUMN bytes_saved bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN job.manifest_digest IS 'variant that was offered last; NULL: none was';
COMMENT ON COLUMN job.bytes_saved IS 'what this variant is smaller than the release''s largest that the device could have had';
