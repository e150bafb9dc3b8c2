// Who belongs to the network, as the chain says it: the epoch record is made from proven state, so the only thing trusted is the network
// id. The newest one ever seen is kept in the home together with addresses: the client never goes back, starts without any
// bootstrap node once it has been connected, and goes on with what it knows while the chain cannot be asked.

import { dirname } from 'node:path';
import { z } from 'zod';
import { toHex } from '../base/bytes.ts';
import { bytesUpTo, decodeCanonical, encode, listOf, uint } from '../base/codec.ts';
import { decodeEpochRecord, encodeEpochRecord, type EpochRecord } from '../base/epoch.ts';
import { type ErrorCode, StoreError } from '../base/errors.ts';
import { DHT_RECORD_LENGTH_MAX, EPOCH_RECORD_LENGTH_MAX, MEMBERS_MAX } from '../base/limits.ts';
import { MEMBERS_REPLY_LENGTH_MAX } from '../replication/messages.ts';
import { atomicWrite, type Files, readWhole, systemFiles } from '../runtime/files.ts';
import { TrustLost } from './chain/trust-lost.ts';
import type { Asked, Asker, Contacts } from './contacts.ts';
import { makeHome, membersPath } from './home.ts';
import { throwIfAborted, untilAborted } from './tasks.ts';
import type { CallEvents } from './types.ts';

export interface Membership {
  /**
   * The newest epoch record; asks the network when what is known is old, and says in a notice when it went on with that. Throws
   * UNREACHABLE, WRONG_NETWORK, ABORTED, PROTOCOL, and what `LightClient` throws when its trust is lost.
   */
  current(signal: AbortSignal, events?: CallEvents): Promise<EpochRecord>;
}

/** The chain, as far as membership asks it. */
export interface EpochSource {
  /** The record of the newest epoch that can be proven; `known` itself when it is still that one. */
  newestEpoch(known: EpochRecord | undefined, signal: AbortSignal): Promise<EpochRecord>;
}

export interface MembershipOptions {
  readonly contacts: Contacts;
  readonly chain: EpochSource;
  /** Folder that keeps what was learnt; undefined keeps nothing. */
  readonly home: string | undefined;
  /** Ends what is asked of the network; callers share the answers, so no single one of them may. */
  readonly signal: AbortSignal;
  readonly files?: Files;
}

/** The chain cannot be asked now; what was known of it holds. */
const SILENCE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNREACHABLE',
  'TIMEOUT',
  'BUSY',
  'NOT_FOUND',
  'PROTOCOL',
]);

export function createMembership(context: Asker, options: MembershipOptions): Membership {
  const { contacts, chain } = options;
  let known: EpochRecord | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  /** Why what is known is not known to be the newest. */
  let doubt: StoreError | undefined;
  let running: Promise<void> | undefined;

  /** The newest record that the chain proves, with the addresses of its members. */
  const learn = async (asked: Asked, signal: AbortSignal): Promise<EpochRecord> => {
    let record = await chain.newestEpoch(known, signal);
    contacts.keepMembers(record.members);
    if (asked.count > 1) return record;
    // A single voice may be stale: the members that it names are asked, too.
    await contacts.ask(signal);
    record = await chain.newestEpoch(record, signal);
    contacts.keepMembers(record.members);
    return record;
  };

  const refresh = async (signal: AbortSignal): Promise<void> => {
    known ??= await load(context, options);
    const before = known;
    const asked = await contacts.ask(signal);
    doubt = asked.count > 0 ? undefined : noAnswer(asked.error, contacts.bootstrap);
    try {
      if (doubt !== undefined) throw doubt;
      known = await learn(asked, signal);
      askedAtMs = context.clock.monotonic();
    } catch (error) {
      throwIfAborted(signal);
      const isSilence =
        error instanceof StoreError && SILENCE.has(error.code) && !(error instanceof TrustLost);
      if (known === undefined || !isSilence) throw error;
      // It is asked for again by the next call.
      doubt = error;
      contacts.keepMembers(known.members);
    }
    // A home that cannot be written makes the next start slower, not this call fail.
    if (known !== before || doubt === undefined) await save(context, options, known).catch(() => undefined);
  };

  return {
    current: async (signal, events) => {
      throwIfAborted(signal);
      const isFresh = context.clock.monotonic() - askedAtMs < context.timing.refreshMs;
      if (known === undefined || !isFresh) {
        running ??= refresh(options.signal).finally(() => {
          running = undefined;
        });
        await untilAborted(running, signal);
      }
      if (doubt !== undefined) {
        const message = `who belongs to the network could not be asked (${doubt.message}): going on with epoch ${known!.epoch}`;
        events?.onNotice?.({ kind: 'epoch-unproven', message });
      }
      return known!;
    },
  };
}

function noAnswer(error: StoreError | undefined, bootstrap: readonly string[]): StoreError {
  if (error !== undefined && error.code !== 'UNREACHABLE' && error.code !== 'TIMEOUT') return error;
  const where = bootstrap.length === 0 ? 'no bootstrap address is known' : `asked ${bootstrap.join(', ')}`;
  return new StoreError('UNREACHABLE', `no node of the network answered (${where})`, {
    cause: error,
    next: 'Check that the nodes run and that the addresses in network.json are theirs.',
  });
}

// ---- What is kept between runs -------------------------------------------------------------------------------

/** [kind, when it was saved, epoch record, node records] */
const savedSchema = z.tuple([
  z.literal('holdfast-members'),
  uint(),
  bytesUpTo(EPOCH_RECORD_LENGTH_MAX),
  listOf(bytesUpTo(DHT_RECORD_LENGTH_MAX), MEMBERS_MAX),
]);
const SAVED_LENGTH_MAX: number = EPOCH_RECORD_LENGTH_MAX + MEMBERS_REPLY_LENGTH_MAX + 1024;

async function load(
  context: Asker,
  { contacts, home, files }: MembershipOptions,
): Promise<EpochRecord | undefined> {
  if (home === undefined) return undefined;
  const path = membersPath(home, toHex(context.networkId));
  try {
    const bytes = await readWhole(path, SAVED_LENGTH_MAX, files ?? systemFiles);
    if (bytes === undefined) return undefined;
    const [, savedAtMs, epoch, records] = decodeCanonical(savedSchema, bytes, SAVED_LENGTH_MAX, path);
    const record = decodeEpochRecord(epoch, context.networkId);
    contacts.restore(record.members, records, savedAtMs);
    return record;
  } catch (error) {
    // It is only a memory: the network says it again.
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

async function save(
  context: Asker,
  { contacts, home, files }: MembershipOptions,
  record: EpochRecord,
): Promise<void> {
  if (home === undefined) return;
  const disk = files ?? systemFiles;
  const path = membersPath(home, toHex(context.networkId));
  await makeHome(home);
  await disk.makeDirectory(dirname(path));
  const saved = ['holdfast-members', context.clock.now(), encodeEpochRecord(record), contacts.records()];
  await atomicWrite(path, encode(saved), disk);
}
