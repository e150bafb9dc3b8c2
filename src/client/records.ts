// Manifests and their pages: small records kept as whole copies by the members ranked highest for their digest.
// A reader asks in the same order and goes on to everybody, so a record is found as long as one member has it.

import { equal, short, toHex } from '../base/bytes.ts';
import { cidOfDigest, cidToText } from '../base/cid.ts';
import type { EpochRecord, Member } from '../base/epoch.ts';
import { type ErrorCode, StoreError, toStoreError } from '../base/errors.ts';
import type { Digest, NodeId, ObjectId, OwnerId, Signature } from '../base/ids.ts';
import type { Signer } from '../base/ports.ts';
import { type Code, defaultCode, manifestCopies, recordQuorum } from '../replication/code.ts';
import { confirmedRecord, verifyConfirmation } from '../replication/confirmation.ts';
import { rank } from '../replication/placement.ts';
import { signPut, TICKET_LIFETIME_MS } from '../replication/ticket.ts';
import { fetchRecord, sendRecord } from './calls.ts';
import type { Context } from './context.ts';
import { type Health, isPassing, strikesAfter } from './health.ts';
import { recordHints } from './record-hints.ts';
import { type Missing, scatter } from './scatter.ts';
import { deferred, linkedAbort, throwIfAborted } from './tasks.ts';
import type { NoticeEvent } from './types.ts';

/** Members asked for a record at the same time. */
const ASKED_AT_ONCE = 4;

/** An object being written: who writes it, and its name. */
export interface ObjectIdentity {
  readonly owner: Signer;
  readonly salt: Uint8Array;
  readonly object: ObjectId;
  /** Nodes that something was sent to: who to tell when the put fails. */
  readonly sentTo: Set<NodeId>;
}

/**
 * Members in the order in which a record is stored and looked for: by rank, the best of every operator first, because
 * copies with one operator are lost together.
 */
export function recordOrder(epoch: EpochRecord, digest: Digest): readonly Member[] {
  const ranked = rank(epoch.members, 'manifest', digest);
  const operators = new Set<string>();
  const first = ranked.filter((member) => {
    const isFirst = !operators.has(member.operator);
    operators.add(member.operator);
    return isFirst;
  });
  const chosen = new Set(first);
  return [...first, ...ranked.filter((member) => !chosen.has(member))];
}

export interface StoredRecord {
  readonly digest: Digest;
  readonly lengthBytes: number;
  /** Of the copies that are durable now. */
  readonly confirmations: readonly (readonly [node: NodeId, signature: Signature])[];
  /** When every copy is stored or given up: how many are. */
  readonly finished: Promise<number>;
}

/** Resolves when enough copies are durable. Throws NOT_ENOUGH_CONFIRMATIONS, ABORTED. */
export async function storeRecord(
  context: Context,
  epoch: EpochRecord,
  identity: ObjectIdentity,
  code: Code,
  record: Uint8Array,
  health: Health,
  signal: AbortSignal,
  notice: (event: NoticeEvent) => void,
): Promise<StoredRecord> {
  const digest = context.sha256(record) as Digest;
  const order = recordOrder(epoch, digest);
  const copies = Math.min(manifestCopies(code), order.length);
  const { acknowledged, finished } = scatter(context, {
    targets: order.slice(0, copies),
    spares: order.slice(copies),
    quorum: Math.min(copies, recordQuorum(code)),
    allowSameOperator: true,
    what: `manifest ${short(digest)}`,
    health,
    signal,
    send: (_item, node, options) => sendCopy(context, identity, digest, record, node, options),
  });
  const { holders, confirmations } = await acknowledged;
  void finished.then(({ missing }) => {
    for (const copy of missing) notice(missingCopy(copy));
  });
  return {
    digest,
    lengthBytes: record.length,
    confirmations: confirmations.map(({ pieceIndex, signature }) => [holders[pieceIndex]!, signature]),
    finished: finished.then((all) => all.confirmations.length),
  };
}

function missingCopy({ node, error }: Missing): NoticeEvent {
  const message = `a copy of the manifest is missing at node ${short(node)}: ${error.message}`;
  return { kind: 'piece-missing', node: toHex(node), message };
}

async function sendCopy(
  context: Context,
  identity: ObjectIdentity,
  digest: Digest,
  record: Uint8Array,
  node: NodeId,
  options: { readonly signal: AbortSignal; readonly onBytes: (count: number) => void },
): Promise<Signature> {
  const { owner, salt, object } = identity;
  identity.sentTo.add(node);
  const network = context.networkId;
  const lengthBytes = record.length;
  const expiresAtMs = context.clock.now() + TICKET_LIFETIME_MS;
  const claim = { network, node, object, place: undefined, content: digest, lengthBytes, expiresAtMs };
  const signature = await sendRecord(
    context,
    node,
    {
      owner: owner.publicKey as OwnerId,
      objectSalt: salt,
      digest,
      lengthBytes,
      expiresAtMs,
      ticket: signPut(claim, owner),
    },
    record,
    options,
  );
  const confirmed = confirmedRecord(network, object, digest, lengthBytes);
  if (!verifyConfirmation(confirmed, node, signature, context.verify)) {
    throw new StoreError('INVALID_SIGNATURE', `node ${short(node)} confirmed with a wrong signature`);
  }
  return signature;
}

/** What a member said of a record, and how often it failed in passing. */
interface Said {
  readonly member: Member;
  readonly code: ErrorCode;
  readonly strikes: number | undefined;
}

/**
 * The record with this digest from whoever has it; members that fail in passing are asked again a few times. Throws NOT_FOUND
 * (those who should have it do not), INTEGRITY (only wrong bytes were offered), UNREACHABLE (too few answered to
 * tell), ABORTED; each says how many answered. `isAnnounced`: holders may have told the DHT of it, as they do of the
 * manifest of a public object.
 */
export async function findRecord(
  context: Context,
  epoch: EpochRecord,
  digest: Digest,
  health: Health,
  signal: AbortSignal,
  notice: (event: NoticeEvent) => void,
  options: { readonly isAnnounced?: boolean } = {},
): Promise<Uint8Array> {
  let order = byStanding(recordOrder(epoch, digest), health);
  const queue = [...order];
  const hints = options.isAnnounced === true ? recordHints(context, epoch, digest, health, queue) : undefined;
  const said = new Map<Member, Said>();
  const ask = async (member: Member, search: AbortSignal): Promise<Uint8Array | undefined> => {
    const { node } = member;
    const sinceMs = context.clock.monotonic();
    const answered = (code: ErrorCode): void => {
      const strikes = strikesAfter(said.get(member)?.strikes ?? 0, code);
      said.set(member, { member, code, strikes });
    };
    try {
      const bytes = await fetchRecord(context, node, digest, search);
      if (equal(context.sha256(bytes), digest)) return bytes;
      health.lied(node);
      answered('INTEGRITY');
      const message = `node ${short(node)} sent wrong bytes for a manifest`;
      notice({ kind: 'piece-wrong', node: toHex(node), message });
    } catch (error) {
      if (search.aborted) return undefined;
      const { code } = toStoreError(error, 'INTERNAL', 'record');
      if (code === 'UNREACHABLE' || code === 'TIMEOUT') health.failed(node, code, sinceMs);
      answered(code);
      if (code === 'NOT_FOUND') hints?.absent(node, search);
    }
    return undefined;
  };
  for (let waitMs = context.timing.retryMs; ; waitMs *= 2) {
    const found = await firstAnswer(context, queue, signal, ask);
    if (found !== undefined) return found;
    throwIfAborted(signal);
    order = order.filter((member) => said.get(member)?.strikes !== undefined);
    queue.push(...order);
    if (order.length === 0) throw notFound(epoch, digest, [...said.values()]);
    await context.clock.sleep(waitMs, signal);
  }
}

/**
 * The first answer that `ask` accepts, or undefined when it accepts none. A few members are asked at once, the next one when
 * one fails, and one more whenever nothing happened for a while: silent members hold nobody up. Empties `members` from the
 * front; their order may change meanwhile.
 */
async function firstAnswer<T>(
  { clock, timing }: Context,
  members: Member[],
  signal: AbortSignal,
  ask: (member: Member, signal: AbortSignal) => Promise<T | undefined>,
): Promise<T | undefined> {
  const search = linkedAbort(signal);
  const result = deferred<T | undefined>();
  let running = 0;
  let cancel = (): void => undefined;
  const start = (): void => {
    const member = search.signal.aborted ? undefined : members.shift();
    if (member === undefined) {
      if (running === 0) result.resolve(undefined);
      return;
    }
    running++;
    void ask(member, search.signal)
      .then((answer) => {
        running--;
        if (answer === undefined) start();
        else result.resolve(answer);
      })
      .catch((error: unknown) => result.reject(error));
  };
  const patience = (): void => {
    if (members.length > 0) start();
    cancel = clock.timer(timing.hedgeFirstMs, patience);
  };
  for (let count = Math.max(1, Math.min(ASKED_AT_ONCE, members.length)); count > 0; count--) start();
  cancel = clock.timer(timing.hedgeFirstMs, patience);
  try {
    return await result.promise;
  } finally {
    cancel();
    search.abort(new StoreError('ABORTED', 'another node was faster'));
    search.release();
  }
}

function byStanding(order: readonly Member[], health: Health): Member[] {
  const weight = { good: 0, barred: 1, liar: 2 };
  return [...order].sort((a, b) => weight[health.standing(a.node)] - weight[health.standing(b.node)]);
}

function notFound(epoch: EpochRecord, digest: Digest, said: readonly Said[]): StoreError {
  const members = epoch.members.length;
  const cid = cidToText(cidOfDigest(digest));
  const silent = new Set(said.filter(({ code }) => isPassing(code)).map(({ member }) => member));
  const answered = `${members - silent.size} of ${members} nodes answered`;
  if (silent.size === members) {
    return new StoreError('UNREACHABLE', `manifest ${cid}: none of the ${members} nodes answered`, {
      next: 'Look at the network with "store network", then try again.',
    });
  }
  if (said.some(({ code }) => code === 'INTEGRITY')) {
    return new StoreError('INTEGRITY', `manifest ${cid}: only wrong bytes were offered; ${answered}`, {
      next: 'Try again when more nodes are reachable.',
    });
  }
  if (mayBeWith(silent, recordOrder(epoch, digest))) {
    return new StoreError('UNREACHABLE', `manifest ${cid}: only ${answered}, and none of them has it`, {
      next: 'Try again when more nodes are reachable.',
    });
  }
  return new StoreError('NOT_FOUND', `manifest ${cid}: nobody has it; ${answered}`, {
    next:
      silent.size === 0
        ? 'Check the URI; the object may have been removed.'
        : 'Check the URI, and try again when more nodes are reachable.',
  });
}

/**
 * True when a record may exist although nobody who answered has it: a put wants a majority of the first members in order
 * to keep it, so at least a minority of these must have answered to know better.
 */
function mayBeWith(silent: ReadonlySet<Member>, order: readonly Member[]): boolean {
  const operators = new Set(order.map(({ operator }) => operator)).size;
  const copies = Math.min(order.length, manifestCopies(defaultCode(operators)));
  const silentCopies = order.slice(0, copies).filter((member) => silent.has(member)).length;
  return silentCopies > Math.floor(copies / 2);
}
