import { type AuditEntry, AuditEntrySchema } from '@strongroom/protocol/audit';
import type { Contract } from '@strongroom/protocol/contract';
import { describe, expect, test } from 'vitest';
import { booksOf } from './accounts.ts';
import { leaseOf } from './lease-of-log.ts';
import { countsIn, requestsIn } from './requests.ts';

/** What the page says of entries of an audit log: budgets, the lease, and each in words. */

const [A, B, ELSE] = ['a0', 'b0', 'c0'].map((pair) => pair.repeat(32)) as [string, string, string];
const contract = {
  enclave: { measurements: [{ name: 'build 7', sha384: 'ab'.repeat(48) }] },
} as unknown as Contract;

const entriesOf = (...events: object[]): AuditEntry[] =>
  events.map((event, sequence) =>
    AuditEntrySchema.parse({ sequence, at: 10 * sequence, ...event }),
  );
const budget = (of: string, limit: object, dataset = 'flights') => ({
  ...{ event: 'budgets-set', contract: of },
  budgets: [{ dataset, limit }],
});
const debit = (of: string, loss: object, dataset = 'flights') => ({
  event: 'budget-debited',
  debit: {
    ...{ v: 1, contract: of, query: 'daily', window: { start: 0, end: 86_400_000 } },
    charges: [{ dataset, loss }],
  },
});

describe('budgets', () => {
  test('go on over versions, and are those of the contract alone', () => {
    const rho = (amount: string) => ({ rho: amount });
    const entries = entriesOf(
      budget(A, rho('1')),
      debit(A, rho('0.3')),
      budget(ELSE, rho('9')),
      debit(ELSE, rho('0.4')),
      budget(B, rho('0.5')),
      debit(B, rho('0.1')),
    );
    const { accounts, debits } = booksOf(entries, new Set([A, B]));
    const measure = { name: 'rho', limit: '0.5', spent: '0.4', left: '0.1', share: 0.8 };
    expect(accounts).toEqual([{ dataset: 'flights', debits: 2, measures: [measure] }]);
    expect(debits.map(({ sequence, charges }) => [sequence, charges])).toEqual([
      [5, ['flights: rho 0.1']],
      [1, ['flights: rho 0.3']],
    ]);
  });

  test('below what was spent have nothing left, and are exact', () => {
    const loss = { epsilon: '0.1', delta: '0.000000000001' };
    const limit = { epsilon: '0.2', delta: '0' };
    const entries = entriesOf(budget(A, limit), ...Array(3).fill(debit(A, loss)));
    const [account] = booksOf(entries, new Set([A])).accounts;
    expect(account?.measures).toEqual([
      { name: 'epsilon', limit: '0.2', spent: '0.3', left: '0', share: 1.5 },
      { name: 'delta', limit: '0', spent: '0.000000000003', left: '0', share: 1 },
    ]);
  });
});

describe('the lease', () => {
  const granted = (epoch: number, of = A) => ({ event: 'lease-granted', contract: of, epoch });
  test.each([
    ['none', [], { state: 'none', epoch: 0, at: null }],
    ['of another contract', [granted(3, ELSE)], { state: 'none', epoch: 0, at: null }],
    [
      'of a slice beside it',
      [granted(1), { ...granted(4), slice: 0 }],
      { state: 'held', epoch: 1, at: 0 },
    ],
    ['given twice', [granted(1), granted(2)], { state: 'held', epoch: 2, at: 10 }],
    [
      'given back',
      [granted(1), { event: 'lease-ended', contract: A, epoch: 1 }],
      { state: 'ended', epoch: 1, at: 10 },
    ],
    [
      'ended for good, whatever is written behind it',
      [{ event: 'contract-revoked', contract: A, epoch: 1 }, granted(2)],
      { state: 'revoked', epoch: 2, at: 0 },
    ],
    [
      'amended',
      [granted(1), { event: 'contract-superseded', contract: A, successor: B }],
      { state: 'superseded', epoch: 1, at: 10, successor: B },
    ],
  ])('%s', (_name, events, expected) => {
    expect(leaseOf(entriesOf(...events), A)).toEqual(expected);
  });
});

describe('requests', () => {
  const code = 'ERR_POLICY_DENIED';
  const refused = { event: 'release-refused', caller: 'worker', key: 'kek', code };
  const entries = entriesOf(
    {
      ...{ event: 'key-released', caller: 'worker', key: 'kek', version: 'f'.repeat(32) },
      ...{ measurement: 'ab'.repeat(48), authority: 'https://attest.example' },
    },
    { ...refused, details: [`x equals ${'a1'.repeat(32)}`, 'y\u001b[2J'] },
    { event: 'request-refused', count: 7 },
    { event: 'request-refused', route: '/ledger/:contract/debits', code: 'ERR_LEASE_LOST' },
    { event: 'something-new', key: 'kek' },
  );
  const shown = (kind: 'keys' | 'budgets' | 'all', before?: number) =>
    requestsIn(entries, contract, { kind, ...(before === undefined ? {} : { before }) });

  test('are told in words, the newest first', () => {
    expect(shown('keys').requests).toEqual([
      expect.objectContaining({ sequence: 2, what: 'A request was refused, 7 times' }),
      expect.objectContaining({
        ...{ sequence: 1, what: 'A key was refused', about: 'kek', isRefusal: true },
        answer: `${code}: x equals a1a1a1a1…a1a1; y\\u{1b}[2J`,
      }),
      expect.objectContaining({
        ...{ sequence: 0, caller: 'worker', about: 'kek ffffffffffff…', isRefusal: false },
        answer: 'to build 7, attested by https://attest.example',
      }),
    ]);
    expect(shown('budgets').requests.map(({ sequence }) => sequence)).toEqual([3]);
    expect(shown('all').requests[0]).toMatchObject({ what: 'something-new' });
    expect(shown('all', 2).requests.map(({ sequence }) => sequence)).toEqual([1, 0]);
    expect(countsIn(entries)).toEqual({ released: 1, refused: 8 });
  });

  test('come a hundred at a time, and none twice', () => {
    const many = entriesOf(...Array(250).fill(refused));
    const seen: number[] = [];
    let before: number | undefined = many.length;
    while (before !== undefined) {
      const page = requestsIn(many, contract, { kind: 'keys', before });
      seen.push(...page.requests.map(({ sequence }) => sequence));
      before = page.before;
    }
    expect(seen).toEqual(many.map(({ sequence }) => sequence).reverse());
  });
});
