import { generateKeyPairSync } from 'node:crypto';
import { type Contract, parseContract, type SignedContract } from '@strongroom/protocol/contract';
import type { ContractId } from '@strongroom/protocol/fields';
import { createIdentity, parseIdentity } from '@strongroom/sealing/identity';
import { signContract } from '@strongroom/sealing/sign';
import { verifyContract } from '@strongroom/sealing/verify';

/** A contract of one owner and one reader, which both signed, with any guards. */
export async function agreedContract(
  enclave: object = {},
  authorities = ['https://attest.example'],
  keyId = 'kek',
): Promise<{ contract: Contract; contractId: ContractId; signed: SignedContract }> {
  const [north, reader] = await Promise.all([
    createIdentity('north', { reading: false }),
    createIdentity('reader', { reading: true }),
  ]);
  const [wrappingKey, releaseKey] = [rsaKey(), rsaKey()];
  const contract = parseContract({
    ...{ strongroom: 'contract/v1', title: 'Flights', purpose: 'To test.', version: 1 },
    parties: [
      {
        ...{ id: 'north', name: 'North', signingKey: north.signingKey },
        keyRelease: { url: 'https://keys.example', releaseKey, stateShareKeyId: 'share' },
      },
      {
        ...{ id: 'reader', name: 'Reader', signingKey: reader.signingKey },
        readingKey: reader.readingKey,
      },
    ],
    datasets: [
      {
        ...{ id: 'flights', owner: 'north', relation: 'flights', keyId, wrappingKey },
        columns: [{ name: 'origin', type: 'utf8', nullable: false }],
      },
    ],
    queries: [
      {
        ...{ id: 'all', sql: 'SELECT count(*) AS n FROM flights', relations: ['flights'] },
        ...{ window: { kind: 'whole' }, latenessMs: 0, readers: ['reader'] },
        disclosure: { minimumGroupRows: 1, groupRowsColumn: 'n' },
      },
    ],
    enclave: {
      ...{ platform: 'simulated', minimumTcb: {} },
      measurements: [{ name: 'build 7', sha384: 'ab'.repeat(48) }],
      authorities: authorities.map((issuer) => ({ issuer, keys: [rsaKey()] })),
      ...enclave,
    },
  });
  const half = await signContract(contract, parseIdentity(north.identityJson));
  const signed = await signContract(half, parseIdentity(reader.identityJson));
  return { contract, contractId: (await verifyContract(signed)).contractId, signed };
}

function rsaKey() {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });
  return { kty, n, e };
}
