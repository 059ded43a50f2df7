/**
 * docs/errors.md, made from the table of codes:
 *
 *   node --conditions=strongroom:source scripts/write-errors.ts
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ERRORS, EXIT_CODE_ENDED, EXIT_CODE_USAGE, EXIT_CODES } from '@strongroom/protocol/errors';
import {
  QUARANTINED_PER_MINUTE_MAX,
  QUARANTINED_RECORD_BYTES_MAX,
} from '@strongroom/protocol/limits';

export const ERRORS_FILE = 'docs/errors.md';

const INTRODUCTION = `# Errors

Every refusal has a stable code. Programs match on codes; the sentences may change. A command prints
\`error CODE: what was expected (facts). what to do\`, or with \`--json\` one line
\`{"error":{"code","expected","remedy","facts"}}\`. Facts are names from the contract, counts and
limits: never a row, a key or a token.

| disposition | meaning | exit code |
|---|---|---|
| retry | the outside failed; the same step may succeed later | ${EXIT_CODES.retry} |
| quarantine | this record is bad and is set aside; the stream goes on | ${EXIT_CODES.quarantine} |
| halt | trust is broken, or nobody can repair it by waiting; stop | ${EXIT_CODES.halt} |

Wrong arguments exit with ${EXIT_CODE_USAGE}, a programmer error with 70. A contract that an owner
has ended (\`ERR_CONTRACT_REVOKED\`), or approved a newer version of
(\`ERR_CONTRACT_SUPERSEDED\`), exits with ${EXIT_CODE_ENDED}: nothing is to be started under it
again ([supervisors](operations.md#when-an-owner-ends-it)).

**What was set aside.** A record that the vault refuses on a dataset's topic is sealed to the
dataset's owner, with its code and the place where it lay, on a topic that only this owner can open:
\`strongroom quarantine list\` shows what, when and what to do, \`show ID\` its headers and what
its seal claims, \`retry ID\` publishes it once more. A record above
${QUARANTINED_RECORD_BYTES_MAX} bytes is told by length and hash; of more than
${QUARANTINED_PER_MINUTE_MAX} in a minute the rest is counted. An owner without a reading key is
told of refusals only in the statements of the running worker (\`strongroom evidence\`).

This page is made by \`scripts/write-errors.ts\` from \`packages/protocol/src/errors.ts\`.

| code | disposition | expected | what to do |
|---|---|---|---|
`;

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { disposition, expected, remedy }]) =>
      `| \`${code}\` | ${disposition} | ${expected} | ${remedy} |\n`,
  );
  return INTRODUCTION + rows.join('');
}

if (import.meta.main) {
  writeFileSync(join(dirname(import.meta.dirname), ERRORS_FILE), errorsPage());
}
