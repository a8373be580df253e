-- Triggers, which drizzle-kit does not know: change notifications for every cache, and the append-only audit of keys.

-- One notification on channel sealpost_change for each changed row of a statement, {"table": ..., "key": ...}; beyond
-- 100 rows a single one whose key is null ("many: drop everything"). TG_ARGV[0] is the SQL expression that makes the key
-- from a row named "changed".
CREATE FUNCTION sealpost_announce_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  affected text := CASE TG_OP
    WHEN 'INSERT' THEN 'SELECT * FROM new_rows'
    WHEN 'DELETE' THEN 'SELECT * FROM old_rows'
    WHEN 'UPDATE' THEN 'SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows'
  END;
  most integer := CASE TG_OP WHEN 'UPDATE' THEN 200 ELSE 100 END;
  row_count bigint;
  row_key text;
  payload text;
  everything text := json_build_object('table', TG_TABLE_NAME, 'key', NULL)::text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('sealpost_change', everything);
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT count(*) FROM (SELECT FROM (%s) AS changed LIMIT %s) AS counted', affected, most + 1) INTO row_count;
  IF row_count > most THEN
    PERFORM pg_notify('sealpost_change', everything);
    RETURN NULL;
  END IF;
  FOR row_key IN EXECUTE format('SELECT DISTINCT %s FROM (%s) AS changed', TG_ARGV[0], affected) LOOP
    payload := json_build_object('table', TG_TABLE_NAME, 'key', row_key)::text;
    -- pg_notify refuses payloads of 8000 bytes and more, and would take the whole change down with it.
    PERFORM pg_notify('sealpost_change', CASE WHEN octet_length(payload) < 7900 THEN payload ELSE everything END);
  END LOOP;
  RETURN NULL;
END
$$;
--> statement-breakpoint
-- A trigger with transition tables is for one event only, hence three for each table, and one for TRUNCATE.
DO $$
DECLARE
  watched record;
BEGIN
  FOR watched IN
    SELECT * FROM (VALUES
      ('domains', 'changed.name'),
      ('users', 'changed.id::text'),
      ('addresses', 'changed.address'),
      ('alias_targets', '(SELECT alias.address FROM public.addresses AS alias WHERE alias.id = changed.alias_id)'),
      ('keys', 'CASE WHEN changed.user_id IS NOT NULL THEN ''user:'' || changed.user_id'
        ' WHEN changed.contact_id IS NOT NULL THEN ''contact:'' || changed.contact_id'
        ' ELSE ''domain:'' || changed.domain_id END')
    ) AS tables (name, key)
  LOOP
    EXECUTE format('CREATE TRIGGER sealpost_announce_insert AFTER INSERT ON public.%I REFERENCING NEW TABLE AS new_rows'
      ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', watched.name, watched.key);
    EXECUTE format('CREATE TRIGGER sealpost_announce_update AFTER UPDATE ON public.%I'
      ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
      ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', watched.name, watched.key);
    EXECUTE format('CREATE TRIGGER sealpost_announce_delete AFTER DELETE ON public.%I REFERENCING OLD TABLE AS old_rows'
      ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', watched.name, watched.key);
    EXECUTE format('CREATE TRIGGER sealpost_announce_truncate AFTER TRUNCATE ON public.%I'
      ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', watched.name, watched.key);
  END LOOP;
END
$$;
--> statement-breakpoint
-- Writes one audit row. The actor is what the connection says it is (sealpost.actor), else the database role.
CREATE FUNCTION sealpost_audit_key(event text, key keys) RETURNS void LANGUAGE sql AS $$
  INSERT INTO public.key_events
    (event, fingerprint, user_id, contact_id, domain_id, status, source, expires_at, revoked, actor)
  VALUES
    (event, key.fingerprint, key.user_id, key.contact_id, key.domain_id, key.status, key.source, key.expires_at,
     key.revoked, coalesce(nullif(current_setting('sealpost.actor', true), ''), session_user::text))
$$;
--> statement-breakpoint
-- SECURITY DEFINER: whoever may change a key leaves a trace, also a role without rights on key_events.
CREATE FUNCTION sealpost_audit_keys() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  gone public.keys;
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM public.sealpost_audit_key('added', NEW);
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM public.sealpost_audit_key('removed', OLD);
  ELSIF TG_OP = 'TRUNCATE' THEN
    FOR gone IN SELECT * FROM public.keys LOOP
      PERFORM public.sealpost_audit_key('removed', gone);
    END LOOP;
  ELSIF (OLD.fingerprint, OLD.user_id, OLD.contact_id, OLD.domain_id)
      IS DISTINCT FROM (NEW.fingerprint, NEW.user_id, NEW.contact_id, NEW.domain_id) THEN
    -- Another certificate, or another owner: for the audit that is one key less and one more.
    PERFORM public.sealpost_audit_key('removed', OLD);
    PERFORM public.sealpost_audit_key('added', NEW);
  ELSE
    PERFORM public.sealpost_audit_key('changed', NEW);
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_audit_added_removed AFTER INSERT OR DELETE ON keys
  FOR EACH ROW EXECUTE FUNCTION sealpost_audit_keys();
--> statement-breakpoint
CREATE TRIGGER sealpost_audit_changed AFTER UPDATE ON keys
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION sealpost_audit_keys();
--> statement-breakpoint
CREATE TRIGGER sealpost_audit_truncated BEFORE TRUNCATE ON keys
  FOR EACH STATEMENT EXECUTE FUNCTION sealpost_audit_keys();
--> statement-breakpoint
CREATE FUNCTION sealpost_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'key_events is append-only: % refused', TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'The audit of key changes is never edited; add a row that corrects.';
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON key_events
  FOR EACH STATEMENT EXECUTE FUNCTION sealpost_refuse_audit_change();
--> statement-breakpoint
ALTER TABLE key_events ENABLE ALWAYS TRIGGER sealpost_append_only;
