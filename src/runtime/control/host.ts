// The libp2p node of the control lane: TCP, Noise, Yamux with lowered limits, and a hello on every connection.
// What runs over the connections (calls, gossip, DHT) is added by others as services and protocols.
//
// Invariants: `connectionTo` gives only connections whose hello is over and good; a peer of another network is hung up on and
// left alone for a while; at most CONTROL_CONNECTIONS_MAX connections; a cut link shows after PING_INTERVAL_MS + PING_TIMEOUT_MS.

import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { Connection, Libp2p, PeerId, ServiceMap, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { concat, short, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { ADDRESSES_MAX, CONNECT_TIMEOUT_MS, STOP_TIMEOUT_MS } from '../../base/limits.ts';
import { nodeIdFromPeerIdText, peerIdText } from '../peer-id.ts';
import { controlFailure, unlessAborted } from './failure.ts';
import { createGater, type Gater } from './gater.ts';
import { createGreeter } from './greeter.ts';
import { type HostOptions, libp2pOptions } from './libp2p-options.ts';

export interface Host<Services extends ServiceMap = ServiceMap> {
  readonly libp2p: Libp2p<Services>;
  readonly gater: Gater;
  /** Where to dial the peer; replaces what was known. Addresses that do not parse are left out. */
  setAddresses(peer: NodeId, addresses: readonly string[]): void;
  /** An open, greeted connection. Throws UNREACHABLE, WRONG_NETWORK, TIMEOUT, ABORTED. */
  connectionTo(peer: NodeId, signal: AbortSignal): Promise<Connection>;
  /** The same for an address whose owner is not known yet. Throws INVALID_ARGUMENT for text that is no address. */
  connectionAt(address: string, signal: AbortSignal): Promise<Connection>;
  /** Serves a protocol to greeted peers only. */
  handle(
    protocol: string,
    maxStreams: number,
    onStream: (stream: Stream, from: NodeId) => void,
  ): Promise<void>;
  stop(): Promise<void>;
}

export async function createHost<Services extends ServiceMap>(
  options: HostOptions<Services>,
): Promise<Host<Services>> {
  const { clock, networkId } = options;
  const addresses = new Map<string, readonly Multiaddr[]>();
  const gater = createGater({
    clock,
    connectionCount: (peer) => libp2p.getConnections(peer).length,
    ...(options.isAllowed === undefined
      ? {}
      : { isAllowed: (peer) => options.isAllowed!(nodeIdFromPeerIdText(peer.toString())) }),
  });
  // Seed and public key: from the seed alone libp2p would derive the public key in slow portable code.
  const privateKey = privateKeyFromRaw(concat(options.identity.secretSeed(), options.identity.nodeId));
  const libp2p = (await createLibp2p(libp2pOptions(options, gater, privateKey))) as Libp2p<Services>;

  const greetingOf = await createGreeter(libp2p as unknown as Libp2p, gater, networkId, clock);
  try {
    await libp2p.start();
  } catch (error) {
    throw listenFailure(error, options.listen);
  }

  async function greeted(connection: Connection): Promise<Connection> {
    await greetingOf(connection);
    return connection;
  }

  async function dial(
    target: PeerId | Multiaddr[],
    context: string,
    signal: AbortSignal,
  ): Promise<Connection> {
    try {
      const dialling = libp2p.dial(target, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]),
      });
      return await unlessAborted(dialling.then(greeted), signal, context);
    } catch (error) {
      throw dialFailure(error, context, options.preSharedKey !== undefined);
    }
  }

  return {
    libp2p,
    gater,
    setAddresses(peer, texts) {
      const suffix = `/p2p/${peerIdText(peer)}`;
      const parsed = texts.slice(0, ADDRESSES_MAX).flatMap((text) => parseAddress(`${text}${suffix}`) ?? []);
      if (parsed.length === 0) addresses.delete(toHex(peer));
      else addresses.set(toHex(peer), parsed);
    },
    async connectionTo(peer, signal) {
      const peerId = peerIdFromString(peerIdText(peer));
      const open = libp2p.getConnections(peerId).find((connection) => connection.status === 'open');
      const context = `node ${short(peer)}`;
      if (open !== undefined) return unlessAborted(greeted(open), signal, context);
      const ban = gater.banOf(peerId);
      if (ban !== undefined) throw ban;
      const known = addresses.get(toHex(peer)) ?? (await storedAddresses(libp2p, peerId));
      if (known.length === 0) throw new StoreError('UNREACHABLE', `no address of ${context} is known`);
      return dial([...known], context, signal);
    },
    async connectionAt(address, signal) {
      const parsed = parseAddress(address);
      if (parsed === undefined)
        throw new StoreError('INVALID_ARGUMENT', `not an address: ${address.slice(0, 100)}`);
      // A person asks for this address now, whatever happened before.
      gater.pardon(/\/p2p\/(\w+)$/.exec(address)?.[1] ?? '');
      return dial([parsed], address, signal);
    },
    handle: (protocol, maxStreams, onStream) =>
      libp2p.handle(
        protocol,
        (stream, connection) => {
          // The dialling side says hello before anything else; a stream without one is cut.
          greetingOf(connection).then(
            () => onStream(stream, nodeIdFromPeerIdText(connection.remotePeer.toString())),
            (error: unknown) => stream.abort(controlFailure(error, 'PROTOCOL', 'hello')),
          );
        },
        { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams },
      ),
    async stop() {
      // Calls have ended by now, and a polite goodbye to a peer that is stopping too would cost half a second.
      for (const connection of libp2p.getConnections()) {
        connection.abort(new StoreError('CLOSED', 'the node stops'));
      }
      const late = Promise.withResolvers<void>();
      const cancel = clock.timer(STOP_TIMEOUT_MS, late.resolve);
      await Promise.race([libp2p.stop(), late.promise]).finally(cancel);
    },
  };
}

/** libp2p lists every failed address with a stack in one message; a person needs the reason. */
function listenFailure(error: unknown, listen: readonly string[]): StoreError {
  const { message } = controlFailure(error, 'INVALID_ARGUMENT', 'control lane');
  const where = `cannot listen on ${listen.join(', ').slice(0, 300)}`;
  if (message.includes('EADDRINUSE')) {
    return new StoreError('PORT_IN_USE', `${where}: the port is taken`, {
      cause: error,
      next: 'Stop the other process, or choose another port.',
    });
  }
  return new StoreError('INVALID_ARGUMENT', `${where}: ${message.split('\n')[0]}`, { cause: error });
}

/** Addresses that libp2p learned by itself: from the DHT, or from a peer that once dialled us. */
async function storedAddresses(libp2p: Libp2p, peer: PeerId): Promise<readonly Multiaddr[]> {
  try {
    const { addresses } = await libp2p.peerStore.get(peer);
    return addresses
      .slice(0, ADDRESSES_MAX)
      .map((stored) => stored.multiaddr.encapsulate(`/p2p/${peer.toString()}`));
  } catch {
    return [];
  }
}

function parseAddress(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text);
  } catch {
    return undefined;
  }
}

function dialFailure(error: unknown, context: string, hasNetworkKey: boolean): StoreError {
  const failure = controlFailure(error, 'UNREACHABLE', context);
  if (failure.code !== 'UNREACHABLE' || !hasNetworkKey) return failure;
  return new StoreError('UNREACHABLE', failure.message, {
    cause: failure,
    next: 'Check that the node runs, and that it has the same network key.',
  });
}
