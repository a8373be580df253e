// Every wiring, applied to a configuration folder and taken back, and to odd ones, too; `npm test` does it with a few of them.
import { wiringNames } from '../../../src/postfix/wiring.ts';
import { describeApplied, useSites } from '../../support/applied-suite.ts';
import { useExamplePorts } from '../../support/example-ports.ts';
import { describeOddSites } from '../../support/odd-sites.ts';

useSites();
useExamplePorts();
describeApplied(wiringNames());
describeOddSites(wiringNames());
