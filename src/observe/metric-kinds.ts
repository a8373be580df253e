// How the metrics are made: each kind in one line, in registries of its own.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type Registers = Registry[];

export function counter<Label extends string = never>(
  registers: Registers,
  name: string,
  help: string,
  ...labelNames: Label[]
): Counter<Label> {
  return new Counter({ name, help, labelNames, registers });
}

export function gauge<Label extends string = never>(
  registers: Registers,
  name: string,
  help: string,
  ...labelNames: Label[]
): Gauge<Label> {
  return new Gauge({ name, help, labelNames, registers });
}

export function histogram<Label extends string = never>(
  registers: Registers,
  name: string,
  help: string,
  buckets: number[],
  ...labelNames: Label[]
): Histogram<Label> {
  return new Histogram({ name, help, labelNames, buckets, registers });
}

/** A gauge that is not shown before it is set: nothing is known yet, which is not 0. */
export function unknownYet(registers: Registers, name: string, help: string): Gauge {
  const made = gauge(registers, name, help);
  made.remove();
  return made;
}
