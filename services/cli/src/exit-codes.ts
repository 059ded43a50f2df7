import { EXIT_CODE_ENDED, EXIT_CODES } from '@strongroom/protocol/errors';

/**
 * What a shell can ask of every command. The numbers above 64 are those of sysexits(3), as far as
 * it has one for the case; docs/cli.md and the help of each command are made from this table.
 */
export const EXIT_MEANINGS: Readonly<Record<number, string>> = {
  0: 'done',
  2: 'called wrongly',
  [EXIT_CODES.quarantine]: 'damaged or refused data',
  [EXIT_CODES.retry]: 'may succeed later: something outside does not answer',
  70: 'a defect of Strongroom',
  [EXIT_CODES.halt]: 'refused: waiting does not help',
  [EXIT_CODE_ENDED]:
    'an owner has ended the contract, or a newer version has: start nothing of it again',
};

/** All exit codes of a command: the common ones, and what is its own. */
export function exitsWith(own: Readonly<Record<number, string>>): [number, string][] {
  return Object.entries({ ...EXIT_MEANINGS, ...own }).map(([code, meaning]) => [
    Number(code),
    meaning,
  ]);
}
