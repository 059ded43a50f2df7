import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureImage, type SimulatedPlatform, VARIANTS } from '@strongroom/attestation/insecure';
import { parseReport } from '@strongroom/attestation/report';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { codeOf } from '@strongroom/protocol/errors';
import { startCertificateServer } from '@strongroom/testkit/certificate-server';
import { sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGuarded, GOOD, type Guarded, targetOf } from '../../test/guarded.ts';
import { ISSUER } from '../../test/token.ts';
import { createKillList } from './kill-list.ts';

/** What own verification asks beside the contract: AMD's lists, this owner's kill list, PCRs. */

const OWN = { ownVerification: true };
let folder: string;
let killFile: string;
let platform: SimulatedPlatform;
let guarded: Guarded;
/** With AMD's stand-in, and with nobody who has a list. */
let asking: Guarded;
let lists: Record<string, Uint8Array>;
let close: () => Promise<void>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'own-demands-'));
  killFile = join(folder, 'kill.json');
  await writeFile(killFile, '{}');
  ({ platform } = await sharedTestPlatform());
  const guest = platform.launch({ image: GOOD, hostData: new Uint8Array(32) });
  const { certificateChain } = await guest.quote(new Uint8Array(64));
  lists = {};
  const server = await startCertificateServer({ certificateChain, revocationLists: lists });
  close = server.close;
  guarded = await createGuarded(['--kill-list', killFile]);
  asking = await createGuarded(['--crl', 'optional', '--kds', server.origin]);
}, 120_000);
afterAll(async () => {
  await Promise.all([guarded.vault.stop(), asking.vault.stop(), close()]);
  await rm(folder, { recursive: true });
});

/** A contract, a key under it, a worker of it: asks for the key again and again. */
async function scene(at: Guarded, enclave: object, launch = {}, isVm = false) {
  const agreed = await at.agree(enclave);
  await at.upload(agreed);
  const name = await at.keyUnder(agreed);
  const { evidence, ...worker } = await at.start(agreed, launch, isVm);
  const token = await at.token(ISSUER, { evidence, ...worker });
  return {
    evidence,
    token,
    ask: (shown = evidence) => at.ask(name, targetOf([token], shown)),
    name,
  };
}

describe('revocation lists', () => {
  const REQUIRED = { ...OWN, revocationList: 'required' };

  test('a contract that requires one is refused where nobody looks', async () => {
    const { ask } = await scene(guarded, REQUIRED);
    expect(await ask()).toEqual({
      code: 'ERR_APPRAISAL_REFUSED',
      details: [expect.stringMatching(/^revocation: expected checked, found not-checked /)],
    });
  });

  test('and where none can be had; it is released to when there is one', async () => {
    const { ask } = await scene(asking, REQUIRED);
    // Of a Milan there is no list, and never will be: the service asked and was answered 404.
    const milan = await scene(asking, { ...REQUIRED, products: ['Milan'] }, { product: 'Milan' });
    lists['/vcek/v1/Genoa/crl'] = platform.revocationList('Genoa');
    expect(await milan.ask()).toMatchObject({
      code: 'ERR_APPRAISAL_REFUSED',
      details: [expect.stringMatching(/^revocation: /)],
    });
    expect(await ask()).toMatchObject({ code: 'released' });
  });

  test('what was revoked is refused, whether the contract asks or not', async () => {
    lists['/vcek/v1/Turin/crl'] = platform.revocationList('Turin', { revoked: ['ask'] });
    const { ask } = await scene(asking, OWN, { product: 'Turin' });
    expect(await ask()).toMatchObject({ code: 'ERR_CERTIFICATE_CHAIN' });
  });
});

describe('the kill list of an owner', () => {
  const kill = (list: unknown) =>
    writeFile(killFile, typeof list === 'string' ? list : JSON.stringify(list));

  test('counts from the next release on, and no longer when it is taken back', async () => {
    const { evidence, ask } = await scene(guarded, OWN);
    const { chipId } = parseReport(decodeBase64url(evidence.report) ?? new Uint8Array(0));
    expect(await ask()).toMatchObject({ code: 'released' });
    for (const list of [
      { chipIds: [Buffer.from(chipId).toString('hex')] },
      { products: ['Genoa'] },
      { tcbs: [{ product: 'Genoa' }] },
    ]) {
      await kill(list);
      const killed = performance.now();
      expect(await ask()).toMatchObject({
        code: 'ERR_APPRAISAL_REFUSED',
        details: [expect.stringMatching(/^killList\./)],
      });
      expect(performance.now() - killed).toBeLessThan(1_000);
      await kill({});
      expect(await ask()).toMatchObject({ code: 'released' });
    }
  });

  test('adds to what a contract kills, and takes nothing away', async () => {
    const { ask } = await scene(guarded, { ...OWN, killList: { products: ['Genoa'] } });
    await kill({ products: ['Turin'] });
    expect(await ask()).toMatchObject({ code: 'ERR_APPRAISAL_REFUSED' });
    await kill({});
  });

  test('has raw evidence shown, for no token tells the chip', async () => {
    const { token, name } = await scene(guarded, {});
    expect(await guarded.ask(name, token)).toMatchObject({ code: 'released' });
    await kill({ products: ['Turin'] });
    expect(await guarded.ask(name, token)).toEqual({
      code: 'ERR_APPRAISAL_REFUSED',
      details: ['evidence: expected, to be held to the kill list, found none'],
    });
    await kill({});
  });

  test('that is broken or gone stops every release', async () => {
    const { ask } = await scene(guarded, OWN);
    for (const broken of ['', '{', '[]', { chips: [] }, { products: ['Rome'] }, { tcbs: [] }]) {
      await kill(broken);
      expect(await ask()).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    }
    await rm(killFile);
    expect(await ask()).toMatchObject({ code: 'ERR_FILE_UNREADABLE' });
    expect(() => createKillList(killFile).now()).toThrow(
      expect.objectContaining({ code: 'ERR_FILE_UNREADABLE' }),
    );
    await kill({});
    expect(await ask()).toMatchObject({ code: 'released' });
  });

  test('that is not there stops the start', async () => {
    const missing = createGuarded(['--kill-list', join(folder, 'none.json')]);
    expect(await missing.catch(codeOf)).toBe('ERR_FILE_UNREADABLE');
  });
});

describe('evidence behind a virtual TPM', () => {
  const PCR = createHash('sha256').update('pcr 4').digest('hex');
  const vm = (value: string) => ({
    ...OWN,
    products: ['Milan', 'Genoa', 'Turin'],
    measurements: [{ name: 'vm', sha384: measureImage(GOOD), pcrs: { 4: value } }],
  });

  test.each(Object.entries(VARIANTS))('of %s is released to', async (_name, launch) => {
    const { ask } = await scene(guarded, vm(PCR), launch, true);
    expect(await ask()).toMatchObject({ code: 'released', details: [] });
  });

  test('whose PCR is another one is refused', async () => {
    const { ask } = await scene(guarded, vm('aa'.repeat(32)), {}, true);
    expect(await ask()).toEqual({
      code: 'ERR_MEASUREMENT_MISMATCH',
      details: [`pcrs.4: expected ${'aa'.repeat(32)}, found ${PCR} (ERR_MEASUREMENT_MISMATCH)`],
    });
  });

  test('whose PCRs were changed on the way, or left out, is refused', async () => {
    const { ask, evidence } = await scene(guarded, vm('aa'.repeat(32)), {}, true);
    const { vtpm, ...bare } = evidence;
    if (!vtpm) throw new Error('no virtual TPM');
    const pcrs = vtpm.pcrs.map((each, index) => (index === 4 ? 'aa'.repeat(32) : each));
    expect(await ask({ ...evidence, vtpm: { ...vtpm, pcrs } })).toMatchObject({
      code: 'ERR_VTPM_EVIDENCE',
    });
    expect(await ask(bare)).toMatchObject({ code: 'ERR_APPRAISAL_REFUSED' });
  });

  test('is refused where no PCR is named, and a bare report where one is', async () => {
    const { ask } = await scene(guarded, OWN, {}, true);
    expect(await ask()).toMatchObject({ code: 'ERR_MEASUREMENT_MISMATCH' });
    const bare = await scene(guarded, vm(PCR));
    expect(await bare.ask()).toMatchObject({ code: 'ERR_MEASUREMENT_MISMATCH' });
  });
});
