// Asks a Postfix for all of its settings and services.

import { machineLiterals } from '../host/own-names.ts';
import { complaintOf, PostfixSilent, runPostfix } from './ask.ts';
import { type PostfixModel, readModel } from './model.ts';
import { type AddressSettings, readAddressSettings } from './settings.ts';

/**
 * @param configDir as Postfix's own -c; null: where Postfix has it
 * @throws PostfixSilent
 */
export async function readPostfix(
  configDir: string | null,
): Promise<PostfixModel & { readonly addresses: AddressSettings }> {
  const ask = async (flags: string): Promise<{ readonly stdout: string; readonly stderr: string }> => {
    const said = await runPostfix('postconf', configDir, [flags]);
    if (said.code !== 0) throw new PostfixSilent(complaintOf(said), false);
    return said;
  };
  const [main, master, overrides, named] = await Promise.all([ask('-x'), ask('-Mx'), ask('-Px'), ask('-n')]);
  const model = readModel(
    { main: main.stdout, master: master.stdout, overrides: overrides.stdout, warnings: named.stderr },
    configDir,
  );
  return { ...model, addresses: readAddressSettings(main.stdout, overrides.stdout, machineLiterals()) };
}
