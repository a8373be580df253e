// What the panels have in common: domains, alias domains, mailboxes with their quota, aliases, each of them active or not. Their
// tables have the same names, since mailcow's come from PostfixAdmin's.
import type { Source, SourceRow, UserRow } from './rows.ts';
import { isOn, pagesOf, readDsn, requireColumns, type Sql, textOf } from './sql.ts';

export interface Panel {
  /** As `import` and `sync` name it. */
  readonly name: string;
  /** Every column that is read. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  /** @throws SourceRefused on a version that is not known */
  checkVersion(sql: Sql): Promise<void>;
  /** Columns of a mailbox beside the common ones, and why one that has them is none. */
  readonly mailboxKind: string | null;
  /** Rows of the table domain that are no domains. */
  readonly noDomains: ReadonlySet<string>;
  /** Targets that stand for an action of the panel's own. */
  readonly actions: ReadonlySet<string>;
}

/**
 * A panel as a source.
 * @param dsn has a password: only where the database is becomes the source's name
 */
export function panelSource(panel: Panel, dsn: string): Source {
  const target = readDsn(dsn);
  return {
    name: `${panel.name} ${target.name}`,
    addsDomains: false,
    addsOwners: false,
    async *rows() {
      const sql = await target.open();
      try {
        await requireColumns(sql, panel.name, panel.tables);
        await panel.checkVersion(sql);
        yield* readPanel(panel, sql);
      } finally {
        await sql.close();
      }
    },
  };
}

interface Domains {
  readonly inactive: ReadonlySet<string>;
  /** Alias domains that are nothing else. */
  readonly aliases: ReadonlySet<string>;
}

async function* readPanel(panel: Panel, sql: Sql): AsyncGenerator<SourceRow> {
  const { rows, ...domains } = await readDomains(panel, sql);
  yield* rows;
  yield* readMailboxes(panel, sql, domains);
  yield* readAliases(panel, sql, domains);
}

async function readDomains(
  panel: Panel,
  sql: Sql,
): Promise<Domains & { readonly rows: readonly SourceRow[] }> {
  const rows: SourceRow[] = [];
  const inactive = new Set<string>();
  const aliases = new Set<string>();
  const names = new Map<string, string[]>();
  const inhabited = await sql.query(
    'SELECT d.alias_domain AS name FROM alias_domain d WHERE EXISTS (SELECT 1 FROM mailbox m WHERE m.domain = d.alias_domain)',
    [],
  );
  const own = new Set(inhabited.map(({ name }) => textOf(name).toLowerCase()));
  for (const row of await sql.query('SELECT alias_domain, target_domain, active FROM alias_domain', [])) {
    const name = textOf(row.alias_domain).toLowerCase();
    const where = `alias_domain ${name}`;
    if (!isOn(row.active))
      rows.push({ kind: 'left', of: 'domain', name, where, because: 'it is not active there' });
    else if (own.has(name)) {
      const because = `it is an alias domain of ${textOf(row.target_domain)}, and has mailboxes of its own`;
      rows.push({ kind: 'refused', of: 'domain', name, where, because });
    } else {
      aliases.add(name);
      const target = textOf(row.target_domain).toLowerCase();
      names.set(target, [...(names.get(target) ?? []), name]);
    }
  }
  const found = pagesOf(
    sql,
    'SELECT domain, backupmx, active FROM domain WHERE domain > ? ORDER BY domain',
    'domain',
  );
  for await (const row of found) {
    const name = textOf(row.domain).toLowerCase();
    if (panel.noDomains.has(name) || aliases.has(name)) continue;
    if (!isOn(row.active)) inactive.add(name);
    rows.push({
      kind: 'domain',
      where: `domain ${name}`,
      name,
      class: isOn(row.backupmx) ? 'relay' : 'virtual',
      otherNames: names.get(name),
    });
    names.delete(name);
  }
  for (const [target, others] of names)
    for (const name of others) {
      const because = `its target ${target} is no domain of its own there`;
      rows.push({ kind: 'refused', of: 'domain', name, where: `alias_domain ${name}`, because });
    }
  return { rows, inactive, aliases };
}

async function* readMailboxes(panel: Panel, sql: Sql, { inactive }: Domains): AsyncGenerator<SourceRow> {
  const kind = panel.mailboxKind === null ? '' : `, m.${panel.mailboxKind} AS special`;
  const found = pagesOf(
    sql,
    `SELECT m.username, m.quota, m.domain, m.active, a.goto AS target, a.active AS alias_active${kind}
       FROM mailbox m LEFT JOIN alias a ON a.address = m.username
      WHERE m.username > ? ORDER BY m.username`,
    'username',
  );
  for await (const row of found) {
    const address = textOf(row.username);
    const where = `mailbox ${address}`;
    const special = textOf(row.special);
    if (special !== '') {
      yield {
        kind: 'left',
        of: 'user',
        name: address,
        where,
        because: `it is a ${special}, and nobody's mailbox`,
      };
      continue;
    }
    const quota = Number(textOf(row.quota));
    const isActive = isOn(row.active) && !inactive.has(textOf(row.domain).toLowerCase());
    const copies = isOn(row.alias_active) ? copiesOf(textOf(row.target), address) : [];
    const user: UserRow = {
      kind: 'user',
      where,
      address,
      quota: Number.isSafeInteger(quota) && quota > 0 ? quota : null,
      status: isActive ? 'active' : 'disabled',
      forwards: copies.filter((each) => !isVacation(each, address)),
    };
    yield user;
    if (copies.some((each) => isVacation(each, address))) {
      const because = "it is on vacation: Postfix's own virtual_alias_maps go on asking for the notices";
      yield { kind: 'left', of: 'setting', name: address, where, because };
    }
  }
}

/** PostfixAdmin's VIRTUAL_VACATION: `alice#example.org@autoreply.example.org` sends notices, and nobody reads it. */
function isVacation(target: string, own: string): boolean {
  return target.toLowerCase().startsWith(`${own.replace('@', '#')}@`.toLowerCase());
}

/** Who else gets a mailbox's mail, by the alias that it has of its own name. */
function copiesOf(target: string, own: string): readonly string[] {
  return splitTargets(target).filter((each) => each.toLowerCase() !== own.toLowerCase());
}

function splitTargets(text: string): readonly string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

async function* readAliases(
  panel: Panel,
  sql: Sql,
  { inactive, aliases }: Domains,
): AsyncGenerator<SourceRow> {
  const found = pagesOf(
    sql,
    `SELECT a.address, a.goto AS target, a.domain, a.active FROM alias a LEFT JOIN mailbox m ON m.username = a.address
      WHERE m.username IS NULL AND a.address > ? ORDER BY a.address`,
    'address',
  );
  for await (const row of found) {
    const address = textOf(row.address);
    const domain = textOf(row.domain).toLowerCase();
    const where = `alias ${address}`;
    const targets = splitTargets(textOf(row.target));
    const action = targets.find((each) => panel.actions.has(each.toLowerCase()));
    const because = !isOn(row.active)
      ? 'it is not active there'
      : inactive.has(domain)
        ? 'its domain is not active there'
        : aliases.has(domain)
          ? `${domain} is an alias domain: its mail is for the addresses of the other one`
          : action !== undefined
            ? `${action} is an action of ${panel.name}`
            : null;
    if (because !== null) yield { kind: 'left', of: 'alias', name: address, where, because };
    else yield { kind: 'alias', where, address, targets };
  }
}
