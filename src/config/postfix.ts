// [postfix]: what main.cf says of addresses, since an after-queue filter sees them before Postfix has resolved them.
import * as z from 'zod';

export const postfixSchema = z.strictObject({
  percent_hack: z.boolean().default(true).register(z.globalRegistry, {
    description: 'allow_percent_hack: user%domain@our.domain may be delivered to user@domain',
  }),
  bangpath: z.boolean().default(true).register(z.globalRegistry, {
    description: 'swap_bangpath: domain!user@our.domain may be delivered to user@domain',
  }),
  dequote: z.boolean().default(true).register(z.globalRegistry, {
    description:
      'resolve_dequoted_address: "user@domain"@our.domain may be delivered to user@domain, and the two above count in quotes, too',
  }),
});
