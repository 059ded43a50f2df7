import { once } from 'node:events';
import { connect } from 'node:net';
import { splitFrames } from '@strongroom/testkit/faulty-proxy';
import { APIS, type ResponseOf } from '@strongroom/testkit/scripted-broker/messages';
import { decode, encode, int16, int32, string } from '@strongroom/testkit/scripted-broker/wire';

/** What a real Kafka says of its nodes and leaders, asked without any client. */

export async function nodesOf(brokers: string): Promise<readonly number[]> {
  const { brokers: nodes } = await metadataOf(brokers, []);
  return nodes.map(({ nodeId }) => nodeId);
}

export async function leaderOf(brokers: string, topic: string): Promise<number> {
  const { topics } = await metadataOf(brokers, [topic]);
  return topics[0]?.partitions[0]?.leaderId ?? -1;
}

async function metadataOf(brokers: string, topics: string[]): Promise<ResponseOf<'Metadata'>> {
  const { key, version, request, response } = APIS.Metadata;
  const [host = '', port = ''] = (brokers.split(',')[0] ?? '').split(':');
  const socket = connect({ host, port: Number(port) });
  const answered = Promise.withResolvers<Buffer>();
  socket.on(
    'data',
    splitFrames((frame) => answered.resolve(frame)),
  );
  socket.on('error', answered.reject);
  await once(socket, 'connect');
  const body = Buffer.concat([
    encode(int16, key),
    encode(int16, version),
    encode(int32, 1),
    encode(string, 'ask-kafka'),
    encode(request, { topics, allowAutoTopicCreation: false }),
  ]);
  socket.write(Buffer.concat([encode(int32, body.length), body]));
  const frame = await answered.promise;
  socket.destroy();
  // Behind the length and the correlation id.
  return decode(response, frame.subarray(8));
}
