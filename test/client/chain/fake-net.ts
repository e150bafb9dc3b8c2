// Nodes that answer in memory: each service of each node is a function, calls and bytes are counted, and what is not served is refused.

import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { CallOptions, Clock, Reply, Request } from '../../../src/base/ports.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { CHAIN_SERVICES, decodeHeight } from '../../../src/shards/chain-messages.ts';
import { encodeFounding, type FoundingDocument } from '../../../src/shards/founding.ts';
import { encodeLightBlock, type LightBlock } from '../../../src/shards/light-block.ts';
import { digestFrom } from '../../helpers/records.ts';
import { foundingOf } from './founding-kit.ts';

export type Handler = (header: Uint8Array, body: Uint8Array) => Uint8Array | Promise<Uint8Array>;
export type Services = Record<string, Handler>;

export const nodeNamed = (name: string): NodeId => digestFrom<NodeId>(`node ${name}`);

export class FakeNet {
  readonly #nodes = new Map<string, Services>();
  calls = 0;
  bytes = 0;
  /** Calls by node name and service. */
  readonly log: string[] = [];
  readonly #names = new Map<string, string>();

  /** Replaces what the node served. */
  serve(name: string, services: Services, node: NodeId = nodeNamed(name)): NodeId {
    this.#nodes.set(toHex(node), services);
    this.#names.set(toHex(node), name);
    return node;
  }

  remove(name: string, node: NodeId = nodeNamed(name)): void {
    this.#nodes.delete(toHex(node));
  }

  call = async (
    node: NodeId,
    service: string,
    request: Request,
    options: CallOptions = {},
  ): Promise<Reply> => {
    if (options.signal?.aborted === true) throw new StoreError('ABORTED', 'aborted');
    this.calls++;
    this.log.push(`${this.#names.get(toHex(node)) ?? '?'} ${service}`);
    const services = this.#nodes.get(toHex(node));
    if (services === undefined) throw new StoreError('UNREACHABLE', 'nobody is there');
    const handler = services[service];
    if (handler === undefined) throw new StoreError('UNSUPPORTED', `no service ${service}`);
    const body = await handler(request.header, request.body?.[0] ?? new Uint8Array(0));
    if (body.length > (options.maxBodyLength ?? 0)) throw new StoreError('PROTOCOL', 'longer than asked for');
    this.bytes += body.length + request.header.length;
    return { header: new Uint8Array(0), body: body.slice() };
  };
}

/** A node that shows the headers of a chain up to `head`, and what the network was founded on. */
export function headerServices(
  chain: { light(height: number): LightBlock },
  head: () => number,
  oldest: () => number = () => 1,
  founding: FoundingDocument = foundingOf(),
): Services {
  return {
    [CHAIN_SERVICES.founding]: () => encodeFounding(founding),
    [CHAIN_SERVICES.head]: () => encodeLightBlock(chain.light(head())),
    [CHAIN_SERVICES.light]: (header) => {
      const height = decodeHeight(header, 'test');
      if (height > head() || height < oldest())
        throw new StoreError('NOT_FOUND', `height ${height} is not here`);
      return encodeLightBlock(chain.light(height));
    },
    [CHAIN_SERVICES.prove]: () => {
      throw new StoreError('NOT_FOUND', 'no state is kept here');
    },
  };
}

/** Time by the test, waits by the machine, shortened. */
export function testClock(now: () => number, monotonic: () => number = () => systemClock.monotonic()): Clock {
  return {
    ...systemClock,
    now,
    monotonic,
    sleep: (delayMs, signal) => systemClock.sleep(Math.min(delayMs, 5), signal),
  };
}
