// Debian's Chromium, and how a page is looked at in it: by axe-core in both colour schemes, at several widths, with pictures.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';

export const CHROMIUM = '/usr/bin/chromium';

/** Why no browser can be started, as `TOOL: REASON`; null where one can. */
export function lackOfChromium(): string | null {
  return existsSync(CHROMIUM) ? null : `chromium: ${CHROMIUM} is not installed`;
}

/** What axe-core found wrong on a page: rule and element, the serious ones alone. */
export type Finding = string;

const SCHEMES = ['light', 'dark'] as const;
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface LookOptions {
  /** Pixels. */
  readonly widths: readonly number[];
  /** A folder for screenshots; null: none are taken. */
  readonly pictures: string | null;
}

/** Looks at a page as it is: axe-core in both colour schemes at these widths, and what is wider than the screen. */
export async function lookAt(
  page: Page,
  name: string,
  { widths, pictures }: LookOptions,
): Promise<readonly Finding[]> {
  const findings: string[] = [];
  for (const width of widths)
    for (const colorScheme of SCHEMES) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme });
      const found = [...(await serious(page)), ...(await overflow(page, width))];
      findings.push(...found.map((finding) => `${name}, ${width} px, ${colorScheme}: ${finding}`));
      if (pictures !== null)
        await page.screenshot({
          path: join(pictures, `${name}-${width}-${colorScheme}.png`),
          fullPage: true,
        });
    }
  return findings;
}

interface AxeRun {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

async function serious(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate<AxeRun>('axe.run()');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id} at ${nodes[0]?.html.slice(0, 120)}`);
}

async function overflow(page: Page, width: number): Promise<readonly string[]> {
  const needed = await page.evaluate<number>('document.documentElement.scrollWidth');
  return needed > width ? [`is ${needed} px wide`] : [];
}
