// Where milters stand, as far as Postfix tells: whether one signs before sealing, or sees what is sealed already.
import { entrancesOf, isGateway, waysBack } from '../../postfix/entrances.ts';
import { listOf, type PostfixModel, type PostfixService, settingOf } from '../../postfix/model.ts';
import { check, ok, some, warning } from '../check.ts';

export const SIGNERS = check({
  code: 'signers',
  why: 'a signature that is made before sealing is broken by it: DKIM and ARC are verified before the filter, and signed after it',
  mend: 'smtpd_milters with the signer at the listener behind the filter, and none that signs before it (docs/dkim-and-spam.md)',
  reads: ['postfix', 'config'],
  judge: ({ postfix, config: { config } }) => {
    const back = waysBack(postfix, config);
    const behind = [...new Set(back.flatMap((service) => miltersOf(postfix, service)))];
    if (!isGateway(entrancesOf(postfix, config)))
      return behind.length === 0
        ? ok('outgoing mail is not sealed by this wiring')
        : warning(
            `${some(behind)} behind the seal of mailboxes sees ciphertext`,
            'smtpd_milters = and smtpd_milter_maps = at the listener by which mail comes back (docs/dkim-and-spam.md)',
          );
    const entries = postfix.services.filter((service) => !back.includes(service));
    const before = [...new Set(entries.flatMap((service) => miltersOf(postfix, service)))];
    if (before.length === 0) return ok('no milter stands before the filter');
    const both = before.filter((milter) => behind.includes(milter));
    if (both.length > 0)
      return warning(
        `${some(both)} before the filter, and again behind it, where it sees ciphertext`,
        'two: one that verifies before the filter, and one that signs behind it (docs/dkim-and-spam.md)',
      );
    return behind.length > 0
      ? ok(`before the filter ${some(before)}, behind it ${some(behind)}`)
      : warning(`${some(before)} before the filter, and none behind it`);
  },
});

/** The milters that see what a service takes in; a table of them wins over smtpd_milters, and stands for itself. */
function miltersOf(postfix: PostfixModel, service: PostfixService): readonly string[] {
  const { command } = service;
  if (listOf(settingOf(postfix, 'receive_override_options', service)).includes('no_milters')) return [];
  // cleanup(8) asks them, and does not know the settings of pickup(8) or qmqpd(8).
  if (command === 'pickup' || command === 'qmqpd') return listOf(settingOf(postfix, 'non_smtpd_milters'));
  if (command !== 'smtpd') return [];
  const tables = listOf(settingOf(postfix, 'smtpd_milter_maps', service));
  return [
    ...tables.map((table) => `smtpd_milter_maps = ${table}`),
    ...listOf(settingOf(postfix, 'smtpd_milters', service)),
  ];
}
