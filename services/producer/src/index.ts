/**
 * `@strongroom/producer`: publishes an owner's rows from a program, by the pipeline of
 * `strongroom producer publish`. Reference and examples: docs/sdk.md.
 *
 * Errors carry a code (docs/errors.md), which `codeOf` reads, and facts that anyone may see.
 */
export { codeOf, type ErrorCode, StrongroomError } from '@strongroom/protocol/errors';
export { openProducer, type Producer, type PublishSummary, type RowLike } from './open-producer.ts';
export type { ConnectorOptions, ProducerOptions, PublishOptions } from './producer-options.ts';
export type { Progress } from './publish-report.ts';
export type { RowValue } from './row-lines.ts';
