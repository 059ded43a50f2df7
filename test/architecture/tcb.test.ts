import { describe, expect, test } from 'vitest';
import { closureOf, readLockfile } from './closure.ts';
import { readText } from './source-files.ts';
import { TCB_FILE, trustedBase } from './tcb.ts';

const REGENERATE = 'node --conditions=strongroom:source test/architecture/tcb.ts --write';

describe('the trusted computing base', () => {
  test('is the one that tcb.json lists', () => {
    const committed: unknown = JSON.parse(readText(TCB_FILE));
    expect(committed, `review the difference, then: ${REGENERATE}`).toEqual(trustedBase());
  });

  test('holds no simulator and no test', () => {
    const { files } = trustedBase();
    expect(files.filter((path) => /insecure|testkit|\.test\.ts$/.test(path))).toEqual([]);
  });

  test('the vault brings no network, no log client and no HTTP server', () => {
    const lockfile = readLockfile();
    const vault = closureOf(['services/enclave-worker/src/vault-main.ts'], lockfile);
    const foreign = /^(kafkajs|fastify|pino|prom-client|undici(?!-types)|testcontainers|@azure\/)/;
    expect([...vault.packages].filter((key) => foreign.test(key))).toEqual([]);
    expect([...vault.files].filter((path) => /record-log|runtime/.test(path))).toEqual([]);
  });
});

describe('canaries', () => {
  test('a closure follows re-exports and package names into files and their packages', () => {
    const found = closureOf(['packages/protocol/src/contract.ts'], readLockfile());
    expect([...found.files]).toContain('packages/protocol/src/limits.ts');
    expect([...found.packages].map((key) => key.replace(/@[^@]*$/, ''))).toContain('canonicalize');
  });
});
