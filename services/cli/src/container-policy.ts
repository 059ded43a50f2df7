import { createHash } from 'node:crypto';
import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * The policy of a confidential container group or pod: Rego that the utility VM obeys. HOST_DATA is
 * the SHA-256 of its bytes. It is read no further than to see what nobody should sign unread.
 */
export interface MeasuredPolicy {
  readonly hostData: string;
  /** What it allows that opens the worker to its host; empty when none was seen. */
  readonly findings: readonly string[];
}

/** Of Azure's container groups, and of Kata's agent. */
const PACKAGE = /^package (policy|agent_policy)[ \t\r]*$/m;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

const FINDINGS: readonly (readonly [pattern: RegExp, says: string])[] = [
  [
    /^(create_container|exec_in_container|mount_overlay) := *\{"allowed": *true/m,
    'it allows every container, or every command in one',
  ],
  [
    /^(default )?(ExecProcessRequest|CreateContainerRequest) *:= *true/m,
    'it allows every container, or every command in one',
  ],
  [/"exec_processes": *\[ *[^\]\s]/, 'it lets the host run commands inside'],
  [/"allow_elevated": *true/, 'it has a privileged container'],
  [/"pattern": *"\.\+=\.\+"/, 'it lets the host set any environment'],
  [/^allow_unencrypted_scratch := true/m, 'it allows scratch space that is not encrypted'],
  [/^allow_dump_stacks := true/m, 'it lets the host dump stacks'],
  [/^(default )?(ReadStreamRequest) *:= *true/m, "it lets the host read the containers' output"],
];

/**
 * @param bytes the Rego text, or its base64 as annotations and templates have it
 * @throws ERR_CONFIG_INVALID when it is neither
 */
export function measurePolicy(bytes: Uint8Array): MeasuredPolicy {
  const policy = decodePolicy(bytes);
  const text = policy.toString('utf8');
  const findings = FINDINGS.filter(([pattern]) => pattern.test(text)).map(([, says]) => says);
  return {
    hostData: createHash('sha256').update(policy).digest('hex'),
    findings: [...new Set(findings)],
  };
}

function decodePolicy(bytes: Uint8Array): Buffer {
  const given = Buffer.from(bytes);
  if (isPolicy(given)) return given;
  const text = given.toString('latin1');
  const decoded = BASE64.test(text) ? Buffer.from(text, 'base64') : given;
  if (isPolicy(decoded)) return decoded;
  throw new StrongroomError('ERR_CONFIG_INVALID', {
    problem: 'no container policy: neither Rego of package policy or agent_policy, nor its base64',
  });
}

function isPolicy(bytes: Buffer): boolean {
  return PACKAGE.test(bytes.toString('latin1'));
}
