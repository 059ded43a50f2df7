import { createSecretKey, randomBytes } from 'node:crypto';
import type { ContractId } from '@strongroom/protocol/fields';
import { SEQUENCE_MAX } from '@strongroom/protocol/limits';
import { expect, test } from 'vitest';
import { CheckpointChain, openCheckpoint } from './checkpoint.ts';

const contractId = 'ab'.repeat(32) as ContractId;
const stateKey = createSecretKey(randomBytes(32));
const at = (epoch: number) => ({ contract: contractId, epoch, streams: [], queries: [] });

test('what is sealed opens again, and names the one before it', async () => {
  const chain = new CheckpointChain(contractId);
  await chain.seal(at(1), stateKey);
  const before = chain.head;
  const jwe = await chain.seal(at(SEQUENCE_MAX), stateKey);
  const opened = await openCheckpoint(jwe, stateKey, contractId);
  expect(opened).toMatchObject({ epoch: SEQUENCE_MAX, sequence: 1, previous: before });
});

test('what would not open again is not sealed, and the chain does not go on', async () => {
  const chain = new CheckpointChain(contractId);
  const before = chain.head;
  await expect(chain.seal(at(SEQUENCE_MAX + 1), stateKey)).rejects.toThrow('opened again');
  await expect(chain.seal(at(0.5), stateKey)).rejects.toThrow('opened again');
  expect({ head: chain.head, sequence: chain.sequence }).toEqual({ head: before, sequence: 0 });
});
