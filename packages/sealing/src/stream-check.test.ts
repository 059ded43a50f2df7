import { codeOf } from '@strongroom/protocol/errors';
import { StreamIdSchema } from '@strongroom/protocol/fields';
import { STREAM_SEALS_REMEMBERED_MAX } from '@strongroom/protocol/limits';
import type { BatchSeal, Manifest, Opening } from '@strongroom/protocol/sealed-batch';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { sha256Hex } from './digest.ts';
import { newStreamId } from './seal.ts';
import { StreamCheck } from './stream-check.ts';

let small: SmallContract;
beforeAll(async () => {
  small = await smallContract();
});

/** A chain of seals whose JWS is its own JSON text: StreamCheck is given verified seals. */
function chain(count: number, salt = ''): { seal: BatchSeal; jws: string }[] {
  const position = {
    contract: small.contractId,
    dataset: small.dataset.id,
    stream: StreamIdSchema.parse('AAAAAAAAAAAAAAAAAAAAAA'),
    epoch: 0,
  };
  let previous = new StreamCheck(position).point.head;
  return Array.from({ length: count }, (_, sequence) => {
    const seal: BatchSeal = {
      v: 1,
      ...position,
      sequence,
      previous,
      eventTime: { min: 0, max: 0 },
      rows: sequence + 1,
      plaintextBytes: 1,
      ciphertextSha256: sha256Hex(salt),
      commitment: '',
      segment: '',
    };
    const jws = JSON.stringify(seal);
    previous = sha256Hex(jws);
    return { seal, jws };
  });
}

function manifestOf(check: StreamCheck, seal: BatchSeal, more: Partial<Manifest> = {}): Manifest {
  const { contract, dataset, stream, epoch } = seal;
  const { sequence, head, rows } = check.point;
  const at = { contract, dataset, stream, epoch, sequences: sequence, head, rows };
  return { v: 1, ...at, watermark: 0, final: false, ...more };
}

/** An opening that goes on where this reader stands. */
function openingOf(check: StreamCheck, { seal }: { seal: BatchSeal }, salt = '') {
  const { contract, dataset, stream } = seal;
  const { epoch, sequence: sequences, head, rows } = check.point;
  const continues = { epoch, sequences, head, rows };
  const opening: Opening = { v: 1, contract, dataset, stream, epoch: epoch + 1, continues };
  return { opening, jws: JSON.stringify({ ...opening, salt }) };
}

/** The next seal behind the point of a reader. */
function following(check: StreamCheck, link: { seal: BatchSeal }) {
  const { epoch, sequence, head } = check.point;
  const seal: BatchSeal = { ...link.seal, epoch, sequence, previous: head };
  return { seal, jws: JSON.stringify(seal) };
}

function codeFrom(run: () => unknown): string | undefined {
  try {
    return `${run()}`;
  } catch (error) {
    return codeOf(error);
  }
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error('no such item');
  return item;
}

function checked(links: { seal: BatchSeal; jws: string }[]): StreamCheck {
  const check = new StreamCheck(at(links, 0).seal);
  for (const { seal, jws } of links) check.accept(seal, jws);
  return check;
}

describe('stream check', () => {
  test('takes a chain in its order and no other', () => {
    const links = chain(6);
    for (const order of permutations([0, 1, 2, 3, 4, 5])) {
      const check = new StreamCheck(at(links, 0).seal);
      for (const index of order) {
        const { seal, jws } = at(links, index);
        const expected = check.point.sequence;
        const code = codeFrom(() => check.accept(seal, jws));
        const right = index === expected ? 'next' : 'ERR_STREAM_GAP';
        expect(code).toBe(index < expected ? 'ERR_BATCH_REPLAYED' : right);
      }
      const inOrder = order.every((index, place) => index === place);
      expect(check.point.sequence === 6).toBe(inOrder);
    }
  });

  test('a refusal changes nothing', () => {
    const links = chain(4);
    const check = checked(links.slice(0, 2));
    const before = check.point;
    for (const index of [0, 1, 3]) {
      codeFrom(() => check.accept(at(links, index).seal, at(links, index).jws));
      expect(check.point).toBe(before);
    }
    expect(check.accept(at(links, 2).seal, at(links, 2).jws)).toBe('next');
    expect(check.point.rows).toBe(1 + 2 + 3);
  });

  test('tells a second history from a repetition', () => {
    const [links, others] = [chain(3, 'one'), chain(3, 'two')];
    const check = checked(links.slice(0, 2));
    expect(codeFrom(() => check.accept(at(others, 1).seal, at(others, 1).jws))).toBe(
      'ERR_STREAM_FORKED',
    );
    expect(codeFrom(() => check.accept(at(others, 2).seal, at(others, 2).jws))).toBe(
      'ERR_STREAM_FORKED',
    );
    expect(codeFrom(() => check.accept(at(links, 1).seal, at(links, 1).jws))).toBe(
      'ERR_BATCH_REPLAYED',
    );
  });

  test('remembers a bounded past; what is older counts as repeated', () => {
    const count = STREAM_SEALS_REMEMBERED_MAX + 10;
    const [links, others] = [chain(count, 'one'), chain(count, 'two')];
    const check = checked(links);
    expect(codeFrom(() => check.accept(at(others, 2).seal, at(others, 2).jws))).toBe(
      'ERR_BATCH_REPLAYED',
    );
    expect(codeFrom(() => check.accept(at(others, 40).seal, at(others, 40).jws))).toBe(
      'ERR_STREAM_FORKED',
    );
  });

  test('goes on from a point', () => {
    const links = chain(4);
    const first = checked(links.slice(0, 2));
    const check = new StreamCheck(at(links, 0).seal, first.point);
    expect(codeFrom(() => check.accept(at(links, 0).seal, at(links, 0).jws))).toBe(
      'ERR_BATCH_REPLAYED',
    );
    expect(check.accept(at(links, 2).seal, at(links, 2).jws)).toBe('next');
    expect(check.accept(at(links, 3).seal, at(links, 3).jws)).toBe('next');
    const other = at(chain(3, 'two'), 1);
    expect(codeFrom(() => check.accept(other.seal, other.jws))).toBe('ERR_STREAM_FORKED');
  });

  test('knows one stream, and of an epoch that was not opened nothing', () => {
    const { seal, jws } = at(chain(1), 0);
    const check = new StreamCheck(seal);
    for (const [other, taken, compared] of [
      [{ stream: newStreamId() }, 'ERR_STREAM_UNKNOWN', 'ERR_STREAM_UNKNOWN'],
      [{ epoch: 1 }, 'ERR_STREAM_GAP', 'ahead'],
    ] as const) {
      expect(codeFrom(() => check.accept({ ...seal, ...other }, jws))).toBe(taken);
      const manifest = { ...manifestOf(check, seal), ...other };
      expect(codeFrom(() => check.checkManifest(manifest))).toBe(compared);
    }
  });

  test('compares manifests with what was taken', () => {
    const links = chain(4);
    const { seal } = at(links, 0);
    const check = checked(links.slice(0, 3));
    const reached = manifestOf(check, seal);
    expect(check.checkManifest(reached)).toBe('reached');
    expect(check.checkManifest({ ...reached, sequences: 4 })).toBe('ahead');
    for (const wrong of [{ rows: 5 }, { head: sha256Hex('x') }, { sequences: 2 }]) {
      const code = codeFrom(() => check.checkManifest({ ...reached, ...wrong }));
      expect(code).toBe('ERR_MANIFEST_MISMATCH');
    }
    check.accept(at(links, 3).seal, at(links, 3).jws);
    expect(check.checkManifest(reached)).toBe('reached');
    expect(codeFrom(() => check.checkManifest({ ...reached, final: true }))).toBe(
      'ERR_MANIFEST_MISMATCH',
    );
  });

  test('takes nothing behind a final manifest', () => {
    const links = chain(3);
    const { seal } = at(links, 0);
    const check = checked(links.slice(0, 2));
    const final = manifestOf(check, seal, { final: true });
    expect(check.checkManifest({ ...final, sequences: 3 })).toBe('ahead');
    expect(check.final).toBe(false);
    expect(check.checkManifest(final)).toBe('reached');
    expect(check.final).toBe(true);
    expect(codeFrom(() => check.accept(at(links, 2).seal, at(links, 2).jws))).toBe(
      'ERR_MANIFEST_MISMATCH',
    );
    expect(codeFrom(() => check.checkManifest({ ...final, sequences: 3 }))).toBe(
      'ERR_MANIFEST_MISMATCH',
    );
    const restored = new StreamCheck(seal, check.point, true);
    expect(codeFrom(() => restored.accept(at(links, 2).seal, at(links, 2).jws))).toBe(
      'ERR_MANIFEST_MISMATCH',
    );
  });

  test('tells a second opening of an epoch from a repetition', () => {
    const links = chain(2);
    const check = checked(links);
    const [one, other] = ['one', 'other'].map((salt) => openingOf(check, at(links, 0), salt));
    if (!one || !other) throw new Error('two openings');
    expect(check.open(one.opening, one.jws)).toBe('opened');
    const link = following(check, at(links, 0));
    expect(check.accept(link.seal, link.jws)).toBe('next');
    expect(codeFrom(() => check.open(one.opening, one.jws))).toBe('ERR_BATCH_REPLAYED');
    expect(codeFrom(() => check.open(other.opening, other.jws))).toBe('ERR_STREAM_FORKED');
    const again = check.at(check.point);
    expect(codeFrom(() => again.open(one.opening, one.jws))).toBe('ERR_BATCH_REPLAYED');
    expect(codeFrom(() => again.open(other.opening, other.jws))).toBe('ERR_STREAM_FORKED');
  });

  test('takes an opening that it does not remember for a repetition', () => {
    const links = chain(2);
    const check = checked(links);
    const [one, other] = ['one', 'other'].map((salt) => openingOf(check, at(links, 0), salt));
    if (!one || !other) throw new Error('two openings');
    const forked = check.at(check.point);
    forked.open(other.opening, other.jws);
    const behindOther = following(forked, at(links, 0));
    check.open(one.opening, one.jws);
    const link = following(check, at(links, 0));
    check.accept(link.seal, link.jws);
    const restarted = new StreamCheck(at(links, 0).seal, check.point);
    expect(codeFrom(() => restarted.open(one.opening, one.jws))).toBe('ERR_BATCH_REPLAYED');
    expect(codeFrom(() => restarted.open(other.opening, other.jws))).toBe('ERR_BATCH_REPLAYED');
    forked.accept(behindOther.seal, behindOther.jws);
    const next = following(forked, at(links, 1));
    expect(codeFrom(() => restarted.accept(next.seal, next.jws))).toBe('ERR_STREAM_FORKED');
    expect(restarted.point).toBe(check.point);
  });

  test('knows the opening of its epoch, however long ago that was', () => {
    const links = chain(1);
    const check = checked(links);
    const { opening, jws } = openingOf(check, at(links, 0));
    check.open(opening, jws);
    for (let count = 0; count <= STREAM_SEALS_REMEMBERED_MAX; count += 1) {
      const { seal, jws: text } = following(check, at(links, 0));
      check.accept(seal, text);
    }
    expect(codeFrom(() => check.open(opening, jws))).toBe('ERR_BATCH_REPLAYED');
  });
});

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}
