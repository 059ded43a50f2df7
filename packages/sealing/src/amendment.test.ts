import { encodeBase64url } from '@strongroom/protocol/base64url';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import {
  CONTRACT_JWS_TYPE,
  type Contract,
  contractBytes,
  parseContract,
  type SignedContract,
} from '@strongroom/protocol/contract';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { MANIFEST_JWS_TYPE } from '@strongroom/protocol/sealed-batch';
import { beforeAll, describe, expect, test } from 'vitest';
import { type SmallContract, smallContract } from '../test/small-contract.ts';
import { demandUnamended, verifyAmendment, verifyChain } from './amendment.ts';
import { createIdentity, type PartyIdentity, parseIdentity } from './identity.ts';
import { signContract } from './sign.ts';
import { signAmendment } from './sign-amendment.ts';
import { type VerifiedContract, verifyContract, verifyManifest } from './verify.ts';

/** A contract of an owner and an analyst, and what follows it. */

let small: SmallContract;
let first: SignedContract;
let verified: VerifiedContract;
beforeAll(async () => {
  small = await smallContract();
  first = await signedBy(small.contract, small.owner, small.analyst);
  verified = await verifyContract(first);
});

async function signedBy(contract: Contract, ...identities: PartyIdentity[]) {
  let signed = unsigned(contract);
  for (const identity of identities) signed = await signContract(signed, identity);
  return signed;
}

function unsigned(contract: Contract): SignedContract {
  return { payload: encodeBase64url(contractBytes(contract)), signatures: [] };
}

function amended(edit: (draft: Draft) => void, before: VerifiedContract = verified): Contract {
  const draft = structuredClone(before.contract) as unknown as Draft;
  Object.assign(draft, { version: before.contract.version + 1, previous: before.contractId });
  edit(draft);
  return parseContract(draft);
}

interface Draft {
  version: number;
  previous?: string;
  title: string;
  parties: object[];
  datasets: { columns: object[] }[];
}

/** Signed as people do it: each with what it has to give. */
async function agreed(contract: Contract, ...identities: PartyIdentity[]) {
  let signed = unsigned(contract);
  for (const identity of identities) {
    signed = await signAmendment(signed, { contract, before: verified }, identity);
  }
  return signed;
}

async function newIdentity(party: string) {
  const made = await createIdentity(party, { reading: true });
  return { made, identity: parseIdentity(made.identityJson) };
}

async function refusalOf(run: Promise<unknown>) {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { code: codeOf(error), ...(error instanceof StrongroomError ? error.facts : {}) };
}

describe('an amendment', () => {
  test('is signed again by all', async () => {
    const contract = amended((draft) => Object.assign(draft, { title: 'Second' }));
    const signed = await agreed(contract, small.owner, small.analyst);
    expect((await verifyAmendment(signed, verified)).contract.version).toBe(2);
    const half = await agreed(contract, small.owner);
    expect(await refusalOf(verifyAmendment(half, verified))).toEqual({
      code: 'ERR_CONTRACT_UNSIGNED',
      missing: ['analyst'],
    });
  });

  test('needs the consent of a party that it leaves out', async () => {
    const { made, identity } = await newIdentity('observer');
    const observer = { id: 'observer', name: 'Observer', signingKey: made.signingKey };
    const three = amended((draft) => draft.parties.push(observer));
    const second = await agreed(three, small.owner, small.analyst, identity);
    const before = await verifyAmendment(second, verified);
    const without = amended((draft) => draft.parties.pop(), before);
    const signed = await signedBy(without, small.owner, small.analyst);
    expect(await refusalOf(verifyAmendment(signed, before))).toMatchObject({
      code: 'ERR_CONTRACT_UNSIGNED',
      missing: ['observer'],
    });
    const consented = await signAmendment(signed, { contract: without, before }, identity);
    expect((await verifyAmendment(consented, before)).signers).toEqual(['owner', 'analyst']);
    const [consent] = consented.consents ?? [];
    if (!consent) throw new Error('no consent');
    for (const consents of [
      [consent, consent],
      [{ ...consent, signature: consented.signatures[0]?.signature ?? '' }],
      [await asSignature(without, identity)],
    ]) {
      expect(await refusalOf(verifyAmendment({ ...signed, consents }, before))).toMatchObject({
        code: 'ERR_CONTRACT_SIGNATURE_INVALID',
      });
    }
  });

  test('with another key of a party needs both its keys', async () => {
    const { made, identity } = await newIdentity('analyst');
    const { signingKey } = made;
    const contract = amended((draft) => Object.assign(draft.parties[1] ?? {}, { signingKey }));
    const robbed = await signedBy(contract, small.owner, identity);
    expect(await refusalOf(verifyAmendment(robbed, verified))).toMatchObject({
      missing: ['analyst'],
    });
    const signed = await agreed(contract, small.owner, identity, small.analyst);
    expect(signed.consents).toHaveLength(1);
    expect((await verifyAmendment(signed, verified)).contract).toEqual(contract);
    // Signing again takes nothing away.
    const again = await signAmendment(signed, { contract, before: verified }, small.owner);
    expect(again.consents).toEqual(signed.consents);
  });

  test('refuses a consent that nobody asked for, and in a first version any', async () => {
    const contract = amended((draft) => Object.assign(draft, { title: 'Second' }));
    const signed = await agreed(contract, small.owner, small.analyst);
    const consents = [await asSignature(contract, small.owner)];
    expect(await refusalOf(verifyAmendment({ ...signed, consents }, verified))).toMatchObject({
      code: 'ERR_CONTRACT_SIGNATURE_INVALID',
    });
    expect(await refusalOf(verifyContract({ ...first, consents }))).toEqual({
      code: 'ERR_CONTRACT_MALFORMED',
      place: 'consents',
    });
  });

  test('that takes a column away is not signed', async () => {
    const contract = amended((draft) => {
      const added = [{ name: 'other', type: 'utf8', nullable: false }];
      draft.datasets[0]?.columns.push(...added);
    });
    expect(await refusalOf(agreed(contract, small.owner))).toMatchObject({
      code: 'ERR_AMENDMENT_REFUSED',
      place: 'datasets.flights.columns.other',
    });
    const signed = await signedBy(contract, small.owner, small.analyst);
    expect(await refusalOf(verifyAmendment(signed, verified))).toMatchObject({
      code: 'ERR_AMENDMENT_REFUSED',
    });
  });
});

/** A contract signature where a consent belongs. */
async function asSignature(contract: Contract, { party, signer }: PartyIdentity) {
  const jws = await signer.sign(contractBytes(contract), { typ: CONTRACT_JWS_TYPE, kid: party });
  const [protectedHeader = '', , signature = ''] = jws.split('.');
  return { protected: protectedHeader, signature };
}

test('what was sealed under the version before is refused by its own code', async () => {
  const contract = amended((draft) => Object.assign(draft, { title: 'Second' }));
  const { contractId } = await verifyContract(await agreed(contract, small.owner, small.analyst));
  const [dataset] = contract.datasets;
  if (!dataset) throw new Error('one dataset');
  const sealedUnder = async (id: string) => {
    const manifest = {
      ...{ v: 1, contract: id, dataset: 'flights', stream: 'A'.repeat(21).concat('Q'), epoch: 0 },
      ...{ sequences: 0, head: '00'.repeat(32), rows: 0, watermark: null },
      final: false,
    };
    const header = { typ: MANIFEST_JWS_TYPE, kid: 'owner' };
    const jws = await small.owner.signer.sign(canonicalBytes(manifest), header);
    return await refusalOf(verifyManifest(jws, contract, contractId, dataset));
  };
  expect(await sealedUnder(verified.contractId)).toEqual({
    code: 'ERR_SEAL_SUPERSEDED',
    expected: contractId,
  });
  expect(await sealedUnder('ab'.repeat(32))).toMatchObject({ code: 'ERR_SEAL_CONTEXT' });
  expect(await sealedUnder(contractId)).toEqual({ code: undefined });
});

describe('a chain of versions', () => {
  async function versions() {
    const files = [first];
    let newest = verified;
    for (const title of ['Second', 'Third']) {
      const contract = amended((draft) => Object.assign(draft, { title }), newest);
      const signed = await signedBy(contract, small.owner, small.analyst);
      newest = await verifyAmendment(signed, newest);
      files.push(signed);
    }
    const fork = amended((draft) => Object.assign(draft, { title: 'Other' }));
    return { files, fork: await signedBy(fork, small.owner, small.analyst), newest };
  }

  test('is verified from the first to the newest, in any order', async () => {
    const { files, newest } = await versions();
    const chain = await verifyChain([...files].reverse());
    expect(chain.map(({ contract }) => contract.version)).toEqual([1, 2, 3]);
    expect(chain.at(-1)?.contractId).toBe(newest.contractId);
  });

  test('has no gap, no fork and no other beginning', async () => {
    const { files, fork } = await versions();
    const [one, two, three] = files;
    expect(await refusalOf(verifyChain([one, three]))).toMatchObject({
      code: 'ERR_CONTRACT_PREDECESSOR',
    });
    expect(await refusalOf(verifyChain([two, three]))).toMatchObject({
      code: 'ERR_CONTRACT_PREDECESSOR',
    });
    expect(await refusalOf(verifyChain([one, two, fork]))).toEqual({
      code: 'ERR_CONTRACT_FORKED',
      version: 2,
    });
    expect(await refusalOf(verifyChain([one, fork, three]))).toMatchObject({
      code: 'ERR_CONTRACT_PREDECESSOR',
    });
  });

  test('whoever was shown what follows a version does not go on under it', async () => {
    const { files, fork, newest } = await versions();
    const [one, two, three] = files;
    const successor = newest.contractId;
    const superseded = { code: 'ERR_CONTRACT_SUPERSEDED', successor, version: 3 };
    expect(await refusalOf(demandUnamended(one, [three, two]))).toMatchObject(superseded);
    expect(await refusalOf(demandUnamended(two, [one, two, three]))).toMatchObject(superseded);
    expect(await refusalOf(demandUnamended(three, [one, two, three]))).toEqual({ code: undefined });
    expect(await refusalOf(demandUnamended(one, []))).toEqual({ code: undefined });
    expect(await refusalOf(demandUnamended(one, [three]))).toMatchObject({
      code: 'ERR_CONTRACT_PREDECESSOR',
    });
    expect(await refusalOf(demandUnamended(two, [fork]))).toMatchObject({
      code: 'ERR_CONTRACT_FORKED',
    });
  });
});
