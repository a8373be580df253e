-- Where the directory came from a backup that nobody has accepted yet: until then no mail goes out in plaintext, since the backup
-- may be older than somebody's key. It stands in the row of the version, so that no answer is read without it.
ALTER TABLE directory_version
  ADD COLUMN restored_from timestamptz,
  ADD COLUMN restored_at timestamptz;
