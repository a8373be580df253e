// The two planes in which letters with two cases stand; test/long/roads has all seventeen.
import { describeFolds } from '../support/folds-suite.ts';

describeFolds(0x20000);
