import { isIP } from 'node:net';
import { expect, it } from 'vitest';
import { ipVersion } from '../../../src/config/ip-version.ts';

it.each([
  '127.0.0.1',
  '127.0.0.256',
  '127.1',
  '::1',
  '::ffff:192.0.2.1',
  'fe80::1%eth0',
  '::1%',
  '1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  '[::1]',
  '::1/128',
  '::g',
  '::1 ',
  ' ::1',
  'mx1.example.org',
  '127.0.0.1:25',
  '\0::1',
  '::1\0',
  ':',
  '',
])('takes %j for what Node.js takes it', (text) => {
  expect(ipVersion(text)).toBe(isIP(text));
});
