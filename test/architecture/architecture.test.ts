import { describe, expect, test } from 'vitest';
import { hiddenLoads } from './hidden-loads.ts';
import { importsOf } from './imports.ts';
import { layerViolations, type Violation } from './layers.ts';
import { typescriptFiles } from './source-files.ts';

const files = typescriptFiles();
const shipped = files.filter(({ path }) => /^(packages|services)\//.test(path));
const show = (found: readonly Violation[]) =>
  found.map(({ path, line, message }) => `${path}:${line} ${message}`);

describe('who may load whom', () => {
  test('sees the repository', () => {
    expect(files.length).toBeGreaterThan(20);
  });

  test('every import is one that its layer allows', () => {
    expect(show(files.flatMap(layerViolations))).toEqual([]);
  });

  test('import lines tell the whole truth: nothing is loaded in another way', () => {
    expect(show(shipped.flatMap(hiddenLoads))).toEqual([]);
  });

  test('kafkajs is loaded by exactly one file, and by the tests of what it decodes', () => {
    const loads = (path: string, text: string) =>
      importsOf({ path, text }).some((each) => /^kafkajs/.test(each.specifier) && !each.typeOnly);
    const loaders = files.filter(({ path, text }) => loads(path, text)).map(({ path }) => path);
    expect(loaders).toEqual([
      'packages/record-log/src/fetch-answers.test.ts',
      'packages/record-log/src/kafka-log.ts',
      'packages/record-log/src/kafkajs-patch.test.ts',
    ]);
  });

  test('OpenTelemetry is loaded by exactly one file, which one other loads late', () => {
    const loaders = (name: RegExp) =>
      files
        .filter((file) => importsOf(file).some((each) => name.test(each.specifier)))
        .map(({ path }) => path);
    expect(loaders(/^@opentelemetry\//)).toEqual(['packages/runtime/src/tracing-sdk.ts']);
    expect(loaders(/\/tracing-sdk\b/)).toEqual(['packages/runtime/src/tracing.ts']);
  });
});

/** A violation that is planted must be found; a rule that finds nothing proves nothing. */
describe('canaries', () => {
  test.each([
    ['packages/protocol/src/x.ts', "import { x } from '@strongroom/sealing/seal';"],
    ['packages/protocol/src/x.ts', "import { readFileSync } from 'node:fs';"],
    ['packages/sealing/src/x.ts', "import type { x } from '@strongroom/attestation/verify';"],
    ['packages/attestation/src/x.ts', "import { createServer } from 'node:net';"],
    ['packages/attestation/src/x.ts', "import { launch } from './insecure/launch.ts';"],
    ['packages/record-log/src/x.ts', "import { Kafka } from 'kafkajs';"],
    ['packages/runtime/src/x.ts', "export * from '@strongroom/protocol/errors';"],
    ['packages/sealing/src/x.ts', "import { seed } from '@strongroom/testkit/random';"],
    ['packages/sealing/src/x.ts', "import { x } from '../../protocol/src/errors.ts';"],
    ['packages/sealing/src/x.ts', "import './x.test.ts';"],
    ['packages/sealing/src/x.test.ts', "import { x } from '../../protocol/src/errors.ts';"],
    ['services/key-release/src/serve.ts', "import { x } from '../test/kill-points.ts';"],
    ['services/key-release/src/main.insecure.ts', "import '../test/main.dying.ts';"],
    ['services/producer/src/x.ts', "import { openBatch } from '@strongroom/sealing/open';"],
    ['services/producer/src/x.ts', "export { openBatch } from '@strongroom/sealing/open';"],
    ['services/key-release/src/x.ts', "import { seal } from '@strongroom/sealing/seal';"],
    ['services/attestation/src/main.ts', "import { x } from '@strongroom/attestation/insecure/x';"],
    ['services/cli/src/x.ts', "import { run } from '@strongroom/producer/publish-batches';"],
    ['services/analyst/src/x.ts', "import { x } from '@strongroom/sealing/seal';"],
    ['services/enclave-worker/src/worker.ts', "import { x } from '@strongroom/sealing/open';"],
    ['services/enclave-worker/src/worker.ts', "import { Vault } from './vault/vault.ts';"],
    ['services/enclave-worker/src/worker.ts', "import { type D } from './vault/door.ts';"],
    ['services/enclave-worker/src/worker.ts', "import type { W } from './vault/window.ts';"],
    ['services/enclave-worker/src/vault/x.ts', "import { open } from 'node:fs/promises';"],
    [
      'services/enclave-worker/src/vault/x.ts',
      "import { clock } from '@strongroom/runtime/clock';",
    ],
    ['services/enclave-worker/src/vault/x.ts', "import pino from 'pino';"],
    ['services/enclave-worker/src/vault/x.ts', "import { worker } from '../worker.ts';"],
    ['services/unheard-of/src/x.ts', "import { x } from 'zod';"],
  ])('finds in %s: %s', (path, text) => {
    expect(layerViolations({ path, text })).toHaveLength(1);
  });

  test.each([
    ['packages/sealing/src/x.ts', "const x = await import('node:fs');"],
    ['services/cli/src/x.ts', "const x = await import('@strongroom/analysis/explain');"],
    ['services/cli/src/x.ts', 'const x = await import(name);'],
    ['services/enclave-worker/src/vault-main.ts', 'const x = await import(name);'],
    ['services/enclave-worker/src/vault/x.ts', "const x = await import('./y.ts');"],
    ['packages/sealing/src/x.ts', "type X = import('node:fs').Stats;"],
    ['packages/sealing/src/x.ts', "const x = require('node:fs');"],
    ['packages/sealing/src/x.ts', "const x = import.meta.resolve('node:fs');"],
    ['packages/sealing/src/x.ts', "const x = eval('1');"],
    ['packages/sealing/src/x.ts', "await fetch('http://somewhere.example');"],
    ['services/enclave-worker/src/vault/x.ts', "new WebSocket('ws://somewhere.example');"],
  ])('finds in %s: %s', (path, text) => {
    expect(hiddenLoads({ path, text })).toHaveLength(1);
  });

  test.each([
    ['services/enclave-worker/src/worker.ts', "import type { Door } from './vault/door.ts';"],
    ['packages/sealing/src/x.test.ts', "import { x } from '@strongroom/testkit/random';"],
    ['services/attestation/src/main.insecure.ts', "import '@strongroom/attestation/insecure/x';"],
    ['services/producer/src/x.ts', "import { seal } from '@strongroom/sealing/seal';"],
    ['services/cli/src/x.ts', "const x = await import('./y.ts');"],
    ['services/enclave-worker/src/vault-main.ts', "const x = await import('./vault-pipe.ts');"],
  ])('allows in %s: %s', (path, text) => {
    expect([...layerViolations({ path, text }), ...hiddenLoads({ path, text })]).toEqual([]);
  });
});
