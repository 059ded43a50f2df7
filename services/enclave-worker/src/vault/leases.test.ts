import { createHash } from 'node:crypto';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { codeOf } from '@strongroom/protocol/errors';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema, type QueryId } from '@strongroom/protocol/fields';
import {
  LEASE_STEP_JWS_TYPE,
  type LeaseStatement,
  type LeaseStep,
  LeaseStepSchema,
} from '@strongroom/protocol/lease';
import { RECORD_TYPES } from '@strongroom/protocol/record';
import { STOP_NOTICE_JWS_TYPE, StopNoticeSchema } from '@strongroom/protocol/stop-notice';
import { verifyCompact } from '@strongroom/sealing/verify';
import { beforeAll, describe, expect, test } from 'vitest';
import { agreeOn, type Computation, type Row, TestStream } from '../../test/owners.ts';
import { sharedTransportKey } from '../../test/rsa-keys.ts';
import type { DoorRecord, SealedStep } from './door.ts';
import type { Departure, StatementOf } from './leases.ts';
import { Vault } from './vault.ts';

const COLUMNS = [{ name: 'place', type: 'utf8', nullable: false }] as const;
const PLANS = ['north', 'south'].map((id) => ({ id, relation: 'visits', columns: COLUMNS }));
const QUERIES = [
  {
    id: 'all' as QueryId,
    sql: 'SELECT place, count(*) AS n FROM visits GROUP BY place',
    relations: ['visits'],
    window: { kind: 'whole' as const },
    latenessMs: 0,
  },
];
const OWNERS = ['owner-north', 'owner-south'].map((id) => PartyIdSchema.parse(id));
const ROWS: Row[] = [{ place: 'here' }, { place: 'here' }, { place: 'there' }];
const CODES = {
  malformed: 'ERR_LEASE_INVALID',
  algorithm: 'ERR_LEASE_INVALID',
  signature: 'ERR_LEASE_INVALID',
} as const;

let computation: Computation;
beforeAll(async () => {
  computation = await agreeOn(PLANS, QUERIES, 1, undefined, true);
}, 60_000);

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** A vault with its keys, and two owners that agree to whatever it asks. */
class Scene {
  readonly vault: Vault;
  /** Both ends of the owners' newest step. */
  ends: { from: string; to: string };
  readonly left: DoorRecord[] = [];
  readonly prepared: DoorRecord[] = [];

  private constructor(vault: Vault, ends: Scene['ends']) {
    this.vault = vault;
    this.ends = ends;
  }

  static async open(ends?: Scene['ends'], epoch = 7): Promise<Scene> {
    const vault = await Vault.open(computation.signed, { transportKey: sharedTransportKey() });
    const genesis = hash(computation.contractId);
    const scene = new Scene(vault, ends ?? { from: genesis, to: genesis });
    const { nonce } = vault.claims();
    const [transport] = scene.claims.keys;
    for (const { owner, keyId } of computation.contract.datasets) {
      for (const name of [keyId, 'state-share']) {
        const jws = await computation.release(owner, name, nonce, transport);
        await vault.acceptRelease(owner, name, jws);
      }
    }
    vault.acceptProof('{"tokens":["header.claims.signature"],"v":1}');
    for (const owner of OWNERS) await vault.leases.accept(await scene.word(owner, { epoch }));
    return scene;
  }

  get claims() {
    const bytes = decodeBase64url(this.vault.claims().runtimeClaims) ?? new Uint8Array(0);
    return RuntimeClaimsSchema.parse(parseCanonical(bytes));
  }

  async word(
    owner: string,
    changes: Partial<LeaseStatement> = {},
    typ?: string,
  ): Promise<StatementOf> {
    const statement = {
      contract: computation.contractId,
      owner: PartyIdSchema.parse(owner),
      state: 'held' as const,
      holder: this.claims.keys[1].x,
      epoch: 7,
      ...this.ends,
    };
    return { owner, statement: await computation.state({ ...statement, ...changes }, typ) };
  }

  async read(leaseStep: string | undefined): Promise<LeaseStep> {
    const { kty, crv, x } = this.claims.keys[1];
    const expected = { typ: LEASE_STEP_JWS_TYPE, kid: 'aggregates', key: { kty, crv, x } };
    const payload = await verifyCompact(leaseStep ?? expect.fail('a request'), expected, CODES);
    return LeaseStepSchema.parse(parseCanonical(payload));
  }

  /** The owners agree; returns what could leave then. */
  async agree(leaseStep: string | undefined): Promise<readonly DoorRecord[]> {
    const request = await this.read(leaseStep);
    this.ends = { from: request.from, to: request.to };
    const words = await Promise.all(OWNERS.map((owner) => this.word(owner)));
    const records = await this.vault.leases.depart(words);
    this.left.push(...records);
    return records;
  }

  async begin(checkpoints: readonly string[] = []) {
    const restored = await this.vault.restore(checkpoints);
    await this.take(await this.vault.announce());
    return restored;
  }

  /** What a worker does with a step: it keeps what is prepared, and asks. */
  async take({ prepared, leaseStep }: Departure) {
    if (prepared) this.prepared.push(prepared);
    return await this.agree(leaseStep);
  }

  get steps(): SealedStep[] {
    return this.prepared.map(({ value, headers }) => ({ value, seal: headers['seal'] ?? '' }));
  }

  get checkpoints(): string[] {
    const found = this.left.filter(({ key }) => key === RECORD_TYPES.checkpoint);
    return found.map(({ value }) => new TextDecoder().decode(value));
  }
}

async function count(vault: Vault): Promise<void> {
  for (const { id } of PLANS) {
    const stream = new TestStream(computation, id);
    const records = [await stream.seal(ROWS), await stream.manifest(null, true)];
    await vault.accept(
      id,
      records.map((record, offset) => ({ ...record, offset })),
    );
  }
}

const codeFrom = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: unknown) => codeOf(error),
  );

describe('a vault whose owners keep leases', () => {
  test('lets nothing leave before every owner has confirmed the step', async () => {
    const { vault, ...rest } = await Scene.open();
    expect(rest.left).toEqual([]);
    await vault.restore([]);
    const announced = await vault.announce();
    expect(announced.records).toEqual([]);
    expect(await codeFrom(vault.leases.depart([]))).toBe('ERR_LEASE_INVALID');
    // Nor does it forget what waits: the next step has to wait for it.
    expect(await codeFrom(vault.checkpoint())).toBe('ERR_LEASE_INVALID');
    vault.close();
  });

  test('results and their checkpoint leave together, under the epoch of the lease', async () => {
    const scene = await Scene.open();
    expect(await scene.begin()).toMatchObject({ epoch: 7 });
    await count(scene.vault);
    const { departure } = await scene.vault.closeWindows();
    expect(departure.records).toEqual([]);
    const before = scene.ends.to;
    const request = await scene.read(departure.leaseStep);
    expect(request).toMatchObject({ from: before, epoch: 7 });
    const records = await scene.agree(departure.leaseStep);
    expect(records.map(({ key }) => key)).toEqual(['all.analyst', RECORD_TYPES.checkpoint]);
    expect(scene.ends.to).toBe(hash(scene.checkpoints.at(-1) ?? ''));
    scene.vault.close();
  });

  const other = hash('other');
  const lies: [string, Partial<LeaseStatement>, string?][] = [
    ['another start', { from: other }],
    ['another end', { to: other }],
    ['another holder', { holder: Buffer.alloc(32).toString('base64url') }],
    ['nobody', { holder: null }],
    ['another contract', { contract: other as LeaseStatement['contract'] }],
    ['another owner', { owner: OWNERS[1] ?? expect.fail('two owners') }],
    ['an ended lease', { state: 'ended' }],
    ['a revoked contract', { state: 'revoked' }],
    ['another kind of statement', {}, 'JWT'],
  ];
  test.each(lies)('a step confirmed for %s is not confirmed', async (_name, changes, typ) => {
    const scene = await Scene.open();
    await scene.vault.restore([]);
    const { leaseStep } = await scene.vault.announce();
    const request = await scene.read(leaseStep);
    scene.ends = { from: request.from, to: request.to };
    const [north = expect.fail(), south = expect.fail()] = OWNERS;
    const honest = await scene.word(south);
    const lie = await scene.word(north, changes, typ);
    const { statement } = lie;
    for (const words of [[{ owner: north, statement }, honest], [honest], [honest, honest]]) {
      expect(await codeFrom(scene.vault.leases.depart(words))).toBe('ERR_LEASE_INVALID');
    }
    const forged = { owner: north, statement: `${statement.slice(0, -8)}AAAAAAAA` };
    expect(await codeFrom(scene.vault.leases.depart([forged, honest]))).toBe('ERR_LEASE_INVALID');
    expect(await scene.vault.leases.depart([await scene.word(north), honest])).toHaveLength(2);
    scene.vault.close();
  });

  test('goes on from the end of the newest step, and takes one that was prepared', async () => {
    const first = await Scene.open();
    await first.begin();
    for (let steps = 0; steps < 2; steps += 1) await first.take(await first.vault.checkpoint());
    const [oldest = '', older = '', newest = ''] = first.checkpoints;
    const { steps, prepared } = first;
    first.vault.close();
    const forked = 'ERR_LEASE_FORKED';
    const [, , lastStep] = steps;
    const last = lastStep ? [lastStep] : expect.fail('three steps');
    const starts: [string[], SealedStep[], number | string][] = [
      [[oldest, older, newest], steps, 0],
      [[oldest, older, newest], [], 0],
      [[oldest, older], steps, 1],
      [[oldest, older], last, 1],
      [[oldest, older], steps.slice(0, 2), forked],
      [[oldest, older], [], forked],
      [[oldest], steps, forked],
      [[], steps, forked],
    ];
    for (const [checkpoints, shown, outcome] of starts) {
      const scene = await Scene.open(first.ends, 20);
      const restored = scene.vault.restore(checkpoints, shown);
      if (typeof outcome === 'string') expect(await codeFrom(restored)).toBe(outcome);
      else {
        const { epoch, departure } = await restored;
        expect(epoch).toBe(20);
        expect(departure.records).toEqual([]);
        const again = departure.leaseStep ? await scene.take(departure) : [];
        // The step leaves as it was: the very bytes of the vault that made it.
        expect(again).toEqual(first.left.slice(first.left.length - outcome));
        await scene.take(await scene.vault.announce());
      }
      scene.vault.close();
    }
    expect(prepared).toHaveLength(3);
  });

  test('a step that one owner has confirmed leaves, another one is a fork', async () => {
    const first = await Scene.open();
    await first.begin();
    const asked = await first.vault.checkpoint();
    const request = await first.read(asked.leaseStep);
    const step = { seal: asked.prepared?.headers['seal'] ?? '', value: asked.prepared?.value };
    const sealed = step.value ? { ...step, value: step.value } : expect.fail('a prepared step');
    const [before] = [first.ends];
    first.vault.close();
    const others = [
      [{ from: request.from, to: request.to }, 'accepted'],
      [before, 'accepted'],
      [{ from: request.from, to: hash('another step') }, 'ERR_LEASE_FORKED'],
    ] as const;
    for (const [ends, outcome] of others) {
      const scene = await Scene.open(before, 20);
      const [north = ''] = OWNERS;
      await scene.vault.leases.accept(await scene.word(north, { ...ends, epoch: 20 }));
      expect(await codeFrom(scene.vault.restore(first.checkpoints, [sealed]))).toBe(outcome);
      scene.vault.close();
    }
  });

  test('does nothing without the grant of each owner', async () => {
    const vault = await Vault.open(computation.signed, { transportKey: sharedTransportKey() });
    const { nonce } = vault.claims();
    for (const { owner, keyId } of computation.contract.datasets) {
      const bytes = decodeBase64url(vault.claims().runtimeClaims) ?? new Uint8Array(0);
      const [transport] = RuntimeClaimsSchema.parse(parseCanonical(bytes)).keys;
      for (const name of [keyId, 'state-share']) {
        const jws = await computation.release(owner, name, nonce, transport);
        await vault.acceptRelease(owner, name, jws);
      }
    }
    expect(await codeFrom(vault.restore([]))).toBe('ERR_LEASE_INVALID');
    vault.close();
  });

  test('evidence holds the owners’ nonces beside the vault’s own', async () => {
    const vault = await Vault.open(computation.signed, { transportKey: sharedTransportKey() });
    const before = vault.claims();
    const nonces = { 'owner-north': Buffer.alloc(32, 1).toString('base64url') };
    const claims = vault.claims(nonces);
    expect(claims.nonce).toBe(before.nonce);
    const bytes = decodeBase64url(claims.runtimeClaims) ?? new Uint8Array(0);
    expect(parseCanonical(bytes)).toMatchObject({ challenges: nonces });
    vault.close();
  });

  test('an owner’s word ends everything, and a notice says how far it came', async () => {
    const scene = await Scene.open();
    await scene.begin();
    await count(scene.vault);
    const { departure } = await scene.vault.closeWindows();
    const request = await scene.read(departure.leaseStep);
    scene.ends = { from: request.from, to: request.to };
    const honest = await Promise.all(OWNERS.map((owner) => scene.word(owner)));
    const [north = ''] = OWNERS;
    expect(await codeFrom(scene.vault.stop(await scene.word(north)))).toBe('ERR_LEASE_INVALID');
    const [notice, ...uses] = await scene.vault.stop(await scene.word(north, { state: 'revoked' }));
    const { kty, crv, x } = scene.claims.keys[1];
    const expected = { typ: STOP_NOTICE_JWS_TYPE, kid: 'aggregates', key: { kty, crv, x } };
    const payload = await verifyCompact(new TextDecoder().decode(notice?.value), expected, CODES);
    expect(uses).toEqual([]);
    expect(StopNoticeSchema.parse(parseCanonical(payload))).toMatchObject({
      stoppedBy: north,
      epoch: 7,
      streams: [
        { dataset: 'north', sequences: 1, rows: 3 },
        { dataset: 'south', sequences: 1, rows: 3 },
      ],
    });
    // What waited for the owners' word does not leave any more, whoever confirms it now.
    expect(await codeFrom(scene.vault.leases.depart(honest))).toBe('ERR_LEASE_INVALID');
    expect(await codeFrom(scene.vault.checkpoint())).toBe('ERR_KEY_NOT_RELEASED');
  });

  test.each([null, Buffer.alloc(32).toString('base64url')])(
    'a vault that slept while %s held the lease forgets everything, and gives no notice',
    async (holder) => {
      const scene = await Scene.open();
      await scene.begin();
      const [north = ''] = OWNERS;
      const word = await scene.word(north, { state: 'revoked', holder });
      expect(await codeFrom(scene.vault.stop(word))).toBe('ERR_LEASE_LOST');
      expect(await codeFrom(scene.vault.checkpoint())).toBe('ERR_KEY_NOT_RELEASED');
    },
  );
});
