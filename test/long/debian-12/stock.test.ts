// Debian 12 with Postfix 3.7, just installed: README's steps lead to sealed mail, and doctor has nothing to say against it.
import { describeStock } from '../../support/stock-suite.ts';

describeStock('bookworm', /^3\.7\./);
