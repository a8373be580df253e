// Real mail: Postfix -> LMTP -> sealpost -> Postfix's way back -> what stands for virtual(8).
import { describeWiring } from '../support/wiring-suite.ts';

describeWiring({ example: 'delivery-virtual', deliversItself: false });
