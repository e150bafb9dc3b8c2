// How the nodes of the network can be reached: by their own signed words, which any node passes on. All of it is hints. A false answer is
// worth nothing, for whoever answers at an address proves who it is, and a stale one loses against any newer.
//
// What was said of nodes is taken up only once the chain has said who the members are, so that nobody can fill the memory with others.

import { toHex } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, listOf, text, uint } from '../base/codec.ts';
import { z } from 'zod';
import type { EpochRecord } from '../base/epoch.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import { type NetworkId, type NodeId, SIGNATURE_LENGTH } from '../base/ids.ts';
import { CONTACTS_ANSWERED_MAX, DHT_RECORD_LENGTH_MAX } from '../base/limits.ts';
import { checkRecord, compareAge, type NodeRecord, nodeKey } from '../dht/record.ts';
import { askMembers } from './calls.ts';
import type { Context } from './context.ts';
import { forEachAtMost, linkedAbort, throwIfAborted } from './tasks.ts';

/** Nodes asked at a time, and answers that are enough. */
const ASKED_AT_ONCE = 6;
const ANSWERS_ENOUGH = 3;
/** Of what was said while the chain could not say who the members are. */
const REPLIES_KEPT = 8;
/** Known members asked besides the bootstrap addresses. */
const MEMBERS_ASKED = 3;

export type Asker = Pick<Context, 'network' | 'clock' | 'timing' | 'verify' | 'networkId'>;

export interface Asked {
  /** Nodes that answered. */
  readonly count: number;
  /** Why the others did not, if they did not. */
  readonly error: StoreError | undefined;
}

interface KnownRecord {
  readonly record: NodeRecord;
  readonly bytes: Uint8Array;
}

export class Contacts {
  /** Addresses of some nodes. */
  readonly bootstrap: readonly string[];
  readonly #context: Asker;
  #records: ReadonlyMap<string, KnownRecord> = new Map();
  /** Nodes that answered in this run, the last one first. */
  #answered: readonly NodeId[] = [];
  /** What was said of nodes since members were last taken up. */
  #said: readonly (readonly Uint8Array[])[] = [];

  constructor(context: Asker, bootstrap: readonly string[]) {
    this.#context = context;
    this.bootstrap = bootstrap;
  }

  addressesOf(node: NodeId): NodeRecord['addresses'] | undefined {
    return this.#records.get(toHex(node))?.record.addresses;
  }

  /** Nodes that can be asked: those that have answered, then all members with a known address. */
  candidates(): readonly NodeId[] {
    const answered = new Set(this.#answered.map(toHex));
    const others = [...this.#records].filter(([key]) => !answered.has(key));
    return [...this.#answered, ...others.map(([, { record }]) => record.node)];
  }

  /** Asks several nodes who is where; after the first good answer the others get a moment. Throws ABORTED. */
  async ask(signal: AbortSignal): Promise<Asked> {
    const asked = new Set<string>();
    const search = linkedAbort(signal);
    const enough = (): void => search.abort(new StoreError('ABORTED', 'enough nodes answered'));
    let cancel = (): void => undefined;
    let count = 0;
    let error: StoreError | undefined;
    try {
      await forEachAtMost(this.#sources(), ASKED_AT_ONCE, async (source) => {
        if (search.signal.aborted) return;
        try {
          if (!(await this.#askOne(source, asked, search.signal))) return;
          count++;
          if (count === 1) cancel = this.#context.clock.timer(this.#context.timing.secondOpinionMs, enough);
          if (count >= ANSWERS_ENOUGH) enough();
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
    throwIfAborted(signal);
    return { count, error };
  }

  #sources(): readonly (string | NodeId)[] {
    const members = [...this.#records.values()].map(({ record }) => record.node);
    return [...this.bootstrap, ...members.slice(0, MEMBERS_ASKED)];
  }

  /** False when the node was asked already. */
  async #askOne(source: string | NodeId, asked: Set<string>, signal: AbortSignal): Promise<boolean> {
    const { network, clock, timing } = this.#context;
    const limit = linkedAbort(signal);
    const late = new StoreError('TIMEOUT', 'a node did not say in time where the others are');
    const cancel = clock.timer(timing.askTimeoutMs, () => limit.abort(late));
    try {
      const node = typeof source === 'string' ? await network.connect(source, limit.signal) : source;
      const key = toHex(node);
      if (asked.has(key)) return false;
      asked.add(key);
      const { nodeRecords } = await askMembers(this.#context, node, limit.signal);
      const others = this.#answered.filter((other) => toHex(other) !== key);
      this.#answered = [node, ...others].slice(0, CONTACTS_ANSWERED_MAX);
      this.#said = [...this.#said, nodeRecords].slice(-REPLIES_KEPT);
      return true;
    } catch (error) {
      throw limit.signal.aborted && !signal.aborted ? late : error;
    } finally {
      cancel();
      limit.release();
    }
  }

  // ---- Members -------------------------------------------------------------------------------------------------

  /** Takes up what was said of these members, and forgets all others. True when that changed anything. */
  keepMembers(members: EpochRecord['members']): boolean {
    const said = this.#said.flat();
    this.#said = [];
    return this.#take(members, said, this.#context.clock.now());
  }

  /** What was known of members at `savedAtMs`: an old address is a good guess. */
  restore(members: EpochRecord['members'], records: readonly Uint8Array[], savedAtMs: number): void {
    this.#take(members, records, savedAtMs);
  }

  /** Signed node records of members, for the next run. */
  records(): readonly Uint8Array[] {
    return [...this.#records.values()].map(({ bytes }) => bytes);
  }

  #take(members: EpochRecord['members'], offers: readonly Uint8Array[], nowMs: number): boolean {
    const names = new Set(members.map((member) => toHex(member.node)));
    const records = new Map([...this.#records].filter(([key]) => names.has(key)));
    let hasChanged = records.size < this.#records.size;
    for (const bytes of offers) {
      const offered = nodeRecordOf(this.#context, bytes, names, nowMs);
      if (offered === undefined) continue;
      const key = toHex(offered.node);
      const old = records.get(key);
      if (old !== undefined && compareAge(offered, old.record, bytes, old.bytes) <= 0) continue;
      records.set(key, { record: offered, bytes });
      this.#context.network.setAddresses(offered.node, offered.addresses);
      hasChanged = true;
    }
    this.#records = records;
    return hasChanged;
  }
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
