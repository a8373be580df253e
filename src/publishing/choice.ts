// A person's own word on whether everybody may look their keys up.
import { eq } from 'drizzle-orm';
import type { Database } from '../database/open.ts';
import { type DOMAIN_PUBLISH, domains, users } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';

export interface PublishingChoice {
  /** null: nothing was chosen. */
  readonly own: 'on' | 'off' | null;
  readonly domain: (typeof DOMAIN_PUBLISH)[number];
}

/** Null where the user is gone. */
export async function readChoice(
  { orm }: Pick<Database, 'orm'>,
  userId: number,
): Promise<PublishingChoice | null> {
  const [row] = await orm
    .select({ own: users.publish, domain: domains.publish })
    .from(users)
    .innerJoin(domains, eq(domains.id, users.domain_id))
    .where(eq(users.id, userId));
  return row ?? null;
}

/** Whether keys are published: the own word counts, else the domain's. Pure; the same as the query of published.ts. */
export function isPublishing({ own, domain }: PublishingChoice): boolean {
  return (own ?? domain) === 'on';
}

/**
 * Whether a person may say so themselves: no always, yes unless their domain says "off", where only an administrator gives it to
 * one of them. Pure.
 */
export function mayChoose({ domain }: Pick<PublishingChoice, 'domain'>, wanted: 'on' | 'off'): boolean {
  return wanted === 'off' || domain !== 'off';
}

/** @returns false where the person may not, or is gone */
export async function choosePublishing(
  { orm }: Pick<Database, 'orm'>,
  userId: number,
  wanted: 'on' | 'off',
): Promise<boolean> {
  const choice = await readChoice({ orm }, userId);
  if (choice === null || !mayChoose(choice, wanted)) return false;
  await setChoice(orm, userId, wanted);
  return true;
}

/** Within a transaction, without asking whether the person may. */
export async function setChoice(orm: Orm, userId: number, wanted: 'on' | 'off'): Promise<void> {
  await orm.update(users).set({ publish: wanted }).where(eq(users.id, userId));
}
