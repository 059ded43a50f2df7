import { generateKeyPairSync } from 'node:crypto';
import { encodeBase64url } from '@strongroom/protocol/base64url';
import { contractBytes, type SignedContract } from '@strongroom/protocol/contract';
import { codeOf } from '@strongroom/protocol/errors';
import { SigningKeySchema } from '@strongroom/protocol/public-key';
import { CompactSign, compactVerify } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { hasLowS } from './ecdsa-low-s.ts';
import { createIdentity, parseIdentity } from './identity.ts';
import { createSigner, signContract } from './sign.ts';
import { readContract, verifyCompact, verifyContract } from './verify.ts';

const CODES = {
  malformed: 'ERR_SEAL_MALFORMED',
  algorithm: 'ERR_SEAL_ALGORITHM',
  signature: 'ERR_SEAL_SIGNATURE',
} as const;
const PAYLOAD = Buffer.from('{"a":1}');
const HEADER = { typ: 'test+jws', kid: 'owner' };

let small: SmallContract;
let signed: SignedContract;
beforeAll(async () => {
  small = await smallContract();
  signed = await signContract(await signContract(small.contract, small.owner), small.analyst);
});

async function codeFrom(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'no error',
    (error) => codeOf(error) ?? `no code: ${error}`,
  );
}

describe('compact JWS', () => {
  const kinds = [
    ['EdDSA', generateKeyPairSync('ed25519')],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
  ] as const;

  test.each(kinds)('%s: verifies what was signed and nothing else', async (alg, keys) => {
    const signer = createSigner(keys.privateKey);
    const jws = await signer.sign(PAYLOAD, HEADER);
    const [header, payload, signature] = jws.split('.');
    const expected = { ...HEADER, key: signer.publicKey };
    expect(Buffer.from(header ?? '', 'base64url').toString()).toBe(
      `{"alg":"${alg}","kid":"owner","typ":"test+jws"}`,
    );
    expect(Buffer.from(await verifyCompact(jws, expected, CODES))).toEqual(PAYLOAD);
    const other = SigningKeySchema.parse(
      generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }),
    );
    const bad: [string, string, object][] = [
      [`${header}.${payload}`, 'ERR_SEAL_MALFORMED', {}],
      [`${jws}.`, 'ERR_SEAL_MALFORMED', {}],
      [`${jws}=`, 'ERR_SEAL_MALFORMED', {}],
      [` ${jws}`, 'ERR_SEAL_MALFORMED', {}],
      [jws, 'ERR_SEAL_MALFORMED', { typ: 'other+jws' }],
      [jws, 'ERR_SEAL_SIGNATURE', { kid: 'other' }],
      [jws, alg === 'EdDSA' ? 'ERR_SEAL_SIGNATURE' : 'ERR_SEAL_ALGORITHM', { key: other }],
      [`${header}.${payload}.`, 'ERR_SEAL_SIGNATURE', {}],
      [`${header}.eyJhIjoyfQ.${signature}`, 'ERR_SEAL_SIGNATURE', {}],
    ];
    for (const [text, code, more] of bad) {
      expect(await codeFrom(verifyCompact(text, { ...expected, ...more }, CODES))).toBe(code);
    }
  });

  test.each(kinds)(
    '%s: jose reads what we write, and we read what it writes',
    async (alg, keys) => {
      const signer = createSigner(keys.privateKey);
      const jws = await signer.sign(PAYLOAD, HEADER);
      const read = await compactVerify(jws, keys.publicKey, { algorithms: [alg] });
      expect(Buffer.from(read.payload)).toEqual(PAYLOAD);
      // About half of jose's ECDSA signatures have the high s, which we refuse.
      for (let tries = 0; tries < 64; tries += 1) {
        const theirs = await new CompactSign(PAYLOAD)
          .setProtectedHeader({ alg, kid: HEADER.kid, typ: HEADER.typ })
          .sign(keys.privateKey);
        const expected = { ...HEADER, key: signer.publicKey };
        if ((await codeFrom(verifyCompact(theirs, expected, CODES))) === 'no error') return;
      }
      expect.fail('none of 64 signatures was accepted');
    },
  );

  test.each(kinds.slice(1))('%s: refuses the twin of a signature', async (alg, keys) => {
    const algorithm = alg === 'ES256' ? 'ES256' : 'ES384';
    const signer = createSigner(keys.privateKey);
    for (let n = 0; n < 8; n += 1) {
      const jws = await signer.sign(Buffer.from(`${n}`), HEADER);
      const signature = Buffer.from(jws.split('.')[2] ?? '', 'base64url');
      expect(hasLowS(algorithm, signature)).toBe(true);
      const twin = jws.replace(/[^.]+$/, encodeBase64url(highS(algorithm, signature)));
      const expected = { ...HEADER, key: signer.publicKey };
      expect(await codeFrom(verifyCompact(twin, expected, CODES))).toBe('ERR_SEAL_SIGNATURE');
    }
  });

  test.each([
    ['{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"owner","typ":"test+jws"}', 'MALFORMED'],
    ['{"alg":"EdDSA","kid":"owner"}', 'MALFORMED'],
    ['{"kid":"owner","alg":"EdDSA","typ":"test+jws"}', 'MALFORMED'],
    ['{"alg":"EdDSA","kid":"owner","typ":"test+jws","typ":"test+jws"}', 'MALFORMED'],
    ['{"alg":"none","kid":"owner","typ":"test+jws"}', 'ALGORITHM'],
    ['{"alg":"HS256","kid":"owner","typ":"test+jws"}', 'ALGORITHM'],
    ['{"alg":["EdDSA"],"kid":"owner","typ":"test+jws"}', 'MALFORMED'],
    ['null', 'MALFORMED'],
  ])('refuses the header %s', async (header, code) => {
    const signer = createSigner(generateKeyPairSync('ed25519').privateKey);
    const [, payload, signature] = (await signer.sign(PAYLOAD, HEADER)).split('.');
    const jws = `${encodeBase64url(Buffer.from(header))}.${payload}.${signature}`;
    const expected = { ...HEADER, key: signer.publicKey };
    expect(await codeFrom(verifyCompact(jws, expected, CODES))).toBe(`ERR_SEAL_${code}`);
  });
});

/** Orders of the two curves, as test data of its own (SEC 2 §2.4.2 and §2.5.1). */
function highS(algorithm: 'ES256' | 'ES384', signature: Uint8Array): Uint8Array {
  const order = {
    ES256: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
    ES384:
      'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  }[algorithm];
  const half = signature.length / 2;
  const s = BigInt(`0x${Buffer.from(signature.subarray(half)).toString('hex')}`);
  const twin = (BigInt(`0x${order}`) - s).toString(16).padStart(half * 2, '0');
  return Buffer.concat([signature.subarray(0, half), Buffer.from(twin, 'hex')]);
}

describe('signed contract', () => {
  test('verifies when every party signed once', async () => {
    const verified = await verifyContract(structuredClone(signed));
    expect(verified.contractId).toBe(small.contractId);
    expect(verified.contract).toEqual(small.contract);
    expect(verified.signers).toEqual(['owner', 'analyst']);
  });

  test('signing again replaces the own signature alone', async () => {
    const again = await signContract(signed, small.owner);
    expect(again.signatures.length).toBe(2);
    expect((await verifyContract(again)).contractId).toBe(small.contractId);
  });

  test('refuses a missing, foreign, repeated, moved or changed signature', async () => {
    const [first, second] = signed.signatures;
    if (!first || !second) throw new Error('two signatures expected');
    const stranger = parseIdentity(
      (await createIdentity('stranger', { reading: false })).identityJson,
    );
    const header = { typ: 'strongroom-contract+jws', kid: 'stranger' };
    const jws = await stranger.signer.sign(contractBytes(small.contract), header);
    const [protectedHeader = '', , signature = ''] = jws.split('.');
    const foreign = { protected: protectedHeader, signature };
    const changed = Buffer.from(contractBytes({ ...small.contract, title: 'Other' }));
    const bad: [object, string][] = [
      [{ ...signed, signatures: [] }, 'ERR_CONTRACT_UNSIGNED'],
      [{ ...signed, signatures: [first] }, 'ERR_CONTRACT_UNSIGNED'],
      [{ ...signed, signatures: [first, first] }, 'ERR_CONTRACT_SIGNATURE_INVALID'],
      [{ ...signed, signatures: [first, second, first] }, 'ERR_CONTRACT_SIGNATURE_INVALID'],
      [{ ...signed, signatures: [first, second, foreign] }, 'ERR_CONTRACT_SIGNATURE_INVALID'],
      [
        { ...signed, signatures: [first, { ...second, signature: first.signature }] },
        'ERR_CONTRACT_SIGNATURE_INVALID',
      ],
      [{ ...signed, payload: changed.toString('base64url') }, 'ERR_CONTRACT_SIGNATURE_INVALID'],
      [{ ...signed, payload: `${signed.payload}=` }, 'ERR_CONTRACT_MALFORMED'],
      [{ ...signed, extra: 1 }, 'ERR_CONTRACT_MALFORMED'],
      [small.contract, 'ERR_CONTRACT_MALFORMED'],
    ];
    for (const [file, code] of bad) expect(await codeFrom(verifyContract(file))).toBe(code);
  });

  test('can be read with and without signatures', async () => {
    const [first] = signed.signatures;
    if (!first) throw new Error('two signatures expected');
    const broken = { ...first, signature: first.signature.replace(/^./, 'A') };
    const states = async (file: object) =>
      (await readContract(JSON.stringify(file))).signatures.map((each) => each.state);
    expect(await states(small.contract)).toEqual(['missing', 'missing']);
    expect(await states(signed)).toEqual(['valid', 'valid']);
    expect(await states({ ...signed, signatures: [first] })).toEqual(['valid', 'missing']);
    expect(await states({ ...signed, signatures: [broken] })).toEqual(['invalid', 'missing']);
    expect((await readContract(JSON.stringify(small.contract))).contractId).toBe(small.contractId);
    expect(await codeFrom(readContract('{'))).toBe('ERR_JSON_MALFORMED');
  });

  test('is not signed by who is not in it, or with another key', async () => {
    const identity = async (party: string) =>
      parseIdentity((await createIdentity(party, { reading: false })).identityJson);
    expect(await codeFrom(signContract(signed, await identity('stranger')))).toBe(
      'ERR_PARTY_UNKNOWN',
    );
    expect(await codeFrom(signContract(signed, await identity('owner')))).toBe(
      'ERR_CONTRACT_SIGNATURE_INVALID',
    );
  });

  test('is refused when a key in it is short or has a second spelling', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const withShort = await smallContract(short);
    const file = await signContract(
      await signContract(withShort.contract, withShort.owner),
      withShort.analyst,
    );
    expect(await codeFrom(verifyContract(file))).toBe('ERR_CONTRACT_MALFORMED');
  });

  test('is refused when the key of a lease cannot be one', async () => {
    const { releaseKey } = small.contract.parties[0]?.keyRelease ?? expect.fail('an owner');
    const keys = (statementKey: typeof releaseKey) => ({ url: 'https://a.example', statementKey });
    const verified = async (statementKey: typeof releaseKey) => {
      const contract = structuredClone(small.contract);
      Object.assign(contract.parties[0]?.keyRelease ?? {}, { lease: keys(statementKey) });
      const file = await signContract(await signContract(contract, small.owner), small.analyst);
      return await codeFrom(verifyContract(file));
    };
    expect(await verified(releaseKey)).toBe('no error');
    const bad = { kty: 'EC', crv: 'P-256', x: 'a'.repeat(43), y: 'a'.repeat(43) } as const;
    expect(await verified(bad)).toBe('ERR_CONTRACT_MALFORMED');
  });
});
