// Real mail: Postfix -> pipe(8) -> sealpost-pipe -> sealpost -> Postfix's re-injection listener -> mailboxes.
import { describeWiring } from '../support/wiring-suite.ts';

describeWiring({ example: 'pipe', deliversItself: false });
