import type { z } from 'zod';

/** How a route is written down: from zod schemas that the services themselves use. */

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As in OpenAPI, `{name}` for what varies. */
  readonly path: string;
  /** As the service's router knows it, where it is not the path. */
  readonly route?: string;
  readonly does: string;
  /** The right of the caller that it asks for; absent where it asks for none. */
  readonly right?: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Of the body; JSON where nothing is said. */
  readonly bodyType?: string;
  readonly answer?: z.ZodType;
  readonly answerType?: string;
  /** Of an answer that is not 200. */
  readonly status?: number;
  /** Nothing but a refusal is ever answered. */
  readonly refused?: true;
  /** It answers this too, with the same shape. */
  readonly orStatus?: number;
}

export interface ServiceDescription {
  readonly title: string;
  readonly text: string;
  readonly routes: readonly Route[];
  readonly error: z.ZodType;
  /** How callers say who they are; absent where nobody has to. */
  readonly security?: Readonly<Record<string, object>>;
}
