// Every command in every state of need: without a database, without a configuration, on a full disk.
import { describeAlone } from '../../support/alone-suite.ts';

describeAlone(1);
