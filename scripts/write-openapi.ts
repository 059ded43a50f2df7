/**
 * OpenAPI documents of the HTTP services under schemas/openapi, from the zod schemas that the
 * services read requests by and a list of routes, which a test compares with what they answer:
 *
 *   node --conditions=strongroom:source scripts/write-openapi.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ATTESTATION } from './openapi/attestation.ts';
import { KEY_RELEASE } from './openapi/key-release.ts';
import type { Route, ServiceDescription } from './openapi/routes.ts';
import { WORKER } from './openapi/worker.ts';

export const SERVICES: Readonly<Record<string, ServiceDescription>> = {
  'key-release': KEY_RELEASE,
  attestation: ATTESTATION,
  worker: WORKER,
};

/** File paths from the root, and what each must hold. */
export function openApiFiles(): ReadonlyMap<string, string> {
  const files = Object.entries(SERVICES).map(([name, service]): [string, string] => [
    `schemas/openapi/${name}.json`,
    `${JSON.stringify(documentOf(service), null, 2)}\n`,
  ]);
  return new Map(files);
}

function documentOf({ title, text, routes, error, security }: ServiceDescription) {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const { path, method } = route;
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(route, security) };
  }
  return {
    openapi: '3.1.0',
    info: { title, version: '0.1.0', description: text, license: LICENSE },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Error: schemaOf(error, 'output') },
      ...(security === undefined ? {} : { securitySchemes: security }),
    },
  };
}

const LICENSE = { name: 'Apache-2.0', identifier: 'Apache-2.0' };

function operationOf(route: Route, security: ServiceDescription['security']) {
  const { does, right, body, bodyType = JSON_TYPE, refused } = route;
  const needs = right === undefined ? '' : ` Needs the right \`${right}\`.`;
  const schemes = right === undefined ? [] : Object.keys(security ?? {});
  return {
    summary: does,
    ...(needs === '' ? {} : { description: needs.trim() }),
    operationId: operationIdOf(route),
    ...(schemes.length === 0 ? {} : { security: schemes.map((each) => ({ [each]: [] })) }),
    parameters: [...pathParameters(route), ...queryParameters(route)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { [bodyType]: { schema: schemaOf(body, 'input') } },
          },
        }),
    responses: { ...(refused ? {} : answersOf(route)), default: REFUSAL },
  };
}

const JSON_TYPE = 'application/json';
const REFUSAL = {
  description: 'Refused: a stable code.',
  content: { [JSON_TYPE]: { schema: { $ref: '#/components/schemas/Error' } } },
};

function answersOf({ answer, answerType = JSON_TYPE, status = 200, orStatus }: Route) {
  const content =
    answer === undefined
      ? {}
      : { content: { [answerType]: { schema: schemaOf(answer, 'output') } } };
  const described = { description: 'Done.', ...content };
  return {
    [status]: described,
    ...(orStatus === undefined ? {} : { [orStatus]: { ...described, description: 'Not now.' } }),
  };
}

/** `getKeysByNameVersions` of `GET /keys/{name}/versions`. */
function operationIdOf({ method, path }: Route): string {
  const words = path
    .replaceAll(/\{(\w+)\}/g, 'by-$1')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`);
  return `${method.toLowerCase()}${words.join('')}${path.endsWith('/') ? 'Itself' : ''}`;
}

function pathParameters({ path }: Route) {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
}

function queryParameters({ query }: Route) {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query, 'input');
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema },
  }));
}

/** Checks between fields and of decoded bytes stay in the code; JSON Schema cannot say them. */
function schemaOf(shape: z.ZodType, io: 'input' | 'output') {
  const {
    $schema: _dialect,
    '~standard': _standard,
    ...made
  } = z.toJSONSchema(shape, {
    ...{ target: 'draft-2020-12', reused: 'inline', io, unrepresentable: 'any' },
  });
  return made;
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  mkdirSync(join(root, 'schemas/openapi'), { recursive: true });
  for (const [path, text] of openApiFiles()) writeFileSync(join(root, path), text);
}
