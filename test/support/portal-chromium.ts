// Debian's Chromium before the portal: a proxy that speaks TLS in between, as at a real site, and every page looked at by axe-core.
import { mkdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { type Browser, chromium, type Page } from 'playwright-core';
import { openAuthority } from './authority.ts';
import { CHROMIUM, type Finding, lookAt } from './chromium.ts';
import { PORTAL_HOST, type PortalStand } from './portal-stand.ts';

export interface Steps {
  pages: number;
  clicks: number;
  /** Counts anew; the page that is shown is the first one. */
  begin(): void;
}

export interface Visitor {
  readonly page: Page;
  /** Pages that were shown, and buttons that were pressed, since {@link Steps.begin}. */
  readonly steps: Steps;
  /** Opens a path of the portal. */
  open(path: string): Promise<void>;
  /** Presses the button of that text, and waits for the page that follows. */
  press(text: string | RegExp): Promise<void>;
  /**
   * Looks at the page as it is: axe-core in both colour schemes at these widths (default: 360 and 1280 px), what is wider than
   * the screen, and where a folder was given, a picture of each.
   */
  look(name: string, widths?: readonly number[]): Promise<readonly Finding[]>;
}

export interface ChromiumStand {
  visitor(): Promise<Visitor>;
  close(): Promise<void>;
}

const WIDTHS = [360, 1280] as const;

/** @param pictures a folder for screenshots; null: none are taken */
export async function startChromium(stand: PortalStand, pictures: string | null): Promise<ChromiumStand> {
  await stand.server.listen({ host: '127.0.0.1', port: 0 });
  const inside = (stand.server.server.address() as AddressInfo).port;
  const proxy = await startProxy(inside);
  const { port } = proxy.address() as AddressInfo;
  if (pictures !== null) mkdirSync(pictures, { recursive: true });
  let browser: Browser;
  try {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', `--host-resolver-rules=MAP ${PORTAL_HOST} 127.0.0.1:${port}`],
    });
  } catch (error) {
    proxy.close();
    throw error;
  }
  return {
    visitor: () => visitorOf(browser, pictures),
    async close() {
      await browser.close();
      proxy.close();
    },
  };
}

/** What the site has in front: TLS, and the bytes passed on. */
async function startProxy(inside: number): Promise<Server> {
  const authority = openAuthority();
  const { pem, keyFile } = authority.issue('portal', { extensions: [`subjectAltName=DNS:${PORTAL_HOST}`] });
  const proxy = createServer({ cert: pem, key: readFileSync(keyFile) }, (outer) => {
    const inner = connect(inside, '127.0.0.1');
    outer.pipe(inner).pipe(outer);
    for (const [one, other] of [
      [outer, inner],
      [inner, outer],
    ] as const)
      one.on('error', () => other.destroy());
  });
  authority.close();
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return proxy;
}

async function visitorOf(browser: Browser, pictures: string | null): Promise<Visitor> {
  // axe-core is a script, which no page of ours would run.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, locale: 'en-GB' });
  const page = await context.newPage();
  const steps = stepsOf(page);
  return {
    page,
    steps,
    async open(path) {
      await page.goto(`https://${PORTAL_HOST}${path}`);
    },
    async press(text) {
      await page.getByRole('button', { name: text }).first().click();
      steps.clicks += 1;
      await page.waitForLoadState();
    },
    look: (name, widths = WIDTHS) => lookAt(page, name, { widths, pictures }),
  };
}

/** A redirect is no page: only what is shown counts. */
function stepsOf(page: Page): Steps {
  const steps: Steps = {
    pages: 0,
    clicks: 0,
    begin() {
      steps.pages = 1;
      steps.clicks = 0;
    },
  };
  page.on('framenavigated', (frame) => {
    if (frame === page.mainFrame()) steps.pages += 1;
  });
  return steps;
}
