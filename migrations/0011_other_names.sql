CREATE TABLE "domain_names" (
	"name" text PRIMARY KEY NOT NULL,
	"domain_id" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE "domains" ADD COLUMN "local" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "domain_names" ADD CONSTRAINT "domain_names_domain_id_domains_id_fk" FOREIGN KEY ("domain_id") REFERENCES "public"."domains"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "domain_names_domain" ON "domain_names" USING btree ("domain_id");
--> statement-breakpoint
DO $$
DECLARE
  watched record;
BEGIN
  FOR watched IN SELECT 'domain_names' AS name, 'changed.name' AS key
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
