// Effects on a user's settings; a pause is one that ends by itself.
import { eq } from 'drizzle-orm';
import { settingsOverrideSchema } from '../config/settings.ts';
import { enrolments } from '../database/enrolment-tables.ts';
import { users } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { FlowRefused } from './refused.ts';
import { remember } from './rows.ts';
import type { SettingsChange } from './types.ts';

export async function setSettings(tx: Orm, userId: number, change: SettingsChange): Promise<void> {
  const [user] = await tx.select({ settings: users.settings }).from(users).where(eq(users.id, userId));
  if (user === undefined) throw new FlowRefused({ ok: false, because: 'no user' });
  const wanted = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null));
  // What a form sends is a text until somebody has read it.
  const read = settingsOverrideSchema.safeParse(wanted);
  if (!read.success) throw new FlowRefused({ ok: false, because: 'not allowed' });
  const settings = Object.fromEntries(
    Object.entries({ ...user.settings, ...change, ...read.data }).filter(
      ([, value]) => value !== null && value !== undefined,
    ),
  );
  await tx.update(users).set({ settings }).where(eq(users.id, userId));
}

export async function pause(tx: Orm, userId: number, until: number): Promise<void> {
  const [known] = await tx.select().from(enrolments).where(eq(enrolments.user_id, userId));
  if (known?.paused_until === null || known === undefined) {
    const [user] = await tx.select({ settings: users.settings }).from(users).where(eq(users.id, userId));
    await remember(tx, userId, { paused_encrypt: user?.settings.encrypt ?? null });
  }
  await remember(tx, userId, { paused_until: new Date(until) });
  await setSettings(tx, userId, { encrypt: false });
}

export async function unpause(tx: Orm, userId: number): Promise<void> {
  const [known] = await tx.select().from(enrolments).where(eq(enrolments.user_id, userId));
  if (known === undefined || known.paused_until === null) return;
  await setSettings(tx, userId, { encrypt: known.paused_encrypt });
  await remember(tx, userId, { paused_until: null, paused_encrypt: null });
}
