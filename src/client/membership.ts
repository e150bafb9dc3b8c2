// Who belongs to the network, and how to reach them. The only thing trusted is the network id: epoch records are
// verified against it, node records against the key of their node, so a false answer is worth nothing and a stale one loses
// against any newer. The newest epoch ever seen is kept in the home together with all addresses: the client never goes
// back, and starts without any bootstrap node once it has been connected.

import { dirname } from 'node:path';
import { z } from 'zod';
import { toHex } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, encode, listOf, text, uint } from '../base/codec.ts';
import { decodeEpoch, encodeEpoch, type EpochRecord, type SignedEpoch } from '../base/epoch.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import { type NetworkId, type NodeId, SIGNATURE_LENGTH } from '../base/ids.ts';
import { DHT_RECORD_LENGTH_MAX, EPOCH_RECORD_LENGTH_MAX, MEMBERS_MAX } from '../base/limits.ts';
import { checkRecord, compareAge, type NodeRecord, nodeKey } from '../dht/record.ts';
import { type MembersReply, MEMBERS_REPLY_LENGTH_MAX } from '../replication/messages.ts';
import { atomicWrite, type Files, readWhole, systemFiles } from '../runtime/files.ts';
import { askMembers } from './calls.ts';
import type { Context } from './context.ts';
import { makeHome, membersPath } from './home.ts';
import { forEachAtMost, linkedAbort, throwIfAborted, untilAborted } from './tasks.ts';

export interface Membership {
  /** The newest epoch record; asks the network when what is known is old. Throws UNREACHABLE, WRONG_NETWORK, ABORTED. */
  current(signal: AbortSignal): Promise<EpochRecord>;
  /** Name that the network was founded under, and addresses of a member, as known now. */
  name(): string;
  addressesOf(node: NodeId): NodeRecord['addresses'] | undefined;
}

export interface MembershipOptions {
  /** Addresses of some nodes. */
  readonly bootstrap: readonly string[];
  /** Folder that keeps what was learnt; undefined keeps nothing. */
  readonly home: string | undefined;
  /** Ends what is asked of the network; callers share the answers, so no single one of them may. */
  readonly signal: AbortSignal;
  readonly files?: Files;
}

interface KnownRecord {
  readonly record: NodeRecord;
  readonly bytes: Uint8Array;
}

interface Known {
  readonly signed: SignedEpoch;
  readonly records: ReadonlyMap<string, KnownRecord>;
}

/** Nodes asked at a time, and answers that are enough. */
const ASKED_AT_ONCE = 6;
const ANSWERS_ENOUGH = 3;
/** Known members asked besides the bootstrap addresses. */
const MEMBERS_ASKED = 3;

type Asker = Pick<Context, 'network' | 'clock' | 'timing' | 'verify' | 'networkId'>;

export function createMembership(context: Asker, options: MembershipOptions): Membership {
  let known: Known | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;

  const refresh = async (signal: AbortSignal): Promise<void> => {
    known ??= await loadKnown(context, options);
    if (known !== undefined) teach(context, known);
    const found = await askNetwork(context, options.bootstrap, known, signal);
    const newest = merge(context, known, found.replies);
    if (newest === undefined) throw noAnswer(found.error, options.bootstrap);
    // Nobody answered, but the nodes may: what is known is used, and asked for again by the next call.
    if (found.replies.length > 0) askedAtMs = context.clock.monotonic();
    if (newest === known) return;
    known = newest;
    teach(context, known);
    // A home that cannot be written makes the next start slower, not this call fail.
    await saveKnown(context, options, known).catch(() => undefined);
  };
  return {
    current: async (signal) => {
      throwIfAborted(signal);
      const isFresh = context.clock.monotonic() - askedAtMs < context.timing.refreshMs;
      if (known === undefined || !isFresh) {
        running ??= refresh(options.signal).finally(() => {
          running = undefined;
        });
        await untilAborted(running, signal);
      }
      return known!.signed.record;
    },
    name: () => known?.signed.genesis.name ?? '',
    addressesOf: (node) => known?.records.get(toHex(node))?.record.addresses,
  };
}

interface Answers {
  readonly replies: readonly MembersReply[];
  readonly error: StoreError | undefined;
}

/** Replies with a sound epoch record. Several nodes are asked; after the first good reply the others get a moment. */
async function askNetwork(
  context: Asker,
  bootstrap: readonly string[],
  known: Known | undefined,
  signal: AbortSignal,
): Promise<Answers> {
  const replies: MembersReply[] = [];
  const asked = new Set<string>();
  let error: StoreError | undefined;
  const round = async (sources: readonly (string | NodeId)[]): Promise<void> => {
    const search = linkedAbort(signal);
    const enough = (): void => search.abort(new StoreError('ABORTED', 'enough nodes answered'));
    let cancel = (): void => undefined;
    try {
      await forEachAtMost(sources, ASKED_AT_ONCE, async (source) => {
        if (search.signal.aborted) return;
        try {
          const reply = await askOne(context, source, asked, search.signal);
          if (reply === undefined) return;
          replies.push(reply);
          if (replies.length === 1) cancel = context.clock.timer(context.timing.secondOpinionMs, enough);
          if (replies.length >= ANSWERS_ENOUGH) enough();
        } catch (caught) {
          if (search.signal.aborted) return;
          const failure = toStoreError(caught, 'INTERNAL', 'asking for the members');
          if (error === undefined || failure.code === 'WRONG_NETWORK') error = failure;
        }
      });
    } finally {
      cancel();
      search.release();
    }
  };
  await round([...bootstrap, ...someMembers(known, asked)]);
  throwIfAborted(signal);
  // A single voice may be stale: the members that it names are asked, too.
  if (replies.length === 1) {
    const named = merge(context, known, replies);
    if (named !== undefined) teach(context, named);
    await round(someMembers(named, asked));
  }
  throwIfAborted(signal);
  return { replies, error };
}

async function askOne(
  context: Asker,
  source: string | NodeId,
  asked: Set<string>,
  signal: AbortSignal,
): Promise<MembersReply | undefined> {
  const limit = linkedAbort(signal);
  const late = new StoreError('TIMEOUT', 'a node did not say in time who belongs to the network');
  const cancel = context.clock.timer(context.timing.askTimeoutMs, () => limit.abort(late));
  try {
    const node = typeof source === 'string' ? await context.network.connect(source, limit.signal) : source;
    if (asked.has(toHex(node))) return undefined;
    asked.add(toHex(node));
    const reply = await askMembers(context, node, limit.signal);
    decodeEpoch(reply.epoch, context.networkId, context.verify);
    return reply;
  } catch (error) {
    throw limit.signal.aborted && !signal.aborted ? late : error;
  } finally {
    cancel();
    limit.release();
  }
}

function someMembers(known: Known | undefined, asked: ReadonlySet<string>): NodeId[] {
  if (known === undefined) return [];
  const nodes = [...known.records].filter(([key]) => !asked.has(key)).map(([, { record }]) => record.node);
  return nodes.slice(0, MEMBERS_ASKED);
}

/** What is known after these replies; `known` itself when they say nothing new. */
function merge(
  context: Asker,
  known: Known | undefined,
  replies: readonly MembersReply[],
): Known | undefined {
  let signed = known?.signed;
  for (const reply of replies) {
    const offered = decodeEpoch(reply.epoch, context.networkId, context.verify);
    if (signed === undefined || offered.record.epoch > signed.record.epoch) signed = offered;
  }
  if (signed === undefined) return undefined;
  const members = new Set(signed.record.members.map((member) => toHex(member.node)));
  const records = new Map([...(known?.records ?? [])].filter(([key]) => members.has(key)));
  let hasChanged = signed !== known?.signed;
  for (const bytes of replies.flatMap((reply) => reply.nodeRecords)) {
    const offered = nodeRecordOf(context, bytes, members, context.clock.now());
    if (offered === undefined) continue;
    const key = toHex(offered.node);
    const old = records.get(key);
    if (old !== undefined && compareAge(offered, old.record, bytes, old.bytes) <= 0) continue;
    records.set(key, { record: offered, bytes });
    hasChanged = true;
  }
  return hasChanged ? { signed, records } : known;
}

const envelope = z.tuple([bytesUpTo(DHT_RECORD_LENGTH_MAX), bytesOf(SIGNATURE_LENGTH)]);
const addressList = listOf(text(DHT_RECORD_LENGTH_MAX), DHT_RECORD_LENGTH_MAX);
const nodeBody = z.tuple([
  digestOf<NetworkId>(),
  digestOf<NodeId>(),
  uint(),
  uint(),
  addressList,
  addressList,
]);

/** The record when it is sound and of a member, else undefined: one bad record must not spoil a reply. */
function nodeRecordOf(
  context: Asker,
  bytes: Uint8Array,
  members: ReadonlySet<string>,
  nowMs: number,
): NodeRecord | undefined {
  try {
    const [body] = decodeCanonical(envelope, bytes, DHT_RECORD_LENGTH_MAX, 'node record');
    const [, node] = decodeCanonical(nodeBody, body, DHT_RECORD_LENGTH_MAX, 'node record');
    const rules = {
      network: context.networkId,
      verify: context.verify,
      isMember: (id: NodeId) => members.has(toHex(id)),
    };
    const record = checkRecord(nodeKey(node), bytes, rules, nowMs);
    return record.kind === 'node' ? record : undefined;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

function teach(context: Asker, known: Known): void {
  for (const { record } of known.records.values())
    context.network.setAddresses(record.node, record.addresses);
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
const SAVED_LENGTH_MAX: number = MEMBERS_REPLY_LENGTH_MAX + 1024;

/** Records are judged by the time they were saved at: an old address is a good guess, for whoever answers proves who it is. */
async function loadKnown(context: Asker, { home, files }: MembershipOptions): Promise<Known | undefined> {
  if (home === undefined) return undefined;
  const path = membersPath(home, toHex(context.networkId));
  try {
    const bytes = await readWhole(path, SAVED_LENGTH_MAX, files ?? systemFiles);
    if (bytes === undefined) return undefined;
    const [, savedAtMs, epoch, saved] = decodeCanonical(savedSchema, bytes, SAVED_LENGTH_MAX, path);
    const signed = decodeEpoch(epoch, context.networkId, context.verify);
    const members = new Set(signed.record.members.map((member) => toHex(member.node)));
    const records = new Map<string, KnownRecord>();
    for (const record of saved) {
      const sound = nodeRecordOf(context, record, members, savedAtMs);
      if (sound !== undefined) records.set(toHex(sound.node), { record: sound, bytes: record });
    }
    return { signed, records };
  } catch (error) {
    // It is only a memory: the network says it again.
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

async function saveKnown(context: Asker, { home, files }: MembershipOptions, known: Known): Promise<void> {
  if (home === undefined) return;
  const disk = files ?? systemFiles;
  const path = membersPath(home, toHex(context.networkId));
  const records = [...known.records.values()].map(({ bytes }) => bytes);
  await makeHome(home);
  await disk.makeDirectory(dirname(path));
  await atomicWrite(
    path,
    encode(['holdfast-members', context.clock.now(), encodeEpoch(known.signed), records]),
    disk,
  );
}
