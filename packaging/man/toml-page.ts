// Writes sealpost.toml(5) from the schema, so that the page cannot tell of other keys, defaults or values than the program:
//
//   npx tsx packaging/man/toml-page.ts
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { z } from 'zod';
import { inputSchema } from '../../src/config/problems.ts';

type Node = z.core.JSONSchema.JSONSchema;

/** The page that is kept beside this file. */
export const TOML_PAGE = fileURLToPath(new URL('sealpost.toml.5', import.meta.url));

const HEAD = `.\\" Written by packaging/man/toml-page.ts from the schema of the configuration. Do not edit.
.Dd November 21, 2026
.Dt SEALPOST.TOML 5
.Os
.Sh NAME
.Nm sealpost.toml
.Nd configuration of sealpost
.Sh DESCRIPTION
.Nm
is read by
.Xr sealpost 1
and
.Xr sealpost-pipe 8 .
The first of these is used: the file of
.Fl -config ,
that of
.Ev SEALPOST_CONFIG ,
.Pa ./sealpost.toml ,
.Pa /etc/sealpost/sealpost.toml .
Root looks in /etc first, and uses no
.Pa ./sealpost.toml
that another user could have written.
It is TOML.
Every key has a default; an unknown key is an error, and all errors are reported at once
.Pq Ql sealpost config check .
.Pp
Sizes are written as
.Ql 50MB
(powers of 1000),
.Ql 256MiB
(powers of 1024) or in bytes; durations as
.Ql 250ms ,
.Ql 90s ,
.Ql 5m ,
.Ql 1h
or
.Ql 6d ;
addresses as
.Ql host:port ,
.Ql [v6]:port
or
.Ql unix:/path .
.Pp
.Ql sealpost config describe
prints the whole file with its defaults.
`;

const TAIL = `.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev SEALPOST_CONFIG
The configuration file.
.It Ev SEALPOST_DATABASE_URL , Ev SEALPOST_DATABASE_URL_FILE
Replaces
.Ql database.url ;
with
.Ql _FILE
the first line of that file does.
.It Ev SEALPOST_DATABASE_READ_URL , Ev SEALPOST_DATABASE_READ_URL_FILE
The same for
.Ql database.read_url .
.It Ev SEALPOST_DATABASE_LISTEN_URL , Ev SEALPOST_DATABASE_LISTEN_URL_FILE
The same for
.Ql database.listen_url .
.El
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/sealpost/sealpost.toml
The file that is used when no other is named or found.
.It Pa conf.d/*.toml
Files beside it, read after it in the order of their names.
Tables are merged; of a key that stands twice, the later one counts.
A list, that of all
.Ql [[filter.listen]]
too, is one value.
.El
.Sh EXAMPLES
Behind Postfix, on a unix socket, with a PostgreSQL server:
.Bd -literal -offset indent
hostname = "mx1.example.org"

[database]
url = "postgres://sealpost@db.example.org/sealpost"

[filter]
next_hop = "smtp:127.0.0.1:10026"

[[filter.listen]]
name = "lmtp"
protocol = "lmtp"
address = "unix:/run/sealpost/lmtp.sock"
mode = "0660"
group = "postfix"
.Ed
.Sh SEE ALSO
.Xr sealpost 1 ,
.Xr sealpost-pipe 8
`;

/** The page as mdoc(7). */
export function tomlPage(): string {
  const root = inputSchema();
  const lines = ['.Sh KEYS', ...tableLines(root, [])];
  return `${HEAD}${lines.join('\n')}\n${TAIL}`;
}

/** The keys of one table, then its sub-tables. */
function tableLines(table: Node, path: readonly string[]): readonly string[] {
  const children = Object.entries(table.properties ?? {}).map(
    ([name, node]) => [name, asNode(node)] as const,
  );
  const keys = children.filter(([, node]) => subTable(node) === undefined);
  const tables = children.flatMap(([name, node]) => {
    const inner = subTable(node);
    if (inner === undefined) return [];
    const header =
      node.type === 'array' ? `[[${[...path, name].join('.')}]]` : `[${[...path, name].join('.')}]`;
    const lines = tableLines(inner, [...path, name]);
    // A table that holds only tables needs no heading of its own.
    if (lines[0]?.startsWith('.Ss') === true) return lines;
    return [`.Ss ${header}`, ...sentence(node.description), ...lines];
  });
  return [...(keys.length === 0 ? [] : ['.Bl -tag -width Ds', ...keys.flatMap(keyLines), '.El']), ...tables];
}

function keyLines([name, node]: readonly [string, Node]): readonly string[] {
  const known =
    node.example !== undefined
      ? `Example: ${literal(node.example)}.`
      : node.default === undefined
        ? ''
        : `Default: ${literal(node.default)}.`;
  const allowed = node.enum === undefined ? '' : `One of ${node.enum.map(literal).join(', ')}.`;
  return [
    `.It Ic ${name}`,
    ...sentence(node.description),
    ...[allowed, known].filter((text) => text !== '').map(roff),
  ];
}

/** A description as a sentence on a line of its own. */
function sentence(description: string | undefined): readonly string[] {
  if (description === undefined || description === '') return [];
  const first = description.charAt(0);
  // `embedded: is ...` and other literal words stay as they are written in the file.
  const text = /^[a-z]+[ ,']/.test(description)
    ? `${first.toUpperCase()}${description.slice(1)}`
    : description;
  return [roff(/[.?]$/.test(text) ? text : `${text}.`)];
}

function literal(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(literal).join(', ')}]` : JSON.stringify(value);
}

/** Text that roff must take literally. */
function roff(text: string): string {
  return text.replaceAll('\\', '\\e').replace(/^([.'])/, '\\&$1');
}

function subTable(node: Node): Node | undefined {
  if (node.type === 'object') return node;
  if (node.type !== 'array') return undefined;
  const item = asNode(Array.isArray(node.items) ? node.items[0] : node.items);
  return item.type === 'object' ? item : undefined;
}

function asNode(schema: z.core.JSONSchema._JSONSchema | undefined): Node {
  return typeof schema === 'object' ? schema : {};
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(TOML_PAGE, tomlPage());
}
