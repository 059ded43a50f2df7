import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT } from './source-files.ts';

/**
 * Prometheus' own checker. Not every machine has it: on Debian it is taken out of the package,
 * whose server nobody wants to have running because of a test.
 */
export function findPromtool(): string | undefined {
  const named = process.env['STRONGROOM_PROMTOOL'];
  const places = [named, '/usr/bin/promtool', '/usr/local/bin/promtool', UNPACKED];
  const there = () => places.find((path) => path !== undefined && existsSync(path));
  const found = there() ?? (unpack() ? there() : undefined);
  if (found === undefined) {
    process.stderr.write('SKIPPED: no promtool here; set STRONGROOM_PROMTOOL to one\n');
  }
  return found;
}

const FOLDER = join(ROOT, 'node_modules/.cache/promtool');
const UNPACKED = join(FOLDER, 'promtool');

function unpack(): boolean {
  if (!existsSync('/usr/bin/apt-get') || process.getuid?.() !== 0) return false;
  mkdirSync(FOLDER, { recursive: true });
  const run = (command: string, ...args: readonly string[]) =>
    spawnSync(command, args, { cwd: FOLDER, stdio: 'ignore', timeout: 60_000 }).status === 0;
  const download = () => run('apt-get', 'download', 'prometheus');
  if (!download() && !(run('apt-get', 'update') && download())) return false;
  const file = readdirSync(FOLDER).find((name) => /^prometheus_.*\.deb$/.test(name));
  if (file === undefined || !run('dpkg-deb', '-x', file, 'package')) return false;
  renameSync(join(FOLDER, 'package/usr/bin/promtool'), UNPACKED);
  rmSync(join(FOLDER, 'package'), { recursive: true });
  rmSync(join(FOLDER, file));
  return true;
}
