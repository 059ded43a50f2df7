import { describe, expect, test } from 'vitest';
import { CheckpointSchema } from './checkpoint.ts';
import { ContractIdSchema, PartyIdSchema } from './fields.ts';
import { useRecordShape, usesTopic } from './record.ts';
import { USE_FORMAT, UseEntrySchema, UseSealSchema, useGenesis } from './use-entry.ts';

const contract = ContractIdSchema.parse('ab'.repeat(32));
const owner = PartyIdSchema.parse('north');
const at = { contract, owner, epoch: 3, sequence: 7 };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const SEAL = {
  v: 1,
  ...at,
  previous: '0'.repeat(64),
  heads: [{ owner: 'south', sequences: 2, head: '1'.repeat(64) }],
  checkpoint: 9,
  token: '2'.repeat(64),
  plaintextBytes: 40,
  ciphertextSha256: '3'.repeat(64),
  commitment: 'A'.repeat(43),
  segment: 'a.b.c.d.e',
};

describe('entries of a ledger of uses', () => {
  test('every text that enters a key or a hash names the whole position', () => {
    const name = `${contract} north 3 7`;
    expect(text(USE_FORMAT.keyInfoOf(at))).toBe(`strongroom/use-key/v1 ${name}`);
    expect(text(USE_FORMAT.contextOf(at))).toBe(`strongroom/use-secret/v1 ${name}`);
    expect(text(useGenesis(contract, owner))).toBe(`strongroom/uses/v1 ${contract} north`);
  });

  test('a record has one right key and header of each name', () => {
    expect(useRecordShape(at)).toEqual({
      key: 'north',
      headers: {
        ce_specversion: '1.0',
        ce_type: 'strongroom.use.v1',
        ce_source: `/contracts/${contract}/uses/north`,
        ce_id: '3.7',
        'content-type': 'application/json',
      },
    });
  });

  test('no dataset can have the topic of an owner: its name has no dot', () => {
    expect(usesTopic(contract, owner, 'test')).toBe(`test.${contract}.uses.north`);
  });

  test('a seal has exactly its members', () => {
    expect(UseSealSchema.safeParse(SEAL).success).toBe(true);
    for (const name of Object.keys(SEAL)) {
      const { [name as keyof typeof SEAL]: _left, ...rest } = SEAL;
      expect(UseSealSchema.safeParse(rest).success, name).toBe(false);
    }
    expect(UseSealSchema.safeParse({ ...SEAL, more: 1 }).success).toBe(false);
  });

  test('an entry says something, and nothing of a kind that is not known', () => {
    const missed = { start: 0, end: 3_600_000 };
    const late = { kind: 'late', dataset: 'visits', query: 'hourly', rows: 2, excluded: 1, missed };
    expect(UseEntrySchema.safeParse({ v: 1, facts: [late] }).success).toBe(true);
    expect(UseEntrySchema.safeParse({ v: 1, facts: [] }).success).toBe(false);
    expect(UseEntrySchema.safeParse({ v: 1, facts: [{ ...late, kind: 'lost' }] }).success).toBe(
      false,
    );
  });

  test('a checkpoint of before is one still', () => {
    const old = {
      ...{ v: 1, contract, epoch: 0, sequence: 0, previous: '0'.repeat(64) },
      ...{ streams: [], queries: [] },
    };
    expect(CheckpointSchema.safeParse(old).success).toBe(true);
    expect(CheckpointSchema.safeParse({ ...old, uses: SEAL.heads }).success).toBe(true);
  });
});
