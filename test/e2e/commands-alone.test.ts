// Every command without its database, without its configuration, and with a state_dir on a full disk. The long lane `commands` has
// every command in each of these states.
import { describeAlone } from '../support/alone-suite.ts';

describeAlone(7);
