import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { RuntimeError } from './coded-error.ts';
import { createHttpServer, listen } from './http.ts';
import { createLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import type { Tracing } from './tracing.ts';

function server(ready: () => boolean | Promise<boolean> = () => true, bodyLimit?: number) {
  const limit = bodyLimit === undefined ? {} : { bodyLimit };
  const logger = createLogger('test', { level: 'silent' });
  const app = createHttpServer({
    service: 'test',
    logger,
    metrics: createMetrics('test'),
    ready,
    ...limit,
  });
  app.get('/page', async (_request, reply) =>
    reply.header('content-security-policy', "default-src 'self'").send('page'),
  );
  app.post('/echo', async (request) => request.body);
  app.get('/broken', async () => {
    throw new Error('Could not convert string Alice');
  });
  app.get('/full', async () => {
    throw new RuntimeError('ERR_DISK_FULL', { path: 'outbox' });
  });
  return app;
}

describe('http server', () => {
  it('answers health, readiness and metrics', async () => {
    const app = server();
    expect((await app.inject('/healthz')).json()).toEqual({ service: 'test', status: 'alive' });
    expect((await app.inject('/readyz')).statusCode).toBe(200);
    const metrics = await app.inject('/metrics');
    expect(metrics.body).toContain('process_resident_memory_bytes{service="test"}');
    expect(metrics.body).toContain('strongroom_http_request_seconds_count');
  });

  it('tells of each call its route and status, in the trace that it came with', async () => {
    const calls: object[] = [];
    const tracing: Tracing = {
      begin: () => expect.fail('no topic is meant'),
      beginCall: (start) => ({
        traceparent: '',
        end: (outcome) => calls.push({ ...start, ...outcome }),
      }),
      close: async () => undefined,
    };
    const app = createHttpServer({
      ...{ service: 'test', metrics: createMetrics('test'), ready: () => true, tracing },
      logger: createLogger('test', { level: 'silent' }),
    });
    app.get('/keys/:name', async () => {
      throw new RuntimeError('ERR_DISK_FULL', { path: 'outbox' });
    });
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await app.inject({ url: '/keys/alice', headers: { traceparent } });
    for (const url of ['/healthz', '/readyz', '/metrics', '/nowhere/alice']) await app.inject(url);
    expect(calls).toEqual([
      { side: 'server', method: 'GET', route: '/keys/:name', parent: traceparent, status: 503 },
    ]);
  });

  it('is not ready when the check says no, fails or rejects', async () => {
    const fails = () => {
      throw new Error('no');
    };
    for (const ready of [() => false, fails, () => Promise.reject(new Error('no'))]) {
      expect((await server(ready).inject('/readyz')).statusCode).toBe(503);
    }
  });

  it('never answers with the text or stack of an unknown error', async () => {
    const answer = await server().inject('/broken');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toMatch(/Alice|\.ts/);
    expect(answer.json().error.code).toBe('ERR_INTERNAL');
  });

  it('reads JSON or nothing, and never parses what is nested too deeply', async () => {
    const echo = async (payload: string) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await server().inject({ method: 'POST', url: '/echo', headers, payload });
      return [answer.statusCode, answer.body];
    };
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(await echo(nested(32))).toEqual([200, nested(32)]);
    expect(await echo('')).toEqual([200, '']);
    expect(await echo(`{"a":"${'{['.repeat(40)}\\"["}`)).toMatchObject([200, expect.anything()]);
    for (const text of [
      nested(33),
      '['.repeat(100_000),
      '"\\'.repeat(100_000),
      '{"a":'.repeat(33),
      '{',
      '{"__proto__":1}',
    ]) {
      expect((await echo(text))[0]).toBe(400);
    }
  });

  it('refuses a URL that cannot be decoded like any other request', async () => {
    const answer = await server().inject('/page/%ff');
    expect([answer.statusCode, answer.json().error.code]).toEqual([400, 'ERR_REQUEST_INVALID']);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.body).not.toContain('%ff');
  });

  it('ends a request that does not come to its end', { timeout: 30_000 }, async () => {
    const app = server();
    const { port } = await listen(app, '127.0.0.1', 0);
    const started = performance.now();
    const socket = connect(port, '127.0.0.1');
    const type = 'content-type: application/json';
    socket.write(`POST /echo HTTP/1.1\r\nhost: x\r\n${type}\r\ncontent-length: 10\r\n\r\n{`);
    let text = '';
    socket.on('data', (part) => {
      text += part;
    });
    await once(socket, 'close');
    expect(text).toContain(' 408 ');
    expect(performance.now() - started).toBeLessThan(15_000);
    await app.close();
  });

  it('answers coded errors with their code', async () => {
    const answer = await server().inject('/full');
    expect(answer.statusCode).toBe(503);
    expect(answer.json().error.code).toBe('ERR_DISK_FULL');
  });

  it('refuses unknown routes, bodies over the limit and broken JSON', async () => {
    const app = server(() => true, 64);
    expect((await app.inject('/nowhere')).statusCode).toBe(404);
    const post = (payload: string) =>
      app.inject({
        method: 'POST',
        url: '/echo',
        payload,
        headers: { 'content-type': 'application/json' },
      });
    expect((await post(JSON.stringify('x'.repeat(100)))).statusCode).toBe(413);
    expect((await post('{"a":')).statusCode).toBe(400);
    expect((await post('{"__proto__":{"a":1}}')).statusCode).toBe(400);
  });

  it('sets security headers, which a route may replace', async () => {
    const app = server();
    const plain = (await app.inject('/healthz')).headers;
    expect(plain['content-security-policy']).toContain("default-src 'none'");
    expect(plain['x-content-type-options']).toBe('nosniff');
    expect(plain['cache-control']).toBe('no-store');
    const page = (await app.inject('/page')).headers;
    expect(page['content-security-policy']).toBe("default-src 'self'");
  });

  it('listens on a free port and tells when a port is taken', async () => {
    const app = server();
    const { url, port } = await listen(app, '127.0.0.1', 0);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    await expect(listen(server(), '127.0.0.1', port)).rejects.toMatchObject({
      code: 'ERR_PORT_UNAVAILABLE',
    });
    await app.close();
  });
});
