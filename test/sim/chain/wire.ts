// The network between simulated nodes: the Network and Gossip ports over frames that are delayed, lost, repeated and overtaken, one
// direction at a time. The bounds of a service hold as on the real lanes. A call that loses a frame ends in a broken stream or in its time
// limit; gossip is passed on by whoever accepted it, and reaches a node's handler once.

import { concat, toHex } from '../../../src/base/bytes.ts';
import { StoreError, toStoreError } from '../../../src/base/errors.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { EXCHANGE_TIMEOUT_MS } from '../../../src/base/limits.ts';
import type {
  CallOptions,
  Clock,
  Gossip,
  GossipVerdict,
  Network,
  Reply,
  Request,
} from '../../../src/base/ports.ts';
import { type MemoryServer, serveBounded } from '../../../src/runtime/memory-server.ts';
import { SimNetwork } from '../network.ts';
import type { SeededRandom } from '../random.ts';
import type { Life, World } from './machine.ts';

type Frame =
  | {
      readonly kind: 'call';
      readonly ticket: number;
      readonly service: string;
      readonly header: Uint8Array;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'reply'; readonly ticket: number; readonly reply: Reply }
  | { readonly kind: 'refusal'; readonly ticket: number; readonly error: StoreError }
  | { readonly kind: 'tell'; readonly service: string; readonly header: Uint8Array }
  | {
      readonly kind: 'gossip';
      readonly id: number;
      readonly topic: string;
      readonly author: NodeId;
      readonly message: Uint8Array;
    };

type GossipHandler = (from: NodeId, message: Uint8Array) => Promise<GossipVerdict>;

interface Asked {
  readonly to: number;
  end(reply: Reply | StoreError): void;
}

/** A process at its place of the network. */
interface Station extends MemoryServer {
  readonly life: Life;
  readonly clock: Clock;
  readonly topics: Map<string, GossipHandler>;
  readonly asked: Map<number, Asked>;
  /** Gossip that came, by its number. */
  readonly heard: Set<number>;
}

/** Of those that a node hears gossip from. */
const GOSSIP_FAN = 2;
const NOTHING: Uint8Array = new Uint8Array(0);

export type Sniffer = (from: NodeId, service: string, header: Uint8Array) => void;

export class Wire {
  readonly network: SimNetwork<Frame>;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #nodes: readonly NodeId[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #stations: (Station | undefined)[];
  readonly #sniff: Sniffer;
  #tickets = 0;
  #gossips = 0;

  /** `nodes`: who stands where. `sniff` sees each message between validators when it leaves. */
  constructor(world: World, nodes: readonly NodeId[], sniff: Sniffer) {
    this.#world = world;
    this.#random = world.random.fork('wire');
    this.#nodes = nodes;
    this.#places = new Map(nodes.map((node, place) => [toHex(node), place]));
    this.#stations = nodes.map(() => undefined);
    this.#sniff = sniff;
    this.network = new SimNetwork<Frame>(
      world.scheduler,
      world.random.fork('network'),
      world.tally,
      nodes.length,
      (from, to, frame) => this.#arrive(from, to, frame),
    );
  }

  /** For one life of a process; a new one at the same place takes over. */
  join(place: number, life: Life, clock: Clock): Network & Gossip {
    const calls = new Map<string, number>();
    const station: Station = {
      life,
      clock,
      services: new Map(),
      topics: new Map(),
      asked: new Map(),
      heard: new Set(),
      inFlight: new Map(),
      buckets: new Map(),
      calls,
    };
    this.#stations[place] = station;
    return {
      self: this.#nodes[place]!,
      setAddresses: () => undefined,
      call: (peer, service, request, options) => this.#call(place, station, peer, service, request, options),
      tell: async (peer, service, header) => {
        if (!life.goesOn()) return;
        this.#sniff(this.#nodes[place]!, service, header);
        this.network.send(place, this.#placeOf(peer), { kind: 'tell', service, header });
      },
      connect: async () => {
        throw new StoreError('UNREACHABLE', 'nobody is found by address here');
      },
      serve: (service) => void station.services.set(service.name, service),
      publish: async (topic, message) => {
        if (!life.goesOn()) return;
        const id = this.#gossips++;
        station.heard.add(id);
        const frame = { kind: 'gossip', id, topic, author: this.#nodes[place]!, message } as const;
        for (const to of this.#nodes.keys()) if (to !== place) this.network.send(place, to, frame);
      },
      subscribe: (topic, handle) => void station.topics.set(topic, handle),
      close: async () => {
        if (this.#stations[place] === station) this.#stations[place] = undefined;
      },
    };
  }

  /** What a process that is not ours says from a place. */
  inject(from: number, to: number, service: string, header: Uint8Array): void {
    this.network.send(from, to, { kind: 'tell', service, header });
  }

  leave(place: number): void {
    this.#stations[place] = undefined;
  }

  #placeOf(node: NodeId): number {
    const place = this.#places.get(toHex(node));
    if (place === undefined) throw new StoreError('UNREACHABLE', 'there is no such node');
    return place;
  }

  // ---- Calls ---------------------------------------------------------------------------------------------------

  async #call(
    place: number,
    station: Station,
    peer: NodeId,
    service: string,
    request: Request,
    options: CallOptions = {},
  ): Promise<Reply> {
    const { signal, timeoutMs = EXCHANGE_TIMEOUT_MS } = options;
    if (signal?.aborted === true) throw new StoreError('ABORTED', `${service}: aborted`);
    const to = this.#placeOf(peer);
    const ticket = this.#tickets++;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const end = (result: Reply | StoreError): void => {
      if (!station.asked.delete(ticket)) return;
      cancel();
      signal?.removeEventListener('abort', onAbort);
      if (result instanceof StoreError) reject(result);
      else resolve(result);
    };
    const onAbort = (): void => end(new StoreError('ABORTED', `${service}: aborted`));
    const late = new StoreError('TIMEOUT', `${service}: no answer within ${timeoutMs} ms`);
    const cancel = station.clock.timer(timeoutMs, () => end(late));
    signal?.addEventListener('abort', onAbort, { once: true });
    station.asked.set(ticket, { to, end });
    if (station.life.goesOn()) {
      const body = concat(...(request.body ?? []));
      this.#sniff(this.#nodes[place]!, service, request.header);
      this.#sendOrBreak(place, to, place, { kind: 'call', ticket, service, header: request.header, body });
    }
    const reply = await promise;
    return delivered(reply, options);
  }

  /** Half of what is lost breaks the stream, which the caller notices. */
  #sendOrBreak(from: number, to: number, caller: number, frame: Frame & { readonly ticket: number }): void {
    const { lossShare } = this.network.conditions;
    if (lossShare > 0 && this.#random.chance(lossShare / 2)) {
      const { ticket } = frame;
      const error = new StoreError('UNREACHABLE', 'the stream broke');
      const refusal: Frame = { kind: 'refusal', ticket, error };
      const other = caller === from ? to : from;
      this.#world.scheduler.after(20, { run: () => this.#arrive(other, caller, refusal) });
      return;
    }
    this.network.send(from, to, frame);
  }

  #arrive(from: number, to: number, frame: Frame): void {
    const station = this.#stations[to];
    if (station === undefined || station.life.isOver) {
      if (frame.kind !== 'call') return;
      const error = new StoreError('UNREACHABLE', 'nobody listens there');
      this.network.send(to, from, { kind: 'refusal', ticket: frame.ticket, error });
      return;
    }
    station.life.enter(() => {
      this.#world.trace.addTime(this.#world.scheduler.now);
      this.#world.trace.add((frame.kind.length << 16) | (from << 8) | to);
      this.#take(from, to, station, frame);
    });
  }

  #take(from: number, to: number, station: Station, frame: Frame): void {
    switch (frame.kind) {
      case 'call':
        void this.#serve(from, to, station, frame);
        return;
      case 'reply':
        station.asked.get(frame.ticket)?.end(frame.reply);
        return;
      case 'refusal':
        station.asked.get(frame.ticket)?.end(frame.error);
        return;
      case 'tell': {
        const { service, header } = frame;
        const signal = new AbortController().signal;
        const peer = this.#nodes[from]!;
        serveBounded(station.clock, peer, station, service, header.slice(), NOTHING, signal).catch(
          () => undefined,
        );
        return;
      }
      case 'gossip':
        void this.#hear(to, station, frame);
    }
  }

  async #serve(
    from: number,
    to: number,
    station: Station,
    { ticket, service, header, body }: Extract<Frame, { kind: 'call' }>,
  ): Promise<void> {
    let answer: Frame & { readonly ticket: number };
    const peer = this.#nodes[from]!;
    try {
      const { signal } = new AbortController();
      const args = [service, header.slice(), body.slice(), signal] as const;
      const served = await serveBounded(station.clock, peer, station, ...args);
      const reply = { header: served.header.slice(), body: concat(...(served.body ?? [])) };
      answer = { kind: 'reply', ticket, reply };
    } catch (error) {
      answer = { kind: 'refusal', ticket, error: toStoreError(error, 'INTERNAL', service) };
    }
    if (station.life.goesOn()) this.#sendOrBreak(to, from, from, answer);
  }

  // ---- Gossip --------------------------------------------------------------------------------------------------

  async #hear(place: number, station: Station, frame: Extract<Frame, { kind: 'gossip' }>): Promise<void> {
    if (station.heard.has(frame.id)) return;
    station.heard.add(frame.id);
    const handle = station.topics.get(frame.topic);
    if (handle === undefined) return;
    const verdict = await handle(frame.author, frame.message.slice()).catch(() => 'ignore' as const);
    if (verdict === 'reject') this.#world.tally.add(`gossip rejected: ${frame.topic}`);
    if (verdict !== 'accept' || !station.life.goesOn()) return;
    const others = [...this.#nodes.keys()].filter((other) => other !== place);
    for (const to of this.#random.sample(others, GOSSIP_FAN)) this.network.send(place, to, frame);
  }
}

function delivered(reply: Reply, { maxBodyLength = 0, into, onBytes }: CallOptions): Reply {
  if (reply.body.length > maxBodyLength)
    throw new StoreError('PROTOCOL', `a reply of ${reply.body.length} bytes`);
  onBytes?.(reply.body.length);
  if (into === undefined) return reply;
  const target = into(reply.body.length);
  target.set(reply.body);
  return { header: reply.header, body: target };
}
