import { codeOf } from '@strongroom/protocol/errors';
import { describe, expect, test } from 'vitest';
import { readSettings } from './settings.ts';

function codeFor(args: string[], simulated = false): string | undefined {
  try {
    readSettings(args, simulated);
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

describe('settings', () => {
  test('reads a full command line', () => {
    const args = ['start', '--data', 'd', '--port', '0', '--issuer', 'https://a.example'];
    const tls = ['--tls-cert', 'c', '--tls-key', 'k', '--log-level', 'debug'];
    expect(readSettings([...args, ...tls], false)).toEqual({
      host: '127.0.0.1',
      port: 0,
      issuer: 'https://a.example',
      data: 'd',
      tls: { certFile: 'c', keyFile: 'k' },
      logLevel: 'debug',
    });
  });

  test.each([
    ['no verb', []],
    ['no data folder', ['start']],
    ['an unknown option', ['start', '--data', 'd', '--insecure']],
    ['roots where only AMD is believed', ['start', '--data', 'd', '--roots', 'r']],
    ['half of a TLS pair', ['start', '--data', 'd', '--tls-key', 'k']],
    ['a port out of range', ['start', '--data', 'd', '--port', '70000']],
    ['an issuer that is no URL', ['start', '--data', 'd', '--issuer', 'me']],
    ['a mirror of what is not asked for', ['start', '--data', 'd', '--kds', 'https://k.example']],
    ['lists that are half wanted', ['start', '--data', 'd', '--crl', 'sometimes']],
    ['an unknown log level', ['start', '--data', 'd', '--log-level', 'all']],
  ])('refuses %s', (_name, args) => {
    expect(codeFor(args)).toBe('ERR_USAGE');
  });

  test('the simulated service needs its roots', () => {
    expect(codeFor(['start', '--data', 'd'], true)).toBe('ERR_USAGE');
    expect(codeFor(['start', '--data', 'd', '--roots', 'r'], true)).toBeUndefined();
  });
});
