// One call on an open connection: writes the request while it already listens for the answer, because a server may
// refuse before it has read the body. After a normal end the connection can carry the next call; after any other end
// it is closed, for nobody knows which bytes are still under way.

import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { HEADER_LENGTH_MAX } from '../../base/limits.ts';
import type { CallOptions, Reply, Request } from '../../base/ports.ts';
import { decodeRefusal, REFUSAL_LENGTH_MAX } from '../refusal.ts';
import type { Channel } from './channel.ts';
import {
  ANSWER_PREFIX_LENGTH,
  type AnswerPrefix,
  decodeAnswerPrefix,
  encodeRequest,
  REFUSAL,
} from './frame.ts';

/** What a finished exchange leaves: a reply or the peer's refusal. The connection can be used again. */
export type Answer =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'refusal'; readonly refusal: StoreError };

type ExchangeOptions = Pick<CallOptions, 'maxBodyLength' | 'into' | 'onBytes'>;

/**
 * Throws what broke the exchange, and closes the channel; a refusal that came before the request was sent entirely is
 * thrown as well. Whoever wants to stop it fails the channel.
 */
export async function exchange(
  channel: Channel,
  peer: NodeId,
  service: string,
  request: Request,
  options: ExchangeOptions,
): Promise<Answer> {
  try {
    const body = request.body ?? [];
    const bodyLength = body.reduce((sum, part) => sum + part.length, 0);
    const sent = channel.write(encodeRequest(service, request.header, bodyLength), body, options.onBytes);
    // Whatever makes the write fail also makes the read fail, unless the answer is already here: then that counts.
    const isSent = sent.then(
      () => true,
      () => false,
    );
    const prefix = new Uint8Array(ANSWER_PREFIX_LENGTH);
    await channel.read(prefix);
    const answer = await readAnswer(channel, peer, decodeAnswerPrefix(prefix), options);
    // The answer may overtake the news that the last bytes have left, by one turn of the event loop.
    const isWhole = await Promise.race([
      isSent,
      new Promise<false>((resolve) => setImmediate(resolve, false)),
    ]);
    if (!isWhole) channel.fail(new StoreError('UNREACHABLE', 'the peer answered and closed the connection'));
    return answer;
  } catch (error) {
    const known =
      error instanceof StoreError ? error : new StoreError('INTERNAL', String(error), { cause: error });
    channel.fail(known);
    throw error;
  }
}

async function readAnswer(
  channel: Channel,
  peer: NodeId,
  prefix: AnswerPrefix,
  options: ExchangeOptions,
): Promise<Answer> {
  if (prefix.type === REFUSAL) {
    const refusal = decodeRefusal(await readHeader(channel, prefix.headerLength, REFUSAL_LENGTH_MAX), peer);
    if (!channel.isHandedOver) throw refusal;
    return { kind: 'refusal', refusal };
  }
  if (!channel.isHandedOver) throw new StoreError('PROTOCOL', 'a reply before the request was complete');
  const header = await readHeader(channel, prefix.headerLength, HEADER_LENGTH_MAX);
  const maxBodyLength = options.maxBodyLength ?? 0;
  if (prefix.bodyLength > maxBodyLength) {
    throw new StoreError(
      'PROTOCOL',
      `a reply of ${prefix.bodyLength} bytes, ${maxBodyLength} were asked for at most`,
    );
  }
  const body = targetFor(prefix.bodyLength, options.into);
  await channel.read(body, options.onBytes);
  return { kind: 'reply', reply: { header, body } };
}

async function readHeader(channel: Channel, length: number, maxLength: number): Promise<Uint8Array> {
  if (length > maxLength) throw new StoreError('PROTOCOL', `an answer with a header of ${length} bytes`);
  const header = new Uint8Array(length);
  await channel.read(header);
  return header;
}

function targetFor(length: number, into: CallOptions['into']): Uint8Array {
  if (into === undefined) return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  const target = into(length);
  if (target.length === length) return target;
  throw new StoreError(
    'INVALID_ARGUMENT',
    `a buffer of ${target.length} bytes was given for a reply of ${length}`,
  );
}
