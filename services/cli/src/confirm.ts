import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * Has a person type a word before something is done that cannot be taken back.
 * @param yes `--yes` has confirmed already
 * @throws ERR_USAGE without a terminal, and for another answer
 */
export async function confirmByTyping(
  question: string,
  word: string,
  yes: boolean | undefined,
): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) {
    throw new StrongroomError('ERR_USAGE', { problem: 'it cannot be undone: confirm with --yes' });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const asked = `${question} Type ${word} to confirm: `;
  const answer = await terminal.question(asked).finally(() => terminal.close());
  if (answer.trim() === word) return;
  throw new StrongroomError('ERR_USAGE', { problem: 'it was not confirmed; nothing was done' });
}
