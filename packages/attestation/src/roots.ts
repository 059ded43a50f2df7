import type { PLATFORM_KINDS } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { Product } from './snp/tcb.ts';
import type { DistinguishedName } from './x509/certificate.ts';

export type PlatformKind = (typeof PLATFORM_KINDS)[number];

/** SHA-256 of an ARK's SubjectPublicKeyInfo, in hex; several where a root is being replaced. */
export type RootPins = Readonly<Partial<Record<Product, readonly string[]>>>;

/**
 * ARK pins: computed from the certificates that AMD's key distribution service hands out at
 * kdsintf.amd.com/vcek/v1/<product>/cert_chain, and equal in every public copy of them.
 */
const AMD_PINS: RootPins = {
  Milan: ['9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9'],
  Genoa: ['429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831'],
  Turin: ['4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08'],
};

/**
 * The roots that one verification trusts. Its kind is what the verdict says about the platform, and
 * comes from here, never from the evidence. Two sets cannot be merged: AMD's pins do not enter a
 * simulated set, and no other pin enters AMD's.
 */
export class RootSet {
  readonly kind: PlatformKind;
  readonly #pins: RootPins;

  /** @throws ERR_ROOT_KIND when the pins are not of this kind */
  constructor(kind: PlatformKind, pins: RootPins) {
    const known = new Set(Object.values(AMD_PINS).flat());
    for (const pin of Object.values(pins).flat()) {
      if (known.has(pin) !== (kind === 'amd')) {
        throw new StrongroomError('ERR_ROOT_KIND', { expected: kind, check: 'pin' });
      }
    }
    this.kind = kind;
    this.#pins = structuredClone(pins);
  }

  trusts(product: Product, spkiSha256: string): boolean {
    return this.#pins[product]?.includes(spkiSha256) ?? false;
  }

  /** What another process needs to make the same set. */
  get pins(): RootPins {
    return structuredClone(this.#pins);
  }

  get names(): CertificateNames {
    return NAMES[this.kind];
  }
}

export const AMD_ROOTS = new RootSet('amd', AMD_PINS);

/**
 * On every certificate of the simulated platform, never critical, and never on one of AMD's: the
 * report itself stays byte for byte what hardware makes. An arc of our own under 2.25.
 */
export const SIMULATED_MARKER = '2.25.291474960537289130645123812342';

/** How the certificates of a root set are called. */
export interface CertificateNames {
  ark(product: Product): DistinguishedName;
  /** Signs VCEKs. */
  ask(product: Product): DistinguishedName;
  /** Signs VLEKs. */
  asvk(product: Product): DistinguishedName;
  readonly vcek: DistinguishedName;
  readonly vlek: DistinguishedName;
}

const NAMES: Readonly<Record<PlatformKind, CertificateNames>> = {
  amd: namesOf('Advanced Micro Devices', ''),
  simulated: namesOf('SIMULATED - NOT HARDWARE', 'SIM-'),
};

/** The order of the attributes is AMD's. */
function namesOf(organisation: string, infix: string): CertificateNames {
  const named = (commonName: string): DistinguishedName => [
    ['OU', 'Engineering'],
    ['C', 'US'],
    ['L', 'Santa Clara'],
    ['ST', 'CA'],
    ['O', organisation],
    ['CN', commonName],
  ];
  return {
    ark: (product) => named(`ARK-${infix}${product}`),
    ask: (product) => named(`SEV-${infix}${product}`),
    asvk: (product) => named(`SEV-VLEK-${infix}${product}`),
    vcek: named('SEV-VCEK'),
    vlek: named('SEV-VLEK'),
  };
}
