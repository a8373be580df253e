CREATE TABLE "imported" (
	"source" text NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"user_id" integer,
	"address_id" integer,
	"key_id" integer,
	CONSTRAINT "imported_source_kind_name_pk" PRIMARY KEY("source","kind","name"),
	CONSTRAINT "imported_one_row" CHECK (num_nonnulls("imported"."user_id", "imported"."address_id", "imported"."key_id") = 1)
);
--> statement-breakpoint
ALTER TABLE "imported" ADD CONSTRAINT "imported_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "imported" ADD CONSTRAINT "imported_address_id_addresses_id_fk" FOREIGN KEY ("address_id") REFERENCES "public"."addresses"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "imported" ADD CONSTRAINT "imported_key_id_keys_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "imported_user" ON "imported" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "imported_address" ON "imported" USING btree ("address_id");--> statement-breakpoint
CREATE INDEX "imported_key" ON "imported" USING btree ("key_id");