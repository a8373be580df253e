// A Prometheus of its own, of Debian's package, that asks one address every second; and promtool, which reads rules.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitUntil } from './child.ts';
import { need } from './needs.ts';
import { freePorts } from './places.ts';

need('prometheus');

export interface PrivatePrometheus {
  /** The series that a query gives now; the number is the value. */
  query(
    expression: string,
  ): Promise<readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]>;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

/**
 * @param folder for its configuration and its data
 * @param target what it asks, such as `127.0.0.1:9321`
 * @param rules files of alerts
 */
export async function startPrometheus(
  folder: string,
  target: string,
  rules: readonly string[],
): Promise<PrivatePrometheus> {
  const [port = 0] = await freePorts(1);
  mkdirSync(folder, { recursive: true });
  const configuration = join(folder, 'prometheus.yml');
  // JSON is YAML.
  writeFileSync(
    configuration,
    JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: rules,
      scrape_configs: [{ job_name: 'sealpost', static_configs: [{ targets: [target] }] }],
    }),
  );
  const child = spawn(
    '/usr/bin/prometheus',
    [
      `--config.file=${configuration}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const base = `http://127.0.0.1:${port}`;
  await waitUntil('Prometheus to be ready', 60_000, async () =>
    fetch(`${base}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    async query(expression) {
      const response = await fetch(`${base}/api/v1/query?query=${encodeURIComponent(expression)}`);
      const answer = (await response.json()) as Answer;
      if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
      return answer.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
    stop: () => ended(child),
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    return undefined;
  });
}
