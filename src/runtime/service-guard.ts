// What stands between a lane and the services behind it, the same for the bulk and the control lane: which services
// there are, their size bounds, how much one peer may ask at a time and per second, and how many bytes all exchanges
// together may hold.
//
// A lane calls, for each request and in this order: `enter` when the lengths are known and nothing is allocated yet,
// `ticket.admit` when it has the header, `ticket.reserve` before it allocates a body, `ticket.handle` when it has the
// body, `ticket.reserve` again for the reply's body, `ticket.release` when the exchange is over, whatever its end.
// A StoreError out of any of them is answered to the peer as a refusal (`refusal.ts`). Reading, writing, connections
// and their time limits are the lane's.
//
// Uploads and replies have a budget each, so that nobody who does not read keeps others from writing, and the last third
// of each is the members': identities cost nothing, but a member is known. Before there is no room, every lane is asked to
// end an exchange that holds its memory for too long.
//
// Invariants: of each use, what tickets reserved <= bodyBudget and what one peer reserved <= its share; a slot is given
// back only when the service's code has really ended, so one that ignores its signal cannot be multiplied.

import { toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import {
  BODY_BUDGET,
  BODY_MEMBERS_DIVISOR,
  BODY_SHARE_DIVISOR,
  GUARDED_PEERS_MAX,
  HEADER_LENGTH_MAX,
  PIECE_LENGTH_MAX,
  SERVICE_NAME_LENGTH_MAX,
} from '../base/limits.ts';
import type { ServedReply, Service } from '../base/ports.ts';

export interface ServiceGuard {
  /** Offers `service`; each name once. Throws INVALID_ARGUMENT. */
  serve(service: Service): void;
  /** Throws UNSUPPORTED (no such service), PROTOCOL (longer than the service takes) or BUSY (a bound is reached). */
  enter(from: NodeId, serviceName: string, headerLength: number, bodyLength: number): Ticket;
  /** Known and accountable, so it does not give way to others. Nobody, where no members are known. */
  isMember(node: NodeId): boolean;
  /** Has `makeRoom` asked when memory of a use is lacking: it ends one exchange, or says that it has none to end. */
  onLack(makeRoom: (use: BodyUse) => boolean): () => void;
  /** Bytes reserved now, by all tickets. */
  readonly heldBytes: number;
  /** Tickets whose exchange or service code has not ended. */
  readonly active: number;
}

/** What memory is for: the body of a request, or that of its reply. */
export type BodyUse = 'upload' | 'reply';

/** One request's permission to be served. */
export interface Ticket {
  readonly service: Service;
  /** The service's own check of the header, if it has one. Throws its refusal, TIMEOUT, or ABORTED when `signal` fires. */
  admit(header: Uint8Array, bodyLength: number, signal: AbortSignal): Promise<void>;
  /** Counts `length` more bytes against the budget of their use, if need be after others gave way. Throws BUSY. */
  reserve(length: number, use: BodyUse): Promise<void>;
  /** Runs the handler. Throws its refusal, TIMEOUT, or ABORTED when `signal` fires. */
  handle(header: Uint8Array, body: Uint8Array, signal: AbortSignal): Promise<ServedReply>;
  /** Gives slot and bytes back; a second call does nothing. */
  release(): void;
  /** Calls `run` when exchange and service code have both ended: what they used is then free. */
  whenOver(run: () => void): void;
}

export interface ServiceGuardOptions {
  /** Of uploads, and as much again of replies. */
  readonly bodyBudget?: number;
  /** For whom the last third of each budget is kept; nothing is, when absent. */
  readonly isMember?: (node: NodeId) => boolean;
  readonly peersMax?: number;
  /** Milliseconds that never go back. */
  readonly monotonic?: () => number;
}

/** What one peer has under way. */
interface PeerUse {
  readonly held: Record<BodyUse, number>;
  active: number;
  lastSeen: number;
  readonly turns: Map<string, Turns>;
}

/** A peer's use of one service: requests under way, and a bucket refilled at the service's rate. */
interface Turns {
  active: number;
  tokens: number;
  refilledAt: number;
}

/** A bucket holds this many seconds of its rate. */
const BURST_SECONDS = 2;
const SERVICE_NAME = /^[a-z0-9][a-z0-9-]*$/;

/** True for what may stand as a service's name: lower case letters, digits and dashes, at most SERVICE_NAME_LENGTH_MAX. */
export function isServiceName(name: string): boolean {
  return name.length <= SERVICE_NAME_LENGTH_MAX && SERVICE_NAME.test(name);
}

/** A guard with no service yet. One guard may stand behind several lanes, which then share its bounds. */
export function createServiceGuard(options: ServiceGuardOptions = {}): ServiceGuard {
  const budget = options.bodyBudget ?? BODY_BUDGET;
  const peersMax = options.peersMax ?? GUARDED_PEERS_MAX;
  const monotonic = options.monotonic ?? (() => performance.now());
  const isMember = options.isMember ?? (() => false);
  const share = Math.min(budget, Math.max(Math.floor(budget / BODY_SHARE_DIVISOR), PIECE_LENGTH_MAX));
  const membersRoom = options.isMember === undefined ? 0 : Math.floor(budget / BODY_MEMBERS_DIVISOR);
  const services = new Map<string, Service>();
  const peers = new Map<string, PeerUse>();
  const total = { held: { upload: 0, reply: 0 }, active: 0 };
  const lanes = new Set<(use: BodyUse) => boolean>();

  function enter(from: NodeId, serviceName: string, headerLength: number, bodyLength: number): Ticket {
    const service = services.get(serviceName);
    if (service === undefined) {
      const name = isServiceName(serviceName) ? `service ${serviceName}` : 'service of that name';
      throw new StoreError('UNSUPPORTED', `this node has no ${name}`);
    }
    checkLength(service, 'header', headerLength, Math.min(service.maxHeaderLength, HEADER_LENGTH_MAX));
    checkLength(service, 'body', bodyLength, service.maxBodyLength);
    const now = monotonic();
    const peer = useOf(toHex(from), now);
    const turns = takeTurn(peer, service, now);
    peer.active += 1;
    total.active += 1;
    return createTicket(from, service, peer, turns);
  }

  function useOf(key: string, now: number): PeerUse {
    const known = peers.get(key);
    if (known !== undefined) {
      known.lastSeen = now;
      return known;
    }
    if (peers.size >= peersMax) forgetIdlePeers(now);
    if (peers.size >= peersMax) throw new StoreError('BUSY', 'too many peers are asking at once');
    const fresh: PeerUse = { held: { upload: 0, reply: 0 }, active: 0, lastSeen: now, turns: new Map() };
    peers.set(key, fresh);
    return fresh;
  }

  /** A bucket that was left alone for the length of its burst is full again, so forgetting it changes nothing. */
  function forgetIdlePeers(now: number): void {
    for (const [key, use] of peers) {
      if (use.active === 0 && now - use.lastSeen >= BURST_SECONDS * 1000) peers.delete(key);
    }
  }

  function createTicket(from: NodeId, service: Service, peer: PeerUse, turns: Turns): Ticket {
    const reserved: Record<BodyUse, number> = { upload: 0, reply: 0 };
    let holders = 1; // the exchange, and the service's code while it runs
    let isReleased = false;
    const last: (() => void)[] = [];

    function letGo(): void {
      holders -= 1;
      if (holders > 0) return;
      for (const use of ['upload', 'reply'] as const) {
        total.held[use] -= reserved[use];
        peer.held[use] -= reserved[use];
      }
      for (const count of [total, peer, turns]) count.active -= 1;
      for (const run of last) run();
    }

    /** Runs the service's code under its time limit; the slot stays taken until that code has ended. */
    async function run<T>(work: (signal: AbortSignal) => Promise<T>, caller: AbortSignal): Promise<T> {
      holders += 1;
      const stop = new AbortController();
      // A microtask later, so that a service that throws at once looks like one that rejects.
      const running = Promise.resolve(stop.signal).then(work).finally(letGo);
      return await within(running, service, caller, stop);
    }

    /** What stands in the way: the peer has its share already, or others hold the rest. */
    function lack(length: number, use: BodyUse): 'share' | 'room' | undefined {
      if (length === 0) return undefined;
      if (peer.held[use] + length > share) return 'share';
      const held = total.held[use] + length;
      return held <= budget - membersRoom || (held <= budget && isMember(from)) ? undefined : 'room';
    }

    return {
      service,
      async admit(header, bodyLength, signal) {
        if (service.admit !== undefined) await run(() => service.admit!(from, header, bodyLength), signal);
      },
      async reserve(length, use) {
        while (lack(length, use) === 'room' && [...lanes].some((makeRoom) => makeRoom(use))) {
          // Who gave way has let go of its memory one turn later.
          await new Promise((resolve) => setImmediate(resolve));
        }
        const missing = lack(length, use);
        if (missing !== undefined) {
          const whose = missing === 'share' ? 'of your share' : 'of this node';
          throw new StoreError('BUSY', `${service.name}: the memory ${whose} has no ${length} bytes left`);
        }
        for (const held of [reserved, total.held, peer.held]) held[use] += length;
      },
      async handle(header, body, signal) {
        return await run((stopped) => service.handle(from, header, body, stopped), signal);
      },
      release() {
        if (isReleased) return;
        isReleased = true;
        letGo();
      },
      whenOver(run) {
        last.push(run);
      },
    };
  }

  return {
    serve(service) {
      if (!isServiceName(service.name) || services.has(service.name)) {
        throw new StoreError('INVALID_ARGUMENT', `service name ${service.name} is taken or malformed`);
      }
      services.set(service.name, service);
    },
    enter,
    isMember,
    onLack(makeRoom) {
      lanes.add(makeRoom);
      return () => lanes.delete(makeRoom);
    },
    get heldBytes() {
      return total.held.upload + total.held.reply;
    },
    get active() {
      return total.active;
    },
  };
}

function checkLength(service: Service, part: string, length: number, maxLength: number): void {
  if (length <= maxLength) return;
  throw new StoreError(
    'PROTOCOL',
    `${service.name}: ${part} of ${length} bytes, at most ${maxLength} are taken`,
  );
}

/** Takes one slot and one token of the peer, or throws BUSY and takes neither. */
function takeTurn(peer: PeerUse, service: Service, now: number): Turns {
  const capacity = Math.max(1, service.maxPerSecondPerPeer * BURST_SECONDS);
  let turns = peer.turns.get(service.name);
  if (turns === undefined) {
    turns = { active: 0, tokens: capacity, refilledAt: now };
    peer.turns.set(service.name, turns);
  }
  const refill = ((now - turns.refilledAt) / 1000) * service.maxPerSecondPerPeer;
  turns.tokens = Math.min(capacity, turns.tokens + refill);
  turns.refilledAt = now;
  if (turns.active >= service.maxConcurrentPerPeer) {
    throw new StoreError('BUSY', `${service.name}: ${turns.active} requests of yours are already under way`);
  }
  if (turns.tokens < 1) {
    throw new StoreError(
      'BUSY',
      `${service.name}: more than ${service.maxPerSecondPerPeer} requests per second`,
    );
  }
  turns.tokens -= 1;
  turns.active += 1;
  return turns;
}

/** `running`, unless the service's time or the caller's signal ends first: then its code is told to stop. */
async function within<T>(
  running: Promise<T>,
  service: Service,
  caller: AbortSignal,
  stop: AbortController,
): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const end = (code: 'ABORTED' | 'TIMEOUT', reason: string): void => {
    const error = new StoreError(code, `${service.name}: ${reason}`);
    ended.reject(error);
    stop.abort(error);
  };
  const onAbort = (): void => end('ABORTED', 'the caller went away');
  if (caller.aborted) onAbort();
  caller.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => end('TIMEOUT', `took over ${service.timeoutMs} ms`), service.timeoutMs);
  timer.unref();
  try {
    return await Promise.race([running, ended.promise]);
  } finally {
    clearTimeout(timer);
    caller.removeEventListener('abort', onAbort);
  }
}
