// Debian 13 with Postfix 3.10 and Dovecot 2.4, just installed: README's steps lead to sealed mail, and doctor has nothing to say
// against it.
import { describeStock } from '../../support/stock-suite.ts';

describeStock('trixie', /^3\.10\./);
