CREATE TABLE "api_tokens" (
	"id" serial PRIMARY KEY NOT NULL,
	"user_id" integer NOT NULL,
	"name" text DEFAULT '' NOT NULL,
	"token_hash" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "api_tokens_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "incoming" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" integer NOT NULL,
	"number" bigint NOT NULL,
	"size" bigint NOT NULL,
	"received" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"content" "bytea",
	"chunks" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "incoming_content_or_chunks" CHECK (("incoming"."content" IS NULL) = ("incoming"."chunks" > 0))
);
--> statement-breakpoint
CREATE TABLE "incoming_acknowledged" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" integer NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "incoming_chunks" (
	"id" text NOT NULL,
	"chunk" integer NOT NULL,
	"content" "bytea" NOT NULL,
	CONSTRAINT "incoming_chunks_id_chunk_pk" PRIMARY KEY("id","chunk")
);
--> statement-breakpoint
CREATE TABLE "incoming_counts" (
	"user_id" integer PRIMARY KEY NOT NULL,
	"messages" bigint DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"last_number" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "spool_attempts" (
	"file_key" "bytea" PRIMARY KEY NOT NULL,
	"attempts" integer NOT NULL,
	"because" text NOT NULL,
	"first_at" timestamp with time zone DEFAULT now() NOT NULL,
	"next_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "api_tokens" ADD CONSTRAINT "api_tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "incoming" ADD CONSTRAINT "incoming_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "incoming_chunks" ADD CONSTRAINT "incoming_chunks_id_incoming_id_fk" FOREIGN KEY ("id") REFERENCES "public"."incoming"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "incoming_counts" ADD CONSTRAINT "incoming_counts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_tokens_user" ON "api_tokens" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "incoming_order" ON "incoming" USING btree ("user_id","number");--> statement-breakpoint
CREATE INDEX "incoming_received" ON "incoming" USING btree ("received");--> statement-breakpoint
CREATE INDEX "incoming_acknowledged_at" ON "incoming_acknowledged" USING btree ("at");--> statement-breakpoint
CREATE INDEX "spool_attempts_next_at" ON "spool_attempts" USING btree ("next_at");