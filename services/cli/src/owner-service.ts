import { request } from 'node:https';
import { isErrorCode, StrongroomError } from '@strongroom/protocol/errors';
import { HTTP_TIMEOUT_MS } from '@strongroom/protocol/limits';
import { readTextFile } from '@strongroom/runtime/files';
import { z } from 'zod';
import type { VaultOptions } from './vault-client.ts';

/** Routes of an owner's service that Azure Key Vault does not have, so that its client cannot. */
export interface ServiceQuestion {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Behind the service's URL, with a slash in front. */
  readonly path: string;
  readonly body?: object;
}

/** A page of audit entries, each of which may name many conditions. */
const ANSWER_CHARACTERS_MAX = 16 * 1024 * 1024;

/**
 * @returns the JSON of the answer
 * @throws ERR_USAGE for what is no HTTPS URL, ERR_SERVICE_UNREACHABLE, the service's own code
 */
export async function askService(
  { vault, tokenFile, caFile }: VaultOptions,
  { method, path, body }: ServiceQuestion,
): Promise<unknown> {
  const url = URL.parse(`${vault.replace(/\/$/, '')}${path}`);
  if (url?.protocol !== 'https:') {
    throw new StrongroomError('ERR_USAGE', {
      problem: `an owner's service has an https URL, not ${vault}`,
    });
  }
  const token = (await readTextFile(tokenFile)).trim();
  const ca = caFile === undefined ? {} : { ca: await readTextFile(caFile) };
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const options = { method, headers, timeout: HTTP_TIMEOUT_MS, ...ca };
  const answer = await send(url, options, body && JSON.stringify(body)).catch(() => {
    throw new StrongroomError('ERR_SERVICE_UNREACHABLE', { vault });
  });
  const json = parseJson(answer.body);
  if (answer.status === 200 && json !== undefined) return json;
  const code = RefusalSchema.safeParse(json).data?.error.innererror.code;
  const known = isErrorCode(code) ? code : 'ERR_SERVICE_UNREACHABLE';
  throw new StrongroomError(known, { vault, status: answer.status });
}

interface SendOptions {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly ca?: string;
}

function send(url: URL, options: SendOptions, text: string | undefined) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = request(url, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
        if (body.length > ANSWER_CHARACTERS_MAX) sent.destroy(new RangeError('answer too long'));
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
