import { createJoinKey } from '@strongroom/sealing/join-key';
import type { Command } from 'commander';
import { leafCommand, printResult } from './leaf-command.ts';
import { makeNewFile } from './new-file.ts';

/** `strongroom key join`: by which owners hash what they compare; it is in no service. */
export function addJoinKeyCommand(keys: Command): void {
  leafCommand(
    keys,
    'join',
    'make a key by which owners hash the columns that they compare',
    'strongroom key join --out north-south.join-key.json --json',
  )
    .requiredOption('--out <file>', 'key file, readable by you alone; never overwritten')
    .action(makeJoinKey);
}

async function makeJoinKey({ out, json }: { out: string; json?: boolean }): Promise<void> {
  const { keyId, fileJson } = createJoinKey();
  await makeNewFile(out, fileJson);
  printResult(json, { keyId, file: out }, `${keyId}\n${NOTICE}`);
}

const NOTICE =
  'The contract names this id as hashedWith. Give the file to the owners whose columns are\n' +
  'compared, and to nobody else: whoever has it can tell by trying whose hash a value is.';
