// The serving end of the bulk lane: accepts TLS connections, learns who calls, and serves one exchange at a time on each.
//
// What it holds against strangers: connections in all and per peer, handshakes and hellos that take too long, headers
// that trickle, bodies below a minimum rate, replies that nobody reads, and memory through the guard. When the table of
// connections is full, the one that has waited longest without being of use gives way: first those that have not yet
// said who they are, then idle ones, then the slowest exchange of a non-member; so holding connections open keeps nobody out.
// What happens within an exchange is in `serve-exchange.ts`.

import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  BULK_CONNECTIONS_MAX,
  BULK_CONNECTIONS_PER_PEER,
  BULK_GRACE_MS,
  BULK_IDLE_MS,
  CONNECT_TIMEOUT_MS,
  EXCHANGE_TIMEOUT_MS,
  HEADER_TIMEOUT_MS,
} from '../../base/limits.ts';
import type { Service, Signer } from '../../base/ports.ts';
import { type BodyUse, createServiceGuard, type ServiceGuard } from '../service-guard.ts';
import { createBodyPool } from './body-pool.ts';
import { credentialsFor } from './certificate.ts';
import { Channel, TRANSFER_LIMITS, type TransferLimits } from './channel.ts';
import { longestLasting, type Pace, slowest } from './give-way.ts';
import { decodeRequestPrefix, HELLO_LENGTH, REQUEST_PREFIX_LENGTH } from './frame.ts';
import { checkHello, createHello, type NetworkAccess } from './hello.ts';
import { receive } from './receive.ts';
import { refuse, type Served, serveExchange } from './serve-exchange.ts';
import { peerOf, TLS_OPTIONS } from './tls.ts';

export interface BulkServerOptions extends NetworkAccess {
  readonly signer: Signer;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The gate: who may connect. Everybody, when absent. */
  readonly admits?: (node: NodeId) => boolean;
  /** Shared with other lanes; an own one when absent. */
  readonly guard?: ServiceGuard;
  readonly limits?: Partial<BulkServerLimits>;
}

export interface BulkServerLimits extends TransferLimits {
  readonly connectionsMax: number;
  readonly connectionsPerPeer: number;
  /** For handshake and hello together. */
  readonly handshakeMs: number;
  readonly headerMs: number;
  readonly idleMs: number;
  /** A connection that was of use so recently does not give way: its next request may be on the wire. */
  readonly evictAfterMs: number;
  /** An exchange this young does not give way, and the speed of an older one is that over once or twice this time. */
  readonly graceMs: number;
  readonly sweepMs: number;
}

export interface BulkServer {
  readonly address: { readonly host: string; readonly port: number };
  readonly connections: number;
  serve(service: Service): void;
  /** Stops accepting, lets exchanges under way finish for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

const LIMITS: BulkServerLimits = {
  ...TRANSFER_LIMITS,
  connectionsMax: BULK_CONNECTIONS_MAX,
  connectionsPerPeer: BULK_CONNECTIONS_PER_PEER,
  handshakeMs: CONNECT_TIMEOUT_MS,
  headerMs: HEADER_TIMEOUT_MS,
  idleMs: BULK_IDLE_MS,
  evictAfterMs: 250,
  graceMs: BULK_GRACE_MS,
  sweepMs: 500,
};
const CLOSE_GRACE_MS = 2000;

/** A connection whose peer has proved who it is. */
interface Connection extends Pace {
  readonly channel: Channel;
  readonly peer: NodeId;
  /** Undefined while an exchange is under way. */
  idleSinceMs: number | undefined;
  /** Between which its speed is seen: the second takes the place of the first after `graceMs`. Empty between exchanges. */
  marks: readonly Mark[];
}

interface Mark {
  readonly atMs: number;
  readonly moved: number;
}

/** Throws PORT_IN_USE, or INVALID_ARGUMENT for an address that this machine does not have. */
export async function createBulkServer(options: BulkServerOptions): Promise<BulkServer> {
  const limits: BulkServerLimits = { ...LIMITS, ...options.limits };
  const guard = options.guard ?? createServiceGuard();
  const served: Served = { guard, pool: createBodyPool(), headerMs: limits.headerMs };
  const endLack = guard.onLack(makeMemory);
  /** Sockets in order of arrival that are not yet a connection; by the address of their other end. */
  const newcomers = new Map<string, Socket>();
  /** In the order in which they were last of use. */
  const connections = new Set<Connection>();
  /** Every channel, for its time limits. */
  const sweeping = new Set<Channel>();
  let isClosing = false;

  const tlsServer = createServer({
    ...TLS_OPTIONS,
    ...(await credentialsFor(options.signer)),
    requestCert: true,
    handshakeTimeout: limits.handshakeMs,
    noDelay: true,
    keepAlive: true,
  });

  tlsServer.on('connection', (socket: Socket) => {
    const key = endOf(socket);
    if (newcomers.size + connections.size >= limits.connectionsMax && !makeRoom()) {
      socket.destroy();
      return;
    }
    newcomers.set(key, socket);
    socket.once('close', () => newcomers.delete(key));
  });

  /** Ends the least useful connection; false when all are at work. */
  function makeRoom(): boolean {
    for (const [key, socket] of newcomers) {
      newcomers.delete(key);
      socket.destroy();
      return true;
    }
    return evictIdle(() => true) || evict(slowest(connections, performance.now(), limits.graceMs));
  }

  /** Who would hold memory for longer than a call may last by default holds it in vain, or on purpose. */
  function makeMemory(use: BodyUse): boolean {
    return evict(longestLasting(connections, performance.now(), limits.graceMs, use, EXCHANGE_TIMEOUT_MS));
  }

  function evict(connection: Connection | undefined): boolean {
    connection?.channel.fail(new StoreError('BUSY', 'made room for another exchange'));
    return connection !== undefined;
  }

  function evictIdle(matches: (connection: Connection) => boolean): boolean {
    const before = performance.now() - (isClosing ? 0 : limits.evictAfterMs);
    for (const connection of connections) {
      if (connection.idleSinceMs === undefined || connection.idleSinceMs > before) continue;
      if (!matches(connection)) continue;
      connection.channel.fail(new StoreError('BUSY', 'made room for another connection'));
      return true;
    }
    return false;
  }

  // Failed handshakes end here, those that took too long among them; node leaves the latter open.
  tlsServer.on('tlsClientError', (_error, socket) => socket.destroy());
  tlsServer.on('secureConnection', (socket: TLSSocket) => {
    const channel = new Channel(socket, limits);
    sweeping.add(channel);
    channel.tie(() => sweeping.delete(channel));
    greet(channel, socket).catch((error: unknown) => refuse(channel, error, limits.headerMs));
  });

  /** Learns who is there and checks hello and gate, then serves until the connection ends. */
  async function greet(channel: Channel, socket: TLSSocket): Promise<void> {
    channel.limit('the hello', limits.handshakeMs);
    const peer = await peerOf(socket);
    receive(socket, (chunk) => channel.take(chunk));
    const hello = new Uint8Array(HELLO_LENGTH);
    await channel.read(hello);
    checkHello(hello, options, socket, 'client');
    if (options.admits?.(peer) === false) {
      throw new StoreError('UNAUTHORIZED', 'this node does not take connections from yours');
    }
    makeRoomFor(peer);
    newcomers.delete(endOf(socket));
    const connection = connectionOf(channel, peer, guard);
    connections.add(connection);
    channel.tie(() => connections.delete(connection));
    await channel.write(createHello(options, socket, 'server'));
    await serveExchanges(connection);
  }

  function makeRoomFor(peer: NodeId): void {
    if (isClosing) throw new StoreError('CLOSED', 'this node is shutting down');
    const key = toHex(peer);
    const isSame = (connection: Connection): boolean => toHex(connection.peer) === key;
    const count = [...connections].filter(isSame).length;
    if (count < limits.connectionsPerPeer || evictIdle(isSame)) return;
    throw new StoreError('BUSY', `you have ${count} connections to this node already`);
  }

  async function serveExchanges(connection: Connection): Promise<void> {
    const { channel } = connection;
    const prefixBytes = new Uint8Array(REQUEST_PREFIX_LENGTH);
    while (!isClosing) {
      channel.limit('the next request', limits.idleMs);
      await channel.read(prefixBytes.subarray(0, 1));
      connection.idleSinceMs = undefined;
      connection.marks = [markOf(channel)];
      channel.limit('a request header', limits.headerMs);
      await channel.read(prefixBytes.subarray(1));
      const isReusable = await serveExchange(
        served,
        channel,
        connection.peer,
        decodeRequestPrefix(prefixBytes),
      );
      if (!isReusable) return;
      connection.idleSinceMs = performance.now();
      connection.marks = [];
      connections.delete(connection);
      if (channel.failure === undefined) connections.add(connection);
    }
    channel.finish();
  }

  const sweeper = setInterval(() => {
    const nowMs = performance.now();
    for (const channel of sweeping) channel.sweep(nowMs);
    for (const connection of connections) {
      const last = connection.marks.at(-1);
      if (last !== undefined && nowMs - last.atMs >= limits.graceMs)
        connection.marks = [last, markOf(connection.channel)];
    }
  }, limits.sweepMs);
  sweeper.unref();

  await listen(tlsServer, options.host, options.port);
  const bound = tlsServer.address() as { address: string; port: number };

  return {
    address: { host: bound.address, port: bound.port },
    get connections() {
      return connections.size;
    },
    serve: (service) => guard.serve(service),
    async close(graceMs = CLOSE_GRACE_MS) {
      isClosing = true;
      endLack();
      const closed = new Promise<void>((resolve) => tlsServer.close(() => resolve()));
      for (const socket of newcomers.values()) socket.destroy();
      while (evictIdle(() => true));
      const cut = setTimeout(() => {
        for (const channel of sweeping) channel.fail(new StoreError('CLOSED', 'this node is shutting down'));
      }, graceMs);
      await closed;
      clearTimeout(cut);
      clearInterval(sweeper);
    },
  };
}

function connectionOf(channel: Channel, peer: NodeId, guard: ServiceGuard): Connection {
  return {
    channel,
    peer,
    idleSinceMs: performance.now(),
    marks: [],
    get isMember() {
      return guard.isMember(peer);
    },
    get sinceMs() {
      return this.marks[0]?.atMs;
    },
    get moved() {
      return channel.moved - (this.marks[0]?.moved ?? 0);
    },
    get wait() {
      return channel.wait;
    },
  };
}

function markOf(channel: Channel): Mark {
  return { atMs: performance.now(), moved: channel.moved };
}

function endOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, host, port);
  } finally {
    server.off('error', reject);
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): StoreError {
  if (error.code === 'EADDRINUSE') {
    return new StoreError('PORT_IN_USE', `port ${port} of ${host} is in use`, {
      next: 'Stop the program that uses it, or give another port.',
      cause: error,
    });
  }
  const next = 'Give an address of this machine, or 0.0.0.0, and a port that this user may open.';
  return new StoreError('INVALID_ARGUMENT', `cannot listen on ${host} port ${port}: ${error.code}`, {
    next,
    cause: error,
  });
}
