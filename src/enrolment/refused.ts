// A refusal that is found while effects are done: it takes the transaction back, and becomes the answer.
import type { FlowRefusal } from './types.ts';

export class FlowRefused extends Error {
  override readonly name = 'FlowRefused';
  readonly refusal: FlowRefusal;

  constructor(refusal: FlowRefusal) {
    super(refusal.because);
    this.refusal = refusal;
  }
}
