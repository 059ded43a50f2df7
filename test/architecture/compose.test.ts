import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readText } from './source-files.ts';

/**
 * What docker-compose.yml promises of its containers, read from the file. test/compose brings them
 * up and looks at them from outside.
 */

const ServiceSchema = z.looseObject({
  image: z.string(),
  user: z.string(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  security_opt: z.array(z.string()),
  pids_limit: z.number(),
  mem_limit: z.string(),
  restart: z.enum(['no', 'unless-stopped']),
  networks: z.array(z.string()),
  volumes: z.array(z.string()).default([]),
  tmpfs: z.array(z.string()),
  ports: z.array(z.string()).default([]),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  healthcheck: z.exactOptional(z.looseObject({ test: z.array(z.string()) })),
  build: z.exactOptional(z.looseObject({ target: z.string() })),
  profiles: z.array(z.string()).default([]),
});
const FileSchema = z.looseObject({
  services: z.record(z.string(), ServiceSchema),
  networks: z.record(z.string(), z.looseObject({ internal: z.boolean().default(false) })),
  volumes: z.record(z.string(), z.null()),
});
const { services, networks, volumes } = FileSchema.parse(
  parse(readText('docker-compose.yml'), { merge: true, maxAliasCount: 1_000 }),
);
const each = Object.entries(services).map(([name, service]) => ({ name, ...service }));
const dockerfile = readText('deploy/images/Dockerfile');

/** `volume:/path:ro` */
const mountsOf = ({ volumes }: z.infer<typeof ServiceSchema>) =>
  volumes.map((mount) => {
    const [volume = '', path = '', mode = 'rw'] = mount.split(':');
    return { volume, path, mode };
  });

describe.each(each)('$name', (service) => {
  test('runs without rights, on a root that is read-only, within limits', () => {
    expect(service).toMatchObject({
      user: '1000:1000',
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      pids_limit: 256,
      mem_limit: expect.stringMatching(/^[12]g$/),
    });
    for (const door of ['privileged', 'network_mode', 'pid', 'devices', 'cap_add', 'env_file']) {
      expect(service).not.toHaveProperty(door);
    }
  });

  test('is watched where it lives on, and is started again', () => {
    const livesOn = service.healthcheck !== undefined;
    expect(service.restart).toBe(livesOn ? 'unless-stopped' : 'no');
  });

  test('mounts volumes of its own alone, and no folder of the machine', () => {
    for (const { volume } of mountsOf(service)) expect(Object.keys(volumes)).toContain(volume);
  });

  test('gets secrets as files, and nothing by its environment', () => {
    for (const argument of service.command) {
      const [option = '', value] = argument.split(/=(.*)/);
      const isSecret = /token|key|identity|password|secret/.test(option);
      if (isSecret)
        expect(value).toMatch(/^((west|east)=)?\/(attestation|west|east|authority|worker)\//);
    }
    if (service.name !== 'kafka') expect(service.environment).toEqual({});
  });

  test('has an image of one version, or of this checkout', () => {
    if (service.build === undefined) expect(service.image).toMatch(/:\d+\.\d+\.\d+$/);
    else expect(dockerfile).toContain(` AS ${service.build.target}\n`);
  });
});

test('what a party alone may see is mounted by its services and by the setup', () => {
  const isSetup = (name: string) => ['prepare', 'introduce', 'agree'].includes(name);
  const who = (volume: string) =>
    each
      .filter((service) => !isSetup(service.name))
      .filter((service) => mountsOf(service).some((mount) => mount.volume === volume))
      .map(({ name }) => name);
  const seen = Object.fromEntries(Object.keys(volumes).map((volume) => [volume, who(volume)]));
  expect(seen).toEqual({
    public: [
      ...['attestation', 'producer-west', 'producer-east'],
      ...['worker', 'page', 'owner-west', 'owner-east', 'analyst', 'strongroom'],
    ],
    platform: ['worker'],
    attestation: ['attestation'],
    'attestation-state': ['attestation'],
    west: ['keys-west', 'producer-west', 'owner-west'],
    'west-keys': ['keys-west'],
    'west-outbox': ['producer-west'],
    east: ['keys-east', 'producer-east', 'owner-east'],
    'east-keys': ['keys-east'],
    'east-outbox': ['producer-east'],
    authority: ['analyst'],
    worker: ['worker'],
    kafka: ['kafka'],
  });
});

test('a service writes to what it keeps, and reads everything else', () => {
  const written = each.flatMap(({ name, ...service }) =>
    mountsOf(service)
      .filter(({ mode }) => mode === 'rw')
      .filter(() => !['prepare', 'introduce', 'agree'].includes(name))
      .map(({ volume }) => `${name} ${volume}`),
  );
  expect(written).toEqual([
    'kafka kafka',
    'attestation attestation-state',
    'keys-west west-keys',
    'keys-east east-keys',
    'producer-west west-outbox',
    'producer-east east-outbox',
  ]);
});

test('the vault can make no folder: its container has nothing to write to', () => {
  expect(services['worker']).toMatchObject({ tmpfs: [], ipc: 'none' });
});

test('pages are published to this machine alone, and nothing else is', () => {
  const ports = each.flatMap(({ name, ports }) => ports.map((port) => `${name} ${port}`));
  const [west, east] = ['{STRONGROOM_WEST_PAGE_PORT:-8481}', '{STRONGROOM_EAST_PAGE_PORT:-8482}'];
  expect(ports).toEqual([
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the compose file's own variable
    'page 127.0.0.1:${STRONGROOM_PAGE_PORT:-8480}:8480',
    `owner-west 127.0.0.1:$${west}:$${west}`,
    `owner-east 127.0.0.1:$${east}:$${east}`,
  ]);
  const open = Object.keys(networks).filter((name) => networks[name]?.internal === false);
  expect(open).toEqual(['page']);
  const outside = each.filter((service) => service.networks.includes('page'));
  expect(outside.map(({ name }) => name)).toEqual(['page', 'owner-west', 'owner-east']);
});

test("a page with an owner's authority speaks TLS, and its party is its own", () => {
  for (const party of ['west', 'east']) {
    const service = services[`owner-${party}`];
    const { command = [], volumes = [], tmpfs, healthcheck } = service ?? {};
    expect(volumes).toEqual(['public:/public:ro', `${party}:/${party}:ro`]);
    for (const option of [`--party=${party}`, `--tls-key=/${party}/page/server.key`]) {
      expect(command).toContain(option);
    }
    // What a container prints is kept by Docker; its memory goes with it.
    expect(command).toContain('--address-file=/tmp/address');
    expect(tmpfs).toEqual(['/tmp']);
    expect(healthcheck?.test.at(-1)).toMatch(/^https:/);
  }
});

/** `strongroom owner serve` is a verb of the command, not a service's. */
function ownersFlags(): string[] {
  const [, text = ''] = readText('docs/cli.md').split('### strongroom owner serve\n');
  return [...text.replace(/\n###.*/s, '').matchAll(/^\| `(--[\w-]+)/gm)].map(
    ([, flag]) => `${flag}`,
  );
}

test('the options of every service are those that it has', () => {
  const known: Record<string, { flags: string }[]> = JSON.parse(
    readText('services/cli/service-options.json'),
  );
  const simulated = ['--roots', '--platform-dir'];
  const nouns = { attestation: 'attestation', keys: 'key-release', producer: 'producer' };
  const more = { worker: 'worker', page: 'analyst', analyst: 'analyst' };
  const programs: Record<string, string> = { ...nouns, ...more };
  for (const { command } of each.filter(({ name }) => name.startsWith('owner-'))) {
    const [noun, verb, ...options] = command.map((option) => option.split('=')[0]);
    expect([noun, verb]).toEqual(['owner', 'serve']);
    expect(ownersFlags()).toEqual(expect.arrayContaining(options));
  }
  for (const { name, command } of each) {
    const program = programs[name.replace(/-(west|east)$/, '')];
    if (program === undefined) continue;
    const [verb = '', ...options] = command;
    const flags = (known[`${program} ${verb}`] ?? []).map((option) => option.flags.split(' ')[0]);
    const used = options.map((option) => option.split('=')[0]);
    expect([...flags, ...simulated], name).toEqual(expect.arrayContaining(used));
  }
});

test('an image runs as a user without rights, and none but a simulated one simulates', () => {
  const stages = dockerfile.split(/^FROM /m).slice(1);
  const users = stages.map((stage) => [
    / AS (\S+)/.exec(stage)?.[1],
    [...stage.matchAll(/^USER (\S+)/gm)].at(-1)?.[1],
  ]);
  const ending = Object.fromEntries(users);
  expect(ending).toMatchObject({ base: 'node', setup: 'node' });
  for (const stage of stages.filter((text) => text.includes('main.insecure'))) {
    expect(stage).toMatch(/ AS \S+-simulated\n/);
  }
});
