import { readFileSync } from 'node:fs';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { headerOf, OVERLAYS, render, renderedPath } from '../../scripts/write-kubernetes.ts';
import { AS_ROOT, type Manifest, podOf, violationsOf } from './kubernetes-rules.ts';
import { typeErrors } from './kubernetes-types.ts';
import { readText } from './source-files.ts';

/** deploy/kubernetes, without a cluster: types of the API, our own rules, options that exist. */

const WRITE = 'node --conditions=strongroom:source scripts/write-kubernetes.ts';

const rendered = Object.fromEntries(
  OVERLAYS.map((name) => [name, manifestsOf(readFileSync(renderedPath(name), 'utf8'))]),
);

function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** An overlay in which one text was replaced; it has to be there. */
function changed(name: string, from: string | RegExp, to: string): Manifest[] {
  const text = readFileSync(renderedPath(name), 'utf8');
  const after = text.replace(from, to);
  if (after === text) throw new Error(`${name} does not have ${from}`);
  return manifestsOf(after);
}

test('there are overlays', () => {
  expect(OVERLAYS).toEqual(['aks-kata-cc', 'authority', 'owner', 'simulated', 'virtual-nodes']);
});

test.each(OVERLAYS)('%s was rendered from what lies there, and not changed since', (name) => {
  const text = readFileSync(renderedPath(name), 'utf8');
  const body = text.split('\n').slice(3).join('\n');
  expect(text, WRITE).toBe(headerOf(name, body) + body);
});

test.runIf(process.env['STRONGROOM_LONG'] === '1').each(OVERLAYS)(
  '%s: kustomize agrees',
  (name) => {
    expect(readFileSync(renderedPath(name), 'utf8')).toBe(render(name));
  },
);

describe('what Kubernetes would refuse', () => {
  const broken = {
    'a misspelt setting': changed('owner', 'readOnlyRootFilesystem', 'readOnlyRootFileSystem'),
    'a member of nothing': changed('owner', 'enableServiceLinks:', 'enableServiceLink:'),
    'a text for a number': changed('simulated', 'containerPort: 8490', 'containerPort: "8490"'),
    'a number for an amount': changed('owner', 'cpu: 250m', 'cpu: 1'),
    'a list that is none': changed('owner', /drop:\n\s+- ALL/, 'drop: ALL'),
    'no selector': changed(
      'owner',
      /\n {2}selector:\n {4}matchLabels:\n.*(?=\n {2}serviceName)/,
      '',
    ),
    'a kind of another group': changed('owner', 'policy/v1', 'apps/v1'),
    'a group that is none': changed('owner', 'policy/v1', 'policy/v2'),
  };
  const errors = typeErrors({ ...rendered, ...broken });

  test.each(OVERLAYS)('is not in %s', (name) => expect(errors[name]).toEqual([]));

  test.each(Object.keys(broken))('%s is seen', (name) => expect(errors[name]).not.toEqual([]));
});

describe('security settings', () => {
  test.each(OVERLAYS)('%s has all of them', (name) => {
    expect(violationsOf(rendered[name] ?? [])).toEqual([]);
  });

  test('only one container is root, on Azure', () => {
    const containers = Object.entries(rendered).flatMap(([name, manifests]) =>
      manifests
        .flatMap((manifest) => podOf(manifest)?.containers ?? [])
        .map((each) => ({
          name,
          container: each.name,
        })),
    );
    expect(containers.filter(({ container }) => AS_ROOT.has(container))).toEqual([
      { name: 'aks-kata-cc', container: 'report-sidecar' },
      { name: 'virtual-nodes', container: 'report-sidecar' },
    ]);
  });

  test.each([
    ['privileged: false', 'privileged: true', 'no privileges'],
    ['allowPrivilegeEscalation: false', '', 'gains no privileges'],
    ['readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false', 'a read-only root'],
    [/drop:\n\s+- ALL/, 'drop: [NET_RAW]', 'no capability'],
    [/capabilities:\n/, 'capabilities:\n            add: [SYS_PTRACE]\n', 'no capability'],
    [/seccompProfile:\n.*\n(?=\s+startup)/, '', 'seccomp profile'],
    [/runAsNonRoot: true\n(?=\s+seccompProfile:\n.*\n\s+startup)/, '\n', 'owner: not root'],
    ['automountServiceAccountToken: false\n      containers', 'containers', 'no token'],
    ['serviceAccountName: key-release', '', 'an account of its own'],
    ['enableServiceLinks: false', '', 'no addresses of services'],
    ['hostNetwork: false', 'hostNetwork: true', "host's network"],
    ['hostPID: false', 'hostPID: true', "host's processes"],
    ['hostIPC: false', 'hostIPC: true', "host's memory"],
    ['shareProcessNamespace: false', 'shareProcessNamespace: true', 'no shared processes'],
    ['runAsUser: 1000', 'runAsUser: 0', 'a user'],
    ['runAsGroup: 1000', '', 'a group'],
    [/livenessProbe:/, 'lifecycle:', 'three probes'],
    ['memory: 384Mi', 'memory: 1Gi', 'no more memory than'],
    [/ {12}cpu: 250m\n/, '', 'processor time'],
    [/ {12}cpu: "1"\n/, '', 'a bound of its processor time'],
    [/ {12}ephemeral-storage: 64Mi\n/, '', 'a bound of its disk'],
    ['defaultMode: 288', 'defaultMode: 292', 'secrets that others cannot read'],
    [/secret:\n.*\n.*\n/, 'hostPath: { path: /etc }\n', "nothing of the host's files"],
    [/name: secrets\n\s+readOnly: true/, 'name: secrets', 'nothing writable'],
    [
      '- args:',
      '- env: [{ name: K, valueFrom: { secretKeyRef: {} } }]\n        args:',
      'no secret',
    ],
    [/@sha256:0+/, ':latest', 'by its digest'],
    ['kind: NetworkPolicy', 'kind: Nothing', 'both directions'],
    ['- Egress\n', '', 'both directions'],
    [/ {4}to:\n {4}- ipBlock:\n.*\n/, '', 'both directions'],
    ['kind: PodDisruptionBudget', 'kind: Nothing', 'a budget for drains'],
    [/automountServiceAccountToken: false\nkind/, 'kind', 'an account without a token'],
  ])('%s -> %s: %s', (from, to, says) => {
    const found = violationsOf(changed('owner', from, to));
    expect(found.join('\n')).toContain(says.replace('owner: ', ''));
  });
});

test('every option of every container is one that its program has', () => {
  const Options = z.record(z.string(), z.array(z.looseObject({ flags: z.string() })));
  const programs = Options.parse(JSON.parse(readText('services/cli/service-options.json')));
  for (const [name, manifests] of Object.entries(rendered)) {
    for (const { name: container, args = [] } of manifests.flatMap(
      (manifest) => podOf(manifest)?.containers ?? [],
    )) {
      if (AS_ROOT.has(container)) continue;
      const known = (programs[`${container} ${args[0]}`] ?? []).map(
        ({ flags }) => flags.split(/[ ,]/)[0],
      );
      const simulated = name === 'simulated' ? ['--platform-dir', '--roots'] : [];
      const used = args.slice(1).map((arg) => arg.split('=')[0]);
      expect(used.filter((flag) => ![...known, ...simulated].includes(flag))).toEqual([]);
      expect(used.length).toBeGreaterThan(4);
    }
  }
});

test('a policy that was not put in allows nothing', () => {
  const policies = ['aks-kata-cc', 'virtual-nodes'].map((name) => {
    const [, value = ''] =
      /(?:agent\.policy|ccepolicy): (\S+)/.exec(readFileSync(renderedPath(name), 'utf8')) ?? [];
    return Buffer.from(value, 'base64').toString();
  });
  expect(policies).toEqual(['package agent_policy\n', 'package policy\n']);
});
