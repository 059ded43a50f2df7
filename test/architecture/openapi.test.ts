import diagnostics from 'node:diagnostics_channel';
import { validate } from '@readme/openapi-parser';
import { createHttpServer } from '@strongroom/runtime/http';
import { createLogger } from '@strongroom/runtime/logger';
import { createMetrics } from '@strongroom/runtime/metrics';
import { describe, expect, test } from 'vitest';
import { openApiFiles, SERVICES } from '../../scripts/write-openapi.ts';
import { createAttestationServer } from '../../services/attestation/src/http.ts';
import { createWorkerServer } from '../../services/enclave-worker/src/worker-server.ts';
import { addRoutes } from '../../services/key-release/src/http.ts';
import { readText, repositoryPaths } from './source-files.ts';

const AGAIN = 'run node --conditions=strongroom:source scripts/write-openapi.ts';
const files = [...openApiFiles()];

describe('OpenAPI documents', () => {
  test.each(files)('%s is fresh', (path, text) => {
    expect(readText(path), AGAIN).toBe(text);
  });

  test.each(files)('%s is OpenAPI 3.1', async (_path, text) => {
    expect(await validate(JSON.parse(text))).toMatchObject({ valid: true });
  });

  test('there is no other one', () => {
    const committed = repositoryPaths().filter((path) => path.startsWith('schemas/openapi/'));
    expect(committed).toEqual(files.map(([path]) => path).toSorted());
  });
});

const logger = createLogger('test', { level: 'silent' });
/** Routes are added without asking anything of it. */
const STUB = new Proxy({}, { get: () => ({}) }) as never;
const GUARDS = { demand: () => ({ onRequest: async () => undefined }), callerOf: () => undefined };

/** As each service makes its server; nothing listens. */
const SERVERS: Readonly<Record<string, () => { close(): Promise<unknown>; ready(): unknown }>> = {
  'key-release': () => {
    const metrics = createMetrics('key-release');
    const app = createHttpServer({ service: 'key-release', logger, metrics, ready: () => true });
    const more = { owner: 'north', withoutKeys: false, guards: GUARDS, attempts: STUB };
    addRoutes(app, { ...more, service: STUB, logger, metrics });
    return app;
  },
  attestation: () =>
    createAttestationServer({
      ...{ roots: { kind: 'simulated' }, policies: STUB, admin: STUB, signer: STUB },
      ...{ logger, metrics: createMetrics('attestation') },
    } as never),
  worker: () =>
    createWorkerServer({
      ...{ logger, metrics: createMetrics('worker'), ready: () => true, warning: undefined },
      ...{ evidence: STUB, status: STUB },
    }),
};

/** Every route, as it is added to a server that is made meanwhile. */
async function answeredBy(makeServer: (typeof SERVERS)[string]): Promise<Set<string>> {
  const answered = new Set<string>();
  const watch = (message: unknown) => {
    const { fastify } = message as { fastify: ReturnType<typeof createHttpServer> };
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat())
        if (each !== 'HEAD') answered.add(`${each} ${spelled(url)}`);
    });
  };
  diagnostics.subscribe('fastify.initialization', watch);
  try {
    const app = makeServer();
    await app.ready();
    await app.close();
  } finally {
    diagnostics.unsubscribe('fastify.initialization', watch);
  }
  return answered;
}

/** As OpenAPI writes paths. */
function spelled(url: string): string {
  return withoutSlash(url.replaceAll(/(?<!:):(\w+)/g, '{$1}').replaceAll('::', ':'));
}

/** Azure's client puts a slash behind some, and gets the same. */
function withoutSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/$/, '') : path;
}

test.each(Object.entries(SERVICES))('%s answers what is written down', async (name, { routes }) => {
  const written = routes.map(
    ({ method, path, route = path }) => `${method} ${withoutSlash(route)}`,
  );
  const makeServer = SERVERS[name] ?? expect.fail(`no server of ${name}`);
  const answered = await answeredBy(makeServer);
  expect([...answered].toSorted()).toEqual(written.toSorted());
  expect(new Set(written).size).toBe(written.length);
});
