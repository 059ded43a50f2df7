import { request } from 'node:https';
import type { SignedContract } from '@strongroom/protocol/contract';
import { isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { HTTP_BODY_BYTES_MAX, HTTP_TIMEOUT_MS } from '@strongroom/protocol/limits';
import { readTextFile } from '@strongroom/runtime/files';
import { z } from 'zod';
import type { VaultOptions } from './vault-client.ts';

/**
 * Gives a key release service the contract that it has to hold raw evidence to: a route that Azure
 * Key Vault does not have, and refuses.
 * @throws ERR_SERVICE_UNREACHABLE, or the service's own code
 */
export async function uploadContract(
  { vault, tokenFile, caFile }: VaultOptions,
  contractId: string,
  signed: SignedContract,
): Promise<void> {
  const token = (await readTextFile(tokenFile)).trim();
  const ca = caFile === undefined ? {} : { ca: await readTextFile(caFile) };
  const url = new URL(`${vault.replace(/\/$/, '')}/contracts/${contractId}`);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const options = { method: 'PUT', headers, timeout: HTTP_TIMEOUT_MS, ...ca };
  const { status, body } = await send(url, options, JSON.stringify(signed)).catch(() => {
    throw new StrongroomError('ERR_SERVICE_UNREACHABLE', { vault });
  });
  if (status === 200) return;
  const code = codeIn(body) ?? 'ERR_SERVICE_UNREACHABLE';
  throw new StrongroomError(code, { vault, status, contract: contractId });
}

interface SendOptions {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly ca?: string;
}

function send(url: URL, options: SendOptions, text: string) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = request(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
        if (body.length > HTTP_BODY_BYTES_MAX) sent.destroy(new RangeError('answer too long'));
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on('timeout', () => sent.destroy(new RangeError('no answer in time')));
    sent.on('error', reject);
    sent.end(text);
  });
}

const RefusalSchema = z.looseObject({
  error: z.looseObject({ innererror: z.looseObject({ code: z.string() }) }),
});

function codeIn(body: string) {
  try {
    const { code } = RefusalSchema.parse(JSON.parse(body)).error.innererror;
    return isErrorCode(code) ? code : undefined;
  } catch {
    return undefined;
  }
}
