// Exactly one hello for every connection, whoever opened it and whoever waits for it, and hanging up when it fails.
//
// Invariants: a connection has one greeting, made when it opens or when the hello arrives, whichever is first; what is kept of it
// goes when the connection closes; an inbound peer that says nothing is hung up on after CONNECT_TIMEOUT_MS.

import type { Connection, Libp2p } from '@libp2p/interface';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId } from '../../base/ids.ts';
import { CONNECT_TIMEOUT_MS } from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import { controlFailure } from './failure.ts';
import type { Gater } from './gater.ts';
import { answerHello, sayHello } from './hello.ts';
import { HELLO_PROTOCOL } from './protocols.ts';

/** For the last bytes of a connection that is closed politely. */
const HANG_UP_MS = 1000;

/**
 * Greets every connection of `libp2p` from now on; the returned function gives a connection's greeting, which throws WRONG_NETWORK,
 * PROTOCOL, TIMEOUT or UNREACHABLE.
 */
export async function createGreeter(
  libp2p: Libp2p,
  gater: Gater,
  networkId: NetworkId,
  clock: Clock,
): Promise<(connection: Connection) => Promise<void>> {
  const greetings = new Map<string, Promise<void>>();
  /** Inbound connections whose hello is awaited. */
  const heard = new Map<string, PromiseWithResolvers<void>>();

  /** Whoever dialled into the wrong network is told so, every time: only the dialling side keeps away by itself. */
  function hangUp(connection: Connection, failure: StoreError): StoreError {
    const isMistaken = failure.code === 'WRONG_NETWORK';
    if (isMistaken && connection.direction === 'inbound') {
      // Its hello is still on the way out.
      connection.close({ signal: AbortSignal.timeout(HANG_UP_MS) }).catch(() => connection.abort(failure));
      return failure;
    }
    if (isMistaken || failure.code === 'PROTOCOL') gater.ban(connection.remotePeer, failure);
    connection.abort(failure);
    return failure;
  }

  /** The one hello of a connection, whoever asks for it; its failure hangs up. */
  function greet(connection: Connection, greeting: () => Promise<void>): Promise<void> {
    const known = greetings.get(connection.id);
    if (known !== undefined) return known;
    // Nothing would take the entry away again.
    if (connection.status !== 'open') {
      return Promise.reject(new StoreError('UNREACHABLE', 'the connection was closed before the hello'));
    }
    const running = greeting().catch((error: unknown) => {
      throw hangUp(connection, controlFailure(error, 'UNREACHABLE', 'hello'));
    });
    running.catch(() => undefined);
    greetings.set(connection.id, running);
    return running;
  }

  /** The dialling side speaks first; the other waits for it, but not for ever. */
  function greetingOf(connection: Connection): Promise<void> {
    if (connection.direction === 'outbound') {
      return greet(connection, () => sayHello(connection, networkId, clock));
    }
    return greet(connection, () => {
      const wait = Promise.withResolvers<void>();
      const cancel = clock.timer(CONNECT_TIMEOUT_MS, () => {
        wait.reject(new StoreError('TIMEOUT', `no hello from ${connection.remoteAddr.toString()}`));
      });
      heard.set(connection.id, wait);
      return wait.promise.finally(() => {
        cancel();
        heard.delete(connection.id);
      });
    });
  }

  libp2p.addEventListener('connection:open', ({ detail }) => {
    greetingOf(detail).catch(() => undefined);
  });
  libp2p.addEventListener('connection:close', ({ detail }) => {
    greetings.delete(detail.id);
    heard.get(detail.id)?.reject(new StoreError('UNREACHABLE', 'the connection was closed before the hello'));
  });
  await libp2p.handle(
    HELLO_PROTOCOL,
    (stream, connection) => {
      greetingOf(connection).catch(() => undefined);
      answerHello(stream, connection, networkId, clock).then(
        () => heard.get(connection.id)?.resolve(),
        (error: unknown) => heard.get(connection.id)?.reject(error),
      );
    },
    { maxInboundStreams: 1 },
  );
  return greetingOf;
}
