import { hash } from 'node:crypto';
import type { Contract, Query } from '@strongroom/protocol/contract';
import type { ContractId, DatasetId, QueryId, StreamId } from '@strongroom/protocol/fields';
import { expect, test } from 'vitest';
import { windowRuleOf, windowsToClose } from '../engine/window.ts';
import { SliceInputs } from './slice-inputs.ts';

const SECOND = 1_000;
const CONTRACT_ID = 'ab'.repeat(32) as ContractId;
const QUERY = {
  ...{ id: 'hourly' as QueryId, relations: ['visits'], latenessMs: 0 },
  window: { kind: 'tumbling', sizeMs: SECOND },
} as unknown as Query;

/** Two slices; how often it was looked up what a dataset is. */
function openInputs() {
  let looks = 0;
  const contract = {
    ...{ slices: 2, queries: [QUERY] },
    get datasets() {
      looks += 1;
      return [{ id: 'visits', relation: 'visits', eventTime: 'at' }];
    },
  } as unknown as Contract;
  const inputs = new SliceInputs(contract, CONTRACT_ID, () => false);
  return { inputs, looks: () => looks };
}

/** A slice that was started anew before each of its windows: no other word tells of their rows. */
function tell(inputs: SliceInputs, slice: number, at: number): void {
  const window = { start: at * SECOND, end: (at + 1) * SECOND };
  const chain = inputs.of(slice);
  const head = (sequence: number) => `${slice}/${sequence}`;
  const { sequence } = chain;
  const previous = sequence === 0 ? hash('sha256', CONTRACT_ID, 'hex') : head(sequence - 1);
  const counted = { dataset: 'visits' as DatasetId, stream: `gate-${slice}` as StreamId, rows: 1 };
  const input = { ...counted, epoch: 0, sequences: 1, head: '', lateRows: 0, retractedRows: 0 };
  const standing = { query: QUERY.id, closedUntil: window.end, ended: false, eventTime: null };
  const about = { ...standing, inputs: [input], told: { window, groups: 1 } };
  const partial = { v: 1, contract: CONTRACT_ID, slice, sequence, previous, about } as const;
  chain.take({ partial, arrow: new Uint8Array(1), hash: head(sequence) }, sequence);
}

test('a window that waits for a slower slice is looked at once, however often it is asked', () => {
  const { inputs, looks } = openInputs();
  const windows = 500;
  for (let at = 0; at < windows; at += 1) {
    tell(inputs, 0, at);
    const [fast, slow] = inputs.progressOf(QUERY);
    expect(fast?.eventTime).toEqual({ min: SECOND - 1, max: at * SECOND });
    expect(slow?.eventTime).toBeNull();
  }
  expect(looks()).toBe(windows);
});

test('what waited is closed behind what was closed before, and forgotten', () => {
  const { inputs } = openInputs();
  const rule = windowRuleOf(QUERY) ?? expect.fail('a window');
  for (let at = 3; at < 9; at += 1) tell(inputs, 0, at);
  const closed: number[] = [];
  let closedUntil: number | null = null;
  for (const until of [4, 5, 7, 9]) {
    tell(inputs, 1, until - 1);
    for (const window of windowsToClose(inputs.progressOf(QUERY), rule, closedUntil, 100)) {
      closed.push(window.start / SECOND);
      closedUntil = window.end;
      inputs.forget(QUERY, window);
    }
  }
  expect(closed).toEqual([3, 4, 5, 6, 7, 8]);
  expect(inputs.chains.map(({ bytes }) => bytes)).toEqual([0, 0]);
});
