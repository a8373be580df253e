// Real mail: Postfix -> SMTP -> sealpost -> Postfix's re-injection listener -> mailboxes.
import { describeWiring } from '../support/wiring-suite.ts';

describeWiring({ example: 'after-queue-smtp', deliversItself: false });
