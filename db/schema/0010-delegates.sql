-- Author keys that may let further devices into an encrypted release, and sign nothing else.

ALTER TABLE author_key ADD COLUMN delegate boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN author_key.delegate IS 'signs admissions of devices to a release that is there, and nothing else';
