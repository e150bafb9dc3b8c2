// Objects without a name come onto the chain too: what the chain does not name is audited and repaired by nobody, and collected in time. A put is
// acknowledged when its bytes are durable, and says that it is done when the chain has the object; until then a note in the home says what is left to do.
//
// A chain that cannot be reached, or stands still, keeps nobody from storing: the put succeeds and says so, and the next command goes on.

import { equal, short, toHex } from '../base/bytes.ts';
import { cidOfDigest, cidToText } from '../base/cid.ts';
import { type ErrorCode, StoreError, toStoreError } from '../base/errors.ts';
import type { Digest, ObjectId, OwnerId } from '../base/ids.ts';
import type { SegmentRecord } from '../replication/manifest.ts';
import { objectOf } from '../shards/object-record.ts';
import type { Context } from './context.ts';
import { createHealth } from './health.ts';
import type { NamesContext } from './names/context.ts';
import { deleteObject } from './names/object-names.ts';
import { registerObject, type UploadedObject } from './names/registration.ts';
import type { StoreNamesPorts } from './name-release.ts';
import { openObject } from './object-reader.ts';
import { noteObject } from './owned-objects.ts';
import { registerWithinMs } from './register-within.ts';
import {
  dropRegistration,
  keepRegistration,
  type PendingRegistration,
  pendingRegistrations,
} from './registrations.ts';
import { failureOf, linkedAbort, throwIfAborted } from './tasks.ts';
import type { CallEvents, NoticeEvent, RegistrationTally } from './types.ts';
import type { Publication } from './uploaded.ts';
import type { ObjectUri } from './uri.ts';

/** Of a put without a name. `publish` resolves when the note is durable, and throws nothing. */
export interface PlainPublication extends Publication {
  /** Settles when the chain has the object, or it was put off. Never rejects. */
  registered(): Promise<boolean>;
}

export interface Registrar {
  publication(events: CallEvents): PlainPublication;
  /** Goes on with what earlier puts of this home left. Throws ABORTED and nothing else. */
  finish(events: CallEvents, signal: AbortSignal): Promise<RegistrationTally>;
  /**
   * The chain forgets the object, and nothing is left to do for it; resolves at once for one that it does not know. Throws UNREACHABLE, ABORTED, and
   * what writing throws.
   */
  forget(object: ObjectId, manifest: Digest, events: CallEvents, signal: AbortSignal): Promise<void>;
}

/** The same object will never be taken: nothing is gained by trying again. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'REFUSED',
  'ALREADY_EXISTS',
  'INVALID_ARGUMENT',
  'UNAUTHORIZED',
]);

export function createRegistrar(ports: StoreNamesPorts): Registrar {
  return new HomeRegistrar(ports);
}

class HomeRegistrar implements Registrar {
  readonly #ports: StoreNamesPorts;
  /** Manifests in hex that are on their way. */
  readonly #running = new Set<string>();
  /** When one was put off last, by the monotonic clock. */
  readonly #putOffAtMs = new Map<string, number>();

  constructor(ports: StoreNamesPorts) {
    this.#ports = ports;
  }

  publication(events: CallEvents): PlainPublication {
    let registered: Promise<boolean> | undefined;
    return {
      // An upload that goes on under the id of one that came onto the chain would be refused there; when the chain cannot say, it goes on.
      isTaken: async (object, signal) => {
        try {
          return await this.#limited(
            signal,
            async (names, limit) => (await this.#find(names, object, limit)) !== undefined,
          );
        } catch (error) {
          if (signal.aborted) throw error;
          return false;
        }
      },
      publish: async (uploaded, _key, signal) => {
        const { context, home } = this.#ports;
        const owner = await context.owner.loadOrCreate();
        const createdAtMs = context.clock.now();
        const pending: PendingRegistration = {
          network: context.networkId,
          owner: owner.publicKey as OwnerId,
          manifest: uploaded.manifest,
          createdAtMs,
        };
        // Without the note the object is registered now or never, which is no reason to take it back.
        await keepRegistration(home, pending).catch((error: unknown) => tellDisk(events, error));
        registered = this.#register(pending, async () => uploaded, events, signal);
      },
      isUndone: () => false,
      registered: () => registered ?? Promise.resolve(false),
    };
  }

  async finish(events: CallEvents, signal: AbortSignal): Promise<RegistrationTally> {
    const { context, home } = this.#ports;
    const tally = { registered: 0, waiting: 0 };
    const all = await pendingRegistrations(home);
    if (all.length === 0) return tally;
    // A key that cannot be opened now is opened by a command that needs it.
    const owner = await context.owner.load().catch(() => undefined);
    for (const pending of all) {
      const isOurs = owner !== undefined && equal(owner.publicKey, pending.owner);
      if (!isOurs || !equal(pending.network, context.networkId)) continue;
      if (this.#running.has(toHex(pending.manifest.digest))) continue;
      // When the chain is not there for one, it is there for none.
      const isWorth = tally.waiting === 0 && !this.#isFresh(pending);
      const isRegistered = isWorth && (await this.#again(pending, events, signal));
      if (isRegistered) tally.registered++;
      else if (await this.#isPending(pending)) tally.waiting++;
    }
    return tally;
  }

  async forget(object: ObjectId, manifest: Digest, events: CallEvents, signal: AbortSignal): Promise<void> {
    const { context, home } = this.#ports;
    await this.#limited(signal, async (names, limit) => {
      const record = await this.#find(names, object, limit, events);
      if (record !== undefined) await deleteObject(names, object, { signal: limit });
    });
    await dropRegistration(home, manifest);
    await noteObject(home, context.networkId, object, true);
  }

  // ---- One object ----------------------------------------------------------------------------------------------

  async #again(pending: PendingRegistration, events: CallEvents, signal: AbortSignal): Promise<boolean> {
    const { context, home, membership } = this.#ports;
    const epoch = await membership.current(signal).catch(() => undefined);
    throwIfAborted(signal);
    // Nodes may be about to take away what the chain does not name: the holders' words are good no longer.
    if (context.clock.now() - pending.createdAtMs > registerWithinMs(epoch)) {
      await dropRegistration(home, pending.manifest.digest);
      events.onNotice?.({ kind: 'not-registered', message: tooLate(pending.manifest.digest) });
      return false;
    }
    return this.#register(pending, (limit) => this.#uploaded(pending, limit), events, signal);
  }

  /** Who has waited for the chain once does not wait as long again at once. */
  #isFresh({ manifest }: PendingRegistration): boolean {
    const { clock, timing } = this.#ports.context;
    const putOffAtMs = this.#putOffAtMs.get(toHex(manifest.digest)) ?? Number.NEGATIVE_INFINITY;
    return clock.monotonic() - putOffAtMs < timing.registerMs;
  }

  async #isPending({ manifest }: PendingRegistration): Promise<boolean> {
    const left = await pendingRegistrations(this.#ports.home);
    return left.some((each) => equal(each.manifest.digest, manifest.digest));
  }

  async #register(
    { manifest }: PendingRegistration,
    upload: (signal: AbortSignal) => Promise<UploadedObject>,
    events: CallEvents,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { context, home, life } = this.#ports;
    const key = toHex(manifest.digest);
    this.#running.add(key);
    try {
      const object = await this.#limited(signal, async (names, limit) => {
        const uploaded = await upload(limit);
        await registerObject(names, uploaded, { signal: limit });
        return uploaded.object;
      });
      await dropRegistration(home, manifest.digest);
      await noteObject(home, context.networkId, object);
      return true;
    } catch (error) {
      const failure = toStoreError(error, 'INTERNAL', 'register');
      const isGone = failure.code === 'NOT_FOUND';
      const isFinal = FINAL.has(failure.code);
      if (isFinal || isGone) await dropRegistration(home, manifest.digest);
      else this.#putOffAtMs.set(key, context.clock.monotonic());
      if (!life.aborted) events.onNotice?.(isGone ? goneNotice(manifest.digest) : noticeOf(failure, isFinal));
      return false;
    } finally {
      this.#running.delete(key);
    }
  }

  /** What the put knew, from its manifest. Throws what finding it throws. */
  async #uploaded({ manifest }: PendingRegistration, signal: AbortSignal): Promise<UploadedObject> {
    const { context, membership } = this.#ports;
    const epoch = await membership.current(signal);
    const health = createHealth(context.clock, context.timing);
    const reader = await openObject(context, epoch, uriOf(context, manifest.digest), health, signal);
    const { salt, lengthBytes, code, segmentCells, keyCheck, content } = reader.manifest;
    const segments = async function* (first: number): AsyncGenerator<SegmentRecord> {
      for (let index = first; index < reader.segmentCount; index++) yield await reader.segment(index, signal);
    };
    return {
      object: reader.object,
      salt,
      shape: {
        lengthBytes,
        code,
        segmentCells,
        isEncrypted: keyCheck !== undefined,
        isInline: content.kind === 'inline',
      },
      keyCheck: keyCheck ?? null,
      manifest,
      expiresAtMs: null,
      segments,
    };
  }

  async #find(
    { chain }: NamesContext,
    object: ObjectId,
    signal: AbortSignal,
    { onNotice }: CallEvents = {},
  ): Promise<object | undefined> {
    const onStale = ({ message }: StoreError): void =>
      onNotice?.({ kind: 'chain-behind', message: `what the chain says may be old: ${message}` });
    return (await chain.read((state) => objectOf(state, object), { signal, onStale })).value;
  }

  /** Ends after `registerMs`: a chain may stand still for ever. */
  async #limited<T>(
    signal: AbortSignal,
    work: (names: NamesContext, limit: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { context, life, open } = this.#ports;
    const limit = linkedAbort(life, signal);
    const { registerMs } = context.timing;
    const cancel = context.clock.timer(registerMs, () =>
      limit.abort(new StoreError('TIMEOUT', `the chain did nothing for ${Math.round(registerMs / 1000)} s`)),
    );
    try {
      return await work(await open(limit.signal), limit.signal);
    } catch (error) {
      throw failureOf(error, limit.signal, 'register');
    } finally {
      cancel();
      limit.release();
    }
  }
}

function uriOf({ networkId }: Context, digest: Digest): ObjectUri {
  return { cid: '', digest, network: short(networkId), key: undefined };
}

function noticeOf(failure: StoreError, isFinal: boolean): NoticeEvent {
  const what = isFinal
    ? 'the bytes are stored, but the chain refuses the object, so nobody will look after them: put them again'
    : 'the bytes are stored, but the object is not on the chain yet; the next command of this home goes on with that';
  return { kind: 'not-registered', message: `${what} (${failure.message})` };
}

function tooLate(manifest: Digest): string {
  return `object ${short(manifest)} was put too long ago and never came onto the chain: nodes take its bytes away, put them again`;
}

function goneNotice(manifest: Digest): NoticeEvent {
  const what = `object ${cidToText(cidOfDigest(manifest))} went before the chain had it, or was removed elsewhere`;
  return { kind: 'not-registered', message: `${what}: put it again if it is wanted` };
}

function tellDisk(events: CallEvents, error: unknown): void {
  const { message } = toStoreError(error, 'DISK', 'cannot note what is to be registered');
  events.onNotice?.({
    kind: 'not-registered',
    message: `if this ends before the chain has the object, it stays unknown there: ${message}`,
  });
}
