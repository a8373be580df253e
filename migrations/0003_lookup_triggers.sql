-- Triggers for the tables of the lookup daemons, and the ways in which another program writes what a mailbox holds.

DO $$
DECLARE
  watched record;
BEGIN
  FOR watched IN
    SELECT * FROM (VALUES
      ('user_usage', 'changed.user_id::text'),
      ('sender_logins', 'changed.address'),
      ('client_fingerprints', 'changed.fingerprint')
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
-- The user that a mailbox program names: "id_12", "id_12@anything", or the primary address.
CREATE FUNCTION sealpost_mailbox_user(mailbox text) RETURNS integer LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(
    (SELECT u.id FROM public.users AS u
      WHERE u.id = CASE WHEN mailbox ~* '^id_[1-9][0-9]{0,8}(@.*)?$'
                        THEN substring(lower(mailbox) FROM '^id_([0-9]+)')::integer END),
    (SELECT a.user_id FROM public.addresses AS a
      WHERE a.kind = 'user' AND a.address IN (mailbox, lower(mailbox))
      ORDER BY a.address = mailbox DESC LIMIT 1))
$$;
--> statement-breakpoint
-- SELECT sealpost_set_usage('alice@example.org', 52428800, 1312): what that mailbox holds now. NULL leaves a number as it is.
CREATE FUNCTION sealpost_set_usage(mailbox text, bytes bigint, messages bigint DEFAULT NULL) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  id integer := public.sealpost_mailbox_user(mailbox);
BEGIN
  IF id IS NULL THEN
    RAISE EXCEPTION 'no user has the mailbox %', mailbox
      USING ERRCODE = 'no_data_found', HINT = 'Expected id_NUMBER, or the primary address of a user; see "sealpost user list".';
  END IF;
  INSERT INTO public.user_usage AS usage (user_id, bytes, messages)
    VALUES (id, greatest(coalesce(sealpost_set_usage.bytes, 0), 0), greatest(coalesce(sealpost_set_usage.messages, 0), 0))
    ON CONFLICT (user_id) DO UPDATE SET
      bytes = greatest(coalesce(sealpost_set_usage.bytes, usage.bytes), 0),
      messages = greatest(coalesce(sealpost_set_usage.messages, usage.messages), 0),
      updated_at = now()
    -- A mailbox that did not change announces nothing.
    WHERE (usage.bytes, usage.messages) IS DISTINCT FROM
      (greatest(coalesce(sealpost_set_usage.bytes, usage.bytes), 0),
       greatest(coalesce(sealpost_set_usage.messages, usage.messages), 0));
END
$$;
--> statement-breakpoint
-- The same as a table, for programs that know INSERT, UPDATE and SELECT only (Dovecot's dict-sql): an INSERT for a mailbox
-- that is there already sets its numbers.
CREATE VIEW mailbox_usage AS
  SELECT a.address AS username, coalesce(g.bytes, 0) AS bytes, coalesce(g.messages, 0) AS messages,
         u.quota_bytes, u.quota_messages, 'id_' || u.id AS mailbox
  FROM users u
  JOIN addresses a ON a.user_id = u.id AND a.kind = 'user'
  LEFT JOIN user_usage g ON g.user_id = u.id;
--> statement-breakpoint
CREATE FUNCTION sealpost_write_mailbox_usage() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM public.sealpost_set_usage(OLD.username, 0, 0);
    RETURN OLD;
  END IF;
  PERFORM public.sealpost_set_usage(NEW.username, NEW.bytes, NEW.messages);
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_write_mailbox_usage INSTEAD OF INSERT OR UPDATE OR DELETE ON mailbox_usage
  FOR EACH ROW EXECUTE FUNCTION sealpost_write_mailbox_usage();
