-- Change notifications for rules: "user:ID" or "domain:NAME", the names under which answers depend on those rows anyway.
DO $$
DECLARE
  key text := 'CASE WHEN changed.user_id IS NOT NULL THEN ''user:'' || changed.user_id'
    ' ELSE ''domain:'' || (SELECT owner.name FROM public.domains AS owner WHERE owner.id = changed.domain_id) END';
BEGIN
  EXECUTE format('CREATE TRIGGER sealpost_announce_insert AFTER INSERT ON public.rules REFERENCING NEW TABLE AS new_rows'
    ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', key);
  EXECUTE format('CREATE TRIGGER sealpost_announce_update AFTER UPDATE ON public.rules'
    ' REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
    ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', key);
  EXECUTE format('CREATE TRIGGER sealpost_announce_delete AFTER DELETE ON public.rules REFERENCING OLD TABLE AS old_rows'
    ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', key);
  EXECUTE format('CREATE TRIGGER sealpost_announce_truncate AFTER TRUNCATE ON public.rules'
    ' FOR EACH STATEMENT EXECUTE FUNCTION sealpost_announce_changes(%L)', key);
END
$$;
