/** The modules of kafkajs 2.2.4 that our patch changes, for the tests of its hunks and of what they
 * decode together. */

declare module 'kafkajs/src/protocol/decoder.js' {
  class Decoder {
    constructor(bytes: Buffer);
    readInt8(): number;
    readArray<Value>(reader: (from: Decoder) => Value): Value[];
    readVarIntArray<Value>(reader: (from: Decoder) => Value): Value[];
    readUVarIntArray<Value>(reader: (from: Decoder) => Value): Value[];
    readArrayAsync<Value>(reader: (from: Decoder) => Value): Promise<Value[]>;
  }
  export default Decoder;
}

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  const crc32C: (bytes: Buffer) => number;
  export default crc32C;
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  import type Decoder from 'kafkajs/src/protocol/decoder.js';

  const decode: (from: Decoder) => Promise<{ readonly records: { readonly value: Buffer }[] }>;
  export default decode;
}

declare module 'kafkajs/src/network/connection.js' {
  class Connection {
    constructor(options: {
      readonly host: string;
      readonly port: number;
      readonly logger: object;
      readonly socketFactory: () => never;
    });
    readonly chunks: readonly Buffer[];
    readonly requestQueue: { fulfillRequest(answer: { readonly payload: Buffer }): void };
    processData(chunk: Buffer): void;
  }
  export default Connection;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    constructor(options: {
      readonly logger: object;
      readonly requestTimeout: number;
      readonly isConnected: () => boolean;
    });
    readonly throttleCheckTimeoutId: unknown;
    scheduleCheckPendingRequests(): void;
  }
  export default RequestQueue;
}

declare module 'kafkajs/src/protocol/requests/fetch/v11/response.js' {
  import type { FetchResponse } from 'kafkajs/src/cluster/index.js';

  const response: {
    decode(body: Buffer): Promise<object>;
    parse(decoded: object): Promise<FetchResponse>;
  };
  export default response;
}
