// Writes docs/doctor.md from the checks themselves. Run: npx tsx docs/doctor-page.ts
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FAMILIES } from '../src/doctor/checks/all.ts';

const HEAD = `# What \`sealpost doctor\` looks at

<!-- not run: looks at this machine's own Postfix; README's steps run it on a machine of their own -->

    sealpost doctor                        # for people
    sealpost doctor --probe                # also sends a letter through the filter, and follows it
    sealpost doctor --json                 # for machines: code, level, found, why, mend
    sealpost doctor --config-dir DIR       # another Postfix, as its own -c

Each check looks at the real thing: it asks Postfix, the database, the listeners, the next hop and the files. It changes
nothing (one row is written and taken back); \`--probe\` sends one letter to \`notices.administrator\`, or to the first
postmaster.

It ends with 0 where all is well, 1 where there are warnings, 2 where there are errors. What could not be looked at is never
called well: the check says why ("not looked at because ..."). That counts as a warning, except where there was nothing to look
at, or where another check is red for the same reason. A check whose facts do not come within ten seconds is not looked at.

Run it as root: it reads \`.forward\` files and Sieve scripts of all accounts. The codes do not change between versions.
`;

export function doctorPage(): string {
  const families = Object.entries(FAMILIES).map(([family, checks]) => {
    const rows = checks.map(({ code, why, mend }) => `| \`${code}\` | ${cell(why)} | ${cell(mend)} |`);
    return [`## ${family}`, '', '| code | why it matters | what mends it |', '|---|---|---|', ...rows].join(
      '\n',
    );
  });
  return `${[HEAD, ...families].join('\n\n').replace(/\n{3,}/g, '\n\n')}\n`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const path = fileURLToPath(new URL('doctor.md', import.meta.url));
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, doctorPage());
