// The libp2p node of the control lane: TCP, Noise, Yamux with lowered limits, and a hello on every connection.
// What runs over the connections (calls, gossip, DHT) is added by others as services and protocols.
//
// Invariants: `connectionTo` gives only connections whose hello is over and good; a peer of another network is hung up on and
// left alone for a while; at most CONTROL_CONNECTIONS_MAX connections; a cut link shows after PING_INTERVAL_MS + PING_TIMEOUT_MS.

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Connection, Libp2p, PeerId, PrivateKey, ServiceMap, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromString } from '@libp2p/peer-id';
import { ping } from '@libp2p/ping';
import { preSharedKey as protectWith } from '@libp2p/pnet';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2pOptions, type ServiceFactoryMap } from 'libp2p';
import { short, toHex, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NetworkId, NodeId } from '../../base/ids.ts';
import {
  ADDRESSES_MAX,
  CONNECT_TIMEOUT_MS,
  CONTROL_CONNECTIONS_MAX,
  CONTROL_STREAM_BUFFER,
  CONTROL_STREAM_WINDOW,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
} from '../../base/limits.ts';
import type { Clock } from '../../base/ports.ts';
import type { Identity } from '../identity.ts';
import { nodeIdFromPeerIdText, peerIdText } from '../peer-id.ts';
import { controlFailure, unlessAborted } from './failure.ts';
import { createGater, type Gater } from './gater.ts';
import { answerHello, sayHello } from './hello.ts';
import { noiseCrypto } from './noise-crypto.ts';
import { HELLO_PROTOCOL, networkPrefix } from './protocols.ts';

const NETWORK_KEY_LENGTH = 32;
/** For the last bytes of a connection that is closed politely. */
const HANG_UP_MS = 1000;

export interface HostOptions<Services extends ServiceMap> {
  readonly identity: Identity;
  readonly networkId: NetworkId;
  readonly clock: Clock;
  /** Multiaddrs to listen on, `/ip4/0.0.0.0/tcp/4001`; empty: only dial. */
  readonly listen: readonly string[];
  /** Addresses that others are told, where they differ from those listened on. */
  readonly announce?: readonly string[];
  /** 32 secret bytes that every node of a closed network has; who lacks them learns nothing. */
  readonly preSharedKey?: Uint8Array;
  /** Peers that may connect; everyone when absent. */
  readonly isAllowed?: (peer: NodeId) => boolean;
  readonly services: ServiceFactoryMap<Services>;
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
}

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
  const greetings = new Map<string, Promise<void>>();
  const gater = createGater({
    clock,
    connectionCount: (peer) => libp2p.getConnections(peer).length,
    ...(options.isAllowed === undefined
      ? {}
      : { isAllowed: (peer) => options.isAllowed!(nodeIdFromPeerIdText(peer.toString())) }),
  });
  const privateKey = await generateKeyPairFromSeed('Ed25519', options.identity.secretSeed());
  const libp2p = (await createLibp2p(libp2pOptions(options, gater, privateKey)).catch((error: unknown) => {
    throw listenFailure(error, options.listen);
  })) as Libp2p<Services>;

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
  const heard = new Map<string, PromiseWithResolvers<void>>();

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

function libp2pOptions<Services extends ServiceMap>(
  options: HostOptions<Services>,
  gater: Gater,
  privateKey: PrivateKey,
): Libp2pOptions {
  const prefix = networkPrefix(options.networkId);
  const pingTimeoutMs = options.pingTimeoutMs ?? PING_TIMEOUT_MS;
  return {
    privateKey,
    addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
    nodeInfo: { name: 'holdfast', version: '', userAgent: 'holdfast' },
    transports: [tcp({ maxConnections: CONTROL_CONNECTIONS_MAX, backlog: CONTROL_CONNECTIONS_MAX })],
    connectionEncrypters: [noise({ crypto: noiseCrypto })],
    streamMuxers: [
      yamux({
        maxInboundStreams: 64,
        maxOutboundStreams: 128,
        streamOptions: {
          // Windows below the read buffer: a slow reader is paused, never reset by its peer's lawful traffic.
          maxStreamWindowSize: CONTROL_STREAM_WINDOW,
          maxReadBufferLength: CONTROL_STREAM_BUFFER,
          maxWriteBufferLength: CONTROL_STREAM_BUFFER,
        },
      }),
    ],
    connectionGater: gater.libp2p,
    connectionManager: {
      maxConnections: CONTROL_CONNECTIONS_MAX,
      // Many nodes may share an address; the default of 5 a second would refuse most of them.
      inboundConnectionThreshold: CONTROL_CONNECTIONS_MAX,
      maxIncomingPendingConnections: CONTROL_CONNECTIONS_MAX / 2,
      maxPeerAddrsToDial: ADDRESSES_MAX,
      dialTimeout: CONNECT_TIMEOUT_MS,
      inboundUpgradeTimeout: CONNECT_TIMEOUT_MS,
      reconnectRetries: 0,
    },
    connectionMonitor: {
      protocolPrefix: prefix,
      pingInterval: options.pingIntervalMs ?? PING_INTERVAL_MS,
      pingTimeout: { minTimeout: pingTimeoutMs, maxTimeout: pingTimeoutMs },
      abortConnectionOnPingFailure: true,
    },
    ...(options.preSharedKey === undefined
      ? {}
      : {
          connectionProtector: protectWith({
            psk: swarmKey(options.preSharedKey),
            timeout: CONNECT_TIMEOUT_MS,
          }),
        }),
    services: {
      identify: identify({ protocolPrefix: prefix }),
      ping: ping({ protocolPrefix: prefix }),
      ...options.services,
    } as Libp2pOptions['services'] & object,
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

/** A network key in the form that libp2p reads. */
function swarmKey(key: Uint8Array): Uint8Array {
  if (key.length !== NETWORK_KEY_LENGTH) {
    throw new StoreError(
      'INVALID_CONFIG',
      `a pre-shared network key has ${NETWORK_KEY_LENGTH} bytes, not ${key.length}`,
    );
  }
  return toUtf8(`/key/swarm/psk/1.0.0/\n/base16/\n${toHex(key)}`);
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
