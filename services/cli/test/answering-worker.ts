import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  type LaunchOptions,
  measureImage,
  type SimulatedPlatform,
} from '@strongroom/attestation/insecure';
import { canonicalBytes } from '@strongroom/protocol/canonical-json';
import { EVIDENCE_PURPOSE, type EvidenceAnswer } from '@strongroom/protocol/evidence-answer';
import type { ContractId } from '@strongroom/protocol/fields';
import { createSigner } from '@strongroom/sealing/sign';
import { evidenceOf } from '@strongroom/testkit/test-platform';
import { startClaims, startupProof } from './startup-proof.ts';

/** A worker that only answers challenges: real reports of the simulated platform, real keys. */

interface AnsweringOptions {
  readonly contractId: ContractId;
  readonly platform: SimulatedPlatform;
  readonly image: Uint8Array[];
  /** Who said at its start what it is. */
  readonly authority: KeyObject;
  /** What it has counted, in the contract's order. */
  readonly streams?: readonly object[];
}

interface AnswerChange {
  readonly launch?: Partial<LaunchOptions>;
  readonly claims?: object;
  readonly statement?: object;
  readonly proof?: string;
}

export const streamOf = (dataset: string, stream = 'A'.repeat(22)) => {
  return { dataset, stream, sequences: 2, rows: 40, final: false };
};

/** One process life: its keys, and what an authority said at its start. */
export class AnsweringWorker {
  readonly #pair = generateKeyPairSync('ed25519');
  readonly #options: AnsweringOptions;
  readonly signer = createSigner(this.#pair.privateKey);

  constructor(options: AnsweringOptions) {
    this.#options = options;
  }

  get startClaims() {
    return startClaims(this.#options.contractId, this.#pair.publicKey);
  }

  startupProof(change: object = {}, authority = this.#options.authority): Promise<string> {
    const measurement = measureImage(this.#options.image);
    return startupProof({ runtime: this.startClaims, measurement, authority, change });
  }

  async answer(
    nonce: string,
    { launch = {}, claims = {}, statement = {}, proof }: AnswerChange = {},
  ): Promise<EvidenceAnswer> {
    const { contractId, platform, image } = this.#options;
    const startupProof = proof ?? (await this.startupProof());
    const hostData = Buffer.from(contractId, 'hex');
    const guest = platform.launch({ image, hostData, ...launch });
    const runtimeClaims = canonicalBytes({
      contract: contractId,
      keys: this.startClaims.keys.slice(1),
      nonce,
      purpose: EVIDENCE_PURPOSE,
      ...claims,
    });
    return {
      v: 1,
      evidence: await evidenceOf(guest, runtimeClaims),
      statement: await this.statement(nonce, startupProof, statement),
      startupProof,
    };
  }

  statement(nonce: string, startupProof: string, change: object = {}): Promise<string> {
    const { contractId, streams = [streamOf('flights')] } = this.#options;
    const facts = {
      ...{ v: 1, contract: contractId, nonce, epoch: 3 },
      token: createHash('sha256').update(startupProof).digest('hex'),
      streams,
      refusals: { ERR_SEAL_SIGNATURE: 2 },
      ...change,
    };
    const header = { typ: 'strongroom-statement+jws', kid: 'aggregates' };
    return this.signer.sign(canonicalBytes(facts), header);
  }
}
