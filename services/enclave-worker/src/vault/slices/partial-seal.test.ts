import { createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { codeOf } from '@strongroom/protocol/errors';
import { ContractIdSchema } from '@strongroom/protocol/fields';
import { PADDED_SIZES } from '@strongroom/protocol/limits';
import { PartialSchema, partialKeyInfo } from '@strongroom/protocol/partial';
import { SEAL_HEADER } from '@strongroom/protocol/record';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openPartial, sealPartial } from './partial-seal.ts';

const RecordSchema = z.strictObject({ name: z.string(), seal: z.string(), value: z.string() });
const VectorsSchema = z.strictObject({
  contract: ContractIdSchema,
  slice: z.number(),
  key: z.string(),
  code: z.string(),
  good: z.array(
    RecordSchema.extend({ partial: PartialSchema, arrow: z.string(), hash: z.string() }),
  ),
  bad: z.array(RecordSchema),
});
const file = new URL('../../../../../schemas/partial/vectors.json', import.meta.url);
const vectors = VectorsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
const { contract, slice, good, bad, code } = vectors;
const sliceKey = createSecretKey(Buffer.from(vectors.key, 'hex'));

const opened = ({ seal, value }: { readonly seal: string; readonly value: string }) => {
  const record = { headers: { [SEAL_HEADER]: seal }, value: Buffer.from(value, 'base64') };
  return openPartial(record, sliceKey, { contract, slice });
};

describe('a partial', () => {
  test.each(good)('opens: $name', async ({ seal, value, partial, arrow, hash }) => {
    const found = await opened({ seal, value });
    expect({ ...found, arrow: Buffer.from(found.arrow).toString('base64') }).toEqual({
      ...{ partial, arrow, hash },
    });
  });

  test.each(bad)('is refused: $name', async (record) => {
    expect(await opened(record).catch(codeOf)).toBe(code);
  });

  test.each(good)('that is sealed again has the same hash: $name', async ({ partial, hash }) => {
    const { arrow } = await opened(good.find((each) => each.hash === hash) ?? expect.fail());
    const sealed = sealPartial({ partial, arrow }, PADDED_SIZES, 1, sliceKey);
    expect(sealed.hash).toBe(hash);
    expect(sealed.record).toMatchObject({ key: '3', headers: { ce_id: '1.5' } });
    expect(sealed.record.value).toHaveLength(PADDED_SIZES[0]);
  });

  test('has a key that follows from contract and slice', () => {
    expect(partialKeyInfo(contract, slice)).toBe(`strongroom/partial/v1 ${contract} 3`);
  });
});
