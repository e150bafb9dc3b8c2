// One exchange from its serving end: the guard's checks in their order, the handler, the reply, or a refusal. After a
// refusal the connection can go on when little of the request is left to read: a new handshake costs both sides more
// than a few kilobytes. Otherwise it ends, with time for the refusal to arrive.

import type { NodeId } from '../../base/ids.ts';
import type { ServedReply } from '../../base/ports.ts';
import { encodeRefusal } from '../refusal.ts';
import type { ServiceGuard, Ticket } from '../service-guard.ts';
import type { BodyPool } from './body-pool.ts';
import type { Channel } from './channel.ts';
import { encodeAnswer, REFUSAL, REPLY, type RequestPrefix } from './frame.ts';

/** What the exchanges of a server share. */
export interface Served {
  readonly guard: ServiceGuard;
  readonly pool: BodyPool;
  readonly headerMs: number;
}

/** The rest of a refused request is read and dropped when it is no longer than this. */
const SKIPPED_LENGTH_MAX = 64 * 1024;

/** Serves the request whose prefix was read. True when the connection can carry another exchange. Never rejects. */
export async function serveExchange(
  served: Served,
  channel: Channel,
  peer: NodeId,
  prefix: RequestPrefix,
): Promise<boolean> {
  const gone = new AbortController();
  const untie = channel.tie(() => gone.abort());
  let unreadLength = prefix.nameLength + prefix.headerLength + prefix.bodyLength;
  let ticket: Ticket | undefined;
  const read = async (target: Uint8Array): Promise<Uint8Array> => {
    await channel.read(target);
    unreadLength -= target.length;
    return target;
  };
  try {
    const name = Buffer.from(await read(new Uint8Array(prefix.nameLength))).toString('latin1');
    ticket = served.guard.enter(peer, name, prefix.headerLength, prefix.bodyLength);
    const header = await read(new Uint8Array(prefix.headerLength));
    channel.limit('the exchange', undefined);
    await ticket.admit(header, prefix.bodyLength, gone.signal);
    const body = await bodyFor(ticket, served.pool, prefix.bodyLength);
    channel.isTransferring = body.length > 0;
    await read(body);
    channel.isTransferring = false;
    await sendReply(channel, ticket, await ticket.handle(header, body, gone.signal));
    return true;
  } catch (error) {
    const isReusable = await skip(channel, unreadLength, served.headerMs);
    return await refuse(channel, error, served.headerMs, isReusable);
  } finally {
    untie();
    ticket?.release();
  }
}

/** Says why, and unless the connection can be used again, goodbye. Resolves to that; never rejects. */
export async function refuse(
  channel: Channel,
  error: unknown,
  timeMs: number,
  isReusable = false,
): Promise<boolean> {
  if (channel.failure !== undefined) return false;
  try {
    channel.limit('a refusal', timeMs);
    await channel.write(encodeAnswer(REFUSAL, encodeRefusal(error), 0));
    if (!isReusable) channel.finish();
    return isReusable;
  } catch {
    return false; // the peer is gone, so there is nobody to tell
  }
}

/** True when the next byte is that of another request. */
async function skip(channel: Channel, length: number, timeMs: number): Promise<boolean> {
  if (channel.failure !== undefined || length > SKIPPED_LENGTH_MAX) return false;
  try {
    channel.limit('the rest of a request', timeMs);
    await channel.read(new Uint8Array(length));
    return true;
  } catch {
    return false;
  }
}

async function bodyFor(ticket: Ticket, pool: BodyPool, length: number): Promise<Uint8Array> {
  await ticket.reserve(length, 'upload');
  // Not zeroed: every byte is overwritten before anybody sees the buffer.
  if (ticket.service.isBodyBorrowed !== true) return Buffer.allocUnsafeSlow(length);
  const body = pool.take(length);
  ticket.whenOver(() => pool.give(body));
  return body;
}

async function sendReply(channel: Channel, ticket: Ticket, reply: ServedReply): Promise<void> {
  const body = reply.body ?? [];
  const length = body.reduce((sum, part) => sum + part.length, 0);
  await ticket.reserve(length, 'reply');
  channel.isTransferring = true;
  await channel.write(encodeAnswer(REPLY, reply.header, length), body);
  channel.isTransferring = false;
  // Only now, and not after a failure: the system may still have a part of it under way.
  reply.release?.();
}
