CREATE TABLE "claims" (
	"message_key" "bytea" NOT NULL,
	"recipient_key" "bytea" NOT NULL,
	"holder" uuid NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"wanted" boolean DEFAULT false NOT NULL,
	CONSTRAINT "claims_message_key_recipient_key_pk" PRIMARY KEY("message_key","recipient_key")
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"node" uuid NOT NULL,
	"process" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"claims_all" boolean NOT NULL
);
