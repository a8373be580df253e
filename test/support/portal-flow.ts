// The flow as the portal's unit tests have it: it remembers what it was asked, and answers what a test says. Its functions have the
// names and the types of src/enrolment, in whose place a test puts them.

import { configSchema } from '../../src/config/schema.ts';
import { effectiveSettings } from '../../src/config/settings.ts';
import type * as flow from '../../src/enrolment/flow.ts';
import type * as home from '../../src/enrolment/home.ts';
import type { takeTurn } from '../../src/enrolment/limits.ts';
import type * as sessions from '../../src/enrolment/sessions.ts';
import type * as signIn from '../../src/enrolment/sign-in.ts';
import type { readToken, TokenView } from '../../src/enrolment/tokens.ts';
import type { FlowRefusal, Proof } from '../../src/enrolment/types.ts';
import type { Understood } from '../../src/enrolment/understand.ts';
import type { PublishingChoice } from '../../src/publishing/choice.ts';

export const ALICE = 'alice@seal.test';
export const TOKEN = 'T'.repeat(43);
export const FINGERPRINT = 'ABCD'.repeat(10);

/** What the flow was asked, by the function's name. */
export interface Asked {
  readonly name: string;
  readonly given: readonly unknown[];
}

interface State {
  asked: Asked[];
  /** By the cookie's secret. */
  sessions: Map<string, sessions.Session>;
  home: home.Home;
  token: TokenView | null;
  refusal: FlowRefusal | null;
  understood: Understood | null;
  events: Awaited<ReturnType<typeof home.readHistory>>;
  opened: number;
  publishing: PublishingChoice;
}

export const NOW = Date.parse('2026-11-30T12:00:00Z');

function emptyHome(): home.Home {
  const { encryption } = configSchema.parse({});
  return {
    userId: 1,
    address: ALICE,
    language: 'en',
    keys: [],
    currentKeys: [],
    settings: effectiveSettings(encryption),
    ownSettings: {},
    submissions: [],
    recovery: null,
    undoUntil: null,
    pausedUntil: null,
  };
}

export const state: State = fresh();

function fresh(): State {
  return {
    asked: [],
    sessions: new Map(),
    home: emptyHome(),
    token: null,
    refusal: null,
    understood: null,
    events: { events: [], whole: true },
    opened: 0,
    publishing: { own: null, domain: 'ask' },
  };
}

/** As at the start: nobody is signed in, and there is no key. */
export function resetFlow(): void {
  Object.assign(state, fresh());
}

/** A session as if somebody had signed in. @returns the cookie's secret */
export function session(proof: Proof = { level: 'mailbox' }): string {
  state.opened += 1;
  const secret = String(state.opened).padStart(43, 'S');
  state.sessions.set(secret, { userId: 1, address: ALICE, proof, language: 'en', openedAt: NOW });
  return secret;
}

function asked(name: string, ...given: readonly unknown[]): void {
  state.asked.push({ name, given });
}

/** Answers with the refusal that a test has set, else with success. */
function outcome<Found extends object>(found: Found): FlowRefusal | ({ readonly ok: true } & Found) {
  return state.refusal ?? { ok: true, ...found };
}

/** Remembers a call, and answers as {@link outcome}. */
function told<Found extends object>(name: string, given: readonly unknown[], found: Found) {
  asked(name, ...given);
  return outcome(found);
}

type Flow = typeof flow;

export const fakeHome: Pick<typeof home, 'readHome' | 'readHistory'> = {
  readHome: async () => state.home,
  readHistory: async () => state.events,
};

export const fakeFlow: Omit<{ readonly [Name in keyof Flow]: Flow[Name] }, 'settleRecovery'> = {
  understandKey: async (_, __, upload) => {
    asked('understandKey', Buffer.from(upload).toString('latin1'));
    if (state.refusal !== null) return state.refusal;
    if (state.understood === null) return { ok: false, because: 'key refused' };
    return { ok: true, key: state.understood };
  },
  submitKey: async (_, asker, upload, intent) => {
    asked('submitKey', asker, Buffer.from(upload).toString('latin1'), intent);
    return outcome({ result: 'submitted' as const, fingerprint: FINGERPRINT });
  },
  resendLetter: async (_, asker, id) => told('resendLetter', [asker, id], {}),
  withdrawKey: async (_, asker, id) => told('withdrawKey', [asker, id], {}),
  confirmKey: async (_, token) => {
    asked('confirmKey', token);
    return outcome({ result: 'active' as const, fingerprint: FINGERPRINT, userId: 1 });
  },
  requestChange: async (_, asker, change) => told('requestChange', [asker, change], {}),
  endPause: async (_, asker) => told('endPause', [asker], {}),
  startRecovery: async (_, asker, wanted) => {
    asked('startRecovery', asker, wanted);
    const change = { kind: 'leave' } as const;
    return outcome({
      recovery: { id: 1, change, startedAt: NOW, dueAt: NOW + 7 * 86_400_000, state: 'waiting' as const },
    });
  },
  stopRecovery: async (_, asker) => told('stopRecovery', [asker], { result: 'stopped' as const }),
  stopByLink: async (_, token) => told('stopByLink', [token], { result: 'stopped' as const }),
  undoFirstKey: async (_, asker) => told('undoFirstKey', [asker], {}),
  undoByLink: async (_, token) => told('undoByLink', [token], {}),
  sendTestLetter: async (_, asker) => told('sendTestLetter', [asker], {}),
  mayAddDevice: async (_, asker) => told('mayAddDevice', [asker], {}),
};

export const fakeSessions: Pick<
  typeof sessions,
  'openSession' | 'findSession' | 'setSessionLanguage' | 'closeSession'
> = {
  openSession: async (_, { userId, proof }) => {
    asked('openSession', userId);
    return session(proof);
  },
  findSession: async (_, secret) => state.sessions.get(secret) ?? null,
  setSessionLanguage: async (_, __, language) => asked('setSessionLanguage', language),
  closeSession: async (_, secret) => {
    state.sessions.delete(secret);
  },
};

export const fakeSignIn: Pick<typeof signIn, 'requestSignIn' | 'signIn'> = {
  requestSignIn: async (_, about) => told('requestSignIn', [about], {}),
  signIn: async (_, token) => {
    asked('signIn', token);
    return outcome({ secret: session(), userId: 1 });
  },
};

export const fakeTokens: { readonly readToken: typeof readToken } = {
  readToken: async (_, token) => (token === TOKEN ? state.token : null),
};

export const fakeLimits: { readonly takeTurn: typeof takeTurn } = {
  takeTurn: async (_, limit, subject) => {
    asked('takeTurn', limit.name, subject);
    return null;
  },
};
