import { StrongroomError } from '@strongroom/protocol/errors';
import type { FastifyRequest } from 'fastify';
import { ATTESTATION_TYPES, type AttestationType } from './policy-store.ts';

/** Of Microsoft Azure Attestation; all have the same requests and answers for SEV-SNP. */
const API_VERSIONS = ['2020-10-01', '2022-08-01', '2025-06-01'];

/** @throws ERR_REQUEST_INVALID */
export function demandApiVersion({ query }: FastifyRequest): void {
  const version = memberOf(query, 'api-version');
  if (version !== undefined && API_VERSIONS.includes(version)) return;
  const expected = `api-version=${API_VERSIONS.join(' or ')}`;
  throw new StrongroomError('ERR_REQUEST_INVALID', { expected });
}

/** Azure's clients write SevSnpVm and SevSnpVM; the service has never cared. */
export function attestationTypeOf(name: string | undefined): AttestationType {
  const type = ATTESTATION_TYPES.find((each) => each.toLowerCase() === name?.toLowerCase());
  if (type !== undefined) return type;
  const expected = ATTESTATION_TYPES.join(' or ');
  throw new StrongroomError('ERR_REQUEST_INVALID', { expected });
}

export function parameterOf({ params }: FastifyRequest, name: string): string | undefined {
  return memberOf(params, name);
}

function memberOf(members: unknown, name: string): string | undefined {
  if (typeof members !== 'object' || members === null) return undefined;
  const value: unknown = Reflect.get(members, name);
  return typeof value === 'string' ? value : undefined;
}
