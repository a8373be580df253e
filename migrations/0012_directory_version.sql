-- The version of the directory: what a cache of it is held against, by the statement that every message runs anyway. It moves
-- once per transaction that changed the directory, and tells what that transaction changed.

-- One row. "stamp" is new with every version: two servers that went apart may count alike, but not stamp alike. Changes of
-- versions up to "floor" are told no more.
CREATE TABLE directory_version (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL,
  stamp uuid NOT NULL DEFAULT gen_random_uuid(),
  floor bigint NOT NULL
);
--> statement-breakpoint
INSERT INTO directory_version (version, floor) VALUES (1, 1);
--> statement-breakpoint
-- What changed, as sealpost_change announces it; key null: many rows of that table. version null: not committed yet.
CREATE TABLE directory_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
  version bigint,
  stamp uuid,
  table_name text NOT NULL,
  key text
);
--> statement-breakpoint
CREATE INDEX directory_changes_version ON directory_changes (version);
--> statement-breakpoint
CREATE INDEX directory_changes_open ON directory_changes (transaction) WHERE version IS NULL;
--> statement-breakpoint
-- SECURITY DEFINER, here and below: whoever may change the directory need not be able to write its version.
CREATE FUNCTION sealpost_note_changes(table_name text, keys text[]) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  noted bigint;
BEGIN
  -- A transaction that changes row after row comes to "many rows" in the end, and not to as many notes.
  SELECT count(*) INTO noted FROM (
    SELECT FROM public.directory_changes AS c
     WHERE c.version IS NULL AND c.transaction = pg_current_xact_id() LIMIT 201) AS counted;
  IF noted > 200 THEN
    keys := ARRAY[NULL::text];
    IF EXISTS (SELECT FROM public.directory_changes AS c
                WHERE c.version IS NULL AND c.transaction = pg_current_xact_id()
                  AND c.table_name = sealpost_note_changes.table_name AND c.key IS NULL) THEN
      RETURN;
    END IF;
  END IF;
  INSERT INTO public.directory_changes (table_name, key)
    SELECT sealpost_note_changes.table_name, changed FROM unnest(keys) AS changed;
END
$$;
--> statement-breakpoint
-- As before (0001_triggers.sql), and noted for the version. What a mailbox holds is announced, and is no part of the version.
CREATE OR REPLACE FUNCTION sealpost_announce_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  affected text := CASE TG_OP
    WHEN 'INSERT' THEN 'SELECT * FROM new_rows'
    WHEN 'DELETE' THEN 'SELECT * FROM old_rows'
    WHEN 'UPDATE' THEN 'SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows'
  END;
  most integer := CASE TG_OP WHEN 'UPDATE' THEN 200 ELSE 100 END;
  row_count bigint := 0;
  row_keys text[];
  row_key text;
  payload text;
  everything text := json_build_object('table', TG_TABLE_NAME, 'key', NULL)::text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    row_keys := ARRAY[NULL::text];
  ELSE
    EXECUTE format('SELECT count(*) FROM (SELECT FROM (%s) AS changed LIMIT %s) AS counted', affected, most + 1) INTO row_count;
    IF row_count = 0 THEN
      RETURN NULL;
    ELSIF row_count > most THEN
      row_keys := ARRAY[NULL::text];
    ELSE
      EXECUTE format('SELECT array_agg(DISTINCT %s) FROM (%s) AS changed', TG_ARGV[0], affected) INTO row_keys;
    END IF;
  END IF;
  FOREACH row_key IN ARRAY row_keys LOOP
    payload := json_build_object('table', TG_TABLE_NAME, 'key', row_key)::text;
    -- pg_notify refuses payloads of 8000 bytes and more, and would take the whole change down with it.
    PERFORM pg_notify('sealpost_change', CASE WHEN octet_length(payload) < 7900 THEN payload ELSE everything END);
  END LOOP;
  IF TG_TABLE_NAME <> 'user_usage' THEN
    PERFORM public.sealpost_note_changes(TG_TABLE_NAME, row_keys);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- At COMMIT, once per transaction: the version's row is locked while COMMIT runs and no longer, so that versions are in the
-- order of the commits, and a long transaction holds up nobody.
CREATE FUNCTION sealpost_move_version() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  moved bigint;
  stamped uuid;
BEGIN
  IF NOT EXISTS (SELECT FROM public.directory_changes AS c WHERE c.id = NEW.id AND c.version IS NULL) THEN
    RETURN NULL;
  END IF;
  UPDATE public.directory_version AS v SET version = v.version + 1, stamp = gen_random_uuid()
    RETURNING v.version, v.stamp INTO moved, stamped;
  UPDATE public.directory_changes AS c SET version = moved, stamp = stamped
   WHERE c.version IS NULL AND c.transaction = NEW.transaction;
  IF moved % 1000 = 0 THEN
    DELETE FROM public.directory_changes AS c WHERE c.version <= moved - 10000;
    UPDATE public.directory_version AS v SET floor = greatest(v.floor, moved - 10000);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE CONSTRAINT TRIGGER sealpost_move_version AFTER INSERT ON directory_changes
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sealpost_move_version();
