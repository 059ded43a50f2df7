import { createHash, randomBytes } from 'node:crypto';
import { parseTarget } from '@strongroom/protocol/attestation-proof';
import { decodeBase64url } from '@strongroom/protocol/base64url';
import { parseCanonical } from '@strongroom/protocol/canonical-json';
import { RuntimeClaimsSchema } from '@strongroom/protocol/evidence';
import { PartyIdSchema } from '@strongroom/protocol/fields';
import { LEASE_STEP_JWS_TYPE, type LeaseStep, LeaseStepSchema } from '@strongroom/protocol/lease';
import { verifyCompact } from '@strongroom/sealing/verify';
import type { Computation } from './owners.ts';

/**
 * What the owners' services do about leases, with one lease for all of them, one more for each
 * slice, and no judgement.
 */
export class TestLeases {
  readonly #computation: () => Computation;
  readonly #slice: { readonly slice?: number };
  readonly #slices = new Map<number, TestLeases>();
  readonly #nonces = new Set<string>();
  state: 'held' | 'ended' | 'revoked' = 'ended';
  holder: string | null = null;
  epoch = 0;
  ends: { from: string; to: string } | undefined;
  /** Of the requests for a step, this one is lost: before it is heard, or with its answer. */
  lose: { nth: number; when: 'before' | 'after' } | undefined;

  constructor(computation: () => Computation, slice?: number) {
    this.#computation = computation;
    this.#slice = slice === undefined ? {} : { slice };
  }

  ofSlice(slice: number): TestLeases {
    const known = this.#slices.get(slice) ?? new TestLeases(this.#computation, slice);
    this.#slices.set(slice, known);
    return known;
  }

  /** An owner ends the contract: all of its leases. */
  revoke(): void {
    this.state = 'revoked';
    for (const slice of this.#slices.values()) slice.revoke();
  }

  reset(): void {
    this.state = 'ended';
    this.holder = null;
    this.epoch = 0;
    this.ends = undefined;
    this.lose = undefined;
    this.#slices.clear();
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of tests
  async answer(owner: string, path: string, body: any): Promise<LeaseAnswer> {
    const [verb, number, of] = path.split('/').reverse();
    const isHere = of !== 'slices' || this.#slice.slice !== undefined;
    if (!isHere) return await this.ofSlice(Number(number)).answer(owner, path, body);
    const lost = verb === 'steps' ? this.#loses() : undefined;
    if (lost === 'before') return { status: 503, body: {} };
    const answer = await this.#answer(owner, verb ?? '', body);
    return lost === 'after' ? { status: 503, body: {} } : answer;
  }

  #loses(): 'before' | 'after' | undefined {
    if (!this.lose) return undefined;
    this.lose = { ...this.lose, nth: this.lose.nth - 1 };
    return this.lose.nth === 0 ? this.lose.when : undefined;
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of tests
  async #answer(owner: string, verb: string, body: any) {
    if (verb === 'nonces') {
      return { status: 200, body: { nonce: this.#issue(), state: this.state } };
    }
    if (this.state === 'revoked') {
      const statement = await this.#statement(owner);
      return refusal('ERR_CONTRACT_REVOKED', { statement });
    }
    if (verb === '') return this.#acquire(owner, body.target);
    const step = verb === 'steps' ? await this.#signedByHolder(body.step) : undefined;
    const isHolder = step !== undefined || body.holder === this.holder;
    if (this.state !== 'held' || !isHolder) return refusal('ERR_LEASE_LOST');
    if (verb === 'end') this.state = 'ended';
    if (step && !this.#takes(step)) return refusal('ERR_LEASE_FORKED');
    return { status: 200, body: { statement: await this.#statement(owner) } };
  }

  /** A step is taken again as it was, or goes on from the end of the one before. */
  #takes({ from, to }: LeaseStep): boolean {
    const { ends } = this;
    const isRepeated = from === ends?.from && to === ends.to;
    if (ends && !isRepeated && from !== ends.to) return false;
    this.ends = { from, to };
    return true;
  }

  async #acquire(owner: string, target: string) {
    const [token = ''] = parseTarget(target).tokens;
    const claims = RuntimeClaimsSchema.parse(payloadOf(token)['x-ms-runtime']);
    const nonce = claims.challenges?.[PartyIdSchema.parse(owner)] ?? '';
    if (!this.#nonces.delete(nonce)) return refusal('ERR_NONCE_SPENT');
    const holder = claims.keys[1].x;
    if (this.state === 'held' && this.holder !== holder) return refusal('ERR_LEASE_HELD');
    if (this.holder !== holder) this.epoch += 1;
    this.state = 'held';
    this.holder = holder;
    return { status: 200, body: { statement: await this.#statement(owner) } };
  }

  async #signedByHolder(step: string): Promise<LeaseStep | undefined> {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: this.holder ?? '' } as const;
    const expected = { typ: LEASE_STEP_JWS_TYPE, kid: 'aggregates', key: jwk };
    const codes = {
      malformed: 'ERR_LEASE_INVALID',
      algorithm: 'ERR_LEASE_INVALID',
      signature: 'ERR_LEASE_INVALID',
    } as const;
    const payload = await verifyCompact(step, expected, codes).catch(() => undefined);
    return payload && LeaseStepSchema.parse(parseCanonical(payload));
  }

  #issue(): string {
    const nonce = randomBytes(32).toString('base64url');
    this.#nonces.add(nonce);
    return nonce;
  }

  #statement(owner: string): Promise<string> {
    const { contractId, state } = this.#computation();
    const genesis = createHash('sha256').update(contractId).digest('hex');
    return state({
      contract: contractId,
      owner: PartyIdSchema.parse(owner),
      state: this.state,
      holder: this.holder,
      epoch: this.epoch,
      ...(this.ends ?? { from: genesis, to: genesis }),
      ...this.#slice,
    });
  }
}

interface LeaseAnswer {
  readonly status: number;
  readonly body: object;
}

export function payloadOf(token: string): Record<string, unknown> {
  const bytes = decodeBase64url(token.split('.')[1] ?? '');
  return JSON.parse(new TextDecoder().decode(bytes));
}

function refusal(code: string, more: object = {}) {
  return { status: 409, body: { error: { code: 'Conflict', innererror: { code, ...more } } } };
}
