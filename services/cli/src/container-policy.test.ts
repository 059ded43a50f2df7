import { describe, expect, test } from 'vitest';
import { measurePolicy } from './container-policy.ts';

const CLOSED = `package policy

api_version := "0.10.0"
framework_version := "0.2.3"

containers := [{
  "allow_elevated":false,
  "allow_stdio_access":true,
  "command":["node","main.js"],
  "env_rules":[{"pattern":"TERM=xterm","required":false,"strategy":"string"}],
  "exec_processes":[],
  "layers":["00"]
}]

allow_dump_stacks := false
allow_unencrypted_scratch := false

create_container := data.framework.create_container
exec_in_container := data.framework.exec_in_container
`;

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const KATA = 'package agent_policy\ndefault ExecProcessRequest := false\n';

describe('HOST_DATA', () => {
  test('is the SHA-256 of the bytes, also when they come as base64', () => {
    // FIPS 180-4 over 15 bytes, by another program: printf 'package policy\n' | sha256sum
    const hostData = '89d09cb5c2f579afa733a1f68ae0dd5ff13e59efa75b870c64ca9fd62e9ec139';
    expect(measurePolicy(bytes('package policy\n'))).toEqual({ hostData, findings: [] });
    const base64 = Buffer.from('package policy\n').toString('base64');
    expect(measurePolicy(bytes(base64)).hostData).toBe(hostData);
    expect(measurePolicy(bytes(`${base64}\n`)).hostData).toBe(hostData);
  });

  test('is another one for another line end', () => {
    expect(measurePolicy(bytes('package policy\r\n')).hostData).not.toBe(
      measurePolicy(bytes('package policy\n')).hostData,
    );
  });

  test.each([[''], ['package other\n'], ['{"policy": 1}'], ['AAAA'], ['package policyx\n']])(
    '%j is no policy',
    (text) => {
      expect(() => measurePolicy(bytes(text))).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
      );
    },
  );
});

describe('what nobody should sign unread', () => {
  test('a closed policy has none', () => {
    expect(measurePolicy(bytes(CLOSED)).findings).toEqual([]);
    expect(measurePolicy(bytes(KATA)).findings).toEqual([]);
  });

  test.each([
    [
      'create_container := data.framework.create_container',
      'create_container := {"allowed": true}',
    ],
    ['"exec_processes":[]', '"exec_processes":[{"command":["/bin/sh"],"signals":[]}]'],
    ['"allow_elevated":false', '"allow_elevated":true'],
    ['TERM=xterm', '.+=.+'],
    ['allow_unencrypted_scratch := false', 'allow_unencrypted_scratch := true'],
    ['allow_dump_stacks := false', 'allow_dump_stacks := true'],
  ])('%s -> %s', (from, to) => {
    const changed = CLOSED.replace(from, to);
    expect(changed).not.toBe(CLOSED);
    expect(measurePolicy(bytes(changed)).findings).toHaveLength(1);
  });

  test.each([['ExecProcessRequest'], ['CreateContainerRequest'], ['ReadStreamRequest']])(
    'Kata: %s for everything',
    (request) => {
      expect(
        measurePolicy(bytes(`package agent_policy\ndefault ${request} := true\n`)).findings,
      ).toHaveLength(1);
    },
  );
});
