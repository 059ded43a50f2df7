import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readText } from './source-files.ts';

/**
 * deploy/azure, without Azure: the shape of the API that the template names, as strictly as it can
 * be said here (no registry has that schema), and what every container of ours has to have.
 */

const FILE = 'deploy/azure/container-group.json';

const secret = z.record(z.string(), z.string().regex(/^\[base64\(parameters\('\w+'\)\)\]$/));
const amounts = z.strictObject({ cpu: z.number().positive(), memoryInGB: z.number().positive() });
const port = z.strictObject({ port: z.literal(8490), protocol: z.literal('TCP') });
const probe = z.strictObject({
  httpGet: z.strictObject({
    path: z.enum(['/healthz', '/readyz']),
    port: z.literal(8490),
    scheme: z.literal('http'),
  }),
  initialDelaySeconds: z.exactOptional(z.int()),
  periodSeconds: z.int(),
  timeoutSeconds: z.int(),
  failureThreshold: z.int(),
});

const SecurityContext = z.strictObject({
  privileged: z.literal(false),
  allowPrivilegeEscalation: z.literal(false),
  runAsUser: z.int(),
  runAsGroup: z.int(),
  capabilities: z.strictObject({ add: z.tuple([]), drop: z.tuple([z.literal('ALL')]) }),
});

const Container = z.strictObject({
  name: z.enum(['worker', 'report-sidecar']),
  properties: z.strictObject({
    image: z.string().regex(/^\[parameters\('\w+Image'\)\]$/),
    command: z.array(z.string()).min(1),
    ports: z.exactOptional(z.array(port)),
    resources: z.strictObject({ requests: amounts, limits: amounts }),
    securityContext: SecurityContext,
    livenessProbe: z.exactOptional(probe),
    readinessProbe: z.exactOptional(probe),
    volumeMounts: z.exactOptional(
      z.array(
        z.strictObject({
          name: z.string(),
          mountPath: z.string().startsWith('/'),
          readOnly: z.literal(true),
        }),
      ),
    ),
  }),
});

const Group = z.strictObject({
  type: z.literal('Microsoft.ContainerInstance/containerGroups'),
  apiVersion: z.literal('2023-05-01'),
  name: z.string(),
  location: z.string(),
  identity: z.strictObject({
    type: z.literal('UserAssigned'),
    userAssignedIdentities: z.record(z.string(), z.strictObject({})),
  }),
  properties: z.strictObject({
    sku: z.literal('Confidential'),
    osType: z.literal('Linux'),
    restartPolicy: z.literal('Always'),
    confidentialComputeProperties: z.strictObject({
      ccePolicy: z.literal("[parameters('ccePolicy')]"),
    }),
    imageRegistryCredentials: z.array(z.strictObject({ server: z.string(), identity: z.string() })),
    subnetIds: z.tuple([z.strictObject({ id: z.string() })]),
    ipAddress: z.strictObject({ type: z.literal('Private'), ports: z.tuple([port]) }),
    containers: z.array(Container),
    volumes: z.array(z.strictObject({ name: z.string(), secret })),
  }),
});

const Parameter = z.strictObject({
  type: z.enum(['string', 'securestring']),
  defaultValue: z.exactOptional(z.string()),
  metadata: z.strictObject({ description: z.string() }),
});

const Template = z.strictObject({
  $schema: z.literal(
    'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  ),
  contentVersion: z.literal('1.0.0.0'),
  metadata: z.strictObject({ description: z.string() }),
  parameters: z.record(z.string(), Parameter),
  resources: z.tuple([Group]),
});

const text = readText(FILE);
const template = Template.parse(JSON.parse(text));
const [group] = template.resources;
const [worker, sidecar] = group.properties.containers;

test('every parameter is used, and none is missing', () => {
  const { parameters, ...rest } = template;
  const used = [...JSON.stringify(rest).matchAll(/parameters\('(\w+)'\)/g)].map(([, name]) => name);
  expect([...new Set(used)].sort()).toEqual(Object.keys(parameters).sort());
});

test('what is secret is told to Azure as such, and has no default', () => {
  const { accessToken, kafkaProperties, ...others } = template.parameters;
  for (const each of [accessToken, kafkaProperties]) {
    expect(each).toMatchObject({ type: 'securestring' });
    expect(each).not.toHaveProperty('defaultValue');
  }
  expect(Object.keys(others).filter((name) => /token|password|secret/i.test(name))).toEqual([]);
});

test('the policy has no default, so that nobody allows everything by forgetting it', () => {
  expect(template.parameters['ccePolicy']).not.toHaveProperty('defaultValue');
});

describe('the containers', () => {
  test('are the worker, who is nobody, and the sidecar, who is root', () => {
    expect(group.properties.containers.map(({ name }) => name)).toEqual([
      'worker',
      'report-sidecar',
    ]);
    expect(worker?.properties.securityContext).toMatchObject({ runAsUser: 1000, runAsGroup: 1000 });
    expect(sidecar?.properties.securityContext).toMatchObject({ runAsUser: 0 });
    expect(sidecar?.properties.volumeMounts).toBeUndefined();
  });

  test('mount volumes that are there, and the command names files in them', () => {
    const mounted = new Map(
      worker?.properties.volumeMounts?.map(({ name, mountPath }) => [name, mountPath]),
    );
    const files = group.properties.volumes.flatMap((volume) =>
      Object.keys(volume.secret).map((file) => `${mounted.get(volume.name)}/${file}`),
    );
    const named = worker?.properties.command.flatMap((word) => /=(\/.+)/.exec(word)?.[1] ?? []);
    expect(named?.sort()).toEqual(files.sort());
  });

  test('starts the worker as its image does, with options that it has', () => {
    const [entry = ''] =
      /(?<=AS worker\n[\s\S]*?ENTRYPOINT )\[.*\]/.exec(readText('deploy/images/Dockerfile')) ?? [];
    const entrypoint = z.array(z.string()).parse(JSON.parse(entry));
    const command = worker?.properties.command ?? [];
    expect(command.slice(0, entrypoint.length + 1)).toEqual([...entrypoint, 'start']);
    const programs: unknown = JSON.parse(readText('services/cli/service-options.json'));
    const known = z
      .looseObject({ 'worker start': z.array(z.looseObject({ flags: z.string() })) })
      .parse(programs)
      ['worker start'].map(({ flags }) => flags.split(' ')[0]);
    const options = command.slice(entrypoint.length + 1).map((word) => word.split('=')[0]);
    expect(options.filter((option) => !known.includes(option))).toEqual([]);
  });
});

test.each([
  ['"sku": "Confidential"', '"sku": "Standard"'],
  ['"privileged": false', '"privileged": true'],
  ['"allowPrivilegeEscalation": false', '"allowPrivilegeEscalation": true'],
  ['"drop": [', '"dropped": ['],
  ['"readOnly": true', '"readOnly": false'],
  ['"type": "Private"', '"type": "Public"'],
  ["[base64(parameters('accessToken'))]", "[parameters('accessToken')]"],
  ['"ccePolicy": "[parameters(\'ccePolicy\')]"', '"ccePolicy": ""'],
  ['"restartPolicy"', '"restartpolicy"'],
  ['"image": "[parameters(\'workerImage\')]"', '"image": "strongroom/worker:latest"'],
])('%s -> %s is refused', (from, to) => {
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  expect(Template.safeParse(JSON.parse(changed)).success).toBe(false);
});
