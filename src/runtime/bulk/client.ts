// The calling end of the bulk lane: calls to many peers, over a few reused connections to each. It needs no libp2p.
//
// A call on a reused connection that the peer closed before it said anything is tried once more on a fresh one: the
// peer had given the connection up as idle while the request was on its way. Nothing else is ever repeated here.

import { short, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  BULK_CONNECTIONS_MAX,
  BULK_CONNECTIONS_PER_PEER,
  BULK_IDLE_MS,
  CONNECT_TIMEOUT_MS,
  EXCHANGE_TIMEOUT_MS,
} from '../../base/limits.ts';
import type { CallOptions, Reply, Request, Signer } from '../../base/ports.ts';
import type { Channel } from './channel.ts';
import { dial } from './dial.ts';
import { exchange } from './exchange.ts';
import type { NetworkAccess } from './hello.ts';
import { type Link, Pool } from './pool.ts';

export interface BulkClientOptions extends NetworkAccess {
  readonly signer: Signer;
  readonly limits?: Partial<BulkClientLimits>;
}

export interface BulkClientLimits {
  readonly connectionsPerPeer: number;
  readonly connectionsMax: number;
  readonly connectMs: number;
  readonly idleMs: number;
}

export interface BulkClient {
  /** `endpoints` are tried in order when a connection must be opened. Throws as `Network.call` says. */
  call(
    peer: NodeId,
    endpoints: readonly string[],
    service: string,
    request: Request,
    options?: CallOptions,
  ): Promise<Reply>;
  /** Connects to whoever is at `endpoint` and returns the id it proved; calls to that id use the connection. */
  connect(endpoint: string, signal?: AbortSignal): Promise<NodeId>;
  readonly connections: number;
  /** Ends all calls with CLOSED. */
  close(): Promise<void>;
}

const LIMITS: BulkClientLimits = {
  connectionsPerPeer: BULK_CONNECTIONS_PER_PEER,
  connectionsMax: BULK_CONNECTIONS_MAX,
  connectMs: CONNECT_TIMEOUT_MS,
  // Sooner than a server gives an idle connection up, so that requests and goodbyes rarely cross.
  idleMs: BULK_IDLE_MS / 2,
};

export function createBulkClient(options: BulkClientOptions): BulkClient {
  const limits: BulkClientLimits = { ...LIMITS, ...options.limits };
  const pools = new Map<string, { readonly pool: Pool; endpoints: readonly string[] }>();
  let isClosed = false;

  const sweeper = setInterval(
    () => {
      for (const [key, { pool }] of pools) {
        pool.closeIdle(performance.now() - limits.idleMs);
        if (pool.isUnused) pools.delete(key);
      }
    },
    Math.min(1000, limits.idleMs),
  );
  sweeper.unref();

  function poolOf(peer: NodeId, endpoints: readonly string[]): Pool {
    const key = toHex(peer);
    const known = pools.get(key);
    if (known !== undefined) {
      known.endpoints = endpoints;
      return known.pool;
    }
    const open = (signal: AbortSignal): Promise<Channel> =>
      openAny(peer, pools.get(key)?.endpoints ?? [], signal);
    const pool = new Pool({ connectionsMax: limits.connectionsPerPeer, open });
    pools.set(key, { pool, endpoints });
    return pool;
  }

  /** The first endpoint that answers as `peer`. The last one's error, when none does. */
  async function openAny(peer: NodeId, endpoints: readonly string[], signal: AbortSignal): Promise<Channel> {
    let failure: unknown = new StoreError('UNREACHABLE', 'no address of its bulk lane is known');
    for (const endpoint of endpoints) {
      try {
        const { channel } = await open(endpoint, peer, signal);
        return channel;
      } catch (error) {
        if (signal.aborted) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async function open(
    endpoint: string,
    expected: NodeId | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ channel: Channel; peer: NodeId }> {
    if (countConnections() > limits.connectionsMax && !closeSomeIdle()) {
      throw new StoreError('BUSY', `this process has ${limits.connectionsMax} connections at work`);
    }
    return await withDeadline('connecting', limits.connectMs, signal, (stop) =>
      dial(endpoint, { access: options, signer: options.signer, expected, signal: stop }),
    );
  }

  function countConnections(): number {
    return [...pools.values()].reduce((sum, { pool }) => sum + pool.size, 0);
  }

  function closeSomeIdle(): boolean {
    return [...pools.values()].some(({ pool }) => pool.closeIdle(Number.POSITIVE_INFINITY) > 0);
  }

  async function callOnce(
    pool: Pool,
    link: Link,
    peer: NodeId,
    service: string,
    request: Request,
    callOptions: CallOptions,
    stop: AbortSignal,
  ): Promise<Reply> {
    const onAbort = (): void => link.channel.fail(stop.reason as StoreError);
    stop.addEventListener('abort', onAbort, { once: true });
    try {
      const answer = await exchange(link.channel, peer, service, request, callOptions);
      if (answer.kind === 'refusal') throw answer.refusal;
      return answer.reply;
    } finally {
      stop.removeEventListener('abort', onAbort);
      pool.give(link);
    }
  }

  async function callTwice(
    pool: Pool,
    peer: NodeId,
    service: string,
    request: Request,
    callOptions: CallOptions,
    stop: AbortSignal,
  ): Promise<Reply> {
    const link = await pool.take(stop);
    const receivedBefore = link.channel.received;
    const wasReused = link.uses > 0;
    const progress = countOnce(callOptions);
    try {
      return await callOnce(pool, link, peer, service, request, progress(), stop);
    } catch (error) {
      const isStale = wasReused && link.channel.received === receivedBefore && link.channel.failure === error;
      if (!isStale || (error as StoreError).code !== 'UNREACHABLE') throw error;
    }
    // Its other idle connections are as old.
    pool.closeIdle(Number.POSITIVE_INFINITY);
    return await callOnce(pool, await pool.take(stop), peer, service, request, progress(), stop);
  }

  return {
    async call(peer, endpoints, service, request, callOptions = {}) {
      if (isClosed) throw new StoreError('CLOSED', 'the network is shut down');
      const timeoutMs = callOptions.timeoutMs ?? EXCHANGE_TIMEOUT_MS;
      const pool = poolOf(peer, endpoints);
      try {
        return await withDeadline('the call', timeoutMs, callOptions.signal, (stop) =>
          callTwice(pool, peer, service, request, callOptions, stop),
        );
      } catch (error) {
        throw named(error, service, `node ${short(peer)}`);
      }
    },
    async connect(endpoint, signal) {
      if (isClosed) throw new StoreError('CLOSED', 'the network is shut down');
      const { channel, peer } = await open(endpoint, undefined, signal);
      poolOf(peer, [endpoint]).adopt(channel);
      return peer;
    },
    get connections() {
      return countConnections();
    },
    async close() {
      isClosed = true;
      clearInterval(sweeper);
      for (const { pool } of pools.values())
        pool.close(new StoreError('CLOSED', 'the network was shut down'));
      pools.clear();
    },
  };
}

/** Runs `work` with a signal whose reason is a StoreError: TIMEOUT when the time is over, ABORTED when `signal` fires. */
async function withDeadline<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const onAbort = (): void => {
    stop.abort(new StoreError('ABORTED', `${what} was aborted`, { cause: signal?.reason }));
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => {
    stop.abort(new StoreError('TIMEOUT', `${what} took over ${timeoutMs} ms`));
  }, timeoutMs);
  timer.unref();
  try {
    return await work(stop.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Options for each attempt at one call, whose `onBytes` does not count again what an earlier attempt told. */
function countOnce(options: CallOptions): () => CallOptions {
  const { onBytes } = options;
  if (onBytes === undefined) return () => options;
  let told = 0;
  return () => {
    let moved = 0;
    return {
      ...options,
      onBytes: (count) => {
        moved += count;
        if (moved <= told) return;
        onBytes(moved - told);
        told = moved;
      },
    };
  };
}

/** The same failure, saying which service of which node. */
function named(error: unknown, service: string, node: string): StoreError {
  const known = toStoreError(error, 'INTERNAL', 'a defect of the bulk lane');
  const context = known.message.includes(node) ? service : `${service} at ${node}`;
  const next = known.next === undefined ? {} : { next: known.next };
  return new StoreError(known.code, `${context}: ${known.message}`, { ...next, cause: error });
}
