import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SECTIONS, smallFirmware, WHOLE } from '../../test/small-firmware.ts';
import { launchDigest } from './launch-digest.ts';
import { type LaunchOptions, measureLaunch } from './measure-launch.ts';

/**
 * Digests by another implementation, sev-snp-measure 0.0.13 of virtee, over files that are made
 * here: --mode snp --vcpu-type … --vcpus … --guest-features … --ovmf … [--kernel … --append …].
 */

const { hashesAddress: _, ...withoutHashes } = WHOLE;
const FIRMWARE = {
  whole: smallFirmware(),
  'no kernel': smallFirmware({ ...withoutHashes, sections: SECTIONS.slice(0, 4) }),
  svsm: smallFirmware({ ...WHOLE, sections: [...SECTIONS, [0x82_0000, 0x1000, 4]] }),
};
const CASES: (Omit<LaunchOptions, 'kernel' | 'initrd'> & { digest: string })[] = JSON.parse(
  readFileSync(new URL('../../test/vectors/launch-digests.json', import.meta.url), 'utf8'),
);
const [MILAN, GENOA] = [0xa0_0f11, 0xa1_0f10];

const folder = mkdtempSync(join(tmpdir(), 'strongroom-launch-'));
const at = (name: string) => join(folder, name);
beforeAll(() => {
  for (const [name, bytes] of Object.entries(FIRMWARE)) writeFileSync(at(name), bytes);
  writeFileSync(at('kernel'), boot('').kernel);
  writeFileSync(at('initrd'), boot('').initrd);
});
afterAll(() => rmSync(folder, { recursive: true }));

const boot = (commandLine: string) => ({
  kernel: Buffer.from('a kernel'),
  initrd: Buffer.from('an initial file system'),
  commandLine,
});
describe('the launch digest of a guest', () => {
  test.each(CASES)(
    '$firmware, $vcpus times $vcpu, features $guestFeatures, $cmdline',
    async (each) => {
      const { firmware, digest, ...options } = each;
      const direct =
        each.cmdline === undefined ? {} : { kernel: at('kernel'), initrd: at('initrd') };
      expect(await measureLaunch({ firmware: at(firmware), ...direct, ...options })).toBe(digest);
    },
  );

  test('is asked for with everything that it depends on', async () => {
    const whole = { firmware: at('whole'), vcpus: '1', vcpu: '25-1-1', guestFeatures: '0x1' };
    const milan = await measureLaunch(whole);
    expect(milan).toBe(await measureLaunch({ ...whole, vcpu: 'EPYC-Milan-v2' }));
    for (const wrong of [
      ...[{ vcpus: undefined }, { vcpus: '0' }, { vcpus: '4097' }, { vcpus: 'two' }],
      ...[{ vcpu: undefined }, { vcpu: 'Opteron' }, { vcpu: '6-1-1' }, { vcpu: '25-1-16' }],
      ...[
        { guestFeatures: '1' },
        { guestFeatures: '0x' },
        { initrd: at('initrd') },
        { cmdline: 'x' },
      ],
    ]) {
      const options = { ...whole, ...wrong } as typeof whole;
      await expect(measureLaunch(options)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    }
  });

  test('is another one for any change of what is measured', () => {
    const launch = {
      firmware: FIRMWARE.whole,
      boot: boot('quiet'),
      processors: 2,
      signature: MILAN,
      features: 1n,
    };
    const changed = FIRMWARE.whole.with(0, 1);
    const others = [
      launch,
      { ...launch, firmware: changed },
      { ...launch, processors: 1 },
      { ...launch, signature: GENOA },
      { ...launch, features: 2n },
      { ...launch, boot: boot('quiet ') },
      { ...launch, boot: { ...launch.boot, kernel: Buffer.from('another') } },
      { ...launch, boot: { ...launch.boot, initrd: new Uint8Array() } },
      { ...launch, firmware: smallFirmware({ ...WHOLE, resetAddress: 0x80_b008 }) },
      { ...launch, firmware: smallFirmware({ ...WHOLE, hashesAddress: 0x81_0c10 }) },
    ];
    expect(new Set(others.map(launchDigest)).size).toBe(others.length);
  });
});

describe('no digest is given', () => {
  const digest = (firmware: Uint8Array, more = {}) =>
    launchDigest({ firmware, processors: 1, signature: MILAN, features: 1n, ...more });
  const { resetAddress: __, ...withoutReset } = WHOLE;
  const metadata = (type: number, size = 0x1000, address = 0x80_0000) =>
    smallFirmware({ ...WHOLE, sections: [[address, size, type]] });
  test.each([
    ['nothing', new Uint8Array(), 'whole pages'],
    ['half a page', new Uint8Array(2048), 'whole pages'],
    ['a page of zeros', new Uint8Array(4096), 'no table'],
    ['a section of an unknown kind', metadata(0x11), 'unknown kind'],
    ['a section of half a page', metadata(1, 0x800), 'whole pages'],
    ['a section between pages', metadata(1, 0x1000, 0x80_0010), 'whole pages'],
    ['a section of a gigabyte', metadata(1, 0x4000_0000), 'too large'],
    ['more sections than fit', smallFirmware().fill(0xff, 0x180c, 0x1810), 'too many'],
    ['metadata of version 2', smallFirmware().fill(2, 0x1808, 0x1809), 'another form'],
    ['a table longer than the image', smallFirmware().fill(0xff, 8192 - 50, 8192 - 48), 'broken'],
  ])('for %s', (_name, firmware, problem) => {
    expect(() => digest(firmware)).toThrow(problem);
  });

  test('for a kernel that the firmware does not measure', () => {
    expect(() => digest(FIRMWARE['no kernel'], { boot: boot('') })).toThrow('measures no kernel');
  });

  test('for a second processor of firmware that does not say where it begins', () => {
    const firmware = smallFirmware(withoutReset);
    expect(() => digest(firmware, { processors: 2 })).toThrow('where a second processor begins');
    expect(digest(firmware)).toMatch(/^[0-9a-f]{96}$/);
  });
});
