import type { DeploymentSpec, StatefulSetSpec } from 'kubernetes-types/apps/v1.d.ts';
import type { Container, PodSpec, SecurityContext } from 'kubernetes-types/core/v1.d.ts';
import type { ObjectMeta } from 'kubernetes-types/meta/v1.d.ts';
import type { NetworkPolicySpec } from 'kubernetes-types/networking/v1.d.ts';

/** What every pod of deploy/kubernetes has to have, whoever wrote its overlay. */

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
}

type Rule<Subject> = readonly [says: string, holds: (subject: Subject) => boolean];

const sameText = (left: unknown, right: unknown) => JSON.stringify(left) === JSON.stringify(right);

/**
 * Azure's sidecar opens /dev/sev-guest, which is root's. It gets no key and no row, and it is held
 * to every other rule.
 */
export const AS_ROOT: ReadonlySet<string> = new Set(['report-sidecar']);
/** What a pod may take of its host, by overlay: none but a signed endorsement. */
const HOST_PATHS = ['/opt/confidential-containers/share/kata-containers/reference-info-base64'];
/** The database of a service; nothing of the worker. */
const WRITABLE = new Set(['data']);

const SECURITY: readonly Rule<SecurityContext>[] = [
  ['no privileges', (context) => context.privileged === false],
  ['gains no privileges', (context) => context.allowPrivilegeEscalation === false],
  ['a read-only root', (context) => context.readOnlyRootFilesystem === true],
  ['no capability', ({ capabilities }) => sameText(capabilities, { drop: ['ALL'] })],
  [
    "the runtime's seccomp profile",
    ({ seccompProfile }) => sameText(seccompProfile, { type: 'RuntimeDefault' }),
  ],
];

const CONTAINER: readonly Rule<Container>[] = [
  [
    'not root',
    ({ name, securityContext }) => AS_ROOT.has(name) || securityContext?.runAsNonRoot === true,
  ],
  ['memory that it is sure of', ({ resources }) => has(resources?.requests, 'memory')],
  ['processor time that it is sure of', ({ resources }) => has(resources?.requests, 'cpu')],
  [
    'no more memory than it is sure of',
    ({ resources }) => resources?.limits?.['memory'] === resources?.requests?.['memory'],
  ],
  ['a bound of its processor time', ({ resources }) => has(resources?.limits, 'cpu')],
  ['a bound of its disk', ({ resources }) => has(resources?.limits, 'ephemeral-storage')],
  ['three probes', (container) => AS_ROOT.has(container.name) || hasProbes(container)],
  [
    'no secret in its environment',
    ({ env, envFrom }) => !envFrom && !env?.some(({ valueFrom }) => valueFrom !== undefined),
  ],
  [
    'nothing writable but its data',
    ({ volumeMounts }) =>
      volumeMounts?.every(({ name, readOnly }) => readOnly === true || WRITABLE.has(name)) ?? true,
  ],
];

const POD: readonly Rule<PodSpec>[] = [
  ['no token of an account', (pod) => pod.automountServiceAccountToken === false],
  ['an account of its own', (pod) => (pod.serviceAccountName ?? 'default') !== 'default'],
  ['no addresses of services in its environment', (pod) => pod.enableServiceLinks === false],
  ["not the host's network", (pod) => pod.hostNetwork === false],
  ["not the host's processes", (pod) => pod.hostPID === false],
  ["not the host's memory", (pod) => pod.hostIPC === false],
  ['no shared processes', (pod) => pod.shareProcessNamespace === false],
  ['not root by default', ({ securityContext }) => securityContext?.runAsNonRoot === true],
  ['a user', ({ securityContext }) => (securityContext?.runAsUser ?? 0) > 0],
  ['a group', ({ securityContext }) => (securityContext?.runAsGroup ?? 0) > 0],
  ['no other containers', (pod) => !pod.initContainers && !pod.ephemeralContainers],
  [
    "nothing of the host's files",
    ({ volumes }) =>
      volumes?.every(({ hostPath }) => !hostPath || HOST_PATHS.includes(hostPath.path)) ?? true,
  ],
  [
    'secrets that others cannot read',
    ({ volumes }) =>
      volumes?.every(({ secret }) => !secret || secret.defaultMode === 0o440) ?? true,
  ],
];

function has(amounts: Readonly<Record<string, string>> | undefined, of: string): boolean {
  return amounts?.[of] !== undefined;
}

function hasProbes({ startupProbe, livenessProbe, readinessProbe }: Container): boolean {
  return (
    startupProbe?.httpGet?.path === '/healthz' &&
    livenessProbe?.httpGet?.path === '/healthz' &&
    readinessProbe?.httpGet?.path === '/readyz'
  );
}

/** What an overlay lacks, in words; empty when nothing. */
export function violationsOf(overlay: readonly Manifest[]): string[] {
  return overlay.flatMap((manifest) => {
    const pod = podOf(manifest);
    if (!pod) return [];
    const { name = '' } = manifest.metadata;
    return [
      ...broken(name, POD, pod),
      ...pod.containers.flatMap((container) => [
        ...broken(`${name}/${container.name}`, CONTAINER, container),
        ...broken(`${name}/${container.name}`, SECURITY, container.securityContext ?? {}),
      ]),
      ...strayImages(overlay, pod),
      ...unwatched(overlay, manifest),
    ];
  });
}

function broken<Subject>(name: string, rules: readonly Rule<Subject>[], subject: Subject) {
  return rules.filter(([, holds]) => !holds(subject)).map(([says]) => `${name}: ${says}`);
}

export function podOf({ kind, spec }: Manifest): PodSpec | undefined {
  if (kind !== 'Deployment' && kind !== 'StatefulSet') return undefined;
  return (spec as DeploymentSpec | StatefulSetSpec).template.spec;
}

/** By digest, so that nobody changes what runs by changing what a tag means. */
function strayImages(overlay: readonly Manifest[], pod: PodSpec): string[] {
  const simulated = overlay.some(({ metadata }) => metadata.name === 'strongroom-simulated');
  return pod.containers
    .filter(({ image = '' }) => !simulated && !/@sha256:[0-9a-f]{64}$/.test(image))
    .map(({ image }) => `${image}: an image by its digest`);
}

/** Beside each: an account without a token, a budget for drains, and a rule for both directions. */
function unwatched(overlay: readonly Manifest[], manifest: Manifest): string[] {
  const { name = '' } = manifest.metadata;
  const labels = { 'app.kubernetes.io/name': name };
  const selects = (spec: unknown, field: string) =>
    sameText((spec as Record<string, unknown>)[field], { matchLabels: labels });
  const beside = (kind: string, holds: (spec: unknown) => boolean) =>
    overlay.some((each) => each.kind === kind && holds(each.spec ?? each));
  const network = beside('NetworkPolicy', (spec) => {
    const { policyTypes, ingress, egress } = spec as NetworkPolicySpec;
    const named = [...(ingress ?? []), ...(egress ?? [])].every(
      (rule) => rule.ports?.length && ('to' in rule ? rule.to?.length : hasOrigin(rule)),
    );
    return selects(spec, 'podSelector') && sameText(policyTypes, ['Ingress', 'Egress']) && named;
  });
  return [
    ...(network ? [] : [`${name}: rules for both directions, each with peers and ports`]),
    ...(beside('PodDisruptionBudget', (spec) => selects(spec, 'selector'))
      ? []
      : [`${name}: a budget for drains`]),
    ...(beside(
      'ServiceAccount',
      (account) => (account as PodSpec).automountServiceAccountToken === false,
    )
      ? []
      : [`${name}: an account without a token`]),
  ];
}

function hasOrigin(rule: object): boolean {
  return 'from' in rule && Array.isArray(rule.from) && rule.from.length > 0;
}
