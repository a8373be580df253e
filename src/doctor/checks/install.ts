// The program itself: its configuration, its Node.js, and the serve that runs.
import { formatEndpoint } from '../../config/units.ts';
import { ownEndpoints } from '../../postfix/entrances.ts';
import { isAtLeast } from '../../postfix/model.ts';
import { check, isLoopback, noneOf, notLooked, ok, warning, wrong } from '../check.ts';
import type { Answered } from '../facts.ts';

function failuresOf(answered: readonly Answered[]): readonly string[] {
  return answered.flatMap(({ name, address, failure }) =>
    failure === null ? [] : [`${name} ${address}: ${failure}`],
  );
}

export const INSTALL_CHECKS = [
  check({
    code: 'config_valid',
    why: 'a configuration with an error is not used: serve does not start, and a running one keeps the old one',
    mend: 'sealpost config check',
    reads: ['configuration'],
    judge: ({ configuration: { name, failure } }) => (failure === null ? ok(name) : wrong(failure)),
  }),
  check({
    code: 'config_warnings',
    why: 'a setting that works, and probably does not mean what it says',
    mend: 'sealpost config check',
    reads: ['config'],
    judge: ({ config: { warnings } }) =>
      noneOf(warnings, 'nothing in the configuration is odd', (list) => list),
  }),
  check({
    code: 'node_version',
    why: 'older versions of Node.js lack functions that sealpost uses, and get no security fixes',
    mend: 'install a newer Node.js (Debian 13 has it; Debian 12: NodeSource)',
    reads: ['machine'],
    judge: ({ machine: { node, wanted } }) =>
      isAtLeast(node, wanted) ? ok(`Node.js ${node}`) : wrong(`Node.js ${node}, expected ${wanted} or newer`),
  }),
  check({
    code: 'serve_running',
    why: 'without it Postfix finds no listener: mail waits in its queue, and is returned after five days',
    mend: 'sealpost serve (systemctl start sealpost)',
    reads: ['serveAnswer'],
    judge: ({ serveAnswer: { name, failure } }) =>
      failure === null ? ok(`serve answers at ${name}`) : wrong(`${name}: ${failure}`),
  }),
  check({
    code: 'serve_ready',
    why: 'a serve that is not ready defers mail, or cannot pass it on',
    mend: 'sealpost status',
    reads: ['serve'],
    judge: ({ serve: { ready, reasons } }) =>
      ready ? ok('/readyz says yes') : wrong(`/readyz says no: ${reasons.join('; ')}`),
  }),
  check({
    code: 'serve_version',
    why: 'after an upgrade the old program runs on until it is restarted',
    mend: 'systemctl restart sealpost',
    reads: ['serve', 'machine'],
    judge: ({ serve, machine }) =>
      serve.version === machine.version
        ? ok(`serve and this command are ${machine.version}`)
        : warning(`serve is ${serve.version}, this command is ${machine.version}`),
  }),
  check({
    code: 'serve_config',
    why: 'commands change the database that their own configuration names: serve must use the same one',
    mend: 'call sealpost with the --config of the service, or restart serve with this one',
    reads: ['serve', 'config'],
    judge: ({ serve, config }) =>
      serve.config === config.path
        ? ok(`serve uses ${config.path ?? 'the defaults'}, as this command does`)
        : wrong(
            `serve uses ${serve.config ?? 'the defaults'}, this command ${config.path ?? 'the defaults'}`,
          ),
  }),
  check({
    code: 'open_files',
    why: 'each connection takes a file descriptor: when they run out, Postfix is not answered',
    mend: 'LimitNOFILE=65536 in the unit of sealpost, then restart it',
    reads: ['serve', 'config'],
    judge: ({ serve: { openFiles }, config: { config } }) => {
      if (openFiles === null) return notLooked('the limits of the process cannot be read');
      const needed = config.filter.max_connections + config.filter.next_hop_connections + 200;
      return openFiles >= needed
        ? ok(`serve may have ${openFiles} open files`)
        : warning(`serve may have ${openFiles} open files, and filter.max_connections asks for ${needed}`);
    },
  }),
  check({
    code: 'listeners_answer',
    why: 'Postfix hands its mail in there: where nobody greets, it waits; where another program does, that one gets it',
    mend: 'sealpost serve; and see its log for the listener',
    reads: ['listeners'],
    judge: ({ listeners }) =>
      noneOf(
        failuresOf(listeners),
        `${listeners.length} listeners greet: ${listeners.map(({ address }) => address).join(', ')}`,
        (list) => list,
        wrong,
      ),
  }),
  check({
    code: 'lookups_answer',
    why: 'Postfix waits for each lookup, and defers mail when none comes',
    mend: 'sealpost serve; or set the address to "" in [policy] where no map is asked',
    reads: ['lookups'],
    judge: ({ lookups }) =>
      noneOf(failuresOf(lookups), `${lookups.length} lookup listeners answer`, (list) => list, wrong),
  }),
  check({
    code: 'listeners_closed',
    why: 'whoever reaches a listener of the filter hands in mail past every restriction of Postfix',
    mend: 'name 127.0.0.1 or a unix socket in [[filter.listen]] and receiver.listen, or close the port in the firewall',
    reads: ['config'],
    judge: ({ config: { config } }) => {
      const open = ownEndpoints(config).filter((at) => at.kind === 'inet' && !isLoopback(at.host));
      return noneOf(
        open.map(formatEndpoint),
        'the listeners are on this machine only',
        (list) => `${list} can be reached from other machines`,
      );
    },
  }),
];
