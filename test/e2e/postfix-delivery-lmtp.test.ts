// Real mail: Postfix -> LMTP over a unix socket -> sealpost -> the mailboxes' own LMTP socket.
import { describeWiring } from '../support/wiring-suite.ts';

describeWiring({ example: 'delivery-lmtp', aliasesExpandedBefore: true, deliversItself: true });
