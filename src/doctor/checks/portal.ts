// The portal: whether users reach it, and nobody else can speak for them.
import { check, nothingToLookAt, ok, warning, wrong } from '../check.ts';

const OTHERS = 0o007;

export const PORTAL_CHECKS = [
  check({
    code: 'portal_answers',
    why: 'users hand over and change their keys there, and the links in their letters lead there',
    mend: 'sealpost serve; and see its log for the portal',
    reads: ['portal'],
    judge: ({ portal: { page } }) =>
      page.failure === null ? ok(`${page.address} answers`) : wrong(`${page.address}: ${page.failure}`),
  }),
  check({
    code: 'portal_reached',
    why: 'links in letters begin with portal.url: where it leads elsewhere, nobody can confirm a key or stop a change',
    mend: 'let the TLS proxy at portal.url pass requests on to portal.listen, Host included (docs/portal.md)',
    reads: ['portal'],
    judge: ({ portal: { outside } }) =>
      outside.failure === null
        ? ok(`${outside.name} shows the portal`)
        : warning(`${outside.name}: ${outside.failure}`),
  }),
  check({
    code: 'portal_tls',
    why: 'without TLS whoever is on the way takes over the session, and with it the key',
    mend: 'sealpost config set portal.url https://..., and a TLS proxy in front (docs/portal.md)',
    reads: ['portal'],
    judge: ({ portal: { outside } }) => {
      const { protocol, hostname } = new URL(outside.name);
      const isHere = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
      return protocol === 'https:' || isHere
        ? ok(outside.name)
        : wrong(`${outside.name} is no https address`);
    },
  }),
  check({
    code: 'portal_imap',
    why: 'without it nobody signs in with the password of the mailbox',
    mend: 'start the IMAP server, or correct portal.imap; "" takes that way of signing in away',
    reads: ['portal'],
    judge: ({ portal: { imap } }) => {
      if (imap === null) return nothingToLookAt('portal.imap is empty: nobody signs in by password');
      return imap.failure === null ? ok(`${imap.name} answers`) : warning(`${imap.name}: ${imap.failure}`);
    },
  }),
  check({
    code: 'portal_trusted_socket',
    why: 'whoever can open this socket can be any user: it believes the name that the proxy sends',
    mend: 'sealpost config set portal.trusted_mode 0660, and portal.trusted_group of the proxy alone',
    reads: ['portal'],
    judge: ({ portal: { trustedSocket } }) => {
      if (trustedSocket === null) return nothingToLookAt('portal.trusted_listen is no unix socket');
      const { path, mode } = trustedSocket;
      if (mode === null) return wrong(`${path} is not there`);
      return (mode & OTHERS) === 0
        ? ok(`${path} is closed to others`)
        : wrong(`${path} is open to everybody`);
    },
  }),
];
