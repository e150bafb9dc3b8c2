// The Network and Gossip ports in memory: whole networks of nodes in one process, with faults that a test switches
// on and off per node. Time comes from the Clock port and chance from a seed, so that a run on a simulated clock can be repeated.
//
// It keeps the promises of the real network: the bounds of a Service are enforced, bodies are copied, a peer without
// a known address cannot be reached, networks do not mix. It knows no wire format.

import { concat, short, toHex } from '../base/bytes.ts';
import { type ErrorCode, StoreError, toStoreError } from '../base/errors.ts';
import type { NetworkId, NodeId } from '../base/ids.ts';
import { EXCHANGE_TIMEOUT_MS, GOSSIP_MESSAGE_LENGTH_MAX, TELL_LENGTH_MAX } from '../base/limits.ts';
import type {
  CallOptions,
  Clock,
  Gossip,
  GossipVerdict,
  Network,
  NodeAddresses,
  Reply,
  Request,
} from '../base/ports.ts';
import { systemClock } from './clock.ts';
import { type MemoryServer, serveBounded } from './memory-server.ts';

/** What is wrong with one node. Assign to the fields at any time; they apply to calls that start afterwards. */
interface NodeFaults {
  /** Nobody reaches it, and it reaches nobody: UNREACHABLE. */
  isDead: boolean;
  /** Added to every call to it. */
  delayMs: number;
  /** Of a thousand calls to it, how many are never answered: TIMEOUT. */
  lossPerMille: number;
  /** Calls to it stop after the request was taken, before the reply: TIMEOUT. */
  isStalled: boolean;
  /** It refuses with this code; undefined lets the call through. */
  refuse: ((service: string, header: Uint8Array) => ErrorCode | undefined) | undefined;
  /** It lies: what it answers instead of the honest reply, of which it gets its own copy. */
  lie: ((service: string, reply: Reply) => Reply) | undefined;
}

export interface MemoryNode extends Network, Gossip {
  readonly faults: NodeFaults;
  readonly address: string;
  /** How often each service was called here, refusals by bounds included. */
  readonly callsServed: ReadonlyMap<string, number>;
}

export interface MemoryHub {
  /** A new node; `network` separates hubs of several networks, `address` is what `connect` takes. */
  join(self: NodeId, options?: { readonly network?: NetworkId; readonly address?: string }): MemoryNode;
  /** The node as it runs now, or undefined. */
  node(self: NodeId): MemoryNode | undefined;
}

export interface MemoryHubOptions {
  /** Real timers when absent. */
  readonly clock?: Clock;
  /** Seed of the losses. */
  readonly seed?: number;
}

interface Member extends MemoryNode, MemoryServer {
  readonly network: string;
  readonly topics: Map<string, (from: NodeId, message: Uint8Array) => Promise<GossipVerdict>>;
}

interface Hub {
  readonly clock: Clock;
  readonly members: Map<string, Member>;
  readonly chance: () => number;
}

export function createMemoryHub(options: MemoryHubOptions = {}): MemoryHub {
  const hub: Hub = {
    clock: options.clock ?? systemClock,
    members: new Map(),
    chance: mulberry(options.seed ?? 1),
  };
  return {
    join: (self, join = {}) => createMember(hub, self, join),
    node: (self) => hub.members.get(toHex(self)),
  };
}

function createMember(
  hub: Hub,
  self: NodeId,
  join: { readonly network?: NetworkId; readonly address?: string },
): Member {
  const known = new Set<string>();
  const calls = new Map<string, number>();
  let isClosed = false;
  const memberAt = (peer: NodeId): Member | undefined =>
    known.has(toHex(peer)) ? hub.members.get(toHex(peer)) : undefined;
  const member: Member = {
    self,
    network: join.network === undefined ? '' : toHex(join.network),
    address: join.address ?? `/memory/${toHex(self)}`,
    faults: {
      isDead: false,
      delayMs: 0,
      lossPerMille: 0,
      isStalled: false,
      refuse: undefined,
      lie: undefined,
    },
    services: new Map(),
    topics: new Map(),
    inFlight: new Map(),
    buckets: new Map(),
    calls,
    callsServed: calls,
    setAddresses: (peer: NodeId, addresses: NodeAddresses) => {
      const isKnown = addresses.bulk.length + addresses.control.length > 0;
      if (isKnown) known.add(toHex(peer));
      else known.delete(toHex(peer));
    },
    call: async (peer, service, request, options = {}) => {
      if (isClosed) throw new StoreError('CLOSED', 'the network is closed');
      const target = reach(hub, member, memberAt(peer), peer);
      return callWithin(hub, member, target, service, request, options);
    },
    tell: async (peer, service, header, signal) => {
      if (isClosed) throw new StoreError('CLOSED', 'the network is closed');
      if (signal?.aborted === true) throw new StoreError('ABORTED', `${service}: aborted`);
      if (header.length > TELL_LENGTH_MAX)
        throw new StoreError('INVALID_ARGUMENT', `${service}: request beyond every bound`);
      const target = reach(hub, member, memberAt(peer), peer);
      callWithin(hub, member, target, service, { header: header.slice() }, {}).catch(() => undefined);
    },
    connect: async (address, signal) => {
      if (signal?.aborted === true) throw new StoreError('ABORTED', `connecting to ${address}: aborted`);
      const target = [...hub.members.values()].find((other) => other.address === address);
      if (target === undefined) throw new StoreError('UNREACHABLE', `nobody listens at ${address}`);
      reach(hub, member, target, target.self);
      known.add(toHex(target.self));
      return target.self;
    },
    serve: (service) => {
      member.services.set(service.name, service);
    },
    publish: (topic, message) => publish(hub, member, topic, message),
    subscribe: (topic, handle) => {
      member.topics.set(topic, handle);
    },
    close: async () => {
      isClosed = true;
      if (hub.members.get(toHex(self)) === member) hub.members.delete(toHex(self));
    },
  };
  hub.members.set(toHex(self), member);
  return member;
}

/** The member behind `target`, or the reason why `from` cannot talk to it. */
function reach(hub: Hub, from: Member, target: Member | undefined, peer: NodeId): Member {
  if (target === undefined || target.faults.isDead || from.faults.isDead || !hub.members.has(toHex(peer))) {
    throw new StoreError('UNREACHABLE', `node ${short(peer)} cannot be reached`);
  }
  if (target.network !== from.network) {
    throw new StoreError('WRONG_NETWORK', `node ${short(peer)} belongs to another network`);
  }
  return target;
}

/** Runs one exchange under the caller's time limit and signal; whatever it does later is dropped. */
async function callWithin(
  hub: Hub,
  from: Member,
  target: Member,
  service: string,
  request: Request,
  options: CallOptions,
): Promise<Reply> {
  const context = `${service} at node ${short(target.self)}`;
  const stop = new AbortController();
  const timeoutMs = options.timeoutMs ?? EXCHANGE_TIMEOUT_MS;
  const cancel = hub.clock.timer(timeoutMs, () => {
    stop.abort(new StoreError('TIMEOUT', `${context}: no answer within ${timeoutMs} ms`));
  });
  const onAbort = (): void => stop.abort(new StoreError('ABORTED', `${context}: aborted`));
  if (options.signal?.aborted === true) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason as StoreError), { once: true });
    if (stop.signal.aborted) reject(stop.signal.reason as StoreError);
  });
  try {
    return await Promise.race([stopped, exchange(hub, from, target, service, request, options, stop.signal)]);
  } catch (error) {
    throw toStoreError(error, 'INTERNAL', context);
  } finally {
    cancel();
    options.signal?.removeEventListener('abort', onAbort);
    stop.abort(new StoreError('CLOSED', `${context}: over`));
  }
}

async function exchange(
  hub: Hub,
  from: Member,
  target: Member,
  name: string,
  request: Request,
  options: CallOptions,
  signal: AbortSignal,
): Promise<Reply> {
  const { faults } = target;
  signal.throwIfAborted();
  if (faults.delayMs > 0) await hub.clock.sleep(faults.delayMs, signal);
  if (hub.chance() * 1000 < faults.lossPerMille) return never();
  reach(hub, from, target, target.self);
  const body = concat(...(request.body ?? []));
  options.onBytes?.(body.length);
  const refusal = faults.refuse?.(name, request.header);
  if (refusal !== undefined) throw new StoreError(refusal, `${name} at node ${short(target.self)}: refused`);
  const served = await serveBounded(hub.clock, from.self, target, name, request.header.slice(), body, signal);
  if (faults.isStalled) return never();
  reach(hub, from, target, target.self);
  const honest: Reply = { header: served.header.slice(), body: concat(...(served.body ?? [])) };
  return deliver(faults.lie === undefined ? honest : faults.lie(name, honest), options);
}

function deliver(reply: Reply, options: CallOptions): Reply {
  if (reply.body.length > (options.maxBodyLength ?? 0)) {
    throw new StoreError('PROTOCOL', `reply of ${reply.body.length} bytes is longer than asked for`);
  }
  options.onBytes?.(reply.body.length);
  if (options.into === undefined) return reply;
  const target = options.into(reply.body.length);
  target.set(reply.body);
  return { header: reply.header, body: target };
}

async function publish(hub: Hub, from: Member, topic: string, message: Uint8Array): Promise<void> {
  if (message.length > GOSSIP_MESSAGE_LENGTH_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `gossip message of ${message.length} bytes is too long`);
  }
  for (const other of hub.members.values()) {
    const handle = other.topics.get(topic);
    if (other === from || handle === undefined || other.network !== from.network) continue;
    if (other.faults.isDead || from.faults.isDead) continue;
    handle(from.self, message.slice()).catch(() => 'ignore');
  }
}

function never(): Promise<never> {
  return new Promise<never>(() => undefined);
}

/** Seeded fractions in [0, 1): the mulberry32 generator. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
