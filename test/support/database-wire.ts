// A wire between a node and its database that is cut, at once or at a statement, and mended: what a node sees of a database that
// goes away, while the others go on.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type pg from 'pg';

export interface DatabaseWire {
  /** postgres://... through the wire. */
  readonly url: string;
  /** Ends every connection, and those that come. */
  cut(): void;
  /**
   * Cuts it at the first statement with these words.
   * @param when `before` the server gets it, or `after`: it is done, and nobody hears of it
   */
  cutAt(words: string, when: 'before' | 'after'): void;
  /**
   * Lets nothing through from the first statement with these words on, and keeps the connection.
   * @returns when it came
   */
  holdAt(words: string, when: 'before' | 'after'): Promise<void>;
  mend(): void;
  close(): Promise<void>;
}

interface State {
  broken: boolean;
  at: {
    readonly words: string;
    readonly when: 'before' | 'after';
    /** Instead of a cut. */
    readonly held?: () => void;
  } | null;
}

/** Both ways, until the statement comes at which it ends. */
function pass(state: State, client: Socket, behind: Socket, cut: () => void): void {
  let done: State['at'] = null;
  let held = false;
  const stop = ({ held: tell }: NonNullable<State['at']>): void => {
    held = tell !== undefined;
    (tell ?? cut)();
  };
  client.on('data', (chunk) => {
    if (held) return;
    const { at } = state;
    done = at !== null && chunk.includes(at.words) ? at : null;
    if (done?.when === 'before') stop(done);
    else behind.write(chunk);
  });
  behind.on('data', (chunk) => {
    if (held) return;
    if (done === null) client.write(chunk);
    else stop(done);
  });
}

/** Opens a wire to the server that a pool is connected to by its unix socket. */
export async function openDatabaseWire({ options }: Pick<pg.Pool, 'options'>): Promise<DatabaseWire> {
  const { host, port, user, database } = options;
  const state: State = { broken: false, at: null };
  const open = new Set<Socket>();
  const cut = (): void => {
    state.broken = true;
    for (const socket of open) socket.destroy();
  };
  const server = createServer((client) => {
    if (state.broken) return client.destroy();
    const behind = connect(`${host}/.s.PGSQL.${port}`);
    for (const socket of [client, behind]) {
      open.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        behind.destroy();
      });
    }
    pass(state, client, behind, cut);
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `postgres://${user}@127.0.0.1:${own}/${database}`,
    cut,
    cutAt(words, when) {
      state.at = { words, when };
    },
    holdAt: (words, when) =>
      new Promise((held) => {
        state.at = { words, when, held };
      }),
    mend() {
      state.broken = false;
      state.at = null;
    },
    async close() {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
