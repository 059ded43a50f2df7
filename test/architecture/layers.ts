import { importsOf } from './imports.ts';
import { isTest, packageFolderOf, resolveRelative, type TextFile } from './source-files.ts';

/**
 * Who may load whom (ARCHITECTURE.md). Rules are tried from top to bottom and the first one whose
 * files match a path decides; a file that no rule matches is a violation of its own.
 */
interface Layer {
  readonly files: RegExp;
  /** Workspace modules, written as the import line names them after `@strongroom/`. */
  readonly workspace: readonly RegExp[];
  /** Everything else that may be loaded; anything when absent. */
  readonly outside?: readonly RegExp[];
  readonly forbidden?: readonly RegExp[];
  /** Files of the same package that may not be loaded (a type from them may, if `types`). */
  readonly walls?: readonly { readonly behind: RegExp; readonly types: RegExp }[];
  readonly why: string;
}

const NETWORK_AND_FILES =
  /^node:(fs|net|tls|http|https|http2|dgram|dns|child_process|cluster|worker_threads)(\/|$)/;
const VAULT = /^services\/enclave-worker\/src\/vault\//;
const NONE = /(?!)/;

export const LAYERS: readonly Layer[] = [
  {
    files: /^packages\/protocol\/src\//,
    workspace: [],
    outside: [/^zod$/, /^canonicalize$/, /^node:assert\/strict$/],
    why: 'protocol is what everybody says: it loads no workspace package and does no I/O',
  },
  {
    files: /^packages\/sealing\/src\//,
    workspace: [/^protocol\//],
    forbidden: [NETWORK_AND_FILES],
    why: 'sealing loads protocol only, and turns bytes into bytes',
  },
  {
    files: /^packages\/analysis\/src\//,
    workspace: [/^protocol\//],
    outside: [/^@duckdb\//, /^node:(assert\/strict|crypto)$/],
    why: 'analysis judges SQL and loads protocol only',
  },
  {
    files: /^packages\/privacy\/src\//,
    workspace: [/^protocol\//],
    outside: [/^node:(crypto|assert\/strict)$/],
    why: 'privacy is the mathematics of noise: numbers in, numbers out',
  },
  {
    files: /^packages\/attestation\/src\/(platforms|insecure)(\.ts$|\/)/,
    workspace: [/^protocol\//],
    why: 'attestation loads protocol only',
  },
  {
    files: /^packages\/attestation\/src\//,
    workspace: [/^protocol\//],
    forbidden: [NETWORK_AND_FILES],
    walls: [{ behind: /^packages\/attestation\/src\/insecure(\.ts$|\/)/, types: NONE }],
    why: 'attestation opens no socket and no file, and the verifier never loads the simulator',
  },
  {
    files: /^packages\/record-log\/src\/kafka-log\.ts$/,
    workspace: [],
    why: 'record-log loads no workspace package',
  },
  {
    files: /^packages\/(record-log|runtime)\/src\//,
    workspace: [],
    forbidden: [/^kafkajs/],
    why: 'record-log and runtime load no workspace package; one file loads kafkajs',
  },
  {
    files: /^packages\/testkit\/src\//,
    workspace: [/^(protocol|sealing|analysis|attestation|record-log|runtime)\//],
    forbidden: [/^kafkajs/],
    why: 'testkit loads packages, never services',
  },
  {
    files: /^services\/producer\/src\//,
    workspace: [
      /^(protocol|record-log|runtime)\//,
      /^sealing\/(seal|compress|sign|identity|verify|amendment|stream-check|join-key)$/,
    ],
    forbidden: [/^kafkajs/],
    why: 'the producer can seal and cannot open',
  },
  {
    files:
      /^services\/(analyst|attestation|key-release|enclave-worker)\/src\/(main|main\.sidecar|simulated|print-measurement)\.insecure\.ts$/,
    workspace: [/^(protocol|attestation|record-log|runtime)\//],
    forbidden: [/^kafkajs/],
    why: 'only *.insecure.ts entries load the simulator',
  },
  {
    files: /^services\/attestation\/src\/sidecar-release\.ts$/,
    workspace: [/^protocol\//, /^sealing\/wrap$/],
    forbidden: [NETWORK_AND_FILES],
    why: 'the simulated sidecar opens what was released to it, and keeps nothing',
  },
  {
    files: /^services\/attestation\/src\//,
    workspace: [/^(protocol|runtime)\//, /^attestation\/(?!insecure)/],
    forbidden: [/^kafkajs/],
    why: 'the attestation service verifies evidence and holds no data key',
  },
  {
    files: /^services\/key-release\/src\//,
    workspace: [
      /^(protocol|runtime)\//,
      /^attestation\/(?!insecure)/,
      /^sealing\/(wrap|verify|amendment|audit|merkle|merkle-tree)$/,
    ],
    forbidden: [/^kafkajs/],
    why: 'key release wraps keys, verifies contracts, and never opens or seals data',
  },
  {
    files: VAULT,
    workspace: [/^(protocol|sealing|analysis|privacy)\//],
    outside: [/^apache-arrow$/, /^@duckdb\//, /^jose$/, /^zod$/, /^node:(crypto|assert|util)/],
    walls: [{ behind: /^services\/enclave-worker\/src\/(?!vault\/)/, types: NONE }],
    why: 'the vault has no file, network, clock, logger or log client',
  },
  {
    files: /^services\/enclave-worker\/src\/vault-(main|pipe)\.ts$/,
    workspace: [/^protocol\//],
    forbidden: [/^kafkajs/],
    why: 'vault-main and vault-pipe wire the pipe to the door of the vault',
  },
  {
    files: /^services\/enclave-worker\/src\//,
    workspace: [/^(protocol|record-log|runtime)\//, /^attestation\/(?!insecure)/],
    forbidden: [/^kafkajs/, /^@duckdb/, /^apache-arrow/],
    walls: [{ behind: VAULT, types: /\/door[\w-]*\.ts$/ }],
    why: 'the worker outside the vault holds no key and no row: it knows the types of the door',
  },
  {
    files: /^packages\/browser\/src\//,
    workspace: [],
    forbidden: [/^node:/],
    why: 'browser stands in the place of Node: it loads neither Node nor a workspace package',
  },
  {
    files: /^packages\/page\/src\/view\//,
    workspace: [],
    outside: [/^preact/],
    why: 'what pages show: it loads nothing but what draws it',
  },
  {
    files: /^packages\/page\/src\/server\//,
    workspace: [/^protocol\/errors$/, /^runtime\//],
    forbidden: [/^kafkajs/],
    why: 'page hands out files and says how a browser shall treat them',
  },
  {
    files: /^services\/analyst\/src\/page\//,
    workspace: [
      /^page\/view\//,
      /^protocol\//,
      /^record-log\/log$/,
      /^runtime\/clock$/,
      /^attestation\/(roots|verify)$/,
      /^sealing\/(verify|identity-file|reading-key|notice)$/,
    ],
    forbidden: [/^node:(?!assert)/, /^kafkajs/],
    why: 'the page runs in a browser: it verifies and opens, and reaches its own server alone',
  },
  {
    files: /^services\/analyst\/src\//,
    workspace: [
      /^(protocol|record-log|runtime)\//,
      /^page\/server\//,
      /^attestation\/(?!insecure)/,
      /^sealing\/(open-aggregate|verify|identity|identity-file|audit|notice|digest)$/,
    ],
    forbidden: [/^kafkajs/],
    why: 'the analyst opens what is addressed to it and seals nothing',
  },
  {
    files: /^services\/cli\/src\/owner\/page\//,
    workspace: [/^page\/view\//],
    outside: [/^preact/],
    why: "the owner's page shows what its server says, and holds no key and no row",
  },
  {
    files: /^services\/cli\/(src|bin)\/.*platform/,
    workspace: [/^(protocol|runtime|attestation)\//],
    why: 'the platform command makes the simulated platform',
  },
  {
    files:
      /^services\/cli\/src\/(doctor\/kafka-view|kafka\/(admin-client|acl-admin|topic-admin))\.ts$/,
    workspace: [/^record-log\/(kafka-connection|tls-options|log-error)$/, /^protocol\/log-topics$/],
    forbidden: [/^kafkajs/],
    why: 'few files ask Kafka what it is set to, and know of ours how Kafka is reached',
  },
  {
    files: /^services\/cli\/(src|bin)\//,
    workspace: [
      /^(protocol|record-log|runtime)\//,
      /^page\/server\//,
      /^attestation\/(?!insecure)/,
      /^sealing\/(identity|sign|verify|wrap|audit|merkle|merkle-tree|notice|lease)$/,
      /^sealing\/(key-shares|join-key)$/,
      /^sealing\/(amendment|sign-amendment)$/,
      // The gate and the rules, as the vault asks them; an engine without any row.
      /^analysis\/(explain|locked-engine)$/,
      // An owner's own ledger of uses and quarantine.
      /^sealing\/(open-use|use-chain|open-quarantine)$/,
    ],
    forbidden: [/^kafkajs/, /^@platformatic/],
    why: 'the command handles contracts, identities and processes, never data',
  },
];

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Every import of a file that its layer does not allow; empty for a file that obeys. */
export function layerViolations(file: TextFile): Violation[] {
  const inPackage = packageFolderOf(file.path);
  if (inPackage === undefined) return [];
  const layer = LAYERS.find((each) => each.files.test(file.path));
  if (!isTest(file.path) && !layer) {
    return [{ path: file.path, line: 1, message: 'no layer knows this file: add a rule' }];
  }
  return importsOf(file).flatMap(({ specifier, line, typeOnly }) => {
    const problem =
      leavesPackage(file.path, specifier) ??
      (isTest(file.path) || !layer ? undefined : problemOf(file.path, specifier, typeOnly, layer));
    return problem === undefined ? [] : [{ path: file.path, line, message: problem }];
  });
}

/** Tests too: another package is loaded by its name, and a service by nobody. */
function leavesPackage(path: string, specifier: string): string | undefined {
  if (
    /^@strongroom\/(producer|attestation-service|key-release|enclave-worker|analyst|cli)\b/.test(
      specifier,
    )
  ) {
    return `${specifier}: services never load each other`;
  }
  if (!specifier.startsWith('.')) return undefined;
  const folder = packageFolderOf(path);
  const inside = resolveRelative(path, specifier).startsWith(`${folder}/`);
  return inside ? undefined : `${specifier} leaves ${folder}: load the package by its name`;
}

/** Also what tests share, such as places at which a service is killed: nothing shipped has them. */
const TEST_ONLY = /\.test\.ts$|^(packages|services)\/[^/]+\/test\//;

function problemOf(
  path: string,
  specifier: string,
  typeOnly: boolean,
  layer: Layer,
): string | undefined {
  const refused = `${specifier} may not be loaded here: ${layer.why}`;
  if (specifier.startsWith('.')) {
    const target = resolveRelative(path, specifier);
    if (TEST_ONLY.test(target)) return `${specifier}: only tests load tests`;
    const walls = layer.walls ?? [];
    const passes = walls.every(
      (wall) => !wall.behind.test(target) || (typeOnly && wall.types.test(target)),
    );
    return passes ? undefined : refused;
  }
  const name = /^@strongroom\/(.*)$/.exec(specifier)?.[1];
  if (name !== undefined) {
    return layer.workspace.some((allowed) => allowed.test(name)) ? undefined : refused;
  }
  const allowed = layer.outside?.some((each) => each.test(specifier)) ?? true;
  const forbidden = layer.forbidden?.some((each) => each.test(specifier)) ?? false;
  return allowed && !forbidden ? undefined : refused;
}
