/** What tokens say in two places: for a confidential VM one level down, as Azure's do. */

type Claims = Readonly<Record<string, unknown>>;

const TEE = 'x-ms-isolation-tee';
const TYPE = 'x-ms-attestation-type';

/** Undefined when the token does not tell; a policy demands it at its one right place. */
export function launchMeasurementOf(claims: Claims): unknown {
  return (teeOf(claims) ?? claims)['x-ms-sevsnpvm-launchmeasurement'];
}

/**
 * The kind of platform that a token is about, in every claim that tells: one that mixes the two is
 * neither.
 */
export function platformKindOf(claims: Claims): 'amd' | 'simulated' | 'mixed' {
  const tee = teeOf(claims);
  const types = [claims[TYPE], ...(tee ? [tee[TYPE]] : [])];
  const areTexts = types.every((type) => typeof type === 'string');
  // Azure's own tokens have no such claim; they are about hardware.
  const platform = claims['x-strongroom-platform'] ?? 'amd';
  const simulated = types.filter((type) => String(type).includes('simulated')).length;
  if (areTexts && platform === 'simulated' && simulated === types.length) return 'simulated';
  if (areTexts && platform === 'amd' && simulated === 0) return 'amd';
  return 'mixed';
}

function teeOf(claims: Claims): Claims | undefined {
  const tee = claims[TEE];
  return typeof tee === 'object' && tee !== null ? { ...tee } : undefined;
}
