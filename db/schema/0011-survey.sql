-- Manifests that came before migration 0007 have nothing recorded of what a device needs for them, later ones
-- nothing that is met in two ways.  The daemon that holds the ticker's lease reads their envelopes again, some at a time.

ALTER TABLE manifest ADD COLUMN surveyed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN manifest.surveyed IS 'needs, base, bytes and image_bytes say what the envelope does; or could not be read; false: to be read again';
COMMENT ON COLUMN manifest.needs IS 'formats that a device must have said it reads, sorted; of those joined by | one is enough';
CREATE INDEX manifest_unsurveyed ON manifest (tenant_id, digest) WHERE NOT surveyed;
