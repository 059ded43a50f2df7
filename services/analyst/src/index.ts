/**
 * `@strongroom/analyst`: verifies and opens results in a program, by the code of
 * `strongroom analyst read`. Reference and examples: docs/sdk.md.
 *
 * Errors carry a code (docs/errors.md), which `codeOf` reads, and facts that anyone may see.
 */
export { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
export {
  type Ended,
  type PlatformRoots,
  type ReadOptions,
  type Refused,
  type Result,
  type ResultProof,
  type ResultRow,
  type RevocationOptions,
  readResults,
} from './read-results.ts';
export type { Cell, ColumnKind } from './result-columns.ts';
