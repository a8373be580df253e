CREATE TABLE "event_minutes" (
	"minute" timestamp with time zone NOT NULL,
	"event" text NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "event_minutes_minute_event_pk" PRIMARY KEY("minute","event")
);
