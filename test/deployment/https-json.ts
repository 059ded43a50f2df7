import { get, request } from 'node:https';

/** GET over TLS under the run's own certificate authority; undefined when nobody answers. */
export async function httpsGet(
  url: string,
  ca: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: string } | undefined> {
  return await new Promise((resolve) => {
    const request = get(url, { ca, headers, timeout: 5_000 }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
  });
}

export async function httpsGetJson(url: string, ca: string): Promise<Record<string, unknown>> {
  const answer = await httpsGet(url, ca);
  if (answer?.status !== 200) throw new Error(`${url} answered ${answer?.status ?? 'nothing'}`);
  return JSON.parse(answer.body);
}

export async function httpsPutJson(
  url: string,
  body: unknown,
  { ca, token }: { ca: string; token: string },
): Promise<void> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const status = await new Promise<number>((resolve, reject) => {
    const sent = request(url, { method: 'PUT', headers, ca }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    sent.on('error', reject).end(JSON.stringify(body));
  });
  if (status !== 200) throw new Error(`${url} answered ${status}`);
}
