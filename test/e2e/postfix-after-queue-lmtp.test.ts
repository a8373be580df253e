// Real mail: Postfix -> LMTP -> sealpost -> Postfix's re-injection listener -> mailboxes.
import { describeWiring } from '../support/wiring-suite.ts';

describeWiring({ example: 'after-queue-lmtp', deliversItself: false });
