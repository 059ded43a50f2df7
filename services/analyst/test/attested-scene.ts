import {
  measureImage,
  type SimulatedPlatform,
  simulatedRoots,
} from '@strongroom/attestation/insecure';
import type { RootSet } from '@strongroom/attestation/roots';
import { systemClock } from '@strongroom/runtime/clock';
import { evidenceOf, sharedTestPlatform } from '@strongroom/testkit/test-platform';
import { truthfulClaims } from '@strongroom/testkit/truthful-claims';
import { createScene, type Scene } from './scene.ts';

/** A scene whose parties look at the raw evidence themselves, and a machine that makes it. */
export interface AttestedScene {
  readonly scene: Scene;
  readonly platform: SimulatedPlatform;
  readonly roots: RootSet;
  /** Started now: its certificates are of today. */
  worker(): ReturnType<Scene['worker']>;
}

const IMAGE = [new Uint8Array([1])];

/** @param guards what the contract demands of the machine besides */
export async function createAttestedScene(
  guards: object = {},
  edit: (contract: Record<string, unknown>) => unknown = (contract) => contract,
): Promise<AttestedScene> {
  const { platform, folder } = await sharedTestPlatform();
  const roots = simulatedRoots(folder);
  const scene = await createScene((contract) => {
    const measurements = [{ name: 'build 1', sha384: measureImage(IMAGE) }];
    const enclave = {
      ...Object(contract['enclave']),
      measurements,
      ownVerification: true,
      ...guards,
    };
    return edit({ ...contract, enclave });
  });
  const hostData = Buffer.from(scene.contractId, 'hex');
  const machine = {
    attest: (claims: Uint8Array) => evidenceOf(platform.launch({ image: IMAGE, hostData }), claims),
    claims: (evidence: Parameters<typeof truthfulClaims>[0]) => truthfulClaims(evidence, roots),
  };
  const worker = () => {
    const now = Math.floor(systemClock.now() / 1_000);
    return scene.worker({ iat: now, nbf: now, exp: now + 600 }, machine);
  };
  return { scene, platform, roots, worker };
}
