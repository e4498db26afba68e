-- Devices that sign their SUIT reports, and what they signed last about each job.

ALTER TABLE device ADD COLUMN report_key bytea;
COMMENT ON COLUMN device.report_key IS 'public key (SubjectPublicKeyInfo) that its SUIT reports must be signed by; NULL: none need be signed';

CREATE TABLE job_report (
	tenant_id integer NOT NULL,
	device_id uuid NOT NULL,
	job_id bigint NOT NULL,
	attempt integer NOT NULL,
	report bytea NOT NULL,
	received_at bigint NOT NULL,
	PRIMARY KEY (tenant_id, device_id, job_id)
);
COMMENT ON TABLE job_report IS 'The last SUIT report of each job whose signature held';
COMMENT ON COLUMN job_report.tenant_id IS 'tenant';
COMMENT ON COLUMN job_report.device_id IS 'device';
COMMENT ON COLUMN job_report.job_id IS 'job that it is about';
COMMENT ON COLUMN job_report.attempt IS 'attempt that it is about';
COMMENT ON COLUMN job_report.report IS 'COSE_Sign1, the bytes as they came';
COMMENT ON COLUMN job_report.received_at IS 'when it came';
