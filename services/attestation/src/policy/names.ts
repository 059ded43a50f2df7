/** Claims that say something in the service's own name: a policy may not make one up. */
export function isReserved(type: string): boolean {
  return /^(x-ms-|x-strongroom-)/i.test(type) || REGISTERED.includes(type);
}

/** RFC 7519 §4.1 and what Azure's tokens add. */
const REGISTERED = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'nonce', 'cnf', '__proto__'];
