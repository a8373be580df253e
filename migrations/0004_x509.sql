ALTER TABLE "keys" ADD COLUMN "kind" text DEFAULT 'openpgp' NOT NULL;--> statement-breakpoint
ALTER TABLE "keys" ADD COLUMN "pinned" boolean DEFAULT false NOT NULL;