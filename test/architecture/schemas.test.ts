import { createRequire } from 'node:module';
import {
  CHANNELS,
  OTHER_ACCESS,
  ROLE_KINDS,
  TOPIC_ACCESS,
  TOPIC_CONFIGS,
} from '@strongroom/protocol/log-topics';
import {
  aggregateRecordShape,
  aggregatesTopic,
  batchRecordShape,
  challengesTopic,
  checkpointsTopic,
  datasetTopic,
  evidenceRecordShape,
  evidenceTopic,
  manifestRecordShape,
  openingRecordShape,
  partialRecordShape,
  partialsTopic,
  plainRecordShape,
  preparedRecordShape,
  quarantineRecordShape,
  quarantineTopic,
  RECORD_TYPES,
  type RecordShape,
  retractionRecordShape,
  SEAL_HEADER,
  slicesTopic,
  useRecordShape,
  usesTopic,
} from '@strongroom/protocol/record';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ERRORS_FILE, errorsPage } from '../../scripts/write-errors.ts';
import { controlSchemas } from '../../scripts/write-schemas.ts';
import { readText, repositoryPaths } from './source-files.ts';

describe('generated files are fresh', () => {
  test.each([...controlSchemas()])('%s', (path, text) => {
    expect(readText(path), 'run scripts/write-schemas.ts').toBe(text);
  });

  test('schemas/control holds no other file', () => {
    const committed = repositoryPaths().filter((path) => path.startsWith('schemas/control/'));
    expect(committed).toEqual([...controlSchemas().keys()].sort());
  });

  test(ERRORS_FILE, () => {
    expect(readText(ERRORS_FILE), 'run scripts/write-errors.ts').toBe(errorsPage());
  });
});

const HeadersSchema = z.looseObject({
  required: z.array(z.string()),
  additionalProperties: z.literal(false),
  properties: z.record(
    z.string(),
    z.looseObject({ const: z.string().optional(), pattern: z.string().optional() }),
  ),
});
const AccessSchema = z.array(
  z.strictObject({
    principal: z.enum(ROLE_KINDS),
    resource: z.enum(['TransactionalId', 'Group']).optional(),
    operations: z.array(z.enum(['Read', 'Write', 'Describe'])),
  }),
);
const SettingSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
const ChannelSchema = z.looseObject({
  address: z.string(),
  bindings: z.strictObject({
    kafka: z.strictObject({
      partitions: z.number(),
      topicConfiguration: z.record(z.string(), SettingSchema),
    }),
  }),
  'x-acl': AccessSchema,
});
const DocumentSchema = z.looseObject({
  'x-acl': AccessSchema,
  channels: z.record(z.enum(CHANNELS), ChannelSchema),
  components: z.looseObject({
    messages: z.record(
      z.string(),
      z.looseObject({
        contentType: z.string(),
        headers: z.union([HeadersSchema, z.looseObject({ $ref: z.string() })]),
      }),
    ),
    schemas: z.looseObject({ plainHeaders: HeadersSchema }),
  }),
});
const document = DocumentSchema.parse(parse(readText('schemas/asyncapi.yaml')));

/** The header rules of a message, with the one reference that the document uses resolved. */
function headersOf(message: string): z.infer<typeof HeadersSchema> {
  const found = document.components.messages[message]?.headers;
  if (!found) throw new Error(`asyncapi.yaml has no message ${message}`);
  return '$ref' in found ? document.components.schemas.plainHeaders : found;
}

const contract = 'ab'.repeat(32);
const origin = { contract, dataset: 'flights', stream: 'AAAAAAAAAAAAAAAAAAAAAA', epoch: 1 };
const shapes: readonly (readonly [message: string, shape: RecordShape, sealed: boolean])[] = [
  ['sealedBatch', batchRecordShape({ ...origin, sequence: 7 }), true],
  ['manifest', manifestRecordShape({ ...origin, sequences: 7, final: false }), true],
  ['manifest', manifestRecordShape({ ...origin, sequences: 7, final: true }), true],
  ['opening', openingRecordShape(origin), true],
  ['retraction', retractionRecordShape({ ...origin, sequence: 7 }), true],
  [
    'aggregate',
    aggregateRecordShape({
      ...{ contract, query: 'delays', reader: 'authority', epoch: 1, emission: 0 },
      part: { index: 0 },
    }),
    true,
  ],
  ['token', plainRecordShape(contract, RECORD_TYPES.token, 'x'), false],
  ['checkpoint', plainRecordShape(contract, RECORD_TYPES.checkpoint, 'x'), false],
  ['prepared', preparedRecordShape({ contract, epoch: 1, checkpoint: 7 }), true],
  ['partial', partialRecordShape({ contract, slice: 3, epoch: 1, sequence: 7 }), true],
  ['use', useRecordShape({ contract, owner: 'north', epoch: 1, sequence: 7 }), true],
  ['receipt', plainRecordShape(contract, RECORD_TYPES.receipt, 'x'), false],
  ['notice', plainRecordShape(contract, RECORD_TYPES.notice, 'x'), false],
  ['quarantine', quarantineRecordShape({ contract, owner: 'north', epoch: 1, sequence: 7 }), true],
  ['challenge', evidenceRecordShape(contract, 'challenge', 'x'), false],
  ['evidence', evidenceRecordShape(contract, 'evidence', 'x'), false],
  ['evidenceRefusal', evidenceRecordShape(contract, 'evidenceRefusal', 'x'), false],
];

/** A document of its own release: the parser of AsyncAPI brings fifty packages for the same. */
test('asyncapi.yaml is AsyncAPI 3.0', () => {
  const load = createRequire(import.meta.url);
  const validate = new Ajv({
    ...{ strict: false, validateFormats: false },
    ...{ meta: false, validateSchema: false },
  }).compile(load('@asyncapi/specs/schemas/3.0.0.json'));
  const isValid = validate(parse(readText('schemas/asyncapi.yaml')));
  expect(validate.errors ?? []).toEqual([]);
  expect(isValid).toBe(true);
});

describe('asyncapi.yaml says what record.ts does', () => {
  test('topics', () => {
    const id = '{contract}' as Parameters<typeof datasetTopic>[0];
    const owner = '{owner}' as Parameters<typeof usesTopic>[1];
    const dataset = '{dataset}' as Parameters<typeof datasetTopic>[1];
    const addresses = Object.values(document.channels).map((channel) => channel.address);
    expect(addresses).toEqual([
      datasetTopic(id, dataset, '{namespace}'),
      aggregatesTopic(id, '{namespace}'),
      checkpointsTopic(id, '{namespace}'),
      checkpointsTopic(id, '{namespace}', '{slice}' as never),
      partialsTopic(id, '{slice}' as never, '{namespace}'),
      slicesTopic(id, '{namespace}'),
      usesTopic(id, owner, '{namespace}'),
      quarantineTopic(id, owner, '{namespace}'),
      challengesTopic(id, '{namespace}'),
      evidenceTopic(id, '{namespace}'),
    ]);
  });

  test('every type of record has a message', () => {
    const types = shapes.map(([, shape]) => shape.headers['ce_type']);
    expect(new Set(types)).toEqual(new Set(Object.values(RECORD_TYPES)));
    const messages = new Set(shapes.map(([message]) => message));
    expect([...messages]).toEqual(Object.keys(document.components.messages));
  });

  test.each(shapes)('headers of %s', (message, shape, sealed) => {
    const { properties, required } = headersOf(message);
    const written = [...Object.keys(shape.headers), ...(sealed ? [SEAL_HEADER] : [])].sort();
    // Beside those of the record, where its readers go on with a trace.
    const own = Object.keys(properties).filter((name) => name !== 'traceparent');
    expect(own.sort()).toEqual(written);
    expect([...required].sort()).toEqual(written);
    for (const [name, value] of Object.entries(shape.headers)) {
      const rule = properties[name];
      if (rule?.const !== undefined) expect(value).toBe(rule.const);
      if (rule?.pattern !== undefined) expect(value).toMatch(new RegExp(rule.pattern, 'u'));
    }
    expect(shape.headers['content-type']).toBe(document.components.messages[message]?.contentType);
  });
});

describe('asyncapi.yaml says what log-topics.ts does', () => {
  test.each(CHANNELS)('who may do what, and the settings of %s', (name) => {
    const channel = document.channels[name];
    const access = channel['x-acl'].map(({ principal, operations }) => [principal, operations]);
    expect(Object.fromEntries(access)).toEqual(TOPIC_ACCESS[name]);
    const { topicConfiguration } = channel.bindings.kafka;
    const settings = Object.entries(topicConfiguration).map(([key, value]) => [key, `${value}`]);
    expect(Object.fromEntries(settings)).toEqual(TOPIC_CONFIGS[name]);
  });

  test('what else than topics has to be allowed', () => {
    const rules = Object.entries(OTHER_ACCESS).flatMap(([resource, access]) =>
      Object.entries(access).map(([principal, operations]) => ({
        ...{ principal, resource, operations },
      })),
    );
    expect(document['x-acl']).toEqual(rules);
  });
});
