import { createHash } from 'node:crypto';
import type { Contract } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import { ContractIdSchema, type PartyId, PartyIdSchema } from '@strongroom/protocol/fields';
import {
  type UsePoint,
  type UseSeal,
  UseSealSchema,
  useGenesis,
} from '@strongroom/protocol/use-entry';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareUses, UseChain } from './use-chain.ts';

const contractId = ContractIdSchema.parse('cd'.repeat(32));
const [EAST, NORTH, WEST] = ['east', 'north', 'west'].map((id) => PartyIdSchema.parse(id)) as [
  PartyId,
  PartyId,
  PartyId,
];
const OWNERS = [EAST, NORTH, WEST];
/** As far as a chain reads it. */
const contract = {
  parties: OWNERS.map((id) => ({ id, readingKey: {} })),
  datasets: OWNERS.map((owner) => ({ owner })),
} as unknown as Contract;

const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');
const jwsOf = (seal: UseSeal) => JSON.stringify(seal);
const tokenOf = (epoch: number) => sha256(`token ${epoch}`);

/** A vault that speaks of every owner in every step, or of some. */
class Histories {
  readonly seals = new Map<PartyId, UseSeal[]>(OWNERS.map((owner) => [owner, []]));
  checkpoint = 0;

  step(epoch: number, of: readonly PartyId[] = OWNERS, salt = ''): this {
    const points = OWNERS.map((owner) => this.point(owner));
    for (const owner of of) {
      const [mine] = points.filter((point) => point.owner === owner);
      this.seals.get(owner)?.push(
        UseSealSchema.parse({
          v: 1,
          contract: contractId,
          owner,
          epoch,
          sequence: mine?.sequences,
          previous: mine?.head,
          heads: points.filter((point) => point.owner !== owner),
          checkpoint: this.checkpoint,
          token: tokenOf(epoch),
          plaintextBytes: 1,
          ciphertextSha256: sha256(`${salt} ${this.checkpoint}`),
          commitment: 'A'.repeat(43),
          segment: 'a.b.c.d.e',
        }),
      );
    }
    this.checkpoint += 1;
    return this;
  }

  point(owner: PartyId): UsePoint {
    const seals = this.of(owner);
    const last = seals.at(-1);
    const head = sha256(last ? jwsOf(last) : useGenesis(contractId, owner));
    return { owner, sequences: seals.length, head };
  }

  of(owner: PartyId): UseSeal[] {
    return this.seals.get(owner) ?? [];
  }

  copy(): Histories {
    const copy = new Histories();
    for (const owner of OWNERS) copy.seals.set(owner, [...this.of(owner)]);
    copy.checkpoint = this.checkpoint;
    return copy;
  }
}

function read(owner: PartyId, seals: readonly UseSeal[]): UseChain {
  const chain = new UseChain(contract, contractId, owner);
  for (const seal of seals) chain.admit(seal, jwsOf(seal));
  return chain;
}

/** The first bad sequence number, and the code. */
function fault(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (error instanceof StrongroomError) return [error.code, error.facts['sequence']];
    throw error;
  }
  return 'whole';
}

const ENTRIES = 300;
const honest = new Histories();
for (let at = 0; at < ENTRIES; at += 1) honest.step(Math.floor(at / 40));
const seals = honest.of(NORTH);
const at = (index: number) => seals[index] ?? expect.fail('a seal');
const broken = (sequence: number) => ['ERR_USES_BROKEN', sequence];

describe('the chain of one owner', () => {
  test('is whole as it was written, and with entries shown twice', () => {
    expect(read(NORTH, seals)).toMatchObject({ length: ENTRIES, head: honest.point(NORTH).head });
    const twice = seals.flatMap((seal, index) => [seal, ...seals.slice(0, index + 1).slice(-3)]);
    expect(read(NORTH, twice).length).toBe(ENTRIES);
  });

  test('each entry that is left out, exchanged, rewritten or forked is found at its place', () => {
    for (let index = 0; index < ENTRIES - 1; index += 1) {
      const [seal, next] = [at(index), at(index + 1)];
      const before = seals.slice(0, index);
      const after = seals.slice(index + 1);
      const changed = { ...seal, ciphertextSha256: sha256('another content') };
      expect(fault(() => read(NORTH, [...before, ...after]))).toEqual(broken(index));
      expect(fault(() => read(NORTH, [...before, next, seal]))).toEqual(broken(index));
      // Well signed, it fits where it stands: the next entry shows that it was another one.
      expect(fault(() => read(NORTH, [...before, changed, ...after]))).toEqual(broken(index + 1));
      expect(fault(() => read(NORTH, [...before, seal, changed]))).toEqual(broken(index));
    }
  });

  test.each([
    ['another predecessor', { previous: sha256('another') }],
    ['an older worker', { epoch: 1 }],
    ['a second worker in the epoch', { token: sha256('twin') }],
    ['an older checkpoint', { checkpoint: 99 }],
    ['an owner left out', { heads: at(100).heads.slice(1) }],
    ['owners exchanged', { heads: [...at(100).heads].reverse() }],
    ['a chain of others that became shorter', { heads: at(98).heads }],
    [
      'a chain of others that changed',
      { heads: at(99).heads.map((point) => ({ ...point, head: sha256('changed') })) },
    ],
  ] as const)('an entry with %s is refused', (_name, changes) => {
    const run = () => read(NORTH, [...seals.slice(0, 100), { ...at(100), ...changes }]);
    expect(fault(run)).toEqual(broken(100));
  });

  test('no order of a part of the entries is whole, but the true beginnings', () => {
    const part = seals.slice(0, 12);
    fc.assert(
      fc.property(fc.shuffledSubarray(part, { minLength: 1 }), (shown) => {
        const isBeginning = shown.every((seal, index) => seal.sequence === index);
        const first = shown.findIndex((seal, index) => seal.sequence !== index);
        expect(fault(() => read(NORTH, shown))).toEqual(isBeginning ? 'whole' : broken(first));
      }),
    );
  });
});

describe('two owners that compare', () => {
  test('agree on one history, and see what one copy lacks', () => {
    const mine = read(NORTH, seals);
    const theirs = read(WEST, honest.of(WEST));
    expect(compareUses(mine, theirs)).toEqual({
      agreements: 2 * (ENTRIES - 1),
      missingInTheirs: 0,
    });
    const older = read(WEST, honest.of(WEST).slice(0, 200));
    expect(compareUses(mine, older)).toMatchObject({ missingInTheirs: ENTRIES - 1 - 200 });
  });

  test('a history that forks anywhere is found at the first entry that speaks of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 2, max: 9 }), (fork, more) => {
        const common = new Histories();
        for (let step = 0; step < fork; step += 1) common.step(0);
        const [left, right] = [common.copy(), common.copy()];
        for (let step = 0; step < more; step += 1) {
          left.step(1, OWNERS, 'left');
          right.step(1, OWNERS, 'right');
        }
        // Each of them alone is whole; the first step after the fork names what was before it.
        const run = () => compareUses(read(NORTH, left.of(NORTH)), read(WEST, right.of(WEST)));
        expect(fault(run)).toEqual(['ERR_USES_DIVERGED', fork + 1]);
      }),
      { numRuns: 50 },
    );
  });

  test('an end that is withheld from one is known to the other', () => {
    const short = read(NORTH, seals.slice(0, 250));
    const run = () => compareUses(short, read(WEST, honest.of(WEST)));
    expect(fault(run)).toEqual(['ERR_USES_DIVERGED', 250]);
  });

  test('steps that concern one owner alone leave no gap at the other', () => {
    const some = new Histories();
    for (let step = 0; step < 30; step += 1) some.step(0, step % 3 === 0 ? [EAST, NORTH] : [WEST]);
    expect(read(WEST, some.of(WEST)).length).toBe(20);
    const compared = compareUses(read(NORTH, some.of(NORTH)), read(WEST, some.of(WEST)));
    expect(compared).toMatchObject({ missingInTheirs: 0 });
  });

  test('an earlier copy of the same ledger shows what was rewritten or cut off since', () => {
    const copy = read(NORTH, seals.slice(0, 50));
    expect(compareUses(read(NORTH, seals), copy)).toMatchObject({ agreements: 50 });
    const other = new Histories();
    for (let step = 0; step < 60; step += 1) other.step(0, OWNERS, step < 30 ? '' : 'rewritten');
    expect(fault(() => compareUses(read(NORTH, other.of(NORTH)), copy))).toEqual([
      'ERR_USES_DIVERGED',
      30,
    ]);
    const cut = read(NORTH, seals.slice(0, 49));
    expect(fault(() => compareUses(cut, copy))).toEqual(['ERR_USES_DIVERGED', 49]);
  });
});
