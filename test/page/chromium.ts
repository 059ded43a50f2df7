import { existsSync } from 'node:fs';
import process from 'node:process';
import { type Browser, chromium } from 'playwright-core';

/** STRONGROOM_CHROMIUM names another one. */
const PLACES = [
  process.env['STRONGROOM_CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** A browser of this machine; undefined, and said so, where there is none. */
export const browserPath = PLACES.find((path) => path !== '' && existsSync(path));
if (browserPath === undefined) {
  process.stderr.write('SKIPPED: no Chromium here; set STRONGROOM_CHROMIUM to one\n');
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: browserPath ?? '',
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      '--force-color-profile=srgb',
    ],
  });
}
