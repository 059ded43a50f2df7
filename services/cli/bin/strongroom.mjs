#!/usr/bin/env node
// The `strongroom` command. Plain JavaScript that every Node can parse: an old one is told the way.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const NODE_TOO_OLD = 69;

const major = Number(process.versions.node.split('.')[0]);
if (major < NODE_MAJOR_MIN) {
  process.stderr.write(
    `strongroom needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}. ` +
      'In the repository, `npm run strongroom -- …` brings the right one.\n',
  );
  process.exit(NODE_TOO_OLD);
}

// In a checkout the sources run as they stand; an image ships dist only.
const source = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const built = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const command = existsSync(source) ? ['--conditions=strongroom:source', source] : [built];
const args = [...command, ...process.argv.slice(2)];

if (typeof process.execve === 'function' && process.platform !== 'win32') {
  // The same process goes on as the command: signals and exit codes need no forwarding.
  process.execve(process.execPath, [process.execPath, ...args], process.env);
} else {
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
