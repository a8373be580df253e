// A metric of a running serve.

/** The sum of a metric's samples, whatever their labels are. @param port of `observe.listen` */
export async function metricOf(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'));
  return lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}
