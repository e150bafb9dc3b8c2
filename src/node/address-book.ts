// Where the members of the network can be reached: their own signed words, newest first come. Kept on disk, so that a node
// that restarts finds the others again without asking anyone.
//
// Invariants: only members have an entry, one each; an entry is never replaced by an older one; what is passed on to others
// has not expired. An expired record still tells where to try first.

import { z } from 'zod';
import { concat, equal, toHex, toUtf8 } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, listOf, text, uint } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { type NetworkId, type NodeId, SIGNATURE_LENGTH } from '../base/ids.ts';
import { ADDRESS_LENGTH_MAX, ADDRESSES_MAX, DHT_RECORD_LENGTH_MAX, MEMBERS_MAX } from '../base/limits.ts';
import type { Clock, KeyValue, Network, Verify } from '../base/ports.ts';
import { checkRecord, compareAge, nodeKey, type NodeRecord } from '../dht/record.ts';
import type { Membership } from './membership.ts';

const PREFIX: Uint8Array = toUtf8('address/');
/** The byte after '/', so that every key of the prefix comes before it. */
const END: Uint8Array = toUtf8('address0');

export interface AddressBookPorts {
  readonly clock: Clock;
  readonly keyValue: KeyValue;
  readonly verify: Verify;
  readonly membership: Membership;
  readonly network: Pick<Network, 'self' | 'setAddresses'>;
}

export interface AddressBook {
  /**
   * Takes a member's record in; true when it is newer than what was known. Throws INVALID_ENCODING, WRONG_NETWORK, NOT_FOUND
   * (expired), UNAUTHORIZED (no member), INVALID_SIGNATURE.
   */
  learn(bytes: Uint8Array): Promise<boolean>;
  find(node: NodeId): NodeRecord | undefined;
  /**
   * Makes the signer of a sound record reachable although the record in force does not name it: it may know a newer one that does.
   * The returned function ends that, unless it is a member by then. Throws like `learn`, UNAUTHORIZED apart.
   */
  introduce(bytes: Uint8Array): () => void;
  /** Records that have not expired, as they were signed. */
  records(): readonly Uint8Array[];
  /** Forgets who is no longer a member. */
  prune(): Promise<void>;
}

interface Entry {
  readonly record: NodeRecord;
  readonly bytes: Uint8Array;
}

/** The book as it was left on disk. What is damaged or of no member any more is dropped: it is a hint. */
export async function openAddressBook(ports: AddressBookPorts): Promise<AddressBook> {
  const { clock, keyValue, membership, network } = ports;
  const entries = new Map<string, Entry>();
  /** By their last bytes, which are their signature: most of what peers pass on is known to the byte, and verifying it again is not free. */
  const entriesBySignature = new Map<string, Entry>();

  const isMember = (node: NodeId): boolean => membership.member(node) !== undefined;

  function check(bytes: Uint8Array, nowMs: number, isWelcome: (node: NodeId) => boolean): NodeRecord {
    const { node } = peekNodeRecord(bytes);
    const rules = { network: membership.network, verify: ports.verify, isMember: isWelcome };
    return checkRecord(nodeKey(node), bytes, rules, nowMs) as NodeRecord;
  }

  /** It was verified when it came first, and nothing it depends on has changed. */
  function isKnown(bytes: Uint8Array, nowMs: number): boolean {
    const known = entriesBySignature.get(signatureText(bytes));
    if (known === undefined || !equal(known.bytes, bytes)) return false;
    return known.record.expiresAtMs > nowMs && isMember(known.record.node);
  }

  function take(bytes: Uint8Array, nowMs: number): Entry | undefined {
    if (isKnown(bytes, nowMs)) return undefined;
    const record = check(bytes, nowMs, isMember);
    const { node } = record;
    const known = entries.get(toHex(node));
    if (known !== undefined && compareAge(known.record, record, known.bytes, bytes) >= 0) return undefined;
    const entry = { record, bytes: bytes.slice() };
    entries.set(toHex(node), entry);
    if (known !== undefined) entriesBySignature.delete(signatureText(known.bytes));
    entriesBySignature.set(signatureText(bytes), entry);
    if (toHex(node) !== toHex(network.self)) network.setAddresses(node, record.addresses);
    return entry;
  }

  for await (const [, bytes] of keyValue.range(PREFIX, END, MEMBERS_MAX)) {
    try {
      take(bytes, Math.min(clock.now(), peekNodeRecord(bytes).expiresAtMs - 1));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  return {
    async learn(bytes) {
      const entry = take(bytes, clock.now());
      if (entry === undefined) return false;
      // Not synced: a lost address is learned again.
      await keyValue.batch([{ kind: 'put', key: concat(PREFIX, entry.record.node), value: entry.bytes }]);
      return true;
    },
    find: (node) => entries.get(toHex(node))?.record,
    introduce(bytes) {
      const { node, addresses } = check(bytes, clock.now(), () => true);
      network.setAddresses(node, addresses);
      return () => {
        if (!isMember(node)) network.setAddresses(node, { control: [], bulk: [] });
      };
    },
    records: () =>
      [...entries.values()].flatMap(({ record, bytes }) => (record.expiresAtMs > clock.now() ? bytes : [])),
    async prune() {
      const gone = [...entries.values()].filter(({ record }) => membership.member(record.node) === undefined);
      for (const { record, bytes } of gone) {
        entries.delete(toHex(record.node));
        entriesBySignature.delete(signatureText(bytes));
        network.setAddresses(record.node, { control: [], bulk: [] });
      }
      const keys = gone.map(({ record }) => concat(PREFIX, record.node));
      if (keys.length > 0) await keyValue.batch(keys.map((key) => ({ kind: 'delete', key }) as const));
    },
  };
}

const envelope = z.tuple([bytesUpTo(DHT_RECORD_LENGTH_MAX), bytesOf(SIGNATURE_LENGTH)]);
const addressList = listOf(text(ADDRESS_LENGTH_MAX), ADDRESSES_MAX);
const body = z.tuple([digestOf<NetworkId>(), digestOf<NodeId>(), uint(), uint(), addressList, addressList]);

/** Whose record this claims to be and until when, before anything is verified. Throws INVALID_ENCODING. */
export function peekNodeRecord(bytes: Uint8Array): { readonly node: NodeId; readonly expiresAtMs: number } {
  const [inner] = decodeCanonical(envelope, bytes, DHT_RECORD_LENGTH_MAX, 'node record');
  const [, node, , expiresAtMs] = decodeCanonical(body, inner, DHT_RECORD_LENGTH_MAX, 'node record');
  return { node, expiresAtMs };
}

function signatureText(record: Uint8Array): string {
  return toHex(record.subarray(-SIGNATURE_LENGTH));
}
