CREATE TABLE "client_fingerprints" (
	"fingerprint" text PRIMARY KEY NOT NULL,
	"expires_on" date NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sender_logins" (
	"address" text NOT NULL,
	"user_id" integer NOT NULL,
	CONSTRAINT "sender_logins_address_user_id_pk" PRIMARY KEY("address","user_id")
);
--> statement-breakpoint
CREATE TABLE "user_usage" (
	"user_id" integer PRIMARY KEY NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"messages" bigint DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "domains" ADD COLUMN "refusals" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "quota_messages" bigint;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "forwards" text[] DEFAULT '{}'::text[] NOT NULL;--> statement-breakpoint
ALTER TABLE "sender_logins" ADD CONSTRAINT "sender_logins_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_usage" ADD CONSTRAINT "user_usage_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "sender_logins_user" ON "sender_logins" USING btree ("user_id");