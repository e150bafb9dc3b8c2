// One bulk connection from its calling end: TCP, TLS 1.3, the peer's certificate, the hello of both sides. When `dial`
// returns, the other end has proved who it is and that it belongs to this network.

import type { OnReadOpts } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { equal, short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Signer } from '../../base/ports.ts';
import { decodeRefusal, REFUSAL_LENGTH_MAX } from '../refusal.ts';
import { credentialsFor } from './certificate.ts';
import { Channel } from './channel.ts';
import { parseEndpoint } from './endpoint.ts';
import { ANSWER_PREFIX_LENGTH, decodeAnswerPrefix, HELLO, HELLO_LENGTH, REFUSAL } from './frame.ts';
import { checkHello, createHello, type NetworkAccess } from './hello.ts';
import { sharedBuffer } from './receive.ts';
import { peerOf, TLS_OPTIONS } from './tls.ts';

export interface Dialled {
  readonly channel: Channel;
  readonly peer: NodeId;
}

export interface DialOptions {
  readonly access: NetworkAccess;
  readonly signer: Signer;
  /** Who must be there; whoever is there, when absent. */
  readonly expected: NodeId | undefined;
  /** Its reason, a StoreError, ends the attempt. */
  readonly signal: AbortSignal;
}

const contexts = new WeakMap<Signer, Promise<SecureContext>>();

/** Throws UNREACHABLE, TIMEOUT, ABORTED, PROTOCOL, WRONG_NETWORK or the peer's refusal; the message names the address. */
export async function dial(endpoint: string, options: DialOptions): Promise<Dialled> {
  const { host, port, family } = parseEndpoint(endpoint);
  const secureContext = await contextOf(options.signer);
  options.signal.throwIfAborted();
  const hooks: { channel?: Channel } = {};
  const socket = connectTls(
    socketOptions(host, port, family, secureContext, (chunk) => hooks.channel?.take(chunk)),
  );
  const channel = new Channel(socket);
  hooks.channel = channel;
  return await greet(socket, channel, endpoint, options);
}

function socketOptions(
  host: string,
  port: number,
  family: number,
  secureContext: SecureContext,
  take: (chunk: Uint8Array) => void,
): ConnectionOptions & { readonly onread: OnReadOpts; readonly family?: number } {
  return {
    ...TLS_OPTIONS,
    host,
    port,
    ...(family === 0 ? {} : { family }),
    secureContext,
    // The name in the certificate means nothing here: the peer's key is its name.
    checkServerIdentity: () => undefined,
    onread: {
      buffer: sharedBuffer,
      callback: (length, buffer) => {
        take(buffer.subarray(0, length));
        return true;
      },
    },
  };
}

async function greet(
  socket: TLSSocket,
  channel: Channel,
  endpoint: string,
  options: DialOptions,
): Promise<Dialled> {
  const onAbort = (): void => channel.fail(options.signal.reason as StoreError);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await secured(socket, channel);
    const peer = await peerOf(socket);
    if (options.expected !== undefined && !equal(peer, options.expected)) {
      throw new StoreError(
        'UNREACHABLE',
        `node ${short(peer)} answers in place of ${short(options.expected)}`,
      );
    }
    await exchangeHellos(socket, channel, peer, options.access);
    return { channel, peer };
  } catch (error) {
    const known =
      error instanceof StoreError ? error : new StoreError('INTERNAL', String(error), { cause: error });
    channel.fail(known);
    const next = known.next === undefined ? {} : { next: known.next };
    throw new StoreError(known.code, `${endpoint}: ${known.message}`, { ...next, cause: known });
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
}

async function secured(socket: TLSSocket, channel: Channel): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('secureConnect', resolve);
  const untie = channel.tie(reject);
  await promise.finally(untie);
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
}

async function exchangeHellos(
  socket: TLSSocket,
  channel: Channel,
  peer: NodeId,
  access: NetworkAccess,
): Promise<void> {
  const sent = channel.write(createHello(access, socket, 'client'));
  // A server that refuses at once may make the write fail: what it said matters more.
  sent.catch(() => {});
  const answer = new Uint8Array(HELLO_LENGTH);
  await channel.read(answer.subarray(0, ANSWER_PREFIX_LENGTH));
  if (answer[0] !== HELLO) throw await readRefusal(channel, answer.subarray(0, ANSWER_PREFIX_LENGTH), peer);
  await channel.read(answer.subarray(ANSWER_PREFIX_LENGTH));
  checkHello(answer, access, socket, 'server');
}

async function readRefusal(channel: Channel, prefix: Uint8Array, peer: NodeId): Promise<StoreError> {
  const { type, headerLength } = decodeAnswerPrefix(prefix);
  if (type !== REFUSAL || headerLength > REFUSAL_LENGTH_MAX) {
    return new StoreError('PROTOCOL', `node ${short(peer)} answers before it was asked`);
  }
  const refusal = new Uint8Array(headerLength);
  await channel.read(refusal);
  return decodeRefusal(refusal, peer);
}

function contextOf(signer: Signer): Promise<SecureContext> {
  let context = contexts.get(signer);
  if (context === undefined) {
    const { minVersion, maxVersion, secureOptions, ciphers } = TLS_OPTIONS;
    const versions = { minVersion, maxVersion, secureOptions, ciphers };
    context = credentialsFor(signer).then((credentials) =>
      createSecureContext({ ...versions, ...credentials }),
    );
    contexts.set(signer, context);
  }
  return context;
}
