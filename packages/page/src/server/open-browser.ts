import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

/** What decides whether a browser can be opened, and how; a test says otherwise. */
export interface Desktop {
  readonly platform: string;
  readonly environment: Readonly<Partial<Record<string, string>>>;
  /** Whether a person sees what is printed. */
  readonly isTerminal: boolean;
  /** @returns the exit code, or the system's code where the program cannot be started */
  run(program: string, args: readonly string[]): Promise<number | string>;
}

/**
 * Opens an address in the browser of this machine, for a person at a terminal alone. The address
 * was printed before: nothing depends on it.
 * @param address with a secret in its fragment, which never becomes an argument of a program:
 *   every user of the machine reads those. A private file sends the browser there.
 * @param onShutdown takes the file away again
 * @returns why no browser was opened; undefined when one was
 */
export async function openBrowser(
  address: string,
  onShutdown: (work: () => Promise<void>) => void,
  desktop: Desktop = thisDesktop,
): Promise<string | undefined> {
  const [program, ...args] = openerOf(desktop);
  if (desktop.environment['CI']) return 'this is a CI run';
  if (!desktop.isTerminal) return 'the output is no terminal';
  if (program === undefined) return 'there is no display';
  const { hash } = new URL(address);
  const opened = hash === '' ? address : await privateDoor(address, onShutdown);
  const ended = await desktop.run(program, [...args, opened]);
  return ended === 0 ? undefined : `${program} ended with ${ended}`;
}

/** Sentence for stderr. */
export function notOpenedText(why: string): string {
  return `No browser was opened, since ${why}: open the address yourself.\n`;
}

function openerOf({ platform, environment }: Desktop): readonly string[] {
  if (platform === 'darwin') return ['open'];
  // `start` is the shell's own, which reads some characters of an address in its own way.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler'];
  const hasDisplay = environment['DISPLAY'] || environment['WAYLAND_DISPLAY'];
  return hasDisplay ? ['xdg-open'] : [];
}

async function privateDoor(
  address: string,
  onShutdown: (work: () => Promise<void>) => void,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-open-'));
  onShutdown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'open.html');
  const refresh = `<meta http-equiv="refresh" content="0; url=${address.replaceAll('"', '%22')}">`;
  const page = `<!doctype html><meta name="referrer" content="no-referrer">${refresh}\n`;
  await writeFile(file, page, { mode: 0o600 });
  return pathToFileURL(file).href;
}

/** A desktop's opener ends at once, or becomes the browser: then it is left running. */
const OPENING_MS = 3_000;

const thisDesktop: Desktop = {
  platform: process.platform,
  environment: process.env,
  isTerminal: process.stdout.isTTY === true,
  run: (program, args) =>
    new Promise((resolve) => {
      const child = spawn(program, args, { detached: true, stdio: 'ignore' });
      const timer = setTimeout(() => resolve(0), OPENING_MS);
      child.unref();
      child.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        resolve(error.code ?? error.name);
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        resolve(code ?? signal ?? 0);
      });
    }),
};
