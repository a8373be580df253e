-- Where Dovecot's dict-sql writes: it says INSERT ... ON CONFLICT (username), which needs a table with that key, and no view will do.
-- The table stays empty: what is written goes to the user's usage, as with mailbox_usage.
CREATE TABLE dovecot_usage (username text PRIMARY KEY, bytes bigint, messages bigint);
--> statement-breakpoint
-- SECURITY DEFINER: Dovecot's role needs to be able to write nothing else.
CREATE FUNCTION sealpost_write_dovecot_usage() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM public.sealpost_set_usage(NEW.username, NEW.bytes, NEW.messages);
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_write_dovecot_usage BEFORE INSERT ON dovecot_usage
  FOR EACH ROW EXECUTE FUNCTION sealpost_write_dovecot_usage();
