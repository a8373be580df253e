CREATE TABLE "key_notices" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "key_notices_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"audience" text NOT NULL,
	"owner" text NOT NULL,
	"fingerprint" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"days" integer NOT NULL,
	"state" text DEFAULT 'claimed' NOT NULL,
	"mail" text NOT NULL,
	"mail_date" timestamp with time zone NOT NULL,
	"claimed_until" timestamp with time zone NOT NULL,
	"attempts" integer DEFAULT 1 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rules" (
	"id" serial PRIMARY KEY NOT NULL,
	"user_id" integer,
	"domain_id" integer,
	"position" integer NOT NULL,
	"action" text NOT NULL,
	"sender" text,
	"header_name" text,
	"header_pattern" text,
	"larger_than" bigint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "rules_one_owner" CHECK (num_nonnulls("rules"."user_id", "rules"."domain_id") = 1),
	CONSTRAINT "rules_header" CHECK (("rules"."header_name" IS NULL) = ("rules"."header_pattern" IS NULL)),
	CONSTRAINT "rules_condition" CHECK (num_nonnulls("rules"."sender", "rules"."header_name", "rules"."larger_than") > 0)
);
--> statement-breakpoint
ALTER TABLE "rules" ADD CONSTRAINT "rules_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rules" ADD CONSTRAINT "rules_domain_id_domains_id_fk" FOREIGN KEY ("domain_id") REFERENCES "public"."domains"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "key_notices_once" ON "key_notices" USING btree ("audience","owner","fingerprint","expires_at","days");--> statement-breakpoint
CREATE INDEX "key_notices_open" ON "key_notices" USING btree ("claimed_until") WHERE "key_notices"."state" = 'claimed';--> statement-breakpoint
CREATE INDEX "rules_user" ON "rules" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "rules_domain" ON "rules" USING btree ("domain_id");--> statement-breakpoint
CREATE INDEX "keys_expires" ON "keys" USING btree ("expires_at");