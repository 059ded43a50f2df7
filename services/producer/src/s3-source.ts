import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { codeOf, StrongroomError } from '@strongroom/protocol/errors';
import { SOURCE_ITEMS_MAX } from '@strongroom/protocol/limits';
import { httpsAgent } from '@strongroom/runtime/proxy';
import type { CollectionInput, CollectionItem } from './source-input.ts';

export interface BucketOptions {
  readonly bucket: string;
  /** What the names of the objects begin with; all of them when empty. */
  readonly prefix: string;
  /** Of a store that is not Amazon's. */
  readonly endpoint?: URL | undefined;
  readonly region?: string | undefined;
}

/** What signs for a store that knows no regions. */
const ANY_REGION = 'us-east-1';

/**
 * The objects below a prefix, as a folder's files: each once, by name. Credentials are found as
 * Amazon's own tools find them, in environment, files or the machine's role, and never named here.
 * An object is read as the version that was listed, by its entity tag (RFC 9110 §8.8.3).
 */
export function openBucket({ bucket, prefix, endpoint, region }: BucketOptions): CollectionInput {
  const its = endpoint === undefined ? {} : { endpoint: endpoint.href, forcePathStyle: true };
  const zone = region ?? (endpoint === undefined ? undefined : ANY_REGION);
  const client = new S3Client({
    ...its,
    ...(zone === undefined ? {} : { region: zone }),
    requestHandler: { httpsAgent: httpsAgent({ keepAlive: true }) },
  });
  return {
    type: 'collection',
    items: async () => {
      const items: CollectionItem[] = [];
      const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix });
      try {
        for await (const { Contents = [] } of pages) {
          for (const { Key: name = '', ETag: tag = '', Size: size = 0 } of Contents) {
            if (!isHidden(name)) items.push(itemOf(client, bucket, name, tag, size));
          }
          if (items.length > SOURCE_ITEMS_MAX) {
            throw new StrongroomError('ERR_LIMIT_EXCEEDED', { limit: 'SOURCE_ITEMS_MAX' });
          }
        }
      } catch (error) {
        throw coded(error);
      }
      return items.sort((left, right) => (left.name < right.name ? -1 : 1));
    },
  };
}

/** As in folders, and the empty objects that stand for folders. */
function isHidden(name: string): boolean {
  return name.endsWith('/') || /(^|\/)[._]/.test(name);
}

function itemOf(
  client: S3Client,
  bucket: string,
  name: string,
  tag: string,
  size: number,
): CollectionItem {
  return {
    name,
    version: `${size} ${tag}`,
    open: async () => ({
      type: 'replayable',
      bytes: () => bytesOf(client, { Bucket: bucket, Key: name, IfMatch: tag }),
      knownBy: async () => ({ size, tag }),
    }),
  };
}

async function* bytesOf(
  client: S3Client,
  request: ConstructorParameters<typeof GetObjectCommand>[0],
): AsyncGenerator<Uint8Array> {
  try {
    const { Body: body } = await client.send(new GetObjectCommand(request));
    // What the SDK gives in Node is a stream of buffers.
    yield* body as unknown as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw coded(error);
  }
}

/** Of what the store says only the status passes: a message may quote names and tokens. */
function coded(error: unknown): unknown {
  if (codeOf(error) !== undefined || !(error instanceof Error)) return error;
  const status = statusOf(error);
  const source = 's3';
  if (error.name === 'CredentialsProviderError') {
    return new StrongroomError('ERR_SOURCE_REFUSED', { source, problem: 'no credentials found' });
  }
  if (status === 412) {
    const problem = 'an object changed while it was read';
    return new StrongroomError('ERR_SOURCE_CHANGED', { source, problem });
  }
  const isRefused = status >= 300 && status < 500 && status !== 429;
  const code = isRefused ? 'ERR_SOURCE_REFUSED' : 'ERR_SOURCE_UNREACHABLE';
  return new StrongroomError(code, { source, ...(status === 0 ? {} : { status }) });
}

function statusOf(error: Error): number {
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined;
  const hasStatus = typeof metadata === 'object' && metadata && 'httpStatusCode' in metadata;
  return hasStatus ? Number(metadata.httpStatusCode ?? 0) : 0;
}
