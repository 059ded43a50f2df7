import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger, type LogFields } from './logger.ts';

function collect(level?: string) {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const options = level === undefined ? { destination } : { destination, level };
  return { lines, logger: createLogger('worker', options) };
}

describe('logger', () => {
  it('writes service, level, event and known fields', () => {
    const { lines, logger } = collect();
    logger.warn('record-refused', { code: 'ERR_SEAL_SIGNATURE', offset: 7 });
    expect(lines[0]).toMatchObject({
      level: 'warn',
      service: 'worker',
      event: 'record-refused',
      code: 'ERR_SEAL_SIGNATURE',
      offset: 7,
    });
  });

  it('drops what is not on the list, also what types were told to ignore', () => {
    const { lines, logger } = collect();
    const smuggled = { row: 'Alice', err: new Error('Alice'), code: { toString: () => 'Alice' } };
    logger.info('smuggled', smuggled as unknown as LogFields);
    logger.info('smuggled', JSON.parse('{"__proto__": "Alice", "constructor": "Alice"}'));
    expect(JSON.stringify(lines)).not.toContain('Alice');
    expect(lines).toHaveLength(2);
  });

  it('replaces long and many-lined text whole, never by a prefix', () => {
    const { lines, logger } = collect();
    logger.info('long', { topic: 's3cret'.repeat(40), stream: 'two\nlines' });
    expect(JSON.stringify(lines)).not.toContain('s3cret');
    expect(lines[0]).toMatchObject({ topic: '[240 characters]', stream: '[9 characters]' });
  });

  it('strips user names, queries and fragments from URLs', () => {
    const { lines, logger } = collect();
    logger.info('asked', { url: 'https://user:pass@host:8443/keys?token=abc#frag' });
    expect(lines[0]).toMatchObject({ url: 'https://host:8443/keys' });
  });

  it('refuses an event that was put together from data', () => {
    const { lines, logger } = collect();
    logger.info('Could not convert string Alice');
    expect(lines[0]).toMatchObject({ event: 'event-name-refused' });
  });

  it('keeps to its level', () => {
    const { lines, logger } = collect('error');
    logger.warn('quiet');
    logger.error('loud');
    expect(lines.map((line) => line['event'])).toEqual(['loud']);
  });
});
