import type { LaunchOptions } from '@strongroom/attestation/insecure';
import { serializeTcb, type Tcb } from '@strongroom/attestation/snp/tcb';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  POLICY,
  PRODUCTS,
  type Product,
  type Simulated,
  simulated,
  verdictOf,
} from './attestation-simulated.ts';

/** Every part of every TCB of every product, one below, equal, one above. */

let sim: Simulated;
beforeAll(async () => {
  sim = await simulated();
}, 60_000);

const MIDDLE: Record<Product, Tcb> = {
  Milan: { fmc: null, bootLoader: 4, tee: 3, snp: 29, microcode: 222 },
  Genoa: { fmc: null, bootLoader: 10, tee: 3, snp: 28, microcode: 86 },
  Turin: { fmc: 2, bootLoader: 3, tee: 4, snp: 5, microcode: 128 },
};
const WHICH = ['reported', 'committed', 'launch', 'current'] as const;
const OFFSETS = { current: 0x38, reported: 0x180, committed: 0x1e0, launch: 0x1f0 };
const partsOf = (product: Product) =>
  (['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const).filter(
    (part) => MIDDLE[product][part] !== null,
  );
const everywhere = (tcb: Tcb) => ({ reported: tcb, committed: tcb, launch: tcb, current: tcb });
const shifted = (tcb: Tcb, part: keyof Tcb, by: number): Tcb => ({
  ...tcb,
  [part]: (tcb[part] ?? 0) + by,
});

const CELLS = PRODUCTS.flatMap((product) =>
  partsOf(product).map((part) => [product, part] as const),
);

describe.each(CELLS)('%s, %s', (product, part) => {
  const middle = MIDDLE[product];
  const floor = () => {
    const { fmc, ...others } = middle;
    return fmc === null ? others : { fmc, ...others };
  };

  test.each([-1, 0, 1])('23: certificate against REPORTED_TCB, %i', async (by) => {
    const reported = serializeTcb(shifted(middle, part, by), product);
    const options: Partial<LaunchOptions> = {
      product,
      tcb: everywhere(middle),
      mutate: (report) => report.set(reported, OFFSETS.reported),
    };
    const minimumTcb = { [product]: { bootLoader: 0, tee: 0, snp: 0, microcode: 0 } };
    const verdict = verdictOf(await sim.evidenceFor(options), sim, { ...POLICY, minimumTcb });
    expect(verdict).toBe(by === 0 ? 'ok' : 'ERR_CERTIFICATE_CHAIN tcb-of-leaf');
  });

  test.each(WHICH)('24: the floor of %s', async (which) => {
    const minimumTcb = { [product]: floor() };
    for (const by of [-1, 0, 1]) {
      const tcb = { ...everywhere(middle), [which]: shifted(middle, part, by) };
      const verdict = verdictOf(await sim.evidenceFor({ product, tcb }), sim, {
        ...POLICY,
        minimumTcb,
        provisionalFirmware: 'accepted',
      });
      expect([by, verdict]).toEqual([by, by < 0 ? `no: tcb.${which}.${part}` : 'ok']);
    }
  });

  test('24: the floor is not outweighed by all the other parts', async () => {
    const high: Tcb = {
      fmc: middle.fmc === null ? null : 255,
      ...{ bootLoader: 255, tee: 255, snp: 255, microcode: 255 },
      [part]: (middle[part] ?? 0) - 1,
    };
    const evidence = await sim.evidenceFor({ product, tcb: everywhere(high) });
    const verdict = verdictOf(evidence, sim, { ...POLICY, minimumTcb: { [product]: floor() } });
    expect(verdict).toBe(`no: ${WHICH.map((which) => `tcb.${which}.${part}`).join(' ')}`);
  });
});
