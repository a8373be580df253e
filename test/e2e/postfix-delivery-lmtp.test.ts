// Real mail: Postfix -> LMTP -> sealpost -> the mailboxes' own LMTP.
import { describeWiring } from '../support/wiring-suite.ts';

describeWiring({ example: 'delivery-lmtp', deliversItself: true });
