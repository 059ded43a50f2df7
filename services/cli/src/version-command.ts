import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Command } from 'commander';
import { z } from 'zod';
import { leafCommand, printResult } from './leaf-command.ts';

/** `strongroom version`, and `--version` as people expect it. */
export function addVersionCommand(program: Command): void {
  const strongroom = ownVersion();
  program.version(strongroom, '-V, --version');
  leafCommand(
    program,
    'version',
    'the version of this command',
    'strongroom version --json',
  ).action((options: { json?: boolean }) => {
    const node = process.versions.node;
    printResult(options.json, { strongroom, node }, `strongroom ${strongroom}, Node ${node}`);
  });
}

/** From the manifest beside src or dist: one place that a release has to change. */
function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return z.looseObject({ version: z.string() }).parse(JSON.parse(text)).version;
}
