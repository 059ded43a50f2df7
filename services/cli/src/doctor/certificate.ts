import { createPrivateKey, X509Certificate } from 'node:crypto';

/** When something ends, and whether it lasts for a while yet. */
export type Lasting = 'not-yet' | 'in-force' | 'soon' | 'over';

const DAY_MS = 86_400_000;
const WARN_DAYS = 14;
/** A certificate of a mesh lives for a day: what is left is measured by its life. */
const WARN_PART = 1 / 4;

export function lasting(from: number, to: number, now: number): Lasting {
  if (now < from) return 'not-yet';
  if (now >= to) return 'over';
  return to - now < Math.min(WARN_DAYS * DAY_MS, (to - from) * WARN_PART) ? 'soon' : 'in-force';
}

/** Words for it. */
export function lastingText(state: Lasting, to: number, now: number): string {
  const days = Math.floor(Math.abs(to - now) / DAY_MS);
  const until = new Date(to).toISOString().slice(0, 16);
  if (state === 'over') return `ended ${until}Z, ${days} days ago`;
  if (state === 'not-yet') return 'is not in force yet';
  return `until ${until}Z, ${days} days`;
}

/** The certificates of a PEM text, in its order. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

export function belongsTo(certificate: X509Certificate, keyPem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

/** What ends first: a chain is in force only as long as all of it is. */
export function spanOf(chain: readonly { readonly from: number; readonly to: number }[]) {
  return {
    from: Math.max(...chain.map(({ from }) => from)),
    to: Math.min(...chain.map(({ to }) => to)),
  };
}
