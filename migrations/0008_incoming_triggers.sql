-- Triggers of the queue: exact counts, the ids that left it, and the notification of new mail.

-- Ciphertext does not compress; stored as it is, a piece of it can be read without the rest.
ALTER TABLE incoming ALTER COLUMN content SET STORAGE EXTERNAL;
--> statement-breakpoint
ALTER TABLE incoming_chunks ALTER COLUMN content SET STORAGE EXTERNAL;
--> statement-breakpoint
-- A row per user that changes with every message: room in its page keeps the old versions from growing the table.
ALTER TABLE incoming_counts SET (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
--> statement-breakpoint
-- Tells the lookup daemons of users whose quota the queue counts for; the others' answers do not depend on it.
CREATE FUNCTION sealpost_announce_counts(touched integer[]) RETURNS void LANGUAGE sql
  SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT pg_notify('sealpost_change', json_build_object('table', 'incoming_counts', 'key', u.id::text)::text)
    FROM public.users AS u
   WHERE u.id = ANY (touched) AND (u.quota_bytes IS NOT NULL OR u.quota_messages IS NOT NULL)
$$;
--> statement-breakpoint
-- SECURITY DEFINER, here and below: whoever may add or remove a message need not be able to write the counts.
CREATE FUNCTION sealpost_count_incoming() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  added record;
  last bigint;
  touched integer[] := '{}';
BEGIN
  -- Always in the order of the users, so that two transactions cannot wait for each other.
  FOR added IN
    SELECT user_id, count(*) AS messages, sum(size)::bigint AS bytes, min(number) AS lowest, max(number) AS highest
      FROM new_rows GROUP BY user_id ORDER BY user_id
  LOOP
    SELECT last_number INTO last FROM public.incoming_counts WHERE user_id = added.user_id FOR UPDATE;
    IF added.lowest <= last THEN
      RAISE EXCEPTION 'incoming.number % was given out before, expected more than %', added.lowest, last
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Lock the row of the user in incoming_counts, and count on from its last_number.';
    END IF;
    INSERT INTO public.incoming_counts AS counts (user_id, messages, bytes, last_number)
      VALUES (added.user_id, added.messages, added.bytes, added.highest)
      ON CONFLICT (user_id) DO UPDATE SET
        messages = counts.messages + added.messages,
        bytes = counts.bytes + added.bytes,
        last_number = added.highest;
    touched := touched || added.user_id;
  END LOOP;
  PERFORM public.sealpost_announce_counts(touched);
  PERFORM pg_notify('sealpost_incoming', json_build_object('user', user_id, 'id', id, 'number', number, 'size', size,
      'received', to_char(received AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text)
    FROM new_rows ORDER BY user_id, number;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_count AFTER INSERT ON incoming REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION sealpost_count_incoming();
--> statement-breakpoint
CREATE FUNCTION sealpost_discount_incoming() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  removed record;
  touched integer[] := '{}';
BEGIN
  FOR removed IN
    SELECT user_id, count(*) AS messages, sum(size)::bigint AS bytes FROM old_rows GROUP BY user_id ORDER BY user_id
  LOOP
    UPDATE public.incoming_counts AS counts
       SET messages = counts.messages - removed.messages, bytes = counts.bytes - removed.bytes
     WHERE counts.user_id = removed.user_id;
    touched := touched || removed.user_id;
  END LOOP;
  INSERT INTO public.incoming_acknowledged (id, user_id)
    SELECT id, user_id FROM old_rows ON CONFLICT (id) DO UPDATE SET at = excluded.at;
  PERFORM public.sealpost_announce_counts(touched);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_discount AFTER DELETE ON incoming REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION sealpost_discount_incoming();
--> statement-breakpoint
-- What would make the counts untrue is refused.
CREATE FUNCTION sealpost_refuse_incoming_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a message in incoming is never changed: % refused', TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'DELETE takes messages out of the queue.';
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_unchanged BEFORE UPDATE OR TRUNCATE ON incoming
  FOR EACH STATEMENT EXECUTE FUNCTION sealpost_refuse_incoming_change();
--> statement-breakpoint
CREATE TRIGGER sealpost_unchanged BEFORE UPDATE ON incoming_chunks
  FOR EACH STATEMENT EXECUTE FUNCTION sealpost_refuse_incoming_change();
--> statement-breakpoint
-- A token that was added, revoked or removed; not that it was used, which changes last_used_at only.
CREATE FUNCTION sealpost_announce_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sealpost_change',
    json_build_object('table', 'api_tokens', 'key', coalesce(NEW.user_id, OLD.user_id)::text)::text);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_announce AFTER INSERT OR DELETE OR UPDATE OF user_id, token_hash, revoked_at ON api_tokens
  FOR EACH ROW EXECUTE FUNCTION sealpost_announce_token();
