-- Manifests that came before migration 0007 have nothing recorded of what a device needs for them.  The
-- daemon that holds the ticker's lease reads their envelopes again, some at a time.

ALTER TABLE manifest ADD COLUMN surveyed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN manifest.surveyed IS 'needs, base, bytes and image_bytes say what the envelope does; false: to be read again';
CREATE INDEX manifest_unsurveyed ON manifest (tenant_id, digest) WHERE NOT surveyed;
