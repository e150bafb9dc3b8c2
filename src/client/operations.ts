// The library over ports: every operation of `Store`, with time, chance, network and coding from outside, so that the
// whole client runs in a test or a simulator as it does for a user. `store.ts` brings the real ports.

import { toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NetworkId } from '../base/ids.ts';
import { guardedEvents } from './callbacks.ts';
import { createStoreCare } from './care/care.ts';
import type { TrustedBlock } from './chain/light-client.ts';
import { Contacts } from './contacts.ts';
import { type ClientPorts, type Context, DEFAULT_TIMING, type Timing } from './context.ts';
import { getObject } from './download.ts';
import { createMembership, type Membership } from './membership.ts';
import { createMemoryGate } from './memory.ts';
import { isNameUri } from './names/path.ts';
import { viewNetwork } from './network-view.ts';
import { createRegistrar } from './registrar.ts';
import { removeObject } from './remove.ts';
import { listenTo } from './source.ts';
import { statObject } from './stat.ts';
import { createStoreChain } from './store-chain.ts';
import { createStoreNames, namesOpener } from './store-names.ts';
import { failureOf, linkedAbort } from './tasks.ts';
import type { CallEvents, PutOptions, Store } from './types.ts';
import { putObject } from './upload.ts';
import { parseUri } from './uri.ts';

export interface StoreOverOptions {
  readonly networkId: NetworkId;
  /** What people call it. */
  readonly name?: string;
  readonly bootstrap: readonly string[];
  /** Folder of owner key, resume state and what is known of the network. */
  readonly home: string;
  /** Most bytes that segments in flight may hold; MEMORY_DEFAULT when absent. */
  readonly memoryBytes?: number;
  readonly timing?: Partial<Timing>;
  /** A block of the chain that is trusted, in place of the founding document. */
  readonly trust?: TrustedBlock;
  /** As in `StoreOptions`. */
  readonly onChainWait?: (reason: StoreError) => void;
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
  const contacts = new Contacts(context, options.bootstrap);
  // Whom to ask is learnt by asking who the members are.
  const ready = (signal: AbortSignal): Promise<unknown> => membership.current(signal);
  const chain = createStoreChain(context, contacts, { ...options, ready });
  const membership: Membership = createMembership(context, {
    contacts,
    chain,
    home: options.home,
    signal: life.signal,
  });
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
  const namesPorts = {
    context,
    membership,
    chain,
    open: namesOpener({ context, chain }),
    home: options.home,
    life: life.signal,
    follow,
  };
  const names = createStoreNames(namesPorts);
  const registrar = createRegistrar(namesPorts);
  const care = createStoreCare(namesPorts);
  return {
    put: (source, put = {}) => {
      listenTo(source);
      return during(put, async (signal) => {
        if (put.name !== undefined || put.condition !== undefined) {
          const result = await names.put(source, checkNamed(guardedEvents(put)), signal);
          follow(result.complete);
          return result;
        }
        const events = guardedEvents(put);
        const epoch = await membership.current(signal, events);
        const publication = registrar.publication(events);
        const stored = await putObject(
          context,
          epoch,
          options.home,
          source,
          events,
          life.signal,
          publication,
        );
        const registered = publication.registered();
        follow(stored.complete);
        follow(registered);
        return { ...stored, registered };
      });
    },
    get: (uri, get = {}) =>
      during(get, async (signal) => {
        if (isNameUri(uri)) return names.get(uri, guardedEvents(get), signal);
        const parsed = parseUri(uri, options.networkId);
        const events = guardedEvents(get);
        const epoch = await membership.current(signal, events);
        return getObject(context, epoch, parsed, events, life.signal);
      }),
    stat: (uri, stat = {}) =>
      during(stat, async (signal) => {
        if (isNameUri(uri)) return names.stat(uri, guardedEvents(stat), signal);
        const parsed = parseUri(uri, options.networkId);
        const events = guardedEvents(stat);
        return statObject(context, await membership.current(signal, events), parsed, events, signal);
      }),
    remove: (uri, remove = {}) =>
      during(remove, async (signal) => {
        if (isNameUri(uri)) return names.remove(uri, remove.condition, signal);
        if (remove.condition !== undefined) throw conditionWithoutName();
        const parsed = parseUri(uri, options.networkId);
        const events = guardedEvents(remove);
        const epoch = await membership.current(signal, events);
        return removeObject(context, epoch, parsed, events, signal, (object) =>
          registrar.forget(object, parsed.digest, events, signal),
        );
      }),
    finishRegistrations: (call = {}) =>
      during(call, (signal) => registrar.finish(guardedEvents(call), signal)),
    statName: (uri, call = {}) => during(call, (signal) => names.statName(uri, guardedEvents(call), signal)),
    list: (uri, list = {}) => during(list, (signal) => names.list(uri, guardedEvents(list), signal)),
    move: (from, to, move = {}) => during(move, (signal) => names.move(from, to, move, signal)),
    copy: (from, to, copy = {}) => during(copy, (signal) => names.copy(from, to, copy, signal)),
    buckets: {
      create: (name, bucket = {}) => during(bucket, (signal) => names.createBucket(name, bucket, signal)),
      list: (call = {}) => during(call, (signal) => names.listBuckets(guardedEvents(call), signal)),
      stat: (name, call = {}) =>
        during(call, (signal) => names.statBucket(name, guardedEvents(call), signal)),
      change: (name, bucket) => during(bucket, (signal) => names.changeBucket(name, bucket, signal)),
      delete: (name, call = {}) => during(call, (signal) => names.deleteBucket(name, signal)),
    },
    care: {
      health: (target, asked = {}) =>
        during(asked, (signal) => care.health(target, guardedEvents(asked), signal)),
      explain: (target, asked = {}) =>
        during(asked, (signal) => care.explain(target, guardedEvents(asked), signal)),
      plan: (node, asked = {}) => during(asked, (signal) => care.plan(node, guardedEvents(asked), signal)),
      drill: (node, asked = {}) => during(asked, (signal) => care.drill(node, guardedEvents(asked), signal)),
      prove: (target, call = {}) => during(call, (signal) => care.prove(target, guardedEvents(call), signal)),
      owned: (call = {}) => during(call, (signal) => care.owned(guardedEvents(call), signal)),
    },
    network: (view = {}) =>
      during(view, async (signal) => {
        const events = guardedEvents(view);
        const about = { network: toHex(options.networkId), name: options.name ?? '' };
        return viewNetwork(
          context,
          contacts,
          await membership.current(signal, events),
          about,
          events,
          signal,
        );
      }),
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

/** Throws INVALID_ARGUMENT for a condition on no name. */
function checkNamed(put: PutOptions): PutOptions {
  if (put.name !== undefined) return put;
  throw conditionWithoutName();
}

function conditionWithoutName(): StoreError {
  return new StoreError('INVALID_ARGUMENT', 'a condition is about a name, and none is given', {
    next: 'Name the object: store://bucket/key.',
  });
}
