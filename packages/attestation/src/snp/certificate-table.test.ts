import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { parseCertificateTable } from './certificate-table.ts';

const VCEK = '8d75da6364e66445adc5f4b93be8accd';
const ASK = '79b3b74aacbbe44fa02f05aef327c782';
const OTHER = '11'.repeat(16);

type Entry = [guid: string, offset: number, length: number];

function table(entries: readonly Entry[], bytes = 300, terminated = true): Uint8Array {
  const result = new Uint8Array(bytes).fill(0xee);
  const view = new DataView(result.buffer);
  for (const [index, [guid, offset, length]] of entries.entries()) {
    result.set(Buffer.from(guid, 'hex'), 24 * index);
    view.setUint32(24 * index + 16, offset, true);
    view.setUint32(24 * index + 20, length, true);
  }
  if (terminated) result.fill(0, 24 * entries.length, 24 * (entries.length + 1));
  return result;
}

function codeFor(bytes: Uint8Array): string | undefined {
  try {
    parseCertificateTable(bytes);
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

describe('certificate table', () => {
  test('finds certificates in any order and skips what it does not know', () => {
    const entries: Entry[] = [
      [ASK, 200, 50],
      [OTHER, 250, 50],
      [VCEK, 100, 100],
    ];
    const found = parseCertificateTable(table(entries));
    expect([found.vcek?.length, found.ask?.length, found.ark]).toEqual([100, 50, undefined]);
  });

  test.each<[string, Entry[]]>([
    ['into the entries', [[VCEK, 40, 10]]],
    ['beyond the end', [[VCEK, 290, 11]]],
    ['beyond 32 bits', [[VCEK, 100, 0xfffffff0]]],
    [
      'into one another',
      [
        [VCEK, 100, 60],
        [ASK, 150, 50],
      ],
    ],
    [
      'twice',
      [
        [VCEK, 100, 50],
        [VCEK, 150, 50],
      ],
    ],
    [
      'twice, unknown',
      [
        [OTHER, 100, 50],
        [OTHER, 150, 50],
      ],
    ],
  ])('refuses an entry that points %s', (_name, entries) => {
    expect(codeFor(table(entries))).toBe('ERR_EVIDENCE_MALFORMED');
  });

  test('refuses a table without its end', () => {
    expect(codeFor(table([[VCEK, 24, 10]], 40, false))).toBe('ERR_EVIDENCE_MALFORMED');
    expect(codeFor(new Uint8Array(0))).toBe('ERR_EVIDENCE_MALFORMED');
  });
});
