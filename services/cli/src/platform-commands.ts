import { join } from 'node:path';
import {
  createSimulatedPlatform,
  SIMULATED_WARNING,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import { readTextFile } from '@strongroom/runtime/files';
import type { Command } from 'commander';
import { leafCommand, nounCommand, printNotice, printResult } from './leaf-command.ts';

/** `strongroom platform …`: a platform without hardware, for a machine that has none. */
export function addPlatformCommands(program: Command): void {
  const platform = nounCommand(program, 'platform', 'the simulated platform (NOT HARDWARE)');
  leafCommand(
    platform,
    'new',
    'make the roots of a simulated platform; it proves nothing about any machine',
    'strongroom platform new --dir .strongroom/platform',
  )
    .requiredOption('--dir <folder>', 'where it is kept')
    .action(newPlatform);
  leafCommand(
    platform,
    'roots',
    'print the public roots that an attestation service is given',
    'strongroom platform roots --dir .strongroom/platform > roots.json',
  )
    .requiredOption('--dir <folder>', 'folder of the simulated platform')
    .action(printRoots);
}

interface FolderOptions {
  readonly dir: string;
  readonly json?: boolean;
}

async function newPlatform(options: FolderOptions): Promise<void> {
  printNotice(SIMULATED_WARNING);
  await createSimulatedPlatform(options.dir);
  const roots = rootsPath(options.dir);
  printResult(options.json, { folder: options.dir, roots }, `roots: ${roots}`);
}

async function printRoots(options: FolderOptions): Promise<void> {
  printNotice(SIMULATED_WARNING);
  const path = rootsPath(options.dir);
  simulatedRoots(path);
  const roots: unknown = JSON.parse(await readTextFile(path));
  printResult(options.json, roots, JSON.stringify(roots, null, 2));
}

function rootsPath(folder: string): string {
  return join(folder, 'simulated-roots.json');
}
