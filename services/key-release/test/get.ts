import { type Agent, request } from 'node:https';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Question {
  readonly method?: string;
  readonly token?: string;
  readonly body?: string;
  /** A client certificate and its key, as PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Keeps connections; without it each request has its own. */
  readonly agent?: Agent;
}

/** One HTTPS request with exactly the bytes that the test names: no client corrects them. */
export function get(url: string, ca: string, question: Question = {}): Promise<Answer> {
  const { method = 'GET', token, body, certificate, agent = false } = question;
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const options = { ca, method, headers, agent, ...certificate };
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    asked.on('error', reject);
    asked.end(body);
  });
}
