import { hash } from 'node:crypto';
import type { TreeNode } from '@strongroom/privacy/continual-release';
import { noiseSeed } from '@strongroom/privacy/random-source';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import type { Query } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { debitSpanOf } from '@strongroom/protocol/privacy';
import type { Statistics } from './engine/aggregate.ts';
import type { TimeWindow } from './engine/window.ts';

/**
 * Where noise comes from: a secret that all owners' state shares give, and what the noise is for.
 * Whoever counts the same rows again, after a crash or in another life, tells the same numbers;
 * other rows get other noise, or the difference of two results would be that of their rows.
 */
export class NoiseSeeds {
  readonly #secret: Uint8Array;
  readonly #contractId: ContractId;

  constructor(secret: Uint8Array, contractId: ContractId) {
    this.#secret = secret;
    this.#contractId = contractId;
  }

  /** Which rows of a contributor count in a window, in hex. It does not depend on any row. */
  orderKey(query: Query, window: TimeWindow | null): string {
    return Buffer.from(this.#seed('order', query, spanText(window))).toString('hex');
  }

  /** Of one result. @param digest of what was counted */
  ofWindow(query: Query, window: TimeWindow | null, digest: string): Uint8Array {
    return this.#seed('window', query, spanText(window), digest);
  }

  /** Of a node of the tree of running totals, the same in every window that it is in. */
  ofNode(query: Query, window: TimeWindow, { level, index, digest }: TreeNode): Uint8Array {
    const period = spanText(debitSpanOf(query, window));
    return this.#seed('node', query, period, `${level} ${index}`, digest);
  }

  #seed(use: string, query: Query, ...parts: readonly string[]): Uint8Array {
    return noiseSeed(this.#secret, [use, this.#contractId, query.id, ...parts]);
  }
}

/** SHA-256 in hex of what was counted, group by group. */
export function statisticsDigest({ dimensions, groups }: Statistics): string {
  const counted = groups.map((numbers, row) => [
    dimensions.map(({ values }) => (values[row] === null ? null : String(values[row]))),
    numbers.map(String),
  ]);
  return hash('sha256', canonicalBytes(counted), 'hex');
}

function spanText(span: TimeWindow | null): string {
  return span ? `${span.start} ${span.end}` : 'whole';
}
