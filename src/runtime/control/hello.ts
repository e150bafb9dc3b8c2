// The hello: the dialling side opens `/holdfast/hello`, sends its network id, and gets the other's in return. Both
// sides then know whether they belong together; the dialling side can tell its user, and both hang up if not.
//
//     hello = length u8 (32) | network id, 32 bytes      the same in both directions, then the stream is closed
//
// Nothing about the network but its id is told, and nothing else is exchanged before.

import type { Connection, Stream } from '@libp2p/interface';
import { concat, equal, short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { DIGEST_LENGTH, type NetworkId } from '../../base/ids.ts';
import { CONNECT_TIMEOUT_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { controlFailure, unlessAborted } from './failure.ts';
import { HELLO_PROTOCOL } from './protocols.ts';

const HELLO_LENGTH = 1 + DIGEST_LENGTH;

/** Says hello on an outbound connection. Throws WRONG_NETWORK, TIMEOUT, PROTOCOL or UNREACHABLE. */
export async function sayHello(connection: Connection, network: NetworkId, clock: Clock): Promise<void> {
  const context = `hello to ${connection.remoteAddr.toString()}`;
  await withinConnectTime(clock, context, async (signal) => {
    const stream = await connection.newStream(HELLO_PROTOCOL, { signal });
    try {
      const answer = readHello(stream, signal, context);
      stream.send(helloOf(network));
      checkNetwork(await answer, network, connection);
      await stream.close({ signal });
    } catch (error) {
      stream.abort(controlFailure(error, 'PROTOCOL', context));
      throw error;
    }
  });
}

/** Answers a hello. Throws like `sayHello`; the answer has been sent when the network turns out to be a wrong one. */
export async function answerHello(
  stream: Stream,
  connection: Connection,
  network: NetworkId,
  clock: Clock,
): Promise<void> {
  const context = `hello from ${connection.remoteAddr.toString()}`;
  await withinConnectTime(clock, context, async (signal) => {
    try {
      const theirs = await readHello(stream, signal, context);
      stream.send(helloOf(network));
      await stream.close({ signal });
      checkNetwork(theirs, network, connection);
    } catch (error) {
      stream.abort(controlFailure(error, 'PROTOCOL', context));
      throw error;
    }
  });
}

function helloOf(network: NetworkId): Uint8Array {
  return concat(new Uint8Array([DIGEST_LENGTH]), network);
}

function checkNetwork(theirs: Uint8Array, network: NetworkId, connection: Connection): void {
  if (equal(theirs, network)) return;
  throw new StoreError(
    'WRONG_NETWORK',
    `the node at ${connection.remoteAddr.toString()} belongs to network ${short(theirs)}, this one to ${short(network)}`,
    { next: 'Check the address, or join that network with an invitation of its own.' },
  );
}

/** Exactly one hello; the first byte that is off ends it, whatever follows. */
function readHello(stream: Stream, signal: AbortSignal, context: string): Promise<Uint8Array> {
  const done = Promise.withResolvers<Uint8Array>();
  const received = new Uint8Array(HELLO_LENGTH);
  let filled = 0;
  stream.addEventListener('message', (event) => {
    const bytes = event.data instanceof Uint8Array ? event.data : event.data.subarray();
    if (filled + bytes.length > HELLO_LENGTH || (filled === 0 && bytes[0] !== DIGEST_LENGTH)) {
      done.reject(new StoreError('PROTOCOL', `${context}: not a hello`));
      return;
    }
    received.set(bytes, filled);
    filled += bytes.length;
    if (filled === HELLO_LENGTH) done.resolve(received.slice(1));
  });
  stream.addEventListener('close', (event) => done.reject(controlFailure(event, 'UNREACHABLE', context)));
  stream.addEventListener('remoteCloseWrite', () => {
    if (filled < HELLO_LENGTH) done.reject(new StoreError('PROTOCOL', `${context}: cut off`));
  });
  done.promise.catch(() => undefined);
  return unlessAborted(done.promise, signal, context);
}

async function withinConnectTime(
  clock: Clock,
  context: string,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const cancel = clock.timer(CONNECT_TIMEOUT_MS, () =>
    stop.abort(new StoreError('TIMEOUT', `${context}: no answer`)),
  );
  try {
    await unlessAborted(run(stop.signal), stop.signal, context);
  } catch (error) {
    throw controlFailure(error, 'UNREACHABLE', context);
  } finally {
    cancel();
  }
}
