// The resolver against the resolver of this machine's Postfix.
import { describeResolver } from '../support/resolver-suite.ts';

describeResolver();
