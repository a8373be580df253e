// Every character there is, folded as Postfix folds it.
import { describeFolds } from '../../support/folds-suite.ts';

describeFolds(0x110000);
