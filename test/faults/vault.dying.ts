import process from 'node:process';
import { CheckpointChain } from '../../services/enclave-worker/src/vault/checkpoint.ts';
import { Computation } from '../../services/enclave-worker/src/vault/computation.ts';
import { DoorKeeper } from '../../services/enclave-worker/src/vault/door-keeper.ts';
import { Aggregator } from '../../services/enclave-worker/src/vault/engine/aggregate.ts';
import { RowStore } from '../../services/enclave-worker/src/vault/engine/row-store.ts';
import { VaultKeys } from '../../services/enclave-worker/src/vault/keys.ts';
import { Leases } from '../../services/enclave-worker/src/vault/leases.ts';
import { Steps } from '../../services/enclave-worker/src/vault/steps.ts';
import { Uses } from '../../services/enclave-worker/src/vault/uses.ts';
import { around, createReach, type DyingPlan, tellIn } from './failpoints.ts';

/** The vault as it is, but that it dies where it is told to: around requests and the waits within. */
const { vaults, reached }: DyingPlan = JSON.parse(process.argv[2] ?? '{}');
const reach = createReach(vaults?.[0], tellIn(reached));

const { serve } = DoorKeeper.prototype;
DoorKeeper.prototype.serve = function (message, blobs) {
  return around(reach, `vault ${verbOf(message)}`, () => serve.call(this, message, blobs));
};
const rooms = {
  ...{ Aggregator, CheckpointChain, Computation, Leases, RowStore, Steps, Uses, VaultKeys },
};
for (const [room, { prototype }] of Object.entries(rooms)) {
  for (const [name, method] of asyncMethods(prototype)) {
    Reflect.set(prototype, name, function (this: object, ...args: unknown[]) {
      const call = () => Reflect.apply(method, this, args) as Promise<unknown>;
      return around(reach, `vault ${room}.${name}`, call);
    });
  }
}
await import('../../services/enclave-worker/src/vault-main.ts');

function verbOf(message: unknown): string {
  const isObject = typeof message === 'object' && message !== null;
  return isObject && 'verb' in message ? String(message.verb) : 'unknown';
}

type Method = (...args: unknown[]) => unknown;

/** Written as `async`: those are the ones that others wait for. */
function asyncMethods(prototype: object): [string, Method][] {
  return Object.getOwnPropertyNames(prototype).flatMap((name): [string, Method][] => {
    const { value } = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
    return value?.constructor?.name === 'AsyncFunction' ? [[name, value]] : [];
  });
}
