// The library over ports: every operation of `Store`, with time, chance, network and coding from outside, so that the
// whole client runs in a test or a simulator as it does for a user. `store.ts` brings the real ports.

import { toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NetworkId } from '../base/ids.ts';
import { guardedEvents } from './callbacks.ts';
import type { TrustedBlock } from './chain/light-client.ts';
import { type ClientPorts, type Context, DEFAULT_TIMING, type Timing } from './context.ts';
import { getObject } from './download.ts';
import { createMembership } from './membership.ts';
import { createMemoryGate } from './memory.ts';
import { viewNetwork } from './network-view.ts';
import { removeObject } from './remove.ts';
import { listenTo } from './source.ts';
import { statObject } from './stat.ts';
import { createStoreChain } from './store-chain.ts';
import { failureOf, linkedAbort } from './tasks.ts';
import type { CallEvents, Store } from './types.ts';
import { putObject } from './upload.ts';
import { parseUri } from './uri.ts';

export interface StoreOverOptions {
  readonly networkId: NetworkId;
  readonly bootstrap: readonly string[];
  /** Folder of owner key, resume state and what is known of the network. */
  readonly home: string;
  /** Most bytes that segments in flight may hold; MEMORY_DEFAULT when absent. */
  readonly memoryBytes?: number;
  readonly timing?: Partial<Timing>;
  /** A block of the chain that is trusted, in place of the founding document. */
  readonly trust?: TrustedBlock;
  /** Closes the store. */
  readonly signal?: AbortSignal;
  /** What else to close with the store: network, coder. */
  readonly onClose?: () => Promise<void>;
}

/** One default segment at 3 of 7 on its way out, or two on their way in: with the runtime's 130 MB a client stays near 200. */
const MEMORY_DEFAULT: number = 64 * 1024 * 1024;

export function createStoreOver(ports: ClientPorts, options: StoreOverOptions): Store {
  const life = linkedAbort(options.signal);
  const context: Context = {
    ...ports,
    networkId: options.networkId,
    timing: { ...DEFAULT_TIMING, ...options.timing },
    memory: createMemoryGate(options.memoryBytes ?? MEMORY_DEFAULT),
  };
  const membership = createMembership(context, {
    bootstrap: options.bootstrap,
    home: options.home,
    signal: life.signal,
  });
  const chain = createStoreChain(context, membership, options);
  const running = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  /** Runs `work` under the signals of the store and of the call; `close` waits for it. */
  const during = async <T>(
    call: CallEvents | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    if (life.signal.aborted) throw new StoreError('CLOSED', 'the store is closed');
    const abort = linkedAbort(life.signal, call?.signal);
    const result = work(abort.signal);
    running.add(result);
    try {
      return await result;
    } catch (error) {
      throw failureOf(error, abort.signal, 'store');
    } finally {
      running.delete(result);
      abort.release();
    }
  };
  const follow = (work: Promise<unknown>): void => {
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  return {
    put: (source, put = {}) => {
      listenTo(source);
      return during(put, async (signal) => {
        const epoch = await membership.current(signal);
        const result = await putObject(context, epoch, options.home, source, guardedEvents(put), life.signal);
        follow(result.complete);
        return result;
      });
    },
    get: (uri, get = {}) =>
      during(get, async (signal) => {
        const parsed = parseUri(uri, options.networkId);
        const epoch = await membership.current(signal);
        return getObject(context, epoch, parsed, guardedEvents(get), life.signal);
      }),
    stat: (uri, stat = {}) =>
      during(stat, async (signal) => {
        const parsed = parseUri(uri, options.networkId);
        return statObject(context, await membership.current(signal), parsed, guardedEvents(stat), signal);
      }),
    remove: (uri, remove = {}) =>
      during(remove, async (signal) => {
        const parsed = parseUri(uri, options.networkId);
        return removeObject(context, await membership.current(signal), parsed, guardedEvents(remove), signal);
      }),
    network: (view = {}) =>
      during(view, async (signal) =>
        viewNetwork(
          context,
          membership,
          await membership.current(signal),
          toHex(options.networkId),
          guardedEvents(view),
          signal,
        ),
      ),
    chain: (call = {}) => during(call, (signal) => chain.open(signal)),
    close: () => {
      closing ??= (async () => {
        life.abort(new StoreError('CLOSED', 'the store is closed'));
        await Promise.allSettled(running);
        await chain.close();
        life.release();
        await options.onClose?.();
      })();
      return closing;
    },
  };
}
