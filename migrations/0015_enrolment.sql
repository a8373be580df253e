CREATE TABLE "enrolment_letters" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "enrolment_letters_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"kind" text NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"seal" text NOT NULL,
	"submission_id" bigint,
	"recovery_id" bigint,
	"key_kind" text,
	"fingerprint" text,
	"certificate" "bytea",
	"created_at" timestamp with time zone NOT NULL,
	"next_at" timestamp with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"failed_at" timestamp with time zone,
	"error" text
);
--> statement-breakpoint
CREATE TABLE "enrolment_limits" (
	"name" text NOT NULL,
	"subject" "bytea" NOT NULL,
	"count" integer NOT NULL,
	"ends_at" timestamp with time zone NOT NULL,
	CONSTRAINT "enrolment_limits_name_subject_pk" PRIMARY KEY("name","subject")
);
--> statement-breakpoint
CREATE TABLE "enrolment_recoveries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "enrolment_recoveries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"change" jsonb NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"due_at" timestamp with time zone NOT NULL,
	"letters" integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "enrolment_submissions" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "enrolment_submissions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"fingerprint" text NOT NULL,
	"kind" text NOT NULL,
	"intent" text NOT NULL,
	"upload" "bytea" NOT NULL,
	"level" text NOT NULL,
	"proven_by" text[] DEFAULT '{}'::text[] NOT NULL,
	"actor" text NOT NULL,
	"submitted_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"letter_sent_at" timestamp with time zone,
	"read_at" timestamp with time zone,
	"recovery_id" bigint
);
--> statement-breakpoint
CREATE TABLE "enrolment_tokens" (
	"token_hash" "bytea" PRIMARY KEY NOT NULL,
	"user_id" integer NOT NULL,
	"address" text NOT NULL,
	"action" text NOT NULL,
	"fingerprint" text DEFAULT '' NOT NULL,
	"submission_id" bigint,
	"recovery_id" bigint,
	"sealed_to" text[] DEFAULT '{}'::text[] NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "enrolments" (
	"user_id" integer PRIMARY KEY NOT NULL,
	"language" text,
	"undo_until" timestamp with time zone,
	"stops" integer DEFAULT 0 NOT NULL,
	"paused_until" timestamp with time zone,
	"paused_encrypt" boolean
);
--> statement-breakpoint
CREATE TABLE "portal_sessions" (
	"secret_hash" "bytea" PRIMARY KEY NOT NULL,
	"user_id" integer NOT NULL,
	"sealed_to" text[] DEFAULT '{}'::text[] NOT NULL,
	"language" text NOT NULL,
	"opened_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "reader_changes" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "reader_changes_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"user_id" integer NOT NULL,
	"transaction" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"before" jsonb NOT NULL
);
--> statement-breakpoint
ALTER TABLE "key_events" ADD COLUMN "hash" "bytea";--> statement-breakpoint
ALTER TABLE "enrolment_letters" ADD CONSTRAINT "enrolment_letters_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_letters" ADD CONSTRAINT "enrolment_letters_submission_id_enrolment_submissions_id_fk" FOREIGN KEY ("submission_id") REFERENCES "public"."enrolment_submissions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_letters" ADD CONSTRAINT "enrolment_letters_recovery_id_enrolment_recoveries_id_fk" FOREIGN KEY ("recovery_id") REFERENCES "public"."enrolment_recoveries"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_recoveries" ADD CONSTRAINT "enrolment_recoveries_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_submissions" ADD CONSTRAINT "enrolment_submissions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_submissions" ADD CONSTRAINT "enrolment_submissions_recovery_id_enrolment_recoveries_id_fk" FOREIGN KEY ("recovery_id") REFERENCES "public"."enrolment_recoveries"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_tokens" ADD CONSTRAINT "enrolment_tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_tokens" ADD CONSTRAINT "enrolment_tokens_submission_id_enrolment_submissions_id_fk" FOREIGN KEY ("submission_id") REFERENCES "public"."enrolment_submissions"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolment_tokens" ADD CONSTRAINT "enrolment_tokens_recovery_id_enrolment_recoveries_id_fk" FOREIGN KEY ("recovery_id") REFERENCES "public"."enrolment_recoveries"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "enrolments" ADD CONSTRAINT "enrolments_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "portal_sessions" ADD CONSTRAINT "portal_sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reader_changes" ADD CONSTRAINT "reader_changes_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "enrolment_letters_next" ON "enrolment_letters" USING btree ("next_at") WHERE "enrolment_letters"."failed_at" IS NULL;--> statement-breakpoint
CREATE INDEX "enrolment_letters_asked" ON "enrolment_letters" USING btree ("next_at") WHERE "enrolment_letters"."failed_at" IS NULL AND "enrolment_letters"."kind" <> 'readers';--> statement-breakpoint
CREATE INDEX "enrolment_letters_user" ON "enrolment_letters" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "enrolment_letters_submission" ON "enrolment_letters" USING btree ("submission_id");--> statement-breakpoint
CREATE INDEX "enrolment_letters_recovery" ON "enrolment_letters" USING btree ("recovery_id");--> statement-breakpoint
CREATE INDEX "enrolment_limits_ends" ON "enrolment_limits" USING btree ("ends_at");--> statement-breakpoint
CREATE UNIQUE INDEX "enrolment_recoveries_user" ON "enrolment_recoveries" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "enrolment_recoveries_due" ON "enrolment_recoveries" USING btree ("due_at");--> statement-breakpoint
CREATE UNIQUE INDEX "enrolment_submissions_once" ON "enrolment_submissions" USING btree ("user_id","fingerprint");--> statement-breakpoint
CREATE INDEX "enrolment_submissions_expires" ON "enrolment_submissions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "enrolment_submissions_recovery" ON "enrolment_submissions" USING btree ("recovery_id");--> statement-breakpoint
CREATE INDEX "enrolment_tokens_user" ON "enrolment_tokens" USING btree ("user_id","action");--> statement-breakpoint
CREATE INDEX "enrolment_tokens_expires" ON "enrolment_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "enrolment_tokens_submission" ON "enrolment_tokens" USING btree ("submission_id");--> statement-breakpoint
CREATE INDEX "enrolment_tokens_recovery" ON "enrolment_tokens" USING btree ("recovery_id");--> statement-breakpoint
CREATE INDEX "portal_sessions_user" ON "portal_sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "portal_sessions_used" ON "portal_sessions" USING btree ("used_at");--> statement-breakpoint
CREATE UNIQUE INDEX "reader_changes_once" ON "reader_changes" USING btree ("user_id","transaction");--> statement-breakpoint
CREATE INDEX "reader_changes_user" ON "reader_changes" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "key_events_user" ON "key_events" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "key_events_contact" ON "key_events" USING btree ("contact_id","id");--> statement-breakpoint
CREATE INDEX "key_events_domain" ON "key_events" USING btree ("domain_id","id");--> statement-breakpoint
-- From here on: functions and triggers, which drizzle-kit does not know.

-- The chain of key_events: what a row's hash is taken over, behind the hash of the owner's row before (src/keys/chain.ts computes
-- the same). The actor comes last: it is the only field that may hold a line feed.
CREATE FUNCTION sealpost_key_event_text(event key_events) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT array_to_string(ARRAY[
    to_char(event.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    event.event,
    event.fingerprint,
    CASE WHEN event.user_id IS NOT NULL THEN 'user:' || event.user_id
         WHEN event.contact_id IS NOT NULL THEN 'contact:' || event.contact_id
         ELSE 'domain:' || event.domain_id END,
    event.status,
    event.source,
    coalesce(to_char(event.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '-'),
    event.revoked::text,
    event.actor], E'\n')
$$;
--> statement-breakpoint
-- The owner's row is locked until the transaction ends: two changes at once would both follow the same row. A hash that is given
-- is kept: a restored backup brings its own.
CREATE FUNCTION sealpost_chain_key_event() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  previous bytea;
BEGIN
  IF NEW.hash IS NOT NULL THEN
    RETURN NEW;
  END IF;
  IF NEW.user_id IS NOT NULL THEN
    PERFORM FROM public.users AS u WHERE u.id = NEW.user_id FOR NO KEY UPDATE;
    SELECT e.hash INTO previous FROM public.key_events AS e
      WHERE e.user_id = NEW.user_id ORDER BY e.id DESC LIMIT 1;
  ELSIF NEW.contact_id IS NOT NULL THEN
    PERFORM FROM public.addresses AS a WHERE a.id = NEW.contact_id FOR NO KEY UPDATE;
    SELECT e.hash INTO previous FROM public.key_events AS e
      WHERE e.contact_id = NEW.contact_id ORDER BY e.id DESC LIMIT 1;
  ELSE
    PERFORM FROM public.domains AS d WHERE d.id = NEW.domain_id FOR NO KEY UPDATE;
    SELECT e.hash INTO previous FROM public.key_events AS e
      WHERE e.domain_id = NEW.domain_id ORDER BY e.id DESC LIMIT 1;
  END IF;
  NEW.hash := sha256(coalesce(previous, ''::bytea) || convert_to(public.sealpost_key_event_text(NEW), 'UTF8'));
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_chain BEFORE INSERT ON key_events
  FOR EACH ROW EXECUTE FUNCTION sealpost_chain_key_event();
--> statement-breakpoint
-- Who can read a user's mail, and what decides whether it is sealed at all.
CREATE FUNCTION sealpost_readers(owner integer) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'keys', coalesce((
      SELECT jsonb_agg(jsonb_build_object('kind', k.kind, 'fingerprint', k.fingerprint,
                                          'certificate', encode(k.certificate, 'base64')) ORDER BY k.id)
        FROM public.keys AS k WHERE k.user_id = owner AND k.status = 'active' AND NOT k.revoked), '[]'::jsonb),
    'user', u.settings,
    'domain', d.settings,
    'forwards', to_jsonb(u.forwards),
    'rules', coalesce((
      SELECT jsonb_agg(jsonb_build_object('id', r.id, 'action', r.action) ORDER BY r.id)
        FROM public.rules AS r WHERE r.user_id = owner OR r.domain_id = u.domain_id), '[]'::jsonb))
    FROM public.users AS u JOIN public.domains AS d ON d.id = u.domain_id WHERE u.id = owner
$$;
--> statement-breakpoint
-- Keeps what was before, once for each user and transaction: the first change of a transaction finds it. A user who was removed
-- has no mail that somebody could read.
CREATE FUNCTION sealpost_note_readers(owner integer) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM FROM public.users AS u WHERE u.id = owner FOR NO KEY UPDATE;
  IF NOT FOUND OR EXISTS (SELECT FROM public.reader_changes AS c
      WHERE c.user_id = owner AND c.transaction = pg_current_xact_id()::text) THEN
    RETURN;
  END IF;
  INSERT INTO public.reader_changes (user_id, transaction, actor, before)
  VALUES (owner, pg_current_xact_id()::text,
          coalesce(nullif(current_setting('sealpost.actor', true), ''), session_user::text),
          public.sealpost_readers(owner));
END
$$;
--> statement-breakpoint
CREATE FUNCTION sealpost_note_reader_change() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  owners integer[] := '{}';
  home integer;
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'users' THEN
      owners := ARRAY[NEW.id];
    WHEN 'domains' THEN
      home := NEW.id;
    ELSE
      -- keys and rules: both name a user or a domain; a domain's key is nobody's own.
      IF TG_OP <> 'INSERT' THEN
        owners := ARRAY[OLD.user_id];
        IF TG_TABLE_NAME = 'rules' THEN home := OLD.domain_id; END IF;
      END IF;
      IF TG_OP <> 'DELETE' THEN
        owners := owners || NEW.user_id;
        IF TG_TABLE_NAME = 'rules' THEN home := coalesce(NEW.domain_id, home); END IF;
      END IF;
  END CASE;
  IF home IS NOT NULL THEN
    owners := owners || ARRAY(SELECT u.id FROM public.users AS u WHERE u.domain_id = home
      AND EXISTS (SELECT FROM public.keys AS k WHERE k.user_id = u.id));
  END IF;
  -- In one order, so that two changes at once wait for each other and do not stand in each other's way.
  PERFORM public.sealpost_note_readers(owner) FROM (
    SELECT DISTINCT each FROM unnest(owners) AS each WHERE each IS NOT NULL ORDER BY each) AS named (owner);
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
--> statement-breakpoint
CREATE TRIGGER sealpost_note_readers_gained_lost BEFORE INSERT OR DELETE ON keys
  FOR EACH ROW EXECUTE FUNCTION sealpost_note_reader_change();
--> statement-breakpoint
CREATE TRIGGER sealpost_note_readers_changed BEFORE UPDATE ON keys
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION sealpost_note_reader_change();
--> statement-breakpoint
CREATE TRIGGER sealpost_note_readers_rule BEFORE INSERT OR UPDATE OR DELETE ON rules
  FOR EACH ROW EXECUTE FUNCTION sealpost_note_reader_change();
--> statement-breakpoint
CREATE TRIGGER sealpost_note_readers_user BEFORE UPDATE OF settings, forwards ON users
  FOR EACH ROW WHEN ((OLD.settings, OLD.forwards) IS DISTINCT FROM (NEW.settings, NEW.forwards))
  EXECUTE FUNCTION sealpost_note_reader_change();
--> statement-breakpoint
CREATE TRIGGER sealpost_note_readers_domain BEFORE UPDATE OF settings ON domains
  FOR EACH ROW WHEN (OLD.settings IS DISTINCT FROM NEW.settings)
  EXECUTE FUNCTION sealpost_note_reader_change();
