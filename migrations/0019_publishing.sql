ALTER TABLE "domains" ADD COLUMN "wks" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "domains" ADD COLUMN "publish" text DEFAULT 'ask' NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "publish" text;--> statement-breakpoint
CREATE INDEX "keys_key_id" ON "keys" USING btree ((CASE WHEN length("fingerprint") = 64 THEN left("fingerprint", 16) ELSE right("fingerprint", 16) END));