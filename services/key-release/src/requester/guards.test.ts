import { SCENARIOS } from '@strongroom/attestation/insecure';
import { parseReport } from '@strongroom/attestation/report';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ALIAS, B, createGuarded, EVIL, type Guarded, targetOf } from '../../test/guarded.ts';
import { ISSUER as A } from '../../test/token.ts';

/** Who has to lie, and about what, before a key leaves. */

let guarded: Guarded;
beforeAll(async () => {
  guarded = await createGuarded();
}, 120_000);
afterAll(() => guarded.vault.stop());

/** A contract with these guards, a key under it, and a good and an evil worker that want it. */
async function scene(enclave: object, uploaded = true) {
  const agreed = await guarded.agree(enclave);
  if (uploaded) expect(await guarded.upload(agreed)).toMatchObject({ status: 200 });
  const good = await guarded.start(agreed);
  const evil = await guarded.start(agreed, { image: EVIL });
  const name = await guarded.keyUnder(agreed);
  const [measurement] = agreed.contract.enclave.measurements;
  /** The evil worker's claims but for the one that gives it away. */
  const forged = (issuer: string, lies: object = {}) =>
    guarded.token(issuer, evil, {
      'x-ms-sevsnpvm-launchmeasurement': measurement?.sha384,
      ...lies,
    });
  const ask = (target: string) => guarded.ask(name, target);
  return { agreed, good, evil, name, forged, ask };
}

const OWN = { ownVerification: true };
const TWO = { agreement: 2 };
const BOTH = { ...TWO, ...OWN };

describe('one authority and nobody else', () => {
  test('releases on its word, true or not', async () => {
    const { good, forged, ask } = await scene({});
    expect(await ask(await guarded.token(A, good))).toMatchObject({ code: 'released' });
    expect(await ask(await forged(A))).toMatchObject({ code: 'released' });
  });
});

describe('two authorities that must agree', () => {
  test('release to the worker that both attest', async () => {
    const { good, ask } = await scene(TWO);
    const tokens = [await guarded.token(A, good), await guarded.token(B, good)];
    expect(await ask(targetOf(tokens))).toMatchObject({ code: 'released' });
  });

  test('do not, when one of them lies', async () => {
    const { evil, forged, ask } = await scene(TWO);
    const honest = await guarded.token(B, evil);
    const refused = await ask(targetOf([await forged(A), honest]));
    expect(refused.code).toBe('ERR_MEASUREMENT_MISMATCH');
    expect(await ask(await forged(A))).toEqual({
      code: 'ERR_AGREEMENT_MISSING',
      details: ['x-strongroom-agreeing-authorities greaterOrEquals 2, found 1'],
    });
    expect(await ask(targetOf([await forged(A)]))).toMatchObject({
      code: 'ERR_AGREEMENT_MISSING',
    });
  });

  test('are not made of one that speaks twice, or under another name', async () => {
    const { agreed, good, ask } = await scene(TWO);
    const [first, again] = [await guarded.token(A, good), await guarded.token(A, good)];
    expect(await ask(targetOf([first, again]))).toMatchObject({ code: 'ERR_TOKEN_INVALID' });
    // The contract pins a key of the alias's own; this owner's configuration knows A's under it.
    const own = { kty: 'RSA', n: 'q'.repeat(512), e: 'AQAB' };
    const [contractA] = agreed.contract.enclave.authorities;
    const renamed = await scene({
      ...TWO,
      authorities: [contractA, { issuer: ALIAS, keys: [own] }],
    });
    const tokens = [await guarded.token(ALIAS, renamed.good), await guarded.token(A, renamed.good)];
    expect(await renamed.ask(targetOf(tokens))).toEqual({
      code: 'ERR_AGREEMENT_MISSING',
      details: [
        'x-strongroom-agreeing-authorities greaterOrEquals 2, found 1',
        `${A} ERR_TOKEN_INVALID`,
      ],
    });
  });

  test('are not made of a stranger, or of a token that somebody changed', async () => {
    const { good, ask } = await scene(TWO);
    const true_ = await guarded.token(A, good);
    const stranger = await guarded.token(B, good, { iss: 'https://stranger.example' });
    expect(await ask(targetOf([true_, stranger]))).toMatchObject({
      code: 'ERR_AGREEMENT_MISSING',
      details: expect.arrayContaining(['https://stranger.example ERR_TOKEN_INVALID']),
    });
    // B's signature under A's name, and the reverse.
    const crossed = await guarded.token(B, good, { iss: A });
    expect(await ask(targetOf([crossed, await guarded.token(B, good)]))).toMatchObject({
      code: 'ERR_AGREEMENT_MISSING',
      details: expect.arrayContaining([`${A} ERR_TOKEN_INVALID`]),
    });
  });

  test('do not agree about two workers', async () => {
    const { agreed, good, evil, ask } = await scene(TWO);
    const other = await guarded.start(agreed);
    for (const second of [other, evil]) {
      const tokens = [await guarded.token(A, good), await guarded.token(B, second)];
      expect(await ask(targetOf(tokens))).toMatchObject({ code: 'ERR_AGREEMENT_MISSING' });
    }
  });

  test('are deceived by both together', async () => {
    const { forged, ask } = await scene(TWO);
    const tokens = [await forged(A), await forged(B)];
    expect(await ask(targetOf(tokens))).toMatchObject({ code: 'released' });
  });

  test('cannot be conjured up by a claim', async () => {
    const { forged, ask } = await scene(TWO);
    const lies = { 'x-strongroom-agreeing-authorities': 9 };
    expect(await ask(await forged(A, lies))).toMatchObject({ code: 'ERR_AGREEMENT_MISSING' });
  });
});

describe('own verification', () => {
  test('releases to the worker whose evidence holds', async () => {
    for (const guards of [OWN, BOTH]) {
      const { good, ask } = await scene(guards);
      const tokens = [await guarded.token(A, good), await guarded.token(B, good)];
      expect(await ask(targetOf(tokens, good.evidence))).toMatchObject({ code: 'released' });
    }
  });

  test('is not deceived by all authorities together', async () => {
    const { good, evil, agreed, forged, ask } = await scene(BOTH);
    const tokens = [await forged(A), await forged(B)];
    const earlier = await guarded.start(agreed, { image: EVIL });
    expect(await ask(targetOf(tokens, evil.evidence))).toMatchObject({
      code: 'ERR_MEASUREMENT_MISMATCH',
      details: [expect.stringMatching(/^measurement: expected .*, found .* \(ERR_/)],
    });
    // Evidence of an honest worker, of an earlier start, and with the claims exchanged.
    for (const { evidence } of [good, earlier]) {
      expect(await ask(targetOf(tokens, evidence))).toMatchObject({
        code: 'ERR_REPORT_DATA_MISMATCH',
      });
    }
    const exchanged = { ...good.evidence, runtimeClaims: evil.evidence.runtimeClaims };
    expect(await ask(targetOf(tokens, exchanged))).toMatchObject({
      code: 'ERR_REPORT_DATA_MISMATCH',
    });
    expect(await ask(targetOf(tokens))).toMatchObject({
      code: 'ERR_POLICY_DENIED',
      details: expect.arrayContaining([
        'x-strongroom-own-verification equals accepted, found no such claim',
      ]),
    });
  });

  test('cannot be conjured up by a claim', async () => {
    const { forged, ask } = await scene(OWN);
    const lies = { 'x-strongroom-own-verification': 'accepted' };
    for (const target of [await forged(A, lies), targetOf([await forged(A, lies)])]) {
      expect(await ask(target)).toMatchObject({ code: 'ERR_POLICY_DENIED' });
    }
  });

  test('does not replace the authorities', async () => {
    const { good, ask } = await scene(BOTH);
    const tokens = [await guarded.token(A, good)];
    expect(await ask(targetOf(tokens, good.evidence))).toMatchObject({
      code: 'ERR_AGREEMENT_MISSING',
    });
  });

  test('refuses a report that nobody signed, and one of another root', async () => {
    const { good, ask } = await scene(OWN);
    const tokens = [await guarded.token(A, good)];
    const report = decodeBase64url(good.evidence.report) ?? new Uint8Array(0);
    report[0x90] = (report[0x90] ?? 0) ^ 1;
    const changed = { ...good.evidence, report: Buffer.from(report).toString('base64url') };
    expect(await ask(targetOf(tokens, changed))).toMatchObject({ code: 'ERR_REPORT_SIGNATURE' });
    const bare = { ...good.evidence, certificateChain: '' };
    const { code } = await ask(targetOf(tokens, bare));
    expect(['ERR_CERTIFICATE_CHAIN', 'ERR_EVIDENCE_MALFORMED']).toContain(code);
  });

  test('needs the contract', async () => {
    const { agreed, good, ask } = await scene(OWN, false);
    const target = targetOf([await guarded.token(A, good)], good.evidence);
    expect(await ask(target)).toMatchObject({ code: 'ERR_CONTRACT_UNKNOWN' });
    await guarded.upload(agreed);
    expect(await ask(target)).toMatchObject({ code: 'released' });
  });

  test('holds evidence that is shown to the contract even where nobody asks for it', async () => {
    const { good, evil, ask } = await scene({});
    const token = await guarded.token(A, good);
    expect(await ask(targetOf([token], good.evidence))).toMatchObject({ code: 'released' });
    expect(await ask(targetOf([token], evil.evidence))).toMatchObject({
      code: 'ERR_REPORT_DATA_MISMATCH',
    });
  });
});

describe('demands that no token shows', () => {
  test('a killed chip is refused although its token is fine', async () => {
    const { evidence } = await guarded.start(await guarded.agree());
    const { chipId } = parseReport(decodeBase64url(evidence.report) ?? new Uint8Array(0));
    const chip = Buffer.from(chipId).toString('hex');
    const { good, ask } = await scene({ ...OWN, killList: { chipIds: [chip] } });
    const refused = await ask(targetOf([await guarded.token(A, good)], good.evidence));
    expect(refused.code).toBe('ERR_APPRAISAL_REFUSED');
    expect(refused.details).toEqual([
      `killList.chipId: expected a chip that is not killed, found ${chip} (ERR_APPRAISAL_REFUSED)`,
    ]);
  });

  test('a preset of floors is held end to end', async () => {
    const { agreed, good, ask } = await scene({ ...OWN, floorPreset: 'entrysign' });
    expect(await ask(targetOf([await guarded.token(A, good)], good.evidence))).toMatchObject({
      code: 'released',
    });
    const old = await guarded.start(agreed, SCENARIOS['old-tcb']);
    const refused = await ask(targetOf([await guarded.token(A, old)], old.evidence));
    expect(refused.code).toBe('ERR_APPRAISAL_REFUSED');
    const claims = refused.details.map((each) => each.split(':')[0]);
    expect(claims).toEqual(expect.arrayContaining(['tcb.reported.snp', 'tcb.launch.microcode']));
  });

  test('every mismatch is in the refusal and in the audit log', async () => {
    const { agreed, name, ask } = await scene(OWN);
    const worst = await guarded.start(agreed, { image: EVIL, debug: true, vmpl: 2 });
    const refused = await ask(targetOf([await guarded.token(A, worst)], worst.evidence));
    expect(refused.code).toBe('ERR_APPRAISAL_REFUSED');
    const claims = refused.details.map((each) => each.split(':')[0]);
    expect(claims).toEqual(['measurement', 'vmpl', 'debug']);
    const entries = await guarded.vault.entries();
    const entry = entries.findLast((each) => each['key'] === name);
    expect(entry).toMatchObject({
      event: 'release-refused',
      code: 'ERR_APPRAISAL_REFUSED',
      details: refused.details,
    });
  });
});
