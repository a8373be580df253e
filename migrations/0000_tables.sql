CREATE TABLE "addresses" (
	"id" serial PRIMARY KEY NOT NULL,
	"address" text NOT NULL,
	"domain" text NOT NULL,
	"kind" text NOT NULL,
	"user_id" integer,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "addresses_address_unique" UNIQUE("address"),
	CONSTRAINT "addresses_kind_user" CHECK (("addresses"."kind" = 'user') = ("addresses"."user_id" IS NOT NULL))
);
--> statement-breakpoint
CREATE TABLE "alias_targets" (
	"alias_id" integer NOT NULL,
	"position" integer NOT NULL,
	"target" text NOT NULL,
	"target_user_id" integer,
	CONSTRAINT "alias_targets_alias_id_position_pk" PRIMARY KEY("alias_id","position")
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"message_key" "bytea" NOT NULL,
	"recipient_key" "bytea" NOT NULL,
	"reply" text NOT NULL,
	"accepted_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "deliveries_message_key_recipient_key_pk" PRIMARY KEY("message_key","recipient_key")
);
--> statement-breakpoint
CREATE TABLE "domains" (
	"id" serial PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"class" text DEFAULT 'virtual' NOT NULL,
	"fold_local_part" boolean DEFAULT true NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"transport" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "domains_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "key_events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "key_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"event" text NOT NULL,
	"fingerprint" text NOT NULL,
	"user_id" integer,
	"contact_id" integer,
	"domain_id" integer,
	"status" text NOT NULL,
	"source" text NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked" boolean NOT NULL,
	"actor" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "keys" (
	"id" serial PRIMARY KEY NOT NULL,
	"fingerprint" text NOT NULL,
	"user_id" integer,
	"contact_id" integer,
	"domain_id" integer,
	"certificate" "bytea" NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"source" text DEFAULT 'cli' NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "keys_one_owner" CHECK (num_nonnulls("keys"."user_id", "keys"."contact_id", "keys"."domain_id") = 1)
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" serial PRIMARY KEY NOT NULL,
	"domain_id" integer NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"transport" text,
	"quota_bytes" bigint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "addresses" ADD CONSTRAINT "addresses_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "alias_targets" ADD CONSTRAINT "alias_targets_alias_id_addresses_id_fk" FOREIGN KEY ("alias_id") REFERENCES "public"."addresses"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "alias_targets" ADD CONSTRAINT "alias_targets_target_user_id_users_id_fk" FOREIGN KEY ("target_user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_contact_id_addresses_id_fk" FOREIGN KEY ("contact_id") REFERENCES "public"."addresses"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_domain_id_domains_id_fk" FOREIGN KEY ("domain_id") REFERENCES "public"."domains"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_domain_id_domains_id_fk" FOREIGN KEY ("domain_id") REFERENCES "public"."domains"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "addresses_domain" ON "addresses" USING btree ("domain");--> statement-breakpoint
CREATE UNIQUE INDEX "addresses_user" ON "addresses" USING btree ("user_id") WHERE "addresses"."kind" = 'user';--> statement-breakpoint
CREATE INDEX "alias_targets_user" ON "alias_targets" USING btree ("target_user_id");--> statement-breakpoint
CREATE INDEX "deliveries_accepted_at" ON "deliveries" USING btree ("accepted_at");--> statement-breakpoint
CREATE INDEX "key_events_fingerprint" ON "key_events" USING btree ("fingerprint");--> statement-breakpoint
CREATE UNIQUE INDEX "keys_user_fingerprint" ON "keys" USING btree ("user_id","fingerprint");--> statement-breakpoint
CREATE UNIQUE INDEX "keys_contact_fingerprint" ON "keys" USING btree ("contact_id","fingerprint");--> statement-breakpoint
CREATE UNIQUE INDEX "keys_domain_fingerprint" ON "keys" USING btree ("domain_id","fingerprint");--> statement-breakpoint
CREATE INDEX "keys_fingerprint" ON "keys" USING btree ("fingerprint");--> statement-breakpoint
CREATE INDEX "users_domain" ON "users" USING btree ("domain_id");