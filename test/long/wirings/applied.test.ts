// Every wiring, applied to a configuration folder and taken back; `npm test` does it with three of them.
import { wiringNames } from '../../../src/postfix/wiring.ts';
import { describeApplied, useSites } from '../../support/applied-suite.ts';
import { useExamplePorts } from '../../support/example-ports.ts';

useSites();
useExamplePorts();
describeApplied(wiringNames());
