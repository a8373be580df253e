// leap_mx: the documents of CouchDB's database "identities", as `_all_docs?include_docs=true` gives them. An identity has an
// address and a destination: the user's own where both are the same, else an alias (leap_web, app/models/identity.rb).
import * as z from 'zod';
import { readBytes } from './files.ts';
import { jsonRows } from './json-rows.ts';
import { type Source, SourceRefused, type SourceRow } from './rows.ts';

const row = z.looseObject({ id: z.string(), doc: z.unknown().optional() });

const identity = z.looseObject({
  type: z.literal('Identity'),
  address: z.string(),
  destination: z.string().nullish(),
  user_id: z.string().nullish(),
  enabled: z.boolean().nullish(),
  keys: z.looseObject({ pgp: z.string().nullish() }).nullish(),
  pgp_key: z.string().nullish(),
});

/** @param path absolute */
export function leapMxSource(path: string): Source {
  return { name: `leap-mx ${path}`, addsDomains: true, addsOwners: true, rows: () => readRows(path) };
}

async function* readRows(path: string): AsyncGenerator<SourceRow> {
  let number = 0;
  for await (const element of jsonRows(readBytes(path))) {
    number += 1;
    const parsed = row.safeParse(element);
    const where = parsed.success ? `${path}, _id ${parsed.data.id}` : `${path}, row ${number}`;
    if (!parsed.success) throw new SourceRefused(`${where} is no row of _all_docs`);
    const { id, doc } = parsed.data;
    if (doc === undefined)
      throw new SourceRefused(`${path} has no documents: fetch it with _all_docs?include_docs=true`);
    if (id.startsWith('_design/') || doc === null) continue;
    const read = identity.safeParse(doc);
    if (read.success) yield* identityRows(read.data, where);
    else
      yield {
        kind: 'refused',
        of: 'user',
        name: id,
        where,
        because: 'it is no document of the type Identity',
      };
  }
}

function* identityRows(doc: z.output<typeof identity>, where: string): Generator<SourceRow> {
  const { address, destination, user_id: owner } = doc;
  const isEnabled = doc.enabled ?? true;
  // A name that is kept free after its user has gone (leap_web: disable).
  if (owner == null || destination == null || destination === '') {
    yield {
      kind: 'left',
      of: 'user',
      name: address,
      where,
      because: 'it is nobody’s there: the name is only blocked',
    };
    return;
  }
  const isOwn = address.toLowerCase() === destination.toLowerCase();
  if (isOwn) yield { kind: 'user', where, address, status: isEnabled ? 'active' : 'disabled' };
  else if (isEnabled) yield { kind: 'alias', where, address, targets: [destination] };
  else yield { kind: 'left', of: 'alias', name: address, where, because: 'it is not enabled there' };
  const key = doc.keys?.pgp ?? doc.pgp_key;
  if (key == null || key.trim() === '' || !(isOwn || isEnabled)) return;
  yield {
    kind: 'key',
    where,
    upload: Buffer.from(key),
    owners: { kind: 'these', addresses: [address] },
    sealedBefore: true,
  };
}
