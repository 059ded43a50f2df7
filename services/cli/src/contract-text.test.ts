import type { Query } from '@strongroom/protocol/contract';
import { describe, expect, test } from 'vitest';
import { agreedContract } from '../test/signed-contract.ts';
import { contractText } from './contract-text.ts';

/** What a person is told before signing: who has to lie before a key leaves. */

const TWO = ['https://a.example', 'https://b.example'];
const OWN = 'every owner and reader verifies the report itself: no authority can lie alone';
const NOBODY = 'nobody else looks at the report';

async function textOf(enclave: object, authorities?: string[]): Promise<string> {
  const { contract, contractId } = await agreedContract(enclave, authorities);
  return contractText(contract, contractId, []);
}

describe('the guards of a contract', () => {
  test.each([
    [{}, undefined, 'the one attestation authority must', 'one dishonest authority is enough'],
    [{}, TWO, '1 of 2 attestation authorities must', 'one dishonest authority is enough'],
    [{ agreement: 2 }, TWO, '2 of 2 attestation authorities must', '2 dishonest authorities'],
  ])('%j is said with what it does not protect from', async (enclave, authorities, who, enough) => {
    const text = await textOf(enclave, authorities);
    for (const part of [who, enough, NOBODY]) expect(text).toContain(part);
    expect(text).not.toContain(OWN);
  });

  test('with own verification nobody can lie alone', async () => {
    const text = await textOf({ ownVerification: true, agreement: 2 }, TWO);
    for (const part of ['2 of 2 attestation authorities must', OWN]) expect(text).toContain(part);
    expect(text).not.toContain(NOBODY);
    expect(text).not.toContain('dishonest');
  });

  test('PCRs and every other demand are shown', async () => {
    const text = await textOf({
      ownVerification: true,
      measurements: [{ name: 'vm', sha384: 'ab'.repeat(48), pcrs: { 4: 'cd'.repeat(32) } }],
      revocationList: 'required',
    });
    expect(text).toContain(`with PCR 4: ${'cd'.repeat(32)}`);
    expect(text).toContain('demands revocationList: "required"');
  });
});

describe('the window of a query', () => {
  const day = 86_400_000;
  test.each<[Query['window'], number, string]>([
    [{ kind: 'whole' }, 0, 'once, over the whole data'],
    [
      { kind: 'tumbling', sizeMs: day },
      3_600_000,
      'for every day of event time, kept open 1 hour longer',
    ],
    [
      { kind: 'hopping', sizeMs: day, advanceMs: 3_600_000 },
      0,
      'every hour of event time, over 1 day each',
    ],
    [
      { kind: 'session', key: 'who', gapMs: 1_800_000, maximumMs: day, sizeMs: day },
      1,
      'for every day of event time, over the sessions that end in it: rows of one who without ' +
        'a gap of more than 30 minutes, cut at multiples of 1 day when they last longer, kept open 1 ms longer',
    ],
  ])('is said as it was agreed: %j', async (window, latenessMs, said) => {
    const { contract, contractId } = await agreedContract({});
    const queries = contract.queries.map((query) => ({ ...query, window, latenessMs }));
    expect(contractText({ ...contract, queries }, contractId, [])).toContain(said);
  });
});

describe('what an owner accepts', () => {
  const AVERAGING = 'ACCEPTS that two workers could average the noise over its rows';

  test('is said where it is signed, and nowhere else', async () => {
    const { contract, contractId } = await agreedContract({});
    expect(contractText(contract, contractId, [])).not.toContain('ACCEPTS');
    const parties = contract.parties.map((party) =>
      party.keyRelease
        ? { ...party, keyRelease: { ...party.keyRelease, averaging: 'accepted' as const } }
        : party,
    );
    const measure = { measure: { weights: 'accepted' as const } };
    const datasets = contract.datasets.map((dataset) => ({
      ...dataset,
      rules: { columns: { paid: measure, owed: { measure: {} } } },
    }));
    const text = contractText({ ...contract, parties, datasets }, contractId, []);
    const owners = contract.parties.filter(({ keyRelease }) => keyRelease).length;
    expect(text.split(AVERAGING)).toHaveLength(owners + 1);
    expect(owners).toBeGreaterThan(0);
    const { owner } = contract.datasets[0] ?? expect.fail('there is a dataset');
    expect(text).toContain(`column paid: ${owner} ACCEPTS that others give each value a weight`);
    expect(text).not.toContain('column owed:');
  });
});
