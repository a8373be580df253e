// Published keys: whether mail programs elsewhere find them.
import { check, noneOf, ok, wrong } from '../check.ts';

const PROXY =
  'let the TLS proxies of these names pass on /.well-known/openpgpkey/, Host included (docs/publishing.md)';

const present = (failures: readonly (string | null)[]): readonly string[] =>
  failures.filter((failure) => failure !== null);

export const PUBLISHING_CHECKS = [
  check({
    code: 'publishing_served',
    why: 'published keys, and what the Web Key Service says of itself, come from the listener of the portal',
    mend: 'sealpost config set portal.listen ..., and portal.url (docs/portal.md)',
    reads: ['publishing'],
    judge: ({ publishing: { served, domains } }) =>
      served
        ? ok(`served for ${domains.map(({ name }) => name).join(', ')}`)
        : wrong('portal.listen is empty: nobody finds a key'),
  }),
  check({
    code: 'wks_key',
    why: 'keys that mail programs hand over are sealed to it; without it none can be read',
    mend: 'copy state_dir/wks from the machine that made it, or sealpost domain set DOMAIN wks=on',
    reads: ['publishing'],
    judge: ({ publishing: { domains } }) =>
      noneOf(
        present(domains.map(({ keyFile }) => keyFile)),
        'each domain with wks=on has its submission key here',
        (list) => list,
        wrong,
      ),
  }),
  check({
    code: 'publishing_policy',
    why: 'mail programs take a domain without it for one without a key directory',
    mend: PROXY,
    reads: ['publishing'],
    judge: ({ publishing: { domains } }) =>
      noneOf(
        present(domains.map(({ policy }) => policy)),
        'the policy of each is seen from outside',
        (list) => list,
      ),
  }),
  check({
    code: 'publishing_submission',
    why: 'mail programs hand keys over to the address that they find there',
    mend: PROXY,
    reads: ['publishing'],
    judge: ({ publishing: { domains } }) =>
      noneOf(
        present(domains.map(({ submission }) => submission)),
        'each submission address is seen from outside',
        (list) => list,
      ),
  }),
  check({
    code: 'publishing_key',
    why: 'who cannot look the key up writes in the clear',
    mend: PROXY,
    reads: ['publishing'],
    judge: ({ publishing: { domains } }) => {
      const asked = domains.flatMap(({ key }) => (key === null ? [] : [key]));
      return noneOf(
        present(asked.map(({ failure }) => failure)),
        asked.length === 0
          ? 'nobody has published a key yet'
          : `found from outside: the key of ${asked.map(({ address }) => address).join(', ')}`,
        (list) => list,
      );
    },
  }),
];
